//! Attaching to processes that run already, and letting them go as they were. Suite, with the full
//! counts in the soak.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::beside::{
    Beside, Tracing, assert_let_go, children, field, state, text, threads, wait_until, who_waits,
};
use common::others::ForOthers;
use common::{Scratch, Traced, fixture, names, seccomp_gen, times, tool};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seccomp_gen::recording::{Counted, EndCause, Run, load};

fn start(program: &str, args: &[&str]) -> Beside {
    Beside::start(Command::new(program).args(args).stdin(Stdio::null()))
}

fn sh(script: &str) -> Beside {
    start("sh", &["-c", script])
}

/// Attaches, lets go by itself, and fails unless all went well.
fn look(pid: i32, options: &[&str]) -> Run {
    let tracing = finished(pid, options);
    let run = tracing.run();
    // A process that sleeps all the time calls nothing, of which no profile is made.
    if !run.syscalls.is_empty() {
        tracing.assert_written();
    }
    assert!(run.complete, "{:?} {:?}", run.incomplete_because, run.books);
    let ending = run.ending.clone().unwrap();
    assert_eq!(ending.cause, EndCause::Detached);
    assert_eq!((ending.stop_signal, ending.status), (None, None));
    run
}

fn finished(pid: i32, options: &[&str]) -> Tracing {
    let pid_option = format!("--pid={pid}");
    let mut tracing = Tracing::launch(&[&[pid_option.as_str()], options].concat(), &[]);
    assert_eq!(tracing.tracer.code(), 0, "{}", tracing.tracer.stderr());
    tracing
}

/// A redis-server on a socket of its own, with redis-benchmark at it.
struct Redis {
    server: Beside,
    _load: Beside,
    dir: Scratch,
}

impl Redis {
    fn start() -> Redis {
        let dir = Scratch::new();
        let socket = dir.join("socket");
        let args = ["--port", "0", "--save", "", "--unixsocket", text(&socket), "--dir"];
        let server = start(text(&tool("redis-server")), &[&args[..], &[text(dir.path())]].concat());
        wait_until("redis-server listens", || socket.exists());
        let args = ["-s", text(&socket), "-c", "10", "-l", "-q", "-t", "set,get,lpush,lpop"];
        let load = start(text(&tool("redis-benchmark")), &args);
        Redis { server, _load: load, dir }
    }

    fn answers(&self) {
        let mut ping = Command::new(tool("redis-cli"));
        let mut ping = Beside::start(ping.arg("-s").arg(self.dir.join("socket")).arg("PING"));
        ping.wait_for(Duration::from_secs(10));
        assert_eq!(ping.stdout(), "PONG\n", "{}", who_waits(self.server.pid()));
    }
}

/// Acceptance 4. How long each look takes: 5 s in the soak.
#[test]
fn a_loaded_redis_server_answers_throughout_and_goes_on_as_before() {
    let redis = Redis::start();
    redis.answers();
    let server = redis.server.pid();
    let seconds = if times(10) == 10 { "--for=5s" } else { "--for=1s" };
    for _ in 0..times(50) {
        let mut tracing = Tracing::attach(server, &[seconds]);
        let tids = threads(server);
        wait_until("every thread is traced", || {
            tids.iter().all(|tid| field(server, *tid, "TracerPid") != "0")
        });
        while tracing.tracer.is_running() {
            redis.answers();
            sleep(Duration::from_millis(50));
        }
        assert_eq!(tracing.tracer.code(), 0, "{}", tracing.tracer.stderr());
        assert_let_go(server);
        let run = tracing.run();
        assert!(run.complete, "{:?} {:?}", run.incomplete_because, run.books);
        let names = names(&run);
        for name in ["epoll_wait", "read", "write"] {
            assert!(names.contains(name), "no {name} among {names:?}");
        }
        redis.answers();
    }
}

#[test]
fn no_call_returns_eintr_for_our_coming_and_going() {
    let dir = Scratch::new();
    let end = dir.join("end");
    let mut program = start(text(&fixture("eintr_none")), &["-w", text(&end)]);
    wait_until("its threads run", || threads(program.pid()).len() > 40);
    for n in 0..times(50) {
        let span = format!("--for={}ms", 20 + 37 * (n % 7));
        let run = finished(program.pid(), &[&span]).run();
        assert!(run.complete, "{:?} {:?}", run.incomplete_because, run.books);
        assert_let_go(program.pid());
    }
    std::fs::write(&end, "").unwrap();
    let code = program.code();
    assert_eq!((code, program.stdout().as_str()), (0, "eintr 0\n"), "{}", program.stderr());
}

