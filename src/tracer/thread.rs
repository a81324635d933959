//! What is known of one thread.

use std::sync::Arc;
use std::time::Instant;

use super::injection::Injection;
use super::ledger::{Entered, SlotId};
use super::untraced::Stripped;
use crate::arch::Arch;
use crate::recording::CredentialState;
use crate::syscall::SysNo;

/// The syscall that a thread is in.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub slot: SlotId,
    pub no: SysNo,
    pub args: [u64; 6],
    /// The address behind the syscall instruction.
    pub ip: u64,
    /// When its enter-stop was heard of.
    pub since: Instant,
    pub entered: Entered,
    /// Whether its exit-stop is waited for.
    pub result_wanted: bool,
    /// What was changed to keep `CLONE_UNTRACED` from hiding the child.
    pub stripped: Option<Stripped>,
}

/// How far a thread that we launched has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launching {
    /// It waits at its gate; what it calls is our code, not the program's.
    AtGate,
    /// In the `execve(2)` that starts the program.
    InExecve,
}

/// A thread.
#[derive(Debug)]
pub struct Thread {
    pub pid: i32,
    pub call: Option<Call>,
    /// We sent `PTRACE_INTERRUPT` and the stop that answers it has not come yet.
    pub interrupted: bool,
    /// It may be inside a call whose enter-stop we did not see: we attached, or it ran free.
    pub may_be_inside: bool,
    /// How it was last let go: to stop at news only, and not at its calls.
    pub runs_free: bool,
    pub launching: Option<Launching>,
    /// We got it out of a call that the kernel goes on with by restart_syscall(2).
    pub restarts_for_us: bool,
    /// It is under strict mode, which we enforce (`strict`).
    pub is_strict: bool,
    /// It installs our filter.
    pub injection: Option<Box<Injection>>,
    /// Its call was made again by us, and is still under way.
    pub again: Option<Again>,
    /// It was seized with less than the run's options, which it is given at its first stop.
    pub lacks_options: bool,
    /// It is on its way out, and will report nothing but its death.
    pub exiting: bool,
    /// What its credentials were when last looked at.
    pub credentials: Option<Arc<CredentialState>>,
}

impl Thread {
    pub fn new(pid: i32) -> Thread {
        Thread {
            pid,
            call: None,
            interrupted: false,
            may_be_inside: false,
            runs_free: false,
            launching: None,
            restarts_for_us: false,
            is_strict: false,
            injection: None,
            again: None,
            lacks_options: false,
            exiting: false,
            credentials: None,
        }
    }
}

/// A call that was made again, and is under way.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    /// When it was first made.
    pub since: Instant,
    /// How often it was made again.
    pub times: u32,
    pub shortened: Option<Shortened>,
}

/// A time-out that was shortened by what of it had passed.
#[derive(Clone, Copy, Debug)]
pub struct Shortened {
    pub arch: Arch,
    /// The address behind the call.
    pub ip: u64,
    /// Milliseconds, as the program gave it.
    pub given: u64,
}
