//! What a recording means for a filter: a default action, and rules that name syscalls, each with
//! the reasons for which it is there.

mod build;
mod model;

pub use build::{BuildOptions, Built, ErrnoPolicy, build};
pub use model::{Action, Profile, Reason, Rule};
