//! On a real terminal: Ctrl-C, a hang-up, Ctrl-Z and `fg`, as under a shell. Suite.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::beside::{
    Beside, children, field, processes_marked, state, text, wait_until, who_waits,
};
use common::terminal::{CTRL_C, CTRL_Z, Terminal};
use common::{Scratch, fixture, seccomp_gen};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seccomp_gen::recording::{EndCause, Ending, Run, load};

fn tracer() -> String {
    seccomp_gen().get_program().to_str().unwrap().to_owned()
}

/// The tracer as the leader of the terminal's session, as `ssh -t HOST seccomp-gen ...` and
/// `docker run -t` have it, with `trap_term` ready for signals.
fn lead(terminal: &Terminal, dir: &Scratch, mode: &str) -> Beside {
    let program = fixture("trap_term");
    let out = text(dir.path());
    let args = ["trace", "-o", out, "--name", "t", "--", text(&program), "20", mode];
    let mut tracer = terminal.lead(&tracer(), &args);
    tracer.says("ready");
    tracer
}

fn run(dir: &Scratch) -> Run {
    load(&dir.join("t.recording.json")).unwrap().runs.remove(0)
}

fn ending(dir: &Scratch) -> Ending {
    let run = run(dir);
    assert!(run.complete, "{:?}", run.incomplete_because);
    run.ending.unwrap()
}

#[test]
fn ctrl_c_reaches_the_program_once() {
    for mode in ["handler", "sigwait", "signalfd", "ignore"] {
        let (terminal, dir) = (Terminal::open(), Scratch::new());
        let mut tracer = lead(&terminal, &dir, mode);
        terminal.type_in(CTRL_C);
        assert_eq!(tracer.code(), 0, "{}", tracer.stderr());
        assert!(tracer.stdout().ends_with("term 0 int 1\n"), "{mode}: {}", tracer.stdout());
        let ending = ending(&dir);
        assert_eq!(ending.cause, EndCause::Stopped);
        assert_eq!(ending.requested_by.as_deref(), Some("SIGINT"));
        assert!(!ending.stop_signal.unwrap().sent);
        assert!((250..5000).contains(&ending.shutdown_ms.unwrap()));
    }
}

#[test]
fn two_quick_ctrl_c_are_the_programs_business_and_a_late_one_kills() {
    let (terminal, dir) = (Terminal::open(), Scratch::new());
    let script = "trap 'echo told' INT; echo ready; while :; do sleep 0.1; done";
    let out = text(dir.path());
    let args = ["trace", "-o", out, "--name", "t", "--", "bash", "-c", script];
    let mut tracer = terminal.lead(&tracer(), &args);
    tracer.says("ready");
    terminal.type_in(CTRL_C);
    tracer.says("told\n");
    terminal.type_in(CTRL_C);
    tracer.says("told\ntold\n");
    sleep(Duration::from_millis(1100));
    assert!(tracer.is_running(), "{}", tracer.stderr());
    terminal.type_in(CTRL_C);
    assert_eq!(tracer.code(), 3, "{}", tracer.stderr());
    assert_eq!(run(&dir).ending.unwrap().cause, EndCause::Killed);
}

/// The kernel sends SIGHUP for a hang-up to the leader of the session alone, and to the foreground
/// group only when that leader ends.
#[test]
fn a_hang_up_of_the_tracers_own_session_tells_the_program() {
    let (mut terminal, dir) = (Terminal::open(), Scratch::new());
    let mut tracer = lead(&terminal, &dir, "handler");
    terminal.hang_up();
    assert_eq!(tracer.code(), 0, "{}", tracer.stderr());
    let ending = ending(&dir);
    assert_eq!(ending.requested_by.as_deref(), Some("SIGHUP"));
    assert_eq!(ending.stop_signal.as_ref().map(|s| s.name.as_str()), Some("SIGHUP"));
    assert!(ending.shutdown_ms.unwrap() < 5000);
}

