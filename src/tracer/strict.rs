//! `SECCOMP_SET_MODE_STRICT` in a process that is under our filter.
//!
//! The kernel refuses it over any filter (EINVAL), and untraced there would be none. So the call
//! succeeds without being made, every call of the process stops from then on, and the first that
//! strict mode does not allow kills: the whole process, where the kernel would kill the thread alone.
//! Two things are not as untraced: /proc shows mode 2, and reading the time stamp counter does not
//! fault.

use super::engine::Tracer;
use super::thread::Call;
use crate::arch::Arch;
use crate::ptrace::Stopped;

const SECCOMP_SET_MODE_STRICT: u64 = 0;
const SECCOMP_MODE_STRICT: u64 = 1;

/// What strict mode lets through (`mode1_syscalls`, kernel/seccomp.c).
const NATIVE: [i64; 4] = [libc::SYS_read, libc::SYS_write, libc::SYS_exit, libc::SYS_rt_sigreturn];
const I386: [i64; 4] = [3, 4, 1, 119];

impl Tracer {
    /// The enter-stop, or the filter's stop, of a call that is booked already.
    pub(super) fn mind_strict_mode(&mut self, stopped: &Stopped) {
        let Some((thread, process)) = self.tree.process_of(stopped.tid()) else { return };
        let Some(call) = thread.call else { return };
        let pid = thread.pid;
        let skips = if thread.is_strict {
            if is_allowed(&call) {
                return;
            }
            self.send(pid, libc::SIGKILL);
            -i64::from(libc::EPERM)
        } else if process.our_filters > 0
            && thread.credentials.as_ref().is_none_or(|state| state.seccomp_mode == 0)
            && wants_strict_mode(&call)
        {
            thread.is_strict = true;
            0
        } else {
            return;
        };
        self.skip_call(stopped, skips);
    }
}

fn wants_strict_mode(call: &Call) -> bool {
    let first = call.args[0] & 0xffff_ffff;
    match call.no.name() {
        Some("seccomp") => {
            first == SECCOMP_SET_MODE_STRICT && call.args[1] == 0 && call.args[2] == 0
        }
        Some("prctl") => {
            first == libc::PR_SET_SECCOMP as u64 && call.args[1] == SECCOMP_MODE_STRICT
        }
        _ => false,
    }
}

fn is_allowed(call: &Call) -> bool {
    match call.no.arch {
        Arch::X86_64 => NATIVE.contains(&call.no.number),
        Arch::I386 => I386.contains(&call.no.number),
        Arch::X32 => false,
    }
}
