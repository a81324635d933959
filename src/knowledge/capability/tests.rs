//! Every rule with a call that it is about and one that it is not.

use std::collections::BTreeSet;

use super::*;
use crate::arch::Arch;
use crate::recording::CredentialState;
use crate::syscall::decode::SockAddr;
use crate::syscall::{Cap, CapSet, SignalSet, SysNo};

const ALL: CapSet = CapSet((1 << 41) - 1);

/// Somebody with every capability and four ids that tell themselves apart.
fn caller() -> CredentialState {
    CredentialState {
        inheritable: CapSet(0),
        permitted: ALL,
        effective: ALL,
        bounding: ALL,
        ambient: CapSet(0),
        no_new_privs: false,
        seccomp_mode: 0,
        seccomp_filters: None,
        uid: [1000, 0, 1001, 1002],
        gid: [2000, 0, 2001, 2002],
        groups: vec![4, 27],
        signals_caught: SignalSet(0),
        signals_ignored: SignalSet(0),
        signals_blocked: SignalSet(0),
    }
}

fn call<'a>(name: &'a str, args: &[u64], caller: &'a CredentialState) -> Call<'a> {
    let mut all = [0; 6];
    all[..args.len()].copy_from_slice(args);
    Call {
        name,
        arch: Arch::X86_64,
        args: all,
        address: None,
        clone_flags: None,
        caller,
        unprivileged_port_start: 1024,
    }
}

/// What the rules say, as `rule: detail`.
fn said(call: &Call<'_>) -> Vec<String> {
    evidence(call).iter().map(|found| format!("{}: {}", found.rule, found.detail)).collect()
}

/// What a caller of every capability shows by the call.
fn shows(name: &str, args: &[u64]) -> Vec<String> {
    said(&call(name, args, &caller()))
}

const MINUS_1: u64 = u64::MAX;

/// Rule, syscall, arguments that it is about, arguments that it is not about (empty where the rule
/// is about every call, or not about arguments).
type Case = (&'static str, &'static str, &'static [u64], &'static [u64]);

