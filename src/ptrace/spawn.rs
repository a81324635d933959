//! Launching a program so that its `execve(2)` is the first thing that is traced.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::Tid;
use super::bell::bell_signal;
use super::signals::Inherited;

unsafe extern "C" {
    static environ: *const *const libc::c_char;
}

/// A child that waits at a gate before its `execve(2)`.
#[derive(Debug)]
pub struct Launched {
    tid: Tid,
    gate: OwnedFd,
}

impl Launched {
    /// The child's only thread.
    pub fn tid(&self) -> Tid {
        self.tid
    }

    /// Lets the child go on to its `execve(2)`.
    ///
    /// # Errors
    /// If the child is dead.
    pub fn open_gate(self) -> io::Result<()> {
        nix::unistd::write(&self.gate, b"g").map(drop).map_err(io::Error::from)
    }
}

/// Forks a child that, once its gate is opened, executes `program` with `argv` and our environment.
/// It has our process group, terminal, directory and descriptors, and the signal mask and
/// dispositions that our parent gave us. If we die before the gate is opened it exits.
///
/// # Errors
/// If there is no memory or no process to be had.
pub fn spawn(program: &CString, argv: &[CString], inherited: &Inherited) -> io::Result<Launched> {
    let mut pointers: Vec<*const libc::c_char> = argv.iter().map(|a| a.as_ptr()).collect();
    pointers.push(std::ptr::null());
    let mut ends = [0; 2];
    // SAFETY: `pipe2` fills the live array of two; each descriptor then has one owner.
    let (wait_end, gate) = unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) == -1 {
            return Err(io::Error::last_os_error());
        }
        (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
    };
    let (wait_fd, gate_fd) = (wait_end.as_raw_fd(), gate.as_raw_fd());

    // SAFETY: the child makes async-signal-safe calls alone until it executes or exits: close,
    // sigaction, pthread_sigmask, read, execve, _exit. All memory it uses was prepared above, and
    // `argv`, `program` and `environ` are null-terminated as execve(2) wants them.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: we are the child; see above.
        0 => unsafe {
            libc::close(gate_fd);
            restore(inherited);
            let mut byte = 0u8;
            if libc::read(wait_fd, (&raw mut byte).cast(), 1) == 1 {
                libc::execve(program.as_ptr(), pointers.as_ptr(), environ);
            }
            libc::_exit(127)
        },
        pid => Ok(Launched { tid: Tid(pid), gate }),
    }
}

/// # Safety
/// For the child of a fork; makes async-signal-safe calls alone.
unsafe fn restore(inherited: &Inherited) {
    let ignored = |signal| inherited.ignored.contains(signal);
    // SAFETY: integers and pointers to live values; `execve` resets handlers, so only "ignored or
    // default" of the two signals that we and Rust's runtime changed has to be put back.
    unsafe {
        let pipe = if inherited.sigpipe_ignored { libc::SIG_IGN } else { libc::SIG_DFL };
        libc::signal(libc::SIGPIPE, pipe);
        let bell = if ignored(bell_signal()) { libc::SIG_IGN } else { libc::SIG_DFL };
        libc::signal(bell_signal(), bell);
        if inherited.setxid_ignored {
            let action = [libc::SIG_IGN, 0, 0, 0];
            let none: *mut usize = std::ptr::null_mut();
            let signal = super::signals::SIGSETXID;
            libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), none, 8usize);
        }
        for fd in (0..3).filter(|fd| inherited.closed >> fd & 1 == 1) {
            libc::close(fd);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const inherited.mask, std::ptr::null_mut());
    }
}
