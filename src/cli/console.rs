//! What the user sees while a run goes on, and the checkpoints that are made meanwhile.

use std::fs::Metadata;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::inspector::Inspector;
use super::trace_args::TraceArgs;
use super::values::Format;
use crate::recording::{Checkpoint, Durability, Run};
use crate::report::progress::{Kind, LastNew, Progress, Status};
use crate::tracer::{Live, Observer, Stage};

/// Writes to stderr; a closed one is no reason to stop tracing, as `eprint!` would.
pub fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Follows a run: shows its progress and writes its checkpoints.
pub struct Console<'a> {
    progress: Progress,
    inspector: &'a Inspector,
    checkpoint: Option<&'a Checkpoint>,
    complained: bool,
    /// Warnings that wait for the end; none do where people read.
    kept_back: Option<Vec<String>>,
    launched: bool,
    chats: bool,
}

impl<'a> Console<'a> {
    /// Without a checkpoint nothing is written.
    pub fn new(
        args: &TraceArgs,
        inspector: &'a Inspector,
        checkpoint: Option<&'a Checkpoint>,
    ) -> Console<'a> {
        // What we launch has our stderr.
        let attached = args.pids();
        let launched = attached.is_empty();
        let kind = match std::io::stderr().is_terminal() {
            _ if !args.chats() => Kind::Quiet,
            true if launched || attached.iter().any(|pid| has_our_terminal(*pid)) => {
                Kind::SharedTerminal
            }
            true => Kind::OwnTerminal,
            false => Kind::Lines,
        };
        Console {
            progress: Progress::new(kind),
            inspector,
            checkpoint,
            complained: false,
            kept_back: (args.format == Format::Json).then(Vec::new),
            launched,
            chats: args.chats(),
        }
    }

    /// Leaves a clean line; returns the warnings that have not been told.
    pub fn finish(&mut self) -> Vec<String> {
        self.progress.finish();
        self.kept_back.take().unwrap_or_default()
    }
}

impl Observer for Console<'_> {
    fn tick(&mut self, live: &Live, elapsed: Duration) {
        // They are in the report as well, so nothing is lost where nobody reads.
        for warning in live.take_told().into_iter().filter(|_| self.chats) {
            self.progress.say(&format!("warning: {warning}"));
        }
        let stage = live.stage();
        let may_kill = stage == Stage::ShuttingDown && self.launched;
        let note = may_kill.then(|| "asked to stop; ask again to kill it".to_owned());
        self.progress.update(&Status {
            elapsed,
            processes: live.processes(),
            threads: live.threads(),
            stops: live.stops(),
            distinct: live.syscalls(),
            last_new: live.last_new().map(|(name, at)| LastNew { name, ago: at.elapsed() }),
            stage: match stage {
                Stage::Watching => None,
                Stage::RunningFree => Some("running free"),
                Stage::ShuttingDown => Some("shutdown"),
            },
            note,
        });
    }

    fn checkpoint(&mut self, mut run: Run) {
        let Some(checkpoint) = self.checkpoint else { return };
        self.inspector.add_to(&mut run);
        match checkpoint.write(&run, Durability::Process) {
            Ok(()) => self.complained = false,
            Err(error) if !self.complained => {
                self.complained = true;
                let warning = format!("no checkpoint could be written: {error}");
                match &mut self.kept_back {
                    Some(kept_back) => kept_back.push(warning),
                    None => self.progress.say(&format!("warning: {warning}")),
                }
            }
            Err(_) => {}
        }
    }
}

/// Whether one of the standard streams of a process is the terminal that our stderr is. What cannot
/// be seen is taken for it: a status line must not wipe out what others write.
fn has_our_terminal(pid: i32) -> bool {
    let stream = |pid: &str, fd: i32| std::fs::metadata(format!("/proc/{pid}/fd/{fd}"));
    let device = |file: Metadata| file.rdev();
    let Ok(ours) = stream("self", 2).map(device) else { return true };
    let mut its = (0..=2).map(|fd| stream(&pid.to_string(), fd).map(device));
    its.any(|its| match its {
        Ok(its) => its == ours,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    })
}
