//! Runs a process tree under trace and fills a recording.
//!
//! One OS thread owns the tree: it waits for stops, books them and lets the threads go on
//! ([`engine`](self)). A second one takes our signals, keeps the time and writes checkpoints
//! ([`run`]'s caller gives it an [`Observer`]); the two talk through a mailbox, so that the first
//! never does anything slow while a thread of the program stands stopped.
//!
//! The parts: `tree` knows processes and threads, `ledger` the syscalls, `books` the accounting,
//! `credentials` and `modules` what /proc tells of a process, `snapshot` what a checkpoint is made
//! of (with `log`, which is cheap to copy), `stop` when and how the program is told to end,
//! `breather` when it may run free, `attach` and `engine` move the threads.

mod attach;
mod books;
mod breather;
mod control;
mod credentials;
mod engine;
mod evidence;
mod handlers;
mod ledger;
mod live;
mod log;
mod mailbox;
mod modules;
mod snapshot;
mod stop;
mod target;
mod tree;
mod untraced;

pub use control::{Observer, run};
pub use engine::{Outcome, TraceError};
pub use live::Live;
pub use modules::MappedFile;
pub use stop::StopPolicy;
pub use target::{Launch, Session, Target};
