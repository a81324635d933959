//! What a filter may let through: native syscalls that were seen, here or in an earlier run, and need
//! not be heard of each time.

use std::collections::{BTreeMap, BTreeSet};

use super::untraced::CLONE_UNTRACED;
use crate::arch::native;
use crate::filter::learned::{Learned, Test};
use crate::knowledge::{capability, heard};
use crate::recording::Run;
use crate::syscall::SysNo;

/// The `CLONE_NEW*` flags that clone(2) takes (`linux/sched.h`): a namespace is news each time, as by
/// unshare(2). `CLONE_NEWTIME` is none of them, since its bit is of the signal's there.
const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// Why a read goes on stopping.
const READS_SIGNALS: &str =
    "the program has signalfds, from which it may take a request to stop, and must be told once";

/// The use that was made of each syscall.
#[derive(Clone, Debug, Default)]
pub struct Seen(BTreeMap<SysNo, Use>);

#[derive(Clone, Debug, Default)]
struct Use {
    calls: u64,
    /// The values of its first tracked argument, in its first part.
    values: BTreeSet<u64>,
}

impl Seen {
    /// What the runs of a recording saw.
    pub fn in_runs(runs: &[Run]) -> Seen {
        let mut seen = Seen::default();
        for syscall in runs.iter().flat_map(|run| &run.syscalls) {
            let no = SysNo { arch: syscall.arch, number: syscall.number };
            let values = syscall.arguments.first().into_iter().flat_map(|a| &a.values);
            seen.add(no, syscall.count, values.filter_map(|value| value.raw.first().copied()));
        }
        seen
    }

    /// Adds calls, with the values of the first part of their first tracked argument.
    pub fn add(&mut self, no: SysNo, calls: u64, values: impl Iterator<Item = u64>) {
        let of = self.0.entry(no).or_default();
        of.calls += calls;
        of.values.extend(values);
    }

    /// What was seen in both.
    #[must_use]
    pub fn and(mut self, other: &Seen) -> Seen {
        for (no, of) in &other.0 {
            self.add(*no, of.calls, of.values.iter().copied());
        }
        self
    }

    /// Whether the use of a capability shows in it, and it is so rare that it can go on stopping.
    fn is_rare_evidence(&self, name: &str, of: &Use) -> bool {
        let all: u64 = self.0.values().map(|of| of.calls).sum();
        capability::is_subject(name) && of.calls * 1_000 < all.max(1_000)
    }

    /// What of it may be let through. `signalfds` are the descriptors that signalfd(2) gave to any
    /// process.
    pub fn learned(&self, signalfds: &BTreeSet<i32>) -> Learned {
        let mut learned = Learned::default();
        for (no, of) in self.0.iter().filter(|(no, _)| no.arch == native::ARCH) {
            let (Some(name), Ok(number)) = (no.name(), i32::try_from(no.number)) else { continue };
            if heard::why(name).is_some() || self.is_rare_evidence(name, of) {
                continue;
            }
            let tests = match name {
                // A child with that flag would not be ours.
                "clone" => {
                    let mask = CLONE_UNTRACED | NAMESPACES;
                    vec![Test::Masked { argument: 0, mask, equals: 0 }]
                }
                // One descriptor can be told from the rest, and programs have but one.
                "read" if !signalfds.is_empty() => {
                    let fds = signalfds.iter().filter(|_| signalfds.len() == 1);
                    let not =
                        |fd: &i32| Test::Not { argument: 0, value: fd.cast_unsigned().into() };
                    fds.map(not).collect()
                }
                "socket" | "socketpair" => {
                    let int = 0xffff_ffff;
                    let test =
                        |equals: &u64| Test::Masked { argument: 0, mask: int, equals: *equals };
                    of.values.iter().map(test).collect()
                }
                _ => {
                    learned.always.push(number);
                    continue;
                }
            };
            if !tests.is_empty() {
                learned.tested.push((number, tests));
            }
        }
        learned
    }
}

/// Why a syscall goes on stopping however often it was called, if it does.
pub fn why_heard(name: &str, signalfds: &BTreeSet<i32>) -> Option<&'static str> {
    let reads = (name == "read" && !signalfds.is_empty()).then_some(READS_SIGNALS);
    heard::why(name).or(reads)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no(name: &str) -> SysNo {
        SysNo::from_name(native::ARCH, name).unwrap()
    }

    fn names(numbers: impl Iterator<Item = i32>) -> Vec<String> {
        let no = |number| SysNo { arch: native::ARCH, number: i64::from(number) };
        numbers.map(|number| no(number).to_string()).collect()
    }

    fn seen(list: &[(&str, u64)]) -> Seen {
        let mut seen = Seen::default();
        for (name, calls) in list {
            seen.add(no(name), *calls, [2].into_iter());
        }
        seen
    }

    /// A condition costs a syscall the kernel's bitmap: only these few have one.
    #[test]
    fn hardly_any_syscall_is_let_through_on_a_condition() {
        let mut all = Seen::default();
        let natives = (0..600).map(|number| SysNo { arch: native::ARCH, number });
        for no in natives.filter(|no| no.name().is_some()) {
            all.add(no, 10_000, [2].into_iter());
        }
        let learned = all.learned(&BTreeSet::new());
        let tested = names(learned.tested.iter().map(|(number, _)| *number));
        assert_eq!(tested, ["socket", "socketpair", "clone"]);
        let always = names(learned.always.iter().copied());
        assert!(always.len() > 300 && always.contains(&"read".to_owned()));
        assert!(always.iter().all(|name| heard::why(name).is_none()));
    }

    #[test]
    fn reads_of_a_signalfd_go_on_stopping() {
        let seen = seen(&[("read", 9)]);
        let learned = seen.learned(&BTreeSet::from([5]));
        assert_eq!(learned.tested, [(0, vec![Test::Not { argument: 0, value: 5 }])]);
        assert_eq!(seen.learned(&BTreeSet::from([5, 6])), Learned::default());
        assert!(why_heard("read", &BTreeSet::from([5])).is_some());
        assert!(why_heard("read", &BTreeSet::new()).is_none());
    }

    #[test]
    fn what_may_show_a_capability_is_let_through_once_it_is_no_longer_rare() {
        let now = seen(&[("read", 5_000), ("setsockopt", 1)]);
        assert_eq!(names(now.learned(&BTreeSet::new()).numbers()), ["read"]);
        let earlier = seen(&[("setsockopt", 100), ("socket", 9), ("seccomp", 100)]);
        let both = now.and(&earlier).learned(&BTreeSet::new());
        assert_eq!(names(both.numbers()), ["read", "setsockopt", "socket"], "and seccomp never");
        let hot = seen(&[("socket", 9)]).learned(&BTreeSet::new());
        let inet = Test::Masked { argument: 0, mask: 0xffff_ffff, equals: 2 };
        assert_eq!(hot.tested, [(i32::try_from(no("socket").number).unwrap(), vec![inet])]);
    }

    #[test]
    fn a_new_namespace_is_news() {
        let learned = seen(&[("clone", 9)]).learned(&BTreeSet::new());
        let Test::Masked { mask, equals: 0, .. } = learned.tested[0].1[0] else { panic!() };
        assert!(mask & libc::CLONE_NEWUSER as u64 != 0 && mask & CLONE_UNTRACED != 0);
        assert_eq!(mask & 0xff, 0, "the signal at its end");
    }
}
