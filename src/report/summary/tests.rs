//! Whole summaries, as text and as JSON.

use insta::assert_snapshot;

use super::*;
use crate::report::layout::WIDTH;

fn complete() -> Summary {
    let cost = Cost {
        stops: 1_204_233,
        stopped_ns: 9_031_747_500,
        longest_ns: 3_204_000,
        histogram: Vec::new(),
    };
    Summary {
        name: "polkadot".to_owned(),
        command: [
            "./polkadot",
            "--chain=westend",
            "--name",
            "my node",
            "--base-path",
            "/var/lib/p",
        ]
        .map(str::to_owned)
        .to_vec(),
        attached: Vec::new(),
        complete: true,
        incomplete_because: Vec::new(),
        exit_code: 0,
        duration_ms: 750_000,
        mode: Mode::Full,
        unwatched_ms: 0,
        processes: 41,
        ended: "exited with 0, 1.2 s after SIGINT".to_owned(),
        syscalls: Counts {
            distinct: 71,
            calls: 601_998,
            per_arch: vec![ArchCounts { arch: Arch::X86_64, distinct: 71, calls: 601_998 }],
        },
        compared: None,
        unnamed: Vec::new(),
        files: vec![
            WrittenFile {
                what: "profile".to_owned(),
                path: "./polkadot.json".to_owned(),
                bytes: 2_811,
            },
            WrittenFile {
                what: "recording".to_owned(),
                path: "./polkadot.recording.json".to_owned(),
                bytes: 98_765,
            },
        ],
        cost: CostSummary::new(&cost, 750_000),
        books: Books { enters: 601_998, exits: 601_990, ..Books::default() },
        books_balance: true,
        warnings: Vec::new(),
        next: vec!["seccomp-gen check polkadot.json -- ./polkadot --chain=westend".to_owned()],
    }
}

