//! What no argument shows.

use crate::syscall::Cap;

/// A capability whose use, or some of it, cannot be told from the arguments of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotShown {
    /// The capability.
    pub capability: Cap,
    /// What is not seen, and why. Reads on from "held, not shown to be used: ".
    pub reason: &'static str,
}

const fn entry(number: u8, reason: &'static str) -> NotShown {
    NotShown { capability: Cap(number), reason }
}

/// In order of number. A capability that has rules as well is listed here where a common use of it
/// escapes them.
pub const NOT_SHOWN: &[NotShown] = &[
    // CAP_DAC_OVERRIDE
    entry(1, "the owner and mode of the files that were opened are not in the arguments"),
    // CAP_DAC_READ_SEARCH
    entry(2, "the owner and mode of the files that were opened are not in the arguments"),
    // CAP_FOWNER
    entry(3, "the owner of the file that a call changes is not in the arguments"),
    // CAP_FSETID
    entry(
        4,
        "it keeps set-id bits that a change of the file would clear, and no call fails for it",
    ),
    // CAP_KILL
    entry(5, "the user id of the process that a signal goes to is not in the arguments"),
    // CAP_SETPCAP
    entry(8, "the sets that capset(2) gives lie in memory"),
    // CAP_LINUX_IMMUTABLE
    entry(9, "the flags that FS_IOC_SETFLAGS sets lie in memory"),
    // CAP_NET_BROADCAST
    entry(11, "the kernel never asks for it"),
    // CAP_NET_ADMIN
    entry(12, "netlink messages and the values of socket options (SO_PRIORITY) lie in memory"),
    // CAP_NET_RAW
    entry(13, "SO_BINDTODEVICE needs it only before Linux 5.7, or for a socket bound already"),
    // CAP_IPC_LOCK
    entry(14, "how much memory is locked already, and RLIMIT_MEMLOCK, are not in the arguments"),
    // CAP_IPC_OWNER
    entry(15, "the owner of the IPC object is not in the arguments"),
    // CAP_SYS_RAWIO
    entry(17, "what was opened as /dev/mem or a block device is not in the arguments"),
    // CAP_SYS_PTRACE
    entry(
        19,
        "whose process ptrace(2), process_vm_readv(2), kcmp(2) or /proc looks at is not in \
               the arguments",
    ),
    // CAP_SYS_ADMIN
    entry(
        21,
        "most of its uses are device controls, extended attributes and files of /proc and \
               /sys, which the arguments do not tell",
    ),
    // CAP_SYS_NICE
    entry(
        23,
        "sched_setattr(2) and sched_setparam(2) have their values in memory, and whose \
               thread is changed is not in the arguments",
    ),
    // CAP_SYS_RESOURCE
    entry(
        24,
        "the hard limit before setrlimit(2) or prlimit64(2), and what a quota would have \
               refused, are not in the arguments",
    ),
    // CAP_SYS_TIME
    entry(25, "whether adjtimex(2) and clock_adjtime(2) set anything lies in memory"),
    // CAP_SYS_TTY_CONFIG
    entry(26, "whether a terminal is the caller's own is not in the arguments"),
    // CAP_LEASE
    entry(28, "the owner of the file that F_SETLEASE is for is not in the arguments"),
    // CAP_AUDIT_WRITE
    entry(29, "netlink messages lie in memory"),
    // CAP_AUDIT_CONTROL
    entry(30, "netlink messages lie in memory"),
    // CAP_SETFCAP
    entry(31, "the name of the extended attribute and the id maps that are written lie in memory"),
    // CAP_MAC_OVERRIDE
    entry(32, "a security module asks for it, by labels that are not in the arguments"),
    // CAP_MAC_ADMIN
    entry(33, "a security module asks for it, by what is written to its files"),
    // CAP_SYSLOG
    entry(
        34,
        "what was opened as /proc/kmsg, and addresses shown in /proc, are not in the \
               arguments",
    ),
    // CAP_BLOCK_SUSPEND
    entry(36, "EPOLLWAKEUP lies in memory, and without the capability the kernel only ignores it"),
    // CAP_AUDIT_READ
    entry(37, "the netlink groups that are joined lie in memory"),
    // CAP_PERFMON
    entry(38, "what is measured lies in memory, and so does the type of a BPF program"),
    // CAP_BPF
    entry(39, "the type of a BPF program lies in memory"),
    // CAP_CHECKPOINT_RESTORE
    entry(40, "clone3(2)'s set_tid lies in memory"),
];
