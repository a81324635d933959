//! The table: every fixture of `fixtures/programs`.

use super::table::{Case, Compare, direct, script};
use crate::common;

const THREADS: &str = "its threads meet on futexes, or do not, as they are scheduled";
const POLLS: &str = "it waits until /proc shows a task asleep, and sleeps between two looks";
const RESTARTS: &str = "whether a call is restarted depends on how far it came before a signal";

/// Fixtures two runs of which differ, and why; all others are compared with strace.
const RACING: &[(&str, &str)] = &[
    ("caps_change", THREADS),
    ("clone_untraced", "strace -f does not see these children; the kernel does"),
    ("daemonize", POLLS),
    ("eintr_hot", "under strace, ignored signals end calls"),
    ("eintr_ignored", "under strace, ignored signals end calls"),
    ("eintr_none", THREADS),
    ("exec_among_threads", THREADS),
    ("exec_nonleader", THREADS),
    ("exec_while_cloning", THREADS),
    ("exit_race", THREADS),
    ("fork_burst", THREADS),
    ("fork_kinds", POLLS),
    ("group_stop", RESTARTS),
    ("hello32", "strace shows a socketcall as the call that it stands for"),
    ("killed_anywhere", "children are killed at random moments"),
    ("leader_exits", THREADS),
    ("pdeathsig", POLLS),
    ("pidns", POLLS),
    ("restart_syscall", POLLS),
    ("sandbox_race", THREADS),
    ("signal_restart", POLLS),
    ("signal_thread", POLLS),
    ("sigstop_then_kill", RESTARTS),
    ("storm", THREADS),
    ("thousand_threads", THREADS),
    ("thread_burst", THREADS),
    ("tracer_itself", "a child is killed on its way into pause"),
    ("vm_shared_exec", POLLS),
];

/// What no oracle can judge: strace does not follow some children of `late_news`, the threads of the
/// others race, and the kernel's events come behind the filters that they install. They have tests of
/// their own, in tests/adaptive.rs and tests/sandboxes.rs.
const UNHEARD: &[&str] = &["late_news", "sandbox_notify", "sandbox_strict", "sandbox_tsync"];

/// Arguments that make a fixture do its whole check by itself.
fn arguments(name: &str) -> &'static [&'static str] {
    match name {
        "stop_self_tty" => &["TSTP", "self"],
        "exit_codes" => &["7"],
        "trap_term" => &["1"],
        "storm" => &["2000", "2"],
        "thousand_threads" => &["300"],
        _ => &[],
    }
}

fn reason(name: &str) -> Option<&'static str> {
    RACING.iter().find(|(racing, _)| *racing == name).map(|(_, why)| *why)
}

fn case(name: &str) -> Case {
    let path = common::fixture(name).to_string_lossy().into_owned();
    let mut argv = vec![path.as_str()];
    argv.extend(arguments(name));
    let case = match reason(name) {
        // It tells its process group from its parent's, and the first process has one of its own.
        None if name == "inherit" => script(name, "", &format!("{path}\nexit $?\n")),
        None => direct(name, "", &argv),
        Some(why) => script(name, "", &format!("exec {}\n", argv.join(" "))).same_run(why),
    };
    match name {
        "exit_codes" => case.ends_with(7),
        _ => case,
    }
}

fn cases(racing: bool) -> Vec<Case> {
    let names = common::fixture_names();
    for (name, _) in RACING {
        assert!(names.iter().any(|n| n == name), "there is no fixture {name}");
    }
    let cases = names.iter().filter(|name| !UNHEARD.contains(&name.as_str()));
    let cases = cases.map(|name| case(name));
    cases.filter(|case| matches!(case.compare, Compare::SameRun(_)) == racing).collect()
}

/// Those that do the same in each run.
pub fn quiet() -> Vec<Case> {
    cases(false)
}

/// Those that don't.
pub fn racing() -> Vec<Case> {
    cases(true)
}
