//! From the arguments of a trace to what is to be traced, and to what is known of the run before.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::anyhow;

use super::failure::{self, Failure};
use super::inspector::Program;
use super::mode::{Choice, Circumstances, choose};
use super::trace_args::TraceArgs;
use crate::arch::native;
use crate::proc::{ThreadStatus, host, tree};
use crate::ptrace::Inherited;
use crate::recording::{
    Attached, Books, Command, Cost, Host, Mode, Run, Tool, Watch, load, mask_secrets,
};
use crate::syscall::{Cap, Errno};
use crate::tracer::{AdaptivePolicy, Launch, Seen, Target};

/// What the arguments come to.
pub struct Plan {
    /// The name of the files.
    pub name: String,
    /// What is to be traced.
    pub target: Target,
    /// The executable that the recording is of.
    pub program: Program,
    /// How its calls are heard of.
    pub choice: Choice,
}

impl Plan {
    /// Finds the program, or the processes' executable.
    ///
    /// # Errors
    /// If there is no such program, or an argument cannot be one.
    pub fn of(args: &TraceArgs, inherited: Inherited) -> Result<Plan, Failure> {
        let named = |path: &Path| {
            let file = path.file_name().map(|n| n.to_string_lossy().into_owned());
            args.name.clone().or(file).unwrap_or_else(|| "program".to_owned())
        };
        let pids = args.pids();
        let choice = choice(args)?;
        if let Some(pid) = pids.first() {
            let exe = tree::exe(*pid).map(|exe| exe.path).unwrap_or_default();
            let (name, program) = (named(Path::new(&exe)), Program::Of(*pid));
            let target = Target::Attach { pids, tree: !args.no_tree, max_share: args.max_share };
            return Ok(Plan { name, target, program, choice });
        }
        let path =
            find_program(&args.command[0]).map_err(|errno| not_started(&args.command[0], errno))?;
        let c_string = |s: &OsStr| {
            CString::new(s.as_bytes())
                .map_err(|_| Failure::new(failure::USAGE, anyhow!("an argument has a NUL byte")))
        };
        let launch = Launch {
            program: c_string(path.as_os_str())?,
            argv: args.command.iter().map(|a| c_string(a)).collect::<Result<_, _>>()?,
            inherited,
            adaptive: adaptive(args, choice.mode)?,
        };
        // As /proc/PID/exe will have it, and not as it was typed.
        let program = Program::File(path.canonicalize().unwrap_or_else(|_| path.clone()));
        Ok(Plan { name: named(&path), target: Target::Launch(Box::new(launch)), program, choice })
    }
}

/// How the program's calls are heard of.
fn choice(args: &TraceArgs) -> Result<Choice, Failure> {
    // Where there is no /proc to say so, nothing is traced.
    let filter_over_us = ThreadStatus::read_own().is_ok_and(|own| own.seccomp_mode != 0);
    let attaches = !args.pid.is_empty();
    let circumstances = Circumstances { asked: args.mode, attaches, filter_over_us };
    choose(circumstances).map_err(|e| Failure::new(failure::USAGE, e))
}

/// When to settle, and on what; none in full mode.
fn adaptive(args: &TraceArgs, mode: Mode) -> Result<Option<AdaptivePolicy>, Failure> {
    let prior = match &args.prior {
        None => Seen::default(),
        Some(file) => {
            let recording = load(file).map_err(|e| Failure::new(failure::USAGE, e))?;
            Seen::in_runs(&recording.runs)
        }
    };
    if mode == Mode::Full {
        return Ok(None);
    }
    let own = ThreadStatus::read_own().map_err(Failure::ours)?;
    Ok(Some(AdaptivePolicy {
        settle_after: args.settle_after,
        look_again_every: args.look_again,
        prior,
        // Under a tracer with CAP_SYS_PTRACE, a set-user-ID program gets its rights
        // (`cap_bprm_creds_from_file`), which `no_new_privs` would take.
        may_set_no_new_privs: ![Cap::SYS_ADMIN, Cap::SYS_PTRACE]
            .iter()
            .any(|cap| own.cap_eff.contains(*cap)),
        inherited_filters: own.seccomp_filters.unwrap_or(u32::from(own.seccomp_mode == 2)),
    }))
}

/// The file that a shell would execute (`execvp(3)`).
fn find_program(command: &OsStr) -> Result<PathBuf, Errno> {
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

/// Why a program could not be started, and what to do.
pub fn not_started(command: &OsStr, errno: Errno) -> Failure {
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

/// What is known of a run before it starts.
///
/// # Errors
/// If there are no random numbers to be had for its id.
pub fn blank_run(args: &TraceArgs, choice: Choice) -> anyhow::Result<Run> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|e| anyhow!("no random numbers to be had: {e}"))?;
    let argv: Vec<String> = args.command.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let cwd = std::env::current_dir().ok().map(|dir| dir.to_string_lossy().into_owned());
    let pids = args.pids();
    let foreign = match pids.as_slice() {
        [] => vec![ThreadStatus::read_own()],
        pids => pids.iter().map(|pid| ThreadStatus::read(*pid)).collect(),
    };
    let foreign_filter_at_start = foreign.iter().flatten().any(|status| status.seccomp_mode != 0);
    let mut warnings = Vec::new();
    if foreign_filter_at_start {
        warnings.push(choice.of_foreign_filter());
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
            cwd: cwd.filter(|_| pids.is_empty()),
            attached: pids.iter().map(|pid| attached(*pid)).collect(),
        },
        program: None,
        started_at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        ended_at: None,
        duration_ms: 0,
        watch: Watch::in_mode(choice.mode),
        foreign_filter_at_start,
        ending: None,
        phases: Vec::new(),
        credential_states: Vec::new(),
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

/// What is known of a process that is to be attached to; nothing of one that has gone.
fn attached(pid: i32) -> Attached {
    let argv = tree::cmdline(pid).unwrap_or_default();
    Attached { pid, argv: mask_secrets(&argv), cwd: tree::cwd(pid).ok() }
}
