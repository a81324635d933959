//! One run of a program under one of the tools.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::{User, geteuid};
use seccomp_gen::recording::{self, Recording};

use crate::columns::Column;
use crate::common::kernel::MOUNTS;
use crate::common::process::Guarded;
use crate::signals;
use crate::tools::{Tools, program};

/// No single step of a run takes longer.
const LIMIT: Duration = Duration::from_secs(900);

/// What bpftrace is asked. The second line alone tells that the first one is at work.
const BPFTRACE: &str = "tracepoint:raw_syscalls:sys_enter{@[args->id]=count()} \
                        interval:ms:500 {print(@)}";

/// A tool that is ready to run a program.
pub struct Launch<'a> {
    pub column: Column,
    tools: &'a Tools,
    prior: Option<&'a Path>,
    dir: PathBuf,
    /// When adaptive mode settles; none for when it does by itself.
    settle_after: Option<&'static str>,
    _bpftrace: Option<Guarded>,
}

impl<'a> Launch<'a> {
    /// Starts what has to run beside the program. `prior` is a recording of the same workload.
    pub fn new(tools: &'a Tools, column: Column, prior: Option<&'a Path>) -> Result<Launch<'a>> {
        let dir = tools.directory("run")?;
        let beside = if column == Column::Bpftrace { Some(bpftrace(&dir)?) } else { None };
        Ok(Launch { column, tools, prior, dir, settle_after: None, _bpftrace: beside })
    }

    /// The same, where adaptive mode settles after stops of that time.
    pub fn settling_after(mut self, time: Option<&'static str>) -> Launch<'a> {
        self.settle_after = time;
        self
    }

    /// Where this run may write; the next one finds it empty.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The program under the tool; with its output in the files `stdout` and `stderr`.
    pub fn command(&self, program: &Path) -> Result<Command> {
        self.command_as(None, program)
    }

    /// The same, as another user where we are root, tool and all.
    pub fn command_as(&self, user: Option<&str>, program: &Path) -> Result<Command> {
        let mut words = self.wrapper()?;
        if let Some(user) = user.filter(|_| geteuid().is_root()) {
            let setpriv = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"];
            words.splice(0..0, setpriv.map(|word| OsStr::new(word).to_owned()));
            give(&self.dir, user)?;
        }
        words.push(program.into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null());
        command.stdout(File::create(self.dir.join("stdout"))?);
        command.stderr(File::create(self.dir.join("stderr"))?);
        Ok(command)
    }

    /// What stands before the program.
    fn wrapper(&self) -> Result<Vec<std::ffi::OsString>> {
        let strace = |more: &[&str]| -> Result<Vec<_>> {
            let mut words = vec![program("strace")?.into_os_string(), "-f".into()];
            words.extend(more.iter().map(Into::into));
            words.extend(["-o".into(), self.dir.join("strace").into()]);
            Ok(words)
        };
        let ours = |more: &[&str]| {
            let mut words = vec![self.tools.own("seccomp-gen").into_os_string()];
            words.extend(["trace", "--quiet", "--name", "t", "--output"].map(Into::into));
            words.push(self.dir.clone().into());
            words.extend(more.iter().map(Into::into));
            words
        };
        let mut words = match self.column {
            Column::Native | Column::Bpftrace => return Ok(Vec::new()),
            Column::Strace => return strace(&[]),
            Column::StraceC => return strace(&["-c"]),
            // A call that nothing here makes: an empty set is refused.
            Column::StraceBpf => return strace(&["--seccomp-bpf", "-e", "trace=swapoff"]),
            Column::Floor => return Ok(vec![self.tools.own("floor").into()]),
            Column::Filter => {
                return Ok(vec![self.tools.own("filtered").into(), self.numbers()?.into()]);
            }
            Column::Full => ours(&["--mode", "full"]),
            Column::Adaptive => ours(&["--mode", "adaptive"]),
            Column::Prior => {
                let prior = self.prior.context("no recording for --prior")?;
                let mut words = ours(&["--mode", "adaptive", "--prior"]);
                words.push(prior.into());
                words
            }
        };
        if let Some(time) = self.settle_after.filter(|_| self.column.settles()) {
            words.extend(["--settle-after", time].map(Into::into));
        }
        words.push("--".into());
        Ok(words)
    }

    /// The numbers of the calls that an earlier run made.
    fn numbers(&self) -> Result<String> {
        let prior = load(self.prior.context("no recording for the filter")?)?;
        let calls = prior.runs.iter().flat_map(|run| &run.syscalls);
        let mut numbers: Vec<_> = calls.map(|call| call.number.to_string()).collect();
        numbers.sort();
        numbers.dedup();
        Ok(numbers.join(","))
    }

    /// Runs a command to its end, which must be a good one; how long it took.
    pub fn time(&self, command: &mut Command) -> Result<Duration> {
        let start = Instant::now();
        let mut process = signals::spawn(command)?;
        let status = wait(&mut process)?;
        let time = start.elapsed();
        self.ensure_good(status)?;
        Ok(time)
    }

    /// Waits for the end, which must be a good one.
    pub fn finish(&self, process: &mut Guarded) -> Result<()> {
        let status = wait(process)?;
        self.ensure_good(status)
    }

    fn ensure_good(&self, status: ExitStatus) -> Result<()> {
        ensure!(status.success(), "{status}: {}", last_lines(&self.stderr()?));
        Ok(())
    }

    /// Waits until the question has an answer; an error if the program ends before.
    pub fn until<T>(
        &self,
        process: &mut Guarded,
        what: &str,
        mut ask: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            if let Some(answer) = ask()? {
                return Ok(answer);
            }
            ensure!(process.is_running(), "it ended: {}", last_lines(&self.stderr()?));
            signals::check()?;
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("{what}: not within {LIMIT:?}: {}", last_lines(&self.stderr()?))
    }

    /// Keeps a server busy before it is measured: a while; where adaptive mode is to settle, until it
    /// has, however long that takes on this machine.
    pub fn warm_up(
        &self,
        server: &mut Guarded,
        mut load: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        const WHILE: Duration = Duration::from_millis(500);
        let start = Instant::now();
        while self.column.settles() && !is_filtered(server.pid().as_raw()) {
            ensure!(start.elapsed() < LIMIT, "it does not settle");
            signals::check()?;
            load()?;
        }
        let start = Instant::now();
        while start.elapsed() < WHILE {
            load()?;
        }
        Ok(())
    }

    /// What the program and the tool have said so far.
    pub fn stderr(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(self.dir.join("stderr"))?).into_owned())
    }

    /// Where our recording is.
    pub fn recording_path(&self) -> PathBuf {
        self.dir.join("t.recording.json")
    }

    /// What was recorded, if it is one of ours.
    pub fn recording(&self) -> Result<Option<Recording>> {
        if self.column.is_ours() { load(&self.recording_path()).map(Some) } else { Ok(None) }
    }
}

