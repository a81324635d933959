//! The end of a stop: the thread goes on, to its next call or free.

use std::time::{Duration, Instant};

use super::engine::Tracer;
use super::live::Stage;
use super::thread::Thread;
use crate::ptrace::{Stopped, Tid};

impl Tracer {
    /// Lets a stopped thread go on, with a signal or 0: to its next syscall stop, free, or for good.
    pub(super) fn go_on(&mut self, stopped: Stopped, signal: i32) {
        let tid = stopped.tid();
        // What was taken out of an open call can be put back at its exit-stop only.
        let owes = |thread: &Thread| thread.call.is_some_and(|call| call.stripped.is_some());
        let owes = self.stripped_calls > 0 && self.tree.thread(tid).is_some_and(owes);
        let result = if owes {
            stopped.resume_to_syscall(signal)
        } else if self.runs_free(tid) {
            stopped.resume_free(signal)
        } else if self.letting_go {
            let result = stopped.detach(signal);
            let now_ms = self.now_ms();
            if result.is_ok()
                && let Some(thread) = self.tree.remove(tid, None, now_ms)
            {
                self.close_thread(&thread);
            }
            result
        } else if self.breather.is_watching() {
            stopped.resume_to_syscall(signal)
        } else {
            if let Some((thread, process)) = self.tree.process_of(tid) {
                process.may_hide_code = true;
                thread.may_be_inside = true;
                if let Some(call) = thread.call.take() {
                    self.books.enters_closed_otherwise += 1;
                    self.ledger.unfinished(call.slot);
                }
            }
            stopped.resume_free(signal)
        };
        self.gone_on(result);
    }

    /// Whether a thread stops at news only, by its filter. If it goes on inside a call, that call's
    /// result will not be heard of.
    fn runs_free(&mut self, tid: Tid) -> bool {
        let Some(adaptive) = &self.adaptive else { return false };
        let Some((thread, process)) = self.tree.process_of(tid) else { return false };
        thread.runs_free = adaptive.runs_free(&process.watched)
            && thread.injection.is_none()
            // What of its call was changed is put back at its exit-stop.
            && thread.again.is_none()
            && thread.call.is_none_or(|call| !call.result_wanted);
        if !thread.runs_free {
            return false;
        }
        thread.may_be_inside = true;
        // What it maps from now on may not be heard of.
        process.may_hide_code = true;
        process.maps = None;
        if let Some(call) = thread.call.take() {
            self.books.enters_closed_otherwise += 1;
            self.ledger.unwatched(call.slot);
        }
        true
    }

    /// Books the end of a stop. A thread that died in it has ended it as well.
    pub(super) fn gone_on(&mut self, result: crate::ptrace::Result<()>) {
        let served = self.meter.gone_on();
        self.books.stops_ended += 1;
        self.live.set_stops(self.meter.stops());
        self.tolerate(result);
        self.mind_stall(served.stood, "at a stop");
        self.spend(served.cost, served.at);
        let now_ms = self.now_ms_if(self.options.die_with_tracer);
        if self.breather.spend(served.cost, served.at, now_ms) {
            self.live.set_stage(Stage::RunningFree);
            self.tell_deadline();
        }
    }

    /// The time, unless nobody will use it: it is asked for at every stop.
    fn now_ms_if(&self, unused: bool) -> u64 {
        if unused { 0 } else { self.now_ms() }
    }

    /// A thread has stood this long for us.
    pub(super) fn mind_stall(&mut self, stood: Duration, why: &str) {
        if let Some(told) = self.stalls.note(stood, Instant::now(), why) {
            self.live.tell(told);
        }
    }
}
