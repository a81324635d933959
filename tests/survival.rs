//! What is left when things go wrong: the tracer is killed, the disk is full, nobody listens. Suite,
//! with the full counts in the soak.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::beside::{Beside, Tracing, processes_marked, text, wait_until, who_waits};
use common::disk::on_a_disk_of;
use common::others::ForOthers;
use common::random::Random;
use common::{Scratch, fixture, seccomp_gen, times};
use nix::sys::signal::Signal;
use seccomp_gen::recording::{Counted, EndCause, Recording, load};

/// Over the start, the first checkpoint and one or two more.
const MOMENTS: Duration = Duration::from_millis(4500);

/// Programs that fork and make threads without end.
fn busy_programs() -> [String; 4] {
    let path = |name: &str| text(&fixture(name)).to_owned();
    [
        format!("while :; do {}; done", path("long_tree")),
        format!("while :; do {} & {}; wait; done", path("thread_burst"), path("fork_burst")),
        format!("while :; do {} 200; done", path("thousand_threads")),
        format!("while :; do {}; {}; done", path("fork_kinds"), path("exec_while_cloning")),
    ]
}

/// `seccomp-gen trace` of a shell line into this directory, under this name.
fn trace(dir: &Scratch, name: &str, mark: &str, line: &str) -> Beside {
    let mut tracer = seccomp_gen();
    tracer.args(["trace", "-q", "--name", name, "-o"]).arg(dir.path());
    tracer.args(["--", "sh", "-c", line]).env("MARK", mark).stdin(Stdio::null());
    Beside::start(&mut tracer)
}

fn read(dir: &Scratch, file: &str) -> Recording {
    load(&dir.join(file)).unwrap_or_else(|e| panic!("{e}"))
}

fn assert_nothing_is_left(mark: &str) {
    let left = || processes_marked(mark);
    let gone = common::process::until(Duration::from_secs(10), || left().is_empty().then_some(()));
    assert!(gone.is_some(), "{}", left().into_iter().map(who_waits).collect::<String>());
}

/// Acceptance 5.
#[test]
fn a_killed_tracer_leaves_a_checkpoint_and_no_process() {
    let dir = Scratch::new();
    let mark = text(dir.path());
    assert_eq!(trace(&dir, "t", mark, "true").code(), 0);
    let mut random = Random(0x5ecc_04f9);
    for n in 0..times(30) {
        let moment = random.moment(MOMENTS);
        let earlier = fs::read(dir.join("t.recording.json")).unwrap();
        let runs = read(&dir, "t.recording.json").runs.len();
        // The checkpoint is there before the program's first instruction.
        let line = &busy_programs()[n % 4];
        let line = format!("test -s {mark}/t.recording.partial.json && echo it-is-there; {line}");
        let mut tracer = trace(&dir, "t", mark, &line);
        tracer.says("it-is-there");
        sleep(moment);
        tracer.signal(Signal::SIGKILL);
        tracer.wait();
        assert_nothing_is_left(mark);

        let partial = read(&dir, "t.recording.partial.json");
        assert_eq!(partial.runs.len(), 1);
        let run = &partial.runs[0];
        assert!(!run.complete && run.ending.is_none());
        let late = moment > Duration::from_millis(3500);
        assert!(!late || !run.syscalls.is_empty(), "{moment:?}");
        let now = fs::read(dir.join("t.recording.json")).unwrap();
        assert!(now == earlier, "the finished recording has changed");

        // By `recover`, and by the next trace.
        if n % 2 == 0 {
            let mut recover = seccomp_gen();
            let mut recover = Beside::start(recover.arg("recover").arg("-o").arg(dir.path()));
            assert_eq!(recover.code(), 0, "{}", recover.stderr());
            assert!(recover.stderr().contains("marked incomplete"), "{}", recover.stderr());
        } else {
            let mut next = trace(&dir, "t", mark, "true");
            assert_eq!(next.code(), 0, "{}", next.stderr());
            assert!(next.stderr().contains("lost its tracer"), "{}", next.stderr());
        }
        let recording = read(&dir, "t.recording.json");
        assert_eq!(recording.runs.len(), runs + 1 + n % 2);
        let lost = recording.runs.iter().find(|r| r.id == run.id).unwrap();
        assert!(!lost.complete);
        assert_eq!(lost.ending.as_ref().unwrap().cause, EndCause::TracerLost);
        assert!(lost.syscalls.iter().all(|s| s.counted == Counted::AtLeast));
        assert!(!dir.join("t.recording.partial.json").exists());
    }
    let files = fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().file_name());
    let mut files: Vec<_> = files.map(|f| f.into_string().unwrap()).collect();
    files.sort();
    let lock_may_be_left = files.iter().filter(|f| *f != ".t.lock");
    assert!(
        lock_may_be_left.eq(["t.capabilities.json", "t.json", "t.recording.json"]),
        "{files:?}"
    );
}