/// What launches nothing has nothing to bring to an end: here in a write to a pipe that is full.
#[test]
fn ctrl_c_ends_doctor_and_recover_at_once() {
    let dir = Scratch::new();
    let full = dir.join("full");
    nix::unistd::mkfifo(&full, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut pipe = OpenOptions::new();
    pipe.read(true).write(true).custom_flags(nix::libc::O_NONBLOCK);
    let mut pipe = pipe.open(&full).unwrap();
    while pipe.write(&[0; 4096]).is_ok() {}
    for args in [&["doctor"][..], &["recover", "-o", text(dir.path())]] {
        let terminal = Terminal::open();
        let line = "full=$0; exec \"$@\" >$full 2>&1";
        let program = tracer();
        let args = [&["-c", line, text(&full), &program], args].concat();
        let mut leader = terminal.lead("sh", &args);
        wait_until("it writes", || {
            let call = std::fs::read_to_string(format!("/proc/{}/syscall", leader.pid()));
            let write = format!("{} ", nix::libc::SYS_write);
            assert!(leader.is_running(), "{args:?}");
            call.is_ok_and(|call| call.starts_with(&write))
        });
        terminal.type_in(CTRL_C);
        assert_eq!(leader.code(), 128 + nix::libc::SIGINT, "{args:?}");
    }
}

/// Program and tracer write to the same terminal. What the program has written stays, its unfinished
/// lines too, and it is left alone while it asks for something that must not be seen.
#[test]
fn progress_leaves_the_programs_prompts_alone() {
    let (terminal, dir) = (Terminal::open(), Scratch::new());
    terminal.watch();
    let script = "stty -echo; printf 'Password: '; read word; printf '\\nName: '; stty echo; \
                  read name; echo \"heard $word $name\"";
    let line = "tty=$0; exec \"$@\" >$tty 2>&1";
    let (device, program, out) = (terminal.device(), tracer(), text(dir.path()).to_owned());
    let args = ["-c", line, text(&device), &program, "trace", "--color=never", "-o", &out];
    let mut leader =
        terminal.lead("sh", &[&args[..], &["--name", "t", "--", "sh", "-c", script]].concat());
    let asked = Instant::now();
    terminal.shows("Password: ", 1);
    sleep(Duration::from_millis(1500).saturating_sub(asked.elapsed()));
    terminal.type_in("secret\n");
    terminal.shows("Name: ", 1);
    // The line that was due before.
    terminal.shows("ends the trace in order", 1);
    terminal.type_in("alice\n");
    terminal.shows("heard secret alice", 1);
    assert_eq!(leader.code(), 0);
    terminal.shows("t: complete", 1);
    let screen = terminal.screen();
    assert!(screen.contains("Password: \r\nName: "), "{screen:?}");
    let from_name = screen.split("Name: ").nth(1).unwrap();
    let new_line = format!("{:80}\r", "");
    assert!(from_name.strip_prefix(&new_line).is_some_and(|t| t.starts_with('1')), "{screen:?}");
    let before_summary = screen.split("t: complete").next().unwrap();
    assert!(before_summary.ends_with(&format!("heard secret alice\r\n{new_line}")), "{screen:?}");
    // Nothing is wiped out.
    assert!(!screen.contains("\x1b["), "{screen:?}");
}

/// A serial console, or a pty of expect(1), does not know its size.
#[test]
fn progress_leaves_a_prompt_alone_on_a_terminal_without_a_size() {
    let (terminal, dir) = (Terminal::of_size(0, 0), Scratch::new());
    terminal.watch();
    let line = "tty=$0; exec \"$@\" >$tty 2>&1";
    let (device, program, out) = (terminal.device(), tracer(), text(dir.path()).to_owned());
    let args = ["-c", line, text(&device), &program, "trace", "--color=never", "-o", &out];
    let script = "printf 'Name: '; read name; echo heard $name";
    let mut leader =
        terminal.lead("sh", &[&args[..], &["--name", "t", "--", "sh", "-c", script]].concat());
    terminal.shows("ends the trace in order", 1);
    terminal.type_in("alice\n");
    assert_eq!(leader.code(), 0);
    terminal.shows("t: complete", 1);
    // The terminal itself adds a carriage return to a newline.
    let screen = terminal.screen().replace("\r\r\n", "\r\n");
    assert!(screen.contains("Name: \r\n1s  1 process"), "{screen:?}");
}

/// One line that is drawn again and again, but only where the attached process writes elsewhere.
#[test]
fn a_status_line_is_redrawn_on_a_terminal_of_our_own() {
    let traced_on = |tracers: &Terminal, pid: i32, kind: &str| {
        tracers.watch();
        let line = "tty=$0; exec \"$@\" 2>$tty";
        let (device, program, pid) = (tracers.device(), tracer(), format!("--pid={pid}"));
        let args = ["-c", line, text(&device), &program, "trace", "--color=never", "--no-write"];
        let mut command = std::process::Command::new("sh");
        command.args(args).args([&pid, "--for=2500ms"]).env("TERM", kind);
        assert_eq!(Beside::start(&mut command).code(), 0);
        tracers.screen()
    };
    let (ours, its) = (Terminal::open(), Terminal::open());
    let sleeper = its.lead("sleep", &["60"]);
    wait_until("it sleeps", || field(sleeper.pid(), sleeper.pid(), "Name") == "sleep");
    let elsewhere = traced_on(&ours, sleeper.pid(), "xterm");
    assert!(elsewhere.contains("\x1b[") && elsewhere.contains("1 thread"), "{elsewhere:?}");
    let shared = traced_on(&its, sleeper.pid(), "xterm");
    assert!(!shared.contains("\x1b[") && shared.contains("1 thread"), "{shared:?}");
    let dumb = Terminal::open();
    let shown = traced_on(&dumb, sleeper.pid(), "dumb");
    assert!(!shown.contains("\x1b[") && shown.contains("1 thread"), "{shown:?}");
}

/// A shell with job control on a terminal, and what it is typed.
struct Shell {
    terminal: Terminal,
    shell: Beside,
    dir: Scratch,
}

impl Shell {
    fn start() -> Shell {
        let (terminal, dir) = (Terminal::open(), Scratch::new());
        terminal.watch();
        // Its prompt and its own messages go to the terminal.
        let line = "exec bash --norc --noprofile --noediting -i <$0 >$0 2>&1";
        let device = terminal.device();
        let shell = terminal.lead("sh", &["-c", line, text(&device)]);
        terminal.type_in("PS1=\"\"; stty -echo; echo shell-is-up\n");
        // Once as the terminal's echo of what was typed, once as the answer.
        terminal.shows("shell-is-up", 2);
        Shell { terminal, shell, dir }
    }

    /// Types a traced command, and what is to follow on the line.
    fn trace(&self, command: &str, rest: &str) {
        let out = text(self.dir.path());
        let line = format!("{} trace -q -o {out} --name t -- {command} {rest}\n", tracer());
        self.terminal.type_in(&line);
    }

    /// The tracer, and the program that it launched.
    fn both(&self) -> (i32, i32) {
        let tracer = children(self.shell.pid())[0];
        (tracer, children(tracer)[0])
    }

    fn exit(mut self) {
        self.terminal.type_in("exit\n");
        self.shell.wait();
    }
}

#[test]
fn ctrl_c_under_a_shell_reaches_the_program_once() {
    let shell = Shell::start();
    shell.trace(&format!("{} 20", text(&fixture("trap_term"))), "; echo status $?");
    shell.terminal.shows("ready", 1);
    shell.terminal.type_in(CTRL_C);
    shell.terminal.shows("term 0 int 1", 1);
    shell.terminal.shows("status 0", 1);
    assert!(!ending(&shell.dir).stop_signal.unwrap().sent);
    shell.exit();
}

#[test]
fn the_end_of_the_shells_session_stops_the_program() {
    let mut shell = Shell::start();
    let line = format!("{} 20", text(&fixture("trap_term")));
    shell.trace(&line, "");
    shell.terminal.shows("ready", 1);
    // The shell hands a SIGHUP on to its jobs: what a closed window comes to.
    shell.shell.signal(Signal::SIGHUP);
    shell.shell.wait();
    wait_until("the recording is there", || shell.dir.join("t.capabilities.json").exists());
    let ending = ending(&shell.dir);
    assert_eq!(ending.requested_by.as_deref(), Some("SIGHUP"));
    assert_eq!(ending.stop_signal.map(|s| s.name), Some("SIGHUP".to_owned()));
}

/// Untraced, the shell gets its prompt back on Ctrl-Z and the program stands; `fg` lets it go on.
#[test]
fn ctrl_z_stops_the_tracer_and_the_program_and_fg_continues_both() {
    let shell = Shell::start();
    let program = "sh -c 'echo ready; i=0; while [ $i -lt 12 ]; do sleep 0.1; i=$((i+1)); done; \
                   echo is-done'";
    shell.trace(program, "; echo status $?");
    shell.terminal.shows("ready", 1);
    let (tracer, program) = shell.both();
    for round in 1..=2 {
        shell.terminal.type_in(CTRL_Z);
        shell.terminal.shows("Stopped", round);
        wait_until("both stand", || state(tracer) == "T" && "tT".contains(&state(program)));
        sleep(Duration::from_millis(300));
        assert!("tT".contains(&state(program)), "{}", who_waits(tracer));
        shell.terminal.type_in("fg\n");
        wait_until("both go on", || state(tracer) != "T");
        sleep(Duration::from_millis(200));
    }
    shell.terminal.shows("is-done", 1);
    shell.terminal.type_in("echo all-is-well\n");
    shell.terminal.shows("all-is-well", 1);
    wait_until("the recording is there", || shell.dir.join("t.capabilities.json").exists());
    let run = run(&shell.dir);
    assert!(run.complete, "{:?}", run.incomplete_because);
    shell.exit();
}

/// A program that stops itself alone, where others stop their whole group: untraced, the shell has
/// its prompt back.
#[test]
fn the_shell_learns_of_a_program_that_stops_itself() {
    let shell = Shell::start();
    shell.trace(text(&fixture("stop_self_tty")), "; echo status $?");
    shell.terminal.shows("before", 1);
    shell.terminal.shows("Stopped", 1);
    shell.terminal.type_in("fg\n");
    shell.terminal.shows("after", 1);
    shell.terminal.type_in("echo all-is-well\n");
    shell.terminal.shows("all-is-well", 1);
    wait_until("the recording is there", || shell.dir.join("t.capabilities.json").exists());
    shell.exit();
}

/// A job in the background that reads from the terminal stops; `fg` must let it read.
#[test]
fn a_background_job_that_reads_can_be_brought_to_the_foreground() {
    let shell = Shell::start();
    shell.trace("sh -c 'echo ready; read line; echo heard $line'", "&");
    shell.terminal.shows("ready", 1);
    let (_, program) = shell.both();
    wait_until("it stands", || "tT".contains(&state(program)));
    sleep(Duration::from_millis(200));
    shell.terminal.type_in("fg\n");
    sleep(Duration::from_millis(500));
    shell.terminal.type_in("words\n");
    shell.terminal.shows("heard words", 1);
    shell.exit();
}

/// A shell without job control has a job in the background ignore the terminal's Ctrl-C; one that
/// is sent by `kill` counts.
#[test]
fn a_background_job_of_a_script_is_not_ended_by_ctrl_c() {
    let (terminal, dir) = (Terminal::open(), Scratch::new());
    let program = fixture("trap_term");
    let script = "trap '' INT; exec \"$@\"";
    let out = text(dir.path());
    let tracer = tracer();
    let args = [
        "-c",
        script,
        "sh",
        &tracer,
        "trace",
        "-o",
        out,
        "--name",
        "t",
        "--",
        text(&program),
        "20",
    ];
    let mut leader = terminal.lead("sh", &args);
    leader.says("ready");
    terminal.type_in(CTRL_C);
    leader.says("got INT");
    // `trap_term` has a handler, and ends on it: whatever we were told to ignore, it was asked to.
    assert_eq!(leader.code(), 0);
    assert_eq!(ending(&dir).cause, EndCause::Stopped);

    let mut leader = terminal.lead("sh", &[&args[..10], &["sleep", "20"]].concat());
    wait_until("it sleeps", || {
        children(leader.pid()).first().is_some_and(|p| field(*p, *p, "Name") == "sleep")
    });
    terminal.type_in(CTRL_C);
    sleep(Duration::from_millis(500));
    assert!(leader.is_running(), "{}", leader.stderr());
    kill(Pid::from_raw(leader.pid()), Signal::SIGTERM).unwrap();
    assert_eq!(leader.code(), 0);
}

/// What Ctrl-Z stopped can be ended for good.
#[test]
fn a_stopped_job_is_killed_with_its_tracer() {
    let mark = Scratch::new();
    let mark = text(mark.path());
    let shell = Shell::start();
    shell.terminal.type_in(&format!("export MARK={mark}\n"));
    shell.trace("sleep 30", "");
    wait_until("it sleeps", || {
        let named = |pid: &i32| field(*pid, *pid, "Name") == "sleep";
        let mine = children(shell.shell.pid());
        mine.first().is_some_and(|tracer| children(*tracer).iter().any(named))
    });
    let (tracer, _) = shell.both();
    shell.terminal.type_in(CTRL_Z);
    shell.terminal.shows("Stopped", 1);
    kill(Pid::from_raw(tracer), Signal::SIGKILL).unwrap();
    wait_until("nothing is left", || processes_marked(mark).is_empty());
    // A shell that still takes the job for stopped would refuse to exit.
    wait_until("the shell knows", || children(shell.shell.pid()).is_empty());
    shell.exit();
}
