//! Where the tracer thread and the control thread meet.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::snapshot::Snapshot;
use crate::filter::{Compiled, FilterError};
use crate::ptrace::{Bell, Request};

/// What the control thread asks of the tracer thread.
#[derive(Clone, Copy, Debug)]
pub(super) enum Letter {
    /// A signal has come to us.
    Signal(Request),
    /// `--for` has ended.
    TimeOver,
    /// A deadline that an answer told has come.
    Due,
    /// The run as it stands is wanted.
    Checkpoint,
}

/// The answer: the run as it stands, if it was asked for.
type Answer = Option<Box<Snapshot>>;

#[derive(Debug, Default)]
struct Letters {
    waiting: VecDeque<Letter>,
    answer: Option<Answer>,
    /// When the tracer thread wants to be told that it is time for something.
    deadline: Option<Instant>,
    /// The filter of that number that was asked for.
    filter: Option<(u32, Result<Compiled, FilterError>)>,
    closed: bool,
    /// Signals that came when the run had just ended: perhaps by them.
    late: Vec<Request>,
}

/// Where the two threads meet.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    rung: AtomicBool,
    letters: Mutex<Letters>,
    answered: Condvar,
}

impl Mailbox {
    /// Whether something has come in: one relaxed load for every stop.
    pub(super) fn has_rung(&self) -> bool {
        self.rung.load(Ordering::Relaxed)
    }

    /// The tracer thread's side: answers what has come in.
    pub(super) fn serve(&self, mut answer: impl FnMut(Letter) -> Answer) {
        self.rung.store(false, Ordering::Relaxed);
        while let Some(letter) = { self.lock().waiting.pop_front() } {
            let answer = answer(letter);
            self.lock().answer = Some(answer);
        }
        self.answered.notify_all();
    }

    /// The tracer thread's side: when it wants a [`Letter::Due`].
    pub(super) fn set_deadline(&self, deadline: Option<Instant>) {
        self.lock().deadline = deadline;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.lock().deadline
    }

    /// Brings the filter that the tracer thread has asked for. Nobody rings: it is wanted at the next
    /// stop, and not before.
    pub(super) fn deliver_filter(&self, number: u32, filter: Result<Compiled, FilterError>) {
        let mut letters = self.lock();
        if letters.filter.as_ref().is_none_or(|(of, _)| *of < number) {
            letters.filter = Some((number, filter));
        }
        drop(letters);
        self.rung.store(true, Ordering::Relaxed);
    }

    /// The filter of that number, if it is there: one that was asked for earlier may come later.
    pub(super) fn take_filter(&self, number: u32) -> Option<Result<Compiled, FilterError>> {
        self.lock().filter.take().filter(|(of, _)| *of == number).map(|(_, filter)| filter)
    }

    /// The tracer thread's side: no more answers.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.answered.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// The control thread's side: asks, and rings until there is an answer. `None` if the run has
    /// ended in the meantime.
    pub(super) fn ask(&self, letter: Letter, bell: Bell) -> Option<Answer> {
        let mut letters = self.lock();
        letters.waiting.push_back(letter);
        self.rung.store(true, Ordering::Relaxed);
        loop {
            if let Some(answer) = letters.answer.take() {
                return Some(answer);
            }
            if letters.closed {
                if let Letter::Signal(request) = letter {
                    letters.late.push(request);
                }
                return None;
            }
            // A ring just before the other thread enters its wait is lost, hence the loop.
            bell.ring();
            let again = Duration::from_millis(5);
            let waited = self.answered.wait_timeout(letters, again);
            letters = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signals that came when the run had just ended.
    pub(super) fn take_late(&self) -> Vec<Request> {
        std::mem::take(&mut self.lock().late)
    }
}
