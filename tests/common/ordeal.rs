//! Traces that are made hard for the tracer, and what is asked of every one of them when it is over:
//! it has ended, nobody is left of its tree, its recording can be read and its books balance.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Scratch;
use super::beside::{
    Beside, Tracing, children, field, processes_marked, state, text, threads, who_waits,
};
use super::process::{shell_status, until};
use super::random::Random;
use seccomp_gen::recording::{Run, load};

/// How long one run may take: the longest fixture needs a few seconds on an idle machine.
pub const LIMIT: Duration = Duration::from_secs(90);

/// Keeps two CPUs busy until it is dropped.
pub fn busy_loops() -> [Beside; 2] {
    [0, 1].map(|_| Beside::start(Command::new("sh").args(["-c", "while :; do :; done"])))
}

/// What a command prints and ends with untraced.
pub fn plain(command: &[&str]) -> (String, i32) {
    let mut plain = Command::new(command[0]);
    let mut plain = Beside::start(plain.args(&command[1..]).stdin(Stdio::null()));
    let status = plain.wait_for(LIMIT);
    (plain.stdout(), shell_status(status))
}

/// A trace under way all of whose processes can be told from others.
pub struct Ordeal {
    pub tracing: Tracing,
    mark: Scratch,
}

/// A step of an installation that a thread was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Map,
    NoNewPrivs,
    Install,
    Unmap,
}

/// What has come of it.
pub struct Ended {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
    pub run: Run,
}

impl Ordeal {
    /// `seccomp-gen trace OPTIONS -- COMMAND`.
    pub fn start(options: &[&str], command: &[&str]) -> Ordeal {
        let mark = Scratch::new();
        let mut tracer = super::seccomp_gen();
        tracer.env("MARK", mark.path());
        Ordeal { tracing: Tracing::start(tracer, options, command), mark }
    }

    fn tracer(&self) -> i32 {
        self.tracing.tracer.pid()
    }

    /// The processes of the program, as they are at the moment.
    pub fn tracees(&self) -> Vec<i32> {
        let mut pids = processes_marked(text(self.mark.path()));
        pids.retain(|pid| *pid != self.tracer() && field(*pid, *pid, "TracerPid") != "0");
        pids
    }

