//! What is seen of a run while it goes on, on stderr.
//!
//! The traced program may write to the same terminal, and when it does, or whether it has ended its
//! line, cannot be known. A line that is drawn again and again would wipe out what the program left
//! unfinished, its prompt for a password, say. So that is for a terminal which is ours alone. On one
//! that is shared there is a line from time to time, which begins a new line of the screen by itself
//! where the program has not, and wipes out nothing; and none while the program has taken the
//! terminal for itself: does not let it echo (a password), or reads it key by key (an editor, a
//! shell). In the background of a shell's jobs there is neither: the terminal is another's.
//!
//! Nothing here ever fails: stderr may be a pipe whose reader has gone, and the run matters more.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nix::sys::termios::{LocalFlags, tcgetattr};

use super::human;
use super::layout::printable;

/// The shortest time between two redraws.
const REDRAW: Duration = Duration::from_secs(1);
/// When the first of several lines is printed: a run that is over by then needs none.
const FIRST_LINE: Duration = Duration::from_secs(1);
/// What is added to that line.
const HINT: &str = "(Ctrl-C or SIGTERM ends the trace in order)";

/// How long it takes from one line to the next: a run of days must not fill its log with them.
fn until_next(elapsed: Duration) -> Duration {
    Duration::from_secs(if elapsed < Duration::from_secs(60) { 10 } else { 60 })
}

/// What progress looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One line that is drawn again and again, on a terminal that nobody else writes to.
    OwnTerminal,
    /// A line from time to time, on a terminal that the program writes to as well.
    SharedTerminal,
    /// A line from time to time, into a file or a pipe.
    Lines,
    /// Nothing at all.
    Quiet,
}

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Since its start.
    pub elapsed: Duration,
    /// Living processes.
    pub processes: usize,
    /// Living threads.
    pub threads: usize,
    /// How often a thread stood stopped.
    pub stops: u64,
    /// How many distinct syscalls were seen.
    pub distinct: usize,
    /// The newest of them.
    pub last_new: Option<LastNew>,
    /// What is going on, unless it is what most of a run is: `shutdown`.
    pub stage: Option<&'static str>,
    /// What the user should know now: `SIGTERM sent, Ctrl-C again to kill`.
    pub note: Option<String>,
}

/// The newest syscall of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastNew {
    /// Its name.
    pub name: String,
    /// How long ago it was first called.
    pub ago: Duration,
}

/// The line: `12m30s  41 processes, 310 threads  1,204,233 stops  71 syscalls  last new: fdatasync,
/// 41m00s ago`. Stage and note come right after the time, so that a narrow terminal does not cut
/// them off.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", human::elapsed(self.elapsed))?;
        for text in self.stage.into_iter().chain(self.note.as_deref()) {
            write!(f, "  {}", printable(text))?;
        }
        write!(
            f,
            "  {}, {}  {}  {}",
            human::counted(self.processes as u64, "process", "processes"),
            human::counted(self.threads as u64, "thread", "threads"),
            human::counted(self.stops, "stop", "stops"),
            human::counted(self.distinct as u64, "syscall", "syscalls"),
        )?;
        match &self.last_new {
            Some(LastNew { name, ago }) => {
                write!(f, "  last new: {}, {} ago", printable(name), human::elapsed(*ago))
            }
            None => Ok(()),
        }
    }
}

/// The progress of a run.
pub struct Progress {
    shown: Shown,
}

enum Shown {
    Bar { bar: ProgressBar, drawn: Option<Instant>, last: Status, may_write: fn() -> bool },
    Lines { page: Page, next: Duration, hinted: bool, note: Option<String> },
    Nothing { page: Page },
}

/// Where lines are written to.
struct Page {
    to: Box<dyn Write + Send>,
    terminal: Option<Terminal>,
}

/// A terminal that is not ours alone.
#[derive(Clone, Copy)]
struct Terminal {
    /// How many columns it has now; 0 if that is not known.
    columns: fn() -> usize,
    /// Whether it is for us to write to now.
    may_write: fn() -> bool,
    /// The mode that it is in now, and the one that it was in at the start.
    mode: fn() -> Option<LocalFlags>,
    mode_at_start: Option<LocalFlags>,
}

impl Progress {
    /// Progress on stderr. [`Kind::OwnTerminal`] is lines as on a shared one where the terminal
    /// cannot go back in a line: `TERM` is not set, or `dumb`.
    pub fn new(kind: Kind) -> Progress {
        // 5 a second is the limit of the draw target's own, which allows bursts; ours does not.
        let target = ProgressDrawTarget::stderr_with_hz(5);
        let kind = match kind {
            Kind::OwnTerminal if target.is_hidden() => Kind::SharedTerminal,
            kind => kind,
        };
        let terminal = Terminal {
            columns: stderr_columns,
            may_write: stderr_is_ours,
            mode: stderr_mode,
            mode_at_start: stderr_mode(),
        };
        Progress::on(kind, target, Box::new(io::stderr()), terminal)
    }

