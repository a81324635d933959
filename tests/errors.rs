//! Acceptance 8: every error of the exit-code table once, with its message. Suite.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::beside::{Beside, text};
use common::{Scratch, fixture, seccomp_gen, tool};
use seccomp_gen::recording::{EndCause, ExitStatus, Run, load};

/// Runs `seccomp-gen` in a directory of its own, with `profiles/` to write into.
fn run_in(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = seccomp_gen();
    command.args(args).current_dir(dir).stdin(Stdio::null());
    let mut tracer = Beside::start(&mut command);
    (tracer.code(), tracer.stdout(), tracer.stderr())
}

/// Fails unless it exits with this code, says this first, and writes nothing.
fn fails(args: &[&str], code: i32, message: &str) {
    let dir = Scratch::new();
    let (found, out, told) = run_in(dir.path(), args);
    assert_eq!(found, code, "{args:?}: {told}");
    assert!(told.starts_with(message), "{args:?}: {told}");
    assert_eq!(out, "", "nothing is launched");
    assert!(!dir.join("profiles/t.recording.json").exists());
    assert!(!dir.join("profiles/t.recording.partial.json").exists());
}

#[test]
fn exit_2_the_command_line_is_wrong() {
    let cases: [(&[&str], &str); 15] = [
        (&["trace"], "error: the following required arguments were not provided:\n  <COMMAND>..."),
        (
            &["trace", "--for", "5x", "--", "echo", "launched"],
            "error: invalid value '5x' for '--for <DURATION>': unknown time unit \"x\"",
        ),
        (
            &["trace", "--for", "0", "--", "echo", "launched"],
            "error: invalid value '0' for '--for <DURATION>': the program would be stopped before \
             it starts; give it 1ms or more",
        ),
        (
            &["trace", "--stop-signal", "RTMIN+31", "--", "echo", "launched"],
            "error: invalid value 'RTMIN+31' for '--stop-signal <SIGNAL>': no such signal; write \
             `TERM`, `INT` or a number",
        ),
        (
            &["trace", "--stop-timeout", "soon", "--", "echo", "launched"],
            "error: invalid value 'soon' for '--stop-timeout <DURATION>': expected number at 0; \
             write `40s`, `5m` or `1h30m`",
        ),
        (
            &["trace", "--stop-signal", "NOPE", "--", "echo", "launched"],
            "error: invalid value 'NOPE' for '--stop-signal <SIGNAL>': no such signal; write \
             `TERM`, `INT` or a number",
        ),
        (
            &["trace", "--stop-signal", "KILL", "--", "echo", "launched"],
            "error: invalid value 'KILL' for '--stop-signal <SIGNAL>': no program can shut down in \
             order on that; see --stop-timeout",
        ),
        (
            &["trace", "--pid", "1", "--", "echo", "launched"],
            "error: the argument '--pid <PID>' cannot be used with '[COMMAND]...'",
        ),
        (&["trace", "--pid", "0"], "error: invalid value '0' for '--pid <PID>': 0 is not in 1.."),
        (
            &["trace", "--force", "--", "echo", "launched"],
            "error: the following required arguments were not provided:\n  --replace",
        ),
        (&["trace", "--max-share", "10", "--", "echo", "launched"], "error: the "),
        (
            &["trace", "--max-share", "0", "--pid", "1"],
            "error: invalid value '0' for '--max-share <PERCENT>': expected a number above 0 and \
             up to 100",
        ),
        (
            &["trace", "--mode", "adaptive", "--pid", "1"],
            "error: --mode adaptive cannot be used with --pid: its filter would stay in the process",
        ),
        (&["frobnicate"], "error: unrecognized subcommand 'frobnicate'"),
        (
            &["trace", "--name", "../t", "--", "echo", "launched"],
            "error: `../t` cannot name a recording: a name is part of file names and has neither \
             `/` nor a dot at its beginning. Choose one with `--name`",
        ),
    ];
    for (args, message) in cases {
        fails(args, 2, message);
    }
}

