//! What is seen of a run while it goes on, on stderr.
//!
//! The traced program writes to the same terminal, and when it does cannot be known. So there is
//! one line and no more: `indicatif` leaves the cursor at its right edge, where the program's next
//! output begins a line of its own, and the next redraw takes the line that the cursor is in. What
//! can be lost is an unfinished line of the program's (a prompt) that a redraw wipes out. Each
//! redraw after output of the program's leaves the line before it behind, which is why there is one
//! a second at most. In the background of a shell's jobs there is none: the terminal is another's.
//!
//! Nothing here ever fails: stderr may be a pipe whose reader has gone, and the run matters more.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::human;
use super::layout::printable;

/// The shortest time between two redraws.
const REDRAW: Duration = Duration::from_secs(1);
/// When the first line is printed where there is no terminal: a run that is over by then needs none.
const FIRST_LINE: Duration = Duration::from_secs(1);
/// What is added to that line.
const HINT: &str = "(Ctrl-C or SIGTERM ends the trace in order)";

/// What progress looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One line that is drawn again and again.
    Terminal,
    /// A line from time to time.
    Lines {
        /// How often.
        every: Duration,
    },
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
    /// The phase that the run is in; empty for none. `run`, in which most of it is, goes unsaid.
    pub phase: String,
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

/// The line: `12m30s  41 processes, 310 threads  1,204,233 stops  71 syscalls  last new: fdatasync
/// 41 min ago`. Phase and note come right after the time, so that a narrow terminal does not cut
/// them off.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", human::elapsed(self.elapsed))?;
        if !matches!(self.phase.as_str(), "" | "run") {
            write!(f, "  {}", printable(&self.phase))?;
        }
        if let Some(note) = &self.note {
            write!(f, "  {}", printable(note))?;
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
            Some(new) => {
                write!(f, "  last new: {} {}", printable(&new.name), human::ago(new.ago))
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
    Bar {
        bar: ProgressBar,
        drawn: Option<Instant>,
        text: String,
        news: (String, Option<String>),
        foreground: fn() -> bool,
    },
    Lines {
        to: Box<dyn Write + Send>,
        every: Duration,
        next: Duration,
        hinted: bool,
    },
    Nothing {
        to: Box<dyn Write + Send>,
    },
}

impl Progress {
    /// Progress on stderr. [`Kind::Terminal`] shows nothing where stderr is no terminal.
    pub fn new(kind: Kind) -> Progress {
        // 5 a second is the limit of the draw target's own, which allows bursts; ours does not.
        let target = ProgressDrawTarget::stderr_with_hz(5);
        Progress::on(kind, target, Box::new(io::stderr()), stderr_is_ours)
    }

    fn on(
        kind: Kind,
        target: ProgressDrawTarget,
        to: Box<dyn Write + Send>,
        foreground: fn() -> bool,
    ) -> Progress {
        let shown = match kind {
            Kind::Terminal => {
                let bar = ProgressBar::with_draw_target(None, target);
                // A template of ours that is wrong would be seen in every test below.
                if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                    bar.set_style(style);
                }
                Shown::Bar {
                    bar,
                    drawn: None,
                    text: String::new(),
                    news: Default::default(),
                    foreground,
                }
            }
            Kind::Lines { every } => {
                Shown::Lines { to, every, next: FIRST_LINE.min(every), hinted: false }
            }
            Kind::Quiet => Shown::Nothing { to },
        };
        Progress { shown }
    }

    /// Tells where the run stands. Cheap enough to be called several times a second.
    pub fn update(&mut self, status: &Status) {
        match &mut self.shown {
            Shown::Bar { bar, drawn, text, news, foreground } => {
                let now = Instant::now();
                // Whoever pressed Ctrl-C wants to see at once that it was heard.
                let is_news = news.0 != status.phase || news.1 != status.note;
                if !is_news && drawn.is_some_and(|last| now.duration_since(last) < REDRAW) {
                    return;
                }
                *drawn = Some(now);
                *news = (status.phase.clone(), status.note.clone());
                let new = status.to_string();
                if *text != new && foreground() {
                    bar.set_message(new.clone());
                    *text = new;
                }
            }
            Shown::Lines { next, .. } if status.elapsed < *next => {}
            Shown::Lines { .. } => self.show(status),
            Shown::Nothing { .. } => {}
        }
    }

    /// Tells it at once: the phase changed, or somebody asked.
    pub fn show(&mut self, status: &Status) {
        match &mut self.shown {
            Shown::Bar { drawn, .. } => {
                *drawn = None;
                self.update(status);
            }
            Shown::Lines { to, every, next, hinted } => {
                *next = status.elapsed + *every;
                let mut line = status.to_string();
                if !std::mem::replace(hinted, true) {
                    line = format!("{line}  {HINT}");
                }
                write_line(to, &line);
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
            Shown::Bar { .. } => write_line(&mut io::stderr(), line),
            Shown::Lines { to, .. } | Shown::Nothing { to } => write_line(to, line),
        }
    }

    /// Takes the status line away and leaves the cursor at the beginning of an empty line.
    pub fn finish(&mut self) {
        if let Shown::Bar { bar, foreground, .. } = &self.shown {
            if !foreground() {
                bar.set_draw_target(ProgressDrawTarget::hidden());
            }
            bar.finish_and_clear();
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

/// Whether the terminal that stderr is, if it is one, is for us to write to: not while our process
/// group is in the background.
fn stderr_is_ours() -> bool {
    match nix::unistd::tcgetpgrp(io::stderr()) {
        Ok(group) => group == nix::unistd::getpgrp(),
        // No terminal, or not the one that controls us: nobody else has jobs on it.
        Err(_) => true,
    }
}

/// Writes a line in one piece, so that it is not mixed with the traced program's.
fn write_line(to: &mut dyn Write, line: &str) {
    let _ = to.write_all(format!("{line}\n").as_bytes());
    let _ = to.flush();
}
