use proptest::prelude::*;

use super::*;
use crate::arch::Arch;
use crate::recording::{
    ArgumentValue, ArgumentValues, EndCause, Ending, Loaded, Moment, Occasion, Sighting,
    StateIndex, sample,
};

fn identity() -> Identity {
    Identity::new(["alice", "alicehost", "alicehost.example.org", "root", "node"])
}

fn evidence(detail: &str, exe: &str, count: u64) -> CapabilityEvidence {
    CapabilityEvidence {
        capability: "CAP_CHOWN".to_owned(),
        rule: "chown".to_owned(),
        detail: detail.to_owned(),
        exe: exe.to_owned(),
        first_ms: 5,
        count,
    }
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

/// A run with something of the machine in every field that can hold it.
fn telling() -> Run {
    let mut run = sample::run_calling("1", &["read", "bind", "clone"]);
    run.complete = false;
    run.incomplete_because = strings(&["/home/alice/bin/node ended with status 1"]);
    run.host.kernel_release = "6.18.44-alicehost-generic".to_owned();
    run.command.argv = strings(&[
        "/home/alice/bin/node",
        "--base-path=/home/alice/My Data",
        "--name",
        "alice",
        "--port=30333",
        "--rpc=10.1.2.3:9944",
        "-d/home/alice",
        "alice@example.org",
    ]);
    run.command.attached = vec![Attached {
        pid: 4712,
        argv: vec!["/home/alice/bin/node".to_owned(), "--base=/home/alice/data".to_owned()],
        cwd: Some("/home/alice/work".to_owned()),
    }];
    run.ending = Some(Ending {
        cause: EndCause::Stopped,
        status: None,
        by_itself_ms: None,
        requested_by: Some("SIGINT".to_owned()),
        stop_signal: None,
        shutdown_ms: Some(3),
    });
    run.phases[0].name = "sync of alicehost".to_owned();
    run.syscalls[0].phases[0].phase = "sync of alicehost".to_owned();
    let mut child = sample::process(4713, Some(4711), 50);
    child.comm = "alices-worker".to_owned();
    child.credentials[0].state = StateIndex(1);
    run.credential_states
        .push(CredentialState { uid: [65534, 0, 5001, 33], ..sample::credential_state() });
    let moment = Moment { at_ms: 60, tid: 4720, occasion: Occasion::Change };
    child.credentials[0].moments.push(moment);
    run.processes.push(child);
    run.modules = ["/home/alice/lib/libc.so.6", "/usr/lib/libc.so.6", "[vdso]"]
        .map(|path| Module {
            path: path.to_owned(),
            build_id: None,
            first_ms: 1,
            loaded: Loaded::Later,
        })
        .to_vec();
    run.syscalls[1].arguments.push(ArgumentValues {
        name: "family+port".to_owned(),
        values: vec![ArgumentValue {
            raw: vec![1],
            text: "AF_UNIX, \"/run/user/5001/x y\", @alice-socket".to_owned(),
            count: 1,
        }],
        unreadable: 0,
        and_more: false,
    });
    run.capability_evidence =
        vec![evidence("chown(/home/alice/a)", "/bin/a", 2), evidence("chown(/b)", "/sbin/a", 3)];
    run.warnings = strings(&[
        "no build-id in /home/alice/My Libs/x.so.",
        "ALICE's node listens on 192.168.7.7:30333 (and 127.0.0.1:9944)",
    ]);
    run
}

fn redacted(run: Run) -> Run {
    redact_with(sample::recording("node", vec![run]), &identity()).runs.remove(0)
}

#[test]
fn nothing_of_the_machine_stays() {
    let text = serde_json::to_string_pretty(&redacted(telling())).unwrap();
    let lower = text.to_lowercase();
    for trace in [
        "alice",
        "example.org",
        "/home",
        "my data",
        "my libs",
        "/usr",
        "/run",
        "10.1.2.3",
        "192.168",
        "4711",
        "4712",
        "4713",
        "4720",
        "5001",
        "generic",
        "03:04:05",
    ] {
        assert!(!lower.contains(trace), "{trace:?} in {text}");
    }
}

#[test]
fn nothing_of_this_very_machine_stays() {
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
    let cwd = std::env::current_dir().unwrap().display().to_string();
    let exe = std::env::current_exe().unwrap().display().to_string();
    let mut run = telling();
    run.warnings = vec![format!("{host}: {exe} ran in {cwd}, not in {home}")];
    run.command.argv = strings(&["sh", "-c", &format!("cd {cwd} && exec {exe}"), &home]);
    run.command.cwd = Some(cwd.clone());
    run.processes[0].comm = host.clone();
    let recording = redact(sample::recording("node", vec![run]));
    let text = serde_json::to_string(&recording).unwrap();
    for trace in [&home, &cwd, &exe] {
        assert!(!text.contains(trace.as_str()), "{trace} in {text}");
    }
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '.');
    assert!(words.into_iter().all(|word| word != host), "{host} in {text}");
}

