//! What is recorded of programs whose every call is known.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeSet, HashSet};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use common::beside::text;
use common::others::{AS_NOBODY, ForOthers};
use common::{Scratch, Traced, fixture, tool, trace, trace_with};
use seccomp_gen::arch::Arch;
use seccomp_gen::recording::{
    Credentials, ExitStatus, Loaded, Moment, Occasion, Run, Syscall, load,
};

fn traced(name: &str) -> Traced {
    let traced = trace(&[fixture(name).to_str().unwrap()]);
    assert_eq!(traced.code(), Some(0), "{}", traced.stderr());
    traced
}

fn call<'a>(run: &'a Run, arch: Arch, name: &str) -> &'a Syscall {
    run.syscalls
        .iter()
        .find(|s| s.arch == arch && s.name.as_deref() == Some(name))
        .unwrap_or_else(|| panic!("{arch} {name} was not recorded"))
}

/// The values of a call's only tracked argument, in words.
fn values(run: &Run, name: &str) -> BTreeSet<String> {
    let arguments = &call(run, Arch::X86_64, name).arguments;
    assert_eq!(arguments.len(), 1, "{name}");
    assert!(!arguments[0].and_more);
    arguments[0].values.iter().map(|v| v.text.clone()).collect()
}

fn errnos(syscall: &Syscall) -> Vec<(&str, u64)> {
    syscall.errnos.iter().map(|e| (e.name.as_str(), e.count)).collect()
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|t| (*t).to_owned()).collect()
}

#[test]
fn tracked_arguments_are_recorded_with_all_their_values_and_no_others() {
    let run = traced("args_zoo").run();
    assert_eq!(
        values(&run, "socket"),
        set(&["AF_UNIX, SOCK_STREAM", "AF_INET, SOCK_DGRAM|SOCK_CLOEXEC"]),
        "an int counts in its low 32 bits only"
    );
    assert_eq!(values(&run, "socketpair"), set(&["AF_UNIX, SOCK_SEQPACKET|SOCK_NONBLOCK"]));
    assert!(values(&run, "prctl").is_superset(&set(&["PR_SET_NAME", "PR_GET_DUMPABLE"])));
    assert!(values(&run, "ioctl").is_superset(&set(&["FIONREAD", "TCGETS"])));
    assert!(values(&run, "fcntl").is_superset(&set(&["F_GETFL", "F_SETFD"])));
    assert_eq!(values(&run, "setsockopt"), set(&["SOL_SOCKET, SO_REUSEADDR"]));
    assert_eq!(values(&run, "bind"), set(&["AF_INET, port 39517", "AF_UNIX"]));
    assert!(values(&run, "mmap").contains("PROT_READ|PROT_EXEC"));
    assert!(values(&run, "mprotect").is_superset(&set(&["PROT_READ", "PROT_NONE"])));
    assert_eq!(values(&run, "madvise"), set(&["MADV_DONTNEED"]));
    assert_eq!(values(&run, "openat"), set(&["O_RDONLY", "O_WRONLY"]));
    assert_eq!(values(&run, "kill"), set(&["0"]));
    assert_eq!(values(&run, "personality"), set(&["get"]));
    assert_eq!(values(&run, "unshare"), set(&["0"]));
    assert_eq!(errnos(call(&run, Arch::X86_64, "clone3")), [("EINVAL", 1)]);
}

/// A value that the kernel could not read either is none: family 0 or flags 0 would be one.
#[test]
fn memory_that_cannot_be_read_gives_no_value() {
    let script = "import ctypes\n\
                  libc = ctypes.CDLL(None)\n\
                  libc.bind(0, ctypes.c_void_p(16), 16)\n\
                  libc.syscall(435, ctypes.c_void_p(16), ctypes.c_size_t(88))\n";
    let run = trace(&[tool("python3").to_str().unwrap(), "-c", script]).run();
    for name in ["bind", "clone3"] {
        let arguments = &call(&run, Arch::X86_64, name).arguments;
        assert_eq!((arguments[0].values.len(), arguments[0].unreadable), (0, 1), "{name}");
    }
}

#[test]
fn counts_results_and_errnos_add_up() {
    let run = traced("many_errnos").run();
    assert!(!errnos(call(&run, Arch::X86_64, "connect")).is_empty());
    for syscall in &run.syscalls {
        let failed: u64 = syscall.errnos.iter().map(|e| e.count).sum();
        assert_eq!(
            syscall.count,
            syscall.succeeded + failed + syscall.restarted + syscall.unfinished,
            "{syscall:?}"
        );
        let by_phase: u64 = syscall.phases.iter().map(|p| p.count).sum();
        assert_eq!(syscall.count, by_phase);
    }
    assert_eq!(run.cost.stops, run.cost.histogram.iter().map(|b| b.stops).sum::<u64>());
    assert_eq!(run.cost.stops, run.books.stops);
}

