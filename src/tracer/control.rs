//! The second thread: it takes our signals, keeps the time and makes checkpoints, and asks the
//! tracer thread for whatever it needs.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::engine::{LONGEST_WAIT, Outcome, TraceError, Tracer};
use super::live::Live;
use super::mailbox::{Letter, Mailbox};
use super::modules::MappedFile;
use super::target::Session;
use crate::ptrace::{Bell, Request, SignalPort};
use crate::recording::Run;
use crate::syscall::SignalSet;

/// When the first checkpoint is made: a program's start shows most of what it calls.
const FIRST_CHECKPOINT: Duration = Duration::from_millis(500);

/// Somebody who follows a run. Called by the control thread, so that nothing here keeps a thread of
/// the program waiting.
pub trait Observer: Send {
    /// Called a few times a second.
    fn tick(&mut self, live: &Live, elapsed: Duration);
    /// The run as it stands, unfinished; called soon after the start and then every few seconds.
    fn checkpoint(&mut self, run: Run);
}

/// Runs a session to its end on the calling thread, which must be the first one of the process if
/// that is the init of a container: orphans become children of that thread, and are reaped here.
///
/// `run` is what is known of the run before it starts. Files that are mapped for execution are told
/// to `files`, so that somebody else looks into them.
///
/// # Errors
/// If the run could not begin, or `waitpid(2)` failed in a way that it never should. A program
/// that cannot be executed is no error but an [`Outcome`].
pub fn run(
    session: &Session,
    run: Run,
    port: &SignalPort,
    ignored: SignalSet,
    observer: &mut dyn Observer,
    files: Sender<MappedFile>,
) -> Result<Outcome, TraceError> {
    /// Whatever happens to the tracer, the control thread hears of its end.
    struct Closing<'a>(&'a Mailbox);
    impl Drop for Closing<'_> {
        fn drop(&mut self) {
            self.0.close();
        }
    }
    let live = Arc::new(Live::default());
    let mailbox = Arc::new(Mailbox::default());
    let bell = Bell::install()?;
    let mut tracer =
        Tracer::new(session, run, Arc::clone(&live), Arc::clone(&mailbox), ignored, files);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let closing = Closing(&mailbox);
        let control = Control {
            mailbox: &mailbox,
            live: &live,
            port,
            bell,
            started,
            checkpoint_every: session.checkpoint_every,
            time_over: session.stop.after.and_then(|after| started.checked_add(after)),
        };
        let (tell, hear) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn_scoped(scope, move || {
                // The tracer rings back when the run has ended.
                let _ = tell.send(port.listen_here());
                control.keep(observer);
            })
            .map_err(TraceError::Thread)?;
        let back = hear.recv().ok();
        let begun = tracer.begin(&session.target);
        let result = tracer.watch();
        let result = begun.and(result);
        drop(closing);
        while !thread.is_finished() {
            if let Some(bell) = back {
                bell.ring();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        result
    })?;
    let unread = std::iter::from_fn(|| port.next(Duration::ZERO));
    let late: Vec<Request> = mailbox.take_late().into_iter().chain(unread).collect();
    for request in late {
        tracer.asked_late(request);
    }
    Ok(tracer.finish())
}

struct Control<'a> {
    mailbox: &'a Mailbox,
    live: &'a Live,
    port: &'a SignalPort,
    bell: Bell,
    started: Instant,
    checkpoint_every: Duration,
    time_over: Option<Instant>,
}

impl Control<'_> {
    fn keep(mut self, observer: &mut dyn Observer) {
        let mut next_checkpoint = self.started + self.checkpoint_every.min(FIRST_CHECKPOINT);
        while !self.mailbox.is_closed() {
            let now = Instant::now();
            let until = [self.mailbox.deadline(), self.time_over, Some(next_checkpoint)]
                .into_iter()
                .flatten()
                .map(|at| at.saturating_duration_since(now))
                .fold(LONGEST_WAIT, Duration::min);
            let mut letters: Vec<Letter> =
                self.port.next(until).map(Letter::Signal).into_iter().collect();
            let now = Instant::now();
            if self.time_over.is_some_and(|at| now >= at) {
                self.time_over = None;
                letters.push(Letter::TimeOver);
            }
            if self.mailbox.deadline().is_some_and(|at| now >= at) {
                letters.push(Letter::Due);
            }
            if now >= next_checkpoint {
                next_checkpoint = now + self.checkpoint_every;
                letters.push(Letter::Checkpoint);
            }
            for letter in letters {
                let Some(snapshot) = self.mailbox.ask(letter, self.bell) else { return };
                if let Some(snapshot) = snapshot {
                    observer.checkpoint(snapshot.into_run());
                }
            }
            observer.tick(self.live, self.started.elapsed());
        }
    }
}
