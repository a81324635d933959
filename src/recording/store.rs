//! How a run becomes part of a recording file, whatever happens on the way.
//!
//! While a run goes on, its state is written again and again to a checkpoint,
//! `NAME.recording.partial.json`. The finished file is touched once, at the end. Who records a name
//! in a directory holds a lock ([`flock(2)`](https://man7.org/linux/man-pages/man2/flock.2.html))
//! for that time, which the kernel lets go of when we die: a checkpoint whose lock is free has lost
//! its tracer and can be recovered.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::files::{self, Names, StoreError, load_if_any, save};
use super::merge::merge;
use super::model::{Counted, EndCause, Ending, Format, Recording, Run, VERSION};
use super::redact::redact;
use crate::syscall::SysNo;

/// What [`Run::incomplete_because`] says of a run whose tracer was lost.
const LOST: &str = "the tracer was lost; recovered from its checkpoint";

/// What a checkpoint must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Our own death, by whatever signal: the kernel has it. Costs no wait for the disk, and is
    /// enough for what is written again in a few seconds.
    Process,
    /// The machine's loss of power.
    Machine,
}

/// What the user wants of the runs that are there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Keep the new run alone (`--replace`).
    pub replace: bool,
    /// Even if it is incomplete and takes the place of a complete one (`--force`).
    pub force: bool,
    /// Take out what tells of the machine (`--redact`).
    pub redact: bool,
}

/// What happens to a run at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is the first of its name.
    Create,
    /// It is added to the runs that there are.
    Merge,
    /// It takes their place.
    Replace,
    /// It is incomplete and would take the place of complete ones: it goes into a file of its own,
    /// and everything else stays as it is.
    Beside,
}

/// Decides what happens to a run. An incomplete run never takes the place of a complete one unless
/// that is forced; added to it, it takes nothing away.
pub fn decide(existing: Option<&Recording>, run: &Run, keeping: Keeping) -> Decision {
    let Some(existing) = existing else { return Decision::Create };
    let loses_a_complete_one = !run.complete && existing.runs.iter().any(|r| r.complete);
    match keeping {
        Keeping { replace: false, .. } => Decision::Merge,
        Keeping { force: false, .. } if loses_a_complete_one => Decision::Beside,
        _ => Decision::Replace,
    }
}

/// What became of a finished run.
#[derive(Debug)]
pub struct Stored {
    /// What was done.
    pub decision: Decision,
    /// The file that the run is in now.
    pub path: PathBuf,
    /// What that file says.
    pub recording: Recording,
    /// The difference to the earlier runs of the same name; none if it is the first.
    pub change: Option<Change>,
}

impl Stored {
    /// Whether the profile and the reports are to be made anew: they follow `NAME.recording.json`.
    pub fn rebuild(&self) -> bool {
        self.decision != Decision::Beside
    }
}

/// How a run differs from the earlier ones of its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What none of them called, in order.
    pub new: Vec<SysNo>,
    /// What one of them called and this one did not, in order.
    pub not_seen: Vec<SysNo>,
    /// Whether the run was watched all the time. If not, `not_seen` means nothing.
    pub watched_fully: bool,
}

impl Change {
    fn between(earlier: &Recording, run: &Run) -> Change {
        let before: BTreeSet<SysNo> = earlier.runs.iter().flat_map(called).collect();
        let now: BTreeSet<SysNo> = called(run).collect();
        Change {
            new: now.difference(&before).copied().collect(),
            not_seen: before.difference(&now).copied().collect(),
            watched_fully: run.watch.gaps_total_ms == 0
                && run.watch.gaps.is_empty()
                && run.let_through_unseen().is_empty(),
        }
    }
}

fn called(run: &Run) -> impl Iterator<Item = SysNo> {
    run.syscalls.iter().map(|s| SysNo { arch: s.arch, number: s.number })
}

/// A run that was taken in from its checkpoint.
#[derive(Debug)]
pub struct Recovered {
    /// The ids of the runs; one, unless somebody edited the file.
    pub runs: Vec<String>,
    /// The file that they are in now.
    pub path: PathBuf,
    /// What that file says.
    pub recording: Recording,
}

/// What an earlier trace of the name had left behind.
#[derive(Debug)]
pub enum Leftover {
    /// The checkpoint of a run whose tracer was lost; it is part of the recording now.
    Recovered(Box<Recovered>),
    /// A checkpoint that cannot be read; it was put aside.
    SetAside {
        /// Where it is now.
        path: PathBuf,
        /// What is wrong with it.
        why: StoreError,
    },
}

/// The right to record one name in one directory, and the checkpoint of the run that does. At most
/// one exists for a name at a time, in all processes.
#[derive(Debug)]
pub struct Checkpoint {
    names: Names,
    redacted: bool,
    leftover: Option<Leftover>,
    // Last: let go of when all else is done.
    _lock: Lock,
}