/// The files of one name are no other's, and those of a recording are not its report's.
#[test]
fn exit_2_a_name_that_would_collide() {
    let endings = [
        ".recording",
        ".recording.partial",
        ".recording.incomplete",
        ".recording.unreadable",
        ".capabilities",
    ];
    for ending in endings {
        let name = format!("t{ending}");
        let message = format!("error: `{name}` cannot name a recording: it ends as the files of");
        fails(&["trace", "--name", &name, "--", "echo", "launched"], 2, &message);
    }
    let message = "error: `t\\u{1b}[2J` cannot name a recording: it has control characters";
    fails(&["trace", "--name", "t\x1b[2J", "--", "echo", "launched"], 2, message);
    let long = "t".repeat(201);
    let message = format!("error: `{long}` cannot name a recording: it is longer than 200 bytes");
    fails(&["trace", "--name", &long, "--", "echo", "launched"], 2, &message);
    fails(&["recover", "t.recording"], 2, "error: `t.recording` cannot name a recording");

    let dir = Scratch::new();
    let (code, _, told) = run_in(dir.path(), &["trace", "--name", &long[1..], "--", "true"]);
    assert_eq!(code, 0, "{told}");
}

#[test]
fn exit_2_a_report_that_would_overwrite_what_is_recorded() {
    let dir = Scratch::new();
    let trace = |options: &[&str]| {
        let args = [&["trace", "--name", "t"], options, &["--", "echo", "launched"]].concat();
        run_in(dir.path(), &args)
    };
    assert_eq!(trace(&[]).0, 0);
    std::os::unix::fs::symlink("profiles", dir.join("link")).unwrap();
    std::os::unix::fs::symlink("profiles/t.json", dir.join("report")).unwrap();
    let before = fs::read(dir.join("profiles/t.recording.json")).unwrap();
    for path in [
        "profiles/t.json",
        "./profiles/../profiles/t.recording.json",
        "link/t.recording.partial.json",
        "profiles/t.capabilities.json",
        "report",
        text(&dir.join("profiles/t.json")),
    ] {
        for options in [&["--report", path][..], &["--no-write", "--report", path]] {
            let (code, out, told) = trace(options);
            assert_eq!((code, out.as_str()), (2, ""), "{told}");
            let message =
                format!("error: --report: {path} is one of the files of `t` in profiles, which");
            assert!(told.starts_with(&message), "{told}");
        }
    }
    assert!(fs::read(dir.join("profiles/t.recording.json")).unwrap() == before);
    let (code, _, told) = trace(&["--report", "profiles/t.txt"]);
    assert_eq!(code, 0, "{told}");
    assert!(fs::read_to_string(dir.join("profiles/t.txt")).unwrap().contains("t: complete"));
}

#[test]
fn exit_2_a_report_that_cannot_be_written() {
    let cases = [
        (".", "--report: cannot write .: is a directory; give a file that can be written"),
        ("new/", "--report: cannot write new/: is a directory; give a file that can be written"),
        ("new/report", "--report: there is no directory new; make it first"),
        ("/proc/version", "--report: cannot write /proc/version: "),
        ("/sys/report", "--report: cannot write /sys/report: "),
    ];
    for (path, message) in cases {
        let args = ["trace", "--name", "t", "--report", path, "--", "echo", "launched"];
        fails(&args, 2, &format!("error: {message}"));
    }
}

/// What can go wrong with the report in the meantime costs the report alone.
#[test]
fn exit_5_a_report_that_can_no_longer_be_written() {
    let dir = Scratch::new();
    let args = ["trace", "-q", "--name", "t", "--report", "reports/t"];
    fs::create_dir(dir.join("reports")).unwrap();
    let (code, _, told) = run_in(dir.path(), &[&args[..], &["--", "rmdir", "reports"]].concat());
    assert_eq!(code, 5, "{told}");
    assert_eq!(
        told,
        "error: --report: cannot write reports/t: No such file or directory (os error 2); give a \
         file that can be written\nThe run itself is safe; written: profiles/t.json, \
         profiles/t.recording.json, profiles/t.capabilities.json\n"
    );
    assert!(load(&dir.join("profiles/t.recording.json")).unwrap().runs[0].complete);
}

