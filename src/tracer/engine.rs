//! The wait loop: one OS thread hears of every stop, books it, and lets the thread go on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::adaptive::Adaptive;
use super::breather::Breather;
use super::credentials::{self, States};
use super::evidence::Evidence;
use super::hearing::Hearing;
use super::held::Held;
use super::ledger::Ledger;
use super::live::{Live, Stage};
use super::mailbox::{Letter, Mailbox};
use super::meter::StopMeter;
use super::modules::{MappedFile, Modules};
use super::snapshot::Snapshot;
use super::stalls::Stalls;
use super::stop::{AGAIN_AFTER, Action, Cause, StopPlan};
use super::target::{Session, Target};
use super::thread::Thread;
use super::tree::Tree;
use super::untraced::Stripped;
use crate::proc::{ThreadStatus, own_pid, tree as proc_tree};
use crate::ptrace::{
    Event, Options, PtraceError, Request, Tid, WaitError, interrupt, kill, seize, spawn,
};
use crate::recording::{Books, EndCause, ExitStatus, Moment, Occasion, Phase, Run};
use crate::syscall::{Errno, SignalSet, asks_to_stop, signal_name};

/// Why a run could not begin, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// fork(2) failed.
    #[error("no process could be started: {0}")]
    Fork(std::io::Error),
    /// The kernel does not let us trace our own child.
    #[error("the kernel refused to trace our own child: {0}")]
    SeizeChild(PtraceError),
    /// There is no process of that id.
    #[error("there is no process {0}")]
    NoSuchProcess(i32),
    /// The kernel does not let us trace that process.
    #[error("process {pid} may not be traced: {errno}")]
    MayNotAttach {
        /// The process.
        pid: i32,
        /// What `PTRACE_SEIZE` said.
        errno: Errno,
    },
    /// The signal handler that the wait loop needs could not be installed.
    #[error(transparent)]
    Bell(#[from] crate::ptrace::BellError),
    /// waitpid(2) failed in a way that it never should.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// A thread of ours could not be started.
    #[error("no thread could be started: {0}")]
    Thread(std::io::Error),
}

/// How a run came out.
#[derive(Debug)]
pub struct Outcome {
    /// Everything that was observed. Build-ids and the like of the files are left out.
    pub run: Run,
    /// If the launched program could not be executed, why.
    pub not_started: Option<Errno>,
}

/// The phases that a run without probes has, as the recording names them.
const PHASE_RUN: &str = "run";
const PHASE_SHUTDOWN: &str = "shutdown";

/// The tracer of one run.
#[derive(Debug)]
pub(super) struct Tracer {
    pub(super) started: Instant,
    pub(super) run: Run,
    pub(super) tree: Tree,
    pub(super) ledger: Ledger,
    pub(super) states: States,
    pub(super) books: Books,
    pub(super) meter: StopMeter,
    pub(super) modules: Modules,
    pub(super) evidence: Evidence,
    pub(super) breather: Breather,
    /// In adaptive mode.
    pub(super) adaptive: Option<Adaptive>,
    pub(super) plan: StopPlan,
    pub(super) phases: Vec<Phase>,
    pub(super) live: Arc<Live>,
    pub(super) mailbox: Arc<Mailbox>,
    /// The launched process; none if we attached.
    pub(super) launched: Option<i32>,
    /// The process that we have told to end.
    pub(super) told: Option<i32>,
    /// Whether the launched process, and not only what outlived it, was asked to end.
    pub(super) launched_was_asked: bool,
    /// The last signal that may ask for the end and that the launched process was seen to take.
    pub(super) launched_took: Option<(i32, Instant)>,
    pub(super) options: Options,
    pub(super) hearing: Hearing,
    /// Threads that stand until something has happened.
    pub(super) held: Vec<Held>,
    pub(super) stalls: Stalls,
    /// The processes that were to be traced, too, and could not be, by number and name.
    pub(super) not_traced: Vec<String>,
    /// We attached, and are letting go of every thread as it stops.
    pub(super) letting_go: bool,
    /// We are to end although threads have not stopped yet to be let go; the kernel does it then.
    at_once: bool,
    /// How many calls are open whose `CLONE_UNTRACED` was taken out.
    pub(super) stripped_calls: usize,
    /// What such a call's child, still to show up, must find put back.
    pub(super) restore_at_birth: HashMap<Tid, Stripped>,
    pub(super) not_started: Option<Errno>,
    /// What our parent has us ignore.
    ignored: SignalSet,
    pass_signals: bool,
    pub(super) gate: Option<crate::ptrace::Launched>,
}