impl Checkpoint {
    /// Makes ready for a run: creates the directory, takes the lock, sees that the recording can be
    /// added to, and takes in what a lost tracer left behind.
    ///
    /// # Errors
    /// If another trace of the name is under way, or the files there cannot be read or written:
    /// better known now than at the end of a long run.
    pub fn open(dir: &Path, name: &str) -> Result<Checkpoint, StoreError> {
        let names = Names::new(dir, name)?;
        files::make_directory(dir)?;
        names.check_are_files()?;
        let lock = Lock::take(&names)?;
        load_if_any(&names.recording())?;
        remove_temporary_files(&names);
        let leftover = match take_in(&names) {
            Ok(recovered) => Some(Leftover::Recovered(Box::new(recovered))),
            Err(StoreError::NothingToRecover { .. }) => None,
            Err(why) => Some(set_aside(&names, why)?),
        };
        Ok(Checkpoint { names, redacted: false, leftover, _lock: lock })
    }

    /// Has what is written from now on redacted, if that is wanted: what is recovered from it must
    /// not tell what the recording was not to.
    #[must_use]
    pub fn redacting(self, redacted: bool) -> Checkpoint {
        Checkpoint { redacted, ..self }
    }

    /// What an earlier trace of the name had left behind.
    pub fn leftover(&self) -> Option<&Leftover> {
        self.leftover.as_ref()
    }

    /// The files of the name.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Writes the state of the run in progress.
    ///
    /// # Errors
    /// If it cannot be written; the earlier checkpoint is then as it was.
    pub fn write(&self, run: &Run, durability: Durability) -> Result<(), StoreError> {
        let path = self.names.partial();
        let recording = redact_if(self.redacted, alone(&self.names, run.clone()));
        let bytes = files::to_json(&recording, &path)?;
        files::replace(&path, &bytes, 0o600, durability == Durability::Machine)
            .map_err(|source| StoreError::Write { path, source })
    }

    /// Adds the run to the recording, or does what else was [decided](decide).
    ///
    /// What was recorded of a name that is redacted stays redacted: the new run is, too.
    ///
    /// # Errors
    /// If the recording cannot be written. The run then stays where the error says.
    pub fn finish(self, run: Run, keeping: Keeping) -> Result<Stored, StoreError> {
        // First of all the run itself is made safe, so that an error below loses nothing.
        let safe = self.write(&run, Durability::Machine).is_ok();
        match store(&self.names, run, keeping) {
            Ok(stored) => {
                self.remove()?;
                Ok(stored)
            }
            Err(source) if self.names.partial().exists() => {
                let kept = self.names.partial();
                Err(StoreError::Unfinished { whole: safe, kept, source: Box::new(source) })
            }
            Err(source) => Err(source),
        }
    }

    /// Gives up: the checkpoint is removed, and the recording stays as it is.
    ///
    /// # Errors
    /// If the checkpoint cannot be removed.
    pub fn discard(self) -> Result<(), StoreError> {
        self.remove()
    }

    fn remove(&self) -> Result<(), StoreError> {
        remove_file(&self.names.partial())
    }
}

/// Takes in the checkpoint of a run whose tracer was lost: marks it incomplete and adds it to the
/// recording.
///
/// # Errors
/// If there is no checkpoint, its tracer is alive, or a file cannot be read or written. The
/// checkpoint then stays.
pub fn recover(dir: &Path, name: &str) -> Result<Recovered, StoreError> {
    let names = Names::new(dir, name)?;
    // Before the lock is taken, for that writes to the directory.
    fs::read_dir(dir).map_err(|source| StoreError::ReadDir { path: dir.to_owned(), source })?;
    if !names.partial().exists() {
        return Err(StoreError::NothingToRecover { path: names.partial() });
    }
    names.check_are_files()?;
    let _lock = Lock::take(&names)?;
    take_in(&names)
}

