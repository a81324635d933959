//! The security module that confines a process.

use std::fmt;
use std::fs;

/// A security module that labels processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// AppArmor.
    AppArmor,
    /// SELinux.
    Selinux,
    /// Another one (Smack, TOMOYO).
    Other,
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Module::AppArmor => "AppArmor",
            Module::Selinux => "SELinux",
            Module::Other => "security module",
        })
    }
}

/// How a security module confines us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// Which module.
    pub module: Module,
    /// The profile or context: `docker-default`, `system_u:system_r:container_t:s0:c1,c2`.
    pub label: String,
    /// Whether it denies, rather than only log, or nothing at all.
    pub enforcing: bool,
    /// SELinux's boolean `deny_ptrace`, by which even unconfined processes may not trace.
    pub deny_ptrace: bool,
}

impl Confinement {
    /// How we are confined; none where no module labels processes.
    pub fn gather() -> Option<Confinement> {
        let label = label("self")?;
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        // securityfs and its list of modules are rarely mounted in containers; these are.
        if fs::exists("/sys/fs/selinux/enforce").unwrap_or(false) || looks_like_selinux(&label) {
            // What selinuxfs does not show in a container is taken for enforcing: the common case.
            let enforcing = read("/sys/fs/selinux/enforce").trim() != "0";
            let deny_ptrace = read("/sys/fs/selinux/booleans/deny_ptrace").starts_with('1');
            return Some(Confinement { module: Module::Selinux, label, enforcing, deny_ptrace });
        }
        if read("/sys/module/apparmor/parameters/enabled").trim() == "Y" {
            return Some(Confinement::apparmor(&label));
        }
        Some(Confinement { module: Module::Other, label, enforcing: false, deny_ptrace: false })
    }

    /// Reads AppArmor's label: `unconfined`, or a profile with its mode, `docker-default (enforce)`
    /// (apparmor(7), aa_getcon(2)).
    fn apparmor(text: &str) -> Confinement {
        let (label, mode) = match text.strip_suffix(')').and_then(|t| t.rsplit_once(" (")) {
            Some((label, mode)) => (label, mode),
            None => (text, ""),
        };
        // `kill` denies too; a stack of profiles is `mixed` if one of them does.
        let enforcing = matches!(mode, "enforce" | "kill" | "mixed");
        let label = label.to_owned();
        Confinement { module: Module::AppArmor, label, enforcing, deny_ptrace: false }
    }
}

/// The label of a process, `self` or a pid; none where no module gives one (`EINVAL`).
pub(super) fn label(process: &str) -> Option<String> {
    let text = fs::read(format!("/proc/{process}/attr/current")).ok()?;
    let text = String::from_utf8_lossy(&text);
    // SELinux's ends in a NUL, AppArmor's in a newline.
    let text = text.trim_end_matches(['\0', '\n']);
    (!text.is_empty()).then(|| text.to_owned())
}

/// A context is user:role:type and mostly a level. AppArmor's names may hold colons as well
/// (`:namespace:profile`), but not so many in one word.
fn looks_like_selinux(label: &str) -> bool {
    !label.contains(' ') && !label.starts_with(':') && label.split(':').count() >= 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apparmor_labels_have_a_mode() {
        let read = |text| {
            let c = Confinement::apparmor(text);
            (c.label, c.enforcing)
        };
        assert_eq!(read("docker-default (enforce)"), ("docker-default".into(), true));
        assert_eq!(read("/usr/bin/man (complain)"), ("/usr/bin/man".into(), false));
        assert_eq!(read("unconfined"), ("unconfined".into(), false));
        assert_eq!(read("a (b) (kill)"), ("a (b)".into(), true));
    }

    #[test]
    fn selinux_contexts_are_told_from_profiles() {
        assert!(looks_like_selinux("system_u:system_r:container_t:s0:c1,c2"));
        assert!(!looks_like_selinux("docker-default (enforce)"));
        assert!(!looks_like_selinux(":lxd:unconfined"));
    }
}
