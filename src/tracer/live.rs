//! What a progress display reads while the run goes on, without asking the tracer.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// Figures of the run so far; each is right by itself, and may be a moment older than the next.
#[derive(Debug, Default)]
pub struct Live {
    stops: AtomicU64,
    processes: AtomicUsize,
    threads: AtomicUsize,
    syscalls: AtomicUsize,
    last_new: Mutex<Option<(String, Instant)>>,
    stage: Mutex<Stage>,
    told: Mutex<Vec<String>>,
}

/// What is going on with the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// It runs, and every syscall of its stops.
    #[default]
    Watching,
    /// It runs unwatched for a while (`--max-share`).
    RunningFree,
    /// It was asked to stop.
    ShuttingDown,
}

impl Live {
    pub(super) fn set_stops(&self, stops: u64) {
        self.stops.store(stops, Ordering::Relaxed);
    }

    pub(super) fn set_population(&self, processes: usize, threads: usize) {
        self.processes.store(processes, Ordering::Relaxed);
        self.threads.store(threads, Ordering::Relaxed);
    }

    pub(super) fn set_new(&self, distinct: usize, name: String) {
        self.syscalls.store(distinct, Ordering::Relaxed);
        if let Ok(mut last) = self.last_new.lock() {
            *last = Some((name, Instant::now()));
        }
    }

    pub(super) fn set_stage(&self, stage: Stage) {
        if let Ok(mut s) = self.stage.lock() {
            *s = stage;
        }
    }

    pub(super) fn tell(&self, warning: String) {
        if let Ok(mut told) = self.told.lock() {
            told.push(warning);
        }
    }

    /// Takes the warnings that the user should have at once.
    pub fn take_told(&self) -> Vec<String> {
        self.told.lock().map(|mut told| std::mem::take(&mut *told)).unwrap_or_default()
    }

    /// How often threads have stopped for us.
    pub fn stops(&self) -> u64 {
        self.stops.load(Ordering::Relaxed)
    }

    /// How many processes live.
    pub fn processes(&self) -> usize {
        self.processes.load(Ordering::Relaxed)
    }

    /// How many threads live.
    pub fn threads(&self) -> usize {
        self.threads.load(Ordering::Relaxed)
    }

    /// How many distinct syscalls were seen.
    pub fn syscalls(&self) -> usize {
        self.syscalls.load(Ordering::Relaxed)
    }

    /// The syscall that was last seen for the first time, and when that was.
    pub fn last_new(&self) -> Option<(String, Instant)> {
        self.last_new.lock().ok().and_then(|last| last.clone())
    }

    /// What is going on with the program.
    pub fn stage(&self) -> Stage {
        self.stage.lock().map_or_else(|_| Stage::default(), |s| *s)
    }
}
