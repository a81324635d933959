//! What a recording says of the run so far.

use std::sync::Arc;

use super::evidence::Found;
use super::ledger::Entries;
use super::log::Log;
use super::tree::Population;
use crate::arch::native;
use crate::recording::{Counted, CredentialState, Module, Run};
use crate::syscall::SysNo;

/// The run as it stood at one moment, not yet in words. It is taken while threads of the program
/// may stand stopped, so it shares with the tracer what never changes again, and copies the little
/// that does; the rest is done in [`Snapshot::into_run`], by a thread that nobody waits for.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Everything but the lists below.
    pub run: Run,
    pub states: Vec<Arc<CredentialState>>,
    pub population: Population,
    pub modules: Log<Module>,
    pub syscalls: Entries,
    pub evidence: Found,
}

impl Snapshot {
    /// The run in the recording's words, unfinished.
    pub(super) fn into_run(self) -> Run {
        let Snapshot { mut run, states, population, modules, syscalls, evidence } = self;
        run.credential_states = states.into_iter().map(Arc::unwrap_or_clone).collect();
        run.processes = population.to_processes();
        run.processes_not_listed = population.not_listed;
        run.modules = modules.iter().cloned().collect();
        run.modules.sort_by(|a, b| a.path.cmp(&b.path));
        let always_watched = run.watch.gaps.is_empty();
        let let_through = &run.watch.let_through;
        let counted = |no: SysNo| {
            let passed = no.arch == native::ARCH
                && no.name().is_some_and(|name| let_through.iter().any(|n| n == name));
            if always_watched && !passed { Counted::Exactly } else { Counted::AtLeast }
        };
        let phases: Vec<String> = run.phases.iter().map(|phase| phase.name.clone()).collect();
        run.syscalls = syscalls.to_syscalls(counted, &phases);
        run.capability_evidence = evidence.to_list();
        run.warnings.sort();
        run
    }
}
