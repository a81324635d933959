//! A directory that is gone when the test is over.

use std::path::{Path, PathBuf};

/// A directory of the test's own; kept where the test fails, for a look.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        let dir = tempfile::Builder::new().prefix("seccomp-gen-test-").tempdir().unwrap();
        Scratch(dir.keep())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("left for a look: {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
