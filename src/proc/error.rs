//! The error of this module.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why something could not be read.
#[derive(Debug, Error)]
pub enum ProcError {
    /// The process or the file is not there (any more): `ESRCH` or `ENOENT`.
    #[error("{} is gone", .0.display())]
    Gone(PathBuf),
    /// We may not look: `EACCES` or `EPERM`.
    #[error("{} may not be read: permission denied", .0.display())]
    Denied(PathBuf),
    /// It says what no kernel or linker is known to write.
    #[error("{} cannot be understood: {what}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Anything else that the operating system has to say.
    #[error("{} cannot be read: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Its error.
        source: io::Error,
    },
}

impl ProcError {
    /// The case that an error of the operating system stands for. A dead process shows as `ENOENT`
    /// when its file is opened and as `ESRCH` when an open one is read (`fs/proc/base.c`).
    pub fn from_io(file: impl AsRef<Path>, source: io::Error) -> ProcError {
        let file = file.as_ref().to_owned();
        match source.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH) => ProcError::Gone(file),
            Some(libc::EACCES | libc::EPERM) => ProcError::Denied(file),
            _ => ProcError::Io { file, source },
        }
    }

    /// An error of [`ProcError::Malformed`].
    pub fn malformed(file: impl AsRef<Path>, what: impl Into<String>) -> ProcError {
        ProcError::Malformed { file: file.as_ref().to_owned(), what: what.into() }
    }

    /// Whether we may not look.
    pub fn is_denied(&self) -> bool {
        matches!(self, ProcError::Denied(_))
    }

    /// Whether the process died or the file vanished.
    pub fn is_gone(&self) -> bool {
        matches!(self, ProcError::Gone(_))
    }
}
