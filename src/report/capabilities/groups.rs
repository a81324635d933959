//! Processes in the same state, taken together, and how single ones changed theirs.

use std::collections::{BTreeMap, BTreeSet};

use super::{CapabilityReport, Disposition, ProcessCapabilities, RunCapabilities, State};
use crate::recording::{CredentialState, Moment};
use crate::syscall::CapSet;

/// A state that threads of a process were seen in.
#[derive(Clone, Copy, Debug)]
struct Sight<'a> {
    state: &'a State,
    /// What the process ran when it was first seen so.
    exe: Option<&'a str>,
    /// When it was seen, as far as that is kept.
    moments: &'a [Moment],
    /// How often.
    seen: u64,
}

/// Every process of a report with the states that its threads were seen in.
fn processes(report: &CapabilityReport) -> impl Iterator<Item = Vec<Sight<'_>>> {
    report.runs.iter().flat_map(|run| run.processes.iter().map(|process| sights(run, process)))
}

fn sights<'a>(run: &'a RunCapabilities, process: &'a ProcessCapabilities) -> Vec<Sight<'a>> {
    let sights = process.states.iter().filter_map(|seen| {
        Some(Sight {
            state: run.credential_states.get(seen.state.position())?,
            exe: seen.exe.as_deref(),
            moments: &seen.moments,
            seen: seen.seen,
        })
    });
    sights.collect()
}

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

impl Group<'_> {
    fn has_rights_of(&self, state: &State) -> bool {
        key(self.state) == key(state)
    }
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
    for process in processes(report) {
        let mut here: Vec<(usize, Vec<Sight<'_>>)> = Vec::new();
        for sight in process {
            let state = sight.state;
            let at = groups.iter().position(|group| group.has_rights_of(state));
            let at = at.unwrap_or_else(|| {
                let signals = BTreeMap::new();
                groups.push(Group { state, processes: 0, exes: Vec::new(), signals });
                groups.len() - 1
            });
            match here.iter_mut().find(|(known, _)| *known == at) {
                Some((_, sights)) => sights.push(sight),
                None => here.push((at, vec![sight])),
            }
            let exes = &mut groups[at].exes;
            exes.extend(sight.exe.filter(|exe| !exes.contains(exe)));
        }
        for (at, sights) in here {
            let group = &mut groups[at];
            group.processes += 1;
            let courses = [
                course(&sights, |state| state.traps_sigterm),
                course(&sights, |state| state.traps_sigint),
            ];
            *group.signals.entry(courses).or_default() += 1;
        }
    }
    groups
}

/// Whether the groups show all rights that were seen: processes that are not listed may have had
/// others.
pub fn show_all(groups: &[Group<'_>], report: &CapabilityReport) -> bool {
    let mut states = report.runs.iter().flat_map(|run| &run.credential_states);
    states.all(|state| groups.iter().any(|group| group.has_rights_of(state)))
}

fn course(sights: &[Sight<'_>], of: impl Fn(&State) -> Disposition) -> Course {
    let mut seen: Vec<(u64, Disposition)> = Vec::new();
    for sight in sights {
        seen.extend(sight.moments.iter().map(|moment| (moment.at_ms, of(sight.state))));
    }
    // Stable: at the same moment, in order of first sight.
    seen.sort_by_key(|(at_ms, _)| *at_ms);
    let mut order: Vec<Disposition> = seen.into_iter().map(|(_, what)| what).collect();
    order.dedup();
    // Not every moment is kept, but each state's last one.
    let all_known = sights.iter().all(|sight| sight.seen == sight.moments.len() as u64);
    let mut others: BTreeSet<Disposition> = sights.iter().map(|sight| of(sight.state)).collect();
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
    for process in processes(report) {
        let mut here: Vec<usize> = Vec::new();
        for (from, to, at_ms) in steps(&process) {
            let (exe, what) = (to.exe, describe(&from.state.state, &to.state.state));
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

fn steps<'a>(process: &[Sight<'a>]) -> Vec<(Sight<'a>, Sight<'a>, u64)> {
    let mut seen: Vec<(i32, u64, Sight<'a>)> = Vec::new();
    for sight in process {
        seen.extend(sight.moments.iter().map(|moment| (moment.tid, moment.at_ms, *sight)));
    }
    seen.sort_by_key(|(tid, at_ms, _)| (*tid, *at_ms));
    let pairs = seen.windows(2).filter_map(|pair| match pair {
        [(tid, _, from), (other, at_ms, to)]
            if tid == other && key(from.state) != key(to.state) =>
        {
            Some((*from, *to, *at_ms))
        }
        _ => None,
    });
    pairs.collect()
}