#[test]
fn exit_3_the_program_failed_to_start() {
    let dir = Scratch::new();
    let file = |name: &str, content: &str, mode: u32| {
        let path = dir.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        text(&path).to_owned()
    };
    let no_format = file("no-format", "echo hello\n", 0o755);
    let cases = [
        ("no-such-program".to_owned(), "it is not on the PATH; write ./NAME for a file"),
        ("./nothing".to_owned(), "there is no such file, or no such interpreter or dynamic linker"),
        (file("not-executable", "#!/bin/sh\n", 0o644), "it is not executable (chmod +x?)"),
        (
            file("no-interpreter", "#!/nonexistent\n", 0o755),
            "there is no such file, or no such int",
        ),
        (
            no_format,
            "its format is not known to the kernel: built for another machine, or a script",
        ),
    ];
    for (program, why) in cases {
        let message = format!("error: `{program}` could not be started: {why}");
        fails(&["trace", "--name", "t", "--", &program], 3, &message);
    }
    // What was there before stays, and is not marked by a run that never was.
    let (code, ..) = run_in(dir.path(), &["trace", "-q", "--name", "t", "--", "true"]);
    assert_eq!(code, 0);
    let before = fs::read(dir.join("profiles/t.recording.json")).unwrap();
    let (code, ..) = run_in(dir.path(), &["trace", "-q", "--name", "t", "--", "./nothing"]);
    assert_eq!(code, 3);
    assert!(fs::read(dir.join("profiles/t.recording.json")).unwrap() == before);
}

/// Traces into a directory of its own; the exit code, the run and what was told.
fn traced(options: &[&str], command: &[&str]) -> (i32, Run, String) {
    let dir = Scratch::new();
    let args = [&["trace", "--name", "t"], options, &["--"], command].concat();
    let (code, _, told) = run_in(dir.path(), &args);
    let recording = load(&dir.join("profiles/t.recording.json")).unwrap();
    for file in ["t.json", "t.capabilities.json"] {
        assert!(dir.join("profiles").join(file).is_file(), "{told}");
    }
    (code, recording.runs.into_iter().next().unwrap(), told)
}

#[test]
fn exit_3_the_program_ended_by_itself_with_an_error_or_a_signal() {
    let exit_codes = fixture("exit_codes");
    let cases = [
        ("1", ExitStatus::Code(1), "exited with status 1, by itself", "with status 1"),
        ("255", ExitStatus::Code(255), "exited with status 255, by itself", "with status 255"),
        (
            "-11",
            ExitStatus::Signal("SIGSEGV".into()),
            "killed by SIGSEGV, which we did not send",
            "the program was killed by SIGSEGV, which we did not send",
        ),
        (
            "-9",
            ExitStatus::Signal("SIGKILL".into()),
            "killed by SIGKILL, which we did not send",
            "the program was killed by SIGKILL, which we did not send",
        ),
    ];
    for (argument, status, ended, because) in cases {
        let (code, run, told) = traced(&[], &[text(&exit_codes), argument]);
        assert_eq!(code, 3, "{told}");
        assert!(!run.complete && run.incomplete_because[0].contains(because), "{run:?}");
        let ending = run.ending.unwrap();
        assert_eq!((ending.cause, ending.status), (EndCause::Exited, Some(status)));
        assert!(told.contains(ended) && told.contains("t: INCOMPLETE"), "{told}");
        assert!(told.contains("exit code     3"), "{told}");
    }
}

#[test]
fn exit_3_the_program_had_to_be_killed() {
    let program = fixture("trap_term");
    let options = ["--for", "300ms", "--stop-timeout", "300ms"];
    let (code, run, told) = traced(&options, &[text(&program), "20", "ignore"]);
    assert_eq!(code, 3, "{told}");
    assert_eq!(
        run.incomplete_because,
        ["the program did not end when it was asked to, and was killed"]
    );
    assert!(told.contains("killed by SIGKILL") && told.contains("; it had to be"), "{told}");
}