fn load(path: &Path) -> Result<Recording> {
    recording::load(path).with_context(|| path.display().to_string())
}

/// Makes a file or directory the user's, if we can.
pub fn give(path: &Path, user: &str) -> Result<()> {
    if geteuid().is_root() {
        let user = User::from_name(user)?.with_context(|| format!("there is no user {user}"))?;
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    Ok(())
}

/// The status at the end of a process.
fn wait(process: &mut Guarded) -> Result<ExitStatus> {
    let end = Instant::now() + LIMIT;
    loop {
        signals::check()?;
        // Shorter than the tests' own wait: this is a stopwatch.
        if let Some(status) = process.wait(Duration::ZERO) {
            return Ok(status);
        }
        ensure!(Instant::now() < end, "it has not ended within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a child of the tracer, which is the program, is under a filter; it has none of its own.
fn is_filtered(tracer: i32) -> bool {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    let tasks = fs::read_dir(format!("/proc/{tracer}/task")).into_iter().flatten().flatten();
    let children = tasks.map(|task| read(format!("{}/children", task.path().display())));
    children.into_iter().any(|children| {
        children.split_whitespace().any(|pid| {
            let status = read(format!("/proc/{pid}/status"));
            status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"]))
        })
    })
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// Starts bpftrace, in a mount namespace of its own with what it reads, and waits until it counts.
fn bpftrace(dir: &Path) -> Result<Guarded> {
    let (heard, errors) = (dir.join("bpftrace"), dir.join("bpftrace.errors"));
    let mut process = signals::spawn(
        Command::new(program("unshare")?)
            .args(["--mount", "--propagation", "unchanged", "sh", "-ec", MOUNTS, "sh"])
            .arg(program("bpftrace")?)
            .args(["-B", "none", "-e", BPFTRACE])
            .stdin(Stdio::null())
            .stdout(File::create(&heard)?)
            .stderr(File::create(&errors)?),
    )?;
    let end = Instant::now() + Duration::from_secs(30);
    while !fs::read_to_string(&heard)?.contains("@[") {
        signals::check()?;
        let says = || fs::read_to_string(&errors).unwrap_or_default();
        ensure!(process.is_running() && Instant::now() < end, "bpftrace: {}", says());
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(process)
}
