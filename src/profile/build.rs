//! From a recording to a profile. The observed set alone breaks in production, so named rules add
//! to it; what is not allowed is answered by a policy.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::model::{Action, Profile, Reason};
use crate::arch::Arch;
use crate::knowledge::{always, forbidden};
use crate::recording::{Recording, Syscall};
use crate::syscall::SysNo;

/// How to build a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// What is answered to the rest.
    pub errno_policy: ErrnoPolicy,
    /// Allow what was observed and what is always needed, and nothing else.
    pub exact: bool,
}

/// What a profile answers to what it does not allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrnoPolicy {
    /// `ENOSYS`, so that libc and language runtimes take their fallbacks; but `EPERM` for what
    /// programs expect to be forbidden rather than absent (`knowledge::forbidden`).
    #[default]
    Compat,
    /// `EPERM` for all.
    Eperm,
    /// `ENOSYS` for all.
    Enosys,
    /// All is allowed and logged.
    Log,
    /// The process is killed.
    Kill,
    /// For a roll-out: all is allowed and logged, except for what [`Compat`](ErrnoPolicy::Compat)
    /// forbids.
    Guarded,
}

impl ErrnoPolicy {
    /// All of them.
    pub const ALL: [ErrnoPolicy; 6] = [
        ErrnoPolicy::Compat,
        ErrnoPolicy::Eperm,
        ErrnoPolicy::Enosys,
        ErrnoPolicy::Log,
        ErrnoPolicy::Kill,
        ErrnoPolicy::Guarded,
    ];

    const EPERM: Action = Action::Errno(libc::EPERM as u16);
    const ENOSYS: Action = Action::Errno(libc::ENOSYS as u16);

    /// The policy's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            ErrnoPolicy::Compat => "compat",
            ErrnoPolicy::Eperm => "eperm",
            ErrnoPolicy::Enosys => "enosys",
            ErrnoPolicy::Log => "log",
            ErrnoPolicy::Kill => "kill",
            ErrnoPolicy::Guarded => "guarded",
        }
    }

    fn default_action(self) -> Action {
        match self {
            ErrnoPolicy::Compat | ErrnoPolicy::Enosys => ErrnoPolicy::ENOSYS,
            ErrnoPolicy::Eperm => ErrnoPolicy::EPERM,
            ErrnoPolicy::Log | ErrnoPolicy::Guarded => Action::Log,
            ErrnoPolicy::Kill => Action::KillProcess,
        }
    }

    /// The answer to what programs expect to be forbidden, if it has one of its own.
    fn forbidden_action(self) -> Option<Action> {
        matches!(self, ErrnoPolicy::Compat | ErrnoPolicy::Guarded).then_some(ErrnoPolicy::EPERM)
    }
}

impl fmt::Display for ErrnoPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ErrnoPolicy {
    type Err = String;

    fn from_str(name: &str) -> Result<ErrnoPolicy, String> {
        let all = ErrnoPolicy::ALL;
        all.into_iter().find(|policy| policy.name() == name).ok_or_else(|| {
            let names = all.map(ErrnoPolicy::name).join(", ");
            format!("`{name}` is not a policy; there are {names}")
        })
    }
}

/// A profile, and what could not be put into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The profile.
    pub profile: Profile,
    /// Syscalls that were made and that no table has a name for, sorted: profiles know names only.
    /// The profile denies them.
    pub unnamed: Vec<SysNo>,
}

/// Builds the profile of all runs of a recording; the incomplete ones are evidence, too.
pub fn build(recording: &Recording, options: &BuildOptions) -> Built {
    let runs = &recording.runs;
    let observed = || runs.iter().flat_map(|run| &run.syscalls);
    let native = runs.iter().map(|run| run.host.arch);
    let architectures: BTreeSet<Arch> = native.chain(observed().map(|s| s.arch)).collect();
    let policy = options.errno_policy;
    let mut profile = Profile::new(policy.default_action(), architectures);

    let mut unnamed = BTreeSet::new();
    for syscall in observed() {
        match name(syscall) {
            Some(name) => profile.set(name, Action::Allow, Reason::Observed),
            None => {
                unnamed.insert(number(syscall));
            }
        }
    }
    for entry in always::ALWAYS {
        profile.set(entry.name, Action::Allow, Reason::Always);
    }
    if !options.exact {
        add_portable(&mut profile);
    }
    if let Some(action) = policy.forbidden_action() {
        for name in forbidden::names() {
            profile.set(name, action, Reason::Policy);
        }
    }
    Built { profile, unnamed: unnamed.into_iter().collect() }
}

/// Allows what another libc or kernel calls in place of what was observed.
fn add_portable(profile: &mut Profile) {
    // An older libc, or one that is told ENOSYS, has only clone(2). The reverse does not hold: where
    // clone was called, clone3 must go on to answer ENOSYS, since its flags cannot be filtered.
    if profile.action("clone3") == Action::Allow {
        profile.set("clone", Action::Allow, Reason::Portable("clone3-fallback"));
    }
}

/// The name that was recorded. A recording by an older build may lack one that is known today.
fn name(syscall: &Syscall) -> Option<&str> {
    syscall.name.as_deref().or_else(|| number(syscall).name())
}