    /// Waits until there is a program, or the tracer has ended; whether there is.
    pub fn has_begun(&mut self) -> bool {
        let end = Instant::now() + LIMIT;
        while self.tracing.tracer.is_running() && Instant::now() < end {
            let gate = std::fs::read_link(format!("/proc/{}/exe", self.tracer()));
            let is_program = |pid: &i32| {
                let exe = std::fs::read_link(format!("/proc/{pid}/exe"));
                exe.is_ok_and(|exe| gate.as_ref().is_ok_and(|gate| exe != *gate))
            };
            if children(self.tracer()).iter().any(is_program) {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }

    /// Signals the tracer; whether it was there.
    pub fn signal_tracer(&mut self, signal: Signal) -> bool {
        self.tracing.tracer.is_running() && kill(Pid::from_raw(self.tracer()), signal).is_ok()
    }

    /// Signals one of the program's processes; whether it was there.
    pub fn signal_tracee(&self, pid: i32, signal: i32) -> bool {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mark = text(self.mark.path()).as_bytes();
        let ours = environment.windows(mark.len()).any(|part| part == mark);
        // nix knows no realtime signals.
        let line = format!("kill -{signal} {pid} 2>/dev/null");
        match Signal::try_from(signal) {
            _ if !ours => false,
            Ok(signal) => kill(Pid::from_raw(pid), signal).is_ok(),
            Err(_) => {
                Command::new("sh").args(["-c", &line]).status().is_ok_and(|status| status.success())
            }
        }
    }

    /// Stops the tracer; whether it has.
    pub fn stop_tracer(&mut self) -> bool {
        let stopped = |ordeal: &mut Ordeal| ordeal.signal_tracer(Signal::SIGSTOP);
        stopped(self)
            && (0..10_000).any(|_| {
                std::thread::yield_now();
                !matches!(state(self.tracer()).as_str(), "R" | "S" | "D")
            })
            && state(self.tracer()) == "T"
    }

    /// Stops the tracer again and again until a thread of the program is found in the middle of an
    /// installation, and leaves the tracer stopped. None if there was none to be found in that time;
    /// then the tracer runs.
    pub fn stop_in_installation(
        &mut self,
        random: &mut Random,
        limit: Duration,
    ) -> Option<(i32, Step)> {
        let end = Instant::now() + limit;
        while Instant::now() < end && self.stop_tracer() {
            if let Some(found) = self.installing() {
                return Some(found);
            }
            self.signal_tracer(Signal::SIGCONT);
            std::thread::sleep(random.moment(Duration::from_micros(150)));
        }
        self.signal_tracer(Signal::SIGCONT);
        None
    }

    /// A process one of whose threads stands in a call that no program makes of itself.
    fn installing(&self) -> Option<(i32, Step)> {
        let in_step = |pid: i32, tid: i32| {
            let call = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).ok()?;
            Some((pid, step(&call)?)).filter(|_| field(pid, tid, "SigBlk").starts_with("ffff"))
        };
        let pids = self.tracees();
        pids.into_iter().find_map(|pid| threads(pid).into_iter().find_map(|tid| in_step(pid, tid)))
    }

    /// Waits for the end, and looks whether all is as it should be.
    pub fn end(mut self) -> Result<Ended, String> {
        self.signal_tracer(Signal::SIGCONT);
        let ended = until(LIMIT, || (!self.tracing.tracer.is_running()).then_some(()));
        if ended.is_none() {
            return Err(format!("it hangs:\n{}", who_waits(self.tracer())));
        }
        let mut wrong = String::new();
        let mark = text(self.mark.path());
        // What is killed together with its tracer may take a moment to be gone.
        let left = || processes_marked(mark);
        if until(Duration::from_secs(10), || left().is_empty().then_some(())).is_none() {
            let list: String = left().into_iter().map(who_waits).collect();
            let _ = writeln!(wrong, "it leaves processes:\n{list}");
        }
        let told = self.tracing.tracer.stderr();
        let file = self.tracing.dir.join("t.recording.json");
        let incomplete = self.tracing.dir.join("t.recording.incomplete.json");
        let file = if file.exists() { file } else { incomplete };
        let run = match load(&file) {
            Ok(mut recording) if recording.runs.len() == 1 => recording.runs.remove(0),
            Ok(recording) => return Err(format!("{wrong}{} runs\n{told}", recording.runs.len())),
            Err(e) => return Err(format!("{wrong}no recording: {e}\n{told}")),
        };
        if !run.books.balance() {
            let faults = run.books.faults();
            let _ = writeln!(wrong, "{faults:?} {:?} {:?}", run.books, run.warnings);
        }
        let (stdout, code) = (self.tracing.tracer.stdout(), self.tracing.tracer.code());
        match wrong.is_empty() {
            true => Ok(Ended { stdout, stderr: told, code, run }),
            false => Err(format!("{wrong}{told}")),
        }
    }
}

/// What of an installation a call is, as /proc/TID/syscall shows it: ours has a buffer whose length
/// is no multiple of a page.
fn step(call: &str) -> Option<Step> {
    let words: Vec<&str> = call.split_whitespace().collect();
    let number: i64 = words.first()?.parse().ok()?;
    let argument = |n: usize| {
        let word = words.get(n + 1).and_then(|word| word.strip_prefix("0x"));
        word.and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0)
    };
    let partial_page = argument(1) % 4096 != 0 && argument(1) % 8 == 0;
    match number {
        libc::SYS_seccomp => Some(Step::Install),
        libc::SYS_prctl if argument(0) == libc::PR_SET_NO_NEW_PRIVS as u64 => {
            Some(Step::NoNewPrivs)
        }
        libc::SYS_mmap if partial_page && argument(4) == u64::MAX => Some(Step::Map),
        libc::SYS_munmap if partial_page => Some(Step::Unmap),
        _ => None,
    }
}

/// What goes wrong, up to what a reader can bear.
#[derive(Default)]
pub struct Failures(Vec<String>);

impl Failures {
    pub fn add(&mut self, where_: &str, what: &str) {
        self.0.push(format!("--- {where_}: {}", what.trim_end()));
    }

    /// Notes what is wrong with an end, if anything is; the end, if it is to be looked at further.
    pub fn take(&mut self, where_: &str, ended: Result<Ended, String>) -> Option<Ended> {
        ended.map_err(|wrong| self.add(where_, &wrong)).ok()
    }

    /// The same, and it must have printed this and ended with that status.
    pub fn compare(
        &mut self,
        where_: &str,
        ended: Result<Ended, String>,
        expected: &(String, i32),
    ) {
        let Some(ended) = self.take(where_, ended) else { return };
        let found = (ended.stdout, ended.code);
        if found != *expected {
            let what = format!(
                "expected {expected:?}, found {found:?}\n{:?}\n{}",
                ended.run.warnings, ended.stderr
            );
            self.add(where_, &what);
        }
    }

    #[track_caller]
    pub fn none(&self) {
        let shown = self.0.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.0.is_empty(), "{} of them:\n{shown}", self.0.len());
    }
}