    fn on(
        kind: Kind,
        target: ProgressDrawTarget,
        to: Box<dyn Write + Send>,
        terminal: Terminal,
    ) -> Progress {
        let lines = |page| Shown::Lines { page, next: FIRST_LINE, hinted: false, note: None };
        let shown = match kind {
            Kind::OwnTerminal => {
                let bar = ProgressBar::with_draw_target(None, target);
                // A template of ours that is wrong would be seen in every test below.
                if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                    bar.set_style(style);
                }
                let may_write = terminal.may_write;
                Shown::Bar { bar, drawn: None, last: Status::default(), may_write }
            }
            Kind::SharedTerminal => lines(Page { to, terminal: Some(terminal) }),
            Kind::Lines => lines(Page { to, terminal: None }),
            Kind::Quiet => Shown::Nothing { page: Page { to, terminal: None } },
        };
        Progress { shown }
    }

    /// Tells where the run stands. Cheap enough to be called several times a second.
    pub fn update(&mut self, status: &Status) {
        match &mut self.shown {
            Shown::Bar { bar, drawn, last, may_write } => {
                let now = Instant::now();
                // Whoever pressed Ctrl-C wants to see at once that it was heard.
                let is_news = (&last.stage, &last.note) != (&status.stage, &status.note);
                if !is_news && drawn.is_some_and(|last| now.duration_since(last) < REDRAW) {
                    return;
                }
                *drawn = Some(now);
                if last != status && may_write() {
                    bar.set_message(status.to_string());
                    last.clone_from(status);
                }
            }
            Shown::Lines { page, next, hinted, note } => {
                let is_news = status.note.is_some() && *note != status.note;
                if (status.elapsed < *next && !is_news) || page.is_taken() {
                    return;
                }
                note.clone_from(&status.note);
                *next = status.elapsed + until_next(status.elapsed);
                let mut line = status.to_string();
                if !std::mem::replace(hinted, true) && !is_news {
                    line = format!("{line}  {HINT}");
                }
                page.line(&line);
            }
            Shown::Nothing { .. } => {}
        }
    }

    /// Writes a line of its own that stays, above the status line if there is one; also if quiet,
    /// for whoever calls this has something to say. Control characters are the caller's business.
    pub fn say(&mut self, line: &str) {
        match &mut self.shown {
            Shown::Bar { bar, .. } if !bar.is_hidden() => bar.println(line),
            // What indicatif draws nothing to is no terminal, but may well be a file.
            Shown::Bar { .. } => Page { to: Box::new(io::stderr()), terminal: None }.line(line),
            Shown::Lines { page, .. } | Shown::Nothing { page } => page.line(line),
        }
    }

    /// Takes the status line away and leaves the cursor at the beginning of a line.
    pub fn finish(&mut self) {
        match &mut self.shown {
            Shown::Bar { bar, may_write, .. } => {
                if !may_write() {
                    bar.set_draw_target(ProgressDrawTarget::hidden());
                }
                bar.finish_and_clear();
            }
            Shown::Lines { page, .. } => page.write(&page.new_line()),
            Shown::Nothing { .. } => {}
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.shown {
            Shown::Bar { .. } => "Progress(bar)",
            Shown::Lines { .. } => "Progress(lines)",
            Shown::Nothing { .. } => "Progress(nothing)",
        })
    }
}

impl Page {
    /// Whether it is a terminal that is in another's hands now.
    fn is_taken(&self) -> bool {
        let taken = |t: &Terminal| !(t.may_write)() || (t.mode)() != t.mode_at_start;
        self.terminal.as_ref().is_some_and(taken)
    }

    /// Writes a line in one piece, so that it is not mixed with the traced program's.
    fn line(&mut self, line: &str) {
        // A program may have taken from the newline that it returns the carriage.
        let end = if self.terminal.is_some() { "\r\n" } else { "\n" };
        self.write(&format!("{}{line}{end}", self.new_line()));
    }

    /// What brings the cursor of a terminal to the beginning of a line, the same if it is there
    /// already: as many blanks as a line is wide end in the next line, unless they began at the
    /// beginning of this one, for a cursor at the right edge stays there until something more comes
    /// (the shell zsh begins its prompt so).
    fn new_line(&self) -> String {
        match self.terminal {
            Some(terminal) if (terminal.may_write)() => match (terminal.columns)() {
                // A serial console, a pty of expect(1). An empty line too many is better than a
                // prompt that is written over.
                0 => "\r\n".to_owned(),
                columns => format!("{:columns$}\r", ""),
            },
            _ => String::new(),
        }
    }

    fn write(&mut self, text: &str) {
        let _ = self.to.write_all(text.as_bytes());
        let _ = self.to.flush();
    }
}

/// Whether the terminal that stderr is, if it is one, is for us to write to: not while our process
/// group is in the background.
fn stderr_is_ours() -> bool {
    match nix::unistd::tcgetpgrp(io::stderr()) {
        Ok(group) => group == nix::unistd::getpgrp(),
        // No terminal, or not the one that controls us: nobody else has jobs on it.
        Err(_) => true,
    }
}

fn stderr_columns() -> usize {
    terminal_size::terminal_size_of(io::stderr()).map_or(0, |(width, _)| width.0.into())
}

/// Whether the terminal echoes, and gives whole lines to who reads from it.
fn stderr_mode() -> Option<LocalFlags> {
    let of_reader = LocalFlags::ECHO | LocalFlags::ICANON;
    tcgetattr(io::stderr()).ok().map(|mode| mode.local_flags & of_reader)
}
