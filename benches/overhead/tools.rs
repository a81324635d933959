//! The programs that the bench runs: found, or built, before anything is measured.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::columns::Column;
use crate::signals;

/// Where everything is, and a directory for all that is written; it is removed in the end.
pub struct Tools {
    bin: TempDir,
    /// In memory where there is room: what a disk does besides is not what is measured.
    data: TempDir,
}

impl Tools {
    /// Finds what the chosen columns need; builds what is ours.
    pub fn find(columns: &[Column]) -> Result<Tools> {
        let bin = scratch(&std::env::temp_dir())?;
        fs::copy(env!("CARGO_BIN_EXE_seccomp-gen"), bin.path().join("seccomp-gen"))?;
        for name in ["bitmap", "crowd", "filtered", "floor"] {
            compile(name, bin.path())?;
        }
        let tools = Tools { bin, data: scratch(&roomiest())? };
        for column in columns {
            check(*column)?;
        }
        Ok(tools)
    }

    /// One of our own programs.
    pub fn own(&self, name: &str) -> PathBuf {
        self.bin.path().join(name)
    }

    /// A new, empty directory; a workload's name may be a command line.
    pub fn directory(&self, name: &str) -> Result<PathBuf> {
        let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let path = self.data.path().join(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir(&path)?;
        Ok(path)
    }
}

/// A directory that is removed in the end, and that other users' programs can run in.
fn scratch(under: &Path) -> Result<TempDir> {
    let dir = tempfile::Builder::new().prefix("seccomp-gen-bench-").tempdir_in(under)?;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    Ok(dir)
}

/// Memory if it has room, else the directory for temporary files, which is often a disk's.
fn roomiest() -> PathBuf {
    const MEMORY: &str = "/dev/shm";
    const ROOM: u64 = 2 << 30;
    match nix::sys::statvfs::statvfs(MEMORY) {
        Ok(fs) if fs.blocks_available() * fs.fragment_size() >= ROOM => MEMORY.into(),
        _ => std::env::temp_dir(),
    }
}

/// Whether the tool of a column can be used.
fn check(column: Column) -> Result<()> {
    let needs = match column {
        Column::Strace | Column::StraceC | Column::StraceBpf => "strace",
        Column::Bpftrace => "bpftrace",
        _ => return Ok(()),
    };
    program(needs).with_context(|| format!("column {column} (--without leaves it out)"))?;
    ensure!(
        column != Column::Bpftrace || nix::unistd::geteuid().is_root(),
        "bpftrace needs root (--without bpftrace leaves it out)"
    );
    Ok(())
}

/// A program on the PATH.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    let mut files = dirs.map(|dir| dir.join(name));
    files
        .find(|file| file.is_file())
        .with_context(|| format!("`{name}` is not installed; `.ci/provide test` installs it"))
}

/// Runs a command that is not measured; what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = signals::unblocked(|| command.spawn())?;
    let output = child.with_context(|| format!("{command:?}"))?.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {errors}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Builds `benches/programs/NAME.c`.
fn compile(name: &str, to: &Path) -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/programs");
    let mut cc = Command::new(program("cc")?);
    cc.args(["-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"]).arg(to.join(name));
    output(cc.arg(source.join(format!("{name}.c"))))?;
    Ok(())
}

/// Builds the demo node, with the profile that the bench itself was built with.
pub fn demo_node() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(cargo);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    output(cargo.args(["build", "--release", "--locked", "--package", "demo-node"]))?;
    let path = Path::new(env!("CARGO_BIN_EXE_seccomp-gen")).with_file_name("demo-node");
    if !path.is_file() {
        bail!("{} was not built", path.display());
    }
    Ok(path)
}
