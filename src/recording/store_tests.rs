use proptest::prelude::*;

use super::*;
use crate::arch::Arch;
use crate::recording::{Process, load, sample};

const ADD: Keeping = Keeping { replace: false, force: false, redact: false };
const REPLACE: Keeping = Keeping { replace: true, ..ADD };

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn files(dir: &Path) -> Vec<String> {
    let mut files: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    files
}

fn complete(id: &str, names: &[&str]) -> Run {
    sample::run_calling(id, names)
}

fn incomplete(id: &str, names: &[&str]) -> Run {
    let because = vec!["it ended with status 1".to_owned()];
    Run { complete: false, incomplete_because: because, ..complete(id, names) }
}

/// As in a checkpoint.
fn under_way(id: &str, names: &[&str]) -> Run {
    Run { ending: None, ..incomplete(id, names) }
}

fn finish(dir: &Path, run: Run, keeping: Keeping) -> Stored {
    Checkpoint::open(dir, "node").unwrap().finish(run, keeping).unwrap()
}

/// What a tracer leaves that is killed: a checkpoint, and a lock file that nobody holds.
fn lose_tracer(dir: &Path, run: &Run) {
    let checkpoint = Checkpoint::open(dir, "node").unwrap();
    checkpoint.write(run, Durability::Process).unwrap();
    let lock = checkpoint.names.lock();
    drop(checkpoint);
    fs::write(lock, "4194304\n").unwrap();
}

fn name(no: &SysNo) -> String {
    assert_eq!(no.arch, Arch::X86_64);
    no.to_string()
}

fn names(list: &[SysNo]) -> Vec<String> {
    list.iter().map(name).collect()
}

#[test]
fn decisions() {
    let with = |runs| Some(sample::recording("node", runs));
    let none = None;
    let only_incomplete = with(vec![incomplete("1", &[])]);
    let both = with(vec![incomplete("1", &[]), complete("2", &[])]);
    let force = Keeping { force: true, ..REPLACE };
    use Decision::{Beside, Create, Merge, Replace};
    for (existing, keeping, of_incomplete, of_complete) in [
        (&none, ADD, Create, Create),
        (&none, REPLACE, Create, Create),
        (&only_incomplete, ADD, Merge, Merge),
        (&only_incomplete, REPLACE, Replace, Replace),
        (&both, ADD, Merge, Merge),
        (&both, Keeping { force: true, ..ADD }, Merge, Merge),
        (&both, REPLACE, Beside, Replace),
        (&both, force, Replace, Replace),
    ] {
        let existing = existing.as_ref();
        assert_eq!(decide(existing, &incomplete("9", &[]), keeping), of_incomplete, "{keeping:?}");
        assert_eq!(decide(existing, &complete("9", &[]), keeping), of_complete, "{keeping:?}");
    }
}

#[test]
fn runs_are_added_and_compared_with_the_earlier_ones() {
    let dir = dir();
    let first = finish(dir.path(), complete("1", &["read", "write"]), ADD);
    assert_eq!((first.decision, &first.change), (Decision::Create, &None));
    let second = finish(dir.path(), complete("2", &["read", "mseal"]), ADD);
    assert_eq!(second.decision, Decision::Merge);
    assert_eq!(second.recording.runs.len(), 2);
    let change = second.change.as_ref().unwrap();
    assert_eq!(names(&change.new), ["mseal"]);
    assert_eq!(names(&change.not_seen), ["write"]);
    assert!(change.watched_fully);
    assert_eq!(load(&second.path).unwrap(), second.recording);
    assert_eq!(files(dir.path()), ["node.recording.json"]);
}

#[test]
fn replacing_keeps_the_new_run_alone() {
    let dir = dir();
    finish(dir.path(), complete("1", &["read"]), ADD);
    let stored = finish(dir.path(), complete("2", &["write"]), REPLACE);
    assert_eq!(stored.decision, Decision::Replace);
    assert_eq!(load(&stored.path).unwrap().runs, [complete("2", &["write"])]);
    assert_eq!(names(&stored.change.unwrap().not_seen), ["read"]);
}

#[test]
fn an_incomplete_run_goes_beside_the_complete_ones_that_it_would_replace() {
    let dir = dir();
    let before = finish(dir.path(), complete("1", &["read"]), ADD);
    let bytes = fs::read(&before.path).unwrap();
    let stored = finish(dir.path(), incomplete("2", &["write"]), REPLACE);
    assert_eq!(stored.decision, Decision::Beside);
    assert!(!stored.rebuild());
    assert_eq!(fs::read(&before.path).unwrap(), bytes);
    assert_eq!(stored.path, dir.path().join("node.recording.incomplete.json"));
    assert_eq!(load(&stored.path).unwrap().runs, [incomplete("2", &["write"])]);

    let forced = finish(dir.path(), incomplete("3", &[]), Keeping { force: true, ..REPLACE });
    assert_eq!(load(&forced.path).unwrap().runs, [incomplete("3", &[])]);
}

