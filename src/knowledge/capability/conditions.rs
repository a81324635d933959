//! The conditions of the rules: each looks at one successful call and says what it did, or that
//! it is none of the rule's.
//!
//! Constants are those of the kernel's UAPI headers; `libc` has most of them, but types and
//! availability differ by target, so the few that matter are written out with their header.

use super::Call;

/// What a condition answers.
type Shown = Option<String>;

/// A call that always needs the capability, whatever its arguments.
pub fn always(call: &Call<'_>) -> Shown {
    Some(call.name.to_owned())
}

// Files.

/// `fs/attr.c:chown_ok`: an owner may "change" the owner to himself alone.
pub fn chown_user(call: &Call<'_>) -> Shown {
    let owner = call.id(chown_first(call))?;
    (owner != call.caller.uid[FS]).then(|| format!("{}(owner {owner})", call.name))
}

/// `fs/attr.c:chgrp_ok`: an owner may give the file to groups that he is in.
pub fn chown_group(call: &Call<'_>) -> Shown {
    let group = call.id(chown_first(call) + 1)?;
    let is_member = group == call.caller.gid[FS] || call.caller.groups.contains(&group);
    (!is_member)
        .then(|| format!("{}(group {group}) (unless it was the file's group already)", call.name))
}

/// Where the owner stands in the arguments of a chown.
fn chown_first(call: &Call<'_>) -> usize {
    if call.name == "fchownat" { 2 } else { 1 }
}

/// `fs/namei.c:vfs_mknod`: devices; but not the whiteout of overlayfs, a character device 0:0
/// (Linux 5.8).
pub fn mknod_device(call: &Call<'_>) -> Shown {
    const S_IFMT: u32 = 0o170_000;
    const S_IFCHR: u32 = 0o020_000;
    const S_IFBLK: u32 = 0o060_000;
    let mode = if call.name == "mknodat" { 2 } else { 1 };
    let device = call.u32(mode + 1);
    match call.u32(mode) & S_IFMT {
        S_IFCHR if device != 0 => Some(format!("{}(character device)", call.name)),
        S_IFBLK => Some(format!("{}(block device)", call.name)),
        _ => None,
    }
}

/// `fs/fhandle.c:may_decode_fh`: directories alone may be opened by other means.
pub fn open_by_handle(call: &Call<'_>) -> Shown {
    const O_DIRECTORY: u32 = 0o200_000;
    let caveat = match call.u32(2) & O_DIRECTORY {
        0 => "",
        _ => "(a directory) (unless, since Linux 6.11, CAP_SYS_ADMIN over the mount allowed it)",
    };
    Some(format!("open_by_handle_at{caveat}"))
}

// Ids.

/// Positions in the four ids of `/proc/PID/status`.
const REAL: usize = 0;
const EFFECTIVE: usize = 1;
const SAVED: usize = 2;
const FS: usize = 3;

/// `kernel/sys.c:__sys_setuid` and its kin: which of its own ids a caller may take by itself.
pub fn set_user(call: &Call<'_>) -> Shown {
    set_id(call, call.caller.uid)
}

/// The same for groups.
pub fn set_group(call: &Call<'_>) -> Shown {
    set_id(call, call.caller.gid)
}

fn set_id(call: &Call<'_>, own: [u32; 4]) -> Shown {
    const ANY: &[usize] = &[REAL, EFFECTIVE, SAVED];
    // Per argument: the own ids that it may be without the capability.
    let free: &[&[usize]] = match call.base_name() {
        "setuid" | "setgid" => &[&[REAL, SAVED]],
        "setreuid" | "setregid" => &[&[REAL, EFFECTIVE], ANY],
        "setresuid" | "setresgid" => &[ANY, ANY, ANY],
        // Its result says nothing of success, but a caller with the capability has it.
        "setfsuid" | "setfsgid" => &[&[REAL, EFFECTIVE, SAVED, FS]],
        _ => return None,
    };
    let new = free.iter().enumerate().find_map(|(n, free)| {
        let id = call.id(n)?;
        free.iter().all(|at| own[*at] != id).then_some(id)
    })?;
    Some(format!("{}({new})", call.name))
}

// Sockets.

/// `include/net/ip.h:inet_port_requires_bind_service`. The range below 1024 is reported whatever
/// the sysctl says here: elsewhere it will have its default.
pub fn bind_port(call: &Call<'_>) -> Shown {
    const AF_INET: u16 = 2;
    const AF_INET6: u16 = 10;
    const DEFAULT: u16 = 1024;
    let address = call.address?;
    let port = address.port.filter(|port| *port != 0)?;
    let start = call.unprivileged_port_start;
    if !matches!(address.family, AF_INET | AF_INET6) || port >= start.max(DEFAULT) {
        None
    } else if port >= start {
        Some(format!(
            "bind(port {port}) (not needed where net.ipv4.ip_unprivileged_port_start is {start}, \
             as here)"
        ))
    } else {
        Some(format!("bind(port {port})"))
    }
}

