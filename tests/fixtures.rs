//! Every behaviour fixture runs under the tracer as it does without one: same output, same status,
//! books that balance.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::{Command, Stdio};

/// Arguments that make a fixture do its whole check by itself; fixtures that need more than that
/// have tests of their own.
fn arguments(name: &str) -> &'static [&'static str] {
    match name {
        "stop_self_tty" => &["STOP", "self"],
        "exit_codes" => &["7"],
        "trap_term" => &["1"],
        "storm" => &["2000", "2"],
        "thousand_threads" => &["500"],
        _ => &[],
    }
}

#[test]
fn fixtures_behave_as_untraced() {
    let mut failures = Vec::new();
    for name in common::fixture_names() {
        if matches!(name.as_str(), "inherit" | "daemonize") {
            continue; // see tests/stopping.rs
        }
        let path = common::fixture(&name);
        let arguments = arguments(&name);
        let plain = Command::new(&path).args(arguments).stdin(Stdio::null()).output().unwrap();
        let mut command = vec![path.to_str().unwrap()];
        command.extend(arguments);
        let traced = common::trace_with(&["--pass-exit-status"], &command);
        if traced.stdout().as_bytes() != plain.stdout
            || traced.code() != plain.status.code().or_else(|| signalled(&plain))
        {
            failures.push(format!(
                "{name}: untraced {:?} {:?}, traced {:?} {:?}\n{}",
                plain.status,
                String::from_utf8_lossy(&plain.stdout),
                traced.output.status,
                traced.stdout(),
                traced.stderr()
            ));
            continue;
        }
        let run = traced.run();
        let faults = run.books.faults();
        if !faults.is_empty() {
            failures.push(format!("{name}: {faults:?} {:?}", run.books));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn signalled(output: &std::process::Output) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    output.status.signal().map(|s| 128 + s)
}