#[test]
fn what_is_redacted_stays_redacted() {
    let dir = dir();
    finish(dir.path(), complete("1", &["read"]), Keeping { redact: true, ..ADD });
    let stored = finish(dir.path(), complete("2", &["read"]), ADD);
    let text = fs::read_to_string(&stored.path).unwrap();
    assert!(stored.recording.redacted && !text.contains("alice"), "{text}");
    lose_tracer(dir.path(), &under_way("3", &["read"]));
    let recovered = recover(dir.path(), "node").unwrap();
    let text = fs::read_to_string(&recovered.path).unwrap();
    assert!(recovered.recording.redacted && !text.contains("alice"), "{text}");
    assert_eq!(recovered.recording.runs.len(), 3);
}

/// The recording that was to be redacted would have been; what is left of it must be, too.
#[test]
fn a_checkpoint_of_a_run_that_is_to_be_redacted_is_redacted() {
    let dir = dir();
    finish(dir.path(), complete("1", &["read"]), ADD);
    let checkpoint = Checkpoint::open(dir.path(), "node").unwrap().redacting(true);
    checkpoint.write(&under_way("2", &["write"]), Durability::Machine).unwrap();
    let text = fs::read_to_string(checkpoint.names().partial()).unwrap();
    assert!(!text.contains("alice"), "{text}");
    drop(checkpoint);
    let recovered = recover(dir.path(), "node").unwrap();
    let text = fs::read_to_string(&recovered.path).unwrap();
    assert!(recovered.recording.redacted && !text.contains("alice"), "{text}");
    assert_eq!(recovered.recording.runs.len(), 2);
}

#[test]
fn a_lost_run_is_recovered_and_marked() {
    let dir = dir();
    let before = complete("1", &["read"]);
    finish(dir.path(), before.clone(), ADD);
    lose_tracer(dir.path(), &under_way("2", &["write"]));
    let recovered = recover(dir.path(), "node").unwrap();
    assert_eq!(recovered.runs, ["2"]);
    assert_eq!(files(dir.path()), ["node.recording.json"]);
    let runs = load(&recovered.path).unwrap().runs;
    assert_eq!(runs[0], before);
    let lost = &runs[1];
    assert!(!lost.complete);
    assert_eq!(lost.ending.as_ref().unwrap().cause, EndCause::TracerLost);
    assert_eq!(lost.incomplete_because.last().unwrap(), LOST);
    assert_eq!(lost.syscalls[0].counted, Counted::AtLeast);
}

#[test]
fn the_next_trace_takes_a_lost_run_in() {
    let dir = dir();
    lose_tracer(dir.path(), &under_way("1", &["write"]));
    let checkpoint = Checkpoint::open(dir.path(), "node").unwrap();
    let Some(Leftover::Recovered(recovered)) = checkpoint.leftover() else { panic!() };
    assert_eq!(recovered.runs, ["1"]);
    let stored = checkpoint.finish(complete("2", &["read"]), ADD).unwrap();
    assert_eq!(stored.recording.runs.len(), 2);
    assert_eq!(names(&stored.change.unwrap().not_seen), ["write"]);
}

#[test]
fn a_tracer_lost_between_saving_and_tidying_up_leaves_the_run_as_it_is() {
    let dir = dir();
    for (id, run) in [("1", complete("1", &["read"])), ("2", incomplete("2", &["read"]))] {
        let stored = finish(dir.path(), run.clone(), ADD);
        lose_tracer(dir.path(), &run);
        recover(dir.path(), "node").unwrap();
        assert_eq!(load(&stored.path).unwrap(), stored.recording);
        // An older checkpoint of a run that is there already.
        lose_tracer(dir.path(), &under_way(id, &["read"]));
        assert!(recover(dir.path(), "node").unwrap().runs.is_empty());
        assert_eq!(load(&stored.path).unwrap(), stored.recording);
    }
}

#[test]
fn a_name_is_recorded_once_at_a_time_in_a_directory() {
    let (dir, other) = (dir(), dir());
    let checkpoint = Checkpoint::open(dir.path(), "node").unwrap();
    checkpoint.write(&under_way("1", &[]), Durability::Process).unwrap();
    let busy = Checkpoint::open(dir.path(), "node").unwrap_err();
    let message = busy.to_string();
    assert!(matches!(busy, StoreError::Busy { .. }), "{message}");
    assert!(message.contains(&format!("`node` is being recorded in {}", dir.path().display())));
    assert!(message.contains(&format!("(pid {})", std::process::id())), "{message}");
    assert!(matches!(recover(dir.path(), "node"), Err(StoreError::Busy { .. })));
    assert!(checkpoint.names().partial().exists());

    Checkpoint::open(dir.path(), "other").unwrap();
    Checkpoint::open(other.path(), "node").unwrap();
    checkpoint.discard().unwrap();
    Checkpoint::open(dir.path(), "node").unwrap();
    assert!(files(dir.path()).is_empty());
}