impl Tracer {
    pub(super) fn new(
        session: &Session,
        run: Run,
        live: Arc<Live>,
        mailbox: Arc<Mailbox>,
        ignored: SignalSet,
        files: Sender<MappedFile>,
    ) -> Tracer {
        let now = Instant::now();
        let (launches, share, policy) = match &session.target {
            Target::Launch(launch) => (true, None, launch.adaptive.clone()),
            Target::Attach { max_share, .. } => (false, *max_share, None),
        };
        let filter_stops = policy.is_some();
        Tracer {
            started: now,
            run,
            tree: Tree::default(),
            ledger: Ledger::new(!launches),
            states: States::default(),
            books: Books::default(),
            meter: StopMeter::new(),
            modules: Modules::new(files),
            evidence: Evidence::new(),
            breather: Breather::new(share, now),
            adaptive: policy.map(|policy| Adaptive::new(policy, now)),
            plan: StopPlan::new(session.stop),
            phases: vec![Phase { name: PHASE_RUN.to_owned(), from_ms: 0, to_ms: None }],
            live,
            mailbox,
            launched: None,
            told: None,
            launched_was_asked: false,
            launched_took: None,
            options: Options { die_with_tracer: launches, exit_stops: true, filter_stops },
            hearing: Hearing::new(),
            held: Vec::new(),
            stalls: Stalls::new(session.max_stall),
            not_traced: Vec::new(),
            letting_go: false,
            at_once: false,
            stripped_calls: 0,
            restore_at_birth: HashMap::new(),
            not_started: None,
            ignored,
            pass_signals: session.pass_signals,
            gate: None,
        }
    }

    /// Starts the program, or takes hold of the processes.
    pub(super) fn begin(&mut self, target: &Target) -> Result<(), TraceError> {
        match target {
            Target::Launch(launch) => {
                let child = spawn(&launch.program, &launch.argv, &launch.inherited)
                    .map_err(TraceError::Fork)?;
                let tid = child.tid();
                seize(tid, self.options).map_err(TraceError::SeizeChild)?;
                interrupt(tid).map_err(TraceError::SeizeChild)?;
                self.gate = Some(child);
                self.launch_thread(tid);
                Ok(())
            }
            Target::Attach { pids, tree, .. } => self.attach(pids, *tree).inspect_err(|_| {
                // Those that were taken before the one that failed go on as they were.
                self.let_go_all();
            }),
        }
    }

    fn launch_thread(&mut self, tid: Tid) {
        self.tree.add(tid, tid.0, None, 0);
        self.books.threads_born += 1;
        self.launched = Some(tid.0);
        self.live.set_population(1, 1);
        if let Some(thread) = self.tree.thread_mut(tid) {
            thread.launching = Some(super::thread::Launching::AtGate);
            thread.interrupted = true;
        }
    }

    /// Hears of stops and deaths until nobody is left.
    pub(super) fn watch(&mut self) -> Result<(), TraceError> {
        let mailbox = Arc::clone(&self.mailbox);
        while self.tree.is_alive() && !self.at_once {
            match self.hearing.next() {
                Ok((at, Event::Stopped(stopped, stop))) => {
                    self.meter.heard(at);
                    self.on_stop(stopped, stop);
                }
                Ok((_, Event::Ended(tid, ended))) => self.on_end(tid, ended),
                Err(WaitError::Interrupted) => {}
                Err(WaitError::NoChildren) => break,
                Err(other) => return Err(other.into()),
            }
            if !self.held.is_empty() {
                self.release_held(Instant::now());
            }
            if mailbox.has_rung() {
                mailbox.serve(|letter| self.answer(letter));
                self.take_filter();
            }
        }
        let now_ms = self.now_ms();
        self.leave_the_rest(now_ms);
        self.breather.close(now_ms);
        self.close_phase(now_ms);
        Ok(())
    }

    /// Books the threads that are let go by our end.
    fn leave_the_rest(&mut self, now_ms: u64) {
        let rest = self.tree.tids();
        if !self.at_once || rest.is_empty() {
            return;
        }
        for tid in &rest {
            if let Some(thread) = self.tree.remove(*tid, None, now_ms) {
                self.close_thread(&thread);
            }
        }
        self.warn(format!(
            "{} of the threads did not stop to be let go, and were left to the kernel: calls of \
             theirs may have returned EINTR",
            rest.len()
        ));
    }