#[test]
fn no_call_returns_eintr_for_breathers() {
    let dir = Scratch::new();
    let end = dir.join("end");
    let mut program = start(text(&fixture("eintr_none")), &["-w", text(&end)]);
    wait_until("its threads run", || threads(program.pid()).len() > 40);
    let run = look(program.pid(), &["--max-share=1", "--for=6s"]);
    std::fs::write(&end, "").unwrap();
    let code = program.code();
    assert_eq!((code, program.stdout().as_str()), (0, "eintr 0\n"), "{}", program.stderr());
    assert!(run.books.lost == 0, "{:?}", run.books);
}

#[test]
fn a_process_is_traced_with_its_children_or_alone() {
    let script = "sh -c 'while :; do cat /dev/null; sleep 0.05; done; :' & wait";
    let mut parent = sh(script);
    wait_until("the tree stands", || {
        children(parent.pid()).iter().any(|child| !children(*child).is_empty())
    });
    let run = look(parent.pid(), &["--for=600ms"]);
    assert!(run.processes.len() > 3, "{:?}", run.processes);
    assert!(names(&run).contains("execve"), "{:?}", names(&run));
    assert_let_go(parent.pid());
    assert_let_go(children(parent.pid())[0]);

    let run = look(parent.pid(), &["--for=600ms", "--no-tree"]);
    assert_eq!(run.processes.len(), 1, "{:?}", run.processes);
    assert!(!names(&run).contains("execve"), "{:?}", names(&run));
    assert!(parent.is_running());
}

#[test]
fn two_processes_at_once() {
    let loops = "while :; do sleep 0.05; done";
    let one = start("sh", &["-c", loops, "sh", "--password", "hunter2"]);
    let two = sh(loops);
    let second = format!("--pid={}", two.pid());
    let first = format!("--pid={}", one.pid());
    let run = look(one.pid(), &["--for=500ms", &second, &first]);
    for pid in [one.pid(), two.pid()] {
        assert!(run.processes.iter().any(|p| p.pid == pid), "{:?}", run.processes);
        assert_let_go(pid);
    }
    let attached: Vec<i32> = run.command.attached.iter().map(|process| process.pid).collect();
    assert_eq!(attached, [one.pid(), two.pid()]);
    let first = &run.command.attached[0];
    assert_eq!(first.argv, ["sh", "-c", loops, "sh", "--password", "[masked]"]);
    assert_eq!(first.cwd.as_deref(), std::env::current_dir().unwrap().to_str());
    assert_eq!((run.command.argv.len(), &run.command.cwd), (0, &None));
    assert!(run.ended_at.unwrap() > run.started_at);
}

/// The executable lies on a file system that only the process sees.
#[test]
fn a_process_in_other_pid_and_mount_namespaces() {
    let script = "mount -t tmpfs none /mnt && cp \"$(command -v bash)\" /mnt/only-here && \
                  exec /mnt/only-here -c 'while :; do sleep 0.05; done'";
    let args = ["--pid", "--mount", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script];
    let unshare = start(text(&tool("unshare")), &args);
    wait_until("it runs", || {
        children(unshare.pid()).first().is_some_and(|p| field(*p, *p, "Name") == "only-here")
    });
    let pid = children(unshare.pid())[0];
    let run = look(pid, &["--for=500ms"]);
    let program = run.program.as_ref().unwrap();
    // In a chroot the kernel tells the path from the outer root.
    assert!(program.path.ends_with("/mnt/only-here"), "{}", program.path);
    assert!(program.sha256.is_some() && program.interpreter.is_some(), "{program:?}");
    let module = run.modules.iter().find(|m| m.path.ends_with("/mnt/only-here")).unwrap();
    assert_eq!(module.build_id, program.build_id);
    assert!(run.processes.iter().any(|p| p.pid == pid));
    assert_let_go(pid);
}

