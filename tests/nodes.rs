//! Real nodes that sync from a peer: Monero's `monerod`, which nobody here wrote, and the bundled
//! demo node. Suite; acceptance line 6b with fewer blocks than `make soak`'s. All on loopback.
//!
//! A node's threads meet as chance has it, and so two runs may differ. Hence two oracles: the
//! kernel's recorder hears the very same run, and must have heard exactly what was recorded; and
//! `strace -f` on runs of their own, whose union must equal that of as many of ours, but for
//! [`BY_CHANCE`].

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::kernel::{self, Recorder};
use common::monero;
use common::process::{Guarded, free_port, post_json, until};
use common::{Scratch, strace, tool};
use nix::sys::signal::Signal;
use seccomp_gen::recording::{EndCause, ExitStatus, Run};
use serde_json::{Value, json};

/// Longer than a sync takes under a tracer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many pairs of runs two unions are made of at most.
const ROUNDS: usize = 3;

/// What one run makes and the next does not, however often: a thread that spins on a lock of
/// parking_lot or crossbeam gives up its time slice when it has not got it after some rounds.
const BY_CHANCE: [&str; 1] = ["sched_yield"];

/// A node that runs, under a tracer or not.
struct Node {
    process: Guarded,
    log: PathBuf,
}

impl Node {
    fn start(command: &mut Command, log: PathBuf) -> Node {
        let file = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Node { process: Guarded::spawn(command), log }
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits until the question has an answer; the test fails with the node's log if the node ends
    /// before, or does not give one.
    fn until<T>(&mut self, what: &str, mut ask: impl FnMut(&str) -> Option<T>) -> T {
        let Node { process, log } = self;
        let read = || String::from_utf8_lossy(&std::fs::read(&*log).unwrap()).into_owned();
        let answer = until(PATIENCE, || {
            let answer = ask(&read());
            assert!(answer.is_some() || process.is_running(), "{what}: it ended\n{}", read());
            answer
        });
        answer.unwrap_or_else(|| panic!("{what}: not within {PATIENCE:?}\n{}", read()))
    }

    /// What stands in the log behind that text.
    fn logged(&mut self, text: &str) -> String {
        self.until(text, |log| {
            // The last line may be half written.
            let (whole, _) = log.rsplit_once('\n')?;
            let line = whole.lines().find_map(|line| line.split_once(text))?;
            Some(line.1.to_owned())
        })
    }

    /// Ctrl-C, and the end that must follow; the exit code.
    fn interrupt(mut self) -> Option<i32> {
        self.process.signal_group(Signal::SIGINT);
        let status = self.process.wait(PATIENCE);
        status.unwrap_or_else(|| panic!("it does not end\n{}", self.log())).code()
    }
}

/// A program that is to be run under both oracles.
struct Subject<'a> {
    program: &'a Path,
    /// Its arguments, made anew (with an empty database) for each run.
    args: &'a dyn Fn() -> Vec<String>,
    /// Waits until the node has done what the run is for.
    wait: &'a dyn Fn(&mut Node),
}

impl Subject<'_> {
    fn run(&self, mut command: Command, dir: &Scratch) -> Option<i32> {
        let mut node = Node::start(command.args((self.args)()), dir.join("log"));
        (self.wait)(&mut node);
        node.interrupt()
    }

    /// Under us, with the kernel's recorder beside: both must have the same.
    fn traced(&self, mode: &[&str]) -> Run {
        let dir = Scratch::new();
        // A path of its own is what the recorder knows the node by.
        let program = dir.join("node");
        std::os::unix::fs::symlink(self.program, &program).unwrap();
        let recorder = Recorder::start(&program);
        let mut command = common::seccomp_gen();
        command.args(["trace", "--quiet", "--name", "t", "-o"]).arg(dir.path());
        command.args(mode).arg("--").arg(&program);
        let code = self.run(command, &dir);
        let mut heard = recorder.finish();
        let run = load_run(dir.path());
        assert_eq!(code, Some(0), "{:?} {:?}", run.incomplete_because, run.ending);
        assert_clean(&run);
        kernel::without_ours(&mut heard, &run);
        // The one that makes the process the root of the tree.
        heard.insert(("x86_64".to_owned(), libc::SYS_execve));
        let unheard = kernel::never_returned(&run);
        let mut ours = kernel::recorded(&run);
        ours.retain(|call| heard.contains(call) || !unheard.contains(call));
        assert_eq!(ours, heard, "left: recorded; right: heard by the kernel");
        run
    }

    fn straced(&self) -> BTreeSet<String> {
        let dir = Scratch::new();
        let file = dir.join("strace");
        let mut command = strace::strace(&file);
        command.arg(self.program);
        assert_eq!(self.run(command, &dir), Some(0));
        strace::names_in(&file)
    }

    /// Checks a node against both oracles; the union of what was recorded.
    fn check(&self) -> BTreeSet<String> {
        let (mut ours, mut theirs) = (BTreeSet::new(), BTreeSet::new());
        for round in 1..=ROUNDS {
            for mode in common::MODES {
                ours.extend(common::names(&self.traced(mode)));
            }
            theirs.extend(self.straced());
            eprintln!(
                "{}: round {round}: {} recorded; not by strace: {:?}; by strace alone: {:?}",
                self.program.display(),
                ours.len(),
                ours.difference(&theirs).collect::<Vec<_>>(),
                theirs.difference(&ours).collect::<Vec<_>>()
            );
            if differences(&ours, &theirs).is_empty() {
                return ours;
            }
        }
        panic!("the unions of {ROUNDS} runs each differ, see above");
    }
}

