//! `seccomp-gen trace`: runs a program, or attaches to one, and writes what it called.

use std::time::Duration;

use anyhow::anyhow;

use super::conclude::{conclude, no_report};
use super::console::{Console, say};
use super::doctor;
use super::failure::{self, Failure};
use super::inspector::Inspector;
use super::plan::{Plan, blank_run};
use super::trace_args::TraceArgs;
use super::values::Format;
use crate::proc::doctor::{AttachTarget, Wish, is_possible, obstacle};
use crate::ptrace::{self, Inherited, SignalPort};
use crate::recording::{Checkpoint, Durability, Leftover, Names, check_writable};
use crate::report::{Color, Style};
use crate::tracer::{self, Session, StopPolicy, TraceError};

/// How often a checkpoint is made: what a `kill -9` of the tracer loses at most.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(3);

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
    let plan = Plan::of(args, inherited)?;
    let choice = plan.choice;
    check_report_path(args, &plan.name)?;
    examine(args, style)?;

    let checkpoint = match args.no_write {
        true => None,
        false => {
            let checkpoint = Checkpoint::open(&args.output, &plan.name).map_err(Failure::store)?;
            Some(checkpoint.redacting(args.redact))
        }
    };
    // Where people read, they are told at once; a program is with its report.
    let mut warnings = Vec::new();
    if let Some(leftover) = checkpoint.as_ref().and_then(Checkpoint::leftover) {
        let told = tell_leftover(leftover);
        match args.format {
            Format::Text => say(&format!("{told}\n")),
            Format::Json => warnings.push(told),
        }
    }
    if !args.pid.is_empty() && args.chats() && args.max_share.is_none() {
        say("attaching: every syscall will stop twice, at some 15 us or more each time; for a \
             busy process see --max-share\n");
    }
    if args.verbose && args.chats() {
        say(&format!("{}\n", choice.told()));
    }
    let session = Session {
        target: plan.target,
        stop: StopPolicy { signal: args.stop_signal, timeout: args.stop_timeout, after: args.for_ },
        checkpoint_every: CHECKPOINT_EVERY,
        max_stall: args.max_stall,
        pass_signals: std::process::id() == 1,
    };
    let (mut inspector, files) = Inspector::start(plan.program).map_err(Failure::ours)?;
    let mut console = Console::new(args, &inspector, checkpoint.as_ref());
    let blank = blank_run(args, choice).map_err(Failure::ours)?;
    // The first checkpoint is there before the program's first instruction; where it cannot be
    // written, the recording could not be either, so nothing is started for it.
    if let Some(checkpoint) = &checkpoint {
        checkpoint.write(&blank, Durability::Machine).map_err(Failure::ours)?;
    }
    let result = tracer::run(&session, blank, port, inherited.ignored, &mut console, files);
    warnings.extend(console.finish());
    inspector.finish();
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(error) => return Err(give_up(&error, checkpoint)),
    };
    conclude(args, color, &plan.name, outcome, &inspector, checkpoint, warnings)
}

/// The checks of `doctor`: prints what is not fine, and stops at what is refused.
fn examine(args: &TraceArgs, style: Style) -> Result<(), Failure> {
    let pids = args.pids();
    let wish = match pids.as_slice() {
        [] => Wish::Launch,
        pids => Wish::Attach(pids.iter().map(|pid| AttachTarget::gather(*pid)).collect()),
    };
    let checks = doctor::examine(&wish, ptrace::self_test);
    let possible = is_possible(&checks);
    if args.verbose && args.chats() {
        say(&doctor::render(&checks, style));
    } else if args.chats() || !possible {
        say(&doctor::render_unless_fine(&checks, style));
    }
    if possible {
        return Ok(());
    }
    Err(Failure::new(
        failure::NOT_PERMITTED,
        anyhow!("tracing is not possible here; the lines marked REFUSED say why and what to do"),
    ))
}

/// The end of a long run is no time to learn that its report has no place to go, or that it has
/// taken the place of what was recorded.
fn check_report_path(args: &TraceArgs, name: &str) -> Result<(), Failure> {
    let Some(path) = args.report_file() else { return Ok(()) };
    let refused = |why: String| Failure::new(failure::USAGE, anyhow!("--report: {why}"));
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    if let Some(dir) = parent.filter(|dir| !dir.is_dir()) {
        return Err(refused(format!("there is no directory {}; make it first", dir.display())));
    }
    let names = Names::new(&args.output, name).map_err(Failure::store)?;
    if names.own(path) {
        return Err(refused(format!(
            "{} is one of the files of `{name}` in {}, which the report would overwrite; give \
             another one",
            path.display(),
            args.output.display()
        )));
    }
    check_writable(path).map_err(|error| Failure::new(failure::USAGE, no_report(error)))
}

/// The run could not begin, in which case nothing is left of it, or broke off, in which case its
/// last checkpoint stays.
fn give_up(error: &TraceError, checkpoint: Option<Checkpoint>) -> Failure {
    let (code, hint) = match error {
        TraceError::MayNotAttach { pid, .. } => {
            let why = obstacle(*pid).unwrap_or_else(|| {
                "neither its user, its capabilities nor another tracer is why, so a security \
                 module may be (SELinux, AppArmor, a BPF program)"
                    .to_owned()
            });
            (failure::NOT_PERMITTED, format!("; {why}"))
        }
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
             incomplete",
            recovered.path.display()
        ),
        Leftover::SetAside { path, why } => format!(
            "an earlier trace left a checkpoint that cannot be read ({why}); it is now {}",
            path.display()
        ),
    }
}