/// As after an upgrade: what runs is no longer what lies there.
#[test]
fn a_program_whose_file_was_replaced() {
    let dir = Scratch::new();
    let program = dir.path().canonicalize().unwrap().join("program");
    let build_id = || {
        let file = std::fs::File::open(&program).unwrap();
        seccomp_gen::proc::elf::build_id(&file, &program).unwrap()
    };
    std::fs::copy("/bin/sleep", &program).unwrap();
    let runs = build_id();
    let sleeper = start(text(&program), &["60"]);
    wait_until("it runs", || field(sleeper.pid(), sleeper.pid(), "Name") == "program");
    std::fs::remove_file(&program).unwrap();
    std::fs::copy(tool("bash"), &program).unwrap();
    assert_ne!(runs, build_id());
    // It sleeps throughout, so there is no profile to be written.
    let run = finished(sleeper.pid(), &["--for=300ms"]).run();
    assert!(run.complete, "{:?} {:?}", run.incomplete_because, run.books);
    assert_eq!(run.program.unwrap().build_id, runs);
    let module = run.modules.iter().find(|m| m.path == text(&program)).unwrap();
    assert_eq!(module.build_id, None);
}

#[test]
fn a_process_whose_leader_has_exited() {
    let script = "import ctypes, os, threading, time\n\
                  def go():\n    while True:\n        os.getppid(); time.sleep(0.05)\n\
                  threading.Thread(target=go).start()\n\
                  ctypes.CDLL(None).syscall(60, 0)\n";
    let mut program = start(text(&tool("python3")), &["-c", script]);
    let pid = program.pid();
    wait_until("its leader has exited", || state(pid) == "Z");
    for _ in 0..2 {
        let run = look(pid, &["--for=500ms"]);
        assert!(names(&run).contains("getppid"), "{:?}", names(&run));
    }
    assert!(threads(pid).iter().all(|tid| field(pid, *tid, "TracerPid") == "0"));
    assert!(program.is_running());
}

#[test]
fn a_process_in_group_stop_stays_stopped() {
    let mut program = sh("while :; do sleep 0.05; done");
    let pid = program.pid();
    program.signal(Signal::SIGSTOP);
    wait_until("it stands", || state(pid) == "T");
    let run = finished(pid, &["--for=500ms"]).run();
    assert!(run.complete, "{:?} {:?}", run.incomplete_because, run.books);
    sleep(Duration::from_millis(100));
    assert_eq!(state(pid), "T", "{}", who_waits(pid));
    assert_eq!(field(pid, pid, "TracerPid"), "0");
    program.signal(Signal::SIGCONT);
    wait_until("it goes on", || state(pid) != "T");

    // Continued while it is traced, it goes on; stopped while it is traced, it stays so.
    program.signal(Signal::SIGSTOP);
    wait_until("it stands", || state(pid) == "T");
    let mut tracing = Tracing::attach(pid, &[]);
    program.signal(Signal::SIGCONT);
    wait_until("it goes on", || !children(pid).is_empty());
    program.signal(Signal::SIGSTOP);
    wait_until("it stands", || "tT".contains(&state(pid)));
    sleep(Duration::from_millis(100));
    tracing.tracer.signal(Signal::SIGINT);
    assert_eq!(tracing.tracer.code(), 0);
    sleep(Duration::from_millis(100));
    assert_eq!(state(pid), "T", "{}", who_waits(pid));
    program.signal(Signal::SIGCONT);
    wait_until("it goes on", || state(pid) != "T");
}

#[test]
fn a_tree_that_makes_threads_and_executes_without_pause() {
    let (execs, bursts) = (fixture("exec_while_cloning"), fixture("thread_burst"));
    let script = format!(
        "trap 'echo over; exit 0' TERM; while :; do {} || exit 1; {} || exit 1; done",
        text(&execs),
        text(&bursts)
    );
    let mut program = sh(&script);
    let pid = program.pid();
    program.says("ok thread_burst");
    for n in 0..times(50) {
        let span = format!("--for={}ms", 50 + 61 * (n % 5));
        let tracing = finished(pid, &[&span]);
        let run = tracing.run();
        assert!(run.complete, "{:?} {:?}", run.incomplete_because, run.books);
        assert!(program.is_running(), "{}", program.stderr());
    }
    program.signal(Signal::SIGTERM);
    assert_eq!(program.code(), 0, "{}", program.stderr());
    assert!(program.stdout().ends_with("over\n"), "{}", program.stderr());
}

/// One process that replaces itself, and makes threads in between.
#[test]
fn a_process_that_executes_itself_without_pause() {
    let script = "import os, sys, threading\n\
                  n = [threading.Thread(target=os.getppid) for _ in range(3)]\n\
                  [t.start() for t in n]\n\
                  os.execv(sys.executable, [sys.executable, '-S', '-E', '-c', sys.argv[1]] * 1 \
                  + [sys.argv[1]])\n";
    let python = tool("python3");
    let mut program = start(text(&python), &["-S", "-E", "-c", script, script]);
    for n in 0..times(50) {
        let span = format!("--for={}ms", 30 + 41 * (n % 7));
        let tracing = finished(program.pid(), &[&span]);
        let run = tracing.run();
        assert!(run.complete, "{:?} {:?}", run.incomplete_because, run.books);
        assert!(program.is_running(), "{}", program.stderr());
        assert_eq!(field(program.pid(), program.pid(), "TracerPid"), "0");
    }
}

