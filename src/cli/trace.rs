//! `seccomp-gen trace`: runs a program, or attaches to one, and writes what it called.

use std::ffi::{CString, OsString};
use std::io::{IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};

use super::console::{Console, say};
use super::doctor;
use super::failure::{self, Failure};
use super::inspector::{Inspector, Program};
use super::outputs;
use super::summarize::summarize;
use crate::arch::native;
use crate::proc::doctor::{AttachTarget, Wish, is_possible};
use crate::proc::{ThreadStatus, host, tree};
use crate::ptrace::{self, Inherited, SignalPort};
use crate::recording::{
    Books, Checkpoint, Command, Cost, ExitStatus, Host, Keeping, Leftover, Mode, Run, Stored, Tool,
    Watch, mask_secrets, write_whole,
};
use crate::report::{CapabilityReport, Color, Style, Summary};
use crate::syscall::{Errno, signal_from_name};
use crate::tracer::{self, Launch, Outcome, Session, StopPolicy, Target, TraceError};

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
    command: Vec<OsString>,

    /// Attach to this process, its threads and its children; may be given more than once
    #[arg(long, value_name = "PID", conflicts_with = "command",
          value_parser = clap::value_parser!(i32).range(1..))]
    pid: Vec<i32>,

    /// Leave out the processes that an attached one has forked already
    #[arg(long, requires = "pid")]
    no_tree: bool,

    /// Let an attached process run free for a while, unwatched, whenever the stops cost more than
    /// this share of one core
    #[arg(long, value_name = "PERCENT", requires = "pid", value_parser = percent)]
    max_share: Option<f64>,

    /// The directory to write into
    #[arg(short, long, value_name = "DIR", default_value = "profiles", help_heading = "Output")]
    output: PathBuf,

    /// The name of the files, if not that of the program
    #[arg(long, help_heading = "Output")]
    name: Option<String>,

    /// Keep this run alone, not the earlier ones of the same name
    #[arg(long, help_heading = "Output")]
    replace: bool,

    /// Let an incomplete run take the place of complete ones
    #[arg(long, requires = "replace", help_heading = "Output")]
    force: bool,

    /// Write nothing but the report
    #[arg(long, conflicts_with_all = ["replace", "force", "redact"], help_heading = "Output")]
    no_write: bool,

    /// Take out of the recording what tells of this machine: paths, users, host names
    #[arg(long, help_heading = "Output")]
    redact: bool,

    /// Write the report into this file as well; `-` is standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    report: Option<PathBuf>,

    /// How to write the report
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    format: Format,

    /// No progress and no report on standard error, only errors and warnings
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,

    /// Tell more: what `doctor` finds, and every process's capabilities
    #[arg(short, long, conflicts_with = "quiet", help_heading = "Output")]
    verbose: bool,

    /// Stop by itself after this time: `40s`, `5m`, `1h30m`
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, help_heading = "Stopping")]
    for_: Option<Duration>,

    /// The signal that asks the program to stop [default: TERM, or the INT or HUP that we got]
    #[arg(long, value_name = "SIGNAL", value_parser = signal, conflicts_with = "pid",
          help_heading = "Stopping")]
    stop_signal: Option<i32>,

    /// Kill the program if it takes longer than this to stop
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "pid",
          help_heading = "Stopping")]
    stop_timeout: Option<Duration>,

    /// Exit with the program's own status (128 + its number for a signal) when all went well
    #[arg(long, conflicts_with = "pid", help_heading = "Stopping")]
    pass_exit_status: bool,
}

/// How to write the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
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
    let plan = Plan::of(args, inherited)?;
    examine(args, style)?;

    let checkpoint = match args.no_write {
        true => None,
        false => Some(Checkpoint::open(&args.output, &plan.name).map_err(Failure::ours)?),
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
    let result = tracer::run(&session, blank, port, inherited.ignored, &mut console, files);
    console.finish();
    inspector.finish();
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(error) => {
            if let Some(checkpoint) = checkpoint {
                checkpoint.discard().map_err(Failure::ours)?;
            }
            return Err(refused(&error));
        }
    };
    conclude(args, color, style, &plan.name, outcome, &inspector, checkpoint)
}