fn incomplete() -> Summary {
    let new = |arch, name: &str, at_ms| NewSyscall {
        arch,
        name: name.to_owned(),
        exe: Some("/usr/bin/node".to_owned()),
        caller: Some(CodeAddress {
            module: "/usr/lib/x86_64-linux-gnu/libc.so.6".to_owned(),
            offset: 0xf_8c4d,
        }),
        at_ms,
    };
    Summary {
        name: "node".to_owned(),
        command: Vec::new(),
        attached: vec![4711, 4712],
        complete: false,
        incomplete_because: vec![
            "the program did not end within 10 s of SIGTERM and was killed; what it does at a \
             clean end was not seen"
                .to_owned(),
            "2 threads were born and never seen".to_owned(),
        ],
        exit_code: 3,
        duration_ms: 40_123,
        unwatched_ms: 12_345,
        processes: 1,
        ended: "killed".to_owned(),
        syscalls: Counts {
            distinct: 58,
            calls: 12_005,
            per_arch: vec![
                ArchCounts { arch: Arch::X86_64, distinct: 55, calls: 12_000 },
                ArchCounts { arch: Arch::I386, distinct: 3, calls: 5 },
            ],
        },
        compared: Some(Compared {
            earlier_runs: 2,
            new: vec![new(Arch::X86_64, "mount", 31_337), new(Arch::I386, "getpid", 12)],
            not_seen: ["accept4", "fdatasync", "fallocate", "listen", "pwrite64", "sched_yield"]
                .map(|name| KnownSyscall { arch: Arch::X86_64, name: name.to_owned() })
                .to_vec(),
        }),
        unnamed: vec![Unnamed { arch: Arch::X86_64, number: 9999, count: 2 }],
        files: Vec::new(),
        books: Books { lost: 2, ..Books::default() },
        books_balance: false,
        warnings: vec![
            "io_uring was set up: its operations never pass the syscall entry, no filter sees them"
                .to_owned(),
        ],
        next: Vec::new(),
        ..complete()
    }
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn text_of_a_complete_run() {
    assert_snapshot!(complete().to_text(Style::PLAIN), @r"
    polkadot: complete, 71 syscalls in 12m30s

    command     ./polkadot --chain=westend --name 'my node' --base-path /var/lib/p
    ended       exited with 0, 1.2 s after SIGINT
    watched     12m30s, every call of 41 processes
    syscalls    71 distinct, 601,998 calls
    cost        1,204,233 stops, 9.03 s in all, the longest 3.2 ms; 1.20 % of one
                core
    lost        0; the books balance
    profile     ./polkadot.json (2.7 KiB)
    recording   ./polkadot.recording.json (96.4 KiB)
    next        seccomp-gen check polkadot.json -- ./polkadot --chain=westend
    ");
}

#[test]
fn text_of_an_incomplete_run() {
    let text = incomplete().to_text(Style::PLAIN);
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
    assert_snapshot!(text, @r"
    node: INCOMPLETE, 58 syscalls in 40.12 s
      - the program did not end within 10 s of SIGTERM and was killed; what it
        does at a clean end was not seen
      - 2 threads were born and never seen

    attached    4711, 4712
    ended       killed
    watched     40.12 s, every call of 1 process but for 12.34 s unwatched
    syscalls    58 distinct, 12,005 calls (x86_64: 55 in 12,000 calls; i386: 3 in 5
                calls)
    new         2, compared with 2 earlier runs:
                mount at 31.33 s by /usr/bin/node from
                  /usr/lib/x86_64-linux-gnu/libc.so.6+0xf8c4d
                getpid (i386) at 12.0 ms by /usr/bin/node from
                  /usr/lib/x86_64-linux-gnu/libc.so.6+0xf8c4d
    not seen    this time: accept4, fdatasync, fallocate, listen, pwrite64,
                sched_yield
    unnamed     numbers that no table knows: x86_64 #9999 (2x)
    cost        1,204,233 stops, 9.03 s in all, the longest 3.2 ms; 1.20 % of one
                core
    lost        2; THE BOOKS DO NOT BALANCE
    warning     io_uring was set up: its operations never pass the syscall entry, no
                filter sees them
    exit code   3
    ");
}

#[test]
fn json_of_a_complete_run() {
    assert_snapshot!(complete().to_json(), @r#"
    {
      "name": "polkadot",
      "command": [
        "./polkadot",
        "--chain=westend",
        "--name",
        "my node",
        "--base-path",
        "/var/lib/p"
      ],
      "attached": [],
      "complete": true,
      "incomplete_because": [],
      "exit_code": 0,
      "duration_ms": 750000,
      "mode": "full",
      "unwatched_ms": 0,
      "processes": 41,
      "ended": "exited with 0, 1.2 s after SIGINT",
      "syscalls": {
        "distinct": 71,
        "calls": 601998,
        "per_arch": [
          {
            "arch": "x86_64",
            "distinct": 71,
            "calls": 601998
          }
        ]
      },
      "compared": null,
      "unnamed": [],
      "files": [
        {
          "what": "profile",
          "path": "./polkadot.json",
          "bytes": 2811
        },
        {
          "what": "recording",
          "path": "./polkadot.recording.json",
          "bytes": 98765
        }
      ],
      "cost": {
        "stops": 1204233,
        "stopped_ns": 9031747500,
        "longest_ns": 3204000,
        "percent_of_a_core": 1.2
      },
      "books": {
        "enters": 601998,
        "exits": 601990,
        "enters_closed_otherwise": 0,
        "exits_of_calls_under_way": 0,
        "threads_born": 0,
        "threads_gone": 0,
        "stops": 0,
        "stops_ended": 0,
        "births_unexplained": 0,
        "lost": 0
      },
      "books_balance": true,
      "warnings": [],
      "next": [
        "seccomp-gen check polkadot.json -- ./polkadot --chain=westend"
      ]
    }
    "#);
}

#[test]
fn json_of_an_incomplete_run() {
    let value: serde_json::Value = serde_json::from_str(&incomplete().to_json()).unwrap();
    assert_eq!(value["complete"], false);
    assert_snapshot!(pretty(&value["incomplete_because"]), @r#"
    [
      "the program did not end within 10 s of SIGTERM and was killed; what it does at a clean end was not seen",
      "2 threads were born and never seen"
    ]
    "#);
    assert_snapshot!(pretty(&value["compared"]), @r#"
    {
      "earlier_runs": 2,
      "new": [
        {
          "arch": "x86_64",
          "at_ms": 31337,
          "caller": {
            "module": "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "offset": 1018957
          },
          "exe": "/usr/bin/node",
          "name": "mount"
        },
        {
          "arch": "i386",
          "at_ms": 12,
          "caller": {
            "module": "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "offset": 1018957
          },
          "exe": "/usr/bin/node",
          "name": "getpid"
        }
      ],
      "not_seen": [
        {
          "arch": "x86_64",
          "name": "accept4"
        },
        {
          "arch": "x86_64",
          "name": "fdatasync"
        },
        {
          "arch": "x86_64",
          "name": "fallocate"
        },
        {
          "arch": "x86_64",
          "name": "listen"
        },
        {
          "arch": "x86_64",
          "name": "pwrite64"
        },
        {
          "arch": "x86_64",
          "name": "sched_yield"
        }
      ]
    }
    "#);
    assert_snapshot!(pretty(&value["syscalls"]), @r#"
    {
      "calls": 12005,
      "distinct": 58,
      "per_arch": [
        {
          "arch": "x86_64",
          "calls": 12000,
          "distinct": 55
        },
        {
          "arch": "i386",
          "calls": 5,
          "distinct": 3
        }
      ]
    }
    "#);
}

#[test]
fn first_runs_and_runs_like_the_others_say_so() {
    let same = Compared { earlier_runs: 1, new: Vec::new(), not_seen: Vec::new() };
    let text = Summary { compared: Some(same), ..complete() }.to_text(Style::PLAIN);
    assert!(text.contains("new         none, compared with 1 earlier run\n"), "{text}");
    assert!(!complete().to_text(Style::PLAIN).contains("compared"));
}

#[test]
fn long_lists_are_cut_in_text_and_kept_in_json() {
    let new = (0..25).map(|n| NewSyscall {
        arch: Arch::X86_64,
        name: format!("call_{n}"),
        exe: None,
        caller: None,
        at_ms: n,
    });
    let compared = Compared { earlier_runs: 1, new: new.collect(), not_seen: Vec::new() };
    let summary = Summary { compared: Some(compared), ..complete() };
    let text = summary.to_text(Style::PLAIN);
    assert!(text.contains("call_19 at") && !text.contains("call_20"));
    assert!(text.contains("and 5 more\n"));
    assert!(summary.to_json().contains("call_24"));
}

#[test]
fn shares_are_percent_of_one_core() {
    let share = |stopped_ns, ms| {
        CostSummary::new(&Cost { stopped_ns, ..Cost::default() }, ms).percent_of_a_core
    };
    assert_eq!(share(9_031_747_500, 750_000).to_string(), "1.2");
    assert_eq!(share(1_000_000_000, 1_000).to_string(), "100");
    assert_eq!(share(123_400, 1_000).to_string(), "0.01");
    assert_eq!(share(0, 0).to_string(), "0");
}

#[test]
fn arguments_are_quoted_as_a_shell_needs_it() {
    assert_eq!(quoted("--chain=westend"), "--chain=westend");
    assert_eq!(quoted("it's"), r"'it'\''s'");
    assert_eq!(quoted(""), "''");
    assert_eq!(quoted("a\nb"), "'a\\nb'");
}