/// The names that have a checkpoint in the directory, sorted; those of runs in progress, too.
///
/// # Errors
/// If the directory cannot be read.
pub fn unfinished_names(dir: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |source| StoreError::ReadDir { path: dir.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let file = entry.map_err(failed)?.file_name();
        let name = file.to_str().and_then(|file| file.strip_suffix(Names::PARTIAL));
        names.extend(name.filter(|n| Names::new(dir, n).is_ok()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// A recording of this run alone.
fn alone(names: &Names, run: Run) -> Recording {
    Recording {
        format: Format::Recording,
        version: VERSION,
        name: names.name().to_owned(),
        redacted: false,
        runs: vec![run],
    }
}

fn store(names: &Names, run: Run, keeping: Keeping) -> Result<Stored, StoreError> {
    let path = names.recording();
    let existing = load_if_any(&path)?;
    let decision = decide(existing.as_ref(), &run, keeping);
    let change = existing.as_ref().map(|earlier| Change::between(earlier, &run));
    let redacted = keeping.redact || existing.as_ref().is_some_and(|e| e.redacted);
    let new = alone(names, run);
    let (path, recording) = match (decision, existing) {
        (Decision::Merge, Some(existing)) => {
            let recording = add(&path, existing, new, redacted)?;
            (path, recording)
        }
        (Decision::Beside, _) => (names.incomplete(), redact_if(redacted, new)),
        _ => (path, redact_if(redacted, new)),
    };
    save(&recording, &path)?;
    Ok(Stored { decision, path, recording, change })
}

fn redact_if(redacted: bool, recording: Recording) -> Recording {
    if redacted { redact(recording) } else { recording }
}

fn add(
    path: &Path,
    existing: Recording,
    new: Recording,
    redacted: bool,
) -> Result<Recording, StoreError> {
    merge(redact_if(redacted, existing), redact_if(redacted, new))
        .map_err(|source| StoreError::Merge { path: path.to_owned(), source })
}

/// Takes the checkpoint in. The lock is held.
fn take_in(names: &Names) -> Result<Recovered, StoreError> {
    let partial = names.partial();
    let Some(mut left) = load_if_any(&partial)? else {
        return Err(StoreError::NothingToRecover { path: partial });
    };
    let path = names.recording();
    let existing = load_if_any(&path)?;
    let ended = |id: &str| {
        existing.iter().flat_map(|e| &e.runs).any(|run| run.id == id && run.ending.is_some())
    };
    // A tracer that was lost after it saved the recording, before it removed the checkpoint.
    left.runs.retain(|run| run.ending.is_some() || !ended(&run.id));
    left.runs.iter_mut().for_each(mark_lost);
    let runs = left.runs.iter().map(|run| run.id.clone()).collect();
    let recording = match existing {
        Some(existing) => {
            let redacted = existing.redacted || left.redacted;
            add(&path, existing, left, redacted)?
        }
        None => left,
    };
    save(&recording, &path)?;
    remove_file(&partial)?;
    Ok(Recovered { runs, path, recording })
}

/// Marks a run that has no end. One that has was on its way into the recording, and is what it is.
fn mark_lost(run: &mut Run) {
    if run.ending.is_some() {
        return;
    }
    run.complete = false;
    run.incomplete_because.push(LOST.to_owned());
    run.ending = Some(Ending {
        cause: EndCause::TracerLost,
        status: None,
        by_itself_ms: None,
        requested_by: None,
        stop_signal: None,
        shutdown_ms: None,
    });
    // The program may have gone on after the last checkpoint.
    for syscall in &mut run.syscalls {
        syscall.counted = Counted::AtLeast;
    }
}

/// Moves a checkpoint that cannot be taken in out of the way of the next run, which must not depend
/// on it. Only a checkpoint that was not yet synced when the power failed can be like that.
fn set_aside(names: &Names, why: StoreError) -> Result<Leftover, StoreError> {
    let partial = names.partial();
    let unreadable = matches!(
        &why,
        StoreError::Truncated { path, .. }
            | StoreError::Malformed { path, .. }
            | StoreError::NotARecording { path, .. }
            | StoreError::Version { path, .. } if *path == partial
    );
    if !unreadable {
        return Err(why);
    }
    let path = names.unreadable();
    fs::rename(&partial, &path).map_err(|source| StoreError::Write { path: partial, source })?;
    Ok(Leftover::SetAside { path, why })
}

fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Removes what a tracer left that was killed while it wrote a checkpoint. Nothing depends on it.
fn remove_temporary_files(names: &Names) {
    let prefix = files::temporary_prefix(&names.partial());
    for entry in fs::read_dir(names.dir()).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let ours = |f: &str| f.starts_with(&prefix) && f.ends_with(files::TEMPORARY_SUFFIX);
        if file.to_str().is_some_and(ours) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// An exclusive lock of one name in one directory. Its file is there only while it is held, or
/// after its holder was killed.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _held: Flock<File>,
}

impl Lock {
    fn take(names: &Names) -> Result<Lock, StoreError> {
        let path = names.lock();
        let failed = |source| StoreError::Write { path: names.lock(), source };
        loop {
            // Not truncated: until we have the lock, the file says who has it.
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
                .map_err(failed)?;
            let mut held = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(held) => held,
                Err((file, Errno::EWOULDBLOCK)) => return Err(busy(names, file)),
                Err((_, errno)) => return Err(failed(errno.into())),
            };
            // Its last holder may have removed the file after we opened it; then we hold the lock
            // of nothing, and somebody else may hold that of the new one.
            let ours = held.metadata().map_err(failed)?;
            let there = fs::metadata(&path).ok();
            if there.is_none_or(|there| (there.dev(), there.ino()) != (ours.dev(), ours.ino())) {
                continue;
            }
            held.set_len(0).map_err(failed)?;
            held.write_all(format!("{}\n", std::process::id()).as_bytes()).map_err(failed)?;
            return Ok(Lock { path, _held: held });
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still held: afterwards it could be somebody else's.
        let _ = fs::remove_file(&self.path);
    }
}

fn busy(names: &Names, file: File) -> StoreError {
    let mut text = String::new();
    let _ = file.take(32).read_to_string(&mut text);
    let owner = match text.trim().parse::<u32>() {
        Ok(pid) => format!(" (pid {pid})"),
        Err(_) => String::new(),
    };
    StoreError::Busy { name: names.name().to_owned(), dir: names.dir().to_owned(), owner }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