/// Stores the run, writes what follows from it, and reports.
fn conclude(
    args: &TraceArgs,
    color: Color,
    style: Style,
    name: &str,
    outcome: Outcome,
    inspector: &Inspector,
    checkpoint: Option<Checkpoint>,
) -> Result<u8, Failure> {
    if let Some(errno) = outcome.not_started {
        if let Some(checkpoint) = checkpoint {
            checkpoint.discard().map_err(Failure::ours)?;
        }
        return Err(not_started(&args.command[0], errno));
    }
    let mut run = outcome.run;
    inspector.add_to(&mut run);
    let code = if run.complete { failure::DONE } else { failure::RUN_FAILED };
    let mut files = Vec::new();
    let mut stored: Option<Stored> = None;
    if let Some(checkpoint) = checkpoint {
        let names = checkpoint.names().clone();
        let keeping = Keeping { replace: args.replace, force: args.force, redact: args.redact };
        let done = checkpoint.finish(run.clone(), keeping).map_err(Failure::ours)?;
        if done.rebuild() {
            files = outputs::write(&names, &done.recording)
                .with_context(|| format!("the recording is safe in {}", done.path.display()))
                .map_err(Failure::ours)?
                .1;
        }
        let bytes = std::fs::metadata(&done.path).map_or(0, |m| m.len());
        files.push(crate::report::summary::WrittenFile {
            what: "recording".to_owned(),
            path: done.path.display().to_string(),
            bytes,
        });
        stored = Some(done);
    }
    let summary = summarize(name, &run, stored.as_ref(), files, code);
    report(args, color, style, &summary, &run).map_err(Failure::ours)?;
    Ok(match run.ending.as_ref().and_then(|e| e.status.as_ref()) {
        Some(status) if args.pass_exit_status && run.books.lost == 0 => status_code(status),
        _ => code,
    })
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

fn report(
    args: &TraceArgs,
    color: Color,
    style: Style,
    summary: &Summary,
    run: &Run,
) -> anyhow::Result<()> {
    let text = |style: Style| match args.format {
        Format::Json => summary.to_json(),
        Format::Text => {
            let recording = crate::recording::Recording {
                format: crate::recording::Format::Recording,
                version: crate::recording::VERSION,
                name: summary.name.clone(),
                redacted: false,
                runs: vec![run.clone()],
            };
            let table = CapabilityReport::new(&recording).to_text(style);
            format!("{}\n{table}", summary.to_text(style))
        }
    };
    let to_stdout = args.report.as_deref() == Some(Path::new("-"));
    let stdout = std::io::stdout();
    let one_terminal = to_stdout && stdout.is_terminal() && std::io::stderr().is_terminal();
    if !args.quiet && !one_terminal {
        say(&text(style));
    }
    match &args.report {
        Some(_) if to_stdout => {
            let style = Style::new(color, stdout.is_terminal());
            stdout.lock().write_all(text(style).as_bytes()).context("cannot write the report")?;
        }
        Some(path) => write_whole(path, text(Style::PLAIN).as_bytes(), 0o600)?,
        None => {}
    }
    Ok(())
}

/// What the arguments come to.
struct Plan {
    name: String,
    target: Target,
    program: Program,
}

impl Plan {
    fn of(args: &TraceArgs, inherited: Inherited) -> Result<Plan, Failure> {
        let named = |path: &Path| {
            let file = path.file_name().map(|n| n.to_string_lossy().into_owned());
            args.name.clone().or(file).unwrap_or_else(|| "program".to_owned())
        };
        if let Some(pid) = args.pid.first() {
            let exe = tree::exe(*pid).map(|exe| exe.path).unwrap_or_default();
            let target = Target::Attach {
                pids: args.pid.clone(),
                tree: !args.no_tree,
                max_share: args.max_share,
            };
            return Ok(Plan { name: named(Path::new(&exe)), target, program: Program::Of(*pid) });
        }
        let path =
            find_program(&args.command[0]).map_err(|errno| not_started(&args.command[0], errno))?;
        let c_string = |s: &std::ffi::OsStr| {
            CString::new(s.as_bytes())
                .map_err(|_| Failure::new(failure::USAGE, anyhow!("an argument has a NUL byte")))
        };
        let launch = Launch {
            program: c_string(path.as_os_str())?,
            argv: args.command.iter().map(|a| c_string(a)).collect::<Result<_, _>>()?,
            inherited,
        };
        let program = Program::File(path.clone());
        Ok(Plan { name: named(&path), target: Target::Launch(launch), program })
    }
}

/// The file that a shell would execute (`execvp(3)`).
fn find_program(command: &std::ffi::OsStr) -> Result<PathBuf, Errno> {
    let executable = |path: &Path| {
        nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok() && path.is_file()
    };
    if command.as_bytes().contains(&b'/') {
        let path = PathBuf::from(command);
        return match path.metadata() {
            Ok(_) if executable(&path) => Ok(path),
            Ok(_) => Err(Errno(libc::EACCES)),
            Err(e) => Err(Errno(e.raw_os_error().unwrap_or(libc::ENOENT))),
        };
    }
    let search = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    std::env::split_paths(&search)
        .map(|dir| if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir })
        .map(|dir| dir.join(command))
        .find(|path| executable(path))
        .ok_or(Errno(libc::ENOENT))
}

