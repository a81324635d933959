//! Taking threads under trace.

use super::{Result, Tid, int_data, request};

/// The `PTRACE_O_` options that threads are seized with.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// `PTRACE_O_EXITKILL`: the tracee dies with the tracer. For launched trees only; an attached
    /// process must outlive us.
    pub die_with_tracer: bool,
    /// `PTRACE_O_TRACEEXIT`: the tracee stops before it ends. Off while the threads of a process
    /// are seized one by one: an execve(2) of one of them holds what [`seize`] waits for
    /// (`cred_guard_mutex`) until every other thread is gone, and such a stop would keep it.
    pub exit_stops: bool,
    /// `PTRACE_O_TRACESECCOMP`: a syscall that a filter answers with RET_TRACE stops with
    /// [`super::Stop::Seccomp`]. Without it such a call returns ENOSYS, as untraced.
    pub filter_stops: bool,
}

impl Options {
    pub(super) fn bits(self) -> i32 {
        let mut bits = libc::PTRACE_O_TRACESYSGOOD
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACEEXEC;
        if self.die_with_tracer {
            bits |= libc::PTRACE_O_EXITKILL;
        }
        if self.exit_stops {
            bits |= libc::PTRACE_O_TRACEEXIT;
        }
        if self.filter_stops {
            bits |= libc::PTRACE_O_TRACESECCOMP;
        }
        bits
    }
}

/// `PTRACE_SEIZE`: takes a thread under trace without stopping it. What it creates later is
/// seized with the same options by the kernel.
///
/// Blocks while a thread of the same process is in execve(2), which ends only when the process's
/// other threads have been reaped, by their tracer if they have one: whoever seizes more than one
/// thread does it under [`super::hear_beside`].
///
/// # Errors
/// `Died` if there is no such thread; `Refused` with EPERM if the kernel does not allow it or the
/// thread is traced already.
pub fn seize(tid: Tid, options: Options) -> Result<()> {
    request("PTRACE_SEIZE", libc::PTRACE_SEIZE, tid, 0, int_data(options.bits())).map(drop)
}

/// Sends a signal to a process, real-time ones included.
///
/// # Errors
/// ESRCH if it is gone, EPERM if it is another user's and we lack CAP_KILL.
pub fn kill(pid: i32, signal: i32) -> std::result::Result<(), crate::syscall::Errno> {
    // SAFETY: `kill` takes integers alone; ids up to 0 would be groups, and are refused.
    let result = if pid > 0 { unsafe { libc::kill(pid, signal) } } else { return Ok(()) };
    match result {
        0 => Ok(()),
        _ => Err(crate::syscall::Errno(nix::errno::Errno::last() as i32)),
    }
}

/// `PTRACE_INTERRUPT`: makes a running thread stop with [`super::Stop::Trap`]; one in group-stop
/// reports that again.
///
/// # Errors
/// `Died` if it has ended.
pub fn interrupt(tid: Tid) -> Result<()> {
    request("PTRACE_INTERRUPT", libc::PTRACE_INTERRUPT, tid, 0, int_data(0)).map(drop)
}
