//! Programs that sandbox themselves behave under the tracer as they do without one: same output,
//! same status; and what their sandboxes deny is heard of, in adaptive mode as in full mode. Suite.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::beside::text;
use common::{MODES, Scratch, fixture, seccomp_gen, tool};
use seccomp_gen::recording::{Mode, Run, load};

/// Settled in the middle of what the fixtures call to be found hot.
const LATER: &[&str] = &["--mode=adaptive", "--settle-after=30ms"];

/// Calls that libc makes or not, as threads happen to wait for one another.
const BY_CHANCE: [&str; 3] = ["clock_nanosleep", "futex", "restart_syscall"];

/// Who runs the tracer, and the program untraced.
#[derive(Clone, Copy, PartialEq, Eq)]
enum User {
    Root,
    Nobody,
}

impl User {
    fn command(self, program: &Path) -> Command {
        match self {
            User::Root => Command::new(program),
            User::Nobody => {
                let mut command = Command::new(tool("setpriv"));
                command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]);
                command.arg(program);
                command
            }
        }
    }
}

/// A directory that is open to all, for the build directory may not be.
fn open_dir() -> Scratch {
    let dir = Scratch::new();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
    dir
}

fn run(mut command: Command) -> Output {
    command.current_dir("/").stdin(Stdio::null()).output().unwrap()
}

