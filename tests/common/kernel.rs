//! The second oracle: the kernel's own tracepoint, which hears the very same run that the tracer
//! traces, so that nothing needs to be allowed for between two runs.
//!
//! bpftrace keeps a map of the threads of the tree: it starts with whoever executes a script of
//! a name that nobody else has, and `sched_process_fork` (which the parent fires before the child
//! can run) adds to it. What is heard is counted in a map, never sent as an event, so that none can
//! be lost. Costs: half a second to start, and some 0.1 us per syscall of everything on
//! the machine while it listens. Limits: root, CAP_BPF/CAP_SYS_ADMIN and a kernel with BTF;
//! a call whose thread is killed in its enter-stop is seen by the tracer and not by the tracepoint,
//! which comes after it, and so is one that a seccomp filter of the program's own denies; at most 65,536 threads at a time.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::process::{Guarded, until};
use super::{Scratch, tool};
use seccomp_gen::recording::Run;

/// A syscall as the kernel knows it: the table (`x86_64`, `i386`, `x32`) and the number there.
pub type Call = (String, i64);

/// Mounts what bpftrace reads in a mount namespace of its own, so that nothing is left behind on
/// the machine; in a chroot `/` is no mount point, hence the alternatives.
pub const MOUNTS: &str = r#"
mount --make-rprivate / 2>/dev/null || mount --make-rprivate /sys 2>/dev/null || :
test -d /sys/kernel/tracing || mount -t sysfs sysfs /sys
test -d /sys/kernel/tracing/events/raw_syscalls || mount -t tracefs tracefs /sys/kernel/tracing
exec "$@"
"#;

/// Hears every syscall of one tree.
pub struct Recorder {
    bpftrace: Guarded,
    dir: Scratch,
}

impl Recorder {
    /// Listens, from when this returns, to whoever executes the file of that path, and to all that
    /// comes of it.
    pub fn start(root: &Path) -> Recorder {
        let dir = Scratch::new();
        let canary = dir.join("canary");
        write_script(&canary, "(:) &\nwait\n");
        let end = dir.join("end");
        write_script(&end, "");
        let program = program(root, &canary, &end);
        let mut bpftrace = Guarded::spawn(
            Command::new(tool("unshare"))
                .args(["--mount", "--propagation", "unchanged", "sh", "-ec", MOUNTS, "sh"])
                .arg(tool("bpftrace"))
                .args(["-B", "none", "-e", &program])
                .env("BPFTRACE_STRLEN", "200")
                .env("BPFTRACE_MAP_KEYS_MAX", "65536")
                .stdin(Stdio::null())
                .stdout(File::create(dir.join("heard")).unwrap())
                .stderr(File::create(dir.join("errors")).unwrap()),
        );
        // Its own word that it is attached comes too early: only a tree that it heard is proof.
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
        let ready = until(Duration::from_secs(30), || {
            assert!(bpftrace.is_running(), "bpftrace: {}", read("errors"));
            let status = Command::new(&canary).status().unwrap();
            assert!(status.success());
            read("heard").contains("canary heard").then_some(())
        });
        assert!(ready.is_some(), "bpftrace hears nothing: {}", read("errors"));
        Recorder { bpftrace, dir }
    }

    /// Ends the listening: what was heard.
    pub fn finish(mut self) -> BTreeSet<Call> {
        assert!(Command::new(self.dir.join("end")).status().unwrap().success());
        let status = self.bpftrace.wait(Duration::from_secs(30));
        assert!(status.is_some_and(|s| s.success()), "bpftrace: {status:?}");
        let heard = std::fs::read_to_string(self.dir.join("heard")).unwrap();
        heard.lines().filter_map(call).collect()
    }
}