/// What was not to be in the recording is not in what a killed tracer leaves either.
#[test]
fn what_a_killed_tracer_leaves_of_a_redacted_run_is_redacted() {
    let dir = Scratch::new();
    let secret = dir.join("of-this-machine");
    fs::create_dir(&secret).unwrap();
    let mut tracer = seccomp_gen();
    tracer.args(["trace", "-q", "--redact", "--name", "t", "-o"]).arg(dir.path());
    tracer.args(["--", "sh", "-c", "echo ready; sleep 30; :"]).current_dir(&secret);
    let mut tracer = Beside::start(&mut tracer);
    tracer.says("ready");
    let partial = dir.join("t.recording.partial.json");
    // One that has seen the program, not the blank one.
    wait_until("there is a checkpoint", || {
        load(&partial).is_ok_and(|checkpoint| !checkpoint.runs[0].syscalls.is_empty())
    });
    tracer.signal(Signal::SIGKILL);
    tracer.wait();
    let is_redacted = |file: &str| {
        let text = fs::read_to_string(dir.join(file)).unwrap();
        !text.contains("of-this-machine") && read(&dir, file).redacted
    };
    assert!(is_redacted("t.recording.partial.json"));
    let mut recover = seccomp_gen();
    let mut recover = Beside::start(recover.arg("recover").arg("-o").arg(dir.path()));
    assert_eq!(recover.code(), 0, "{}", recover.stderr());
    assert!(is_redacted("t.recording.json"));
}

/// At any moment of its start, too.
#[test]
fn a_tracer_that_is_killed_as_it_starts_leaves_no_process() {
    let dir = Scratch::new();
    let mark = text(dir.path());
    let mut random = Random(0xbe9_1227);
    for _ in 0..times(60) {
        let moment = random.moment(MOMENTS);
        let mut tracer = trace(&dir, "t", mark, "while :; do sleep 0.01; done");
        sleep(moment / 60);
        if tracer.is_running() {
            tracer.signal(Signal::SIGKILL);
        }
        tracer.wait();
        assert_nothing_is_left(mark);
        if dir.join("t.recording.partial.json").exists() {
            read(&dir, "t.recording.partial.json");
        }
    }
}

/// A signal that nobody can take in order, and that is no request: nothing is left of the tree.
#[test]
fn a_tracer_that_crashes_takes_its_tree_along() {
    for signal in [Signal::SIGABRT, Signal::SIGILL] {
        let dir = Scratch::new();
        let mark = text(dir.path());
        let mut tracer = trace(&dir, "t", mark, "echo ready; sleep 60 & sleep 60");
        tracer.says("ready");
        tracer.signal(signal);
        tracer.wait();
        assert_nothing_is_left(mark);
        read(&dir, "t.recording.partial.json");
    }
}

/// The program itself fills the disk: the run cannot be stored, and what was saved before is named.
#[test]
fn on_a_full_disk_what_was_saved_is_named() {
    let fill = "cat /dev/zero >$1/fill 2>/dev/null; echo the program has run to its end";
    let (code, out, err) = on_a_disk_of("256k", &[], fill);
    assert_eq!(code, 5, "{err}");
    assert!(err.contains("No space left on device") && err.contains("Free some space"), "{err}");
    assert!(err.contains("t.recording.partial.json"), "what was saved is not named: {err}");
    // The program was not harmed, and what was saved can be taken in later.
    assert!(out.starts_with("the program has run to its end\nt.recording.partial.json\n"), "{out}");
    assert!(out.contains("t.recording.json") && err.contains("recovered the run"), "{out}{err}");
}

#[test]
fn on_a_disk_that_is_full_from_the_start_nothing_is_launched() {
    let (code, out, err) = on_a_disk_of("4k", &[], "echo it was launched");
    assert_eq!(code, 5, "{err}");
    assert!(err.contains("No space left on device"), "{err}");
    assert!(!out.contains("it was launched"), "{out}{err}");
}

