//! A campaign of faults on adaptive mode: processes of the program are killed and signalled at random
//! moments, the tracer is stopped, the disk is full, threads execute programs while the filter goes
//! in. Whatever happens: no hang, nobody left, the status and output of an untraced run, books that
//! balance. Suite, with the full counts in the soak.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::Duration;

use common::beside::{children, field, text, threads, who_waits};
use common::disk::on_a_disk_of;
use common::ordeal::{Failures, Ordeal, Step, busy_loops, plain};
use common::process::until;
use common::random::Random;
use common::{fixture, names, times, tool, trace_with};
use nix::sys::signal::Signal;
use seccomp_gen::recording::{Mode, Run};

/// When the filter comes: at the first chance, and in the middle of what the fixtures do.
const SETTLE: [&str; 4] = ["0s", "20ms", "2ms", "60ms"];

fn adaptive(settle: &str) -> [String; 4] {
    let quiet = ["-q", "--pass-exit-status", "--mode=adaptive"].map(str::to_owned);
    let [a, b, c] = quiet;
    [a, b, c, format!("--settle-after={settle}")]
}

fn start(settle: &str, command: &[&str]) -> Ordeal {
    let options = adaptive(settle);
    Ordeal::start(&options.each_ref().map(String::as_str), command)
}

/// A shell line that runs fixtures beside each other and one after the other, and tells how each
/// ended: by itself, or killed. Not `killed_anywhere`, whose children spin for two minutes when it is.
fn grove(n: usize) -> String {
    let lines = [
        &["exec_while_cloning", "thread_burst", "exec_nonleader"][..],
        &["exec_among_threads", "fork_burst", "storm"],
        &["late_news", "exit_race", "vm_shared_exec"],
        &["fork_kinds", "thousand_threads", "leader_exits"],
        &["signal_thread", "long_tree", "clone_untraced"],
    ];
    let run = |name: &&str| {
        let arguments = if *name == "thousand_threads" { " 200" } else { "" };
        let path = fixture(name);
        format!("{{ {}{arguments} >/dev/null 2>&1; echo {name} $?; }}", text(&path))
    };
    let [first, second, third] = [0, 1, 2].map(|i| run(&lines[n % lines.len()][i]));
    format!("{first} & {second} & {third}; wait; {first}; exit 0")
}

/// 300 processes of the program are killed, at random moments of its first seconds and in the middle
/// of installations. The shell sees which of its children were, and so do we of the shell.
#[test]
fn tracees_are_killed_at_random_moments() {
    let mut failures = Failures::default();
    let mut random = Random(0x6b11_1ed1);
    let (mut kills, mut n) = (0, 0);
    let sh = tool("sh");
    while kills < times(300) {
        let _busy = (n % 2 == 1).then(busy_loops);
        let settle = SETTLE[n % SETTLE.len()];
        let line = grove(n);
        let where_ = format!("run {n}, settle after {settle}: {line}");
        let mut ordeal = start(settle, &[text(&sh), "-c", &line]);
        let shell = ordeal.tracing.tracer.pid();
        let (mut shell_killed, mut killed) = (false, 0);
        if ordeal.has_begun() {
            let root = children(shell).first().copied();
            for _ in 0..=random.below(6) {
                sleep(random.moment(Duration::from_millis(if n % 3 == 0 { 15 } else { 250 })));
                let tracees = ordeal.tracees();
                let Some(pid) = random.of(&tracees) else { continue };
                // The shell is the parent of the rest, and would be the victim too often.
                if Some(*pid) == root && random.below(4) > 0 {
                    continue;
                }
                if ordeal.signal_tracee(*pid, 9) {
                    killed += 1;
                    shell_killed |= Some(*pid) == root;
                }
            }
        }
        kills += killed;
        n += 1;
        let Some(ended) = failures.take(&where_, ordeal.end()) else { continue };
        if ended.code != if shell_killed { 137 } else { 0 } && !(shell_killed && ended.code == 0) {
            failures.add(&where_, &format!("the status is {}: {}", ended.code, ended.stderr));
        }
        // One that is killed before it tells how its fixture ended tells nothing.
        let told = ended.stdout.lines().count();
        if !shell_killed && !(4 - killed.min(4)..=4).contains(&told) {
            failures.add(&where_, &format!("{killed} were killed, and told: {}", ended.stdout));
        }
        // A fixture fails by right if it was a child of its own that was killed.
        let failed = ended.stdout.lines().filter(|line| !line.ends_with(" 0")).count();
        if failed > killed {
            failures.add(&where_, &format!("{killed} were killed, and failed: {}", ended.stdout));
        }
    }
    eprintln!("{kills} processes were killed in {n} runs");
    failures.none();
}