/// Quiet is no report and no progress; what went wrong is told all the same.
#[test]
fn exit_3_says_why_when_it_is_quiet() {
    let (code, _, told) = traced(&["-q"], &[text(&fixture("exit_codes")), "1"]);
    assert_eq!(code, 3);
    assert!(told.contains("ended by itself with status 1"), "`{told}`");
}

#[test]
fn exit_0_whatever_status_it_ended_with_after_it_was_asked_to() {
    let script = "trap 'exit 9' TERM; while :; do sleep 0.1; done";
    let (code, run, told) = traced(&["--for", "400ms"], &["bash", "-c", script]);
    assert_eq!((code, run.complete), (0, true), "{told}");
    assert!(told.contains("exited with status 9, ") && told.contains("t: complete"), "{told}");
}

#[test]
fn pass_exit_status_makes_the_programs_status_ours() {
    let exit_codes = fixture("exit_codes");
    for (argument, status) in [("0", 0), ("7", 7), ("255", 255), ("-15", 143), ("-9", 137)] {
        let command = [text(&exit_codes), argument];
        let (code, _, told) = traced(&["--pass-exit-status"], &command);
        assert_eq!(code, status, "{told}");
    }
    let (code, ..) = traced(
        &["--pass-exit-status", "--for", "300ms"],
        &["bash", "-c", "trap 'exit 9' TERM; while :; do sleep 0.1; done"],
    );
    assert_eq!(code, 9);
}

#[test]
fn exit_4_the_environment_does_not_permit_tracing() {
    let refused = "error: tracing is not possible here; the lines marked REFUSED say why and what \
                   to do\n";
    let dir = Scratch::new();
    let (code, _, told) = run_in(dir.path(), &["trace", "--pid", "2147483647", "--name", "t"]);
    assert_eq!(code, 4, "{told}");
    assert_eq!(
        told,
        format!(
            "REFUSED   process 2147483647  there is none: look for its number with\n{:26}`pgrep -a \
             NAME`; in a container it has another one\n{refused}",
            ""
        )
    );

    // Under a tracer that has our children, too.
    let mut strace = Command::new(tool("strace"));
    strace.args(["-f", "-o", "/dev/null"]).arg(seccomp_gen().get_program());
    strace.args(["trace", "--name", "t", "--", "echo", "launched"]).current_dir(dir.path());
    let mut strace = Beside::start(strace.stdin(Stdio::null()));
    assert_eq!(strace.code(), 4, "{}", strace.stderr());
    let told = strace.stderr();
    assert!(told.contains("(strace) traces us: it has our children"), "{told}");
    assert!(told.contains("PTRACE_SEIZE") && told.ends_with(refused), "{told}");
    assert_eq!(strace.stdout(), "");

    // Under Yama: the decision is tested on given values in src/proc/doctor, for this machine's
    // kernel has none.
}

/// As in a container whose runtime's profile has no ptrace(2).
#[test]
fn exit_4_a_filter_over_us_denies_ptrace() {
    let dir = Scratch::new();
    let under_filter = |mode: &str, args: &[&str]| {
        let mut command = Command::new(fixture("deny_ptrace"));
        command.arg(mode).arg(seccomp_gen().get_program()).args(args);
        let mut tracer = Beside::start(command.current_dir(dir.path()).stdin(Stdio::null()));
        (tracer.code(), tracer.stdout(), tracer.stderr())
    };
    let indent = format!("\n{:26}", "");
    let trace = ["trace", "--name", "t", "--", "echo", "launched"];
    let (code, out, told) = under_filter("eperm", &trace);
    assert_eq!((code, out.as_str()), (4, ""), "{told}");
    assert_eq!(
        told.replace(&indent, " "),
        "REFUSED   seccomp         1 filter over us: it denies ptrace; start the container with \
         `--cap-add SYS_PTRACE` or `--security-opt seccomp=unconfined`\n\
         REFUSED   self-test       a seccomp filter answers ptrace(2) with EPERM: see above\n\
         error: tracing is not possible here; the lines marked REFUSED say why and what to do\n"
    );
    let (code, text, _) = under_filter("eperm", &["doctor"]);
    assert_eq!(code, 4, "{text}");

    // One that hands it to a supervisor which does not answer.
    let (code, text, told) = under_filter("hang", &["doctor"]);
    assert_eq!(code, 4, "{text}{told}");
    let hangs = "ptrace hangs: a child of ours was not traced within 5 s";
    assert!(text.replace(&indent, " ").contains(hangs), "{text}");
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none(), "nothing is written");
}

