//! The union of recordings: associative, commutative and idempotent, so that runs may be gathered
//! in any order, on any number of machines, and more than once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use thiserror::Error;

use super::model::{Format, Recording, Run, VERSION};

/// Why two recordings have no union.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MergeError {
    /// They are of different programs.
    #[error(
        "the recordings are of different programs, `{0}` and `{1}`: a profile is made for one. \
         If they are the same, record both under one name (`--name`)"
    )]
    Names(String, String),
}

/// The union of the runs of two recordings of the same program.
///
/// Of two runs with the same id, which are states of one run, the one that is further is kept. The
/// union is redacted only if both are.
///
/// # Errors
/// If the names differ.
pub fn merge(a: Recording, b: Recording) -> Result<Recording, MergeError> {
    if a.name != b.name {
        return Err(MergeError::Names(a.name, b.name));
    }
    Ok(Recording {
        format: Format::Recording,
        version: VERSION,
        name: a.name,
        redacted: a.redacted && b.redacted,
        runs: union(a.runs.into_iter().chain(b.runs)),
    })
}

/// Brings runs into the form that a recording promises: sorted, no id twice.
pub(super) fn union(runs: impl IntoIterator<Item = Run>) -> Vec<Run> {
    let mut by_id: BTreeMap<String, Run> = BTreeMap::new();
    for run in runs {
        match by_id.entry(run.id.clone()) {
            Entry::Vacant(place) => {
                place.insert(run);
            }
            Entry::Occupied(mut place) => {
                if progress(&run) > progress(place.get()) {
                    place.insert(run);
                }
            }
        }
    }
    let mut runs: Vec<Run> = by_id.into_values().collect();
    runs.sort_by(|a, b| (&a.started_at, &a.id).cmp(&(&b.started_at, &b.id)));
    runs
}

/// How far a state of a run is. The bytes come last and make the order total: without them the
/// result would depend on which of two equally far states came first.
fn progress(run: &Run) -> (bool, bool, u64, Vec<u8>) {
    // A run is plain data whose maps have strings for keys: writing it to memory cannot fail.
    let bytes = serde_json::to_vec(run).unwrap_or_default();
    (run.complete, run.ending.is_some(), run.duration_ms, bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recording::sample;

    fn merged(a: &Recording, b: &Recording) -> Recording {
        merge(a.clone(), b.clone()).unwrap()
    }

    #[test]
    fn recordings_of_different_programs_have_no_union() {
        let a = sample::recording("polkadot", vec![]);
        let b = sample::recording("monerod", vec![]);
        let message = merge(a, b).unwrap_err().to_string();
        assert!(message.contains("`polkadot`") && message.contains("`monerod`"), "{message}");
    }

    #[test]
    fn of_two_states_of_a_run_the_further_one_is_kept() {
        let checkpoint = Run { complete: false, ending: None, ..sample::run("1") };
        let later = Run { duration_ms: checkpoint.duration_ms + 1, ..checkpoint.clone() };
        let ended = Run { complete: false, duration_ms: 0, ..sample::run("1") };
        let complete = Run { duration_ms: 0, ..sample::run("1") };
        assert!(ended.ending.is_some() && complete.complete);
        let order = [checkpoint, later, ended, complete];
        for (i, less) in order.iter().enumerate() {
            for more in &order[i + 1..] {
                let (a, b) = (less.clone(), more.clone());
                let both = [vec![a.clone(), b.clone()], vec![b, a]];
                for runs in both {
                    assert_eq!(union(runs), vec![more.clone()]);
                }
            }
        }
    }

    #[test]
    fn the_union_is_redacted_only_if_both_are() {
        let plain = sample::recording("x", vec![sample::run("1")]);
        let redacted = Recording { redacted: true, ..plain.clone() };
        assert!(!merged(&plain, &redacted).redacted);
        assert!(!merged(&redacted, &plain).redacted);
        assert!(merged(&redacted, &redacted).redacted);
    }

    proptest! {
        #[test]
        fn merging_is_associative(
            a in sample::any_recording(), b in sample::any_recording(), c in sample::any_recording()
        ) {
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        }

        #[test]
        fn merging_is_commutative(a in sample::any_recording(), b in sample::any_recording()) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        }

        #[test]
        fn merging_is_idempotent(a in sample::any_recording(), b in sample::any_recording()) {
            let once = merged(&a, &b);
            prop_assert_eq!(&merged(&once, &b), &once);
            prop_assert_eq!(&merged(&once, &once), &once);
        }

        #[test]
        fn no_run_is_lost_and_none_is_made_up(
            a in sample::any_recording(), b in sample::any_recording()
        ) {
            let ids = |r: &Recording| r.runs.iter().map(|r| r.id.clone()).collect::<Vec<_>>();
            let mut expected = [ids(&a), ids(&b)].concat();
            expected.sort();
            expected.dedup();
            let union = merged(&a, &b);
            let mut found = ids(&union);
            found.sort();
            prop_assert_eq!(found, expected);
            prop_assert!(union.runs.iter().all(|r| a.runs.contains(r) || b.runs.contains(r)));
        }
    }
}
