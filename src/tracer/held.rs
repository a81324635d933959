//! Threads that are kept standing until something else has happened. It is a state of the one wait
//! loop: everybody else is served meanwhile.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::engine::Tracer;
use super::watched::Watched;
use crate::ptrace::{Stopped, Tid};
use crate::recording::Occasion;

/// How long a thread is held at most, if there is nothing left to hear: what it waits for may be in
/// an uninterruptible wait of the kernel's, or dead.
const LONGEST: Duration = Duration::from_secs(1);

/// The same where there always is.
const LONGEST_OF_ALL: Duration = Duration::from_secs(10);

/// A thread that stands.
#[derive(Debug)]
pub(super) struct Held {
    stopped: Stopped,
    pid: i32,
    until: Until,
    since: Instant,
}

/// What a thread waits for.
#[derive(Debug)]
pub(super) enum Until {
    /// That these of its process have stopped once, and none installs our filter.
    Stand(HashSet<Tid>),
    /// That the event of its process's maker comes, which tells what filters of ours it has.
    MakerIsKnown,
}

impl Tracer {
    pub(super) fn hold(&mut self, stopped: Stopped, until: Until) {
        let Some(pid) = self.tree.thread(stopped.tid()).map(|thread| thread.pid) else {
            return self.go_on(stopped, 0);
        };
        self.held.push(Held { stopped, pid, until, since: self.meter.heard_at() });
        self.tell_deadline();
    }

    /// A thread has stopped, or is gone: nobody waits for that any more. If it was held itself, only
    /// SIGKILL has moved it.
    pub(super) fn mind_held(&mut self, tid: Tid) {
        let before = self.held.len();
        self.held.retain(|held| held.stopped.tid() != tid);
        self.books.stops_ended += (before - self.held.len()) as u64;
        for held in &mut self.held {
            if let Until::Stand(waits_for) = &mut held.until {
                waits_for.remove(&tid);
            }
        }
    }

    /// Lets go on who has stood for long enough.
    pub(super) fn release_held(&mut self, now: Instant) {
        // If we stood ourselves (Ctrl-Z), what they wait for may have come unheard.
        let is_late = self.held.iter().any(|held| now >= held.since + LONGEST);
        let longest = if is_late && self.hearing.hear_all() { LONGEST_OF_ALL } else { LONGEST };
        let tree = &self.tree;
        let has_come = |held: &mut Held| {
            let watched = tree.process(held.pid).map(|process| &process.watched);
            match &mut held.until {
                Until::Stand(waits_for) => {
                    waits_for.retain(|tid| tree.thread(*tid).is_some_and(|t| !t.exiting));
                    waits_for.is_empty() && !watched.is_some_and(Watched::is_installing)
                }
                Until::MakerIsKnown => watched.is_none_or(Watched::is_maker_known),
            }
        };
        let all = std::mem::take(&mut self.held);
        let (mut over, mut held) = (Vec::new(), Vec::new());
        for mut one in all {
            let come = has_come(&mut one);
            if come || now >= one.since + longest { over.push((one, come)) } else { held.push(one) }
        }
        self.held = held;
        for (one, come) in over {
            match one.until {
                Until::Stand(_) => {
                    if !come {
                        self.warn(
                            "a thread did not stop while its program put a filter over all \
                             threads: what that filter denied to it before its next call is not \
                             recorded"
                                .to_owned(),
                        );
                    }
                    self.was_held(&one.stopped);
                }
                Until::MakerIsKnown => {
                    // It died in the call that made this one.
                    if let Some(process) = self.tree.process_mut(one.pid).filter(|_| !come) {
                        process.watched.has_no_maker();
                        let name = process.comm.clone();
                        self.tell_of_full(name, "was made by a thread that died of it");
                    }
                    self.look_at(one.stopped.tid(), Occasion::Birth);
                }
            }
            self.meter.heard(one.since);
            self.go_on(one.stopped, 0);
        }
    }

    /// When somebody has been held for too long.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held.iter().map(|held| held.since + LONGEST).min()
    }
}