#[test]
fn what_tells_nothing_stays() {
    let run = redacted(telling());
    assert_eq!(run.host.kernel_release, "6.18.44");
    assert_eq!(run.started_at, "2026-01-02T00:00:00Z");
    assert_eq!(run.ended_at.as_deref(), Some("2026-01-02T00:00:00Z"));
    assert_eq!(
        run.command.argv,
        [
            "node",
            "--base-path=[redacted]",
            "--name",
            "[redacted]",
            "--port=30333",
            "--rpc=[redacted]",
            "-d[redacted]",
            "[redacted]"
        ]
    );
    let program = run.program.unwrap();
    assert_eq!(program.path, "node");
    assert_eq!(program.interpreter.as_deref(), Some("ld-linux-x86-64.so.2"));
    assert!(program.sha256.is_some() && program.build_id.is_some());
    let modules: Vec<&str> = run.modules.iter().map(|m| m.path.as_str()).collect();
    assert_eq!(modules, ["[vdso]", "libc.so.6"]);
    assert_eq!(run.syscalls[0].first.exe.as_deref(), Some("node"));
    assert_eq!(run.syscalls[0].first.comm.as_deref(), Some("worker"));
    assert_eq!(run.processes[0].comm, "node", "the program's own name is no secret");
    assert_eq!(run.capability_evidence, [evidence("chown([path])", "a", 5)]);
    let bind = &run.syscalls[1].arguments[0].values[0];
    assert_eq!(bind.text, "AF_UNIX, [redacted], [redacted]");
    assert_eq!(
        run.warnings,
        [
            "[redacted]'s node listens on [address] (and 127.0.0.1:9944)",
            "no build-id in [path] [path]."
        ]
    );
    assert_eq!(run.phases[0].name, run.syscalls[0].phases[0].phase);
    assert_eq!(run.incomplete_because, ["[path] ended with status 1"]);
}

#[test]
fn numbers_are_given_anew_and_agree() {
    let run = redacted(telling());
    let pids: Vec<_> = run.processes.iter().map(|p| (p.pid, p.parent)).collect();
    assert_eq!(pids, [(1, None), (2, Some(1))]);
    let states = &run.credential_states;
    assert_eq!(states[0].uid, [1000; 4]);
    assert_eq!(states[0].gid, [1000, 1000, 1000, 0]);
    assert_eq!(states[0].groups, [1001, 65534]);
    assert_eq!(states[1].uid, [65534, 0, 1000, 1002]);
    let tids: Vec<i32> =
        run.processes[1].credentials[0].moments.iter().map(|moment| moment.tid).collect();
    assert_eq!(tids[0], 2, "a leader's is its process's");
    let Sighting { pid, tid, .. } = run.syscalls[0].first;
    assert_eq!(pid, 1);
    let mut threads = vec![run.command.attached[0].pid, tids[1], tid];
    threads.sort_unstable();
    assert_eq!(threads, [3, 4, 5]);
    assert_eq!(run.syscalls[1].first.tid, tid, "the same thread");
}