/// `net/ipv4/af_inet.c:inet_create`, `net/packet/af_packet.c:packet_create`; `net/socket.c`
/// makes a packet socket of `AF_INET, SOCK_PACKET`.
pub fn raw_socket(call: &Call<'_>) -> Shown {
    const SOCK_TYPE_MASK: u32 = 0xf;
    const SOCK_RAW: u32 = 3;
    const SOCK_PACKET: u32 = 10;
    match (call.u32(0), call.u32(1) & SOCK_TYPE_MASK) {
        (17, _) => Some("socket(AF_PACKET)".to_owned()),
        (2, SOCK_PACKET) => Some("socket(AF_INET, SOCK_PACKET)".to_owned()),
        (2, SOCK_RAW) => Some("socket(AF_INET, SOCK_RAW)".to_owned()),
        (10, SOCK_RAW) => Some("socket(AF_INET6, SOCK_RAW)".to_owned()),
        _ => None,
    }
}

const SOL_IP: u32 = 0;
const SOL_SOCKET: u32 = 1;
const SOL_TCP: u32 = 6;
const SOL_IPV6: u32 = 41;

fn socket_option(call: &Call<'_>, options: &[(u32, u32, &str)], caveat: &str) -> Shown {
    let (_, _, name) = options.iter().find(|o| o.0 == call.u32(1) && o.1 == call.u32(2))?;
    Some(format!("setsockopt({name}){caveat}"))
}

/// `net/core/sock.c:sk_setsockopt` and others, options that always ask.
pub fn option_of_admin(call: &Call<'_>) -> Shown {
    let options = [
        (SOL_SOCKET, 32, "SO_SNDBUFFORCE"),
        (SOL_SOCKET, 33, "SO_RCVBUFFORCE"),
        (SOL_TCP, 19, "TCP_REPAIR"),
        (SOL_IP, 64, "IPT_SO_SET_REPLACE"),
        (SOL_IP, 65, "IPT_SO_SET_ADD_COUNTERS"),
        (SOL_IPV6, 64, "IP6T_SO_SET_REPLACE"),
        (SOL_IPV6, 65, "IP6T_SO_SET_ADD_COUNTERS"),
    ];
    socket_option(call, &options, "")
}

/// `net/core/sock.c:sk_setsockopt`.
pub fn option_mark(call: &Call<'_>) -> Shown {
    let options = [(SOL_SOCKET, 36, "SO_MARK"), (SOL_SOCKET, 75, "SO_RCVMARK")];
    socket_option(call, &options, " (before Linux 5.17 CAP_NET_ADMIN alone)")
}

/// `net/ipv4/ip_sockglue.c`, `net/ipv6/ipv6_sockglue.c`.
pub fn option_transparent(call: &Call<'_>) -> Shown {
    let options = [(SOL_IP, 19, "IP_TRANSPARENT"), (SOL_IPV6, 75, "IPV6_TRANSPARENT")];
    socket_option(call, &options, " (if it was switched on, not off)")
}

/// `net/core/dev_ioctl.c:dev_ioctl`, `net/ipv4/devinet.c:devinet_ioctl`,
/// `net/ipv4/fib_frontend.c:ip_rt_ioctl`.
pub fn ioctl_interface(call: &Call<'_>) -> Shown {
    let name = match call.u32(1) {
        0x890b => "SIOCADDRT",
        0x890c => "SIOCDELRT",
        0x8914 => "SIOCSIFFLAGS",
        0x8916 => "SIOCSIFADDR",
        0x8918 => "SIOCSIFDSTADDR",
        0x891a => "SIOCSIFBRDADDR",
        0x891c => "SIOCSIFNETMASK",
        0x8922 => "SIOCSIFMTU",
        0x8923 => "SIOCSIFNAME",
        0x8924 => "SIOCSIFHWADDR",
        0x8943 => "SIOCSIFTXQLEN",
        0x4004_54ca => {
            return Some(
                "ioctl(TUNSETIFF) (unless the device existed and was the caller's)".into(),
            );
        }
        _ => return None,
    };
    Some(format!("ioctl({name})"))
}

// Namespaces, mounts, the machine.