/// 150 threads beside one that executes the program anew every few milliseconds.
#[test]
fn a_process_that_executes_itself_among_many_threads() {
    let dir = Scratch::new();
    let end = dir.join("end");
    let mut program = start(text(&fixture("exec_among_threads")), &[text(&end)]);
    wait_until("its threads run", || threads(program.pid()).len() > 100);
    for n in 0..times(100) {
        let span = format!("--for={}ms", 20 + 43 * (n % 7));
        let run = finished(program.pid(), &[&span]).run();
        assert!(run.complete, "{:?} {:?}", run.incomplete_because, run.books);
        assert!(program.is_running(), "{}", program.stderr());
    }
    std::fs::write(&end, "").unwrap();
    assert_eq!(program.code(), 0, "{}", program.stderr());
    assert_eq!(program.stdout(), "ok exec_among_threads\n");
}

#[test]
fn whatever_ends_the_trace_the_process_is_never_signalled() {
    let mut program = start(text(&fixture("trap_term")), &["60"]);
    program.says("ready");
    let pid = program.pid();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut tracing = Tracing::attach(pid, &[]);
        // The second one comes while it lets go, or finds nobody.
        tracing.tracer.signal(signal);
        if tracing.tracer.is_running() {
            tracing.tracer.signal(signal);
        }
        assert_eq!(tracing.tracer.code(), 0, "{}", tracing.tracer.stderr());
        let ending = tracing.run().ending.unwrap();
        assert_eq!(ending.cause, EndCause::Detached);
        assert_eq!(ending.requested_by.as_deref(), Some(signal.as_str()));
        assert_let_go(pid);
    }
    let run = look(pid, &["--for=200ms"]);
    assert_eq!(run.ending.unwrap().requested_by.as_deref(), Some("--for"));
    assert_eq!(program.stdout(), "ready\n");
    program.signal(Signal::SIGTERM);
    assert_eq!(program.code(), 0);
    assert!(program.stdout().ends_with("term 1 int 0\n"), "{}", program.stdout());
}

/// Its thread cannot be stopped for a minute; who asks twice is not made to wait.
#[test]
fn a_thread_that_does_not_stop_is_left_when_it_is_asked_for_twice() {
    let mut program = start(text(&fixture("vfork_waits")), &["60000"]);
    let pid = program.pid();
    wait_until("its child lives", || !children(pid).is_empty());
    let child = children(pid)[0];
    let pid_option = format!("--pid={pid}");
    let mut tracing = Tracing::launch(&[&pid_option, "--no-tree"], &[]);
    wait_until("it is traced", || field(pid, pid, "TracerPid") != "0");
    sleep(Duration::from_millis(200));
    tracing.tracer.signal(Signal::SIGINT);
    sleep(Duration::from_millis(1200));
    assert!(tracing.tracer.is_running(), "{}", tracing.tracer.stderr());
    tracing.tracer.signal(Signal::SIGINT);
    assert_eq!(tracing.tracer.code(), 0, "{}", tracing.tracer.stderr());
    assert!(tracing.tracer.stderr().contains("did not stop to be let go"));
    assert_let_go(pid);
    assert!(program.is_running());
    kill(Pid::from_raw(child), Signal::SIGKILL).unwrap();
    assert_eq!(program.code(), 1, "{}", program.stderr());
}

#[test]
fn the_loss_of_the_tracer_leaves_the_process_running() {
    let mut program = start(text(&fixture("storm")), &["100000000", "3"]);
    wait_until("its threads run", || threads(program.pid()).len() == 3);
    let mut tracing = Tracing::attach(program.pid(), &[]);
    sleep(Duration::from_millis(500));
    tracing.tracer.signal(Signal::SIGKILL);
    tracing.tracer.wait();
    assert!(program.is_running());
    assert_let_go(program.pid());
    let partial = load(&tracing.dir.join("t.recording.partial.json")).unwrap();
    assert_eq!(partial.runs[0].command.attached[0].pid, program.pid());
    assert_eq!(partial.runs[0].ended_at, None);
}

