//! Whole reports, as text and as JSON.

use insta::assert_snapshot;

use super::*;
use crate::arch::Arch;
use crate::recording::{
    Books, CapabilityEvidence, Command, Cost, Credentials, Exec, Format as RecordingFormat, Host,
    Mode, Occasion, Tool, Watch,
};
use crate::report::Style;
use crate::report::layout::WIDTH;
use crate::syscall::SignalSet;

const ALL: CapSet = CapSet((1 << 41) - 1);
const NONE: CapSet = CapSet(0);
const CHOWN: u64 = 1 << 0;
const SETGID: u64 = 1 << 6;
const SETUID: u64 = 1 << 7;
const BIND: u64 = 1 << 10;
const SYS_ADMIN: u64 = 1 << 21;
const TERM_AND_INT: SignalSet = SignalSet(0x4002);

fn recording(runs: Vec<Run>) -> Recording {
    Recording {
        format: RecordingFormat::Recording,
        version: crate::recording::VERSION,
        name: "node".to_owned(),
        redacted: false,
        runs,
    }
}

/// What a process was seen in, and when.
type Lived = (Process, Vec<(u64, CredentialState)>);

fn a_run(lived: Vec<Lived>, evidence: Vec<CapabilityEvidence>) -> Run {
    let mut table: Vec<CredentialState> = Vec::new();
    let mut processes = Vec::new();
    for (mut process, states) in lived {
        for (at_ms, state) in states {
            let at = table.iter().position(|known| *known == state).unwrap_or_else(|| {
                table.push(state);
                table.len() - 1
            });
            process.credentials.push(Credentials {
                state: StateIndex(u32::try_from(at).unwrap()),
                moments: vec![Moment { at_ms, tid: process.pid, occasion: Occasion::Change }],
                seen: 1,
            });
        }
        processes.push(process);
    }
    Run {
        id: "00112233445566778899aabbccddeeff".to_owned(),
        complete: true,
        incomplete_because: Vec::new(),
        tool: Tool { name: "seccomp-gen".to_owned(), version: "0.1.0".to_owned() },
        host: Host {
            kernel_release: "6.17.0".to_owned(),
            arch: Arch::X86_64,
            cpus: 2,
            container: None,
        },
        command: Command { argv: Vec::new(), cwd: None, attached: Vec::new() },
        program: None,
        started_at: "2026-11-21T11:00:00Z".to_owned(),
        ended_at: Some("2026-11-21T11:00:01Z".to_owned()),
        duration_ms: 40_000,
        watch: Watch::in_mode(Mode::Full),
        foreign_filter_at_start: false,
        ending: None,
        phases: Vec::new(),
        credential_states: table,
        processes,
        processes_not_listed: 0,
        modules: Vec::new(),
        syscalls: Vec::new(),
        capability_evidence: evidence,
        cost: Cost::default(),
        books: Books::default(),
        warnings: Vec::new(),
    }
}

fn a_process(pid: i32, execs: &[(u64, &str)], states: Vec<(u64, CredentialState)>) -> Lived {
    let execs = execs.iter().map(|(at_ms, path)| Exec {
        at_ms: *at_ms,
        path: (*path).to_owned(),
        observed: true,
    });
    let process = Process {
        pid,
        parent: None,
        started_ms: 0,
        ended_ms: None,
        status: None,
        execs: execs.collect(),
        comm: String::new(),
        threads_peak: 1,
        credentials: Vec::new(),
    };
    (process, states)
}

fn a_state(held: CapSet, id: u32) -> CredentialState {
    CredentialState {
        inheritable: NONE,
        permitted: held,
        effective: held,
        bounding: ALL,
        ambient: NONE,
        no_new_privs: false,
        seccomp_mode: 0,
        seccomp_filters: Some(0),
        uid: [id; 4],
        gid: [id; 4],
        groups: Vec::new(),
        signals_caught: SignalSet(0),
        signals_ignored: SignalSet(0),
        signals_blocked: SignalSet(0),
    }
}

