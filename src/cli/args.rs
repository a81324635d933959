//! The options that all commands share, and the way from them to an exit code.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::doctor::{self, DoctorArgs};
use super::failure::{self, Failure};
use super::recover::{self, RecoverArgs};
use super::trace;
use super::trace_args::TraceArgs;
use crate::ptrace::{self, SignalPort};
use crate::report::{Color, Style};

/// Traces the system calls of a program and builds the tightest seccomp profile that still works in
/// production.
#[derive(Debug, Parser)]
#[command(name = "seccomp-gen", version, max_term_width = 100, after_help = failure::HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,

    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    Trace(Box<TraceArgs>),
    /// Tell whether this machine can trace, and if not, what is to be done
    Doctor(DoctorArgs),
    Recover(RecoverArgs),
}

/// Runs the command line of this process and returns what it exits with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let style = Style::new(cli.color, std::io::stderr().is_terminal());
    let result = match &cli.command {
        Command::Trace(args) => {
            // Before any other thread exists. For this command alone: the others leave nothing
            // undone, and end on a signal as any program does.
            let (port, inherited) = SignalPort::open();
            trace::run(args, cli.color, style, &port, inherited)
        }
        Command::Doctor(args) => {
            let out = std::io::stdout();
            let style = Style::new(cli.color, out.is_terminal());
            doctor::run(args, style, ptrace::self_test, &mut out.lock()).map_err(Failure::ours)
        }
        Command::Recover(args) => recover::run(args).map(|()| failure::DONE),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            // A closed stderr is no reason to change the exit code.
            let text = format!("{} {}\n", style.bad("error:"), failure::told_once(&failure.error));
            let _ = std::io::stderr().write_all(text.as_bytes());
            ExitCode::from(failure.code)
        }
    }
}