#[test]
fn numbers_that_no_table_knows_are_recorded_by_number_and_said_aloud() {
    let traced = traced("unknown_number");
    let run = traced.run();
    let unnamed: BTreeSet<i64> =
        run.syscalls.iter().filter(|s| s.name.is_none()).map(|s| s.number).collect();
    for number in [9999, -1, -2, i64::from(i32::MIN)] {
        assert!(unnamed.contains(&number), "{number}: {unnamed:?}");
    }
    assert!(run.warnings.iter().any(|w| w.contains("9999")), "{:?}", run.warnings);
    assert!(traced.stderr().contains("9999"));
    let profile = std::fs::read_to_string(traced.dir.join("t.json")).unwrap();
    assert!(!profile.contains("\"\"") && !profile.contains("9999"), "{profile}");
}

#[test]
fn calls_by_int_0x80_have_the_names_of_i386() {
    let run = traced("int80").run();
    assert_eq!(call(&run, Arch::I386, "getpid").number, 20);
    call(&run, Arch::I386, "write");
    call(&run, Arch::X86_64, "write");
}

#[test]
fn a_32_bit_program_is_recorded_as_i386_and_the_profile_says_so() {
    let traced = traced("hello32");
    let run = traced.run();
    call(&run, Arch::I386, "exit_group");
    call(&run, Arch::X86_64, "execve");
    let profile = std::fs::read_to_string(traced.dir.join("t.json")).unwrap();
    assert!(profile.contains("SCMP_ARCH_X86\"") && profile.contains("SCMP_ARCH_X86_64"));
}

#[test]
fn x32_calls_are_told_apart() {
    assert_eq!(call(&traced("x32_number").run(), Arch::X32, "getpid").number, 39);
}

#[test]
fn children_that_were_made_not_to_be_traced_are_traced() {
    let run = traced("clone_untraced").run();
    for name in ["sysinfo", "getpgid", "personality"] {
        call(&run, Arch::X86_64, name);
    }
    let flags = &call(&run, Arch::X86_64, "clone").arguments[0];
    assert!(flags.values.iter().any(|v| v.text.contains("CLONE_UNTRACED")), "{flags:?}");
}

#[test]
fn what_a_programs_own_filter_denies_is_recorded_with_its_errno() {
    let run = traced("own_seccomp").run();
    assert!(errnos(call(&run, Arch::X86_64, "getppid")).iter().any(|(e, _)| *e == "EPERM"));
    let state = |c: &Credentials| run.credential_state(c.state).unwrap();
    let filtered = run.processes[0].credentials.iter().find(|c| state(c).seccomp_mode == 2);
    let filtered = filtered.expect("the filter is seen in the process's state");
    assert!(state(filtered).no_new_privs);
    assert!(filtered.moments.iter().any(|m| m.occasion == Occasion::Change));
}

#[test]
fn an_object_that_is_loaded_late_is_told_from_those_at_start() {
    let run = traced("dlopen_late").run();
    let module = |name: &str| {
        run.modules.iter().find(|m| m.path.contains(name)).unwrap_or_else(|| panic!("{name}"))
    };
    assert_eq!(module("libm.so").loaded, Loaded::Later);
    assert!(module("libm.so").first_ms >= 100);
    for name in ["libc.so", "ld-linux", "dlopen_late"] {
        assert_eq!(module(name).loaded, Loaded::AtStart, "{name}");
        assert!(module(name).build_id.is_some(), "{name}");
    }
}

#[test]
fn a_first_sighting_says_who_and_from_where() {
    let run = traced("thread_burst").run();
    for syscall in run.syscalls.iter().filter(|s| s.name.as_deref() != Some("execve")) {
        let first = &syscall.first;
        assert!(first.exe.is_some() && first.comm.is_some(), "{syscall:?}");
        assert!(first.caller.is_some(), "{syscall:?}");
    }
    let caller = call(&run, Arch::X86_64, "getppid").first.caller.clone().unwrap();
    assert!(caller.module.ends_with("thread_burst") || caller.module.contains("libc"));
}

