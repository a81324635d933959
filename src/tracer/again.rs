//! Calls that end with EINTR under a tracer alone, and are made again.
//!
//! A blocked call that is interrupted is gone back to by the kernel itself, unless a handler runs:
//! it ends with ERESTARTSYS or one of its kin inside the kernel. But epoll_wait, sigtimedwait,
//! semtimedop, io_getevents and receives with a time-out end with EINTR whatever interrupted them
//! (signal(7), "Interruption of system calls and library functions by stop signals"). Two things
//! interrupt them that an untraced program never hears of: our `PTRACE_INTERRUPT`, and a signal
//! that is ignored, which the kernel keeps from being discarded for a tracer to see
//! (`sig_ignored`, kernel/signal.c).
//!
//! One case is left as it is: a SIGCONT to a process that is not stopped makes each of its threads
//! trap for the tracer (`prepare_signal`), and nothing tells the EINTR of that from another.

use std::time::Instant;

use super::engine::Tracer;
use super::thread::{Again, Call, Shortened};
use crate::arch::{Regs, native};
use crate::proc::ThreadStatus;
use crate::ptrace::{Stopped, Tid};
use crate::syscall::SysNo;

/// `epoll_wait(2)`'s and `epoll_pwait(2)`'s time-out: the fourth argument, an `int` of milliseconds
/// that is endless below zero.
const EPOLL_TIMEOUT: usize = 3;

/// How often a call is made again whose time-out starts anew with that: a program whose every wait
/// is cut short by ignored signals must get on in the end. What has no time-out waits for ever.
const MAX_TIMES: u32 = 16;

impl Tracer {
    /// At an exit-stop, or at the stop that answers an interrupt: whether the thread's call ended
    /// with EINTR that an untraced program would not see. Then it makes the call again.
    pub(super) fn make_again(&mut self, stopped: &Stopped, result: i64, interrupted: bool) -> bool {
        let tid = stopped.tid();
        let ours = result == -i64::from(libc::EINTR) && is_our_doing(tid, interrupted);
        if !ours && self.tree.thread(tid).is_none_or(|t| t.again.is_none()) {
            return false;
        }
        match self.change_registers(stopped, ours) {
            Ok(made) => made,
            Err(e) => {
                self.tolerate(Err(e));
                false
            }
        }
    }

    /// At the signal-delivery-stop of a thread that ran free, and so had no exit-stop: whether the
    /// signal, which is ignored, has ended its call with EINTR. Then it makes the call again.
    pub(super) fn make_again_at_signal(&mut self, stopped: &Stopped, signal: i32) {
        let ran_free = self.tree.thread(stopped.tid()).is_some_and(|thread| thread.runs_free);
        // A SIGCONT comes after a stop, which ends such a call by right.
        if !ran_free || signal == libc::SIGCONT {
            return;
        }
        let Ok(regs) = stopped.regs() else { return };
        if !regs.in_syscall() || regs.result() != -i64::from(libc::EINTR) {
            return;
        }
        let Ok(status) = ThreadStatus::read(stopped.tid().0) else { return };
        let ignored = status.ignored();
        if ignored.contains(signal) && status.deliverable().without(ignored).is_empty() {
            let changed = self.change_registers(stopped, true).map(drop);
            self.tolerate(changed);
        }
    }

    fn change_registers(&mut self, stopped: &Stopped, again: bool) -> crate::ptrace::Result<bool> {
        let letting_go = self.letting_go;
        let Some(thread) = self.tree.thread_mut(stopped.tid()) else { return Ok(false) };
        let mut regs = stopped.regs()?;
        let under_way = UnderWay::of(thread.call.as_ref(), &regs);
        let since = under_way.since;
        let mut state = thread.again.unwrap_or(Again { since, times: 0, shortened: None });
        if let Some(shortened) = state.shortened.take() {
            if under_way.ip != shortened.ip {
                // A handler has come in between, and this is its call.
                return Ok(false);
            }
            regs.set_arg(shortened.arch, EPOLL_TIMEOUT, shortened.given);
        }
        let timeout = under_way.epoll_timeout(&regs);
        let made = again
            && regs.in_syscall()
            && (timeout.is_some()
                || state.times < MAX_TIMES
                || letting_go
                || under_way.is_endless(&regs));
        if made {
            state.times += 1;
            regs.make_again();
            // Once we have let go nobody would put the time-out back.
            if let Some(given) = timeout.filter(|_| !letting_go) {
                let UnderWay { no, ip, .. } = under_way;
                let passed = u64::try_from(state.since.elapsed().as_millis()).unwrap_or(u64::MAX);
                let left = (given & 0xffff_ffff).saturating_sub(passed);
                regs.set_arg(no.arch, EPOLL_TIMEOUT, left);
                state.shortened = Some(Shortened { arch: no.arch, ip, given });
            }
        }
        thread.again = made.then_some(state);
        stopped.set_regs(&regs)?;
        Ok(made)
    }
}

/// The call that a thread comes back from.
struct UnderWay {
    no: SysNo,
    /// The address behind it.
    ip: u64,
    /// When it was made, if we saw that; else when we came to hear of it.
    since: Instant,
}

impl UnderWay {
    /// By the registers alone where the thread ran free: into a native call, since our filter stops
    /// at all others.
    fn of(call: Option<&Call>, regs: &Regs) -> UnderWay {
        let number = regs.number().cast_signed();
        match call {
            Some(call) => UnderWay { no: call.no, ip: call.ip, since: call.since },
            None => UnderWay {
                no: SysNo { arch: native::ARCH, number },
                ip: regs.ip(),
                since: Instant::now(),
            },
        }
    }

    /// If it is to end after a time that a register tells: that register.
    fn epoll_timeout(&self, regs: &Regs) -> Option<u64> {
        let given = regs.arg(self.no.arch, EPOLL_TIMEOUT);
        let has_one = matches!(self.no.name(), Some("epoll_wait" | "epoll_pwait"));
        (has_one && given & 0x8000_0000 == 0).then_some(given)
    }

    /// Whether it has no time-out that could start anew. One that would be restarted by the kernel
    /// itself is none of those that come here.
    fn is_endless(&self, regs: &Regs) -> bool {
        let timeout = match self.no.name() {
            Some("semop") => return true,
            Some("rt_sigtimedwait") => 2,
            Some("epoll_pwait2" | "semtimedop") => 3,
            Some("io_getevents" | "io_pgetevents") => 4,
            Some("epoll_wait" | "epoll_pwait") => {
                return regs.arg(self.no.arch, EPOLL_TIMEOUT) & 0x8000_0000 != 0;
            }
            _ => return false,
        };
        regs.arg(self.no.arch, timeout) == 0
    }
}

/// Nothing is waiting to be delivered that untraced would have ended the call: our interrupt did,
/// or signals that would have been discarded.
fn is_our_doing(tid: Tid, interrupted: bool) -> bool {
    let Ok(status) = ThreadStatus::read(tid.0) else { return interrupted };
    let waiting = status.deliverable();
    let heard = waiting.without(status.ignored());
    heard.is_empty() && (interrupted || !waiting.is_empty())
}
