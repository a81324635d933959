//! The table.

use super::{Rule, conditions as when};
use crate::syscall::Cap;

const CHOWN: Cap = Cap(0);
const DAC_READ_SEARCH: Cap = Cap(2);
const SETGID: Cap = Cap(6);
const SETUID: Cap = Cap(7);
const SETPCAP: Cap = Cap(8);
const NET_BIND_SERVICE: Cap = Cap(10);
const NET_ADMIN: Cap = Cap(12);
const NET_RAW: Cap = Cap(13);
const SYS_MODULE: Cap = Cap(16);
const SYS_RAWIO: Cap = Cap(17);
const SYS_CHROOT: Cap = Cap(18);
const SYS_PTRACE: Cap = Cap::SYS_PTRACE;
const SYS_PACCT: Cap = Cap(20);
const SYS_ADMIN: Cap = Cap::SYS_ADMIN;
const SYS_BOOT: Cap = Cap(22);
const SYS_NICE: Cap = Cap(23);
const SYS_RESOURCE: Cap = Cap(24);
const SYS_TIME: Cap = Cap(25);
const SYS_TTY_CONFIG: Cap = Cap(26);
const MKNOD: Cap = Cap(27);
const AUDIT_WRITE: Cap = Cap(29);
const SYSLOG: Cap = Cap(34);
const WAKE_ALARM: Cap = Cap(35);
const PERFMON: Cap = Cap(38);
const BPF: Cap = Cap(39);

