//! How a launched program is told to end: once, whoever was signalled, and its shutdown is recorded
//! to the end. Suite.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::beside::{Beside, Tracing, children, field, state, text, wait_until, who_waits};
use common::{fixture, seccomp_gen, times, tool};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seccomp_gen::recording::{EndCause, ExitStatus, Run};

/// Starts `trap_term` in one of its modes and waits until it is ready for signals.
fn trap_term(options: &[&str], seconds: &str, mode: &str) -> Tracing {
    let program = fixture("trap_term");
    let mut tracing = Tracing::launch(options, &[text(&program), seconds, mode]);
    tracing.tracer.says("ready");
    tracing
}

/// Fails unless the run ended in order on this request, told by this signal.
fn assert_stopped(tracing: &mut Tracing, by: &str, signal: &str, sent: bool) -> Run {
    assert_eq!(tracing.tracer.code(), 0, "{}", tracing.tracer.stderr());
    tracing.assert_written();
    let run = tracing.run();
    assert!(run.complete, "{:?}", run.incomplete_because);
    let ending = run.ending.clone().unwrap();
    assert_eq!(ending.cause, EndCause::Stopped);
    assert_eq!(ending.requested_by.as_deref(), Some(by));
    let stop = ending.stop_signal.unwrap();
    assert_eq!((stop.name.as_str(), stop.sent), (signal, sent), "{}", tracing.tracer.stdout());
    let phases: Vec<_> = run.phases.iter().map(|p| (p.name.as_str(), p.to_ms.is_some())).collect();
    assert_eq!(phases, [("run", true), ("shutdown", true)]);
    run
}

/// How the shutdown of `trap_term` was recorded: it takes 300 ms, and ends with `exit_group`.
fn assert_shutdown_recorded(run: &Run) {
    let took = run.ending.as_ref().and_then(|e| e.shutdown_ms).unwrap();
    assert!((250..5000).contains(&took), "{took} ms");
    let last = run.syscalls.iter().find(|s| s.name.as_deref() == Some("exit_group")).unwrap();
    assert!(last.phases.iter().any(|p| p.phase == "shutdown"), "{:?}", last.phases);
}

fn tell_and_count(mode: &str, to_group: bool, signal: Signal, told: &str) {
    let mut tracing = trap_term(&[], "20", mode);
    match to_group {
        true => tracing.tracer.signal_group(signal),
        false => tracing.tracer.signal(signal),
    }
    let run = assert_stopped(&mut tracing, signal.as_str(), signal.as_str(), !to_group);
    let out = tracing.tracer.stdout();
    assert!(out.ends_with(told), "{mode}, group {to_group}, {signal}: {out}");
    assert_eq!(run.ending.as_ref().and_then(|e| e.status.clone()), Some(ExitStatus::Code(0)));
    assert_shutdown_recorded(&run);
}

#[test]
fn a_signal_to_the_tracer_alone_is_handed_on_once() {
    for mode in ["handler", "sigwait", "signalfd"] {
        tell_and_count(mode, false, Signal::SIGTERM, "term 1 int 0\n");
        tell_and_count(mode, false, Signal::SIGINT, "term 0 int 1\n");
    }
    tell_and_count("ignore", false, Signal::SIGINT, "term 0 int 1\n");
}

#[test]
fn a_signal_to_the_group_reaches_the_program_once() {
    for mode in ["handler", "sigwait", "signalfd"] {
        tell_and_count(mode, true, Signal::SIGTERM, "term 1 int 0\n");
        tell_and_count(mode, true, Signal::SIGINT, "term 0 int 1\n");
    }
    tell_and_count("ignore", true, Signal::SIGINT, "term 0 int 1\n");
}

/// The program has no handlers and is gone at once, perhaps before we have looked at our own signal.
#[test]
fn a_program_that_dies_of_the_groups_signal_was_asked_to() {
    for n in 0..times(120) {
        let signal = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP][n % 3];
        let mut tracing = Tracing::launch(&["-q"], &["sh", "-c", "echo ready; exec sleep 30"]);
        tracing.tracer.says("ready");
        sleep(Duration::from_millis(20));
        tracing.tracer.signal_group(signal);
        let run = assert_stopped(&mut tracing, signal.as_str(), signal.as_str(), false);
        let status = run.ending.and_then(|e| e.status);
        assert_eq!(status, Some(ExitStatus::Signal(signal.as_str().into())));
    }
}