/// The namespaces that `CAP_SYS_ADMIN` is asked for, and the one that gives it.
const NAMESPACES: [(u64, &str); 7] = [
    (0x0000_0080, "CLONE_NEWTIME"),
    (0x0002_0000, "CLONE_NEWNS"),
    (0x0200_0000, "CLONE_NEWCGROUP"),
    (0x0400_0000, "CLONE_NEWUTS"),
    (0x0800_0000, "CLONE_NEWIPC"),
    (0x2000_0000, "CLONE_NEWPID"),
    (0x4000_0000, "CLONE_NEWNET"),
];
const CLONE_NEWNS: u64 = 0x0002_0000;
const CLONE_NEWUSER: u64 = 0x1000_0000;

/// `kernel/nsproxy.c:copy_namespaces`, `unshare_nsproxy_namespaces`: asked in the new user
/// namespace where one is made by the same call, in which the caller has every capability.
pub fn new_namespaces(call: &Call<'_>) -> Shown {
    /// clone's lowest byte is the signal at the child's end, clone3's and unshare's is not.
    const CSIGNAL: u64 = 0xff;
    let flags = match call.name {
        "unshare" => u64::from(call.u32(0)),
        "clone" => call.clone_flags.unwrap_or(call.args[0]) & !CSIGNAL,
        _ => call.clone_flags?,
    };
    named_namespaces(call.name, flags)
}

/// `kernel/nsproxy.c:validate_nsset` and the `install` of each kind but the user namespace's.
pub fn enter_namespace(call: &Call<'_>) -> Shown {
    match call.u32(1) {
        0 => Some("setns(any kind) (unless it was a user namespace)".to_owned()),
        flags => named_namespaces("setns", u64::from(flags)),
    }
}

/// `fs/namespace.c:mntns_install`, which wants this one as well.
pub fn enter_mount_namespace(call: &Call<'_>) -> Shown {
    let flags = u64::from(call.u32(1));
    (flags & CLONE_NEWNS != 0 && flags & CLONE_NEWUSER == 0)
        .then(|| "setns(CLONE_NEWNS)".to_owned())
}

fn named_namespaces(call: &str, flags: u64) -> Shown {
    if flags & CLONE_NEWUSER != 0 {
        return None;
    }
    let names: Vec<&str> =
        NAMESPACES.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
    (!names.is_empty()).then(|| format!("{call}({})", names.join("|")))
}

/// `fs/namespace.c:open_tree`: a detached copy needs what a mount needs.
pub fn open_tree_clone(call: &Call<'_>) -> Shown {
    const OPEN_TREE_CLONE: u32 = 1;
    (call.u32(2) & OPEN_TREE_CLONE != 0).then(|| format!("{}(OPEN_TREE_CLONE)", call.name))
}

/// `fs/quota/quota.c:check_quotactl_permission`: who may read whose quota cannot be told, who
/// changes any is privileged.
pub fn quota_change(call: &Call<'_>) -> Shown {
    const XQM: u32 = 0x5800;
    let command = call.u32(usize::from(call.name == "quotactl_fd")) >> 8;
    let name = match command {
        0x80_0002 => "Q_QUOTAON",
        0x80_0003 => "Q_QUOTAOFF",
        0x80_0006 => "Q_SETINFO",
        0x80_0008 => "Q_SETQUOTA",
        _ => match command.checked_sub(XQM)? {
            1 => "Q_XQUOTAON",
            2 => "Q_XQUOTAOFF",
            4 => "Q_XSETQLIM",
            6 => "Q_XQUOTARM",
            _ => return None,
        },
    };
    Some(format!("{}({name})", call.name))
}

/// `fs/ioctl.c:ioctl_fsfreeze`, `ioctl_fsthaw`, and the FITRIM of each file system.
pub fn ioctl_file_system(call: &Call<'_>) -> Shown {
    let name = match call.u32(1) {
        0xc004_5877 => "FIFREEZE",
        0xc004_5878 => "FITHAW",
        0xc018_5879 => "FITRIM",
        _ => return None,
    };
    Some(format!("ioctl({name})"))
}

/// `drivers/rtc/dev.c:rtc_dev_ioctl`.
pub fn ioctl_rtc(call: &Call<'_>) -> Shown {
    (call.u32(1) == 0x4024_700a).then(|| "ioctl(RTC_SET_TIME)".to_owned())
}

/// `kernel/time/posix-timers.c:clock_settime`: the real-time clock; that of a device (a negative
/// number) asks whether the file is open for writing.
pub fn set_real_time(call: &Call<'_>) -> Shown {
    (call.int(0) == 0).then(|| format!("{}(CLOCK_REALTIME)", call.name))
}