const CASES: &[Case] = &[
    ("chown-other-owner", "chown", &[0, 33, MINUS_1], &[0, 1002, MINUS_1]),
    ("chown-other-owner", "fchownat", &[0, 0, 33, MINUS_1, 0], &[33, 33, 0xffff_ffff, MINUS_1, 0]),
    ("chown-foreign-group", "lchown", &[0, MINUS_1, 33], &[0, MINUS_1, 27]),
    ("chown-foreign-group", "fchownat", &[0, 0, MINUS_1, 33, 0], &[0, 0, MINUS_1, 2002, 0]),
    ("open-by-handle", "open_by_handle_at", &[3, 0, 0], &[]),
    ("set-group", "setgid", &[0], &[2001]),
    ("set-group", "setresgid", &[MINUS_1, 33, MINUS_1], &[2000, 0, 2001]),
    ("set-groups", "setgroups", &[0, 0], &[]),
    ("set-user", "setuid", &[0], &[1000]),
    ("set-user", "setreuid", &[1001, MINUS_1], &[0, 1001]),
    ("set-user", "setresuid", &[33, 33, 33], &[1001, 1000, 0]),
    ("set-user", "setfsuid", &[33], &[1002]),
    ("drop-bounding", "prctl", &[24, 21], &[23, 21]),
    ("set-securebits", "prctl", &[28, 0x2f], &[28, 0x300]),
    ("set-securebits", "prctl", &[28, 0], &[27]),
    ("socket-option-admin", "setsockopt", &[3, 1, 33], &[3, 1, 8]),
    ("socket-option-admin", "setsockopt", &[3, 6, 19], &[3, 6, 1]),
    ("configure-interface", "ioctl", &[3, 0x8914], &[3, 0x8913]),
    ("configure-interface", "ioctl", &[3, 0x4004_54ca], &[3, 0x5401]),
    ("raw-socket", "socket", &[2, 3, 1], &[2, 2, 17]),
    ("raw-socket", "socket", &[10, 3 | 0x8_0000, 58], &[16, 3, 0]),
    ("raw-socket", "socket", &[17, 2, 0], &[1, 3, 0]),
    ("raw-socket", "socket", &[2, 10, 0], &[10, 10, 0]),
    ("socket-mark", "setsockopt", &[3, 1, 36], &[3, 0, 36]),
    ("transparent-socket", "setsockopt", &[3, 0, 19], &[3, 1, 19]),
    ("transparent-socket", "setsockopt", &[3, 41, 75], &[3, 41, 26]),
    ("kernel-module", "finit_module", &[3, 0, 0], &[]),
    ("io-privilege-level", "iopl", &[3], &[0]),
    ("io-ports", "ioperm", &[0x80, 1, 1], &[0x80, 1, 0]),
    ("change-root", "chroot", &[0], &[]),
    ("enter-mount-namespace", "setns", &[3, 0x2_0000], &[3, 0x4000_0000]),
    ("handle-kernel-faults", "userfaultfd", &[0x8_0000], &[0x8_0001]),
    ("process-accounting", "acct", &[0], &[]),
    ("mount", "mount", &[], &[]),
    ("mount", "umount2", &[], &[]),
    ("copy-mount", "open_tree", &[3, 0, 1], &[3, 0, 0x8_0000]),
    ("swap", "swapon", &[], &[]),
    ("host-name", "sethostname", &[], &[]),
    ("new-namespace", "unshare", &[0x4000_0000], &[0x1000_0000 | 0x4000_0000]),
    ("new-namespace", "unshare", &[0x80], &[0x400]),
    ("new-namespace", "clone", &[0x2000_0011], &[0x1200_0091]),
    ("enter-namespace", "setns", &[3, 0x4000_0000], &[3, 0x1000_0000]),
    ("enter-namespace", "setns", &[3, 0], &[3, 0x1002_0000]),
    ("change-quota", "quotactl", &[0x8000_0800], &[0x8000_0700]),
    ("change-quota", "quotactl_fd", &[3, 0x58_0400], &[0x58_0400, 0x58_0300]),
    ("freeze-or-trim", "ioctl", &[3, 0xc018_5879], &[3, 0xc018_5878]),
    ("fanotify", "fanotify_init", &[0], &[0x200]),
    ("fanotify", "fanotify_init", &[0x200 | 0x10], &[0xc00]),
    ("profiler-cookie", "lookup_dcookie", &[], &[]),
    ("filter-without-no-new-privs", "seccomp", &[1, 0, 0], &[0, 0, 0]),
    ("filter-without-no-new-privs", "prctl", &[22, 2], &[22, 1]),
    ("landlock-without-no-new-privs", "landlock_restrict_self", &[3, 0], &[]),
    ("bpf-enumerate", "bpf", &[13], &[15]),
    ("reboot", "kexec_file_load", &[], &[]),
    ("raise-priority", "setpriority", &[0, 0, 0xffff_fffb], &[0, 0, 5]),
    ("raise-priority", "nice", &[0xffff_ffff], &[1]),
    ("real-time-class", "sched_setscheduler", &[0, 0x4000_0001], &[0, 3]),
    ("real-time-io", "ioprio_set", &[1, 0, 0x2004], &[1, 0, 0x4004]),
    ("move-all-pages", "mbind", &[0, 0, 0, 0, 0, 4], &[0, 0, 4, 0, 4, 2]),
    ("move-all-pages", "move_pages", &[0, 0, 0, 0, 0, 4], &[0, 0, 0, 0, 0, 2]),
    ("prctl-resource", "prctl", &[35, 8], &[35, 14]),
    ("set-time", "settimeofday", &[], &[]),
    ("set-clock", "clock_settime", &[0], &[0xffff_fffb]),
    ("set-hardware-clock", "ioctl", &[3, 0x4024_700a], &[3, 0x8024_7009]),
    ("hang-up", "vhangup", &[], &[]),
    ("make-device", "mknod", &[0, 0o020_666, 0x103], &[0, 0o020_666, 0]),
    ("make-device", "mknodat", &[3, 0, 0o060_600, 0x800], &[3, 0, 0o010_600, 0]),
    ("fanotify-audit", "fanotify_init", &[0x44], &[0x4]),
    ("kernel-log", "syslog", &[4], &[]),
    ("wake-alarm", "timer_create", &[8], &[0]),
    ("wake-alarm", "timerfd_create", &[9], &[7]),
    ("perf-whole-cpu", "perf_event_open", &[0, 0xffff_ffff, 0], &[0, 0, MINUS_1]),
    ("bpf-create", "bpf", &[5], &[1]),
];

#[test]
fn every_rule_hits_and_misses() {
    for (rule, name, hit, miss) in CASES {
        let hits = |args| shows(name, args).iter().any(|s| s.starts_with(&format!("{rule}: ")));
        assert!(hits(hit), "{rule}: {name}{hit:x?} is missed");
        assert!(miss.is_empty() || !hits(miss), "{rule}: {name}{miss:x?} is taken");
    }
}