#[test]
fn a_hang_up_stops_the_program_too() {
    for to_group in [false, true] {
        let mut tracing = trap_term(&[], "20", "handler");
        match to_group {
            true => tracing.tracer.signal_group(Signal::SIGHUP),
            false => tracing.tracer.signal(Signal::SIGHUP),
        }
        // It has no handler for it, and ends by it: that is how it was asked to end.
        let run = assert_stopped(&mut tracing, "SIGHUP", "SIGHUP", !to_group);
        let status = run.ending.and_then(|e| e.status);
        assert_eq!(status, Some(ExitStatus::Signal("SIGHUP".into())));
    }
}

#[test]
fn a_second_request_counts_only_after_a_second() {
    let mut tracing = trap_term(&[], "30", "ignore");
    tracing.tracer.signal(Signal::SIGTERM);
    let first = Instant::now();
    sleep(Duration::from_millis(400));
    tracing.tracer.signal(Signal::SIGTERM);
    tracing.tracer.signal(Signal::SIGINT);
    let within_a_second = first.elapsed() < Duration::from_millis(900);
    sleep(Duration::from_millis(1100));
    // On a machine that was too slow for that, they came late, and have killed it by right.
    assert!(tracing.tracer.is_running() || !within_a_second, "{}", tracing.tracer.stderr());
    if !within_a_second {
        return a_second_request_counts_only_after_a_second();
    }
    tracing.tracer.signal(Signal::SIGTERM);
    assert_eq!(tracing.tracer.code(), 3);
    tracing.assert_written();
    let run = tracing.run();
    assert!(!run.complete);
    let ending = run.ending.unwrap();
    assert_eq!(ending.cause, EndCause::Killed);
    assert_eq!(ending.status, Some(ExitStatus::Signal("SIGKILL".into())));
    assert_eq!(tracing.tracer.stdout(), "ready\n");
    assert!(tracing.tracer.stderr().contains("it had to be"), "{}", tracing.tracer.stderr());
}

#[test]
fn a_stop_timeout_kills_by_itself() {
    let mut tracing = trap_term(&["--stop-timeout", "700ms"], "30", "ignore");
    tracing.tracer.signal(Signal::SIGTERM);
    assert_eq!(tracing.tracer.code(), 3);
    tracing.assert_written();
    let ending = tracing.run().ending.unwrap();
    assert_eq!(ending.cause, EndCause::Killed);
    let took = ending.shutdown_ms.unwrap();
    assert!((700..5000).contains(&took), "{took} ms");
}

#[test]
fn a_stop_timeout_takes_the_whole_tree_along() {
    let program = fixture("trap_term");
    let line = format!("{0} 30 ignore & {0} 30 ignore & wait", text(&program));
    let options = ["--stop-timeout", "500ms", "--for", "1s"];
    let mut tracing = Tracing::launch(&options, &["sh", "-c", &line]);
    assert_eq!(tracing.tracer.code(), 3, "{}", tracing.tracer.stderr());
    let run = tracing.run();
    assert_eq!(run.ending.as_ref().map(|e| e.cause), Some(EndCause::Killed));
    // `sh` dies of the SIGTERM, its children would have lived for 30 s.
    assert!(run.duration_ms < 10_000, "{}", run.duration_ms);
    assert_eq!(run.processes.len(), 3);
    assert!(run.processes.iter().all(|p| p.ended_ms.is_some()));
}

#[test]
fn the_end_of_for_asks_by_sigterm() {
    let mut tracing = trap_term(&["--for", "1s"], "20", "handler");
    let run = assert_stopped(&mut tracing, "--for", "SIGTERM", true);
    assert!(tracing.tracer.stdout().ends_with("term 1 int 0\n"));
    let shutdown = run.phases[1].from_ms;
    assert!((1000..3000).contains(&shutdown), "asked after {shutdown} ms");
    assert_shutdown_recorded(&run);
}

