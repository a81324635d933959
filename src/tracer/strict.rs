//! `SECCOMP_SET_MODE_STRICT` in a process that is under our filter.
//!
//! The kernel refuses it over any filter (EINVAL), and untraced there would be none. So the call
//! succeeds without being made, every call of the process stops from then on, and the first that
//! strict mode does not allow ends the thread, by an exit in place of the kernel's kill where other
//! threads live on: nobody can see the difference but who waits for a thread that is a leader. Two
//! things are not as untraced: /proc shows mode 2, and reading the time stamp counter does not fault.

use super::engine::Tracer;
use super::own_filter::own_mode;
use super::thread::Call;
use crate::arch::Arch;
use crate::proc::tree as proc_tree;
use crate::ptrace::Stopped;
use crate::syscall::SysNo;

/// What strict mode lets through (`mode1_syscalls`, kernel/seccomp.c).
const NATIVE: [i64; 4] = [libc::SYS_read, libc::SYS_write, libc::SYS_exit, libc::SYS_rt_sigreturn];
const I386: [i64; 4] = [3, 4, 1, 119];

impl Tracer {
    /// The call that asks for strict mode, at its enter-stop or the filter's stop.
    pub(super) fn enter_strict_mode(&mut self, stopped: &Stopped) {
        let Some((thread, process)) = self.tree.process_of(stopped.tid()) else { return };
        // Under a filter of its own the kernel's EINVAL is as untraced.
        let has_none = own_mode(stopped.tid(), &process.watched) == 0;
        if process.watched.our_filters() > 0 && has_none {
            thread.is_strict = true;
            self.skip_call(stopped, 0);
        }
    }

    /// Any call of a thread under strict mode, at such a stop.
    pub(super) fn enforce_strict_mode(&mut self, stopped: &Stopped) {
        let Some(thread) = self.tree.thread(stopped.tid()) else { return };
        let Some(call) = thread.call.filter(|call| !is_allowed(call)) else { return };
        let pid = thread.pid;
        // One that was just made may not have stopped for us yet.
        let has_others = proc_tree::threads(pid).is_ok_and(|threads| threads.len() > 1);
        match SysNo::from_name(call.no.arch, "exit").filter(|_| has_others) {
            Some(exit) if call.no.arch != Arch::X32 => {
                let replaced = stopped.regs().and_then(|mut regs| {
                    regs.replace_call(call.no.arch, exit.number.cast_unsigned(), &[0; 6]);
                    stopped.set_regs(&regs)
                });
                self.tolerate(replaced);
            }
            _ => {
                self.send(pid, libc::SIGKILL);
                self.skip_call(stopped, -i64::from(libc::EPERM));
            }
        }
    }
}

fn is_allowed(call: &Call) -> bool {
    match call.no.arch {
        Arch::X86_64 => NATIVE.contains(&call.no.number),
        Arch::I386 => I386.contains(&call.no.number),
        Arch::X32 => false,
    }
}
