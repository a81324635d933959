//! The meter of what the stops cost.

use std::time::{Duration, Instant};

use crate::recording::{Bucket, Cost};

/// Measures how long threads stand stopped.
#[derive(Debug)]
pub struct StopMeter {
    heard: Instant,
    cost: Cost,
    buckets: [u64; 64],
}

impl StopMeter {
    /// Nothing measured yet.
    pub fn new() -> StopMeter {
        StopMeter { heard: Instant::now(), cost: Cost::default(), buckets: [0; 64] }
    }

    /// A stop was just heard of.
    pub fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// The thread goes on; how long it stood.
    pub fn gone_on(&mut self) -> Duration {
        let stood = self.heard.elapsed();
        let ns = u64::try_from(stood.as_nanos()).unwrap_or(u64::MAX);
        self.cost.stops += 1;
        self.cost.stopped_ns += ns;
        self.cost.longest_ns = self.cost.longest_ns.max(ns);
        // Bucket n holds what is below 2^n ns and not below half of that.
        let bucket = 64 - ns.leading_zeros();
        self.buckets[usize::try_from(bucket).unwrap_or(0).min(63)] += 1;
        stood
    }

    /// All stops so far.
    pub fn stops(&self) -> u64 {
        self.cost.stops
    }

    /// The recording's section.
    pub fn to_cost(&self) -> Cost {
        let histogram = self
            .buckets
            .iter()
            .enumerate()
            .filter(|(_, stops)| **stops > 0)
            .map(|(n, stops)| Bucket { below_ns: 1 << n, stops: *stops })
            .collect();
        Cost { histogram, ..self.cost.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_fall_into_buckets_by_powers_of_two() {
        let mut meter = StopMeter::new();
        meter.heard();
        meter.gone_on();
        let cost = meter.to_cost();
        assert_eq!(cost.stops, 1);
        assert_eq!(cost.histogram.len(), 1);
        let bucket = cost.histogram[0];
        assert!(cost.longest_ns < bucket.below_ns && cost.longest_ns >= bucket.below_ns / 2);
    }
}
