//! Runs a case of the table without a tracer, under `strace` and under us, and compares.

use std::collections::BTreeSet;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::table::{Case, Compare, Program};
use crate::common::kernel::{self, Recorder, write_script};
use crate::common::process::{Guarded, free_port, shell_status};
use crate::common::{self, MODES, Scratch, Traced, strace};

/// Longer than any command takes under a tracer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Shell functions that setup, client and teardown may use: a wait that ends.
const PRELUDE: &str = r#"
eventually() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 400 ] || { echo "gave up: $*" >&2; exit 99; }
        sleep 0.05
    done
}
gone() { ! kill -0 "$1"; }
"#;

/// What a run is compared by, beside its syscalls.
#[derive(PartialEq, Eq)]
struct Seen {
    status: i32,
    stdout: String,
}

/// A place to run a case in: the directory has the same path for each run, because programs print
/// paths.
struct Stage<'a> {
    case: &'a Case,
    dir: Scratch,
    work: PathBuf,
    /// What is executed.
    argv: Vec<String>,
}

/// Checks every case; the test fails with everything that was wrong.
pub fn check(cases: &[Case]) {
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let start = std::time::Instant::now();
            // A client that gives up or a wait that runs out panics: the others go on.
            let result = catch_unwind(AssertUnwindSafe(|| check_one(case)))
                .unwrap_or_else(|_| Err("panicked, see above".to_owned()));
            let verdict = if result.is_ok() { "ok" } else { "FAILED" };
            let seconds = start.elapsed().as_secs_f32();
            eprintln!("{verdict} {} ({seconds:.1} s), {}", case.name, case.compare);
            result.err().map(|e| format!("{}: {e}", case.name))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn check_one(case: &Case) -> Result<(), String> {
    let stage = Stage::new(case);
    let plain = stage.untraced();
    if plain.status != case.status {
        return Err(format!("status {} untraced, expected {}", plain.status, case.status));
    }
    let straced = match case.compare {
        Compare::SameRun(_) => None,
        Compare::Strace => Some(stage.straced()),
    };
    for mode in MODES {
        // It prints what /proc says of it, our filter among it.
        if case.name == "inherit" && mode == MODES[1] {
            continue;
        }
        match &straced {
            None => stage.against_kernel(mode, &plain),
            Some(straced) => stage.against_strace(mode, &plain, straced),
        }
        .map_err(|e| format!("{}: {e}", mode.join(" ")))?;
    }
    Ok(())
}

impl Stage<'_> {
    fn new(case: &Case) -> Stage<'_> {
        let dir = Scratch::new();
        // Servers give up root, and must still reach their files.
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let work = dir.join("work");
        let script = dir.join("command");
        let argv = match &case.program {
            Program::Direct(argv) => argv.to_vec(),
            Program::Script(text) => {
                write_script(&script, text);
                vec![script.to_string_lossy().into_owned()]
            }
        };
        Stage { case, dir, work, argv }
    }

    fn untraced(&self) -> Seen {
        let mut command = Command::new(&self.argv[0]);
        command.args(&self.argv[1..]);
        self.run(command)
    }

    fn traced(&self, mode: &[&str]) -> (Seen, Traced) {
        let out = Scratch::new();
        let mut command = common::seccomp_gen();
        command.args(["trace", "--quiet", "--pass-exit-status", "--name", "t", "-o"]);
        command.arg(out.path()).args(mode).arg("--").args(&self.argv);
        let seen = self.run(command);
        let stderr = std::fs::read(self.dir.join("stderr")).unwrap();
        let output = std::process::Output {
            status: std::os::unix::process::ExitStatusExt::from_raw(seen.status << 8),
            stdout: seen.stdout.clone().into_bytes(),
            stderr,
        };
        (seen, Traced { output, dir: out, name: "t".to_owned() })
    }

    fn straced(&self) -> (Seen, BTreeSet<String>) {
        let file = self.dir.join("strace");
        let mut command = strace::strace(&file);
        command.args(&self.argv);
        let seen = self.run(command);
        (seen, strace::names_in(&file))
    }

    /// Sets up, runs the command with its client beside it, and takes down.
    fn run(&self, mut command: Command) -> Seen {
        let _ = std::fs::remove_dir_all(&self.work);
        std::fs::create_dir(&self.work).unwrap();
        let port = free_port().to_string();
        self.helper("setup", self.case.setup, &port);

        let stdout = self.dir.join("stdout");
        let stderr = self.dir.join("stderr");
        self.environment(&mut command, &port);
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let mut child = Guarded::spawn(&mut command);
        let client = self.helper("client", self.case.client, &port);
        let tell = || std::fs::read_to_string(&stderr).unwrap_or_default();
        let status = child.wait(PATIENCE);
        let status = status.unwrap_or_else(|| panic!("{command:?} does not end: {}", tell()));
        let stdout = String::from_utf8_lossy(&std::fs::read(&stdout).unwrap()).into_owned();
        Seen { status: shell_status(status), stdout: stdout + &client }
    }

    fn environment(&self, command: &mut Command, port: &str) {
        let fixtures = common::fixture("inherit");
        command
            .current_dir(&self.work)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", &self.work)
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("SOURCES", concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"))
            .env("PORT", port)
            .env("FIXTURES", fixtures.parent().unwrap())
            .stdin(Stdio::null());
    }

    /// Runs a script of the table outside of the tracer; its stdout.
    fn helper(&self, what: &str, script: &str, port: &str) -> String {
        if script.is_empty() {
            return String::new();
        }
        let (stdout, stderr) = (self.dir.join("helper.out"), self.dir.join("helper.err"));
        let mut command = Command::new("/bin/sh");
        self.environment(&mut command, port);
        command.arg("-ec").arg(format!("{PRELUDE}{script}"));
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let status = Guarded::spawn(&mut command).wait(PATIENCE);
        assert!(
            status.is_some_and(|s| s.success()),
            "{}: {what}: {status:?}\n{}{}\n{}",
            self.case.name,
            std::fs::read_to_string(&stdout).unwrap(),
            std::fs::read_to_string(&stderr).unwrap(),
            std::fs::read_to_string(self.dir.join("stderr")).unwrap_or_default()
        );
        std::fs::read_to_string(&stdout).unwrap()
    }

    fn transparent(&self, plain: &Seen, traced: &Seen, result: &Traced) -> Result<(), String> {
        if traced.status != plain.status {
            let (a, b) = (plain.status, traced.status);
            return Err(format!("status {a} untraced, {b} traced\n{}", result.stderr()));
        }
        if traced.stdout != plain.stdout {
            let (a, b) = (&plain.stdout, &traced.stdout);
            return Err(format!("output untraced:\n{a}\ntraced:\n{b}\n{}", result.stderr()));
        }
        let run = result.run();
        match run.books.faults().first() {
            Some(fault) => Err(format!("{fault}: {:?}", run.books)),
            None => Ok(()),
        }
    }

    fn against_strace(
        &self,
        mode: &[&str],
        plain: &Seen,
        (seen, theirs): &(Seen, BTreeSet<String>),
    ) -> Result<(), String> {
        if seen.status != plain.status {
            return Err(format!("status {} untraced, {} straced", plain.status, seen.status));
        }
        let (seen, result) = self.traced(mode);
        self.transparent(plain, &seen, &result)?;
        let ours = result.names();
        if ours == *theirs {
            return Ok(());
        }
        self.keep("strace");
        Err(differences("strace", &ours, theirs))
    }

    fn against_kernel(&self, mode: &[&str], plain: &Seen) -> Result<(), String> {
        let recorder = Recorder::start(Path::new(&self.argv[0]));
        let (seen, result) = self.traced(mode);
        let mut heard = recorder.finish();
        self.transparent(plain, &seen, &result)?;
        let run = result.run();
        kernel::without_ours(&mut heard, &run);
        let mut ours = kernel::recorded(&run);
        if heard.is_empty() {
            return Err("the kernel's recorder heard nothing".to_owned());
        }
        // The first execve is heard by us alone: it makes the process the root of the tree.
        let unheard = kernel::never_returned(&run);
        ours.retain(|call| heard.contains(call) || !unheard.contains(call));
        if ours == heard { Ok(()) } else { Err(differences("the kernel", &ours, &heard)) }
    }

    /// Keeps a file of a run that failed for a look.
    fn keep(&self, file: &str) {
        let kept = std::env::temp_dir().join(format!("oracle-{}.{file}", self.case.name));
        if std::fs::copy(self.dir.join(file), &kept).is_ok() {
            eprintln!("kept: {}", kept.display());
        }
    }
}

fn differences<T: Ord + std::fmt::Debug>(
    who: &str,
    ours: &BTreeSet<T>,
    theirs: &BTreeSet<T>,
) -> String {
    let more: Vec<_> = ours.difference(theirs).collect();
    let less: Vec<_> = theirs.difference(ours).collect();
    format!("recorded but unknown to {who}: {more:?}; known to {who} but not recorded: {less:?}")
}
