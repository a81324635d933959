//! Runs a process tree under trace and fills a recording.
//!
//! One OS thread owns the tree: it waits for stops, books them and lets the threads go on
//! ([`engine`](self)). A second one takes our signals, keeps the time and writes checkpoints
//! ([`run`]'s caller gives it an [`Observer`]); the two talk through a mailbox, so that the first
//! never does anything slow while a thread of the program stands stopped.
//!
//! The parts: `tree` knows processes and threads, `ledger` the syscalls, `meter` the cost,
//! `credentials`, `withheld` and `modules` what /proc tells of a process, `snapshot` what a checkpoint
//! is made of (with `log`, which is cheap to copy), `stop` when and how the program is told to end,
//! `breather` when it may run free (`bucket`: what it may cost), `attach` and `engine` move the
//! threads, `again` hides from them that we did.

mod adaptive;
mod again;
mod attach;
mod breather;
mod bucket;
mod control;
mod credentials;
mod engine;
mod evidence;
mod handlers;
mod injection;
mod ledger;
mod live;
mod log;
mod mailbox;
mod meter;
mod modules;
mod snapshot;
mod stop;
mod strict;
mod target;
mod tree;
mod untraced;
mod withheld;

pub use adaptive::AdaptivePolicy;
pub use control::{Observer, run};
pub use engine::{Outcome, TraceError};
pub use live::{Live, Stage};
pub use modules::MappedFile;
pub use stop::StopPolicy;
pub use target::{Launch, Session, Target};