/// `kernel/time/alarmtimer.c:alarm_timer_create`, `fs/timerfd.c:timerfd_create`.
pub fn alarm_clock(call: &Call<'_>) -> Shown {
    let name = match call.int(0) {
        8 => "CLOCK_REALTIME_ALARM",
        9 => "CLOCK_BOOTTIME_ALARM",
        _ => return None,
    };
    Some(format!("{}({name})", call.name))
}

/// `arch/x86/kernel/ioport.c:iopl`: to keep or lower the level is free.
pub fn raise_iopl(call: &Call<'_>) -> Shown {
    let level = call.u32(0);
    (level > 0).then(|| format!("iopl({level}) (unless the thread had that level already)"))
}

/// `arch/x86/kernel/ioport.c:ksys_ioperm`.
pub fn ioperm_on(call: &Call<'_>) -> Shown {
    (call.u32(2) != 0).then(|| "ioperm(turn on)".to_owned())
}

/// `kernel/printk/printk.c:syslog_action_restricted`: reading all and asking for the size is
/// restricted by a sysctl, the rest always.
pub fn kernel_log(call: &Call<'_>) -> Shown {
    match call.int(0) {
        kind @ (3 | 10) => Some(format!("syslog({kind}) (unless kernel.dmesg_restrict is 0)")),
        kind => Some(format!("syslog({kind})")),
    }
}

// Scheduling.

/// `kernel/sys.c:set_one_prio`.
pub fn raise_priority(call: &Call<'_>) -> Shown {
    let (nice, text) = match call.name {
        "nice" => (call.int(0), format!("nice({})", call.int(0))),
        _ => (call.int(2), format!("setpriority({})", call.int(2))),
    };
    (nice < 0).then(|| {
        let caveat = "unless RLIMIT_NICE allows it, or the priority was that high already";
        format!("{text} ({caveat})")
    })
}

/// `kernel/sched/syscalls.c:user_check_sched_setscheduler`.
pub fn real_time_class(call: &Call<'_>) -> Shown {
    const SCHED_RESET_ON_FORK: u32 = 0x4000_0000;
    let name = match call.u32(1) & !SCHED_RESET_ON_FORK {
        1 => "SCHED_FIFO",
        2 => "SCHED_RR",
        _ => return None,
    };
    let caveat = "unless RLIMIT_RTPRIO allows it, or the thread was in that class already";
    Some(format!("{}({name}) ({caveat})", call.name))
}

/// `block/ioprio.c:ioprio_check_cap`.
pub fn real_time_io(call: &Call<'_>) -> Shown {
    const IOPRIO_CLASS_SHIFT: u32 = 13;
    const IOPRIO_CLASS_RT: u32 = 1;
    (call.u32(2) >> IOPRIO_CLASS_SHIFT == IOPRIO_CLASS_RT)
        .then(|| "ioprio_set(IOPRIO_CLASS_RT)".to_owned())
}

/// `mm/mempolicy.c:do_mbind`, `mm/migrate.c:kernel_move_pages`.
pub fn move_all_pages(call: &Call<'_>) -> Shown {
    const MPOL_MF_MOVE_ALL: u32 = 4;
    (call.u32(5) & MPOL_MF_MOVE_ALL != 0).then(|| format!("{}(MPOL_MF_MOVE_ALL)", call.name))
}

// Processes and their restrictions.

/// `security/commoncap.c:cap_prctl_drop`.
pub fn drop_bounding(call: &Call<'_>) -> Shown {
    (call.u32(0) == 24).then(|| "prctl(PR_CAPBSET_DROP)".to_owned())
}

/// `security/commoncap.c:cap_task_prctl`. Since Linux 6.14 the two pairs of bits from 8 on
/// (`SECBIT_EXEC_RESTRICT_FILE`, `SECBIT_EXEC_DENY_INTERACTIVE`) are everybody's.
pub fn set_securebits(call: &Call<'_>) -> Shown {
    const EVERYBODYS: u32 = 0xf00;
    let bits = call.u32(1);
    if call.u32(0) != 28 {
        None
    } else if bits & EVERYBODYS == 0 {
        Some(format!("prctl(PR_SET_SECUREBITS, {bits:#x})"))
    } else if bits & !EVERYBODYS != 0 {
        let caveat = "unless only bits from 8 on changed";
        Some(format!("prctl(PR_SET_SECUREBITS, {bits:#x}) ({caveat})"))
    } else {
        None
    }
}