#[test]
fn the_users_stop_signal_is_what_is_sent() {
    for got in [Signal::SIGTERM, Signal::SIGHUP] {
        let mut tracing = trap_term(&["--stop-signal", "INT"], "20", "handler");
        tracing.tracer.signal(got);
        assert_stopped(&mut tracing, got.as_str(), "SIGINT", true);
        assert!(tracing.tracer.stdout().ends_with("term 0 int 1\n"));
    }
}

#[test]
fn a_status_that_it_was_asked_to_end_with_is_no_failure() {
    let script = "trap 'exit 42' TERM; echo ready; while :; do sleep 0.1; done";
    let mut tracing = Tracing::launch(&[], &["bash", "-c", script]);
    tracing.tracer.says("ready");
    tracing.tracer.signal(Signal::SIGTERM);
    let run = assert_stopped(&mut tracing, "SIGTERM", "SIGTERM", true);
    assert_eq!(run.ending.and_then(|e| e.status), Some(ExitStatus::Code(42)));
}

#[test]
fn nohup_holds() {
    let program = fixture("trap_term");
    let mut nohup = Command::new(tool("nohup"));
    nohup.arg(seccomp_gen().get_program());
    let mut tracing = Tracing::start(nohup, &[], &[text(&program), "20"]);
    tracing.tracer.says("ready");
    tracing.tracer.signal_group(Signal::SIGHUP);
    sleep(Duration::from_millis(500));
    assert!(tracing.tracer.is_running(), "{}", tracing.tracer.stderr());
    tracing.tracer.signal(Signal::SIGTERM);
    assert_stopped(&mut tracing, "SIGTERM", "SIGTERM", true);
    assert!(tracing.tracer.stdout().ends_with("term 1 int 0\n"), "{}", tracing.tracer.stdout());
}

/// `timeout` signals its child and then its whole group: the tracer twice, the program once.
#[test]
fn timeout_tells_the_program_once() {
    for (signal, counts) in [("INT", "term 0 int 1\n"), ("TERM", "term 1 int 0\n")] {
        let program = fixture("trap_term");
        let mut timeout = Command::new(tool("timeout"));
        timeout.args(["-s", signal, "2"]).arg(seccomp_gen().get_program());
        let mut tracing = Tracing::start(timeout, &[], &[text(&program), "20"]);
        assert_eq!(tracing.tracer.code(), 124, "{}", tracing.tracer.stderr());
        assert!(tracing.tracer.stdout().ends_with(counts), "{}", tracing.tracer.stdout());
        tracing.assert_written();
        let ending = tracing.run().ending.unwrap();
        assert_eq!(ending.cause, EndCause::Stopped);
        assert!(!ending.stop_signal.unwrap().sent);
    }
}

#[test]
fn a_run_lasts_until_its_daemon_has_ended() {
    let program = fixture("daemonize");
    let dir = common::Scratch::new();
    let line = dir.join("line");
    let mut tracing = Tracing::launch(&[], &[text(&program), text(&line)]);
    assert_eq!(tracing.tracer.code(), 0, "{}", tracing.tracer.stderr());
    assert_eq!(std::fs::read_to_string(&line).unwrap(), "ok daemon\n");
    let run = tracing.run();
    assert!(run.complete && run.duration_ms >= 300);
    let ending = run.ending.unwrap();
    assert_eq!(ending.cause, EndCause::Exited);
    assert_eq!(ending.status, Some(ExitStatus::Code(0)));
    assert_eq!(run.processes.len(), 3);
}

/// The launched process is long gone; its daemon, in a session of its own, is the oldest that
/// lives.
#[test]
fn a_daemon_gets_the_stop_signal() {
    for to_group in [false, true] {
        let line = format!("setsid {} 20 handler &", text(&fixture("trap_term")));
        let mut tracing = Tracing::launch(&[], &["sh", "-c", &line]);
        tracing.tracer.says("ready");
        wait_until("the shell has ended", || children(tracing.tracer.pid()).len() <= 1);
        match to_group {
            true => tracing.tracer.signal_group(Signal::SIGINT),
            false => tracing.tracer.signal(Signal::SIGINT),
        }
        let run = assert_stopped(&mut tracing, "SIGINT", "SIGINT", true);
        assert!(tracing.tracer.stdout().ends_with("term 0 int 1\n"));
        assert_shutdown_recorded(&run);
    }
}

