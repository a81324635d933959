//! The fixtures on a machine that is busy: no hang, no lost child, no stray stop, no zombie. Suite,
//! with the full count in the soak.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::{Command, Stdio};
use std::time::Duration;

use common::beside::{Beside, Tracing, children, processes_marked, text, who_waits};
use common::process::{shell_status, until};
use common::{Scratch, fixture, fixture_names, times};

/// How long one run may take: the longest needs a few seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(90);

/// Arguments that make a fixture do its whole check by itself.
fn arguments(name: &str) -> &'static [&'static str] {
    match name {
        "stop_self_tty" => &["STOP", "self"],
        "exit_codes" => &["7"],
        "trap_term" => &["0.3"],
        "storm" => &["2000", "2"],
        "thousand_threads" => &["300"],
        _ => &[],
    }
}

/// What it prints and ends with untraced.
fn plain(name: &str) -> (String, i32) {
    let mut plain = Command::new(fixture(name));
    let mut plain = Beside::start(plain.args(arguments(name)).stdin(Stdio::null()));
    let status = plain.wait_for(LIMIT);
    (plain.stdout(), shell_status(status))
}

/// Acceptance 3, its second half.
#[test]
fn fixtures_under_stress_behave_as_untraced() {
    // Whatever a tracer leaves behind becomes a child of ours, and can be seen.
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let _busy =
        [0, 1].map(|_| Beside::start(Command::new("sh").args(["-c", "while :; do :; done"])));
    let own = i32::try_from(std::process::id()).unwrap();
    let mut failures = String::new();
    // `inherit` judges nothing; of `daemonize` a child is left by design.
    let mut names = fixture_names();
    names.retain(|name| !matches!(name.as_str(), "inherit" | "daemonize"));
    // The suite takes another tenth of them from day to day; each run says which it was.
    let runs = times(200);
    let day = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
    let first = usize::try_from(day).unwrap() * runs;
    for name in (first..first + runs).map(|n| &names[n % names.len()]) {
        let expected = plain(name);
        let mark = Scratch::new();
        let mut tracer = common::seccomp_gen();
        tracer.env("MARK", mark.path());
        let path = fixture(name);
        let command = [&[text(&path)], arguments(name)].concat();
        let mut tracing = Tracing::start(tracer, &["-q", "--pass-exit-status"], &command);
        let ended = until(LIMIT, || (!tracing.tracer.is_running()).then_some(()));
        if ended.is_none() {
            failures += &format!("{name} hangs:\n{}\n", who_waits(tracing.tracer.pid()));
            continue;
        }
        let found = (tracing.tracer.stdout(), tracing.tracer.code());
        let run = tracing.run();
        if found != expected {
            let told = tracing.tracer.stderr();
            failures += &format!("{name}: untraced {expected:?}, traced {found:?}\n{told}\n");
        }
        if !run.books.balance() {
            failures += &format!(
                "{name}: {:?} {:?} {:?}\n",
                run.incomplete_because, run.books, run.warnings
            );
        }
        let left = processes_marked(text(mark.path()));
        if !left.is_empty() {
            failures += &format!("{name} leaves {left:?}\n");
        }
        // Ours are the two busy loops.
        let orphans: Vec<_> = children(own);
        if orphans.len() != 2 {
            let list: String = orphans.iter().map(|pid| who_waits(*pid)).collect();
            failures += &format!("{name} leaves children:\n{list}\n");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}