/// Every rule, in order of capability. Sources are those of Linux 6.17 unless they say otherwise.
pub const RULES: &[Rule] = &[
    Rule {
        id: "chown-other-owner",
        any_of: &[CHOWN],
        syscalls: &["chown", "chown32", "fchown", "fchown32", "lchown", "lchown32", "fchownat"],
        condition: "a file was given to a user other than the caller's file system id",
        source: "capabilities(7), CAP_CHOWN; fs/attr.c:chown_ok",
        shows: when::chown_user,
    },
    Rule {
        id: "chown-foreign-group",
        any_of: &[CHOWN],
        syscalls: &["chown", "chown32", "fchown", "fchown32", "lchown", "lchown32", "fchownat"],
        condition: "a file was given to a group that the caller is not in",
        source: "capabilities(7), CAP_CHOWN; fs/attr.c:chgrp_ok",
        shows: when::chown_group,
    },
    Rule {
        id: "open-by-handle",
        any_of: &[DAC_READ_SEARCH],
        syscalls: &["open_by_handle_at"],
        condition: "always; for a directory CAP_SYS_ADMIN over the mount does too since Linux 6.11",
        source: "capabilities(7), CAP_DAC_READ_SEARCH; fs/fhandle.c:may_decode_fh",
        shows: when::open_by_handle,
    },
    Rule {
        id: "set-group",
        any_of: &[SETGID],
        syscalls: &[
            "setgid",
            "setgid32",
            "setregid",
            "setregid32",
            "setresgid",
            "setresgid32",
            "setfsgid",
            "setfsgid32",
        ],
        condition: "to a group id that is none of the caller's",
        source: "capabilities(7), CAP_SETGID; kernel/sys.c:__sys_setgid, __sys_setregid, \
                 __sys_setresgid, __sys_setfsgid",
        shows: when::set_group,
    },
    Rule {
        id: "set-groups",
        any_of: &[SETGID],
        syscalls: &["setgroups", "setgroups32"],
        condition: "always",
        source: "capabilities(7), CAP_SETGID; kernel/groups.c:may_setgroups",
        shows: when::always,
    },
    Rule {
        id: "set-user",
        any_of: &[SETUID],
        syscalls: &[
            "setuid",
            "setuid32",
            "setreuid",
            "setreuid32",
            "setresuid",
            "setresuid32",
            "setfsuid",
            "setfsuid32",
        ],
        condition: "to a user id that is none of the caller's",
        source: "capabilities(7), CAP_SETUID; kernel/sys.c:__sys_setuid, __sys_setreuid, \
                 __sys_setresuid, __sys_setfsuid",
        shows: when::set_user,
    },
    Rule {
        id: "drop-bounding",
        any_of: &[SETPCAP],
        syscalls: &["prctl"],
        condition: "PR_CAPBSET_DROP",
        source: "capabilities(7), CAP_SETPCAP; security/commoncap.c:cap_prctl_drop",
        shows: when::drop_bounding,
    },
    Rule {
        id: "set-securebits",
        any_of: &[SETPCAP],
        syscalls: &["prctl"],
        condition: "PR_SET_SECUREBITS, but for the bits that are everybody's since Linux 6.14",
        source: "capabilities(7), CAP_SETPCAP; security/commoncap.c:cap_task_prctl",
        shows: when::set_securebits,
    },
    Rule {
        id: "bind-privileged-port",
        any_of: &[NET_BIND_SERVICE],
        syscalls: &["bind"],
        condition: "an IPv4 or IPv6 port below 1024, or below net.ipv4.ip_unprivileged_port_start",
        source: "capabilities(7), CAP_NET_BIND_SERVICE; \
                 include/net/ip.h:inet_port_requires_bind_service",
        shows: when::bind_port,
    },
    Rule {
        id: "socket-option-admin",
        any_of: &[NET_ADMIN],
        syscalls: &["setsockopt"],
        condition: "SO_SNDBUFFORCE, SO_RCVBUFFORCE, TCP_REPAIR, or iptables' own",
        source: "capabilities(7), CAP_NET_ADMIN; net/core/sock.c:sk_setsockopt, \
                 net/ipv4/tcp.c:tcp_can_repair_sock, \
                 net/ipv4/netfilter/ip_tables.c:do_ipt_set_ctl",
        shows: when::option_of_admin,
    },
    Rule {
        id: "configure-interface",
        any_of: &[NET_ADMIN],
        syscalls: &["ioctl"],
        condition: "an interface, an address or a route was changed, or a TUN/TAP device taken",
        source: "capabilities(7), CAP_NET_ADMIN; net/core/dev_ioctl.c:dev_ioctl, \
                 net/ipv4/devinet.c:devinet_ioctl, net/ipv4/fib_frontend.c:ip_rt_ioctl, \
                 drivers/net/tun.c:tun_set_iff",
        shows: when::ioctl_interface,
    },
    Rule {
        id: "raw-socket",
        any_of: &[NET_RAW],
        syscalls: &["socket"],
        condition: "AF_INET or AF_INET6 with SOCK_RAW, or AF_PACKET",
        source: "capabilities(7), CAP_NET_RAW; net/ipv4/af_inet.c:inet_create, \
                 net/ipv6/af_inet6.c:inet6_create, net/packet/af_packet.c:packet_create",
        shows: when::raw_socket,
    },
    Rule {
        id: "socket-mark",
        any_of: &[NET_RAW, NET_ADMIN],
        syscalls: &["setsockopt"],
        condition: "SO_MARK or SO_RCVMARK; CAP_NET_RAW does since Linux 5.17",
        source: "socket(7), SO_MARK; net/core/sock.c:sk_setsockopt",
        shows: when::option_mark,
    },
    Rule {
        id: "transparent-socket",
        any_of: &[NET_RAW, NET_ADMIN],
        syscalls: &["setsockopt"],
        condition: "IP_TRANSPARENT or IPV6_TRANSPARENT",
        source: "ip(7), IP_TRANSPARENT; net/ipv4/ip_sockglue.c:do_ip_setsockopt, \
                 net/ipv6/ipv6_sockglue.c:do_ipv6_setsockopt",
        shows: when::option_transparent,
    },
    Rule {
        id: "kernel-module",
        any_of: &[SYS_MODULE],
        syscalls: &["init_module", "finit_module", "delete_module"],
        condition: "always",
        source: "capabilities(7), CAP_SYS_MODULE; kernel/module/main.c:may_init_module",
        shows: when::always,
    },
    Rule {
        id: "io-privilege-level",
        any_of: &[SYS_RAWIO],
        syscalls: &["iopl"],
        condition: "to a level above 0",
        source: "capabilities(7), CAP_SYS_RAWIO; arch/x86/kernel/ioport.c:iopl",
        shows: when::raise_iopl,
    },
    Rule {
        id: "io-ports",
        any_of: &[SYS_RAWIO],
        syscalls: &["ioperm"],
        condition: "access was turned on",
        source: "capabilities(7), CAP_SYS_RAWIO; arch/x86/kernel/ioport.c:ksys_ioperm",
        shows: when::ioperm_on,
    },
    Rule {
        id: "change-root",
        any_of: &[SYS_CHROOT],
        syscalls: &["chroot"],
        condition: "always",
        source: "capabilities(7), CAP_SYS_CHROOT; fs/open.c:ksys_chroot",
        shows: when::always,
    },
    Rule {
        id: "enter-mount-namespace",
        any_of: &[SYS_CHROOT],
        syscalls: &["setns"],
        condition: "CLONE_NEWNS, without a user namespace in the same call",
        source: "setns(2); fs/namespace.c:mntns_install",
        shows: when::enter_mount_namespace,
    },
    Rule {
        id: "handle-kernel-faults",
        any_of: &[SYS_PTRACE],
        syscalls: &["userfaultfd"],
        condition: "without UFFD_USER_MODE_ONLY",
        source: "userfaultfd(2); fs/userfaultfd.c:userfaultfd_syscall_allowed",
        shows: when::kernel_faults,
    },
    Rule {
        id: "process-accounting",
        any_of: &[SYS_PACCT],
        syscalls: &["acct"],
        condition: "always",
        source: "capabilities(7), CAP_SYS_PACCT; kernel/acct.c:acct",
        shows: when::always,
    },
    Rule {
        id: "mount",
        any_of: &[SYS_ADMIN],
        syscalls: &[
            "mount",
            "umount",
            "umount2",
            "pivot_root",
            "move_mount",
            "fsmount",
            "fsopen",
            "fspick",
            "mount_setattr",
        ],
        condition: "always",
        source: "capabilities(7), CAP_SYS_ADMIN; fs/namespace.c:may_mount",
        shows: when::always,
    },
    Rule {
        id: "copy-mount",
        any_of: &[SYS_ADMIN],
        syscalls: &["open_tree", "open_tree_attr"],
        condition: "OPEN_TREE_CLONE",
        source: "open_tree(2); fs/namespace.c:vfs_open_tree",
        shows: when::open_tree_clone,
    },
    Rule {
        id: "swap",
        any_of: &[SYS_ADMIN],
        syscalls: &["swapon", "swapoff"],
        condition: "always",
        source: "capabilities(7), CAP_SYS_ADMIN; mm/swapfile.c:swapon, swapoff",
        shows: when::always,
    },
    Rule {
        id: "host-name",
        any_of: &[SYS_ADMIN],
        syscalls: &["sethostname", "setdomainname"],
        condition: "always",
        source: "capabilities(7), CAP_SYS_ADMIN; kernel/sys.c:sethostname, setdomainname",
        shows: when::always,
    },
    Rule {
        id: "new-namespace",
        any_of: &[SYS_ADMIN],
        syscalls: &["unshare", "clone", "clone3"],
        condition: "any namespace but a user namespace, and none of those in the same call",
        source: "capabilities(7), CAP_SYS_ADMIN; kernel/nsproxy.c:copy_namespaces, \
                 unshare_nsproxy_namespaces",
        shows: when::new_namespaces,
    },
    Rule {
        id: "enter-namespace",
        any_of: &[SYS_ADMIN],
        syscalls: &["setns"],
        condition: "any namespace but a user namespace",
        source: "capabilities(7), CAP_SYS_ADMIN; kernel/nsproxy.c:validate_nsset, and the \
                 install of each kind",
        shows: when::enter_namespace,
    },
    Rule {
        id: "change-quota",
        any_of: &[SYS_ADMIN],
        syscalls: &["quotactl", "quotactl_fd"],
        condition: "a command that changes quotas or switches them on or off",
        source: "capabilities(7), CAP_SYS_ADMIN; fs/quota/quota.c:check_quotactl_permission",
        shows: when::quota_change,
    },
    Rule {
        id: "freeze-or-trim",
        any_of: &[SYS_ADMIN],
        syscalls: &["ioctl"],
        condition: "FIFREEZE, FITHAW or FITRIM",
        source: "ioctl_fitrim(2) is silent; fs/ioctl.c:ioctl_fsfreeze, ioctl_fsthaw, \
                 fs/ext4/ioctl.c:__ext4_ioctl",
        shows: when::ioctl_file_system,
    },
    Rule {
        id: "fanotify",
        any_of: &[SYS_ADMIN],
        syscalls: &["fanotify_init"],
        condition: "a permission class, a privileged flag, or no reporting by ids",
        source: "fanotify_init(2), EPERM; fs/notify/fanotify/fanotify_user.c:fanotify_init",
        shows: when::fanotify_privileged,
    },
    Rule {
        id: "profiler-cookie",
        any_of: &[SYS_ADMIN],
        syscalls: &["lookup_dcookie"],
        condition: "always; the call is gone since Linux 6.7",
        source: "lookup_dcookie(2), EPERM; fs/dcookies.c:do_lookup_dcookie of Linux 5.10",
        shows: when::always,
    },
    Rule {
        id: "filter-without-no-new-privs",
        any_of: &[SYS_ADMIN],
        syscalls: &["seccomp", "prctl"],
        condition: "a filter was installed by a thread without no_new_privs",
        source: "seccomp(2), EACCES; kernel/seccomp.c:seccomp_prepare_filter",
        shows: when::filter_without_nnp,
    },
    Rule {
        id: "landlock-without-no-new-privs",
        any_of: &[SYS_ADMIN],
        syscalls: &["landlock_restrict_self"],
        condition: "by a thread without no_new_privs",
        source: "landlock_restrict_self(2), EPERM; \
                 security/landlock/syscalls.c:landlock_restrict_self",
        shows: when::landlock_without_nnp,
    },
    Rule {
        id: "bpf-enumerate",
        any_of: &[SYS_ADMIN],
        syscalls: &["bpf"],
        condition: "programs or maps were enumerated or opened by id",
        source: "capabilities(7), CAP_SYS_ADMIN; kernel/bpf/syscall.c:bpf_obj_get_next_id, \
                 bpf_prog_get_fd_by_id, bpf_map_get_fd_by_id",
        shows: when::bpf_enumerate,
    },
    Rule {
        id: "reboot",
        any_of: &[SYS_BOOT],
        syscalls: &["reboot", "kexec_load", "kexec_file_load"],
        condition: "always",
        source: "capabilities(7), CAP_SYS_BOOT; kernel/reboot.c:reboot, \
                 kernel/kexec_core.c:kexec_load_permitted",
        shows: when::always,
    },
    Rule {
        id: "raise-priority",
        any_of: &[SYS_NICE],
        syscalls: &["setpriority", "nice"],
        condition: "to a nice value below 0",
        source: "capabilities(7), CAP_SYS_NICE; kernel/sys.c:set_one_prio, \
                 kernel/sched/syscalls.c:can_nice",
        shows: when::raise_priority,
    },
    Rule {
        id: "real-time-class",
        any_of: &[SYS_NICE],
        syscalls: &["sched_setscheduler"],
        condition: "to SCHED_FIFO or SCHED_RR",
        source: "capabilities(7), CAP_SYS_NICE; \
                 kernel/sched/syscalls.c:user_check_sched_setscheduler",
        shows: when::real_time_class,
    },
    Rule {
        id: "real-time-io",
        any_of: &[SYS_NICE, SYS_ADMIN],
        syscalls: &["ioprio_set"],
        condition: "to IOPRIO_CLASS_RT; CAP_SYS_NICE does since Linux 5.14",
        source: "ioprio_set(2), EPERM; block/ioprio.c:ioprio_check_cap",
        shows: when::real_time_io,
    },
    Rule {
        id: "move-all-pages",
        any_of: &[SYS_NICE],
        syscalls: &["mbind", "move_pages"],
        condition: "MPOL_MF_MOVE_ALL",
        source: "capabilities(7), CAP_SYS_NICE; mm/mempolicy.c:do_mbind, \
                 mm/migrate.c:kernel_move_pages",
        shows: when::move_all_pages,
    },
    Rule {
        id: "prctl-resource",
        any_of: &[SYS_RESOURCE],
        syscalls: &["prctl"],
        condition: "PR_SET_MM but for PR_SET_MM_MAP, PR_SET_IO_FLUSHER or PR_GET_IO_FLUSHER",
        source: "PR_SET_MM(2const), PR_SET_IO_FLUSHER(2const); kernel/sys.c:prctl_set_mm, prctl",
        shows: when::prctl_resource,
    },
    Rule {
        id: "set-time",
        any_of: &[SYS_TIME],
        syscalls: &["settimeofday", "stime"],
        condition: "always",
        source: "capabilities(7), CAP_SYS_TIME; security/commoncap.c:cap_settime",
        shows: when::always,
    },
    Rule {
        id: "set-clock",
        any_of: &[SYS_TIME],
        syscalls: &["clock_settime", "clock_settime64"],
        condition: "CLOCK_REALTIME",
        source: "capabilities(7), CAP_SYS_TIME; kernel/time/posix-timers.c:posix_clock_realtime_set",
        shows: when::set_real_time,
    },
    Rule {
        id: "set-hardware-clock",
        any_of: &[SYS_TIME],
        syscalls: &["ioctl"],
        condition: "RTC_SET_TIME",
        source: "capabilities(7), CAP_SYS_TIME; drivers/rtc/dev.c:rtc_dev_ioctl",
        shows: when::ioctl_rtc,
    },
    Rule {
        id: "hang-up",
        any_of: &[SYS_TTY_CONFIG],
        syscalls: &["vhangup"],
        condition: "always",
        source: "capabilities(7), CAP_SYS_TTY_CONFIG; fs/open.c:vhangup",
        shows: when::always,
    },
    Rule {
        id: "make-device",
        any_of: &[MKNOD],
        syscalls: &["mknod", "mknodat"],
        condition: "a device other than the whiteout of overlayfs",
        source: "capabilities(7), CAP_MKNOD; fs/namei.c:vfs_mknod",
        shows: when::mknod_device,
    },
    Rule {
        id: "fanotify-audit",
        any_of: &[AUDIT_WRITE],
        syscalls: &["fanotify_init"],
        condition: "FAN_ENABLE_AUDIT",
        source: "fanotify_init(2), FAN_ENABLE_AUDIT; \
                 fs/notify/fanotify/fanotify_user.c:fanotify_init",
        shows: when::fanotify_audit,
    },
    Rule {
        id: "kernel-log",
        any_of: &[SYSLOG],
        syscalls: &["syslog"],
        condition: "always, but that two of its actions may be open to all by a sysctl",
        source: "capabilities(7), CAP_SYSLOG; kernel/printk/printk.c:check_syslog_permissions",
        shows: when::kernel_log,
    },
    Rule {
        id: "wake-alarm",
        any_of: &[WAKE_ALARM],
        syscalls: &["timer_create", "timerfd_create", "clock_nanosleep", "clock_nanosleep_time64"],
        condition: "CLOCK_REALTIME_ALARM or CLOCK_BOOTTIME_ALARM",
        source: "capabilities(7), CAP_WAKE_ALARM; kernel/time/alarmtimer.c:alarm_timer_create, \
                 alarm_timer_nsleep, fs/timerfd.c:timerfd_create",
        shows: when::alarm_clock,
    },
    Rule {
        id: "perf-whole-cpu",
        any_of: &[PERFMON, SYS_ADMIN],
        syscalls: &["perf_event_open"],
        condition: "every process of a CPU is counted",
        source: "capabilities(7), CAP_PERFMON; include/linux/perf_event.h:perf_allow_cpu",
        shows: when::perf_whole_cpu,
    },
    Rule {
        id: "bpf-create",
        any_of: &[BPF, SYS_ADMIN],
        syscalls: &["bpf"],
        condition: "a map was made, or a program or BTF loaded",
        source: "capabilities(7), CAP_BPF; kernel/bpf/syscall.c:__sys_bpf, bpf_prog_load",
        shows: when::bpf_create,
    },
];