/// The request goes to the daemon: what the launched process ended with was its own doing.
#[test]
fn a_program_that_ended_by_itself_was_not_stopped_with_its_daemon() {
    for (status, code, cause) in [("4", 3, EndCause::Exited), ("0", 0, EndCause::Stopped)] {
        let script = format!("(setsid sleep 30 &); exit {status}");
        let mut tracing = Tracing::launch(&["--for", "1s"], &["bash", "-c", &script]);
        assert_eq!(tracing.tracer.code(), code, "{}", tracing.tracer.stderr());
        let run = tracing.run();
        assert_eq!(run.complete, code == 0, "{:?}", run.incomplete_because);
        let ending = run.ending.unwrap();
        assert_eq!((ending.cause, ending.requested_by.as_deref()), (cause, Some("--for")));
        assert_eq!(ending.status, Some(ExitStatus::Code(status.parse().unwrap())));
        assert!(ending.by_itself_ms.is_some_and(|ms| ms < 1000), "{ending:?}");
        let told = tracing.tracer.stderr().replace(&format!("\n{:14}", ""), " ");
        let (_, ended) = told.split_once("ended         ").unwrap();
        assert!(
            ended.starts_with(&format!("exited with status {status}, by itself at ")),
            "{told}"
        );
        assert!(told.contains("; what outlived it ended "), "{told}");
        assert!(told.contains(" after we sent SIGTERM"), "{told}");
    }
}

#[test]
fn a_daemon_that_had_to_be_killed_is_not_the_program_that_ended_by_itself() {
    let script = format!("setsid {} 30 ignore & exit 4", text(&fixture("trap_term")));
    let options = ["--for", "1s", "--stop-timeout", "300ms"];
    let mut tracing = Tracing::launch(&options, &["bash", "-c", &script]);
    assert_eq!(tracing.tracer.code(), 3, "{}", tracing.tracer.stderr());
    let run = tracing.run();
    assert_eq!(run.ending.map(|e| e.cause), Some(EndCause::Killed));
    assert_eq!(
        run.incomplete_because,
        [
            "the program ended by itself with status 4",
            "what outlived the program did not end when it was asked to, and was killed"
        ]
    );
    let told = tracing.tracer.stderr().replace(&format!("\n{:14}", ""), " ");
    assert!(told.contains("what outlived it had to be killed"), "{told}");
}

/// The tracer as PID 1 of a new namespace; `unshare` is what stands around it.
fn first_process(options: &[&str], command: &[&str]) -> (Tracing, i32) {
    let mut unshare = Command::new(tool("unshare"));
    unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    unshare.arg(seccomp_gen().get_program());
    let mut tracing = Tracing::start(unshare, options, command);
    tracing.tracer.says("ready");
    let tracer = children(tracing.tracer.pid())[0];
    assert!(field(tracer, tracer, "NSpid").ends_with("\t1"), "it is not PID 1");
    (tracing, tracer)
}

#[test]
fn as_the_first_process_it_stops_in_order() {
    for (signal, counts) in
        [(Signal::SIGTERM, "term 1 int 0\n"), (Signal::SIGINT, "term 0 int 1\n")]
    {
        let program = fixture("trap_term");
        let (mut tracing, tracer) = first_process(&[], &[text(&program), "20"]);
        kill(Pid::from_raw(tracer), signal).unwrap();
        let run = assert_stopped(&mut tracing, signal.as_str(), signal.as_str(), true);
        assert!(tracing.tracer.stdout().ends_with(counts), "{}", tracing.tracer.stdout());
        assert_shutdown_recorded(&run);
    }
}

