//! The end of a trace: the run is stored, what follows from it is written, and the user is told.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, anyhow};

use super::console::say;
use super::failure::{self, Failure};
use super::inspector::Inspector;
use super::outputs::{self, Outputs};
use super::plan::not_started;
use super::summarize::summarize;
use super::trace_args::TraceArgs;
use super::values::Format;
use crate::recording::{Checkpoint, ExitStatus, Keeping, Run, StoreError, Stored, write_whole};
use crate::report::summary::WrittenFile;
use crate::report::{Color, Style, Summary};
use crate::syscall::signal_from_name;
use crate::tracer::Outcome;

/// Stores the run, writes what follows from it, and reports. `warnings` are those that the user has
/// not been told yet.
pub fn conclude(
    args: &TraceArgs,
    color: Color,
    name: &str,
    outcome: Outcome,
    inspector: &Inspector,
    checkpoint: Option<Checkpoint>,
    warnings: Vec<String>,
) -> Result<u8, Failure> {
    if let Some(errno) = outcome.not_started {
        if let Some(checkpoint) = checkpoint {
            checkpoint.discard().map_err(Failure::ours)?;
        }
        return Err(not_started(&args.command[0], errno));
    }
    let mut run = outcome.run;
    inspector.add_to(&mut run);
    let code = exit_code(args, &run);
    let mut written = Outputs::default();
    let mut stored: Option<Stored> = None;
    if let Some(checkpoint) = checkpoint {
        let names = checkpoint.names().clone();
        let keeping = Keeping { replace: args.replace, force: args.force, redact: args.redact };
        let done = checkpoint.finish(run.clone(), keeping).map_err(Failure::ours)?;
        if done.rebuild() {
            written = outputs::write(&names, &done.recording)
                .with_context(|| format!("the recording is safe in {}", done.path.display()))
                .map_err(Failure::ours)?;
        }
        written.files.insert(
            written.files.len().min(1),
            WrittenFile {
                what: "recording".to_owned(),
                path: done.path.display().to_string(),
                bytes: std::fs::metadata(&done.path).map_or(0, |m| m.len()),
            },
        );
        // A redacted run is reported as it is kept.
        if let Some(kept) = done.recording.runs.iter().find(|kept| kept.id == run.id) {
            run.clone_from(kept);
        }
        stored = Some(done);
    }
    let mut summary = summarize(name, &run, stored.as_ref(), written.files, code);
    summary.warnings.extend(written.warnings);
    summary.warnings.extend(warnings);
    report(args, color, &summary)
        .map_err(|error| Failure::ours(without_report(&error, &summary)))?;
    Ok(code)
}

/// An error of the report alone: what was recorded is safe.
fn without_report(error: &anyhow::Error, summary: &Summary) -> anyhow::Error {
    let error = failure::told_once(error);
    let files: Vec<&str> = summary.files.iter().map(|file| file.path.as_str()).collect();
    match files.is_empty() {
        true => anyhow!("{error}"),
        false => anyhow!("{error}\nThe run itself is safe; written: {}", files.join(", ")),
    }
}

/// What to tell of a report that cannot be written.
pub fn no_report(error: StoreError) -> anyhow::Error {
    match error {
        // Its own advice is about the directory of the recording.
        StoreError::Write { path, source } => anyhow!(
            "--report: cannot write {}: {source}; give a file that can be written",
            path.display()
        ),
        other => other.into(),
    }
}

/// What we exit with: the program's own status where that is wanted and the run can be trusted.
fn exit_code(args: &TraceArgs, run: &Run) -> u8 {
    let status = run.ending.as_ref().and_then(|ending| ending.status.as_ref());
    match status {
        Some(status) if args.pass_exit_status && run.books.balance() => status_code(status),
        _ if run.complete => failure::DONE,
        _ => failure::RUN_FAILED,
    }
}

/// What a shell makes of a status.
fn status_code(status: &ExitStatus) -> u8 {
    match status {
        ExitStatus::Code(code) => u8::try_from(code & 0xff).unwrap_or(failure::RUN_FAILED),
        ExitStatus::Signal(name) => {
            let number = signal_from_name(name).unwrap_or(0);
            u8::try_from(128 + number).unwrap_or(failure::RUN_FAILED)
        }
    }
}

fn report(args: &TraceArgs, color: Color, summary: &Summary) -> anyhow::Result<()> {
    let style = Style::new(color, std::io::stderr().is_terminal());
    let text = |style: Style| match args.format {
        Format::Json => summary.to_json(),
        Format::Text => summary.to_text(style),
    };
    let to_stdout = args.report.as_deref() == Some(Path::new("-"));
    let stdout = std::io::stdout();
    let one_terminal = to_stdout && stdout.is_terminal() && std::io::stderr().is_terminal();
    if !args.quiet && !one_terminal {
        say(&text(style));
    } else if args.quiet {
        for trouble in summary.incomplete_because.iter().chain(&summary.warnings) {
            say(&format!("{} {trouble}\n", style.warning("warning:")));
        }
    }
    match &args.report {
        Some(_) if to_stdout => {
            let style = Style::new(color, stdout.is_terminal());
            stdout.lock().write_all(text(style).as_bytes()).context("cannot write the report")?;
        }
        Some(path) => {
            write_whole(path, text(Style::PLAIN).as_bytes(), 0o600).map_err(no_report)?;
        }
        None => {}
    }
    Ok(())
}
