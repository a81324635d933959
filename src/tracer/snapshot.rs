//! What a recording says of the run so far.

use std::sync::Arc;
use std::time::SystemTime;

use super::adaptive::Adaptive;
use super::engine::{Tracer, duration_ms};
use super::evidence::Found;
use super::ledger::Entries;
use super::log::Log;
use super::tree::Population;
use crate::arch::native;
use crate::recording::{
    Counted, CredentialState, EndCause, Ending, ExitStatus, Module, Run, StopSignal, Watch,
};
use crate::syscall::{SysNo, signal_name};

/// The run as it stood at one moment, not yet in words. It is taken while threads of the program
/// may stand stopped, so it shares with the tracer what never changes again, and copies the little
/// that does; the rest is done in [`Snapshot::into_run`], by a thread that nobody waits for.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Everything but the lists below.
    run: Run,
    states: Vec<Arc<CredentialState>>,
    population: Population,
    modules: Log<Module>,
    syscalls: Entries,
    evidence: Found,
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

impl Tracer {
    /// The run as it stands.
    pub(super) fn snapshot(&self) -> Snapshot {
        let now_ms = self.now_ms();
        let settled = self.adaptive.as_ref().and_then(|adaptive| adaptive.settled);
        let let_through = self.adaptive.as_ref().map(Adaptive::let_through).unwrap_or_default();
        let (gaps, gaps_total_ms) = self.breather.gaps(now_ms);
        let run = Run {
            duration_ms: now_ms,
            complete: false,
            incomplete_because: vec!["the run has not ended".to_owned()],
            watch: Watch {
                gaps,
                gaps_total_ms,
                processes_not_traced: self.not_traced.len() as u64,
                mode: self.run.watch.mode,
                settled,
                let_through,
            },
            phases: self.phases.clone(),
            cost: self.meter.to_cost(),
            books: self.books.clone(),
            ..self.run.clone()
        };
        Snapshot {
            run,
            states: self.states.list(),
            population: self.tree.population(),
            modules: self.modules.seen(),
            syscalls: self.ledger.entries(),
            evidence: self.evidence.found(),
        }
    }

    /// The run at its end, with the verdict on its completeness.
    pub(super) fn finish(mut self) -> super::Outcome {
        self.books.births_unexplained = self.tree.births_unexplained();
        let mut run = self.snapshot().into_run();
        run.ended_at = Some(humantime::format_rfc3339_millis(SystemTime::now()).to_string());
        let cause = self.cause();
        let requested = self.plan.requested();
        let ending = Ending {
            cause,
            requested_by: requested.as_ref().map(|(by, _)| by.clone()),
            stop_signal: self
                .plan
                .told_by()
                .filter(|_| self.launched.is_some())
                .map(|(signal, sent)| StopSignal { name: signal_name(signal), sent }),
            shutdown_ms: requested.map(|(_, at)| duration_ms(at)),
            by_itself_ms: self
                .tree
                .first_ended_ms()
                .filter(|_| self.launched.is_some() && !self.launched_was_asked),
            status: self.tree.first_status().cloned(),
        };
        run.incomplete_because = incomplete_because(&ending);
        run.ending = Some(ending);
        if self.launched.is_some() && run.syscalls.is_empty() {
            run.incomplete_because.push("the program was never executed".to_owned());
        }
        run.incomplete_because.extend(self.not_traced.iter().map(|who| {
            format!("{who} belongs to what was to be traced, and could not be: see the warnings")
        }));
        if self.not_started.is_none() {
            run.incomplete_because.extend(self.books.faults());
        }
        run.complete = run.incomplete_because.is_empty();
        super::Outcome { run, not_started: self.not_started }
    }
}

/// What the end of the program says against the run.
fn incomplete_because(ending: &Ending) -> Vec<String> {
    let by_itself = ending.by_itself_ms.is_some();
    let own_end = match &ending.status {
        Some(ExitStatus::Code(0)) => None,
        Some(ExitStatus::Code(code)) => {
            Some(format!("the program ended by itself with status {code}"))
        }
        Some(ExitStatus::Signal(signal)) => {
            Some(format!("the program was killed by {signal}, which we did not send"))
        }
        None => Some("how the program ended is not known".to_owned()),
    };
    let cause = match ending.cause {
        EndCause::Exited | EndCause::Stopped | EndCause::Detached => None,
        EndCause::Killed if by_itself => {
            Some("what outlived the program did not end when it was asked to, and was killed")
        }
        EndCause::Killed => Some("the program did not end when it was asked to, and was killed"),
        EndCause::NotStarted => Some("the program could not be started"),
        EndCause::TracerLost => Some("the tracer was lost"),
    };
    let is_own = by_itself || ending.cause == EndCause::Exited;
    let own_end = own_end.filter(|_| is_own && ending.cause != EndCause::NotStarted);
    own_end.into_iter().chain(cause.map(str::to_owned)).collect()
}