    /// Answers the control thread.
    fn answer(&mut self, letter: Letter) -> Option<Box<Snapshot>> {
        let now = Instant::now();
        let mut checkpoint = None;
        match letter {
            Letter::Signal(request) => {
                let is_request = asks_to_stop(request.signal);
                if is_request && !self.is_ignored(request) {
                    self.request_stop(Cause::Signal(request), now);
                } else if !is_request && self.pass_signals {
                    self.signal_program(request.signal);
                }
            }
            Letter::TimeOver => self.request_stop(Cause::TimeOver, now),
            Letter::Due => self.on_due(now),
            Letter::Checkpoint => {
                self.check_hot(now);
                checkpoint = Some(Box::new(self.snapshot()));
            }
        }
        self.tell_deadline();
        checkpoint
    }

    pub(super) fn tell_deadline(&self) {
        let look_again = self.adaptive.as_ref().and_then(Adaptive::deadline);
        let deadlines =
            [self.plan.deadline(), self.breather.deadline(), look_again, self.held_until()];
        self.mailbox.set_deadline(deadlines.into_iter().flatten().min());
    }

    /// What our parent has us ignore stays ignored: SIGHUP under `nohup`, SIGINT from the terminal
    /// for a job that a shell without job control has put into the background. But a SIGINT that
    /// somebody sends to us is meant for us; and a program that catches the terminal's SIGINT will
    /// end, whatever it was told to ignore.
    fn is_ignored(&self, request: Request) -> bool {
        if !self.ignored.contains(request.signal) {
            return false;
        }
        let caught = || {
            let status = self.tree.oldest().and_then(|pid| ThreadStatus::read(pid).ok());
            status.is_some_and(|s| s.sig_cgt.contains(request.signal))
        };
        request.signal != libc::SIGINT || (request.origin.is_kernel() && !caught())
    }

    fn request_stop(&mut self, cause: Cause, now: Instant) {
        if self.launched.is_none() {
            // An attached process is never signalled, only let go.
            if self.plan.requested().is_none() {
                self.plan.request(cause, false, now);
                self.let_go_all();
            }
            self.at_once |= self.plan.is_insisted_on(now);
            return;
        }
        let shares_terminal = self.tree.oldest().is_some_and(|pid| {
            let group = |pid| proc_tree::stat(pid).map(|s| s.pgrp).ok();
            group(pid).is_some() && group(pid) == group(own_pid())
        });
        let action = self.plan.request(cause, shares_terminal, now);
        self.act(action);
    }

    /// A signal to us that was read only when the program had ended: if it had the same one, it was
    /// asked to, and not by chance.
    pub(super) fn asked_late(&mut self, request: crate::ptrace::Request) {
        let is_request = asks_to_stop(request.signal);
        let now = Instant::now();
        if is_request && self.launched.is_some() && self.plan.has_received(request, now) {
            let action = self.plan.request(Cause::Signal(request), false, now);
            self.act(action);
            let now_ms = self.now_ms();
            self.close_phase(now_ms);
        }
    }

    fn on_due(&mut self, now: Instant) {
        let now_ms = self.now_ms();
        if self.breather.due(now, now_ms) {
            self.watch_again();
        }
        if self.adaptive.as_ref().and_then(Adaptive::deadline).is_some_and(|at| now >= at) {
            self.look_again();
        }
        self.release_held(now);
        if self.launched.is_some() {
            let node = self.tree.oldest();
            let action = self.plan.due(
                |signal| {
                    node.and_then(|pid| ThreadStatus::read(pid).ok())
                        .is_some_and(|s| s.shd_pending.with(s.sig_pending).contains(signal))
                },
                now,
            );
            self.act(action);
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Nothing => {}
            Action::Told(signal) => {
                // It may have died of its copy before we read ours.
                let took = self.launched_took.filter(|(_, at)| at.elapsed() < AGAIN_AFTER);
                let took_it = took.is_some_and(|(taken, _)| taken == signal);
                self.launched_was_asked |= took_it || self.tree.first_lives();
                self.begin_shutdown();
            }
            Action::Send(signal) => {
                self.launched_was_asked |= self.tree.first_lives();
                self.begin_shutdown();
                self.signal_program(signal);
            }
            Action::Kill => {
                for pid in self.tree.pids() {
                    self.send(pid, libc::SIGKILL);
                }
            }
        }
    }

    /// The program's process takes a signal that may ask for the end.
    pub(super) fn note_taken(&mut self, signal: i32, now: Instant) {
        if self.tree.first_lives() {
            self.launched_took = Some((signal, now));
        }
    }