/// Processes are killed while they install the filter: the tracer is stopped at random moments until
/// one of its tracees is found in the middle.
#[test]
fn tracees_are_killed_as_they_install_the_filter() {
    let mut failures = Failures::default();
    let mut random = Random(0x1257_a11e);
    let mut found: BTreeMap<Step, usize> = BTreeMap::new();
    let sh = tool("sh");
    for n in 0..times(200) {
        let _busy = (n % 2 == 1).then(busy_loops);
        let settle = ["0s", "5ms", "20ms"][n % 3];
        // What the filter does not know, at 0s anything, stops to the end: few reads.
        let storm = format!("{} 10000 4", text(&fixture("storm")));
        let line = match n % 4 {
            0 => format!("exec {storm}"),
            1 => format!("{storm} 2>&1 & {storm} 2>&1 & {storm} 2>&1 & wait; exit 0"),
            2 => format!("exec {}", text(&fixture("exec_while_cloning"))),
            _ => grove(n / 4),
        };
        let where_ = format!("run {n}, settle after {settle}: {line}");
        let mut ordeal = start(settle, &[text(&sh), "-c", &line]);
        if !ordeal.has_begun() {
            failures.take(&where_, ordeal.end());
            continue;
        }
        let tracer = ordeal.tracing.tracer.pid();
        let root = children(tracer).first().copied();
        let caught = ordeal.stop_in_installation(&mut random, Duration::from_secs(3));
        let mut root_killed = false;
        if let Some((pid, step)) = caught {
            *found.entry(step).or_default() += 1;
            root_killed = ordeal.signal_tracee(pid, 9) && Some(pid) == root;
            if n % 2 == 0 {
                sleep(random.moment(Duration::from_millis(20)));
            }
        }
        let where_ = format!("{where_}: {caught:?}, root {root:?}");
        let Some(ended) = failures.take(&where_, ordeal.end()) else { continue };
        let expected = if root_killed { 137 } else { 0 };
        if ended.code != expected {
            let what = format!("expected {expected}, found {}: {}", ended.code, ended.stderr);
            failures.add(&where_, &what);
        }
    }
    eprintln!("killed in these steps of an installation: {found:?}");
    failures.none();
    assert!(found.contains_key(&Step::Install), "never in the middle: {found:?}");
}

/// Every signal that can have a handler, each once, at random moments around the installation: each
/// handler runs once. Without SIGCONT and those that stop, of which each takes the others away.
#[test]
fn every_signal_reaches_its_handler_once() {
    let mut failures = Failures::default();
    let mut random = Random(0x0051_6a15);
    let signals: Vec<i32> =
        (1..=64).filter(|n| ![9, 18, 19, 20, 21, 22, 32, 33].contains(n)).collect();
    let expected = ("ready\nok count_signals\n".to_owned(), 0);
    let path = fixture("count_signals");
    for n in 0..times(100) {
        let _busy = (n % 2 == 1).then(busy_loops);
        let settle = ["5ms", "20ms", "60ms", "0s"][n % 4];
        let mut ordeal = start(settle, &[text(&path), "outside"]);
        ordeal.tracing.tracer.says("ready");
        let pid = children(ordeal.tracing.tracer.pid())[0];
        let mut rest = signals.clone();
        while !rest.is_empty() {
            let at = usize::try_from(random.below(rest.len() as u64)).unwrap();
            ordeal.signal_tracee(pid, rest.swap_remove(at));
            sleep(random.moment(Duration::from_micros(1500)));
        }
        failures.compare(&format!("run {n}, settle after {settle}"), ordeal.end(), &expected);
    }
    failures.none();
}

