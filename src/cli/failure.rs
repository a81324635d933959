//! Exit codes, and errors that have one.

use anyhow::Error;

use crate::recording::StoreError;

/// Everything was done, whatever status the program ended with after it was asked to stop.
pub const DONE: u8 = 0;
/// The command line is wrong (clap's own code).
pub const USAGE: u8 = 2;
/// The program failed to start, ended by itself with an error or a signal, or had to be killed; or
/// a child of an attached process could not be traced; or the books of the run do not balance.
pub const RUN_FAILED: u8 = 3;
/// The environment does not permit tracing.
pub const NOT_PERMITTED: u8 = 4;
/// We failed: disk full, directory not writable.
pub const OURS: u8 = 5;

/// The table of exit codes for `--help`.
pub const HELP: &str = "\
Exit codes:
  0  done, whatever status the program ended with after it was asked to stop
  2  the command line is wrong
  3  the program failed to start, ended by itself with an error or a signal, or
     had to be killed; or a child of an attached process could not be traced
     (what was recorded is written and marked incomplete)
  4  the environment does not permit tracing; the message says what to do
  5  we failed (disk full, directory not writable); the message says what was
     saved and where";

/// An error and what we exit with.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What to tell the user.
    pub error: Error,
}

impl Failure {
    /// An error that we exit with `code` for.
    pub fn new(code: u8, error: impl Into<Error>) -> Failure {
        Failure { code, error: error.into() }
    }

    /// An error of the files of a recording: a name that cannot be one was given to us.
    pub fn store(error: StoreError) -> Failure {
        let code = match error {
            StoreError::Name { .. } => USAGE,
            _ => OURS,
        };
        Failure::new(code, error)
    }

    /// An error in what we do ourselves.
    pub fn ours(error: impl Into<Error>) -> Failure {
        Failure::new(OURS, error)
    }
}

/// An error with its causes, of which those are left out that are part of it already.
pub fn told_once(error: &Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| {
        match (told.is_empty(), told.contains(&cause)) {
            (true, _) => cause,
            (false, true) => told,
            (false, false) => format!("{told}: {cause}"),
        }
    })
}
