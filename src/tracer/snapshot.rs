//! What a recording says of the run so far.

use super::books;
use super::engine::{Tracer, duration_ms};
use crate::recording::{Counted, EndCause, Ending, ExitStatus, Process, Run, StopSignal, Watch};
use crate::syscall::signal_name;

impl Tracer {
    /// The run as it stands, unfinished.
    pub(super) fn snapshot(&self) -> Run {
        let mut run = self.run.clone();
        run.duration_ms = duration_ms(self.started);
        run.complete = false;
        run.incomplete_because = vec!["the run has not ended".to_owned()];
        let (gaps, gaps_total_ms) = self.breather.gaps();
        run.watch = Watch { gaps, gaps_total_ms, ..run.watch };
        run.phases.clone_from(&self.phases);
        run.credential_states = self.states.list();
        let (processes, not_listed) = self.tree.all();
        run.processes = processes.iter().map(|(pid, p)| self.process(*pid, p)).collect();
        run.processes_not_listed = not_listed;
        run.modules = self.modules.to_modules();
        let counted = if run.watch.gaps.is_empty() { Counted::Exactly } else { Counted::AtLeast };
        let names: Vec<String> = self.phases.iter().map(|p| p.name.clone()).collect();
        run.syscalls = self.ledger.to_syscalls(counted, &names);
        run.capability_evidence = self.evidence.to_list();
        run.cost = self.meter.to_cost();
        run.books = self.books.clone();
        run.warnings.sort();
        run
    }

    fn process(&self, pid: i32, process: &super::tree::Process) -> Process {
        Process {
            pid,
            parent: process.parent,
            started_ms: process.started_ms,
            ended_ms: process.ended_ms,
            status: process.status.clone(),
            execs: process.execs.clone(),
            comm: process.comm.clone(),
            threads_peak: process.threads_peak,
            credentials: process.credentials.clone(),
        }
    }

    /// The run at its end, with the verdict on its completeness.
    pub(super) fn finish(mut self) -> super::Outcome {
        self.books.births_unexplained = self.tree.births_unexplained();
        let mut run = self.snapshot();
        let cause = self.cause();
        let status = self.tree.first_status().cloned();
        let requested = self.plan.requested();
        run.ending = Some(Ending {
            cause,
            requested_by: requested.as_ref().map(|(by, _)| by.clone()),
            stop_signal: self
                .plan
                .told_by()
                .filter(|_| self.launched.is_some())
                .map(|(signal, sent)| StopSignal { name: signal_name(signal), sent }),
            shutdown_ms: requested.map(|(_, at)| duration_ms(at)),
            status: status.clone(),
        });
        run.incomplete_because = incomplete_because(cause, status.as_ref());
        if self.launched.is_some() && run.syscalls.is_empty() {
            run.incomplete_because.push("the program was never executed".to_owned());
        }
        if self.not_started.is_none() {
            run.incomplete_because.extend(books::faults(&self.books));
        }
        run.complete = run.incomplete_because.is_empty();
        super::Outcome { run, not_started: self.not_started }
    }
}

/// What the end of the program says against the run.
fn incomplete_because(cause: EndCause, status: Option<&ExitStatus>) -> Vec<String> {
    let because = match (cause, status) {
        (EndCause::Exited, Some(ExitStatus::Code(0)))
        | (EndCause::Stopped | EndCause::Detached, _) => None,
        (EndCause::Exited, Some(ExitStatus::Code(code))) => {
            Some(format!("the program ended by itself with status {code}"))
        }
        (EndCause::Exited, Some(ExitStatus::Signal(signal))) => {
            Some(format!("the program was killed by {signal}, which we did not send"))
        }
        (EndCause::Exited, None) => Some("how the program ended is not known".to_owned()),
        (EndCause::Killed, _) => {
            Some("the program did not end when it was asked to, and was killed".to_owned())
        }
        (EndCause::NotStarted, _) => Some("the program could not be started".to_owned()),
        (EndCause::TracerLost, _) => Some("the tracer was lost".to_owned()),
    };
    because.into_iter().collect()
}