/// Signals that nobody catches, while the filter goes in: the program ends by them, is stopped, or
/// goes on, as it does untraced.
#[test]
fn a_signal_without_a_handler_does_what_it_does_untraced() {
    let mut failures = Failures::default();
    let mut random = Random(0x00de_fa17);
    let signals: Vec<i32> = (1..=64).filter(|n| ![9, 32, 33].contains(n)).collect();
    let storm = fixture("storm");
    for n in 0..times(610) {
        let signal = signals[n % signals.len()];
        let _busy = (n % 4 == 1).then(busy_loops);
        let settle = SETTLE[(n / 3) % SETTLE.len()];
        let mut ordeal = start(settle, &[text(&storm), "100000000", "4"]);
        let where_ = format!("run {n}, settle after {settle}, signal {signal}");
        if !ordeal.has_begun() {
            failures.take(&where_, ordeal.end());
            failures.add(&where_, "it has not begun");
            continue;
        }
        let pid = children(ordeal.tracing.tracer.pid())[0];
        // In the middle of the installation, or near it.
        if n % 2 == 0 {
            ordeal.stop_in_installation(&mut random, Duration::from_millis(500));
        } else {
            sleep(random.moment(Duration::from_millis(80)));
        }
        ordeal.signal_tracee(pid, signal);
        ordeal.signal_tracer(Signal::SIGCONT);
        let expected = match Signal::try_from(signal) {
            Ok(Signal::SIGCHLD | Signal::SIGURG | Signal::SIGWINCH | Signal::SIGCONT) => 143,
            Ok(Signal::SIGSTOP | Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU) => {
                // Every thread stands in a group-stop, installing or not.
                let all_stop = || {
                    let mut tids = threads(pid).into_iter();
                    tids.all(|tid| field(pid, tid, "State").starts_with(['t', 'T'])).then_some(())
                };
                if until(Duration::from_secs(10), all_stop).is_none() {
                    let list = who_waits(pid);
                    failures.add(&where_, &format!("it does not stop:\n{list}"));
                }
                ordeal.signal_tracee(pid, libc::SIGCONT);
                143
            }
            _ => 128 + signal,
        };
        if expected == 143 {
            sleep(random.moment(Duration::from_millis(30)));
            ordeal.signal_tracee(pid, libc::SIGTERM);
        }
        let Some(ended) = failures.take(&where_, ordeal.end()) else { continue };
        if ended.code != expected {
            let what = format!("expected {expected}, found {}: {}", ended.code, ended.stderr);
            failures.add(&where_, &what);
        }
    }
    failures.none();
}

/// The fixtures that a stopped tracer may harm: those with threads, execs and signals.
const STOPPED: [&str; 10] = [
    "thread_burst",
    "exec_while_cloning",
    "exec_nonleader",
    "fork_burst",
    "fork_kinds",
    "signal_order",
    "signal_restart",
    "late_news",
    "killed_anywhere",
    "eintr_none",
];

/// The tracer is stopped and continued (Ctrl-Z, a debugger, a frozen cgroup) while it has the filter
/// installed: the program waits, and knows nothing of it.
#[test]
fn the_tracer_is_stopped_and_continued() {
    let mut failures = Failures::default();
    let mut random = Random(0x0057_0bed);
    for n in 0..times(200) {
        let _busy = (n % 2 == 1).then(busy_loops);
        let settle = SETTLE[(n / 2) % SETTLE.len()];
        let path = fixture(STOPPED[n % STOPPED.len()]);
        let expected = plain(&[text(&path)]);
        let mut ordeal = start(settle, &[text(&path)]);
        let mut caught = None;
        if n % 4 == 0 && ordeal.has_begun() {
            caught = ordeal.stop_in_installation(&mut random, Duration::from_millis(300));
            // Now and then for longer than threads are held that wait for one another.
            let longest = if n % 8 == 0 { 1_500 } else { 200 };
            sleep(random.moment(Duration::from_millis(longest)));
            ordeal.signal_tracer(Signal::SIGCONT);
        } else {
            for _ in 0..=random.below(8) {
                sleep(random.moment(Duration::from_millis(40)));
                ordeal.signal_tracer(Signal::SIGSTOP);
                sleep(random.moment(Duration::from_millis(30)));
                ordeal.signal_tracer(Signal::SIGCONT);
            }
        }
        let where_ = format!("run {n}, {}, settle after {settle}, {caught:?}", path.display());
        failures.compare(&where_, ordeal.end(), &expected);
    }
    failures.none();
}