#[test]
fn every_rule_is_tested() {
    // `bind` has its address in memory; the test of its name is below.
    let tested = CASES.iter().map(|case| case.0).chain(["bind-privileged-port"]);
    let tested: BTreeSet<&str> = tested.collect();
    let rules: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(tested, rules);
    assert_eq!(rules.len(), RULES.len(), "an id is given twice");
}

#[test]
fn who_does_not_hold_it_does_not_use_it() {
    for (rule, name, hit, _) in CASES {
        let rule = super::rule(rule).unwrap();
        let others = CapSet(rule.any_of.iter().fold(ALL.0, |set, cap| set & !(1 << cap.0)));
        let without = CredentialState { effective: others, ..caller() };
        assert!(evidence(&call(name, hit, &without)).iter().all(|found| found.rule != rule.id));
    }
    let nobody = CredentialState { effective: CapSet(0), ..caller() };
    assert!(evidence(&call("mount", &[], &nobody)).is_empty());
}

#[test]
fn of_several_that_would_do_the_first_held_is_reported() {
    let admin = CredentialState { effective: CapSet(1 << 21), ..caller() };
    let found = evidence(&call("bpf", &[5], &admin));
    assert_eq!(found[0].capability, Cap::SYS_ADMIN);
    assert_eq!(evidence(&call("bpf", &[5], &caller()))[0].capability.to_string(), "CAP_BPF");
}

#[test]
fn bind_privileged_port() {
    let all = caller();
    let bind = |family, port, start| {
        let address = Some(SockAddr { family, port });
        let call =
            Call { address, unprivileged_port_start: start, ..call("bind", &[3, 0, 16], &all) };
        said(&call)
    };
    assert_eq!(bind(2, Some(80), 1024), ["bind-privileged-port: bind(port 80)"]);
    assert_eq!(bind(10, Some(1023), 1024), ["bind-privileged-port: bind(port 1023)"]);
    assert_eq!(bind(2, Some(2000), 4096), ["bind-privileged-port: bind(port 2000)"]);
    assert_eq!(
        bind(2, Some(80), 0),
        ["bind-privileged-port: bind(port 80) (not needed where \
          net.ipv4.ip_unprivileged_port_start is 0, as here)"]
    );
    for (family, port) in [(2, Some(1024)), (2, Some(0)), (2, None), (1, None), (40, Some(80))] {
        assert!(bind(family, port, 1024).is_empty(), "family {family} port {port:?}");
    }
    assert!(shows("bind", &[3, 0, 16]).is_empty(), "an address that could not be read");
}

#[test]
fn filters_with_no_new_privs_are_everybodys() {
    let bound = CredentialState { no_new_privs: true, ..caller() };
    assert!(evidence(&call("seccomp", &[1, 0, 0], &bound)).is_empty());
    assert!(evidence(&call("prctl", &[22, 2], &bound)).is_empty());
    assert!(evidence(&call("landlock_restrict_self", &[3], &bound)).is_empty());
}

#[test]
fn the_flags_of_clone3_come_from_memory() {
    let all = caller();
    let clone3 = |flags| said(&Call { clone_flags: flags, ..call("clone3", &[7, 88], &all) });
    assert_eq!(
        clone3(Some(0x2002_0080)),
        ["new-namespace: clone3(CLONE_NEWTIME|CLONE_NEWNS|CLONE_NEWPID)"]
    );
    assert!(clone3(Some(0x3002_0000)).is_empty(), "a user namespace comes with them");
    assert!(clone3(None).is_empty());
    // clone's lowest byte is a signal, where it is passed on as well.
    let flags = Some(0x80);
    assert!(said(&Call { clone_flags: flags, ..call("clone", &[0x80], &all) }).is_empty());
}

#[test]
fn i386_has_calls_of_16_bits_and_of_32() {
    let all = caller();
    let i386 = |name, args| said(&Call { arch: Arch::I386, ..call(name, args, &all) });
    assert!(i386("chown", &[0, 0xffff, 0xffff]).is_empty(), "-1 of 16 bits");
    assert_eq!(i386("chown", &[0, 0x1_0021, 0xffff]), ["chown-other-owner: chown(owner 33)"]);
    assert_eq!(
        i386("chown32", &[0, 0xffff, 0xffff_ffff]),
        ["chown-other-owner: chown32(owner 65535)"]
    );
    assert_eq!(i386("setuid32", &[7]), ["set-user: setuid32(7)"]);
    assert!(i386("setresuid", &[0xffff, 1000, 0xffff]).is_empty());
    assert!(i386("fchownat", &[0, 0, 0xffff_ffff, 0xffff_ffff]).is_empty());
}