/// Runs a program untraced and in each mode, and fails unless it does the same each time and what
/// was recorded is the same: the calls, the denied ones of that list among them, and how often
/// the program's own filters have answered each of these with EXDEV or ENOSYS.
fn behaves(user: User, program: &Path, args: &[&str], denied: &[&str]) {
    let dir = open_dir();
    let tracer = dir.join("seccomp-gen");
    std::fs::copy(seccomp_gen().get_program(), &tracer).unwrap();
    let mut plain = user.command(program);
    plain.args(args);
    let plain = run(plain);
    let what = format!("{} {args:?}", program.display());
    assert_eq!(plain.status.code(), Some(0), "untraced {what}: {}", stderr(&plain));

    let mut failures = Vec::new();
    let mut of_full = None;
    for mode in [MODES[0], MODES[1], LATER] {
        let out = dir.join(&mode.join(""));
        let mut traced = user.command(&tracer);
        traced.args(["trace", "-q", "--name=t", "--pass-exit-status", "-o"]).arg(&out);
        traced.args(mode).arg("--").arg(program).args(args);
        let traced = run(traced);
        let mut fail = |why: String| failures.push(format!("{what} {}: {why}", mode.join(" ")));
        if traced.status != plain.status || traced.stdout != plain.stdout {
            fail(format!(
                "{:?}, {:?} and not {:?}\n{}",
                traced.status.code(),
                String::from_utf8_lossy(&traced.stdout),
                String::from_utf8_lossy(&plain.stdout),
                stderr(&traced)
            ));
            // The others are compared with full mode, which comes first.
            if of_full.is_none() {
                break;
            }
            continue;
        }
        let run = load(&out.join("t.recording.json")).unwrap().runs.remove(0);
        if !run.complete || !run.books.faults().is_empty() {
            fail(format!("{:?} {:?}", run.incomplete_because, run.books));
        }
        if run.watch.mode == Mode::Adaptive
            && run.watch.settled.as_ref().is_none_or(|settled| settled.installations == 0)
        {
            fail(format!("it was never given a filter: {:?}", run.warnings));
        }
        let seen = (calls(&run), denials(&run, denied));
        if let Some(missing) = denied.iter().find(|name| !seen.1.contains_key(**name)) {
            fail(format!("{missing} was not heard of"));
        }
        let (calls, denials) = of_full.get_or_insert_with(|| seen.clone());
        if seen.0 != *calls {
            let differs: Vec<_> = seen.0.symmetric_difference(calls).collect();
            fail(format!("other calls than in full mode: {differs:?}"));
        }
        if seen.1 != *denials {
            fail(format!("other denials than in full mode: {:?}, not {denials:?}", seen.1));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn calls(run: &Run) -> BTreeSet<String> {
    let mut names = common::names(run);
    names.retain(|name| !BY_CHANCE.contains(&name.as_str()));
    names
}

/// Of each of these calls that was heard of, how often it was answered as only filters answer it.
fn denials(run: &Run, names: &[&str]) -> BTreeMap<String, u64> {
    let by_filter = [libc::EXDEV, libc::ENOSYS];
    let of = |syscall: &seccomp_gen::recording::Syscall| {
        let errnos = syscall.errnos.iter().filter(|e| by_filter.contains(&e.number));
        errnos.map(|e| e.count).sum()
    };
    let known = |name: &String| names.contains(&name.as_str());
    run.syscalls.iter().filter_map(|s| Some((s.name.clone().filter(known)?, of(s)))).collect()
}

/// As root; and as an ordinary user, of whose tracer the program's `no_new_privs` comes.
fn fixture_behaves(user: User, name: &str, args: &[&str], denied: &[&str]) {
    let path = fixture(name);
    match user {
        User::Root => behaves(user, &path, args, denied),
        User::Nobody => {
            let dir = open_dir();
            let copy = dir.join(name);
            std::fs::copy(path, &copy).unwrap();
            behaves(user, &copy, args, denied);
        }
    }
}

const ORDER: [&str; 8] = [
    "getsid",
    "getpriority",
    "ioprio_get",
    "sched_getscheduler",
    "getpgid",
    "getitimer",
    "sched_getparam",
    "sched_rr_get_interval",
];
const TSYNC: [&str; 17] = [
    "getppid",
    "getsid",
    "getpgid",
    "getpriority",
    "ioprio_get",
    "sched_getscheduler",
    "sched_getparam",
    "sched_rr_get_interval",
    "getitimer",
    "timer_getoverrun",
    "timer_gettime",
    "timer_delete",
    "inotify_rm_watch",
    "timerfd_gettime",
    "getresuid",
    "getresgid",
    "capget",
];
const TRACE: [&str; 9] = [
    "getppid",
    "getsid",
    "getpriority",
    "ioprio_get",
    "execveat",
    "sched_getscheduler",
    "clone",
    "execve",
    "prctl",
];
const NOTIFY: [&str; 4] = ["getppid", "getsid", "getpgid", "getpriority"];
const USERNS: [&str; 5] = ["getpriority", "unshare", "setns", "settimeofday", "sethostname"];
const LANDLOCK: [&str; 4] =
    ["getsid", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"];

#[test]
fn a_filter_before_ours_or_after_it() {
    fixture_behaves(User::Root, "sandbox_order", &[], &ORDER);
    fixture_behaves(User::Nobody, "sandbox_order", &[], &ORDER);
}

#[test]
fn a_filter_for_all_threads_while_they_are_busy() {
    fixture_behaves(User::Root, "sandbox_tsync", &[], &TSYNC);
    fixture_behaves(User::Nobody, "sandbox_tsync", &[], &TSYNC);
}

#[test]
fn a_filter_that_comes_between_the_calls_of_an_installation() {
    fixture_behaves(User::Root, "sandbox_race", &[], &[]);
    fixture_behaves(User::Root, "sandbox_race", &["6"], &[]);
}

#[test]
fn a_filter_that_asks_a_tracer() {
    fixture_behaves(User::Root, "sandbox_trace", &[], &TRACE);
    fixture_behaves(User::Nobody, "sandbox_trace", &[], &TRACE);
}

#[test]
fn a_filter_that_asks_a_supervisor() {
    fixture_behaves(User::Root, "sandbox_notify", &[], &NOTIFY);
    fixture_behaves(User::Nobody, "sandbox_notify", &[], &NOTIFY);
}

#[test]
fn what_prctl_tells_of_filters() {
    fixture_behaves(User::Root, "sandbox_state", &[], &["getsid", "seccomp"]);
    fixture_behaves(User::Nobody, "sandbox_state", &[], &["getsid", "seccomp"]);
}

#[test]
fn strict_mode_of_threads() {
    fixture_behaves(User::Root, "sandbox_strict", &[], &["getppid", "getsid"]);
    fixture_behaves(User::Nobody, "sandbox_strict", &[], &["getppid", "getsid"]);
}

#[test]
fn strict_mode_beside_a_filter_for_all_threads() {
    fixture_behaves(User::Root, "sandbox_strict", &["sync"], &["getppid"]);
}

#[test]
fn a_user_namespace_of_ones_own() {
    fixture_behaves(User::Root, "sandbox_userns", &[], &USERNS);
}

#[test]
fn a_user_namespace_of_an_ordinary_users_own() {
    fixture_behaves(User::Nobody, "sandbox_userns", &[], &USERNS);
}

#[test]
fn landlock() {
    fixture_behaves(User::Root, "sandbox_landlock", &[], &LANDLOCK);
    fixture_behaves(User::Nobody, "sandbox_landlock", &[], &LANDLOCK);
}

/// In namespaces of its own, without rights, then executed under the filter that it was handed.
const IN_BUBBLEWRAP: &str = r#"
exec "$0" --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --unshare-all --die-with-parent \
    --hostname bubble --cap-drop ALL --seccomp 9 /bin/sh -c '
dd if=/dev/zero of=/dev/null bs=1 count=3000 2>/dev/null && echo "warm"
echo "process $$ of user $(id -u) on $(uname -n)"
echo x >/usr/x || echo "read-only"
nice || echo "denied"
unshare --mount true || echo "denied"
/bin/sh -c "nice || echo denied"
' 9<"$1" 2>/dev/null
"#;

/// Denies getpriority(2) and unshare(2), with EXDEV.
fn bubblewraps_filter() -> Vec<u8> {
    let instruction = |code: u32, jt: u8, jf: u8, k: u32| {
        let code = u16::try_from(code).unwrap();
        let mut bytes = code.to_ne_bytes().to_vec();
        bytes.extend([jt, jf]);
        bytes.extend(k.to_ne_bytes());
        bytes
    };
    let number = |n: libc::c_long| u32::try_from(n).unwrap();
    let jump = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    let errno = libc::SECCOMP_RET_ERRNO | libc::EXDEV.cast_unsigned();
    [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(jump, 1, 0, number(libc::SYS_getpriority)),
        instruction(jump, 0, 1, number(libc::SYS_unshare)),
        instruction(answer, 0, 0, errno),
        instruction(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
    .concat()
}

fn bubblewrap(user: User) {
    let dir = open_dir();
    let filter = dir.join("filter.bpf");
    std::fs::write(&filter, bubblewraps_filter()).unwrap();
    let bwrap = tool("bwrap");
    let args = ["-c", IN_BUBBLEWRAP, text(&bwrap), text(&filter)];
    behaves(user, &tool("sh"), &args, &["getpriority", "unshare"]);
}

#[test]
fn bubblewrap_with_a_filter() {
    bubblewrap(User::Root);
}

#[test]
fn bubblewrap_of_an_ordinary_user() {
    bubblewrap(User::Nobody);
}
