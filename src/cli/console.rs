//! What the user sees while a run goes on, and the checkpoints that are made meanwhile.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use super::inspector::Inspector;
use crate::recording::{Checkpoint, Durability, Run};
use crate::report::progress::{Kind, LastNew, Progress, Status};
use crate::tracer::{Live, Observer};

/// How often a line is printed where stderr is no terminal.
const LINES_EVERY: Duration = Duration::from_secs(10);

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
    launched: bool,
}

impl<'a> Console<'a> {
    /// Without a checkpoint nothing is written.
    pub fn new(
        quiet: bool,
        launched: bool,
        inspector: &'a Inspector,
        checkpoint: Option<&'a Checkpoint>,
    ) -> Console<'a> {
        let kind = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Kind::Quiet,
            (false, true) => Kind::Terminal,
            (false, false) => Kind::Lines { every: LINES_EVERY },
        };
        Console {
            progress: Progress::new(kind),
            inspector,
            checkpoint,
            complained: false,
            launched,
        }
    }

    /// Leaves a clean line.
    pub fn finish(&mut self) {
        self.progress.finish();
    }
}

impl Observer for Console<'_> {
    fn tick(&mut self, live: &Live, elapsed: Duration) {
        let stopping = live.phase() == "shutdown";
        let note =
            (stopping && self.launched).then(|| "asked to stop; ask again to kill it".to_owned());
        self.progress.update(&Status {
            elapsed,
            processes: live.processes(),
            threads: live.threads(),
            stops: live.stops(),
            distinct: live.syscalls(),
            last_new: live.last_new().map(|(name, at)| LastNew { name, ago: at.elapsed() }),
            phase: live.phase().to_owned(),
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
                self.progress.say(&format!("warning: no checkpoint could be written: {error}"));
            }
            Err(_) => {}
        }
    }
}