#[test]
fn capabilities_are_recorded_as_they_change_with_evidence_for_their_use() {
    let traced = traced("caps_change");
    let run = traced.run();
    let states = &run.processes[0].credentials;
    let first = run.credential_state(states[0].state).unwrap();
    let leader = run.processes[0].pid;
    let is_end = |m: &Moment| m.tid == leader && m.occasion == Occasion::End;
    let last = states.iter().find(|s| s.moments.iter().any(is_end)).unwrap();
    let last = run.credential_state(last.state).unwrap();
    assert_eq!(first.uid, [0; 4]);
    assert_eq!(last.uid, [65534; 4]);
    assert!(last.no_new_privs && last.effective.is_empty());
    assert!(last.signals_caught.contains(15) && last.signals_ignored.contains(2));
    let threads: BTreeSet<i32> = states.iter().flat_map(|s| &s.moments).map(|m| m.tid).collect();
    assert!(threads.len() > 1, "capabilities are a thread's, not a process's");
    let shown: BTreeSet<&str> =
        run.capability_evidence.iter().map(|e| e.capability.as_str()).collect();
    for capability in ["CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_SETUID", "CAP_SETGID"] {
        assert!(shown.contains(capability), "{capability}: {shown:?}");
    }
    let report = std::fs::read_to_string(traced.dir.join("t.capabilities.json")).unwrap();
    assert!(report.contains("held, not shown to be used"));
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let suggested = &report["security_context"]["capabilities"];
    assert_eq!(suggested["drop"], serde_json::json!(["ALL"]));
    assert!(suggested["add"].as_array().unwrap().contains(&"NET_BIND_SERVICE".into()));
}

#[test]
fn processes_are_listed_with_parents_execs_and_ends() {
    let run = trace(&["bash", "-c", "/bin/true; (exit 3); /bin/sleep 0.05 & wait"]).run();
    let root = &run.processes[0];
    assert_eq!(root.parent, None);
    assert!(run.processes.len() >= 3);
    for process in &run.processes {
        assert!(process.ended_ms.is_some() && process.status.is_some(), "{process:?}");
        assert!(process.pid == root.pid || process.parent == Some(root.pid));
    }
    let sleep = run.processes.iter().find(|p| p.comm == "sleep").unwrap();
    assert_eq!(sleep.execs.len(), 2);
    assert!(!sleep.execs[0].observed && sleep.execs[0].path.ends_with("bash"));
    assert!(sleep.execs[1].observed && sleep.execs[1].path.ends_with("sleep"));
}

#[test]
fn a_state_of_credentials_stands_once_however_many_processes_were_in_it() {
    let script = "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done";
    let traced = trace(&["sh", "-c", script]);
    let run = traced.run();
    assert_eq!(run.processes.len(), 301);
    let distinct: HashSet<_> = run.credential_states.iter().collect();
    assert_eq!(distinct.len(), run.credential_states.len());
    assert!(distinct.len() < 10, "{distinct:?}");
    assert!(run.processes.iter().all(|process| process.credentials.len() > 1));
    for file in ["t.recording.json", "t.capabilities.json"] {
        let bytes = std::fs::metadata(traced.dir.join(file)).unwrap().len();
        assert!(bytes < 301 * 2048, "{file} takes {bytes} bytes");
    }
}

#[test]
fn thousands_of_threads_are_all_counted() {
    let path = fixture("thousand_threads");
    let run = trace(&[path.to_str().unwrap(), "2000"]).run();
    assert!(run.complete, "{:?}", run.incomplete_because);
    assert!(run.processes[0].threads_peak > 2000, "{}", run.processes[0].threads_peak);
    assert!(run.books.threads_born > 2000);
}

#[test]
fn the_program_is_named_by_its_file_and_not_as_it_was_typed() {
    let dir = Scratch::new();
    let real = dir.join("real");
    std::fs::copy(fixture("exit_codes"), &real).unwrap();
    std::os::unix::fs::symlink("real", dir.join("link")).unwrap();
    let mut tracer = common::seccomp_gen();
    tracer.current_dir(dir.path()).args(["trace", "-q", "-o", ".", "--", "./link"]);
    assert!(tracer.status().unwrap().success());
    let run = load(&dir.join("link.recording.json")).unwrap().runs.remove(0);
    assert_eq!(run.command.argv, ["./link"]);
    let real = real.canonicalize().unwrap();
    assert_eq!(run.program.map(|program| program.path), real.to_str().map(str::to_owned));
}