fn some_evidence(capability: &str, rule: &str, detail: &str, count: u64) -> CapabilityEvidence {
    CapabilityEvidence {
        capability: capability.to_owned(),
        rule: rule.to_owned(),
        detail: detail.to_owned(),
        exe: "/usr/sbin/noded".to_owned(),
        first_ms: 12,
        count,
    }
}

/// A daemon that starts as root, drops to a user of its own, and has 300 helpers that sandbox
/// themselves.
fn daemon() -> Recording {
    let root = CredentialState { groups: vec![0, 4], ..a_state(ALL, 0) };
    let halfway = CredentialState {
        uid: [0, 999, 0, 999],
        bounding: CapSet(ALL.0 & !SYS_ADMIN),
        ..a_state(CapSet(CHOWN | SETGID | SETUID | BIND), 0)
    };
    let dropped = CredentialState { signals_caught: TERM_AND_INT, ..a_state(NONE, 999) };
    let helper = CredentialState {
        bounding: NONE,
        no_new_privs: true,
        seccomp_mode: 2,
        seccomp_filters: Some(2),
        signals_ignored: SignalSet(1 << 14),
        signals_blocked: TERM_AND_INT,
        ..a_state(NONE, 999)
    };
    let main = [(0, "/bin/sh"), (5, "/usr/sbin/noded")];
    let states = vec![(0, root.clone()), (5, root), (20, halfway), (21, dropped)];
    let mut processes = vec![a_process(100, &main, states)];
    for pid in 200..500 {
        let exe = if pid % 2 == 0 { "/usr/libexec/noded-worker" } else { "/usr/libexec/prepare" };
        processes.push(a_process(pid, &[(30, exe)], vec![(30, helper.clone())]));
    }
    let evidence = vec![
        some_evidence("CAP_CHOWN", "chown-other-owner", "fchownat(owner 999)", 3),
        some_evidence("CAP_NET_BIND_SERVICE", "bind-privileged-port", "bind(port 80)", 1),
        some_evidence("CAP_NET_BIND_SERVICE", "bind-privileged-port", "bind(port 443)", 1),
        some_evidence("CAP_SETUID", "set-user", "setresuid(999)", 1),
    ];
    recording(vec![a_run(processes, evidence)])
}

