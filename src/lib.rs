//! Traces the system calls of a program with `ptrace(2)` and builds the tightest `seccomp(2)`
//! profile that still works in production.
//!
//! Data flows one way, from the kernel to the reader: [`tracer`] runs a process tree and fills a
//! [`recording`], [`profile`] gives it a meaning, [`format`] and [`report`] write it down. Nothing
//! knows anything of what comes after it. Everything stands on [`arch`] and [`syscall`].

pub mod arch;
pub mod cli;
pub mod filter;
pub mod format;
pub mod knowledge;
pub mod proc;
pub mod profile;
pub mod ptrace;
pub mod recording;
pub mod report;
pub mod syscall;
pub mod tracer;
