//! Whole summaries, as text and as JSON.

use insta::assert_snapshot;

use super::*;
use crate::report::layout::WIDTH;

fn counts(arch: Arch, distinct: u64, calls: u64, names: &[&str]) -> ArchCounts {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    ArchCounts { arch, distinct, calls, names }
}

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
        settled: None,
        looked_ms: None,
        unwatched_ms: 0,
        processes_not_traced: 0,
        processes: 41,
        ended: "exited with 0, 1.2 s after SIGINT".to_owned(),
        syscalls: Counts {
            distinct: 71,
            calls: 601_998,
            per_arch: vec![counts(Arch::X86_64, 71, 601_998, &["read", "write"])],
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
        next: vec![
            Step {
                what: "On every machine of the cluster:".to_owned(),
                copy: vec![format!("sudo install {} {}", "p".repeat(40), "q".repeat(40))],
            },
            Step {
                what: "In the container's securityContext:".to_owned(),
                copy: vec!["seccompProfile:".to_owned(), "  type: Localhost".to_owned()],
            },
        ],
        capabilities: None,
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
                counts(Arch::X86_64, 55, 12_000, &["read"]),
                counts(Arch::I386, 3, 5, &["write", "getpid", "#9999"]),
            ],
        },
        compared: Some(Compared {
            with: "2 earlier runs".to_owned(),
            watched_fully: false,
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
            "x86_64 syscall number 9999 is in no table of this tool; no profile can name it"
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

    command       ./polkadot --chain=westend --name 'my node' --base-path /var/lib/p
    ended         exited with 0, 1.2 s after SIGINT
    watched       12m30s, every call of 41 processes
    syscalls      71 distinct, 601,998 calls
    cost          1,204,233 stops, 9.03 s in all, longest 3.2 ms; 1.20 % of a core
    lost          0; the books balance
    profile       ./polkadot.json (2.7 KiB)
    recording     ./polkadot.recording.json (96.4 KiB)

    Next
      1. On every machine of the cluster:
         sudo install pppppppppppppppppppppppppppppppppppppppp qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq
      2. In the container's securityContext:
         seccompProfile:
           type: Localhost
    ");
}

#[test]
fn text_of_an_incomplete_run() {
    let text = incomplete().to_text(Style::PLAIN);
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
    assert_snapshot!(text, @r"
    node: INCOMPLETE, 58 syscalls in 40.12 s, 12.34 s of that unwatched
      - the program did not end within 10 s of SIGTERM and was killed; what it
        does at a clean end was not seen
      - 2 threads were born and never seen

    i386          3 syscalls of another architecture: write, getpid, #9999
    warning       io_uring was set up: its operations never pass the syscall entry,
                  no filter sees them
    warning       x86_64 syscall number 9999 is in no table of this tool; no profile
                  can name it
    attached      4711, 4712; what it did before was not seen
    ended         killed
    watched       40.12 s, every call of 1 process but for 12.34 s unwatched
    syscalls      58 distinct, 12,005 calls, of which 3 i386 in 5 calls
    new           2, compared with 2 earlier runs:
                  mount at 31.33 s by /usr/bin/node from
                    /usr/lib/x86_64-linux-gnu/libc.so.6+0xf8c4d
                  getpid (i386) at 12 ms by /usr/bin/node from
                    /usr/lib/x86_64-linux-gnu/libc.so.6+0xf8c4d
    not seen      this time, perhaps while unwatched: accept4, fdatasync, fallocate,
                  listen, pwrite64, sched_yield
    cost          1,204,233 stops, 9.03 s in all, longest 3.2 ms; 1.20 % of a core
    lost          2; THE BOOKS DO NOT BALANCE
    exit code     3
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
      "processes_not_traced": 0,
      "processes": 41,
      "ended": "exited with 0, 1.2 s after SIGINT",
      "syscalls": {
        "distinct": 71,
        "calls": 601998,
        "per_arch": [
          {
            "arch": "x86_64",
            "distinct": 71,
            "calls": 601998,
            "names": [
              "read",
              "write"
            ]
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
        {
          "what": "On every machine of the cluster:",
          "copy": [
            "sudo install pppppppppppppppppppppppppppppppppppppppp qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
          ]
        },
        {
          "what": "In the container's securityContext:",
          "copy": [
            "seccompProfile:",
            "  type: Localhost"
          ]
        }
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
      ],
      "watched_fully": false,
      "with": "2 earlier runs"
    }
    "#);
    assert_snapshot!(pretty(&value["syscalls"]), @r##"
    {
      "calls": 12005,
      "distinct": 58,
      "per_arch": [
        {
          "arch": "x86_64",
          "calls": 12000,
          "distinct": 55,
          "names": [
            "read"
          ]
        },
        {
          "arch": "i386",
          "calls": 5,
          "distinct": 3,
          "names": [
            "write",
            "getpid",
            "#9999"
          ]
        }
      ]
    }
    "##);
}

#[test]
fn first_runs_and_runs_like_the_others_say_so() {
    let same = Compared {
        with: "1 earlier run".to_owned(),
        new: Vec::new(),
        not_seen: Vec::new(),
        watched_fully: true,
    };
    let text = Summary { compared: Some(same), ..complete() }.to_text(Style::PLAIN);
    assert!(text.contains("new           none, compared with 1 earlier run\n"), "{text}");
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
    let compared = Compared {
        with: "1 earlier run".to_owned(),
        new: new.collect(),
        not_seen: Vec::new(),
        watched_fully: true,
    };
    let summary = Summary { compared: Some(compared), ..complete() };
    let text = summary.to_text(Style::PLAIN);
    assert!(text.contains("call_19 at") && !text.contains("call_20"));
    assert!(text.contains("and 5 more\n"));
    assert!(summary.to_json().contains("call_24"));
}

#[test]
fn a_long_command_line_is_cut_and_nothing_to_be_copied_is() {
    let command = vec!["node".to_owned(), "x".repeat(500)];
    let summary = Summary { command, ..complete() };
    let text = summary.to_text(Style::PLAIN);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[3].ends_with("x …") && lines[4].starts_with("ended"), "{text}");
    assert!(text.contains(&format!("\n     {}\n", complete().next[0].copy[0])));
}

#[test]
fn the_share_of_a_short_run_means_nothing() {
    let short = Summary { duration_ms: 999, ..complete() };
    assert!(!short.to_text(Style::PLAIN).contains('%'));
    assert!(complete().to_text(Style::PLAIN).contains("1.20 % of a core"));
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
