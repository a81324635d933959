//! Does ptrace work here, and does it tell the truth?

use super::{CallInfo, Event, Options, SignalPort, Stop, Stopped, Tid, interrupt, seize, wait};
use crate::arch::native;

/// Traces a child of our own through its `execve(2)` and checks that number and result are right.
/// Emulators and foreign kernels (qemu-user, gVisor) fail it or have no ptrace at all.
///
/// # Errors
/// A sentence that says what did not hold.
pub fn self_test() -> Result<(), String> {
    // A thread of its own, so that its wait sees no other child of ours.
    std::thread::scope(|scope| {
        scope.spawn(run).join().unwrap_or_else(|_| Err("the self-test panicked".to_owned()))
    })
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
    seize(tid, Options { die_with_tracer: true, exit_stops: false }).map_err(|e| say(&e))?;
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
    #[test]
    fn ptrace_works_here() {
        assert_eq!(super::self_test(), Ok(()));
    }
}
