//! Hearing of stops and deaths.

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use super::{Bell, Stopped, Tid};
use crate::syscall::Errno;

/// Why a thread stands stopped; the names are those of ptrace(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Syscall-enter-stop or syscall-exit-stop; [`Stopped::call_info`] tells which.
    Syscall,
    /// Signal-delivery-stop: the signal is delivered if the thread is resumed with it.
    Signal(i32),
    /// Group-stop by this signal.
    Group(i32),
    /// `PTRACE_EVENT_STOP` with SIGTRAP: the first stop of a thread that the kernel seized for us,
    /// the answer to `PTRACE_INTERRUPT`, or the end of a group-stop.
    Trap,
    /// `PTRACE_EVENT_FORK`, `_VFORK` or `_CLONE`, in the parent: it has made a thread.
    Birth,
    /// `PTRACE_EVENT_EXEC`: it has executed a program; its id is now that of its thread group.
    Exec,
    /// `PTRACE_EVENT_SECCOMP`: a filter has answered RET_TRACE to its syscall, which has not happened
    /// yet; the event message is the filter's data value.
    Seccomp,
    /// `PTRACE_EVENT_EXIT`: it is about to end; its registers and /proc entry still stand.
    Exit,
    /// Another event, of an option that we did not ask for.
    Other(i32),
}

/// What a thread ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// `_exit(2)`'s argument.
    Code(i32),
    /// The signal that killed it.
    Signal(i32),
}

/// What [`wait`] heard.
#[derive(Debug)]
pub enum Event {
    /// A thread has stopped.
    Stopped(Stopped, Stop),
    /// A thread, or a child that is not traced, has ended and is reaped.
    Ended(Tid, Ended),
}

/// Why nothing was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// A [`super::Bell`] rang.
    #[error("interrupted")]
    Interrupted,
    /// There is nothing left to wait for.
    #[error("no children")]
    NoChildren,
    /// Any other error.
    #[error("waitpid: {0}")]
    Os(Errno),
}

/// Waits for the next stop or death among the children and tracees of the calling thread alone
/// (`__WNOTHREAD`): those of other threads of this process are not touched.
///
/// # Errors
/// See [`WaitError`].
pub fn wait() -> Result<Event, WaitError> {
    // Without WNOHANG there is always something.
    wait_with(libc::__WALL | libc::__WNOTHREAD)?.ok_or(WaitError::Interrupted)
}

/// As [`wait`], but `None` if there is nothing to hear of just now.
///
/// # Errors
/// See [`WaitError`].
pub fn wait_at_once() -> Result<Option<Event>, WaitError> {
    wait_with(libc::__WALL | libc::__WNOTHREAD | libc::WNOHANG)
}

fn wait_with(options: i32) -> Result<Option<Event>, WaitError> {
    let mut status = 0;
    // SAFETY: `status` is a live local.
    let tid = unsafe { libc::waitpid(-1, &raw mut status, options) };
    if tid < 0 {
        return Err(match nix::errno::Errno::last() {
            nix::errno::Errno::EINTR => WaitError::Interrupted,
            nix::errno::Errno::ECHILD => WaitError::NoChildren,
            other => WaitError::Os(Errno(other as i32)),
        });
    }
    if tid == 0 {
        return Ok(None);
    }
    let tid = Tid(tid);
    Ok(Some(match read_status(status) {
        Ok(ended) => Event::Ended(tid, ended),
        Err(stop) => Event::Stopped(Stopped::new(tid), stop),
    }))
}

/// Whether the last that befell a child of ours, of its stops and continuations, was a SIGCONT.
/// A group-stop that is heard of late may be over.
pub fn is_continued(pid: i32) -> bool {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WCONTINUED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    let Ok(id) = libc::id_t::try_from(pid) else { return false };
    // SAFETY: `info` is a live local; all-zero is a valid siginfo_t, which the kernel fills or, if
    // it has nothing to tell, leaves.
    let (result, info) =
        unsafe { (libc::waitid(libc::P_PID, id, info.as_mut_ptr(), options), info.assume_init()) };
    result == 0 && info.si_code != 0
}