/// `kernel/sys.c:prctl_set_mm`, which serves the two options of `PR_SET_MM_MAP` before it asks;
/// `PR_SET_IO_FLUSHER` and `PR_GET_IO_FLUSHER` in the same file.
pub fn prctl_resource(call: &Call<'_>) -> Shown {
    match (call.u32(0), call.u32(1)) {
        (35, 14 | 15) => None,
        (35, _) => Some("prctl(PR_SET_MM)".to_owned()),
        (57, _) => Some("prctl(PR_SET_IO_FLUSHER)".to_owned()),
        (58, _) => Some("prctl(PR_GET_IO_FLUSHER)".to_owned()),
        _ => None,
    }
}

/// `kernel/seccomp.c:seccomp_prepare_filter`, reached by two calls.
pub fn filter_without_nnp(call: &Call<'_>) -> Shown {
    const SECCOMP_SET_MODE_FILTER: u32 = 1;
    const PR_SET_SECCOMP: u32 = 22;
    const SECCOMP_MODE_FILTER: u32 = 2;
    let installs = match call.name {
        "seccomp" => call.u32(0) == SECCOMP_SET_MODE_FILTER,
        _ => call.u32(0) == PR_SET_SECCOMP && call.u32(1) == SECCOMP_MODE_FILTER,
    };
    (installs && !call.caller.no_new_privs)
        .then(|| format!("{}(filter, without no_new_privs)", call.name))
}

/// `security/landlock/syscalls.c:landlock_restrict_self`.
pub fn landlock_without_nnp(call: &Call<'_>) -> Shown {
    (!call.caller.no_new_privs).then(|| "landlock_restrict_self(without no_new_privs)".to_owned())
}

/// `fs/userfaultfd.c:userfaultfd_syscall_allowed`.
pub fn kernel_faults(call: &Call<'_>) -> Shown {
    const UFFD_USER_MODE_ONLY: u32 = 1;
    (call.u32(0) & UFFD_USER_MODE_ONLY == 0)
        .then(|| "userfaultfd(kernel faults) (unless vm.unprivileged_userfaultfd is 1)".to_owned())
}

// Observation.

/// `kernel/bpf/syscall.c:__sys_bpf`.
pub fn bpf_create(call: &Call<'_>) -> Shown {
    let name = match call.u32(0) {
        0 => "BPF_MAP_CREATE",
        5 => "BPF_PROG_LOAD",
        18 => "BPF_BTF_LOAD",
        _ => return None,
    };
    Some(format!("bpf({name}) (unless kernel.unprivileged_bpf_disabled is 0)"))
}

/// `kernel/bpf/syscall.c:bpf_obj_get_next_id`, `bpf_prog_get_fd_by_id`, `bpf_map_get_fd_by_id`.
pub fn bpf_enumerate(call: &Call<'_>) -> Shown {
    let name = match call.u32(0) {
        11 => "BPF_PROG_GET_NEXT_ID",
        12 => "BPF_MAP_GET_NEXT_ID",
        13 => "BPF_PROG_GET_FD_BY_ID",
        14 => "BPF_MAP_GET_FD_BY_ID",
        _ => return None,
    };
    Some(format!("bpf({name})"))
}

/// `kernel/events/core.c:find_get_context`, `include/linux/perf_event.h:perf_allow_cpu`.
pub fn perf_whole_cpu(call: &Call<'_>) -> Shown {
    (call.int(1) == -1).then(|| {
        "perf_event_open(a whole CPU) (unless kernel.perf_event_paranoid is 0 or less)".to_owned()
    })
}

/// `fs/notify/fanotify/fanotify_user.c:fanotify_init`. A group that reports file ids alone (Linux
/// 5.13), or mount ids (6.16), is everybody's.
pub fn fanotify_privileged(call: &Call<'_>) -> Shown {
    /// `FANOTIFY_ADMIN_INIT_FLAGS`: the permission classes, unlimited queue and marks, pidfd, tid,
    /// fd error.
    const ADMIN: u32 = 0x4 | 0x8 | 0x10 | 0x20 | 0x80 | 0x100 | 0x2000;
    /// `FANOTIFY_FID_BITS` and `FAN_REPORT_MNT`.
    const REPORT_IDS: u32 = 0x200 | 0x400 | 0x800 | 0x1000 | 0x4000;
    let flags = call.u32(0);
    (flags & ADMIN != 0 || flags & REPORT_IDS == 0)
        .then(|| format!("fanotify_init(flags {flags:#x})"))
}

/// `fs/notify/fanotify/fanotify_user.c:fanotify_init`.
pub fn fanotify_audit(call: &Call<'_>) -> Shown {
    const FAN_ENABLE_AUDIT: u32 = 0x40;
    (call.u32(0) & FAN_ENABLE_AUDIT != 0).then(|| "fanotify_init(FAN_ENABLE_AUDIT)".to_owned())
}