#[test]
fn as_the_first_process_it_passes_signals_on_and_reaps_orphans() {
    let script = "trap 'echo usr1' USR1; trap 'exit 0' TERM; echo ready; \
                  while :; do sleep 0.1; done";
    let (mut tracing, tracer) = first_process(&[], &["bash", "-c", script]);
    kill(Pid::from_raw(tracer), Signal::SIGUSR1).unwrap();
    tracing.tracer.says("usr1");

    // A stranger's orphan: the tracer never saw it, and yet it is the one who must reap it.
    let target = format!("--target={tracer}");
    let enter = ["--pid", "--mount", &target, "sh", "-c", "sleep 3 >/dev/null 2>&1 & echo $!"];
    let output = Command::new(tool("nsenter")).args(enter).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let is_orphan = |pid: &i32| {
        let inner = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        field(*pid, *pid, "NSpid").ends_with(&format!("\t{inner}"))
    };
    let orphan = children(tracer).into_iter().find(is_orphan);
    let orphan = orphan.unwrap_or_else(|| panic!("it is not ours: {}", who_waits(tracer)));
    wait_until("the orphan is reaped", || state(orphan).is_empty());

    kill(Pid::from_raw(tracer), Signal::SIGTERM).unwrap();
    let run = assert_stopped(&mut tracing, "SIGTERM", "SIGTERM", true);
    assert_eq!(run.books.lost, 0);
}

/// Signals that are no request are not the program's business where we are an ordinary process,
/// and must not end us either.
#[test]
fn other_signals_do_no_harm() {
    let mut tracing = trap_term(&[], "20", "handler");
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGALRM, Signal::SIGWINCH] {
        tracing.tracer.signal(signal);
    }
    sleep(Duration::from_millis(300));
    assert!(tracing.tracer.is_running(), "{}", tracing.tracer.stderr());
    tracing.tracer.signal(Signal::SIGTERM);
    assert_stopped(&mut tracing, "SIGTERM", "SIGTERM", true);
    assert_eq!(tracing.tracer.stdout(), "ready\ngot TERM\nterm 1 int 0\n");
}

/// A program that is stopped when it is asked to end goes on with its shutdown when it is
/// continued, as it would without us; the next request ends it all the same.
#[test]
fn a_stopped_program_can_be_stopped_for_good() {
    let mut tracing = trap_term(&[], "30", "handler");
    let program = children(tracing.tracer.pid())[0];
    kill(Pid::from_raw(program), Signal::SIGSTOP).unwrap();
    wait_until("it stands", || state(program) == "t" || state(program) == "T");
    tracing.tracer.signal(Signal::SIGTERM);
    sleep(Duration::from_millis(1200));
    assert!(tracing.tracer.is_running());
    tracing.tracer.signal(Signal::SIGTERM);
    assert_eq!(tracing.tracer.code(), 3);
    assert_eq!(tracing.run().ending.unwrap().cause, EndCause::Killed);
}

/// `inherit` prints what it finds; started by each of these, it must find the same traced.
#[test]
fn a_program_inherits_what_it_would_without_us() {
    let program = fixture("inherit");
    let program = text(&program);
    let starts = [
        "exec env --default-signal \"$@\"",
        "exec env --ignore-signal=HUP,INT,PIPE,USR1 \"$@\"",
        "exec env --block-signal=TERM,INT,HUP,USR2,TTOU,CHLD \"$@\"",
        "exec env --ignore-signal=RTMAX,RTMIN,TTIN --block-signal=RTMAX \"$@\"",
        "exec \"$@\" 3</dev/null 9>/dev/null",
        "exec \"$@\" <&-",
        "exec \"$@\" 2>&-",
        "ulimit -c 0 -n 77; umask 027; cd /; exec nice -n 3 \"$@\"",
    ];
    let mut differences = String::new();
    for start in starts {
        let run = |command: &[&str]| {
            let mut shell = Command::new(tool("bash"));
            shell.args(["-c", start, "bash"]).args(command).stdin(std::process::Stdio::null());
            let mut shell = Beside::start_in_our_group(&mut shell);
            shell.wait();
            (shell.stdout(), shell.stderr())
        };
        let (plain, _) = run(&[program, "a", "b"]);
        let dir = common::Scratch::new();
        let tracer = seccomp_gen().get_program().to_str().unwrap().to_owned();
        let out = text(dir.path()).to_owned();
        let (traced, err) =
            run(&[&tracer, "trace", "-q", "-o", &out, "--name", "t", "--", program, "a", "b"]);
        for line in plain.lines().filter(|l| !traced.lines().any(|t| t == *l)) {
            differences += &format!("{start}: missing: {line}\n");
        }
        for line in traced.lines().filter(|l| !plain.lines().any(|p| p == *l)) {
            differences += &format!("{start}: not there untraced: {line}\n{err}");
        }
    }
    assert!(differences.is_empty(), "{differences}");
}