/// It is told to end by an exec, because it forgets a SIGINT that comes while it is not waiting for
/// events, and dies of a second one that comes while it writes what it heard.
fn program(root: &Path, canary: &Path, end: &Path) -> String {
    let (root, canary, end) = (root.display(), canary.display(), end.display());
    // TS_COMPAT, 2, is the kernel's own mark of a call that came by the 32-bit entry.
    format!(
        r#"
tracepoint:sched:sched_process_exec /str(args->filename) == "{root}"/ {{ @tree[tid] = 1; }}
tracepoint:sched:sched_process_exec /@tree[args->old_pid]/ {{ @tree[tid] = 1; }}
tracepoint:sched:sched_process_fork /@tree[args->parent_pid]/ {{ @tree[args->child_pid] = 1; }}
tracepoint:sched:sched_process_exit /@tree[tid]/ {{ delete(@tree[tid]); }}
tracepoint:raw_syscalls:sys_enter /@tree[tid]/ {{
    $status = ((struct task_struct *)curtask)->thread_info.status;
    @calls[$status & 2, args->id] = count();
}}
tracepoint:sched:sched_process_exec /str(args->filename) == "{canary}"/ {{ @canary[tid] = 1; }}
tracepoint:sched:sched_process_fork /@canary[args->parent_pid] == 1/ {{
    @canary[args->child_pid] = 2;
}}
tracepoint:raw_syscalls:sys_enter /@canary[tid] == 2/ {{
    printf("canary heard\n");
    delete(@canary[tid]);
}}
tracepoint:sched:sched_process_exec /str(args->filename) == "{end}"/ {{ exit(); }}
"#
    )
}

/// The call in a line `@calls[0, 39]: 7`.
fn call(line: &str) -> Option<Call> {
    let (key, _) = line.strip_prefix("@calls[")?.split_once("]: ")?;
    let (compat, number) = key.split_once(", ")?;
    let number: i64 = number.parse().unwrap();
    Some(normal(if compat == "0" { "x86_64" } else { "i386" }, number))
}

const X32_BIT: i64 = 0x4000_0000;

/// The kernel takes the low half of a number alone, and x32 has its mark in the number.
fn normal(arch: &str, number: i64) -> Call {
    let number = i64::from(number as i32);
    match arch {
        "x86_64" if number > 0 && number & X32_BIT != 0 => ("x32".to_owned(), number ^ X32_BIT),
        arch => (arch.to_owned(), number),
    }
}

/// The calls that a run recorded.
pub fn recorded(run: &Run) -> BTreeSet<Call> {
    run.syscalls.iter().map(|s| (s.arch.to_string(), s.number)).collect()
}

/// The calls of a run none of which came further than its enter-stop, as far as is known: those
/// that the tracepoint need not have heard.
pub fn never_returned(run: &Run) -> BTreeSet<Call> {
    let unfinished = run.syscalls.iter().filter(|s| s.unfinished == s.count);
    unfinished.map(|s| (s.arch.to_string(), s.number)).collect()
}

/// Takes out of what the kernel heard the calls that the program made for the tracer's sake: to
/// install its filter, and to go on with what it was interrupted in when the shutdown was looked at.
pub fn without_ours(heard: &mut BTreeSet<Call>, run: &Run) {
    if run.watch.settled.is_none_or(|settled| settled.installations == 0) {
        return;
    }
    let recorded = recorded(run);
    let ours = [
        libc::SYS_mmap,
        libc::SYS_prctl,
        libc::SYS_seccomp,
        libc::SYS_munmap,
        libc::SYS_restart_syscall,
    ];
    for call in ours.map(|number| ("x86_64".to_owned(), number)) {
        if !recorded.contains(&call) {
            heard.remove(&call);
        }
    }
}

/// A script for `/bin/sh` that can be executed.
///
/// `install` makes the file, not this process: a child that another thread forks would inherit the
/// descriptor for a moment, and nobody may execute what is open for writing.
pub fn write_script(path: &Path, text: &str) {
    let source = path.with_extension("source");
    std::fs::write(&source, format!("#!/bin/sh\n{text}")).unwrap();
    let status = Command::new(tool("install")).args(["-m", "755"]).arg(&source).arg(path).status();
    assert!(status.unwrap().success());
}
