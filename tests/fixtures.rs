//! Every behaviour fixture runs under the tracer as it does without one: same output, same status,
//! books that balance.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::{Command, Output, Stdio};

use common::{Traced, arguments};

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
        for mode in common::MODES {
            let traced = common::trace_with(&[&["--pass-exit-status"], mode].concat(), &command);
            failures.extend(failure(&name, &plain, &traced));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is wrong with a traced run, if anything is.
fn failure(name: &str, plain: &Output, traced: &Traced) -> Option<String> {
    if traced.stdout().as_bytes() != plain.stdout
        || traced.code() != plain.status.code().or_else(|| signalled(plain))
    {
        return Some(format!(
            "{name}: untraced {:?} {:?}, traced {:?} {:?}\n{}",
            plain.status,
            String::from_utf8_lossy(&plain.stdout),
            traced.output.status,
            traced.stdout(),
            traced.stderr()
        ));
    }
    let run = traced.run();
    let faults = run.books.faults();
    (!faults.is_empty()).then(|| format!("{name}: {faults:?} {:?}", run.books))
}

fn signalled(output: &Output) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    output.status.signal().map(|s| 128 + s)
}