/// As after `unshare --pid --fork`: what stands in /proc under our number is another process.
#[test]
fn exit_4_proc_is_another_pid_namespaces() {
    let dir = Scratch::new();
    let inside = |args: &[&str]| {
        let mut command = Command::new(tool("unshare"));
        command.args(["--pid", "--fork", "--kill-child"]).arg(seccomp_gen().get_program());
        command.args(args).current_dir(dir.path()).stdin(Stdio::null());
        let mut tracer = Beside::start(&mut command);
        let code = tracer.code();
        (code, tracer.stdout(), tracer.stderr().replace(&format!("\n{:26}", ""), " "))
    };
    let (code, out, told) = inside(&["trace", "--name", "t", "--", "echo", "launched"]);
    assert_eq!((code, out.as_str()), (4, ""), "{told}");
    let why = "REFUSED   /proc           it is another pid namespace's: we are process 1, and";
    assert!(told.starts_with(why) && told.contains("`unshare --mount-proc`"), "{told}");
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none(), "nothing is written");

    let (code, text, _) = inside(&["doctor"]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("CAP_SYS_PTRACE  not known without /proc"), "{text}");
}

#[test]
fn exit_4_there_is_no_proc() {
    let mut command = Command::new(tool("unshare"));
    let script = "umount -l /proc && exec \"$0\" doctor";
    command.args(["--mount", "sh", "-c", script]).arg(seccomp_gen().get_program());
    let mut doctor = Beside::start(command.stdin(Stdio::null()));
    assert_eq!(doctor.code(), 4, "{}", doctor.stderr());
    let text = doctor.stdout();
    for title in ["CAP_SYS_PTRACE", "seccomp", "traced"] {
        assert!(
            text.contains(&format!("fine      {title:<14}  not known without /proc")),
            "{text}"
        );
    }
    assert!(text.contains("REFUSED   /proc           not to be read"), "{text}");
}

#[test]
fn exit_5_we_failed() {
    // The disk is full, and the directory cannot be written: see tests/survival.rs.
    let dir = Scratch::new();
    fs::create_dir(dir.join("profiles")).unwrap();
    let recording = dir.join("profiles/t.recording.json");
    for (content, message) in [
        ("{", "ends in the middle, at line 1, column 1: it was cut short"),
        ("{}", "is not a recording: its field `format` is missing"),
        ("{\"format\": \"seccomp-gen recording\", \"version\": 9}", "has version 9 of the format"),
    ] {
        fs::write(&recording, content).unwrap();
        let args = ["trace", "--name", "t", "--", "echo", "launched"];
        let (code, out, told) = run_in(dir.path(), &args);
        assert_eq!((code, out.as_str()), (5, ""), "{told}");
        assert!(told.starts_with("error: profiles/t.recording.json ") && told.contains(message));
        assert_eq!(fs::read_to_string(&recording).unwrap(), content);
    }
    let (code, _, told) = run_in(dir.path(), &["recover", "-o", "profiles", "nothing"]);
    assert_eq!(code, 5, "{told}");
    assert_eq!(
        told,
        "error: there is nothing to recover: profiles/nothing.recording.partial.json does not \
         exist\n"
    );
}

