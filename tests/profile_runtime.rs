//! Loads generated profiles with the real runc: a static busybox runs under them, and gets the
//! answers that they promise.

mod common;

use std::fs;
use std::process::Output;

use common::container::Bundle;
use seccomp_gen::format::oci;
use seccomp_gen::profile::{BuildOptions, build};
use seccomp_gen::recording::{Recording, VERSION};
use serde_json::{Value, json};

/// What runc 1.1 itself calls between loading the filter and starting the program (with
/// no_new_privs, its Go runtime included), and what busybox calls at its start.
const BASE: &str = "arch_prctl brk close epoll_ctl epoll_pwait faccessat2 fcntl fstat fstatfs getcwd \
                    getdents64 getegid geteuid getgid getpid getrandom gettid getuid ioctl madvise \
                    mmap mprotect munmap nanosleep newfstatat openat prctl prlimit64 read readlink \
                    readlinkat rseq rt_sigaction rt_sigprocmask sched_yield set_robust_list \
                    set_tid_address sigaltstack tgkill uname write";

/// A recording of a run that called these.
fn recording(names: &str) -> Recording {
    let syscalls: Vec<Value> = names
        .split_whitespace()
        .enumerate()
        .map(|(number, name)| {
            json!({
                "arch": "x86_64", "number": number, "name": name, "count": 1, "counted": "exactly",
                "first": {
                    "at_ms": 0, "pid": 1, "tid": 1, "exe": null, "comm": null, "caller": null
                },
                "succeeded": 1, "restarted": 0, "unfinished": 0, "errnos": [], "arguments": [],
                "phases": []
            })
        })
        .collect();
    let run = json!({
        "id": "0", "complete": true, "incomplete_because": [],
        "tool": { "name": "seccomp-gen", "version": "0" },
        "host": { "kernel_release": "6.1", "arch": "x86_64", "cpus": 1, "container": null },
        "command": { "argv": [], "cwd": null, "attached": [] },
        "program": null, "started_at": "2026-01-01T00:00:00Z",
        "ended_at": "2026-01-01T00:00:00Z", "duration_ms": 0,
        "watch": { "mode": "full", "gaps": [], "gaps_total_ms": 0 },
        "foreign_filter_at_start": false, "ending": null, "phases": [],
        "credential_states": [], "processes": [], "processes_not_listed": 0, "modules": [],
        "syscalls": syscalls, "capability_evidence": [],
        "cost": { "stops": 0, "stopped_ns": 0, "longest_ns": 0, "histogram": [] },
        "books": {
            "enters": 0, "exits": 0, "enters_closed_otherwise": 0, "exits_of_calls_under_way": 0,
            "threads_born": 0, "threads_gone": 0, "stops": 0, "stops_ended": 0,
            "births_unexplained": 0, "lost": 0
        },
        "warnings": []
    });
    serde_json::from_value(json!({
        "format": "seccomp-gen recording", "version": VERSION, "name": "busybox", "redacted": false,
        "runs": [run]
    }))
    .expect("a recording")
}

fn profile(names: &str) -> Value {
    let built = build(&recording(names), &BuildOptions::default());
    serde_json::from_str(&oci::to_json(&built.profile).expect("text")).expect("JSON")
}

/// Runs busybox in a container.
fn run(bundle: &mut Bundle, seccomp: Option<&Value>, args: &[&str]) -> Output {
    if let Some(seccomp) = seccomp {
        bundle.config["linux"]["seccomp"] = seccomp.clone();
    }
    bundle.run(&[&["/bin/busybox"], args].concat())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn runc_enforces_what_a_profile_says() {
    let mut bundle = Bundle::new(&["CAP_SYS_CHROOT"], true);
    fs::copy("/bin/busybox", bundle.root("bin/busybox"))
        .expect("a static busybox; apt-get install busybox-static");
    let bundle = &mut bundle;

    // Where runc cannot run a container at all, this must fail, not pass without a test.
    let unconfined = run(bundle, None, &["true"]);
    assert!(unconfined.status.success(), "without any profile: {}", stderr(&unconfined));

    let base = profile(BASE);
    let said = run(bundle, Some(&base), &["echo", "hello"]);
    assert!(said.status.success(), "{}", stderr(&said));
    assert_eq!(said.stdout, b"hello\n");

    let absent = run(bundle, Some(&base), &["mkdir", "/tmp/made"]);
    assert!(stderr(&absent).contains("Function not implemented"), "{}", stderr(&absent));
    let forbidden = run(bundle, Some(&base), &["chroot", "/", "/bin/busybox", "true"]);
    assert!(stderr(&forbidden).contains("Operation not permitted"), "{}", stderr(&forbidden));

    let more = profile(&format!("{BASE} chdir chroot mkdir umask"));
    let made = run(bundle, Some(&more), &["chroot", "/", "/bin/busybox", "mkdir", "/tmp/made"]);
    assert!(made.status.success(), "{}", stderr(&made));
    assert!(bundle.root("tmp/made").is_dir());
}
