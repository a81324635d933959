//! `seccomp-gen trace`: runs a program, or attaches to one, and writes what it called.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use super::conclude::conclude;
use super::console::{Console, say};
use super::doctor;
use super::failure::{self, Failure};
use super::inspector::Inspector;
use super::plan::{Plan, blank_run};
use crate::proc::doctor::{AttachTarget, Wish, is_possible};
use crate::ptrace::{self, Inherited, SignalPort};
use crate::recording::{Checkpoint, Durability, Leftover, StoreError};
use crate::report::{Color, Style};
use crate::syscall::signal_from_name;
use crate::tracer::{self, Session, StopPolicy, TraceError};

/// How often a checkpoint is made: what a `kill -9` of the tracer loses at most.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(3);

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
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, help_heading = "Stopping")]
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

/// How to write the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    humantime::parse_duration(text).map_err(|e| format!("{e}; write `40s`, `5m` or `1h30m`"))
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

/// Traces, writes and reports; the exit code.
///
/// # Errors
/// See [`failure::HELP`].
pub fn run(
    args: &TraceArgs,
    color: Color,
    style: Style,
    port: &SignalPort,
    inherited: Inherited,
) -> Result<u8, Failure> {
    check_report_path(args)?;
    let plan = Plan::of(args, inherited)?;
    examine(args, style)?;

    let checkpoint = match args.no_write {
        true => None,
        false => Some(Checkpoint::open(&args.output, &plan.name).map_err(cannot_keep)?),
    };
    if let Some(leftover) = checkpoint.as_ref().and_then(Checkpoint::leftover) {
        say(&tell_leftover(leftover));
    }
    if !args.pid.is_empty() && !args.quiet && args.max_share.is_none() {
        say("attaching: every syscall will stop twice, at some 15 us or more each time; for a \
             busy process see --max-share\n");
    }
    let session = Session {
        target: plan.target,
        stop: StopPolicy { signal: args.stop_signal, timeout: args.stop_timeout, after: args.for_ },
        checkpoint_every: CHECKPOINT_EVERY,
        pass_signals: std::process::id() == 1,
    };
    let (mut inspector, files) = Inspector::start(plan.program).map_err(Failure::ours)?;
    let mut console =
        Console::new(args.quiet, args.pid.is_empty(), &inspector, checkpoint.as_ref());
    let blank = blank_run(args).map_err(Failure::ours)?;
    // The first checkpoint is there before the program's first instruction; where it cannot be
    // written, the recording could not be either, so nothing is started for it.
    if let Some(checkpoint) = &checkpoint {
        checkpoint.write(&blank, Durability::Machine).map_err(Failure::ours)?;
    }
    let result = tracer::run(&session, blank, port, inherited.ignored, &mut console, files);
    console.finish();
    inspector.finish();
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(error) => return Err(give_up(&error, checkpoint)),
    };
    conclude(args, color, style, &plan.name, outcome, &inspector, checkpoint)
}

/// The checks of `doctor`: prints what is not fine, and stops at what is refused.
fn examine(args: &TraceArgs, style: Style) -> Result<(), Failure> {
    let wish = match args.pid.as_slice() {
        [] => Wish::Launch,
        pids => Wish::Attach(pids.iter().map(|pid| AttachTarget::gather(*pid)).collect()),
    };
    let checks = doctor::examine(&wish, ptrace::self_test);
    let colour = style != Style::PLAIN;
    if args.verbose {
        say(&doctor::render(&checks, colour));
    } else if !args.quiet || !is_possible(&checks) {
        say(&doctor::render_unless_fine(&checks, colour));
    }
    if is_possible(&checks) {
        return Ok(());
    }
    Err(Failure::new(
        failure::NOT_PERMITTED,
        anyhow!("tracing is not possible here; the lines marked REFUSED say why and what to do"),
    ))
}

fn cannot_keep(error: StoreError) -> Failure {
    let code = match error {
        StoreError::Name(_) => failure::USAGE,
        _ => failure::OURS,
    };
    Failure::new(code, error)
}

/// The end of a long run is no time to learn that its report has no place to go.
fn check_report_path(args: &TraceArgs) -> Result<(), Failure> {
    let parent = args.report.as_deref().and_then(Path::parent);
    match parent.filter(|dir| !dir.as_os_str().is_empty() && !dir.is_dir()) {
        None => Ok(()),
        Some(dir) => Err(Failure::new(
            failure::USAGE,
            anyhow!("--report: there is no directory {}; make it first", dir.display()),
        )),
    }
}

/// The run could not begin, in which case nothing is left of it, or broke off, in which case its
/// last checkpoint stays.
fn give_up(error: &TraceError, checkpoint: Option<Checkpoint>) -> Failure {
    let (code, hint) = match error {
        TraceError::MayNotAttach { .. } => (
            failure::NOT_PERMITTED,
            "; is it another user's, or under another tracer? `seccomp-gen doctor --pid PID` \
             tells what is needed"
                .to_owned(),
        ),
        TraceError::NoSuchProcess(_) | TraceError::SeizeChild(_) => {
            (failure::NOT_PERMITTED, String::new())
        }
        TraceError::Wait(_) => {
            let kept = checkpoint.map(|c| c.names().partial().display().to_string());
            let hint = kept.map(|path| {
                format!("; what was recorded is in {path}: `seccomp-gen recover` takes it in")
            });
            return Failure::new(failure::OURS, anyhow!("{error}{}", hint.unwrap_or_default()));
        }
        TraceError::Fork(_) | TraceError::Bell(_) | TraceError::Thread(_) => {
            (failure::OURS, String::new())
        }
    };
    if let Some(Err(left)) = checkpoint.map(Checkpoint::discard) {
        say(&format!("warning: {left}\n"));
    }
    Failure::new(code, anyhow!("{error}{hint}"))
}

fn tell_leftover(leftover: &Leftover) -> String {
    match leftover {
        Leftover::Recovered(recovered) => format!(
            "an earlier trace lost its tracer; what it had recorded is now part of {}, marked \
             incomplete\n",
            recovered.path.display()
        ),
        Leftover::SetAside { path, why } => format!(
            "an earlier trace left a checkpoint that cannot be read ({why}); it is now {}\n",
            path.display()
        ),
    }
}