/// What is in the place of one of our files and is none is not read, which might never end.
#[test]
fn exit_5_something_else_in_the_place_of_a_file() {
    let trace = ["trace", "--name", "t", "--", "echo", "launched"];
    let fifo = |path: &Path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let device = |path: &Path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    let directory = |path: &Path| fs::create_dir(path).unwrap();
    let make = |found: &str, path: &Path| match found {
        "a FIFO" => fifo(path),
        "a device" => device(path),
        _ => directory(path),
    };
    for found in ["a FIFO", "a device", "a directory"] {
        for file in ["t.json", "t.recording.json", "t.recording.partial.json"] {
            let dir = Scratch::new();
            fs::create_dir(dir.join("profiles")).unwrap();
            make(found, &dir.join("profiles").join(file));
            let message = format!(
                "error: profiles/{file} is {found}, where a regular file was expected. Move it \
                 away, or choose another name or directory\n"
            );
            let (code, out, told) = run_in(dir.path(), &trace);
            assert_eq!((code, out.as_str(), told), (5, "", message.clone()));
            if file.contains("partial") {
                let (code, _, told) = run_in(dir.path(), &["recover", "t"]);
                assert_eq!((code, told), (5, message));
            }
        }
        let dir = Scratch::new();
        make(found, &dir.join("prior"));
        let (code, _, told) = run_in(dir.path(), &["trace", "--prior=prior", "--", "true"]);
        assert!(code == 2 && told.contains(&format!("prior is {found}, where a")), "{told}");
    }
}

#[test]
fn exit_5_no_such_directory() {
    let dir = Scratch::new();
    fs::write(dir.join("profiles"), "").unwrap();
    let (code, _, told) = run_in(dir.path(), &["trace", "--", "echo", "launched"]);
    let message = "error: profiles is a file, where a directory was expected. Choose another one \
                   with `-o`, or move it away\n";
    assert_eq!((code, told.as_str()), (5, message));
    for recover in [&["recover", "-o", "nowhere"][..], &["recover", "-o", "nowhere", "t"]] {
        let (code, _, told) = run_in(dir.path(), recover);
        let message = "error: cannot read the directory nowhere: No such file or directory (os \
                       error 2). Give the one that the trace wrote into with `-o`\n";
        assert_eq!((code, told.as_str()), (5, message));
    }
    let (code, _, told) = run_in(dir.path(), &["recover"]);
    assert!(code == 5 && told.contains("Not a directory (os error 20). Give the one"), "{told}");
}

/// An error of the system is told once, not once per layer that it came through.
#[test]
fn errors_are_told_once() {
    let dir = Scratch::new();
    let (code, _, told) = run_in(dir.path(), &["recover", "-o", "nowhere"]);
    assert_eq!(code, 5);
    assert_eq!(told.matches("No such file or directory").count(), 1, "{told}");
}

#[test]
fn doctor_tells_of_this_machine() {
    let dir = Scratch::new();
    let (code, text, _) = run_in(dir.path(), &["doctor"]);
    assert_eq!(code, 0, "{text}");
    for title in ["kernel", "emulation", "container", "ptrace_scope", "seccomp", "self-test"] {
        assert!(text.lines().any(|l| l.split_whitespace().nth(1) == Some(title)), "{text}");
    }
    assert!(text.contains("a child of ours was traced"), "{text}");
    if !Path::new("/proc/sys/kernel/yama").exists() {
        assert!(text.contains("Yama is not in this kernel: no restriction"), "{text}");
    }

    let (code, json, _) = run_in(dir.path(), &["doctor", "--format", "json"]);
    assert_eq!(code, 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["possible"], true);
    let checks = json["checks"].as_array().unwrap();
    assert_eq!(checks.len(), text.lines().filter(|l| !l.starts_with(' ')).count());
    assert!(checks.iter().all(|c| c["id"].is_string() && c["verdict"].is_string()));

    let (code, text, _) = run_in(dir.path(), &["doctor", "--pid", "2147483647"]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("REFUSED   process 2147483647  there is none"), "{text}");
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none(), "it writes nothing");
}
