//! Syscalls whose denial breaks a program by itself, whether or not a run made them.

/// A syscall that every profile allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Always {
    /// Its name.
    pub name: &'static str,
    /// What happens where it is denied.
    pub reason: &'static str,
    /// Where that is known from.
    pub source: &'static str,
}

/// All of them, sorted by name.
pub const ALWAYS: &[Always] = &[
    Always {
        name: "execve",
        reason: "container runtimes start the program by it after they have loaded the filter",
        source: "runc libcontainer/standard_init_linux.go, crun src/libcrun/container.c",
    },
    Always {
        name: "exit",
        reason: "a thread that cannot end runs into the code behind the call, and on: it spins and \
                 cannot be stopped",
        source: "moby#40205; glibc sysdeps/unix/sysv/linux/exit-thread.h: an endless loop",
    },
    Always {
        name: "exit_group",
        reason: "a process that cannot end spins in a loop around the call, at 100 % of a CPU",
        source: "moby#40205; glibc sysdeps/unix/sysv/linux/_exit.c: an endless loop",
    },
    Always {
        name: "futex",
        reason: "locks call the kernel only when two threads meet, which a run may not show; libc \
                 ends the process if that fails",
        source: "futex(7); glibc sysdeps/nptl/futex-internal.h: futex_fatal_error",
    },
    Always {
        name: "restart_syscall",
        reason: "the kernel has the program make it, to go on with a sleep or a wait that a stop \
                 signal interrupted",
        source: "restart_syscall(2)",
    },
    Always {
        name: "rt_sigreturn",
        reason: "the way out of every signal handler; the first signal crashes the program",
        source: "sigreturn(2)",
    },
    Always {
        name: "uprobe",
        reason: "the kernel's own tracing puts it into the program's code (x86-64, Linux 6.18); \
                 where it is denied, a traced program is killed or runs on wrongly",
        source: "Linux 6.18, arch/x86/kernel/uprobes.c: SYSCALL_DEFINE0(uprobe)",
    },
    Always {
        name: "uretprobe",
        reason: "the kernel's own tracing puts it behind the program's functions (x86-64, Linux \
                 6.11); where it is denied, a traced program is killed",
        source: "systemd#34615; Linux 6.11, arch/x86/kernel/uprobes.c: SYSCALL_DEFINE0(uretprobe)",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Arch;
    use crate::syscall::SysNo;

    #[test]
    fn every_entry_is_a_syscall_and_says_why_and_whence() {
        assert!(ALWAYS.is_sorted_by_key(|entry| entry.name));
        for entry in ALWAYS {
            assert!(SysNo::from_name(Arch::X86_64, entry.name).is_some(), "{}", entry.name);
            assert!(!entry.reason.is_empty() && !entry.source.is_empty(), "{}", entry.name);
        }
    }
}
