//! Adaptive mode: the program gets its speed back, and nothing that is news is missed. That its sets
//! are those of full mode for real programs is in tests/oracle.rs, tests/nodes.rs and
//! tests/fixtures.rs, each of which runs in both modes. Suite.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::process::Command;

use common::beside::{Tracing, text, wait_until};
use common::others::ForOthers;
use common::{MODES, Scratch, fixture, times, tool, trace, trace_with};
use seccomp_gen::recording::{Counted, Mode, Run, Syscall, load};

/// Runs a fixture, and fails unless it ended well with books that balance.
fn traced(options: &[&str], name: &str, args: &[&str]) -> (Run, String) {
    let path = fixture(name);
    // The last one counts.
    let options = [&["--mode=adaptive"], options].concat();
    let traced = trace_with(&options, &[&[text(&path)], args].concat());
    assert_eq!(traced.code(), Some(0), "{}", traced.stderr());
    let run = traced.run();
    assert!(run.complete, "{:?} {:?}", run.incomplete_because, run.books);
    (run, traced.stdout())
}

fn call<'a>(run: &'a Run, name: &str) -> &'a Syscall {
    run.syscalls.iter().find(|s| s.name.as_deref() == Some(name)).unwrap()
}

fn set(run: &Run) -> BTreeSet<(String, i64)> {
    run.syscalls.iter().map(|s| (s.arch.to_string(), s.number)).collect()
}

#[test]
fn a_storm_settles_and_what_it_calls_stops_no_more() {
    let (run, _) = traced(&["--settle-after=100ms"], "storm", &["1000000", "4"]);
    assert_eq!(run.watch.mode, Mode::Adaptive);
    let settled = run.watch.settled.unwrap();
    assert_eq!(settled.installations, 1, "one process, all its threads at once");
    assert!(settled.stops > 0 && settled.cost_ns >= 100_000_000, "{settled:?}");
    assert!((0.0..1.0).contains(&settled.unseen_mass), "{settled:?}");
    for name in ["read", "getppid", "sched_yield"] {
        assert!(run.watch.let_through.iter().any(|n| n == name), "{name}");
        assert_eq!(call(&run, name).counted, Counted::AtLeast);
    }
    assert!(call(&run, "read").count < 2_000_000, "of the four millions: {run:?}");
    assert_eq!(call(&run, "execve").counted, Counted::Exactly);
}

#[test]
fn what_costs_little_is_watched_in_full_to_the_end() {
    let (run, _) = traced(&[], "many_errnos", &[]);
    assert_eq!((run.watch.mode, run.watch.settled), (Mode::Adaptive, None));
    assert!(run.watch.let_through.is_empty());
    assert!(run.syscalls.iter().all(|s| s.counted == Counted::Exactly && s.unwatched == 0));
}

/// Some 300 calls, each made once after the filter is in place, in fresh threads, forked, executed
/// and CLONE_UNTRACED children, i386 code and under filters of the program's own.
#[test]
fn all_late_news_are_heard_and_return_what_they_return_untraced() {
    for seed in 1..=times(20).max(2) {
        let seed = seed.to_string();
        let plain = Command::new(fixture("late_news")).arg(&seed).output().unwrap();
        let plain = String::from_utf8(plain.stdout).unwrap();
        let [full, adaptive] = MODES.map(|mode| traced(mode, "late_news", &[&seed]));
        let late = ["--mode=adaptive", "--settle-after=30ms"];
        let late = traced(&late, "late_news", &[&seed]);
        for (run, output) in [&full, &adaptive, &late] {
            assert_eq!(*output, plain, "seed {seed}");
            assert_eq!(set(run), set(&full.0), "seed {seed}");
        }
        assert!(adaptive.0.watch.settled.unwrap().installations > 0);
        assert!(full.0.syscalls.len() > 320, "{}", full.0.syscalls.len());
    }
}

/// What an earlier run saw is let through, and what of it is not seen again is told as just that.
#[test]
fn a_prior_recording_is_let_through() {
    let earlier = trace(&[text(&fixture("many_errnos"))]);
    let prior = format!("--prior={}", text(&earlier.dir.join("t.recording.json")));
    let (run, _) = traced(&["--settle-after=50ms", &prior], "storm", &["300000", "1"]);
    let unseen = run.let_through_unseen();
    assert!(unseen.contains(&"connect"), "{unseen:?}");
    assert!(!unseen.contains(&"read"), "{unseen:?}");
    assert!(run.syscalls.iter().all(|s| s.name.as_deref() != Some("connect")));
}

