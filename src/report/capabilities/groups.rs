//! Processes in the same state, taken together.

use std::collections::BTreeSet;

use super::{CapabilityReport, Disposition, State};
use crate::syscall::CapSet;

/// Processes that were seen in the same state.
#[derive(Debug)]
pub struct Group<'a> {
    /// The state, of the first of them.
    pub state: &'a State,
    /// How many.
    pub processes: u64,
    /// What they ran, in order of first sight.
    pub exes: Vec<&'a str>,
}

/// What makes two states the same to a reader: everything but which other signals are handled, and
/// when it was seen.
#[derive(PartialEq)]
struct Key<'a> {
    sets: [CapSet; 5],
    no_new_privs: bool,
    seccomp: (u8, Option<u32>),
    ids: ([u32; 4], [u32; 4], &'a [u32]),
    signals: (Disposition, Disposition),
}

fn key(state: &State) -> Key<'_> {
    let s = &state.state;
    Key {
        sets: [s.permitted, s.effective, s.inheritable, s.bounding, s.ambient],
        no_new_privs: s.no_new_privs,
        seccomp: (s.seccomp_mode, s.seccomp_filters),
        ids: (s.uid, s.gid, &s.groups),
        signals: (state.traps_sigterm, state.traps_sigint),
    }
}

/// The groups of a report in order of first sight. A process that changed its state counts in each
/// group that it was in.
pub fn of(report: &CapabilityReport) -> Vec<Group<'_>> {
    let mut groups: Vec<(Group<'_>, usize)> = Vec::new();
    let processes = report.runs.iter().flat_map(|run| &run.processes);
    for (number, process) in processes.enumerate() {
        for state in &process.states {
            let at = groups.iter().position(|(group, _)| key(group.state) == key(state));
            let at = at.unwrap_or_else(|| {
                let group = Group { state, processes: 0, exes: Vec::new() };
                groups.push((group, usize::MAX));
                groups.len() - 1
            });
            let (group, last) = &mut groups[at];
            if *last != number {
                *last = number;
                group.processes += 1;
            }
            group.exes.extend(state.exe.as_deref());
        }
    }
    let groups = groups.into_iter().map(|(mut group, _)| {
        let mut known = BTreeSet::new();
        group.exes.retain(|exe| known.insert(*exe));
        group
    });
    groups.collect()
}