#[test]
fn breathers_are_marked() {
    let mut program = start(text(&fixture("storm")), &["100000000", "2"]);
    wait_until("its threads run", || threads(program.pid()).len() == 2);
    let run = look(program.pid(), &["--max-share=10", "--for=8s"]);
    assert!(run.watch.gaps.len() > 1, "{:?} {:?}", run.watch.gaps, run.cost);
    assert!(run.watch.gaps_total_ms > 0);
    assert!(run.watch.gaps.iter().all(|g| g.from_ms <= g.to_ms && g.to_ms <= run.duration_ms));
    assert!(run.syscalls.iter().all(|s| s.counted == Counted::AtLeast));
    assert!(program.is_running());
    assert_let_go(program.pid());
}

/// Fails unless attaching is not permitted, and says this.
fn refused(tracer: Command, pid: i32, why: &[&str]) {
    let pid_option = format!("--pid={pid}");
    let mut tracing = Tracing::start(tracer, &[&pid_option, "--no-write"], &[]);
    assert_eq!(tracing.tracer.code(), 4, "{}", tracing.tracer.stderr());
    let told = tracing.tracer.stderr();
    assert!(why.iter().all(|why| told.contains(why)), "{told}");
}

#[test]
fn a_process_that_is_not_there() {
    refused(seccomp_gen(), i32::MAX, &["process 2147483647", "there is none"]);
}

#[test]
fn a_process_under_another_tracer() {
    let mut program = sh("while :; do sleep 0.05; done");
    let pid = program.pid();
    let number = pid.to_string();
    let strace = start(text(&tool("strace")), &["-f", "-o", "/dev/null", "-p", &number]);
    wait_until("strace has it", || field(pid, pid, "TracerPid") == strace.pid().to_string());
    let by = format!("process {} (strace) traces it already", strace.pid());
    refused(seccomp_gen(), pid, &[&by]);
    assert!(program.is_running());
    assert_eq!(field(pid, pid, "TracerPid"), strace.pid().to_string());
}

/// The process itself is free, its child is not: what the child does is missed.
#[test]
fn a_child_under_another_tracer_makes_the_run_incomplete() {
    let script = "tail -f /dev/null & while :; do sleep 0.05; done";
    let shell = start(text(&tool("bash")), &["-c", script]);
    let is_tail = |pid: &i32| field(*pid, *pid, "Name") == "tail";
    let tail = || children(shell.pid()).into_iter().find(is_tail);
    wait_until("tail runs", || tail().is_some());
    let tail = tail().unwrap();
    let strace = start(text(&tool("strace")), &["-o", "/dev/null", "-p", &tail.to_string()]);
    let tracer = strace.pid().to_string();
    wait_until("strace has it", || field(tail, tail, "TracerPid") == tracer);

    let pid_option = format!("--pid={}", shell.pid());
    let mut tracing = Tracing::launch(&[&pid_option, "--for=500ms"], &[]);
    assert_eq!(tracing.tracer.code(), 3, "{}", tracing.tracer.stderr());
    let run = tracing.run();
    assert_eq!((run.complete, run.watch.processes_not_traced), (false, 1));
    let who = format!("process {tail} (tail)");
    assert!(run.incomplete_because[0].starts_with(&who), "{:?}", run.incomplete_because);
    let why = format!("{who} could not be traced: process {tracer} (strace) traces it already");
    assert!(run.warnings.iter().any(|w| w.starts_with(&why) && w.contains("`--no-tree`")));
    let told = tracing.tracer.stderr();
    assert!(told.contains("1 more could not be traced") && !told.contains("every call of"));
    assert_let_go(shell.pid());

    look(shell.pid(), &["--for=300ms", "--no-tree"]);
}

/// As `seccomp-gen trace --pid $$` in a shell.
#[test]
fn the_tracers_own_parent() {
    let dir = Scratch::new();
    let program = seccomp_gen().get_program().to_str().unwrap().to_owned();
    let out = text(dir.path());
    let script = "\"$0\" trace --pid $$ --for 500ms --name t -o \"$1\"; exit $?";
    let mut shell = start("sh", &["-c", script, &program, out]);
    assert_eq!(shell.code(), 0, "{}", shell.stderr());
    let run = load(&dir.join("t.recording.json")).unwrap().runs.remove(0);
    assert!(run.complete, "{:?}", run.incomplete_because);
    assert!(run.warnings.iter().any(|w| w.contains("descends from what it traces")), "{run:?}");
}

