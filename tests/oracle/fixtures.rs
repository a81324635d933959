//! The table: every fixture of `fixtures/programs`.

use super::table::{Case, Compare, direct, script};
use crate::common;

/// Fixtures two runs of which differ, and why; all others are compared with strace.
const RACING: [(&str, &str); 0] = [];

/// Arguments that make a fixture do its whole check by itself.
fn arguments(name: &str) -> &'static [&'static str] {
    match name {
        "stop_self_tty" => &["self"],
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
        None => direct(name, "", &argv),
        Some(why) => script(name, "", &format!("exec {}\n", argv.join(" "))).same_run(why),
    };
    let case = match name {
        "exit_codes" => case.ends_with(7),
        _ => case,
    };
    match name {
        "inherit" => case.prints_otherwise("it tells of its pid and its parent's"),
        _ => case,
    }
}

fn cases(racing: bool) -> Vec<Case> {
    let names = common::fixture_names();
    for (name, _) in RACING {
        assert!(names.iter().any(|n| n == name), "there is no fixture {name}");
    }
    let cases = names.iter().map(|name| case(name));
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