#[test]
fn a_daemon_that_drops_its_rights() {
    let text = CapabilityReport::new(&daemon()).to_text(Style::PLAIN);
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
    assert_snapshot!(text, @r#"
    Capabilities of node: 1 run, 301 processes
    PROCESSES EXECUTABLE                          UID:GID         NNP  SECCOMP
            1 sh, noded                           0:0             no   none
                permitted, effective, bounding: all (41)
                inheritable, ambient: none
                groups: 0, 4
                SIGTERM and SIGINT default
            1 noded                               999:0           no   none
                permitted, effective: CAP_CHOWN, CAP_SETGID, CAP_SETUID,
                  CAP_NET_BIND_SERVICE
                inheritable, ambient: none
                bounding: all but CAP_SYS_ADMIN
                uid: real 0, effective 999, saved 0, fs 999
                SIGTERM and SIGINT default
            1 noded                               999:999         no   none
                permitted, effective, inheritable, ambient: none
                bounding: all (41)
                SIGTERM and SIGINT caught
          300 noded-worker, prepare               999:999         yes  2 filters
                permitted, effective, inheritable, bounding, ambient: none
                SIGTERM ignored; SIGINT blocked

    Changed while it ran
      at 20 ms noded: uid 0 -> 0/999/0/999; groups 0, 4 -> none; permitted,
        effective 41 -> 4; bounding -CAP_SYS_ADMIN
      at 21 ms noded: uid 0/999/0/999 -> 999; gid 0 -> 999; permitted, effective 4
        -> none; bounding +CAP_SYS_ADMIN

    All together
      permitted, effective, bounding: all (41)
      inheritable, ambient: none
      users: 0, 999; groups: 0, 4, 999; no_new_privs: some of the time

    Shown to be used
      CAP_CHOWN
        fchownat(owner 999) by /usr/sbin/noded, 3 times [chown-other-owner]
      CAP_SETUID
        setresuid(999) by /usr/sbin/noded, 1 time [set-user]
      CAP_NET_BIND_SERVICE
        bind(port 443) by /usr/sbin/noded, 1 time [bind-privileged-port]
        bind(port 80) by /usr/sbin/noded, 1 time [bind-privileged-port]

    Held, not shown to be used: 38 (without their CAP_)
      DAC_OVERRIDE*, DAC_READ_SEARCH*, FOWNER*, FSETID*, KILL*, SETGID, SETPCAP*,
      LINUX_IMMUTABLE*, NET_BROADCAST*, NET_ADMIN*, NET_RAW*, IPC_LOCK*, IPC_OWNER*,
      SYS_MODULE, SYS_RAWIO*, SYS_CHROOT, SYS_PTRACE*, SYS_PACCT, SYS_ADMIN*,
      SYS_BOOT, SYS_NICE*, SYS_RESOURCE*, SYS_TIME*, SYS_TTY_CONFIG*, MKNOD, LEASE*,
      AUDIT_WRITE*, AUDIT_CONTROL*, SETFCAP*, MAC_OVERRIDE*, MAC_ADMIN*, SYSLOG*,
      WAKE_ALARM, BLOCK_SUSPEND*, AUDIT_READ*, PERFMON*, BPF*, CHECKPOINT_RESTORE*
      * may be in use all the same: not every use shows in arguments (file: why)

    Suggestion: nothing but what was shown to be used
      securityContext:
        capabilities:
          drop: ["ALL"]
          add: ["CHOWN", "SETUID", "NET_BIND_SERVICE"]
    "#);
}

#[test]
fn a_program_that_holds_nothing() {
    let state = a_state(NONE, 1000);
    let process = a_process(7, &[(0, "/usr/bin/node\x1b[31m")], vec![(0, state)]);
    let mut run = a_run(vec![process], Vec::new());
    run.complete = false;
    run.watch.gaps_total_ms = 1_500;
    run.processes_not_listed = 12;
    let text = CapabilityReport::new(&recording(vec![run])).to_text(Style::PLAIN);
    assert_snapshot!(text, @r#"
    Capabilities of node: 1 run, 1 process
    1 run is incomplete: what is not shown may have been missed.
    1.50 s went unwatched.
    12 more processes are not listed in the recording.
    PROCESSES EXECUTABLE                          UID:GID         NNP  SECCOMP
            1 node\u{1b}[31m                      1000:1000       no   none
                permitted, effective, inheritable, ambient: none
                bounding: all (41)
                SIGTERM and SIGINT default

    Shown to be used: none

    Held, not shown to be used: none

    Suggestion: nothing but what was shown to be used
      securityContext:
        capabilities:
          drop: ["ALL"]
    "#);
}

#[test]
fn json_has_names_and_reasons() {
    let state = CredentialState {
        bounding: CapSet(1 << 1 | BIND),
        signals_caught: TERM_AND_INT,
        groups: vec![27],
        ..a_state(CapSet(1 << 1 | BIND), 0)
    };
    let process = a_process(7, &[(0, "/usr/sbin/noded")], vec![(0, state)]);
    let evidence = vec![
        some_evidence("CAP_NET_BIND_SERVICE", "bind-privileged-port", "bind(port 80)", 2),
        some_evidence("CAP_NET_BIND_SERVICE", "a-rule-of-tomorrow", "bind(port 81)", 1),
    ];
    // The same evidence in two runs: counts are added.
    let runs = vec![a_run(vec![process], evidence.clone()), a_run(Vec::new(), evidence)];
    let report = CapabilityReport::new(&recording(runs));
    let json = report.to_json().unwrap();
    assert_eq!(serde_json::from_str::<CapabilityReport>(&json).unwrap(), report);
    assert_snapshot!(json, @r#"
    {
      "format": "seccomp-gen capabilities",
      "version": 2,
      "name": "node",
      "runs": [
        {
          "id": "00112233445566778899aabbccddeeff",
          "started_at": "2026-11-21T11:00:00Z",
          "complete": true,
          "unwatched_ms": 0,
          "credential_states": [
            {
              "inheritable": [],
              "permitted": [
                "CAP_DAC_OVERRIDE",
                "CAP_NET_BIND_SERVICE"
              ],
              "effective": [
                "CAP_DAC_OVERRIDE",
                "CAP_NET_BIND_SERVICE"
              ],
              "bounding": [
                "CAP_DAC_OVERRIDE",
                "CAP_NET_BIND_SERVICE"
              ],
              "ambient": [],
              "no_new_privs": false,
              "seccomp_mode": 0,
              "seccomp_filters": 0,
              "uid": [
                0,
                0,
                0,
                0
              ],
              "gid": [
                0,
                0,
                0,
                0
              ],
              "groups": [
                27
              ],
              "signals_caught": [
                "SIGINT",
                "SIGTERM"
              ],
              "signals_ignored": [],
              "signals_blocked": [],
              "traps_sigterm": "caught",
              "traps_sigint": "caught"
            }
          ],
          "processes": [
            {
              "pid": 7,
              "exe": "/usr/sbin/noded",
              "states": [
                {
                  "state": 0,
                  "exe": "/usr/sbin/noded",
                  "moments": [
                    {
                      "at_ms": 0,
                      "tid": 7,
                      "occasion": "change"
                    }
                  ],
                  "seen": 1
                }
              ]
            }
          ],
          "processes_not_listed": 0
        },
        {
          "id": "00112233445566778899aabbccddeeff",
          "started_at": "2026-11-21T11:00:00Z",
          "complete": true,
          "unwatched_ms": 0,
          "credential_states": [],
          "processes": [],
          "processes_not_listed": 0
        }
      ],
      "union": {
        "inheritable": [],
        "permitted": [
          "CAP_DAC_OVERRIDE",
          "CAP_NET_BIND_SERVICE"
        ],
        "effective": [
          "CAP_DAC_OVERRIDE",
          "CAP_NET_BIND_SERVICE"
        ],
        "bounding": [
          "CAP_DAC_OVERRIDE",
          "CAP_NET_BIND_SERVICE"
        ],
        "ambient": [],
        "users": [
          0
        ],
        "groups": [
          0,
          27
        ],
        "some_with_no_new_privs": false,
        "some_without_no_new_privs": true,
        "some_under_seccomp": false
      },
      "used": [
        {
          "capability": "CAP_NET_BIND_SERVICE",
          "evidence": [
            {
              "rule": "a-rule-of-tomorrow",
              "source": null,
              "detail": "bind(port 81)",
              "exe": "/usr/sbin/noded",
              "count": 2
            },
            {
              "rule": "bind-privileged-port",
              "source": "capabilities(7), CAP_NET_BIND_SERVICE; include/net/ip.h:inet_port_requires_bind_service",
              "detail": "bind(port 80)",
              "exe": "/usr/sbin/noded",
              "count": 4
            }
          ]
        }
      ],
      "held_only": [
        {
          "capability": "CAP_DAC_OVERRIDE",
          "verdict": "held, not shown to be used",
          "not_visible": "the owner and mode of the files that were opened are not in the arguments"
        }
      ],
      "security_context": {
        "capabilities": {
          "drop": [
            "ALL"
          ],
          "add": [
            "NET_BIND_SERVICE"
          ]
        }
      }
    }
    "#);
}

#[test]
fn what_unlisted_processes_held_is_told_all_the_same() {
    let process = a_process(7, &[(0, "/bin/x")], vec![(0, a_state(NONE, 7))]);
    let mut run = a_run(vec![process], Vec::new());
    run.processes_not_listed = 1;
    run.credential_states.push(a_state(CapSet(CHOWN), 8));
    let text = CapabilityReport::new(&recording(vec![run])).to_text(Style::PLAIN);
    assert!(text.contains("All together\n  permitted, effective: CAP_CHOWN\n"), "{text}");
    assert!(text.contains("users: 7, 8"), "{text}");
    assert!(text.contains("shown to be used: 1 (without their CAP_)\n  CHOWN"), "{text}");
}

#[test]
fn held_is_never_called_needed() {
    let process = a_process(7, &[(0, "/bin/x")], vec![(0, a_state(ALL, 0))]);
    let report = CapabilityReport::new(&recording(vec![a_run(vec![process], Vec::new())]));
    assert!(report.security_context.capabilities.add.is_empty());
    assert_eq!(report.held_only.len(), 41);
    let said = report.to_json().unwrap() + &report.to_text(Style::PLAIN);
    assert!(!said.contains("required") && !said.contains("CAP_CHOWN is needed"));
    assert!(report.held_only.iter().all(|held| held.verdict == HELD_ONLY));
}

#[test]
fn a_process_with_other_signals_is_still_one_process() {
    let before = a_state(NONE, 7);
    let after = CredentialState { signals_caught: TERM_AND_INT, ..before.clone() };
    let text = |states: Vec<(u64, CredentialState)>| {
        let process = a_process(7, &[(0, "/bin/x")], states);
        let run = a_run(vec![process], Vec::new());
        CapabilityReport::new(&recording(vec![run])).to_text(Style::PLAIN)
    };
    let then = text(vec![(1, before.clone()), (2, after.clone())]);
    assert_eq!(then.matches("7:7").count(), 1, "{then}");
    assert!(then.contains("SIGTERM and SIGINT default, then caught\n"), "{then}");
    assert!(!then.contains("Changed") && !then.contains("All together"), "{then}");
    let turns = text(vec![(1, before.clone()), (2, after), (3, before)]);
    assert!(
        turns.contains("SIGTERM and SIGINT default in the end, at other times caught\n"),
        "{turns}"
    );
}

#[test]
fn changes_that_are_alike_are_told_once() {
    let root = a_state(ALL, 0);
    let dropped = CredentialState { no_new_privs: true, ..a_state(NONE, 9) };
    let states = vec![(1, root), (2, dropped)];
    let processes = (1..=30).map(|pid| a_process(pid, &[(0, "/bin/x")], states.clone())).collect();
    let report = CapabilityReport::new(&recording(vec![a_run(processes, Vec::new())]));
    let text = report.to_text(Style::PLAIN);
    assert!(text.contains("  at 2 ms x (30 processes): uid 0 -> 9; gid 0 -> 9;"), "{text}");
    assert_eq!(text.matches("no_new_privs set").count(), 1, "{text}");
}

#[test]
fn a_handler_counts_for_more_than_a_mask() {
    let of = |caught: u64, ignored: u64, blocked: u64| {
        let state = CredentialState {
            signals_caught: SignalSet(caught),
            signals_ignored: SignalSet(ignored),
            signals_blocked: SignalSet(blocked),
            ..a_state(NONE, 0)
        };
        Disposition::of("SIGTERM", &state)
    };
    const TERM: u64 = 1 << 14;
    assert_eq!(of(TERM, 0, TERM), Disposition::Caught);
    assert_eq!(of(0, TERM, TERM), Disposition::Ignored);
    assert_eq!(of(0, 0, TERM), Disposition::Blocked);
    assert_eq!(of(2, 2, 2), Disposition::Default);
}

#[test]
fn the_schema_is_a_schema_of_the_report() {
    let schema = schemars::schema_for!(CapabilityReport);
    let json = serde_json::to_value(CapabilityReport::new(&daemon())).unwrap();
    assert!(jsonschema::is_valid(schema.as_value(), &json));
}
