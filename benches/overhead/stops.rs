//! How long threads stood stopped, and how long the one that installs a filter is kept, from
//! recordings.

use std::collections::BTreeMap;

use seccomp_gen::recording::{Run, Settled};

/// The stops of several runs.
#[derive(Default)]
pub struct Stops {
    longest_ns: u64,
    /// How many were shorter than this bound, and not shorter than half of it.
    histogram: BTreeMap<u64, u64>,
    /// Of the runs in which a filter was installed.
    pub settled: Vec<Settled>,
}

impl Stops {
    /// Adds a run.
    pub fn add(&mut self, run: &Run) {
        let cost = &run.cost;
        self.longest_ns = self.longest_ns.max(cost.longest_ns);
        for bucket in &cost.histogram {
            *self.histogram.entry(bucket.below_ns).or_default() += bucket.stops;
        }
        self.settled.extend(run.watch.settled.filter(|s| s.installations > 0));
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.histogram.values().sum()
    }

    /// The longest one, in microseconds.
    pub fn longest_us(&self) -> f64 {
        self.longest_ns as f64 / 1e3
    }

    /// 999 of 1,000 were shorter than this, in microseconds: the bound of a bucket.
    pub fn permille_us(&self) -> f64 {
        let wanted = self.count() - self.count() / 1000;
        let mut so_far = 0;
        let bound = self.histogram.iter().find(|(_, stops)| {
            so_far += **stops;
            so_far >= wanted
        });
        bound.map_or(0.0, |(bound, _)| *bound as f64 / 1e3)
    }
}
