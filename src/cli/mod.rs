//! The command line: one file per subcommand, with its arguments, its help and the call.

mod args;
mod conclude;
mod console;
mod failure;
mod inspector;
mod mode;
mod outputs;
mod plan;
mod summarize;
mod trace_args;
mod values;

pub mod doctor;
pub mod recover;
pub mod trace;

pub use args::{Cli, main};
pub use values::Format;