/// As an ordinary user: `no_new_privs` comes with the filter, and is not told as the program's own.
#[test]
fn an_ordinary_user_gets_the_speed_as_well() {
    let others = ForOthers::copy(&["storm"]);
    let out = others.out();
    let mut tracer = others.tracer();
    tracer.args(["trace", "-q", "--mode=adaptive", "--settle-after=100ms", "--name=t", "-o"]);
    tracer.arg(&out).arg("--").arg(others.path("storm")).args(["300000", "2"]);
    let status = tracer.status();
    assert!(status.unwrap().success());
    let run = load(&out.join("t.recording.json")).unwrap().runs.remove(0);
    assert!(run.complete, "{:?}", run.incomplete_because);
    assert_eq!(run.watch.settled.unwrap().installations, 1, "{:?}", run.warnings);
    assert!(run.credential_states.iter().all(|s| !s.no_new_privs && s.seccomp_mode == 0));
}

/// Under a privileged tracer, a program that has dropped its rights gets no `no_new_privs` behind
/// its back: it is watched in full.
#[test]
fn a_program_that_has_dropped_its_rights_is_left_as_it_is() {
    let setpriv = tool("setpriv");
    let others = ForOthers::copy(&["storm"]);
    let storm = others.path("storm");
    let command = [text(&setpriv), "--reuid=65534", "--clear-groups", text(&storm), "30000", "1"];
    let traced = trace_with(&["--mode=adaptive", "--settle-after=50ms"], &command);
    assert_eq!(traced.code(), Some(0), "{}", traced.stderr());
    let run = traced.run();
    assert_eq!(call(&run, "read").counted, Counted::Exactly);
    assert!(call(&run, "read").count >= 30_000);
    assert!(run.warnings.iter().any(|w| w.contains("CAP_SYS_ADMIN")), "{:?}", run.warnings);
}

/// A wait that runs free is made again when a signal that is ignored ends it, and its time-out does not
/// start anew each time.
#[test]
fn waits_that_run_free_end_by_their_time_out() {
    let (run, output) = traced(&["--settle-after=30ms"], "eintr_hot", &[]);
    assert_eq!(output, "ok\n");
    assert!(run.watch.let_through.iter().any(|n| n == "epoll_wait"), "{:?}", run.watch);
}

/// `--max-stall`: told as it happens, and summed up in the recording.
#[test]
fn stalls_are_told() {
    let traced = trace_with(&["--max-stall=1ns"], &[text(&fixture("many_errnos"))]);
    let warning = "times a thread stood for longer than 0.0 ms, at most for ";
    assert!(traced.run().warnings.iter().any(|w| w.contains(warning)), "{}", traced.stderr());
    let none = trace_with(&["--max-stall=1h"], &[text(&fixture("many_errnos"))]);
    assert!(none.run().warnings.iter().all(|w| !w.contains("stood")), "{}", none.stderr());
}

/// Acceptance 6: 43 threads in 27 kinds of blocking calls, all of them stopped for each look, and no
/// EINTR that they would not have untraced.
#[test]
fn fifty_looks_end_no_call() {
    let looks_wanted = times(50).max(10);
    let dir = Scratch::new();
    let (fixture, end) = (fixture("eintr_none"), dir.join("end"));
    let options = ["-q", "--mode=adaptive", "--settle-after=0s", "--look-again=400ms"];
    let mut tracing = Tracing::launch(&options, &[text(&fixture), "-w", text(&end)]);
    let partial = tracing.dir.join("t.recording.partial.json");
    let looks = || load(&partial).map_or(0, |recording| recording.runs[0].watch.looks.len());
    wait_until("so many looks", || looks() > looks_wanted);
    std::fs::write(&end, "").unwrap();
    assert_eq!(tracing.tracer.code(), 0, "{}", tracing.tracer.stderr());
    let run = tracing.run();
    assert!(run.complete, "{:?} {:?}", run.incomplete_because, run.books);
    assert!(run.watch.looks.is_sorted_by(|a, b| a.to_ms <= b.from_ms), "{:?}", run.watch.looks);
}

/// The shutdown is watched in full again, with a budget of its own.
#[test]
fn a_shutdown_is_looked_at_again() {
    let script = "trap 'i=0; while [ $i -lt 40 ]; do i=$((i+1)); /bin/true; done; exit 0' TERM; \
                  while :; do read -t 0.001 x < /dev/zero; done";
    let bash = tool("bash");
    let options = ["--mode=adaptive", "--settle-after=100ms", "--for=2s"];
    let traced = trace_with(&options, &[text(&bash), "-c", script]);
    assert_eq!(traced.code(), Some(0), "{}", traced.stderr());
    let run = traced.run();
    assert!(run.watch.settled.is_some(), "{:?}", run.cost);
    let openat = call(&run, "openat");
    let phase = openat.phases.iter().find(|p| p.phase == "shutdown").unwrap();
    assert!(phase.count >= 40, "{:?}", openat.phases);
}
