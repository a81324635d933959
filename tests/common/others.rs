//! Programs run as other users: the build directory may be closed to them.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Scratch, fixture, seccomp_gen, tool};

/// The ordinary user of the tests.
pub const NOBODY: u32 = 65534;

/// Makes `setpriv` start a program as that user.
pub const AS_NOBODY: [&str; 3] = ["--reuid=65534", "--regid=65534", "--clear-groups"];

/// Copies that everybody may read and execute, and a directory that the ordinary user may write to.
pub struct ForOthers(Scratch);

impl ForOthers {
    /// Of the tracer, and of these fixtures.
    pub fn copy(fixtures: &[&str]) -> ForOthers {
        let dir = Scratch::new();
        open_to_all(dir.path());
        std::fs::create_dir(dir.join("out")).unwrap();
        chown(dir.join("out"), Some(NOBODY), Some(NOBODY)).unwrap();
        let others = ForOthers(dir);
        others.install(Path::new(seccomp_gen().get_program()), "seccomp-gen", "755");
        for name in fixtures {
            others.install(&fixture(name), name, "755");
        }
        others
    }

    /// A copy of the file under this name. A program of its own makes it, since a child that another
    /// thread forks would inherit the descriptor for a moment, and nobody may execute what is open
    /// for writing.
    pub fn install(&self, file: &Path, name: &str, mode: &str) {
        let mut install = Command::new(tool("install"));
        let status = install.args(["-m", mode]).arg(file).arg(self.path(name)).status();
        assert!(status.unwrap().success(), "{name}");
    }

    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The directory that the ordinary user may write to.
    pub fn out(&self) -> PathBuf {
        self.0.join("out")
    }

    /// The copy of the tracer, run by the ordinary user.
    pub fn tracer(&self) -> Command {
        let mut setpriv = as_nobody();
        setpriv.arg(self.path("seccomp-gen"));
        setpriv
    }
}

/// `setpriv`, to be given a program.
pub fn as_nobody() -> Command {
    let mut setpriv = Command::new(tool("setpriv"));
    setpriv.args(AS_NOBODY).arg("--").stdin(Stdio::null());
    setpriv
}

/// Lets everybody into a directory.
pub fn open_to_all(dir: &Path) {
    std::fs::set_permissions(dir, PermissionsExt::from_mode(0o755)).unwrap();
}