#[test]
fn a_process_of_another_user() {
    let program = sh("while :; do sleep 0.05; done");
    let others = ForOthers::copy(&[]);
    refused(others.tracer(), program.pid(), &["CAP_SYS_PTRACE"]);
    assert_let_go(program.pid());
}

/// What `doctor --pid` says is what `trace --pid` meets.
fn refused_by_both(wrapper: &[&str], pid: i32, why: &str) {
    let others = ForOthers::copy(&[]);
    let copy = others.path("seccomp-gen");
    let number = pid.to_string();
    for args in [&["doctor", "--pid", &number][..], &["trace", "--no-write", "--pid", &number]] {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(&copy).args(args).stdin(Stdio::null());
        let mut tool = Beside::start(&mut command);
        let code = tool.code();
        let told = (tool.stdout() + &tool.stderr()).replace(&format!("\n{:26}", ""), " ");
        assert!(code == 4 && told.contains(why), "{args:?} {code}: {told}");
    }
    assert_let_go(pid);
}

const AS_NOBODY: [&str; 6] = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];

#[test]
fn a_process_with_a_capability_that_we_lack() {
    let caps = ["--inh-caps", "+net_raw,+chown", "--ambient-caps", "+net_raw,+chown"];
    let program = start("setpriv", &[&AS_NOBODY[1..], &caps, &["sleep", "60"]].concat());
    wait_until("it runs", || field(program.pid(), program.pid(), "Name") == "sleep");
    let why = "it holds CAP_CHOWN, CAP_NET_RAW, which we do not";
    refused_by_both(&AS_NOBODY, program.pid(), why);
}

/// As a daemon that was root's: the kernel protects what it may still have in its memory.
#[test]
fn a_process_that_has_given_up_its_rights() {
    let script = "import os, time\n\
                  os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)\n\
                  print('ready', flush=True); time.sleep(60)\n";
    let mut program = start("python3", &["-c", script]);
    program.says("ready");
    refused_by_both(&AS_NOBODY, program.pid(), "it is protected (prctl(2), PR_SET_DUMPABLE");
}

/// Each thread has a tracer of its own; a debugger may hold one alone.
#[test]
fn a_process_of_which_one_thread_is_under_another_tracer() {
    let program = start(text(&fixture("storm")), &["100000000", "3"]);
    let pid = program.pid();
    wait_until("its threads run", || threads(pid).len() == 3);
    let tid = threads(pid).into_iter().find(|tid| *tid != pid).unwrap();
    let strace = start(text(&tool("strace")), &["-o", "/dev/null", "-p", &tid.to_string()]);
    wait_until("strace has it", || field(pid, tid, "TracerPid") == strace.pid().to_string());
    let by = format!("process {} (strace) traces it already", strace.pid());
    refused(seccomp_gen(), pid, &[&by]);
}

/// A Landlock domain keeps us from what is outside of it, whatever capabilities we have.
#[test]
fn a_process_that_a_security_module_keeps_from_us() {
    if !std::fs::read_to_string("/proc/kallsyms")
        .unwrap_or_default()
        .contains("landlock_restrict_self")
    {
        return; // This kernel has none.
    }
    // landlock_create_ruleset(2) for one right that nobody uses, landlock_restrict_self(2).
    let script = "import ctypes, os, sys\n\
                  libc = ctypes.CDLL(None, use_errno=True)\n\
                  libc.prctl(38, 1, 0, 0, 0)\n\
                  ruleset = libc.syscall(444, ctypes.byref(ctypes.c_uint64(1 << 11)), 8, 0)\n\
                  assert ruleset >= 0 and libc.syscall(446, ruleset, 0) == 0\n\
                  os.execv(sys.argv[1], sys.argv[1:])\n";
    let program = sh("while :; do sleep 0.05; done");
    refused_by_both(&["python3", "-c", script], program.pid(), "(Landlock, ");
}

/// A run of ours that is itself under a tracer is refused nothing: it traces its own child.
#[test]
fn a_launch_by_a_traced_tracer() {
    let dir = Scratch::new();
    let mut strace = Command::new(tool("strace"));
    strace.args(["-f", "-o", "/dev/null"]).arg(seccomp_gen().get_program());
    strace.args(["trace", "--no-write", "--name", "t", "-o"]).arg(dir.path()).args(["--", "true"]);
    let output = strace.stdin(Stdio::null()).output().unwrap();
    let traced = Traced { output, dir, name: "t".to_owned() };
    assert_eq!(traced.code(), Some(4), "{}", traced.stderr());
    assert!(traced.stderr().contains("strace"), "{}", traced.stderr());
}
