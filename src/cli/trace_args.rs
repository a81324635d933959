//! The arguments of `seccomp-gen trace`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::failure;
use super::values::{Format, distinct};
use crate::syscall::signal_from_name;

/// Trace a program from launch to shutdown and write its seccomp profile, its capability report and
/// the evidence for both
///
/// Ctrl-C, SIGTERM, SIGHUP and the end of --for ask the program to stop, and its shutdown is
/// recorded to the end; asked again after a second, it is killed. A process that was attached to
/// is let go instead, and never signalled.
#[derive(Args, Debug)]
#[command(after_help = failure::HELP)]
pub struct TraceArgs {
    /// The program to launch and its arguments
    #[arg(last = true, value_name = "COMMAND", required_unless_present = "pid")]
    pub(super) command: Vec<OsString>,

    /// Attach to this process, its threads and its children; may be given more than once
    #[arg(long, value_name = "PID", conflicts_with = "command",
          value_parser = clap::value_parser!(i32).range(1..))]
    pub(super) pid: Vec<i32>,

    /// Leave out the processes that an attached one has forked already
    #[arg(long, conflicts_with = "command")]
    pub(super) no_tree: bool,

    /// Let an attached process run free for a while, unwatched, whenever the stops cost more than
    /// this share of one core
    #[arg(long, value_name = "PERCENT", conflicts_with = "command", value_parser = percent)]
    pub(super) max_share: Option<f64>,

    /// How syscalls are heard of; adaptive is for a command, not for --pid [default: adaptive]
    #[arg(long, value_enum, overrides_with = "mode", help_heading = "Watching")]
    pub(super) mode: Option<ModeArg>,

    /// In adaptive mode: how much stopped time a phase of the run may cost before what was seen is
    /// let through
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "2s",
          conflicts_with = "pid", help_heading = "Watching")]
    pub(super) settle_after: Duration,

    /// In adaptive mode: after this time under the filter let every call stop again, until that has
    /// cost --settle-after once more; repeatedly
    #[arg(long, value_name = "DURATION", value_parser = time_between_looks, conflicts_with = "pid",
          help_heading = "Watching")]
    pub(super) look_again: Option<Duration>,

    /// Warn, as it happens, of a thread that stood stopped for longer than this
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Watching")]
    pub(super) max_stall: Option<Duration>,

    /// In adaptive mode: let through what the runs of this recording saw as well
    #[arg(long, value_name = "RECORDING", conflicts_with = "pid", help_heading = "Watching")]
    pub(super) prior: Option<PathBuf>,

    /// The directory to write into
    #[arg(short, long, value_name = "DIR", default_value = "profiles", help_heading = "Output")]
    pub(super) output: PathBuf,

    /// The name of the files, if not that of the program
    #[arg(long, help_heading = "Output")]
    pub(super) name: Option<String>,

    /// Keep this run alone, not the earlier ones of the same name
    #[arg(long, help_heading = "Output")]
    pub(super) replace: bool,

    /// Let an incomplete run take the place of complete ones
    #[arg(long, requires = "replace", help_heading = "Output")]
    pub(super) force: bool,

    /// Write nothing but the report
    #[arg(long, conflicts_with_all = ["replace", "force", "redact"], help_heading = "Output")]
    pub(super) no_write: bool,

    /// Take out of the recording what tells of this machine: paths, users, host names
    #[arg(long, help_heading = "Output")]
    pub(super) redact: bool,

    /// Write the report into this file as well; `-` is standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) report: Option<PathBuf>,

    /// How to write the report
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub(super) format: Format,

    /// No progress and no report on standard error, only errors and warnings
    #[arg(short, long, help_heading = "Output")]
    pub(super) quiet: bool,

    /// Tell all that `doctor` finds, not only what is not fine
    #[arg(short, long, conflicts_with = "quiet", help_heading = "Output")]
    pub(super) verbose: bool,

    /// Stop by itself after this time: `40s`, `5m`, `1h30m`
    #[arg(long = "for", value_name = "DURATION", value_parser = time_to_run, help_heading = "Stopping")]
    pub(super) for_: Option<Duration>,

    /// The signal that asks the program to stop [default: TERM, or the INT or HUP that we got]
    #[arg(long, value_name = "SIGNAL", value_parser = signal, conflicts_with = "pid",
          help_heading = "Stopping")]
    pub(super) stop_signal: Option<i32>,

    /// Kill the program if it takes longer than this to stop
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "pid",
          help_heading = "Stopping")]
    pub(super) stop_timeout: Option<Duration>,

    /// Exit with the program's own status (128 + its number for a signal) when all went well
    #[arg(long, conflicts_with = "pid", help_heading = "Stopping")]
    pub(super) pass_exit_status: bool,
}

impl TraceArgs {
    /// The processes to attach to, each once.
    pub(super) fn pids(&self) -> Vec<i32> {
        distinct(&self.pid)
    }

    /// Whether standard error is for people, who like to see what goes on: a program that reads
    /// JSON from it could not make anything of that.
    pub(super) fn chats(&self) -> bool {
        !self.quiet && self.format == Format::Text
    }

    /// The file that the report is written to as well.
    pub(super) fn report_file(&self) -> Option<&Path> {
        self.report.as_deref().filter(|path| *path != Path::new("-"))
    }
}

/// How syscalls are heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ModeArg {
    /// Each one stops until that has cost too much, then news only: native speed
    Adaptive,
    /// Each one stops, from the first to the last: exact counts and all results
    Full,
}

fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let longest = Duration::from_secs(10 * 366 * 24 * 3600);
    match humantime::parse_duration(text) {
        Ok(time) if time <= longest => Ok(time),
        Ok(_) => Err("longer than ten years".to_owned()),
        Err(e) => Err(format!("{e}; write `40s`, `5m` or `1h30m`")),
    }
}

/// How long a program is to run: not so short that it would be killed before it is there.
fn time_to_run(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        time if time < Duration::from_millis(1) => {
            Err("the program would be stopped before it starts; give it 1ms or more".to_owned())
        }
        time => Ok(time),
    }
}

/// Each look interrupts every thread: a receive with a time-out that is interrupted starts anew, and
/// must come to its end in between.
fn time_between_looks(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        time if time < Duration::from_millis(100) => {
            Err("the program would hardly get on in between; give it 100ms or more".to_owned())
        }
        time => Ok(time),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 100.0 => Ok(share / 100.0),
        _ => Err("expected a number above 0 and up to 100".to_owned()),
    }
}

fn signal(text: &str) -> Result<i32, String> {
    let number = signal_from_name(text).ok_or("no such signal; write `TERM`, `INT` or a number")?;
    match number {
        libc::SIGKILL | libc::SIGSTOP => {
            Err("no program can shut down in order on that; see --stop-timeout".to_owned())
        }
        number => Ok(number),
    }
}