#[test]
fn at_most_one_of_many_holds_the_lock() {
    let dir = dir();
    let names = Names::new(dir.path(), "node").unwrap();
    let holders = std::sync::atomic::AtomicI32::new(0);
    let taken = std::sync::atomic::AtomicI32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let Ok(lock) = Lock::take(&names) else { continue };
                    use std::sync::atomic::Ordering::SeqCst;
                    assert_eq!(holders.fetch_add(1, SeqCst), 0);
                    taken.fetch_add(1, SeqCst);
                    assert_eq!(holders.fetch_sub(1, SeqCst), 1);
                    drop(lock);
                }
            });
        }
    });
    assert!(taken.into_inner() > 0);
}

#[test]
fn a_run_that_cannot_be_added_is_kept_and_the_error_says_where() {
    let dir = dir();
    let checkpoint = Checkpoint::open(dir.path(), "node").unwrap();
    fs::write(checkpoint.names().recording(), "{").unwrap();
    let error = checkpoint.finish(complete("1", &["read"]), ADD).unwrap_err();
    let partial = dir.path().join("node.recording.partial.json");
    assert!(error.to_string().contains(partial.to_str().unwrap()), "{error}");
    assert!(error.to_string().contains("ends in the middle"), "{error}");
    assert!(Checkpoint::open(dir.path(), "node").is_err(), "known before the next run");
    fs::remove_file(dir.path().join("node.recording.json")).unwrap();
    let recovered = recover(dir.path(), "node").unwrap();
    assert_eq!(recovered.recording.runs, [complete("1", &["read"])]);
}

#[test]
fn a_checkpoint_that_cannot_be_read_stops_nobody() {
    let dir = dir();
    let partial = dir.path().join("node.recording.partial.json");
    fs::write(&partial, "").unwrap();
    fs::write(dir.path().join(".node.recording.partial.json.AbCdEf.tmp"), "half").unwrap();
    assert!(matches!(recover(dir.path(), "node"), Err(StoreError::Truncated { .. })));
    assert!(partial.exists());
    let checkpoint = Checkpoint::open(dir.path(), "node").unwrap();
    assert!(matches!(checkpoint.leftover(), Some(Leftover::SetAside { .. })));
    drop(checkpoint);
    assert_eq!(files(dir.path()), ["node.recording.unreadable.json"]);
}

#[test]
fn nothing_to_recover_is_said_and_leaves_nothing() {
    let dir = dir();
    let error = recover(dir.path(), "node").unwrap_err().to_string();
    assert!(error.contains("node.recording.partial.json does not exist"), "{error}");
    assert!(files(dir.path()).is_empty());
}

#[test]
fn unfinished_names_are_found() {
    let dir = dir();
    for file in ["b.recording.partial.json", "a.recording.partial.json", "c.recording.json"] {
        fs::write(dir.path().join(file), "").unwrap();
    }
    assert_eq!(unfinished_names(dir.path()).unwrap(), ["a", "b"]);
}

#[test]
fn a_gap_in_watching_is_told() {
    let mut run = complete("2", &[]);
    run.watch.gaps_total_ms = 1;
    let earlier = sample::recording("node", vec![complete("1", &["read"])]);
    assert!(!Change::between(&earlier, &run).watched_fully);
}

/// The longest checkpoint that is written while another thread reads it.
fn large(id: &str) -> Run {
    let processes: Vec<Process> = (1..200).map(|pid| sample::process(pid, None, 0)).collect();
    Run { processes, ..under_way(id, &["read"]) }
}

#[test]
fn a_reader_finds_a_whole_checkpoint_at_any_moment() {
    let dir = dir();
    let checkpoint = Checkpoint::open(dir.path(), "node").unwrap();
    let path = checkpoint.names().partial();
    let (long, short) = (large("1"), under_way("1", &[]));
    checkpoint.write(&long, Durability::Machine).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..20 {
                checkpoint.write(&short, Durability::Process).unwrap();
                checkpoint.write(&long, Durability::Process).unwrap();
            }
        });
        while !writer.is_finished() {
            let run = load(&path).unwrap().runs.remove(0);
            assert!(run == long || run == short);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_that_was_complete_is_ever_lost_without_force(
        existing in sample::any_recording(), is_complete in any::<bool>(), replace in any::<bool>()
    ) {
        let dir = dir();
        let path = dir.path().join("node.recording.json");
        save(&existing, &path).unwrap();
        let run = if is_complete { complete("new", &[]) } else { incomplete("new", &[]) };
        finish(dir.path(), run, Keeping { replace, ..ADD });
        let had = existing.runs.iter().any(|r| r.complete);
        let has = load(&path).unwrap().runs.iter().any(|r| r.complete);
        prop_assert!(has || !had);
    }
}
