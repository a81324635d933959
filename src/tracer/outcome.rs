//! Taking the snapshot of a run, and its verdict at the end.

use std::time::SystemTime;

use super::adaptive::Adaptive;
use super::engine::{Tracer, duration_ms};
use super::snapshot::Snapshot;
use crate::recording::{EndCause, Ending, ExitStatus, Run, StopSignal, Watch};
use crate::syscall::signal_name;

impl Tracer {
    /// The run as it stands.
    pub(super) fn snapshot(&self) -> Snapshot {
        let now_ms = self.now_ms();
        let settled = self.adaptive.as_ref().and_then(|adaptive| adaptive.settled);
        let let_through = self.adaptive.as_ref().map(Adaptive::let_through).unwrap_or_default();
        let looks = self.adaptive.as_ref().map(|a| a.looks(now_ms)).unwrap_or_default();
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
                looks,
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
        if let Some(warning) = self.stalls.to_warning() {
            self.warn(warning);
        }
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
        let unseen = run.let_through_unseen().len();
        if unseen > 0 {
            run.warnings.push(format!(
                "{unseen} of the syscalls that --prior let through were not seen in this run, and \
                 are not in its part of the profile: add it to the runs that saw them, by the same \
                 --name and --output"
            ));
        }
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