/// Programs that grant more than who executes them has.
fn privileged_programs() -> ForOthers {
    let others = ForOthers::copy(&["exit_codes"]);
    others.install(&fixture("setuid_self"), "setuid_self", "4755");
    // `struct vfs_cap_data` of revision 2: CAP_NET_RAW permitted.
    let cap_net_raw = [0, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let flags = rustix::fs::XattrFlags::empty();
    let file = others.path("exit_codes");
    rustix::fs::setxattr(file, "security.capability", &cap_net_raw, flags).unwrap();
    others
}

#[test]
fn a_setuid_program_under_a_privileged_tracer_has_its_rights() {
    let others = privileged_programs();
    let (setpriv, program) = (tool("setpriv"), others.path("setuid_self"));
    let command = [&[text(&setpriv)], &AS_NOBODY[..], &[text(&program)]].concat();
    let traced = trace(&command);
    assert_eq!(traced.stdout(), "ruid 65534 euid 0 rgid 65534 egid 65534\n", "{}", traced.stderr());
    assert_eq!(traced.run().warnings, Vec::<String>::new());
}

#[test]
fn an_unprivileged_tracer_says_what_it_withholds() {
    let others = privileged_programs();
    let out = others.out();
    for (program, what) in [
        ("setuid_self", "set-user-ID 0"),
        ("exit_codes", "file capabilities CAP_NET_RAW"),
        ("seccomp-gen", ""),
    ] {
        let path = others.path(program);
        let output = others
            .tracer()
            .args(["trace", "-o", text(&out), "--name", program, "--", text(&path)])
            .args((program == "seccomp-gen").then_some("--version"))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{told}");
        let run = load(&out.join(format!("{program}.recording.json"))).unwrap().runs.remove(0);
        let expected = format!(
            "{} ran without the rights that it has untraced ({what}): the kernel withholds them \
             under a tracer without CAP_SYS_PTRACE; trace it with sudo",
            path.canonicalize().unwrap().display()
        );
        let expected = Vec::from_iter((!what.is_empty()).then_some(expected));
        assert_eq!(run.warnings, expected, "{told}");
        let heading = "\nwarning ";
        assert_eq!(told.matches(heading).count(), expected.len(), "{told}");
        if program == "setuid_self" {
            let ids = "ruid 65534 euid 65534 rgid 65534 egid 65534\n";
            assert_eq!(String::from_utf8_lossy(&output.stdout), ids);
        }
    }
}

#[test]
fn a_second_run_is_added_and_compared_and_replace_keeps_one() {
    let first = trace(&["/bin/true"]);
    let again = |options: &[&str], command: &str| {
        common::seccomp_gen()
            .args(["trace", "--name", "t", "-o"])
            .arg(first.dir.path())
            .args(options)
            .args(["--", command])
            .output()
            .unwrap()
    };
    let second = again(&[], "/bin/ls");
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(text.contains("getdents64"), "{text}");
    assert_eq!(first.recording().runs.len(), 2);
    let profile = std::fs::read_to_string(first.dir.join("t.json")).unwrap();
    assert!(profile.contains("getdents64"));

    again(&["--replace"], "/bin/true");
    assert_eq!(first.recording().runs.len(), 1);
    let narrow = std::fs::read_to_string(first.dir.join("t.json")).unwrap();
    assert!(!narrow.contains("getdents64"));

    // An incomplete run never takes the place of a complete one.
    let failed = again(&["--replace"], "/bin/false");
    assert_eq!(failed.status.code(), Some(3));
    assert!(first.recording().runs[0].complete);
    again(&["--replace", "--force"], "/bin/false");
    assert!(!first.recording().runs[0].complete);
}

/// What is printed is what is written, of all runs; without files it is of the one run.
#[test]
fn the_printed_capability_report_is_that_of_the_file() {
    let first = trace(&["/bin/true"]);
    let again = |options: &[&str]| {
        let mut tracer = common::seccomp_gen();
        tracer.args(["trace", "--name", "t", "-o"]).arg(first.dir.path()).args(options);
        let output = tracer.args(["--", "/bin/true"]).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(first.stderr().contains("Capabilities of t: 1 run, 1 process"), "{}", first.stderr());
    let told = again(&[]);
    assert!(told.contains("Capabilities of t: 2 runs, 2 processes"), "{told}");

    let json: serde_json::Value = serde_json::from_str(&again(&["--format", "json"])).unwrap();
    let file = std::fs::read(first.dir.join("t.capabilities.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(json["capabilities"]["runs"].as_array().unwrap().len(), 3);
    assert_eq!(json["capabilities"], file);

    let told = again(&["--no-write"]);
    assert!(told.contains("Capabilities of t: 1 run, 1 process"), "{told}");
}

/// A profile is advised to be installed when it can be trusted, and of one run alone not without
/// a word.
#[test]
fn what_to_do_next_depends_on_the_runs() {
    let next = |dir: &Scratch, program: &str| {
        let mut tracer = common::seccomp_gen();
        tracer.args(["trace", "--name", "t", "--format", "json", "-o"]).arg(dir.path());
        let output = tracer.args(["--", program]).output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        let steps = json["next"].as_array().unwrap().clone();
        steps.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let dir = Scratch::new();
    let failed = next(&dir, "/bin/false");
    assert!(failed.len() == 1 && failed[0].contains("then trace again"), "{failed:?}");
    let first = next(&dir, "/bin/true");
    let line = format!("seccomp-gen trace -o {} --name t -- COMMAND", text(dir.path()));
    assert!(first[0].contains("in other circumstances") && first[0].contains(&line), "{first:?}");
    assert!(first[1].contains("sudo install"), "{first:?}");
    let second = next(&dir, "/bin/true");
    assert!(second[0].contains("sudo install"), "{second:?}");
}

#[test]
fn no_write_writes_nothing() {
    let traced = trace_with(&["--no-write"], &["/bin/true"]);
    assert_eq!(traced.code(), Some(0));
    assert_eq!(std::fs::read_dir(traced.dir.path()).unwrap().count(), 0);
}

#[test]
fn the_reports_json_is_one_object_and_the_programs_stdout_its_own() {
    let traced = trace_with(&["--format", "json"], &["/bin/echo", "mine"]);
    assert_eq!(traced.stdout(), "mine\n");
    let report: serde_json::Value = serde_json::from_str(&traced.stderr()).unwrap();
    assert_eq!(report["complete"], true);
    assert_eq!(report["exit_code"], 0);
}

/// Nothing but the JSON is on standard error, however long the run is and whatever there is to say
/// on the way: that is among its warnings.
#[test]
fn with_json_there_is_no_other_word_on_standard_error() {
    let dir = Scratch::new();
    std::fs::write(dir.join("t.recording.partial.json"), "{").unwrap();
    let mut tracer = common::seccomp_gen();
    tracer.args(["trace", "-v", "--format", "json", "--name", "t", "-o"]).arg(dir.path());
    let output = tracer.args(["--", "sleep", "1.5"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.contains("left a checkpoint that cannot be read"), "{warning}");

    let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
    let mut tracer = common::seccomp_gen();
    tracer.args(["trace", "--format=json", "--no-write", "--for=1200ms", "--pid"]);
    let output = tracer.arg(sleeper.id().to_string()).output().unwrap();
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(report["attached"][0], sleeper.id());
}

#[test]
fn a_recording_is_private_and_a_redacted_one_is_not() {
    let mode = |traced: &Traced| {
        let file = traced.dir.join("t.recording.json");
        file.metadata().unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(&trace(&["/bin/true"])), 0o600);
    assert_eq!(mode(&trace_with(&["--redact"], &["/bin/true"])), 0o644);
}

#[test]
fn every_recording_follows_the_published_schema() {
    let schema = seccomp_gen::recording::json_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for name in ["args_zoo", "fork_kinds", "own_seccomp", "unknown_number", "int80"] {
        let traced = traced(name);
        let text = std::fs::read_to_string(traced.dir.join("t.recording.json")).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn a_script_around_the_node_does_not_hide_it_from_the_stop_signal() {
    let traced = trace_with(&["--for", "500ms"], &["sh", "-c", "sleep 30; true"]);
    let run = traced.run();
    assert!(run.duration_ms < 10_000, "{}", traced.stderr());
    let sleep = run.processes.iter().find(|p| p.comm == "sleep").unwrap();
    assert_eq!(sleep.status, Some(ExitStatus::Signal("SIGTERM".to_owned())));
}

#[test]
fn a_real_time_signal_can_be_the_stop_signal() {
    // libc keeps the first two of the kernel's for itself, and kill(1) counts from its own first.
    for signal in ["37", "RTMIN+3"] {
        let options = ["--for", "500ms", "--stop-signal", signal];
        let run = trace_with(&options, &["sleep", "30"]).run();
        let ending = run.ending.unwrap();
        assert_eq!(ending.status, Some(ExitStatus::Signal("SIGRT_5".to_owned())), "{signal}");
        assert!(ending.stop_signal.unwrap().sent && run.complete, "{signal}");
    }
}

#[test]
fn a_thread_name_that_tells_of_somebody_is_redacted() {
    let script =
        "import ctypes; ctypes.CDLL(None).prctl(15, b'root@secrethost'); open('/dev/null')";
    let traced = trace_with(&["--redact"], &["python3", "-c", script]);
    let text = std::fs::read_to_string(traced.dir.join("t.recording.json")).unwrap();
    assert!(!text.contains("secrethost"));
}
