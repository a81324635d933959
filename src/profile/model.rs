//! The data model of a profile, whatever format it is read from or written in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::arch::Arch;

/// What the kernel answers to a syscall (`seccomp(2)`, "Filters").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// It is made.
    Allow,
    /// It is made, and logged.
    Log,
    /// It is not made and returns this error.
    Errno(u16),
    /// A tracer decides, and is told this value.
    Trace(u16),
    /// A supervising process decides.
    Notify,
    /// The thread gets SIGSYS.
    Trap,
    /// The thread is killed; OCI's `SCMP_ACT_KILL` is the same by an older name.
    KillThread,
    /// The process is killed.
    KillProcess,
}

/// Why a rule is in a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It was called in a run.
    Observed,
    /// Denying it breaks a program by itself (`knowledge::always`).
    Always,
    /// Another libc or kernel would call it in place of one that was observed; by which rule.
    Portable(&'static str),
    /// The policy for what is not allowed says so.
    Policy,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Observed => f.write_str("observed"),
            Reason::Always => f.write_str("always"),
            Reason::Portable(rule) => write!(f, "portable:{rule}"),
            Reason::Policy => f.write_str("policy"),
        }
    }
}

/// What is answered to one syscall, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The answer.
    pub action: Action,
    /// The reasons, at least one.
    pub reasons: BTreeSet<Reason>,
}

/// A seccomp profile.
///
/// Syscalls go by name, as in every profile format: a rule holds for each of the architectures that
/// has a syscall of that name. No rule says what the default says already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    default_action: Action,
    architectures: BTreeSet<Arch>,
    rules: BTreeMap<String, Rule>,
}

impl Profile {
    /// A profile without rules.
    pub fn new(default_action: Action, architectures: impl IntoIterator<Item = Arch>) -> Profile {
        let architectures = architectures.into_iter().collect();
        Profile { default_action, architectures, rules: BTreeMap::new() }
    }

    /// Answers a syscall with this action. The first action that a syscall is given stays; a further
    /// one with the same action adds its reason. One that equals the default is no rule.
    pub fn set(&mut self, name: &str, action: Action, reason: Reason) {
        if action == self.default_action {
            return;
        }
        let rule = self
            .rules
            .entry(name.to_owned())
            .or_insert_with(|| Rule { action, reasons: BTreeSet::new() });
        if rule.action == action {
            rule.reasons.insert(reason);
        }
    }

    /// The answer to every syscall that no rule names.
    pub fn default_action(&self) -> Action {
        self.default_action
    }

    /// The architectures that the profile is for, sorted; the native one alone if there are none.
    /// By the others no syscall can be made at all.
    pub fn architectures(&self) -> impl Iterator<Item = Arch> {
        self.architectures.iter().copied()
    }

    /// The rules, sorted by name.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.rules.iter().map(|(name, rule)| (name.as_str(), rule))
    }

    /// The names that have an action of their own, by action; each group is sorted.
    pub fn by_action(&self) -> BTreeMap<Action, Vec<&str>> {
        let mut groups: BTreeMap<Action, Vec<&str>> = BTreeMap::new();
        for (name, rule) in self.rules() {
            groups.entry(rule.action).or_default().push(name);
        }
        groups
    }

    /// The rule for a syscall; none if the default answers it.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.get(name)
    }

    /// What is answered to a syscall.
    pub fn action(&self, name: &str) -> Action {
        self.rule(name).map_or(self.default_action, |rule| rule.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rule_equals_the_default_in_action_and_errno() {
        let mut profile = Profile::new(Action::Errno(38), []);
        profile.set("mount", Action::Errno(38), Reason::Policy);
        assert_eq!(profile.rules().count(), 0);
        profile.set("mount", Action::Errno(1), Reason::Policy);
        assert_eq!(profile.action("mount"), Action::Errno(1));
        assert_eq!(profile.action("read"), Action::Errno(38));
    }

    #[test]
    fn reasons_add_up_and_the_first_action_stays() {
        let mut profile = Profile::new(Action::Errno(38), [Arch::X86_64]);
        profile.set("futex", Action::Allow, Reason::Always);
        profile.set("futex", Action::Allow, Reason::Observed);
        profile.set("futex", Action::Errno(1), Reason::Policy);
        let rule = profile.rule("futex").unwrap();
        assert_eq!(rule.action, Action::Allow);
        assert_eq!(rule.reasons, BTreeSet::from([Reason::Observed, Reason::Always]));
    }
}
