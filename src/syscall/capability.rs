//! Capabilities (`capabilities(7)`, `linux/capability.h`) and sets of them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names by number, up to Linux 5.9's `CAP_CHECKPOINT_RESTORE`, the newest there is in 6.17.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// One capability, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cap(pub u8);

impl Cap {
    /// `CAP_SYS_PTRACE`.
    pub const SYS_PTRACE: Cap = Cap(19);
    /// `CAP_SYS_ADMIN`.
    pub const SYS_ADMIN: Cap = Cap(21);

    /// The capability of that name: `CAP_CHOWN`.
    pub fn from_name(name: &str) -> Option<Cap> {
        if let Some(n) = NAMES.iter().position(|n| *n == name) {
            return u8::try_from(n).ok().map(Cap);
        }
        let number: u8 = name.strip_prefix("CAP_")?.parse().ok()?;
        (number < 64).then_some(Cap(number))
    }
}

/// The name; `CAP_63` for one that is newer than this tool.
impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "CAP_{}", self.0),
        }
    }
}

/// A set of capabilities; bit n is capability n, as in `/proc/PID/status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub struct CapSet(pub u64);

impl CapSet {
    /// Whether the capability is in the set.
    pub fn contains(self, cap: Cap) -> bool {
        self.0 & (1 << cap.0) != 0
    }

    /// The capabilities in the set, in order of number.
    pub fn iter(self) -> impl Iterator<Item = Cap> {
        (0..64).map(Cap).filter(move |cap| self.contains(*cap))
    }

    /// What is in either set.
    #[must_use]
    pub fn union(self, other: CapSet) -> CapSet {
        CapSet(self.0 | other.0)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub fn without(self, other: CapSet) -> CapSet {
        CapSet(self.0 & !other.0)
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl From<CapSet> for Vec<String> {
    fn from(set: CapSet) -> Self {
        set.iter().map(|cap| cap.to_string()).collect()
    }
}

impl TryFrom<Vec<String>> for CapSet {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        names.iter().try_fold(CapSet(0), |set, name| match Cap::from_name(name) {
            Some(cap) => Ok(CapSet(set.0 | 1 << cap.0)),
            None => Err(format!("`{name}` is not a capability")),
        })
    }
}

impl JsonSchema for CapSet {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CapSet".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<String>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_go_to_names_and_back() {
        let set = CapSet(1 | 1 << 21 | 1 << 50);
        let names: Vec<String> = set.into();
        assert_eq!(names, ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_50"]);
        assert_eq!(CapSet::try_from(names), Ok(set));
        assert!(CapSet::try_from(vec!["CAP_NONE".to_owned()]).is_err());
    }
}