/// What is in one set alone, other than by chance.
fn differences<'a>(a: &'a BTreeSet<String>, b: &'a BTreeSet<String>) -> Vec<&'a str> {
    let names = a.symmetric_difference(b).map(String::as_str);
    names.filter(|name| !BY_CHANCE.contains(name)).collect()
}

fn load_run(dir: &Path) -> Run {
    let path = dir.join("t.recording.json");
    let mut recording = seccomp_gen::recording::load(&path).unwrap();
    assert_eq!(recording.runs.len(), 1);
    recording.runs.remove(0)
}

/// The run ended as it was asked to, and is whole.
fn assert_clean(run: &Run) {
    assert!(run.complete, "{:?} {:?}", run.incomplete_because, run.books);
    let ending = run.ending.as_ref().unwrap();
    assert_eq!(ending.cause, EndCause::Stopped);
    assert_eq!(ending.requested_by.as_deref(), Some("SIGINT"));
    assert_eq!(ending.status, Some(ExitStatus::Code(0)));
    // It had it from its group, as from a terminal.
    assert!(!ending.stop_signal.as_ref().unwrap().sent);
}

fn strings(args: &[&str]) -> Vec<String> {
    args.iter().map(|s| (*s).to_owned()).collect()
}

/// An empty directory; the earlier one of that name is gone.
fn fresh(dir: &Path) -> String {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir).unwrap();
    dir.to_str().unwrap().to_owned()
}

#[test]
fn monerod_syncs_from_a_peer() {
    let blocks: u64 = common::times(500).max(60).try_into().unwrap();
    let program = tool("monerod");
    let dir = Scratch::new();
    let [rpc, p2p, second_rpc, second_p2p] = [(); 4].map(|()| free_port());

    let data = fresh(&dir.join("first"));
    let args = monero::node(&data, rpc);
    let mut miner =
        Node::start(Command::new(&program).args(&args).arg("--offline"), dir.join("miner.log"));
    miner.until("RPC", |_| monero::info(rpc));
    assert_eq!(monero::mine(rpc, blocks), Some(blocks));
    assert_eq!(miner.interrupt(), Some(0));

    let mut command = Command::new(&program);
    command.args(&args).args(monero::peer(p2p, second_p2p));
    let mut peer = Node::start(&mut command, dir.join("peer.log"));
    peer.until("RPC", |_| monero::info(rpc));

    let height = blocks + 1;
    Subject {
        program: &program,
        args: &|| {
            let data = fresh(&dir.join("second"));
            [monero::node(&data, second_rpc), monero::peer(second_p2p, p2p)].concat()
        },
        wait: &|node| {
            node.until("synchronized", |_| monero::is_synced_to(height, second_rpc).then_some(()));
        },
    }
    .check();
    assert_eq!(peer.interrupt(), Some(0));
}

/// The bundled node, built by `cargo build --workspace` or by `cargo test --workspace`.
fn demo_node() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_seccomp-gen")).with_file_name("demo-node");
    assert!(path.is_file(), "{} is not built: use `cargo test --workspace`", path.display());
    path
}

const LOOPBACK: [&str; 4] = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];

#[test]
fn demo_node_syncs_from_an_author() {
    let blocks: u64 = common::times(20_000).try_into().unwrap();
    let program = demo_node();
    let dir = Scratch::new();
    let mut command = Command::new(&program);
    command.args(LOOPBACK).args(["--author", "--blocks", &blocks.to_string()]);
    command.arg("--base-path").arg(fresh(&dir.join("author")));
    let mut author = Node::start(&mut command, dir.join("author.log"));
    let peer = author.logged("Listening for peers on ");

    let args = |more: &[&str]| {
        let data = fresh(&dir.join("sync"));
        let own = ["--base-path", &data, "--peer", &peer];
        [strings(&LOOPBACK), strings(&own), strings(more)].concat()
    };
    let wait = |node: &mut Node| {
        let http = node.logged("HTTP server on ");
        let port: u16 = http.rsplit_once(':').unwrap().1.parse().unwrap();
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "system_syncState" });
        node.until("synchronized", |_| {
            let answer = post_json(port, "/", &request.to_string())?;
            let answer: Value = serde_json::from_str(&answer).ok()?;
            (answer["result"]["currentBlock"].as_u64()? > blocks).then_some(())
        });
    };
    let first = Subject { program: &program, args: &|| args(&[]), wait: &wait }.check();

    let later = format!("--version-2={}", blocks / 2);
    let second = Subject { program: &program, args: &|| args(&[&later]), wait: &wait }.check();
    let new = ["getrusage", "i386:getpid", "mount"];
    assert_eq!(differences(&first, &second), new);
    assert!(new.iter().all(|name| second.contains(*name)));
    assert_eq!(author.interrupt(), Some(0));
}
