//! Without rights: an ordinary user's tracer, a tree that gives its rights up under a privileged one,
//! and a container without any capability under the runtimes' default seccomp profile. Suite.
//!
//! All of it goes by the ptrace_scope that the machine has: 0 and 1 let a tracer have its own
//! children, and where the kernel has no Yama (`doctor` tells) there is nothing to set.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::{Command, Stdio};

use common::beside::text;
use common::container::{Bundle, default_profile};
use common::others::{AS_NOBODY, ForOthers, NOBODY};
use common::process::shell_status;
use common::{MODES, arguments, fixture_names, seccomp_gen, tool};
use seccomp_gen::recording::{Mode, Run, Syscall, load};

fn call<'a>(run: &'a Run, name: &str) -> Option<&'a Syscall> {
    run.syscalls.iter().find(|s| s.name.as_deref() == Some(name))
}

/// As the ordinary user without a tracer: same output, same status, books that balance. What needs
/// root says so both times. `no_new_privs` comes with adaptive mode's filter, and is answered for as if
/// it had not.
#[test]
fn fixtures_of_an_ordinary_user_behave_as_untraced() {
    // `inherit` shows no_new_privs, which comes with the filter; of `daemonize` a child is left.
    let mut all = fixture_names();
    all.retain(|name| !matches!(name.as_str(), "inherit" | "daemonize"));
    let others = ForOthers::copy(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let mut failures = String::new();
    for name in &all {
        let path = others.path(name);
        let mut plain = Command::new(tool("setpriv"));
        plain.args(AS_NOBODY).arg("--").arg(&path).args(arguments(name));
        let plain = plain.stdin(Stdio::null()).output().unwrap();
        let expected = (String::from_utf8_lossy(&plain.stdout), shell_status(plain.status));
        for mode in MODES {
            let mut tracer = others.tracer();
            tracer.args(["trace", "-q", "--pass-exit-status", "--replace", "--force"]).args(mode);
            tracer.args(["--name", name, "-o"]).arg(others.out()).arg("--").arg(&path);
            let traced = tracer.args(arguments(name)).output().unwrap();
            let told = String::from_utf8_lossy(&traced.stderr);
            let found = (String::from_utf8_lossy(&traced.stdout), shell_status(traced.status));
            if found != expected {
                failures += &format!("{name} {mode:?}: {expected:?}, traced {found:?}\n{told}\n");
            }
            match load(&others.out().join(format!("{name}.recording.json"))) {
                Ok(recording) if recording.runs[0].books.balance() => {}
                Ok(recording) => {
                    failures += &format!("{name} {mode:?}: {:?}\n", recording.runs[0].books);
                }
                Err(e) => failures += &format!("{name} {mode:?}: {e}\n{told}\n"),
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// What a program that root starts tells of its rights when it has dropped them: `no_new_privs` as
/// /proc and prctl(2) show it, and whether a set-user-ID program gets its ids.
const RIGHTS: &str = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); read -r x < /proc/self/stat; done; \
                      grep NoNewPrivs /proc/self/status; \
                      perl -e 'print syscall(157, 39, 0, 0, 0, 0), \"\\n\"'; $0";

/// A privileged tracer over a tree that drops root: `no_new_privs` is never set behind its back, and
/// a set-user-ID program gets its ids as untraced, whenever the filter comes.
#[test]
fn a_tree_that_drops_root_keeps_what_it_has_untraced() {
    let others = ForOthers::copy(&[]);
    others.install(&common::fixture("setuid_self"), "setuid_self", "4755");
    let program = others.path("setuid_self");
    let (setpriv, runuser) = (tool("setpriv"), tool("runuser"));
    let inner = [text(&tool("sh")), "-c", RIGHTS, text(&program)].map(str::to_owned);
    let inner: Vec<&str> = inner.iter().map(String::as_str).collect();
    let drops = [
        [&[text(&setpriv)], &AS_NOBODY[..], &["--"], &inner].concat(),
        [&[text(&runuser), "-u", "nobody", "--"], &inner[..]].concat(),
    ];
    for command in drops {
        let plain =
            Command::new(command[0]).args(&command[1..]).stdin(Stdio::null()).output().unwrap();
        assert!(plain.status.success(), "{}", String::from_utf8_lossy(&plain.stderr));
        let plain = String::from_utf8(plain.stdout).unwrap();
        assert!(plain.starts_with("NoNewPrivs:\t0\n0\nruid 65534 euid 0 "), "{plain}");
        for settle in ["0s", "1ms", "10ms", "50ms", "1h"] {
            let settle = format!("--settle-after={settle}");
            let traced = common::trace_with(&["--mode=adaptive", &settle], &command);
            assert_eq!(traced.code(), Some(0), "{settle}: {}", traced.stderr());
            assert_eq!(traced.stdout(), plain, "{settle} {}: {}", command[0], traced.stderr());
            let run = traced.run();
            assert!(run.credential_states.iter().all(|s| !s.no_new_privs), "{settle}");
            if settle.ends_with("=0s") {
                assert!(run.watch.settled.unwrap().installations > 0, "{:?}", run.warnings);
            }
        }
    }
}

/// Calls that the default profile denies without a capability, and one that it does not know: what
/// they return is what the program prints.
const DENIED: &str = "for (1..20000) { getppid } for ([161, \"/\"], [321, 0, 0, 0], [246, 0, 0, 0, 0], \
                      [600]) { my ($n, @a) = @$_; my $r = syscall($n, @a, 0); print \"$n $r \", \
                      $! + 0, \"\\n\" }";
const ANSWERS: &str = "161 -1 1\n321 -1 1\n246 -1 1\n600 -1 38\n";

/// The tracer is the entry point of a container without any capability, under the runtimes' default
/// profile.
fn in_a_container(uid: u32, no_new_privs: bool, has_tmp: bool, options: &[&str]) -> (Run, String) {
    let others = ForOthers::copy(&[]);
    let mut bundle = Bundle::new(&[], no_new_privs);
    bundle.mount_system();
    bundle.mount(others.dir(), "/opt", "rw");
    bundle.config["root"]["readonly"] = (!has_tmp).into();
    bundle.config["process"]["user"] = serde_json::json!({ "uid": uid, "gid": uid });
    bundle.config["linux"]["seccomp"] = default_profile(&[]);
    // Root without CAP_DAC_OVERRIDE may write to what is root's alone.
    std::os::unix::fs::chown(others.out(), Some(uid), Some(uid)).unwrap();
    let trace = ["/opt/seccomp-gen", "trace", "--name=t", "-o", "/opt/out"];
    let args = [&trace[..], options, &["--", "/usr/bin/perl", "-e", DENIED]].concat();
    let output = bundle.run(&args);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), ANSWERS, "{told}");
    let run = load(&others.out().join("t.recording.json")).unwrap().runs.remove(0);
    assert!(run.complete && run.foreign_filter_at_start, "{:?}", run.incomplete_because);
    // The report is folded to the width of a terminal.
    (run, told.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Both kinds of containers without capabilities: an ordinary user's, and root's.
const CONTAINERS: [(u32, bool); 3] = [(NOBODY, true), (NOBODY, false), (0, false)];

/// Full mode, whatever the default outside, and what the container's filter denies is recorded.
#[test]
fn a_container_without_capabilities_is_watched_in_full() {
    for (uid, no_new_privs) in CONTAINERS {
        let (run, told) = in_a_container(uid, no_new_privs, false, &[]);
        assert_eq!(run.watch.mode, Mode::Full);
        for name in ["chroot", "bpf", "kexec_load"] {
            let denied = call(&run, name).unwrap_or_else(|| panic!("no {name}: {told}"));
            assert_eq!((denied.count, denied.succeeded), (1, 0), "{name}");
            assert_eq!(denied.errnos[0].name, "EPERM");
        }
        let why = "It was watched in full for that reason";
        assert!(run.warnings.iter().any(|w| w.contains(why)), "{:?}", run.warnings);
        assert!(told.contains(why), "{told}");
    }
}

/// On demand, adaptive mode works there, and the recording says what it hides: that it does is seen
/// here.
fn adaptive_in_a_container(has_tmp: bool) {
    for (uid, no_new_privs) in CONTAINERS {
        let options = ["--mode=adaptive", "--settle-after=0s"];
        let (run, told) = in_a_container(uid, no_new_privs, has_tmp, &options);
        assert_eq!(run.watch.mode, Mode::Adaptive);
        let installed = run.watch.settled.is_some_and(|settled| settled.installations > 0);
        assert!(installed, "{:?}", run.warnings);
        assert!(call(&run, "getppid").is_some(), "what the container allows is heard of");
        for name in ["chroot", "bpf", "kexec_load"] {
            assert!(call(&run, name).is_none(), "{name} is heard of: the warning is wrong");
        }
        let what = "a call that it denies is not heard of once the program runs free";
        assert!(run.warnings.iter().any(|w| w.contains(what)), "{:?}", run.warnings);
        assert!(told.contains(what), "{told}");
    }
}

#[test]
fn adaptive_mode_in_a_container_says_what_it_hides() {
    adaptive_in_a_container(true);
}

/// `readOnlyRootFilesystem: true` without a volume for /tmp.
#[test]
fn adaptive_mode_in_a_container_needs_no_temporary_directory() {
    adaptive_in_a_container(false);
}

/// Where no filter is over us: what is asked is done, and `-v` says which mode it is and why.
#[test]
fn the_mode_and_why_are_told() {
    let told = |options: &[&str]| {
        let dir = common::Scratch::new();
        let mut tracer = seccomp_gen();
        tracer.args(["trace", "-v", "--name=t", "-o"]).arg(dir.path()).args(options);
        let output = tracer.args(["--", "true"]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(told(&[]).contains(" mode: the default for a command\n"));
    assert!(told(&["--mode=full"]).contains("full mode: as --mode says\n"));
    assert!(told(&["--mode=adaptive"]).contains("adaptive mode: as --mode says\n"));
}
