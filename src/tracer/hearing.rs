//! Hearing of stops and deaths in an order that is fair, and soon.

use std::collections::VecDeque;
use std::time::Instant;

use super::spin::{self, Spin};
use crate::ptrace::{Event, WaitError, wait, wait_at_once};

/// After how many single events all that is there is taken in at once. One more wait(2) for as many
/// stops is no price.
const EVERY: u32 = 32;

/// What was heard, and is still to be served.
#[derive(Debug)]
pub(super) struct Hearing {
    /// Each with the time at which it was heard of.
    waiting: VecDeque<(Instant, Event)>,
    since_all: u32,
    spin: Spin,
    /// When the latest was given out.
    latest: Instant,
}

impl Hearing {
    /// Nothing was heard yet.
    pub fn new() -> Hearing {
        let waiting = VecDeque::new();
        Hearing { waiting, since_all: 0, spin: Spin::new(), latest: Instant::now() }
    }

    /// The next stop or death, and when it was heard of. The kernel tells of its youngest tracee
    /// first, so that a few busy threads could keep an older one waiting for seconds: now and then
    /// all that is there is taken in at once, and served in that order.
    pub fn next(&mut self) -> Result<(Instant, Event), WaitError> {
        if self.waiting.is_empty() {
            self.since_all += 1;
            if self.since_all >= EVERY {
                self.hear_all();
            }
        }
        let (at, event) = match self.waiting.pop_front() {
            Some(event) => event,
            None => {
                let event = self.wait()?;
                (Instant::now(), event)
            }
        };
        self.spin.came_after(at.saturating_duration_since(self.latest));
        self.latest = at;
        Ok((at, event))
    }

    /// Takes in all that is there. Whether something waits to be served.
    pub fn hear_all(&mut self) -> bool {
        self.since_all = 0;
        // An error comes again when there is nothing left to serve.
        while let Ok(Some(event)) = wait_at_once() {
            self.waiting.push_back((Instant::now(), event));
        }
        !self.waiting.is_empty()
    }

    /// A process was born.
    pub fn born(&mut self) {
        self.spin.born();
    }

    /// Takes in what was heard by somebody else.
    pub fn take_in(&mut self, events: Vec<Event>) {
        let now = Instant::now();
        self.waiting.extend(events.into_iter().map(|event| (now, event)));
    }

    fn wait(&mut self) -> Result<Event, WaitError> {
        if self.spin.is_awake() {
            let since = Instant::now();
            while since.elapsed() < spin::LONGEST {
                if let Some(event) = wait_at_once()? {
                    return Ok(event);
                }
                std::hint::spin_loop();
            }
        }
        wait()
    }
}
