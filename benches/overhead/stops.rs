//! How long threads stood stopped, from the `cost` of recordings.

use std::collections::BTreeMap;

use seccomp_gen::recording::Cost;

/// The stops of several runs.
#[derive(Default)]
pub struct Stops {
    longest_ns: u64,
    /// How many were shorter than this bound, and not shorter than half of it.
    histogram: BTreeMap<u64, u64>,
}

impl Stops {
    /// Adds a run.
    pub fn add(&mut self, cost: &Cost) {
        self.longest_ns = self.longest_ns.max(cost.longest_ns);
        for bucket in &cost.histogram {
            *self.histogram.entry(bucket.below_ns).or_default() += bucket.stops;
        }
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
