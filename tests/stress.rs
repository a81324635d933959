//! The fixtures on a machine that is busy: no hang, no lost child, no stray stop, no zombie. Suite,
//! with the full count in the soak.

#![allow(clippy::unwrap_used)]

mod common;

use common::beside::{children, text, who_waits};
use common::ordeal::{Failures, Ordeal, busy_loops, plain};
use common::{MODES, arguments, fixture, fixture_names, times};

/// Acceptance 3, its second half.
#[test]
fn fixtures_under_stress_behave_as_untraced() {
    // Whatever a tracer leaves behind becomes a child of ours, and can be seen.
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let _busy = busy_loops();
    let own = i32::try_from(std::process::id()).unwrap();
    let mut failures = Failures::default();
    // `inherit` judges nothing; of `daemonize` a child is left by design.
    let mut names = fixture_names();
    names.retain(|name| !matches!(name.as_str(), "inherit" | "daemonize"));
    // The suite takes another tenth of them from day to day; each run says which it was.
    let runs = times(200);
    let day = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
    let first = usize::try_from(day).unwrap() * runs;
    for name in (first..first + runs).map(|n| &names[n % names.len()]) {
        let path = fixture(name);
        let command = [&[text(&path)], arguments(name)].concat();
        let expected = plain(&command);
        for mode in MODES {
            let ordeal = Ordeal::start(&[&["-q", "--pass-exit-status"], mode].concat(), &command);
            failures.compare(&format!("{name} {mode:?}"), ordeal.end(), &expected);
        }
        // Ours are the two busy loops.
        let orphans: Vec<_> = children(own);
        if orphans.len() != 2 {
            let list: String = orphans.iter().map(|pid| who_waits(*pid)).collect();
            failures.add(name, &format!("it leaves children:\n{list}"));
        }
    }
    failures.none();
}
