//! Does ptrace work here, and does it tell the truth?

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::{
    CallInfo, Event, Options, PtraceError, SignalPort, Stop, Stopped, Tid, interrupt, seize, wait,
};
use crate::arch::native;
use crate::syscall::Errno;

/// How long the self-test may take. It takes a millisecond; emulators and filters that hand ptrace
/// to a supervisor may hang over it for ever.
const LIMIT: Duration = Duration::from_secs(5);

/// What did not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelfTestError {
    /// A seccomp filter answers ptrace(2) in the kernel's place.
    #[error("a seccomp filter answers ptrace(2) with {0}")]
    Filtered(Errno),
    /// ptrace(2) gives no answer. The thread that waits for one goes on to do so, and its child
    /// with it; both end with this process.
    #[error("ptrace hangs: a child of ours was not traced within {} s", .0.as_secs())]
    Hangs(Duration),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Traces a child of our own through its `execve(2)` and checks that number and result are right.
/// Emulators and foreign kernels (qemu-user, gVisor) fail it or have no ptrace at all.
///
/// # Errors
/// See [`SelfTestError`].
pub fn self_test() -> Result<(), SelfTestError> {
    within(LIMIT, || run().map_err(|what| filtered().unwrap_or(SelfTestError::Failed(what))))
}

/// The result of a test that may hang. It is made on a thread of its own, so that its wait sees no
/// other child of ours.
fn within(
    limit: Duration,
    test: impl FnOnce() -> Result<(), SelfTestError> + Send + 'static,
) -> Result<(), SelfTestError> {
    let (tell, hear) = channel();
    let thread = std::thread::Builder::new().name("self-test".to_owned()).spawn(move || {
        // Nobody may be listening any more.
        let _ = tell.send(test());
    });
    let failed = |what: String| SelfTestError::Failed(what);
    let thread = thread.map_err(|e| failed(format!("no thread could be started: {e}")))?;
    let result = match hear.recv_timeout(limit) {
        Ok(result) => result,
        Err(RecvTimeoutError::Disconnected) => Err(failed("the self-test panicked".to_owned())),
        Err(RecvTimeoutError::Timeout) => return Err(SelfTestError::Hangs(limit)),
    };
    let _ = thread.join();
    result
}

/// Whether a filter answers: there is no thread 0, and the kernel would say so.
fn filtered() -> Option<SelfTestError> {
    match seize(Tid(0), Options { die_with_tracer: true, exit_stops: false, filter_stops: false }) {
        Err(PtraceError::Refused { errno, .. }) => Some(SelfTestError::Filtered(errno)),
        _ => None,
    }
}

fn run() -> Result<(), String> {
    let (_, inherited) = SignalPort::open();
    let none: [std::ffi::CString; 0] = [];
    // Executing a path that cannot exist makes the child exit by itself after the calls we want.
    let launched = super::spawn(&c"/dev/null/self-test".to_owned(), &none, &inherited)
        .map_err(|e| format!("fork: {e}"))?;
    let tid = launched.tid();
    let outcome = watch(tid, launched);
    // The child is ours and may still be there if the test ended early.
    let _ = nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(tid.0),
        nix::sys::signal::Signal::SIGKILL,
    );
    while let Ok(event) = wait() {
        if let Event::Stopped(stopped, _) = event {
            let _ = stopped.resume_free(0);
        }
    }
    outcome
}

fn watch(tid: Tid, launched: super::Launched) -> Result<(), String> {
    let say = |e: &dyn std::fmt::Display| e.to_string();
    seize(tid, Options { die_with_tracer: true, exit_stops: false, filter_stops: false })
        .map_err(|e| say(&e))?;
    interrupt(tid).map_err(|e| say(&e))?;
    let mut launched = Some(launched);
    let mut entered = false;
    loop {
        let (stopped, stop) = match wait().map_err(|e| say(&e))? {
            Event::Stopped(stopped, stop) => (stopped, stop),
            Event::Ended(..) => return Err("no syscall stop was reported".to_owned()),
        };
        match (stop, launched.take()) {
            (Stop::Trap, Some(gate)) => gate.open_gate().map_err(|e| say(&e))?,
            (_, gate) => launched = gate,
        }
        if stop == Stop::Syscall {
            match info(&stopped)? {
                CallInfo::Enter { arch, number, .. } if number == libc::SYS_execve => {
                    entered = arch == Some(native::ARCH);
                }
                // ENOTDIR: /dev/null is no directory.
                CallInfo::Exit { result, is_error } if entered => {
                    let truth = is_error && result == -i64::from(libc::ENOTDIR);
                    let _ = stopped.resume_free(0);
                    return if truth {
                        Ok(())
                    } else {
                        Err(format!("execve of /dev/null/self-test gave {result}, not ENOTDIR"))
                    };
                }
                _ => {}
            }
        }
        stopped.resume_to_syscall(0).map_err(|e| say(&e))?;
    }
}

fn info(stopped: &Stopped) -> Result<CallInfo, String> {
    match stopped.call_info() {
        Err(e) => Err(e.to_string()),
        Ok(CallInfo::None) => Err("a syscall stop was reported without a syscall".to_owned()),
        Ok(info) => Ok(info),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ptrace_works_here() {
        assert_eq!(self_test(), Ok(()));
        assert_eq!(filtered(), None);
    }

    #[test]
    fn a_test_that_hangs_or_panics_is_reported() {
        let (_held, never) = channel::<()>();
        let hangs = within(Duration::from_millis(50), move || {
            let _ = never.recv();
            Ok(())
        });
        assert_eq!(hangs, Err(SelfTestError::Hangs(Duration::from_millis(50))));
        let panics = within(LIMIT, || std::panic::resume_unwind(Box::new(())));
        assert_eq!(panics, Err(SelfTestError::Failed("the self-test panicked".to_owned())));
    }
}