/// Does `work` on the calling thread, which traces, and hears of stops and deaths on another thread
/// meanwhile: what has died is reaped although the tracer may be blocked in a request. What was
/// heard is for the tracer to serve afterwards, in that order. `work` calls the function that it is
/// given whenever there may be a first tracee.
///
/// While this lasts, other children of this process are reaped as well.
///
/// # Errors
/// If the other thread cannot be started.
pub fn hear_beside<T>(work: impl FnOnce(&dyn Fn()) -> T) -> io::Result<(T, Vec<Event>)> {
    let over = AtomicBool::new(false);
    let (tell_of_tracee, hear_of_tracee) = mpsc::channel();
    let (tell_bell, hear_bell) = mpsc::channel();
    std::thread::scope(|scope| {
        let listen = || {
            let hear_of_tracee = hear_of_tracee;
            let mut heard = Vec::new();
            // The other end waits for it below.
            let _ = tell_bell.send(Bell::here());
            while !over.load(Ordering::Relaxed) {
                match wait_with(libc::__WALL) {
                    Ok(event) => heard.extend(event),
                    Err(WaitError::Interrupted) => {}
                    // Nobody to wait for, until a tracee is told of or the work is done.
                    Err(_) if hear_of_tracee.recv().is_err() => break,
                    Err(_) => {}
                }
            }
            heard
        };
        let ear = std::thread::Builder::new().name("ear".to_owned()).spawn_scoped(scope, listen)?;
        let bell = hear_bell.recv().ok();
        let done = work(&|| tell_of_tracee.send(()).unwrap_or_default());
        over.store(true, Ordering::Relaxed);
        drop(tell_of_tracee);
        while !ear.is_finished() {
            if let Some(bell) = bell {
                bell.ring();
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Ok((done, ear.join().unwrap_or_default()))
    })
}

/// Splits a wait status by the rules of ptrace(2): the third byte is the event, SIGTRAP with bit
/// 7 set is a syscall stop.
fn read_status(status: i32) -> Result<Ended, Stop> {
    if libc::WIFEXITED(status) {
        return Ok(Ended::Code(libc::WEXITSTATUS(status)));
    }
    if libc::WIFSIGNALED(status) {
        return Ok(Ended::Signal(libc::WTERMSIG(status)));
    }
    let signal = libc::WSTOPSIG(status);
    Err(match status >> 16 {
        0 if signal == libc::SIGTRAP | 0x80 => Stop::Syscall,
        0 => Stop::Signal(signal),
        libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => Stop::Trap,
        libc::PTRACE_EVENT_STOP => Stop::Group(signal),
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
            Stop::Birth
        }
        libc::PTRACE_EVENT_SECCOMP => Stop::Seccomp,
        libc::PTRACE_EVENT_EXEC => Stop::Exec,
        libc::PTRACE_EVENT_EXIT => Stop::Exit,
        other => Stop::Other(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_statuses_are_read_as_ptrace_2_says() {
        let stopped = |event: i32, signal: i32| event << 16 | signal << 8 | 0x7f;
        assert_eq!(read_status(3 << 8), Ok(Ended::Code(3)));
        assert_eq!(read_status(9), Ok(Ended::Signal(9)));
        assert_eq!(read_status(9 | 0x80), Ok(Ended::Signal(9)), "with a core dump");
        assert_eq!(read_status(stopped(0, libc::SIGTRAP | 0x80)), Err(Stop::Syscall));
        assert_eq!(read_status(stopped(0, libc::SIGTRAP)), Err(Stop::Signal(libc::SIGTRAP)));
        assert_eq!(read_status(stopped(128, libc::SIGTRAP)), Err(Stop::Trap));
        assert_eq!(read_status(stopped(128, libc::SIGTSTP)), Err(Stop::Group(libc::SIGTSTP)));
        assert_eq!(read_status(stopped(4, libc::SIGTRAP)), Err(Stop::Exec));
        assert_eq!(read_status(stopped(7, libc::SIGTRAP)), Err(Stop::Seccomp));
        assert_eq!(read_status(stopped(9, libc::SIGTRAP)), Err(Stop::Other(9)));
    }
}
