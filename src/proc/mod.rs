//! What `/proc`, the kernel and ELF files tell of processes and of the machine.
//!
//! Everything here looks and nothing acts. A process may die between any two reads, which is no
//! failure: [`ProcError::Gone`] is a case that every caller has to face.
//!
//! The files are read by code of our own and not by the `procfs` crate, which has no
//! `Seccomp_filters`, cuts a thread's name at a colon, fails on one that is not UTF-8 (its
//! `process/status.rs`), and makes a map of strings of each file, for which a stopped thread would
//! wait.

mod error;
mod libc_version;
mod notes;
mod text;

pub mod doctor;
pub mod elf;
pub mod host;
pub mod maps;
pub mod rooted;
pub mod status;
pub mod tree;

pub use elf::ElfFacts;
pub use error::ProcError;
pub use maps::Maps;
pub use status::ThreadStatus;

/// The id of this process, in the type that ids of other processes have.
pub fn own_pid() -> i32 {
    nix::unistd::getpid().as_raw()
}
