//! Runs a process tree under trace and fills a recording.
//!
//! One OS thread owns the tree: it waits for stops, books them and lets the threads go on
//! ([`engine`](self)). A second one takes our signals, keeps the time and writes checkpoints
//! ([`run`]'s caller gives it an [`Observer`]); the two talk through a mailbox, so that the first
//! never does anything slow while a thread of the program stands stopped.
//!
//! The parts. What is known: `tree` (processes; `watched`: by which filters), `thread`, `ledger`
//! (syscalls; `learning`: what of them a filter may let through), `meter` and `stalls` (cost),
//! `credentials`, `withheld` and `modules` (what /proc tells), `evidence`; `snapshot` is all of it at
//! one moment (with `log`, which is cheap to copy). What is decided: `stop` (when and how the program
//! is told to end), `breather` and `adaptive` (when it may run free; `bucket`: what it may cost),
//! `hearing` (what is served next; with `spin`). What is done, as methods of the one tracer in
//! `engine`: `handlers` (at each stop), `resume` (at its end), `held`, `births`, `attach`, `settle`
//! (with `injection`), `own_filter` (the program's; with `strict`), `again`, `untraced`, `outcome`.

mod adaptive;
mod again;
mod attach;
mod births;
mod breather;
mod bucket;
mod control;
mod credentials;
mod engine;
mod evidence;
mod handlers;
mod hearing;
mod held;
mod injection;
mod learning;
mod ledger;
mod live;
mod log;
mod mailbox;
mod meter;
mod modules;
mod outcome;
mod own_filter;
mod resume;
mod settle;
mod snapshot;
mod spin;
mod stalls;
mod stop;
mod strict;
mod target;
mod thread;
mod tree;
mod untraced;
mod watched;
mod withheld;

pub use control::{Observer, run};
pub use engine::{Outcome, TraceError};
pub use learning::Seen;
pub use live::{Live, Stage};
pub use modules::MappedFile;
pub use stop::StopPolicy;
pub use target::{AdaptivePolicy, Launch, Session, Target};
