//! `ptrace(2)` made hard to misuse.
//!
//! A thread under trace is either running or [`Stopped`]. Only a stopped one can be read, changed
//! or let go on, and letting it go on consumes it, so that no register is read from a running
//! thread and no thread is forgotten in a stop: dropping a [`Stopped`] is a compile-time warning.
//!
//! All requests on a tracee must come from the thread that seized it (ptrace(2), "Attaching and
//! detaching"), so one OS thread owns everything here: the one that calls [`wait`].
//!
//! `unsafe` code lives here. Its invariants: every pointer that is handed to the kernel points to
//! a live local of at least the length that is named beside it; between `fork` and `execve` only
//! async-signal-safe calls are made (`signal-safety(7)`).

#![allow(unsafe_code)]

mod bell;
mod seize;
mod self_test;
mod signals;
mod spawn;
mod stopped;
mod wait;

pub use bell::{Bell, BellError};
pub use seize::{Options, interrupt, kill, seize};
pub use self_test::{SelfTestError, self_test};
pub use signals::{Inherited, Origin, Request, SignalPort};
pub use spawn::{Launched, spawn};
pub use stopped::{CallInfo, Stopped};
pub use wait::{Ended, Event, Stop, WaitError, hear_beside, is_continued, wait, wait_at_once};

use crate::syscall::Errno;

/// The id of a thread in the tracer's pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid(pub i32);

impl std::fmt::Display for Tid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a request on a tracee failed. Every caller has to face both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PtraceError {
    /// ESRCH at a thread that stood stopped: only SIGKILL ends a ptrace-stop without us, and its
    /// death will be reported by [`wait`] (ptrace(2), "Death under ptrace").
    #[error("thread {0} died under us")]
    Died(Tid),
    /// Any other error.
    #[error("{request} on thread {tid}: {errno}")]
    Refused {
        /// The request's name.
        request: &'static str,
        /// The thread.
        tid: Tid,
        /// The error.
        errno: Errno,
    },
}

impl PtraceError {
    fn last(request: &'static str, tid: Tid) -> PtraceError {
        match nix::errno::Errno::last() {
            nix::errno::Errno::ESRCH => PtraceError::Died(tid),
            errno => PtraceError::Refused { request, tid, errno: Errno(errno as i32) },
        }
    }
}

/// What a request gives.
pub type Result<T> = std::result::Result<T, PtraceError>;

/// The raw request. Returns the kernel's result, -1 being an error for every request used here.
fn request(
    name: &'static str,
    op: libc::c_uint,
    tid: Tid,
    addr: usize,
    data: *mut libc::c_void,
) -> Result<i64> {
    // SAFETY: the callers in this module pass `data` and `addr` as the request `op` wants them:
    // an integer, or a pointer to a live local of the size that the request is documented to read
    // or write.
    let result = unsafe { libc::ptrace(op, tid.0, addr, data) };
    if result == -1 { Err(PtraceError::last(name, tid)) } else { Ok(result) }
}

/// An integer in the place of ptrace's `data` pointer.
fn int_data(value: i32) -> *mut libc::c_void {
    std::ptr::without_provenance_mut(usize::try_from(value).unwrap_or(0))
}