#[test]
fn a_directory_that_cannot_be_written_is_told_before_anything_is_launched() {
    let dir = Scratch::new();
    fs::write(dir.join("file"), "").unwrap();
    for (out, why) in [
        (dir.join("file/below"), "Not a directory"),
        ("/proc/nothing".into(), "No such file or directory"),
        ("/sys/kernel".into(), "Permission denied"),
    ] {
        let mut tracer = seccomp_gen();
        tracer.args(["trace", "--name", "t", "-o"]).arg(&out).args(["--", "echo", "launched"]);
        let mut tracer = Beside::start(&mut tracer);
        assert_eq!(tracer.code(), 5, "{}", tracer.stderr());
        let told = tracer.stderr();
        assert!(told.contains(why) && told.contains(text(&out)), "{told}");
        assert!(told.contains("Choose a directory that you may write to with `-o`"), "{told}");
        assert_eq!(tracer.stdout(), "");
    }
}

#[test]
fn a_directory_of_another_user_cannot_be_written() {
    let others = ForOthers::copy(&[]);
    let mut tracer = others.tracer();
    tracer.args(["trace", "--name", "t", "-o"]).arg(others.dir()).args(["--", "true"]);
    let mut tracer = Beside::start(&mut tracer);
    assert_eq!(tracer.code(), 5, "{}", tracer.stderr());
    assert!(tracer.stderr().contains("Permission denied"), "{}", tracer.stderr());
}

#[test]
fn the_second_of_two_traces_of_a_name_is_told_of_the_first() {
    let mut first = Tracing::launch(&[], &["sh", "-c", "echo ready; exec sleep 30"]);
    first.tracer.says("ready");
    let mut second = trace(&first.dir, "t", "", "echo launched");
    assert_eq!(second.code(), 5, "{}", second.stderr());
    let owner = format!("by another seccomp-gen (pid {})", first.tracer.pid());
    assert!(second.stderr().contains(&owner), "{}", second.stderr());
    assert_eq!(second.stdout(), "");
    // Nor is anything taken from it by `recover`, and another name is nobody's business.
    let mut recover = seccomp_gen();
    let mut recover = Beside::start(recover.arg("recover").arg("-o").arg(first.dir.path()));
    assert_eq!(recover.code(), 0, "{}", recover.stderr());
    assert!(recover.stderr().contains("left alone"), "{}", recover.stderr());
    assert_eq!(trace(&first.dir, "other", "", "true").code(), 0);
    first.tracer.signal(Signal::SIGTERM);
    assert_eq!(first.tracer.code(), 0);
    first.assert_written();
}

/// Nobody reads what we have to say: that is no reason to end the program.
#[test]
fn a_closed_standard_error_does_no_harm() {
    let dir = Scratch::new();
    for (n, ending) in ["2>&-", "2>/dev/full", "1>&- 2>&- <&-"].iter().enumerate() {
        let out = dir.join(&n.to_string());
        let line = format!("exec \"$0\" trace -o {} --name t -- sh -c true {ending}", text(&out));
        let mut shell = Command::new("sh");
        let mut shell = Beside::start(shell.args(["-c", &line]).arg(seccomp_gen().get_program()));
        assert_eq!(shell.code(), 0, "{ending}: {}", shell.stderr());
        assert!(load(&out.join("t.recording.json")).unwrap().runs[0].complete);
    }
}

#[test]
fn a_reader_of_standard_error_that_goes_away_does_no_harm() {
    let dir = Scratch::new();
    let mut tracer = seccomp_gen();
    tracer.args(["trace", "-v", "--name", "t", "-o"]).arg(dir.path());
    tracer.args(["--", "sh", "-c", "sleep 11; echo end"]);
    let mut tracer = tracer.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Progress is told after 10 s where there is no terminal.
    drop(tracer.stderr.take());
    let status = common::process::until(Duration::from_secs(60), || tracer.try_wait().unwrap());
    if status.is_none() {
        tracer.kill().unwrap();
    }
    assert_eq!(status.and_then(|s| s.code()), Some(0));
    assert!(read(&dir, "t.recording.json").runs[0].complete);
}

/// `--report -` into a pipe that nobody reads: the recording is there, and we say what failed.
#[test]
fn a_reader_of_the_report_that_goes_away_costs_the_report_alone() {
    let dir = Scratch::new();
    let line = "{ \"$0\" trace -q --report - --name t -o \"$1\" -- sh -c 'sleep 0.2'; \
                echo \"code $?\" >&2; } | true";
    let mut shell = Command::new("bash");
    shell.args(["-c", line]).arg(seccomp_gen().get_program()).arg(dir.path());
    let mut shell = Beside::start(&mut shell);
    shell.wait();
    let told = shell.stderr();
    assert!(told.contains("code 5") && told.contains("cannot write the report"), "{told}");
    wait_until("the recording is there", || dir.join("t.recording.json").exists());
    assert!(read(&dir, "t.recording.json").runs[0].complete);
}