    /// The program is its oldest living process: the launched one, or a daemon that outlives it.
    pub(super) fn signal_program(&mut self, signal: i32) {
        if let Some(pid) = self.tree.oldest() {
            self.told = Some(pid);
            self.send(pid, signal);
        }
    }

    /// Sends a signal to a process of the tree; one that is gone has no need of it.
    pub(super) fn send(&mut self, pid: i32, signal: i32) {
        match kill(pid, signal) {
            Ok(()) | Err(Errno(libc::ESRCH)) => {}
            Err(errno) => self.warn(format!(
                "{} could not be sent to a process: {errno} (CAP_KILL?)",
                signal_name(signal)
            )),
        }
    }

    fn begin_shutdown(&mut self) {
        let now_ms = self.now_ms();
        self.close_phase(now_ms);
        let phase = Phase { name: PHASE_SHUTDOWN.to_owned(), from_ms: now_ms, to_ms: None };
        self.phases.push(phase);
        self.ledger.set_phase(self.phases.len() - 1);
        self.live.set_stage(Stage::ShuttingDown);
        self.look_again();
        for pid in self.tree.pids() {
            self.look_at(Tid(pid), Occasion::StopRequest);
        }
    }

    fn close_phase(&mut self, now_ms: u64) {
        if let Some(phase) = self.phases.last_mut() {
            phase.to_ms.get_or_insert(now_ms);
        }
    }

    /// Milliseconds since the start of the run.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A tracee may die at any moment, and its death will be reported. Any other refusal is a loss.
    pub(super) fn tolerate(&mut self, result: crate::ptrace::Result<()>) {
        match result {
            Ok(()) | Err(PtraceError::Died(_)) => {}
            Err(refused) => {
                self.books.lost += 1;
                self.warn(refused.to_string());
            }
        }
    }

    pub(super) fn warn(&mut self, warning: String) {
        const MAX_WARNINGS: usize = 256;
        if self.run.warnings.len() < MAX_WARNINGS && !self.run.warnings.contains(&warning) {
            self.run.warnings.push(warning);
        }
    }

    /// A warning that the user should have while the run goes on.
    pub(super) fn warn_at_once(&mut self, warning: String) {
        self.live.tell(warning.clone());
        self.warn(warning);
    }

    /// A thread is gone; closes what it left open.
    pub(super) fn close_thread(&mut self, thread: &Thread) {
        self.books.threads_gone += 1;
        if let Some(call) = &thread.call {
            self.books.enters_closed_otherwise += 1;
            self.ledger.unfinished(call.slot);
            self.stripped_calls -= usize::from(call.stripped.is_some());
        }
        let (processes, threads) = self.tree.counts();
        self.live.set_population(processes, threads);
    }

    /// Reads a thread's credentials and notes them.
    pub(super) fn look_at(&mut self, tid: Tid, occasion: Occasion) {
        if let Ok(status) = ThreadStatus::read(tid.0) {
            self.note_status(tid, &status, occasion);
        }
    }

    pub(super) fn note_status(&mut self, tid: Tid, status: &ThreadStatus, occasion: Occasion) {
        let at_ms = self.now_ms();
        let Some((thread, process)) = self.tree.process_of(tid) else { return };
        let (state, index) = self.states.intern(credentials::state_of(status, &process.watched));
        let moment = Moment { at_ms, tid: tid.0, occasion };
        let noted = index.is_some_and(|index| credentials::note(process, index, moment));
        thread.credentials = Some(state);
        if tid.0 == status.tgid {
            process.comm.clone_from(&status.comm);
        }
        if !noted {
            self.warn(credentials::NOT_ALL_KEPT.to_owned());
        }
    }

    /// The end of the run in the recording's words.
    pub(super) fn cause(&self) -> EndCause {
        // A daemon goes on when what launched it has ended well, and is the program then.
        let ended_well = self.tree.first_status() == Some(&ExitStatus::Code(0));
        if self.not_started.is_some() {
            EndCause::NotStarted
        } else if self.letting_go {
            EndCause::Detached
        } else if self.plan.was_killed() {
            EndCause::Killed
        } else if self.plan.told_by().is_some() && (self.launched_was_asked || ended_well) {
            EndCause::Stopped
        } else {
            EndCause::Exited
        }
    }
}

/// How long a run took so far.
pub(super) fn duration_ms(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// How long the control thread may wait at most for anything.
pub(super) const LONGEST_WAIT: Duration = Duration::from_millis(250);
