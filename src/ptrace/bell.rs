//! Getting the attention of a thread that sits in [`super::wait`].

use std::mem::MaybeUninit;

use super::Tid;
use crate::syscall::Errno;

/// Installing a [`Bell`] failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sigaction: {0}")]
pub struct BellError(Errno);

/// Interrupts the `waitpid(2)` of the thread that installed it, by a signal with an empty handler.
///
/// A ring that comes just before the thread enters `waitpid` is lost. So whoever rings does it
/// again until it has its answer; that is the price of one blocking wait without a second system
/// call for every stop.
#[derive(Clone, Copy, Debug)]
pub struct Bell {
    listener: Tid,
}

extern "C" fn nothing(_: libc::c_int) {}

/// The last real-time signal: programs use them from the first on.
pub(super) fn bell_signal() -> i32 {
    libc::SIGRTMAX()
}

impl Bell {
    /// For the calling thread.
    ///
    /// # Errors
    /// If the handler cannot be installed.
    pub fn install() -> Result<Bell, BellError> {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: all-zero is a valid `sigaction` with an empty mask and no flags: without
        // SA_RESTART, the signal ends `waitpid` with EINTR. The handler does nothing, which is
        // async-signal-safe.
        let result = unsafe {
            (*action.as_mut_ptr()).sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
            libc::sigaction(bell_signal(), action.as_ptr(), std::ptr::null_mut())
        };
        if result == -1 {
            return Err(BellError(Errno(nix::errno::Errno::last() as i32)));
        }
        Ok(Bell::here())
    }

    /// The bell of the calling thread, which waits for its signal in some other way.
    pub(super) fn here() -> Bell {
        Bell { listener: Tid(nix::unistd::gettid().as_raw()) }
    }

    /// Rings once.
    pub fn ring(self) {
        // SAFETY: `tgkill` takes integers alone. The listener is a thread of this very process, so
        // nobody else can be hit.
        unsafe {
            libc::syscall(libc::SYS_tgkill, libc::getpid(), self.listener.0, bell_signal());
        }
    }
}