fn not_started(command: &OsString, errno: Errno) -> Failure {
    let command = command.to_string_lossy();
    let what = match errno.0 {
        libc::ENOENT if command.contains('/') => {
            "there is no such file, or no such interpreter or dynamic linker as it names".to_owned()
        }
        libc::ENOENT => {
            "it is not on the PATH; write ./NAME for a file in this directory".to_owned()
        }
        libc::EACCES => "it is not executable (chmod +x?), or its file system is noexec".to_owned(),
        libc::ENOEXEC => {
            "its format is not known to the kernel: built for another machine, or a script without \
             `#!` in its first line"
                .to_owned()
        }
        _ => errno.to_string(),
    };
    Failure::new(
        failure::RUN_FAILED,
        anyhow!("`{command}` could not be started: {what}; nothing was recorded"),
    )
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

fn refused(error: &TraceError) -> Failure {
    let code = match error {
        TraceError::NoSuchProcess(_)
        | TraceError::MayNotAttach { .. }
        | TraceError::SeizeChild(_) => failure::NOT_PERMITTED,
        _ => failure::OURS,
    };
    let hint = match error {
        TraceError::MayNotAttach { .. } => {
            "; is it another user's, or under another tracer? `seccomp-gen doctor --pid PID` tells \
             what is needed"
        }
        _ => "",
    };
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

/// What is known of a run before it starts.
fn blank_run(args: &TraceArgs) -> anyhow::Result<Run> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|e| anyhow!("no random numbers to be had: {e}"))?;
    let argv: Vec<String> = args.command.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let cwd = std::env::current_dir().ok().map(|dir| dir.to_string_lossy().into_owned());
    let foreign = match args.pid.as_slice() {
        [] => vec![ThreadStatus::read_own()],
        pids => pids.iter().map(|pid| ThreadStatus::read(*pid)).collect(),
    };
    let foreign_filter_at_start = foreign.iter().flatten().any(|status| status.seccomp_mode != 0);
    let mut warnings = Vec::new();
    if foreign_filter_at_start {
        warnings.push(
            "the program started under somebody else's seccomp filter: what that denies is \
             recorded, but the program has been taking its fallbacks"
                .to_owned(),
        );
    }
    Ok(Run {
        id: hex::encode(id),
        complete: false,
        incomplete_because: Vec::new(),
        tool: Tool {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        host: Host {
            kernel_release: host::kernel_release(),
            arch: native::ARCH,
            cpus: host::cpus(),
            container: host::container(),
        },
        command: Command {
            argv: mask_secrets(&argv),
            cwd: cwd.filter(|_| args.pid.is_empty()),
            attached: args.pid.clone(),
        },
        program: None,
        started_at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        duration_ms: 0,
        watch: Watch { mode: Mode::Full, gaps: Vec::new(), gaps_total_ms: 0 },
        foreign_filter_at_start,
        ending: None,
        phases: Vec::new(),
        processes: Vec::new(),
        processes_not_listed: 0,
        modules: Vec::new(),
        syscalls: Vec::new(),
        capability_evidence: Vec::new(),
        cost: Cost::default(),
        books: Books::default(),
        warnings,
    })
}
