//! What is to be traced.

use std::ffi::CString;
use std::time::Duration;

use super::learning::Seen;
use super::stop::StopPolicy;
use crate::ptrace::Inherited;

/// What is to be traced.
#[derive(Clone, Debug)]
pub enum Target {
    /// A program that we start.
    Launch(Box<Launch>),
    /// Processes that run already.
    Attach {
        /// Which.
        pids: Vec<i32>,
        /// Whether the processes that they have forked are traced, too.
        tree: bool,
        /// The most that the stops may cost, as a share of one core; above it the threads run
        /// free for a while.
        max_share: Option<f64>,
    },
}

/// A program to start.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The file, found on the PATH already.
    pub program: CString,
    /// The arguments, the program's own name first.
    pub argv: Vec<CString>,
    /// What it must find as our parent gave it to us.
    pub inherited: Inherited,
    /// Whether its calls stop for good once that has cost too much; otherwise all of them stop.
    pub adaptive: Option<AdaptivePolicy>,
}

/// When a program's calls stop no more, and what is let through then.
#[derive(Clone, Debug)]
pub struct AdaptivePolicy {
    /// `--settle-after`: how much stopped time a phase may cost before its calls stop no more.
    pub settle_after: Duration,
    /// `--look-again`: after how much time under its filter all calls of the program stop again.
    pub look_again_every: Option<Duration>,
    /// What an earlier run saw: it is let through with what this one has seen.
    pub prior: Seen,
    /// Whether `no_new_privs` may be set in the program: by a tracer without privileges, under which
    /// a set-user-ID program gets none anyhow.
    pub may_set_no_new_privs: bool,
    /// How many filters the program starts under, which we were told to put ours over.
    pub inherited_filters: u32,
}

/// A run: what to trace and how it ends.
#[derive(Clone, Debug)]
pub struct Session {
    /// What is to be traced.
    pub target: Target,
    /// How the program is told to end.
    pub stop: StopPolicy,
    /// How often a checkpoint is made.
    pub checkpoint_every: Duration,
    /// `--max-stall`: how long a thread may stand for us before the user is told of it.
    pub max_stall: Option<Duration>,
    /// Whether signals that are no request are passed on to the program: as the first process of a
    /// container.
    pub pass_signals: bool,
}
