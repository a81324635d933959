//! Programs that run beside a test: their output can be looked at while they run, every wait for
//! them ends, and a wait that is over says who waits for what.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::process::{shell_status, until};
use super::{Scratch, seccomp_gen};
use seccomp_gen::recording::{Recording, Run, load};

/// How long anything that is under way may take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Asks until it is so; fails with `what` if it never is.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let so = until(LIMIT, || is_so().then_some(()));
    assert!(so.is_some(), "it never came to this: {what}");
}

/// A program with its standard output and error in files, killed when it is dropped: together with
/// its process group, if it was given one of its own.
pub struct Beside {
    child: Child,
    files: Scratch,
    own_group: bool,
    ended: Option<ExitStatus>,
}

impl Beside {
    /// Starts it in a process group of its own.
    pub fn start(command: &mut Command) -> Beside {
        Beside::spawn(command.process_group(0), true)
    }

    /// Starts it in our process group: for programs that make a session of their own.
    pub fn start_in_our_group(command: &mut Command) -> Beside {
        Beside::spawn(command, false)
    }

    fn spawn(command: &mut Command, own_group: bool) -> Beside {
        let files = Scratch::new();
        let create = |name: &str| File::create(files.join(name)).unwrap();
        let child = command.stdout(create("stdout")).stderr(create("stderr")).spawn();
        let child = child.unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Beside { child, files, own_group, ended: None }
    }

    pub fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    pub fn stdout(&self) -> String {
        fs::read_to_string(self.files.join("stdout")).unwrap()
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(self.files.join("stderr")).unwrap()
    }

    /// Waits until the program has written this.
    pub fn says(&mut self, text: &str) {
        let said = until(LIMIT, || {
            let over = !self.is_running();
            (self.stdout().contains(text) || over).then_some(())
        });
        let (out, err) = (self.stdout(), self.stderr());
        assert!(
            said.is_some() && out.contains(text),
            "`{text}` never came: {out}\n{err}\n{}",
            who_waits(self.pid())
        );
    }

    pub fn is_running(&mut self) -> bool {
        self.ended = self.ended.or_else(|| self.child.try_wait().unwrap());
        self.ended.is_none()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.wait_for(LIMIT)
    }

    /// The same, but not as long.
    pub fn wait_for(&mut self, limit: Duration) -> ExitStatus {
        until(limit, || (!self.is_running()).then_some(()));
        self.ended.unwrap_or_else(|| {
            panic!(
                "it does not end\n{}stdout: {}\nstderr: {}",
                who_waits(self.pid()),
                self.stdout(),
                self.stderr()
            )
        })
    }

    /// What a shell would call its status.
    pub fn code(&mut self) -> i32 {
        shell_status(self.wait())
    }

    pub fn signal(&mut self, signal: Signal) {
        assert!(self.is_running(), "nobody is left for {signal}: {}", self.stderr());
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    pub fn signal_group(&mut self, signal: Signal) {
        assert!(self.own_group && self.is_running(), "nobody is left: {}", self.stderr());
        killpg(Pid::from_raw(self.pid()), signal).unwrap();
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = self.child.kill();
            if self.own_group {
                let _ = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
            }
            let _ = self.child.wait();
        }
    }
}

/// A trace under way, by the name `t` in a directory of its own.
pub struct Tracing {
    pub tracer: Beside,
    pub dir: Scratch,
}

impl Tracing {
    /// `seccomp-gen trace OPTIONS -- COMMAND`.
    pub fn launch(options: &[&str], command: &[&str]) -> Tracing {
        Tracing::start(seccomp_gen(), options, command)
    }

    /// `seccomp-gen trace --pid PID OPTIONS`, as soon as it holds the process.
    pub fn attach(pid: i32, options: &[&str]) -> Tracing {
        let pid_option = format!("--pid={pid}");
        let mut tracing = Tracing::launch(&[&[pid_option.as_str()], options].concat(), &[]);
        wait_until("the process is traced", || {
            assert!(tracing.tracer.is_running(), "{}", tracing.tracer.stderr());
            field(pid, pid, "TracerPid") != "0"
        });
        tracing
    }

