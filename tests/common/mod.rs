//! What the tests share: building the fixtures, running the tracer, reading what it wrote.
//!
//! A test that needs a program that is not installed fails and says which: it never skips.

#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod beside;
pub mod container;
pub mod disk;
pub mod kernel;
pub mod monero;
pub mod ordeal;
pub mod others;
pub mod process;
pub mod random;
pub mod scratch;
pub mod strace;
pub mod terminal;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Once;

pub use scratch::Scratch;
use seccomp_gen::recording::{Recording, Run, load};

/// The binary under test.
pub fn seccomp_gen() -> Command {
    Command::new(env!("CARGO_BIN_EXE_seccomp-gen"))
}

/// How often a test repeats what `make soak` repeats `full` times: a tenth of it in the suite.
pub fn times(full: usize) -> usize {
    if std::env::var_os("SECCOMP_GEN_SOAK").is_some() { full } else { full.div_ceil(10) }
}

/// Both modes, as arguments: full, and adaptive where every process is given a filter at its first
/// chance.
pub const MODES: [&[&str]; 2] = [&["--mode=full"], &["--mode=adaptive", "--settle-after=0s"]];

/// The program of that name on the PATH.
pub fn tool(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/games"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("`{name}` is not installed; `make test` installs what tests need")
        })
}

/// The directory that fixtures are built into.
fn fixture_dir() -> PathBuf {
    // Beside the binary under test, so that `cargo clean` takes it away.
    let bin = Path::new(env!("CARGO_BIN_EXE_seccomp-gen"));
    bin.parent().unwrap().join("fixture-programs")
}

/// The program made of `fixtures/programs/NAME.c`; all are built at the first call.
pub fn fixture(name: &str) -> PathBuf {
    static BUILD: Once = Once::new();
    BUILD.call_once(build_fixtures);
    let path = fixture_dir().join(name);
    assert!(path.is_file(), "there is no fixture {name}");
    path
}

/// The names of all fixtures.
pub fn fixture_names() -> Vec<String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/programs");
    let mut names: Vec<String> = std::fs::read_dir(sources)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "c"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Arguments that make a fixture do its whole check by itself, and soon.
pub fn arguments(name: &str) -> &'static [&'static str] {
    match name {
        "stop_self_tty" => &["STOP", "self"],
        "exit_codes" => &["7"],
        "trap_term" => &["0.3"],
        "storm" => &["2000", "2"],
        "thousand_threads" => &["300"],
        _ => &[],
    }
}

fn build_fixtures() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/programs");
    let dir = fixture_dir();
    std::fs::create_dir_all(&dir).unwrap();
    let newest_header = ["check.h", "sandbox.h"].map(|name| modified(&sources.join(name)));
    let newest_header = newest_header.into_iter().max().unwrap();
    for name in fixture_names() {
        let source = sources.join(format!("{name}.c"));
        let target = dir.join(&name);
        if target.exists() && modified(&target) > modified(&source).max(newest_header) {
            continue;
        }
        // Test binaries build at the same time: each into a file of its own, renamed when whole.
        let temporary = dir.join(format!("{name}.{}", std::process::id()));
        let text = std::fs::read_to_string(&source).unwrap();
        let extra = text.lines().find_map(|l| l.trim().strip_prefix("// build:")).unwrap_or("");
        let output = Command::new(tool("cc"))
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-pthread"])
            .arg(&source)
            .args(extra.split_whitespace())
            .arg("-o")
            .arg(&temporary)
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::rename(&temporary, &target).unwrap();
    }
}

fn modified(path: &Path) -> std::time::SystemTime {
    path.metadata().and_then(|m| m.modified()).unwrap()
}

/// A trace that has ended.
pub struct Traced {
    pub output: Output,
    pub dir: Scratch,
    pub name: String,
}

impl Traced {
    pub fn recording(&self) -> Recording {
        let path = self.dir.path().join(format!("{}.recording.json", self.name));
        load(&path).unwrap_or_else(|e| panic!("{e}\n{}", self.stderr()))
    }

    pub fn run(&self) -> Run {
        let mut recording = self.recording();
        assert_eq!(recording.runs.len(), 1);
        recording.runs.remove(0)
    }

    /// The names of the syscalls that were recorded; of other tables than the native one with the
    /// table's name before them: `i386:getpid`.
    pub fn names(&self) -> BTreeSet<String> {
        names(&self.run())
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }
}

/// See [`Traced::names`].
pub fn names(run: &Run) -> BTreeSet<String> {
    run.syscalls
        .iter()
        .map(|s| {
            let name = s.name.clone().unwrap_or_else(|| format!("#{}", s.number));
            if s.arch == run.host.arch { name } else { format!("{}:{name}", s.arch) }
        })
        .collect()
}

/// Traces a command to its end, into a directory of its own.
pub fn trace(command: &[&str]) -> Traced {
    trace_with(&[], command)
}

/// The same with options of ours.
pub fn trace_with(options: &[&str], command: &[&str]) -> Traced {
    let dir = Scratch::new();
    let output = seccomp_gen()
        .args(["trace", "--name", "t", "-o"])
        .arg(dir.path())
        .args(options)
        .arg("--")
        .args(command)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Traced { output, dir, name: "t".to_owned() }
}