#[test]
fn only_the_lower_half_of_an_int_counts() {
    assert_eq!(
        shows("socket", &[0xdead_0000_0000_0002, 3]),
        ["raw-socket: socket(AF_INET, SOCK_RAW)"]
    );
    assert!(shows("setuid", &[0x1_0000_03e8]).is_empty());
}

#[test]
fn details_name_what_cannot_be_seen() {
    assert_eq!(
        shows("fchown", &[3, 33, 33]),
        [
            "chown-other-owner: fchown(owner 33)",
            "chown-foreign-group: fchown(group 33) (unless it was the file's group already)",
        ]
    );
    assert_eq!(
        shows("setpriority", &[0, 0, 0xffff_fff6]),
        ["raise-priority: setpriority(-10) (unless RLIMIT_NICE allows it, or the priority was \
          that high already)"]
    );
    assert_eq!(
        shows("syslog", &[3]),
        ["kernel-log: syslog(3) (unless kernel.dmesg_restrict is 0)"]
    );
}

#[test]
fn every_syscall_of_the_table_exists() {
    let arches = [Arch::X86_64, Arch::I386];
    for name in RULES.iter().flat_map(|rule| rule.syscalls) {
        let exists = arches.iter().any(|arch| SysNo::from_name(*arch, name).is_some());
        assert!(exists, "{name} is in no table");
        assert!(is_subject(name));
    }
    assert!(!is_subject("read"));
}

#[test]
fn every_rule_says_where_it_comes_from() {
    for rule in RULES {
        let in_kernel = rule.source.split_whitespace().any(|word| word.contains(".c:"));
        let in_header = rule.source.contains(".h:");
        assert!(in_kernel || in_header, "{}: no function of the kernel", rule.id);
        assert!(rule.source.contains('('), "{}: no manual page", rule.id);
        assert!(!rule.condition.is_empty() && !rule.any_of.is_empty(), "{}", rule.id);
    }
    let mut last = 0;
    for rule in RULES {
        assert!(rule.any_of[0].0 >= last, "{} is out of order", rule.id);
        last = rule.any_of[0].0;
    }
}

#[test]
fn every_capability_has_a_rule_or_a_reason() {
    for cap in ALL.iter() {
        assert!(with_rules().contains(cap) || not_shown(cap).is_some(), "{cap} has neither");
    }
    assert!(NOT_SHOWN.windows(2).all(|w| w[0].capability < w[1].capability));
}

/// The table's numbers, which the kernel's names are not at hand for, by the names they stand for.
#[test]
fn rules_name_the_capability_that_they_are_about() {
    for (id, name) in [
        ("chown-other-owner", "CAP_CHOWN"),
        ("open-by-handle", "CAP_DAC_READ_SEARCH"),
        ("set-group", "CAP_SETGID"),
        ("set-user", "CAP_SETUID"),
        ("drop-bounding", "CAP_SETPCAP"),
        ("bind-privileged-port", "CAP_NET_BIND_SERVICE"),
        ("configure-interface", "CAP_NET_ADMIN"),
        ("raw-socket", "CAP_NET_RAW"),
        ("kernel-module", "CAP_SYS_MODULE"),
        ("io-ports", "CAP_SYS_RAWIO"),
        ("change-root", "CAP_SYS_CHROOT"),
        ("handle-kernel-faults", "CAP_SYS_PTRACE"),
        ("process-accounting", "CAP_SYS_PACCT"),
        ("mount", "CAP_SYS_ADMIN"),
        ("reboot", "CAP_SYS_BOOT"),
        ("raise-priority", "CAP_SYS_NICE"),
        ("prctl-resource", "CAP_SYS_RESOURCE"),
        ("set-time", "CAP_SYS_TIME"),
        ("hang-up", "CAP_SYS_TTY_CONFIG"),
        ("make-device", "CAP_MKNOD"),
        ("fanotify-audit", "CAP_AUDIT_WRITE"),
        ("kernel-log", "CAP_SYSLOG"),
        ("wake-alarm", "CAP_WAKE_ALARM"),
        ("perf-whole-cpu", "CAP_PERFMON"),
        ("bpf-create", "CAP_BPF"),
    ] {
        assert_eq!(super::rule(id).unwrap().any_of[0].to_string(), name, "{id}");
    }
}