    /// The same by a command that ends in `seccomp-gen`.
    pub fn start(mut tracer: Command, options: &[&str], command: &[&str]) -> Tracing {
        let dir = Scratch::new();
        tracer.args(["trace", "--name", "t", "-o"]).arg(dir.path()).args(options);
        if !command.is_empty() {
            tracer.arg("--").args(command);
        }
        Tracing { tracer: Beside::start(tracer.stdin(Stdio::null())), dir }
    }

    pub fn recording(&self) -> Recording {
        let file = self.dir.join("t.recording.json");
        load(&file).unwrap_or_else(|e| panic!("{e}\n{}", self.tracer.stderr()))
    }

    /// The one run that was recorded.
    pub fn run(&self) -> Run {
        let mut recording = self.recording();
        assert_eq!(recording.runs.len(), 1);
        recording.runs.remove(0)
    }

    /// The files that follow from a recording are there.
    pub fn assert_written(&self) {
        for file in ["t.json", "t.recording.json", "t.capabilities.json"] {
            assert!(self.dir.join(file).is_file(), "no {file}: {}", self.tracer.stderr());
        }
        assert!(!self.dir.join("t.recording.partial.json").exists(), "the checkpoint is left");
    }
}

/// The numbers that /proc lists in a directory: processes, or the threads of one.
fn numbers(dir: &str) -> Vec<i32> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

pub fn processes() -> Vec<i32> {
    numbers("/proc")
}

pub fn threads(pid: i32) -> Vec<i32> {
    numbers(&format!("/proc/{pid}/task"))
}

/// A field of a thread's /proc/PID/task/TID/status; empty when the thread is gone.
pub fn field(pid: i32, tid: i32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

/// The first letter of a process's state; empty when it is gone.
pub fn state(pid: i32) -> String {
    field(pid, pid, "State").chars().take(1).collect()
}

/// Its children, of all its threads.
pub fn children(pid: i32) -> Vec<i32> {
    let list = |tid: i32| {
        let file = format!("/proc/{pid}/task/{tid}/children");
        fs::read_to_string(file).unwrap_or_default()
    };
    let text: String = threads(pid).into_iter().map(list).collect();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The processes in whose environment the text occurs.
pub fn processes_marked(mark: &str) -> Vec<i32> {
    let has_mark = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|part| part == mark.as_bytes())
    };
    processes().into_iter().filter(has_mark).collect()
}

/// Fails unless no thread of the process is traced or stopped.
pub fn assert_let_go(pid: i32) {
    let tids = threads(pid);
    assert!(!tids.is_empty(), "process {pid} is gone");
    for tid in tids {
        let (tracer, state) = (field(pid, tid, "TracerPid"), field(pid, tid, "State"));
        if state.is_empty() {
            continue; // it has ended in the meantime
        }
        assert!(tracer == "0" && !state.starts_with(['t', 'T']), "{}", who_waits(pid));
    }
}

/// Every thread of a process and of its descendants: what it is in, for the message of a failure.
pub fn who_waits(pid: i32) -> String {
    let mut text = String::new();
    for tid in threads(pid) {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/task/{tid}/{file}");
            fs::read_to_string(path).unwrap_or_default().trim().to_owned()
        };
        let _ = writeln!(
            text,
            "{pid}/{tid} {}: state {}, tracer {}, in {} ({}), pending {} {}, blocked {}",
            read("comm"),
            field(pid, tid, "State"),
            field(pid, tid, "TracerPid"),
            read("wchan"),
            read("syscall"),
            field(pid, tid, "SigPnd"),
            field(pid, tid, "ShdPnd"),
            field(pid, tid, "SigBlk"),
        );
    }
    for child in children(pid) {
        text.push_str(&who_waits(child));
    }
    text
}

/// The path of a file as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
