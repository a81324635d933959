//! Small recordings for tests.

use proptest::prelude::*;

use super::model::*;
use crate::arch::Arch;
use crate::syscall::{CapSet, SignalSet, SysNo};

/// A recording with these runs.
pub fn recording(name: &str, runs: Vec<Run>) -> Recording {
    Recording {
        format: Format::Recording,
        version: VERSION,
        name: name.to_owned(),
        redacted: false,
        runs: super::merge::union(runs),
    }
}

/// A complete run of one process that called nothing.
pub fn run(id: &str) -> Run {
    Run {
        id: id.to_owned(),
        complete: true,
        incomplete_because: Vec::new(),
        tool: Tool { name: "seccomp-gen".to_owned(), version: "0.1.0".to_owned() },
        host: Host {
            kernel_release: "6.1.0-28-amd64".to_owned(),
            arch: Arch::X86_64,
            cpus: 2,
            container: None,
        },
        command: Command {
            argv: vec!["/home/alice/bin/node".to_owned(), "--port=30333".to_owned()],
            cwd: Some("/home/alice/work".to_owned()),
            attached: Vec::new(),
        },
        program: Some(Executable {
            path: "/home/alice/bin/node".to_owned(),
            size: Some(4096),
            sha256: Some("ab".repeat(32)),
            build_id: Some("cd".repeat(20)),
            interpreter: Some("/lib64/ld-linux-x86-64.so.2".to_owned()),
            linkage: Some(Linkage::Dynamic),
            libc: Some(Libc { flavour: "glibc".to_owned(), version: Some("2.36".to_owned()) }),
        }),
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        ended_at: Some("2026-01-02T03:04:06Z".to_owned()),
        duration_ms: 1000,
        watch: Watch::in_mode(Mode::Full),
        foreign_filter_at_start: false,
        ending: Some(Ending {
            cause: EndCause::Exited,
            status: Some(ExitStatus::Code(0)),
            by_itself_ms: Some(1000),
            requested_by: None,
            stop_signal: None,
            shutdown_ms: None,
        }),
        phases: vec![Phase { name: "startup".to_owned(), from_ms: 0, to_ms: Some(1000) }],
        credential_states: vec![credential_state()],
        processes: vec![process(4711, None, 0)],
        processes_not_listed: 0,
        modules: vec![Module {
            path: "/usr/lib/x86_64-linux-gnu/libc.so.6".to_owned(),
            build_id: Some("ef".repeat(20)),
            first_ms: 0,
            loaded: Loaded::AtStart,
        }],
        syscalls: Vec::new(),
        capability_evidence: Vec::new(),
        cost: Cost::default(),
        books: Books::default(),
        warnings: Vec::new(),
    }
}

/// The state of a process of user 5001.
pub fn credential_state() -> CredentialState {
    CredentialState {
        inheritable: CapSet(0),
        permitted: CapSet(1),
        effective: CapSet(1),
        bounding: CapSet(0x1ff),
        ambient: CapSet(0),
        no_new_privs: false,
        seccomp_mode: 0,
        seccomp_filters: Some(0),
        uid: [5001; 4],
        gid: [5001, 5001, 5001, 0],
        groups: vec![27, 65534],
        signals_caught: SignalSet(0x4002),
        signals_ignored: SignalSet(0),
        signals_blocked: SignalSet(0),
    }
}

/// A process that was seen in the first of its run's states.
pub fn process(pid: i32, parent: Option<i32>, started_ms: u64) -> Process {
    Process {
        pid,
        parent,
        started_ms,
        ended_ms: None,
        status: None,
        execs: vec![Exec {
            at_ms: started_ms,
            path: "/home/alice/bin/node".to_owned(),
            observed: true,
        }],
        comm: "node".to_owned(),
        threads_peak: 1,
        credentials: vec![Credentials {
            state: StateIndex(0),
            moments: vec![Moment { at_ms: started_ms, tid: pid, occasion: Occasion::Birth }],
            seen: 1,
        }],
    }
}

/// A syscall that was made once.
pub fn syscall(arch: Arch, name: &str) -> Syscall {
    let number = SysNo::from_name(arch, name).map_or(9999, |no| no.number);
    Syscall {
        arch,
        number,
        name: SysNo { arch, number }.name().map(str::to_owned),
        count: 1,
        counted: Counted::Exactly,
        first: Sighting {
            at_ms: 1,
            pid: 4711,
            tid: 4712,
            exe: Some("/home/alice/bin/node".to_owned()),
            comm: Some("worker".to_owned()),
            caller: Some(CodeAddress {
                module: "/usr/lib/x86_64-linux-gnu/libc.so.6".to_owned(),
                offset: 0x1234,
            }),
        },
        succeeded: 1,
        restarted: 0,
        unfinished: 0,
        unwatched: 0,
        errnos: Vec::new(),
        arguments: Vec::new(),
        phases: vec![PhaseCount { phase: "startup".to_owned(), count: 1 }],
    }
}

/// A complete run that called these, by the native table.
pub fn run_calling(id: &str, names: &[&str]) -> Run {
    let mut syscalls: Vec<Syscall> = names.iter().map(|name| syscall(Arch::X86_64, name)).collect();
    syscalls.sort_by_key(|s| (s.arch, s.number));
    Run { syscalls, ..run(id) }
}

fn any_run() -> impl Strategy<Value = Run> {
    let call = proptest::sample::select(vec!["read", "write", "clone3", "clone", "bpf", "mseal"]);
    // Few ids and few starts, so that runs do meet.
    (0..6u8, any::<bool>(), any::<bool>(), 0..3u64, 0..3u8, proptest::collection::vec(call, 0..4))
        .prop_map(|(id, complete, ended, duration_ms, second, calls)| {
            let mut calls = calls;
            calls.sort_unstable();
            calls.dedup();
            let mut run = run_calling(&format!("{id:032x}"), &calls);
            run.complete = complete;
            run.ending = run.ending.filter(|_| ended);
            run.duration_ms = duration_ms;
            run.started_at = format!("2026-01-02T03:04:0{second}Z");
            run
        })
}

/// Any recording of `node`.
pub fn any_recording() -> impl Strategy<Value = Recording> {
    (any::<bool>(), proptest::collection::vec(any_run(), 0..4))
        .prop_map(|(redacted, runs)| Recording { redacted, ..recording("node", runs) })
}
