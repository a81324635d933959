//! SIGINT, SIGTERM and SIGHUP end the bench as an error does: what was started is killed, what was
//! written is removed.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anyhow::{Result, ensure};
use nix::sys::signal::{SigSet, Signal};

use crate::common::process::Guarded;

static ASKED_TO_END: AtomicBool = AtomicBool::new(false);

/// From now on the signals are heard by [`check`].
pub fn heed() -> Result<()> {
    let signals = heeded();
    signals.thread_block()?;
    std::thread::spawn(move || {
        if signals.wait().is_ok() {
            ASKED_TO_END.store(true, Relaxed);
        }
    });
    Ok(())
}

fn heeded() -> SigSet {
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect()
}

/// Starts a program, which inherits the signal mask, with the signals as it would have them without
/// us.
pub fn unblocked<T>(spawn: impl FnOnce() -> T) -> Result<T> {
    heeded().thread_unblock()?;
    let spawned = spawn();
    heeded().thread_block()?;
    Ok(spawned)
}

/// A child that is killed, with its process group, when it is dropped.
pub fn spawn(command: &mut Command) -> Result<Guarded> {
    unblocked(|| Guarded::spawn(command))
}

/// An error if it is time to end.
pub fn check() -> Result<()> {
    ensure!(!ASKED_TO_END.load(Relaxed), "ended by a signal");
    Ok(())
}
