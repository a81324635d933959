//! Processes in the same state, taken together, and how single ones changed theirs.

use std::collections::{BTreeMap, BTreeSet};

use super::{CapabilityReport, Disposition, ProcessCapabilities, State};
use crate::recording::CredentialState;
use crate::syscall::CapSet;

/// Processes that were seen with the same rights.
#[derive(Debug)]
pub struct Group<'a> {
    /// The state, of the first of them.
    pub state: &'a State,
    /// How many.
    pub processes: u64,
    /// What they ran, in order of first sight.
    pub exes: Vec<&'a str>,
    /// What became of SIGTERM and of SIGINT, and for how many processes.
    pub signals: BTreeMap<[Course; 2], u64>,
}

/// What becomes of a signal in a process over time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Course {
    /// Always the same.
    Always(Disposition),
    /// First this, then that.
    Then(Disposition, Disposition),
    /// To and fro, or one in one thread and another in the next.
    Varies {
        /// What it was when it was last looked at.
        last: Disposition,
        /// What else it was.
        others: BTreeSet<Disposition>,
    },
}

/// What makes the rights of two states the same: everything but signals, and when it was seen.
#[derive(PartialEq)]
struct Key<'a> {
    sets: [CapSet; 5],
    no_new_privs: bool,
    seccomp: (u8, Option<u32>),
    ids: ([u32; 4], [u32; 4], &'a [u32]),
}

/// The five sets in the order in which they are told.
pub fn sets(state: &CredentialState) -> [CapSet; 5] {
    [state.permitted, state.effective, state.inheritable, state.bounding, state.ambient]
}

fn key(state: &State) -> Key<'_> {
    let s = &state.state;
    Key {
        sets: sets(s),
        no_new_privs: s.no_new_privs,
        seccomp: (s.seccomp_mode, s.seccomp_filters),
        ids: (s.uid, s.gid, &s.groups),
    }
}

/// The groups of a report in order of first sight. A process that changed its rights counts in each
/// group that it was in, and once in each.
pub fn of(report: &CapabilityReport) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for process in report.runs.iter().flat_map(|run| &run.processes) {
        let mut here: Vec<(usize, Vec<&State>)> = Vec::new();
        for state in &process.states {
            let at = groups.iter().position(|group| key(group.state) == key(state));
            let at = at.unwrap_or_else(|| {
                let signals = BTreeMap::new();
                groups.push(Group { state, processes: 0, exes: Vec::new(), signals });
                groups.len() - 1
            });
            match here.iter_mut().find(|(known, _)| *known == at) {
                Some((_, states)) => states.push(state),
                None => here.push((at, vec![state])),
            }
            let exes = &mut groups[at].exes;
            exes.extend(state.exe.as_deref().filter(|exe| !exes.contains(exe)));
        }
        for (at, states) in here {
            let group = &mut groups[at];
            group.processes += 1;
            let courses = [
                course(&states, |state| state.traps_sigterm),
                course(&states, |state| state.traps_sigint),
            ];
            *group.signals.entry(courses).or_default() += 1;
        }
    }
    groups
}

fn course(states: &[&State], of: impl Fn(&State) -> Disposition) -> Course {
    let mut seen: Vec<(u64, Disposition)> = Vec::new();
    for state in states {
        seen.extend(state.moments.iter().map(|moment| (moment.at_ms, of(state))));
    }
    // Stable: at the same moment, in order of first sight.
    seen.sort_by_key(|(at_ms, _)| *at_ms);
    let mut order: Vec<Disposition> = seen.into_iter().map(|(_, what)| what).collect();
    order.dedup();
    // Not every moment is kept, but each state's last one.
    let all_known = states.iter().all(|state| state.seen == state.moments.len() as u64);
    let mut others: BTreeSet<Disposition> = states.iter().map(|state| of(state)).collect();
    let last = order.last().or(others.first()).copied().unwrap_or(Disposition::Default);
    others.remove(&last);
    match order.as_slice() {
        _ if others.is_empty() => Course::Always(last),
        [first, then] if all_known => Course::Then(*first, *then),
        _ => Course::Varies { last, others },
    }
}

/// A change of rights of one thread from one state to the next.
#[derive(Debug)]
pub struct Change<'a> {
    /// The executable of the process.
    pub exe: Option<&'a str>,
    /// What changed.
    pub what: String,
    /// When it was first seen.
    pub at_ms: u64,
    /// In how many processes.
    pub processes: u64,
}

/// Every change that threads made, those of the same executable that `describe` says the same of
/// together, in order of time.
pub fn changes(
    report: &CapabilityReport,
    describe: fn(&CredentialState, &CredentialState) -> String,
) -> Vec<Change<'_>> {
    let mut changes: Vec<Change<'_>> = Vec::new();
    for process in report.runs.iter().flat_map(|run| &run.processes) {
        let mut here: Vec<usize> = Vec::new();
        for (from, to, at_ms) in steps(process) {
            let (exe, what) = (to.exe.as_deref(), describe(&from.state, &to.state));
            let same = |change: &Change<'_>| change.exe == exe && change.what == what;
            let at = changes.iter().position(same).unwrap_or_else(|| {
                changes.push(Change { exe, what, at_ms, processes: 0 });
                changes.len() - 1
            });
            changes[at].at_ms = changes[at].at_ms.min(at_ms);
            if !here.contains(&at) {
                here.push(at);
                changes[at].processes += 1;
            }
        }
    }
    changes.sort_by_key(|change| change.at_ms);
    changes
}

fn steps(process: &ProcessCapabilities) -> Vec<(&State, &State, u64)> {
    let mut seen: Vec<(i32, u64, &State)> = Vec::new();
    for state in &process.states {
        seen.extend(state.moments.iter().map(|moment| (moment.tid, moment.at_ms, state)));
    }
    seen.sort_by_key(|(tid, at_ms, _)| (*tid, *at_ms));
    let pairs = seen.windows(2).filter_map(|pair| match pair {
        [(tid, _, from), (other, at_ms, to)] if tid == other && key(from) != key(to) => {
            Some((*from, *to, *at_ms))
        }
        _ => None,
    });
    pairs.collect()
}
