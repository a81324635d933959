//! From full stops to native speed: when the stops have cost too much, the program is given a filter
//! that lets through what has been seen, and only news stop from then on.
//!
//! **When** is a matter of cost, not of novelty: a filter can never be loosened, so whatever turns hot
//! after it stops for ever, and what made the cost has by then been seen. A token bucket of the whole
//! tree's cost decides; while it is not empty every call stops, with exact counts and results. A new
//! phase begins with such a full look again, until its own budget is spent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::bucket::Bucket;
use super::target::AdaptivePolicy;
use super::tree::{Process, Watching};
use crate::arch::native;
use crate::filter::learned::Learned;
use crate::recording::Settled;
use crate::syscall::SysNo;

/// The refill of the bucket: this share of one core may be spent for ever.
pub const SHARE: f64 = 0.05;

/// The state of it.
#[derive(Debug)]
pub(super) struct Adaptive {
    pub policy: AdaptivePolicy,
    pub bucket: Bucket,
    /// Every call of every process stops, filter or not.
    pub looking: bool,
    pub filter: Option<Arc<Vec<u8>>>,
    /// What was asked to be let through last, perhaps by a filter that is still to be compiled.
    pub learned: Learned,
    /// What the filters that were installed let through, all together.
    pub let_through: BTreeSet<i32>,
    /// A process is under our filter.
    pub any_filtered: bool,
    /// The syscalls that were told of as hot.
    pub told_hot: BTreeSet<String>,
    pub settled: Option<Settled>,
    pub checked: Instant,
}

impl Adaptive {
    pub fn new(policy: AdaptivePolicy, now: Instant) -> Adaptive {
        let bucket = Bucket::new(policy.settle_after, SHARE, now);
        Adaptive {
            policy,
            bucket,
            looking: true,
            filter: None,
            learned: Learned::default(),
            let_through: BTreeSet::new(),
            any_filtered: false,
            told_hot: BTreeSet::new(),
            settled: None,
            checked: now,
        }
    }

    /// Whether a thread of the process may run on without stopping at its calls.
    pub fn runs_free(&self, process: &Process) -> bool {
        self.any_filtered
            && !self.looking
            && process.watching == Watching::Filtered
            && process.maker_is_known
    }

    /// The names of what the filter lets through, sorted.
    pub fn let_through(&self) -> Vec<String> {
        let no = |number: &i32| SysNo { arch: native::ARCH, number: i64::from(*number) };
        let mut names: Vec<String> = self.let_through.iter().map(|n| no(n).to_string()).collect();
        names.sort();
        names
    }

    /// Whether processes are to be given the filter that is there.
    pub fn is_settling(&self) -> bool {
        self.filter.is_some() && !self.looking
    }
}
