//! The kernel's vocabulary: numbers and names of syscalls, capabilities, signals and errors, and
//! which arguments of which syscall are recorded. Tables, not code.

mod capability;
mod errno;
mod number;
mod signal;
mod socket_options;
mod words;
mod x32;

pub mod arguments;
pub mod decode;

pub use capability::{Cap, CapSet};
pub use errno::Errno;
pub use number::SysNo;
pub use signal::{SignalSet, asks_to_stop, signal_from_name, signal_name};
