//! What stands in the way of tracing here: [`Facts`], gathered, and a verdict on them by
//! [`judge`], which looks at nothing but its arguments.

mod confinement;
mod emulation;
mod facts;
mod judge;
mod target;

pub use confinement::{Confinement, Module};
pub use emulation::{Emulation, Emulator};
pub use facts::{Facts, ProcView, SelfTestFailure};
pub use judge::{Check, Verdict, Wish, is_possible, judge, obstacle};
pub use target::{AttachTarget, Running};