/// Threads execute programs, make threads and die while the filter goes in.
#[test]
fn threads_execute_programs_as_the_filter_goes_in() {
    let mut failures = Failures::default();
    let fixtures =
        ["exec_while_cloning", "exec_nonleader", "exec_among_threads", "killed_anywhere"];
    let delays = ["0s", "1ms", "5ms", "20ms", "50ms", "200ms"];
    for name in fixtures {
        let path = fixture(name);
        let expected = plain(&[text(&path)]);
        // What every run calls, whatever its threads meet with. They sleep while they wait for each
        // other, if they have to: untraced, too, some runs of exec_nonleader never do.
        let full = [0, 1, 2].map(|_| names(&trace_with(&["--mode=full"], &[text(&path)]).run()));
        let always: BTreeSet<&String> = full[0]
            .iter()
            .filter(|call| full[1].contains(*call) && full[2].contains(*call))
            .collect();
        for n in 0..times(100) {
            let _busy = (n % 2 == 1).then(busy_loops);
            let settle = delays[n % delays.len()];
            let where_ = format!("{name}, run {n}, settle after {settle}");
            let ended = start(settle, &[text(&path)]).end();
            if let Ok(ended) = &ended {
                let seen = names(&ended.run);
                let missed: Vec<_> = always
                    .iter()
                    .filter(|call| **call != "clock_nanosleep" && !seen.contains(**call))
                    .collect();
                if !missed.is_empty() && name != "killed_anywhere" {
                    failures.add(&where_, &format!("full mode sees {missed:?} as well"));
                }
                check_mode(&mut failures, &where_, &ended.run, settle);
            }
            failures.compare(&where_, ended, &expected);
        }
    }
    failures.none();
}

/// At the first chance there is a filter in some process, or the test is of full mode.
fn check_mode(failures: &mut Failures, where_: &str, run: &Run, settle: &str) {
    if run.watch.mode != Mode::Adaptive {
        failures.add(where_, "it was not in adaptive mode");
    }
    if settle == "0s" && run.watch.settled.is_none_or(|settled| settled.installations == 0) {
        failures.add(where_, &format!("no process was given a filter: {:?}", run.warnings));
    }
}

/// The program fills the disk of the recording at a random moment, and goes on: it ends as untraced,
/// and we say that the recording could not be written, and what was saved.
#[test]
fn the_disk_is_full_while_the_filter_goes_in() {
    let mut random = Random(0x0f01_1d15);
    let mut failures = Failures::default();
    for n in 0..times(40) {
        let settle = SETTLE[n % SETTLE.len()];
        let path =
            fixture(["exec_while_cloning", "thread_burst", "fork_burst", "late_news"][n % 4]);
        let pause = random.below(40);
        let line = format!(
            "{{ sleep 0.0{pause:02}; cat /dev/zero >$1/fill 2>/dev/null; }} & {0} >/dev/null; \
             wait; {0} >/dev/null; echo the program has run to its end $?",
            text(&path)
        );
        let settle_after = format!("--settle-after={settle}");
        let options = ["--mode=adaptive", &settle_after];
        let (code, out, err) = on_a_disk_of("256k", &options, &line);
        let where_ = format!("run {n}, {}, settle after {settle}", path.display());
        let fine = code == 5
            && err.contains("No space left on device")
            && err.contains("t.recording.partial.json")
            && out.starts_with("the program has run to its end 0\n")
            && out.contains("t.recording.json")
            && err.contains("recovered the run");
        if !fine {
            failures.add(&where_, &format!("code {code}\n{out}\n{err}"));
        }
    }
    failures.none();
}
