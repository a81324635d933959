//! What a rule is, and what the rules say of a call.

use super::{NOT_SHOWN, NotShown, RULES};
use crate::arch::Arch;
use crate::recording::CredentialState;
use crate::syscall::decode::SockAddr;
use crate::syscall::{Cap, CapSet};

/// A rule: such a call, if it succeeds, used such a capability.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The name that evidence refers to: `bind-privileged-port`.
    pub id: &'static str,
    /// The capabilities of which the kernel asks for one, the narrowest first. The first that the
    /// caller holds is what is reported.
    pub any_of: &'static [Cap],
    /// The syscalls that it is about, in every architecture's names.
    pub syscalls: &'static [&'static str],
    /// In words, when it applies.
    pub condition: &'static str,
    /// The section of `capabilities(7)` and the function of the kernel that say so.
    pub source: &'static str,
    /// What was done, if the rule applies to the call: `bind(port 80)`.
    pub(super) shows: fn(&Call<'_>) -> Option<String>,
}

/// A syscall that succeeded.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Its name.
    pub name: &'a str,
    /// By whose table it was called.
    pub arch: Arch,
    /// The registers of its arguments.
    pub args: [u64; 6],
    /// The address that it was given, for `bind(2)`.
    pub address: Option<SockAddr>,
    /// The flags of `clone(2)` and `clone3(2)`, the latter's read from memory.
    pub clone_flags: Option<u64>,
    /// The caller's credentials before the call.
    pub caller: &'a CredentialState,
    /// `/proc/sys/net/ipv4/ip_unprivileged_port_start` of the caller's network namespace.
    pub unprivileged_port_start: u16,
}

impl Call<'_> {
    /// The n-th argument as the kernel's `unsigned int` reads it: the upper half of the register is
    /// nobody's business.
    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn u32(&self, n: usize) -> u32 {
        self.args[n] as u32
    }

    /// The n-th argument as an `int`.
    pub(super) fn int(&self, n: usize) -> i32 {
        self.u32(n).cast_signed()
    }

    /// The n-th argument as an id of a user or group; `None` for -1, "leave as it is".
    ///
    /// i386 has each call of this kind twice: the old ones take 16 bits (`kernel/uid16.c`,
    /// `low2highuid`), those whose name ends in 32 take 32.
    pub(super) fn id(&self, n: usize) -> Option<u32> {
        let id = self.u32(n);
        if self.arch == Arch::I386 && !self.name.ends_with("32") && self.name != "fchownat" {
            let low = id & 0xffff;
            return (low != 0xffff).then_some(low);
        }
        (id != u32::MAX).then_some(id)
    }

    /// The name without i386's 32.
    pub(super) fn base_name(&self) -> &str {
        self.name.strip_suffix("32").unwrap_or(self.name)
    }
}

/// A capability that a call used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The capability.
    pub capability: Cap,
    /// The [`Rule::id`] that says so.
    pub rule: &'static str,
    /// What was seen, and in brackets what cannot be: `bind(port 80)`.
    pub detail: String,
}

/// Whether any rule is about syscalls of that name. Meant to be asked once per syscall, not once
/// per call.
pub fn is_subject(name: &str) -> bool {
    RULES.iter().any(|rule| rule.syscalls.contains(&name))
}

/// The capabilities that a successful call used.
///
/// Nothing is found for a capability that the caller does not have in its effective set: the call
/// succeeded without it. Whether the caller is in the user namespace whose capabilities count is
/// for the asker to know.
pub fn evidence(call: &Call<'_>) -> Vec<Found> {
    if call.caller.effective.is_empty() {
        return Vec::new();
    }
    RULES.iter().filter_map(|rule| rule.evidence(call)).collect()
}

/// The rule of that name.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// Why the use of a capability, or some of its uses, cannot be told from a call's arguments.
pub fn not_shown(capability: Cap) -> Option<&'static NotShown> {
    NOT_SHOWN.iter().find(|entry| entry.capability == capability)
}

/// The capabilities that have a rule.
pub fn with_rules() -> CapSet {
    let caps = RULES.iter().flat_map(|rule| rule.any_of);
    CapSet(caps.fold(0, |set, cap| set | 1 << cap.0))
}

impl Rule {
    fn evidence(&self, call: &Call<'_>) -> Option<Found> {
        if !self.syscalls.contains(&call.name) {
            return None;
        }
        let capability = *self.any_of.iter().find(|cap| call.caller.effective.contains(**cap))?;
        Some(Found { capability, rule: self.id, detail: (self.shows)(call)? })
    }
}