fn number(syscall: &Syscall) -> SysNo {
    SysNo { arch: syscall.arch, number: syscall.number }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recording::{merge, sample};

    const EPERM: Action = Action::Errno(1);
    const ENOSYS: Action = Action::Errno(38);

    fn built(names: &[&str], options: BuildOptions) -> Built {
        build(&sample::recording("node", vec![sample::run_calling("1", names)]), &options)
    }

    fn policy(errno_policy: ErrnoPolicy) -> BuildOptions {
        BuildOptions { errno_policy, exact: false }
    }

    fn reasons(profile: &Profile, name: &str) -> Vec<String> {
        let rule = profile.rule(name).unwrap_or_else(|| panic!("no rule for {name}"));
        rule.reasons.iter().map(Reason::to_string).collect()
    }

    #[test]
    fn what_was_observed_and_what_is_always_needed_is_allowed() {
        let profile = built(&["read", "futex"], BuildOptions::default()).profile;
        assert_eq!(reasons(&profile, "read"), ["observed"]);
        assert_eq!(reasons(&profile, "futex"), ["observed", "always"]);
        assert_eq!(reasons(&profile, "exit_group"), ["always"]);
        assert_eq!(profile.action("write"), ENOSYS);
        let allowed = profile.by_action().remove(&Action::Allow).unwrap();
        assert_eq!(allowed.len(), always::ALWAYS.len() + 1);
    }

    #[test]
    fn clone3_brings_clone_and_clone_does_not_bring_clone3() {
        let profile = built(&["clone3"], BuildOptions::default()).profile;
        assert_eq!(reasons(&profile, "clone"), ["portable:clone3-fallback"]);
        let profile = built(&["clone3", "clone"], BuildOptions::default()).profile;
        assert_eq!(profile.action("clone"), Action::Allow);
        let profile = built(&["clone"], BuildOptions::default()).profile;
        assert_eq!(profile.action("clone3"), ENOSYS);
        let exact = BuildOptions { exact: true, ..BuildOptions::default() };
        assert_eq!(built(&["clone3"], exact).profile.action("clone"), ENOSYS);
    }

    #[test]
    fn what_programs_expect_to_be_forbidden_is_forbidden_unless_observed() {
        let profile = built(&["setns", "socket"], BuildOptions::default()).profile;
        assert_eq!(profile.action("bpf"), EPERM);
        assert_eq!(reasons(&profile, "bpf"), ["policy"]);
        assert_eq!(reasons(&profile, "setns"), ["observed"]);
        let groups = profile.by_action();
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[&EPERM].len(), forbidden::names().count() - 2);
    }

    #[test]
    fn each_policy_answers_as_it_says() {
        for (policy_is, default, bpf) in [
            (ErrnoPolicy::Compat, ENOSYS, EPERM),
            (ErrnoPolicy::Eperm, EPERM, EPERM),
            (ErrnoPolicy::Enosys, ENOSYS, ENOSYS),
            (ErrnoPolicy::Log, Action::Log, Action::Log),
            (ErrnoPolicy::Kill, Action::KillProcess, Action::KillProcess),
            (ErrnoPolicy::Guarded, Action::Log, EPERM),
        ] {
            let profile = built(&["read"], policy(policy_is)).profile;
            assert_eq!(profile.default_action(), default, "{policy_is}");
            assert_eq!(profile.action("bpf"), bpf, "{policy_is}");
            assert_eq!(profile.action("read"), Action::Allow, "{policy_is}");
            assert_eq!(policy_is.name().parse(), Ok(policy_is));
        }
        assert!("none".parse::<ErrnoPolicy>().unwrap_err().contains("compat, eperm"));
    }

    #[test]
    fn architectures_are_the_native_one_and_those_that_were_seen() {
        let native = |run| {
            let recording = sample::recording("node", vec![run]);
            let built = build(&recording, &BuildOptions::default());
            built.profile.architectures().collect::<Vec<_>>()
        };
        assert_eq!(native(sample::run_calling("1", &["read"])), [Arch::X86_64]);
        let mut run = sample::run_calling("1", &["read"]);
        run.syscalls.push(sample::syscall(Arch::I386, "socketcall"));
        assert_eq!(native(run), [Arch::X86_64, Arch::I386]);
    }

    #[test]
    fn what_has_no_name_is_reported() {
        let mut run = sample::run_calling("1", &["read", "no such call"]);
        run.complete = false;
        let recording = sample::recording("node", vec![run]);
        let built = build(&recording, &BuildOptions::default());
        assert_eq!(built.unnamed, [SysNo { arch: Arch::X86_64, number: 9999 }]);
        assert_eq!(built.profile.action("read"), Action::Allow);
    }

    #[test]
    fn a_name_that_was_not_known_to_the_recorder_is_found() {
        let mut run = sample::run_calling("1", &["mseal"]);
        run.syscalls[0].name = None;
        let built = build(&sample::recording("node", vec![run]), &BuildOptions::default());
        assert_eq!(reasons(&built.profile, "mseal"), ["observed"]);
        assert!(built.unnamed.is_empty());
    }

    proptest! {
        #[test]
        fn more_evidence_never_takes_anything_away(
            a in sample::any_recording(), b in sample::any_recording(), exact in any::<bool>()
        ) {
            for errno_policy in ErrnoPolicy::ALL {
                let options = BuildOptions { errno_policy, exact };
                let less = build(&a, &options).profile;
                // Of two states of a run the further one is kept, which may have called less.
                let ids: Vec<&String> = b.runs.iter().map(|r| &r.id).collect();
                if a.runs.iter().any(|r| ids.contains(&&r.id)) {
                    continue;
                }
                let more = build(&merge(a.clone(), b.clone()).unwrap(), &options).profile;
                for (name, rule) in less.rules().filter(|(_, r)| r.action == Action::Allow) {
                    prop_assert_eq!(more.action(name), rule.action, "{}", name);
                }
            }
        }
    }
}