#[test]
fn ids_in_evidence_agree_with_those_of_processes() {
    let mut run = telling();
    run.capability_evidence = ["fchown32(owner 5001)", "lchown(group 99) (unless -1)", "chown(0)"]
        .map(|detail| evidence(detail, "/bin/a", 1))
        .to_vec();
    let details: Vec<String> =
        redacted(run).capability_evidence.into_iter().map(|one| one.detail).collect();
    let expected = ["chown(0)", "fchown32(owner 1000)", "lchown(group 1003) (unless -1)"];
    assert_eq!(details, expected);
}

#[test]
fn a_pid_that_is_used_again_is_another_process() {
    let mut run = sample::run_calling("1", &["read"]);
    run.processes = vec![
        sample::process(10, None, 0),
        sample::process(20, Some(10), 5),
        sample::process(20, Some(10), 50),
    ];
    run.syscalls[0].first =
        Sighting { at_ms: 60, pid: 20, tid: 20, ..run.syscalls[0].first.clone() };
    let run = redacted(run);
    let pids: Vec<i32> = run.processes.iter().map(|p| p.pid).collect();
    assert_eq!(pids, [1, 2, 3]);
    assert_eq!((run.syscalls[0].first.pid, run.syscalls[0].first.tid), (3, 3));
}

#[test]
fn order_and_meaning_survive() {
    let run = Run { started_at: "2026-01-02T23:00:00Z".to_owned(), ..sample::run("a") };
    let later = Run { started_at: "2026-01-03T01:00:00Z".to_owned(), ..sample::run("b") };
    let mut calls = sample::run_calling("c", &["read"]);
    calls.syscalls.push(sample::syscall(Arch::I386, "socketcall"));
    let recording = sample::recording("node", vec![later, calls.clone(), run]);
    let redacted = redact_with(recording.clone(), &identity());
    assert!(redacted.redacted);
    assert_eq!(redacted.runs, merge::union(redacted.runs.clone()), "sorted");
    let built = |recording| crate::profile::build(recording, &Default::default());
    assert_eq!(built(&redacted), built(&recording));
}

#[test]
fn kernel_releases_lose_what_distributions_add() {
    for (release, mainline) in [
        ("6.18.44", "6.18.44"),
        ("6.1.0-28-amd64", "6.1.0"),
        ("5.15.167.4-microsoft-standard-WSL2", "5.15.167"),
        ("6.19+", "6.19"),
        ("", ""),
    ] {
        assert_eq!(mainline_release(release), mainline);
        assert_eq!(mainline_release(mainline), mainline);
    }
    assert_eq!(midnight("some day"), "1970-01-01T00:00:00Z");
}

proptest! {
    #[test]
    fn doing_it_twice_changes_nothing_more(
        warning in "( |/|a|alice|10\\.0\\.0\\.1|:|\\.|\"|é|\\[|\\]|@){0,8}",
        arg in "(-|--|=|a|/|Z|7|,|é|alice|s){0,6}",
        detail in "(\"|@|/|x| |,|\\(|7|33){0,6}",
        pids in proptest::collection::vec((1..5i32, proptest::option::of(1..5i32), 0..3u64), 0..4),
        ids in proptest::collection::vec(any::<u32>(), 4),
        sighting in (1..6i32, 1..6i32, 0..3u64),
    ) {
        let mut run = telling();
        run.warnings.push(warning);
        run.command.argv.push(arg);
        run.capability_evidence.push(evidence(&detail, "a", 1));
        run.processes = pids.into_iter().map(|(pid, parent, at)| sample::process(pid, parent, at)).collect();
        for state in &mut run.credential_states {
            state.groups = ids.clone();
        }
        let first = &mut run.syscalls[0].first;
        (first.pid, first.tid, first.at_ms) = sighting;
        let once = redact_with(sample::recording("node", vec![run]), &identity());
        prop_assert_eq!(redact_with(once.clone(), &identity()), once);
    }
}
