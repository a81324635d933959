//! The meter of what the stops cost.

use std::time::{Duration, Instant};

use crate::recording::{Bucket, Cost};

/// Measures how long threads stand stopped, and what that costs them.
///
/// What is measured of each stop is our service, from hearing of it until the thread goes on. Before
/// it the thread's news had to reach us, and after it the thread has to be woken: 5 to 40 us that
/// vary with who runs on which CPU, and that no clock of ours sees. From one resume to the next stop
/// of the same thread there is that and what the program itself did; for the quickest calls, that
/// alone. So a low quantile of enter-stop to exit-stop tells what a stop costs beside our service.
#[derive(Debug)]
pub struct StopMeter {
    heard: Instant,
    cost: Cost,
    cost_ns: u64,
    buckets: [u64; 64],
    /// From the hearing of an enter-stop to that of its exit-stop.
    enter_to_exit: LowQuantile,
    service: LowQuantile,
}

/// The end of a stop.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// When.
    pub at: Instant,
    /// How long the thread stood for us.
    pub stood: Duration,
    /// What the stop cost the thread, by estimate.
    pub cost: Duration,
}

/// Follows the tenth percentile of what it is shown: nine small steps down weigh as much as one up.
#[derive(Debug, Default)]
struct LowQuantile {
    ns: f64,
}

impl LowQuantile {
    fn note(&mut self, sample: Duration) {
        const STEP: f64 = 0.02;
        #[allow(clippy::cast_precision_loss)]
        let sample = sample.as_nanos() as f64;
        if self.ns == 0.0 {
            self.ns = sample;
        } else if sample < self.ns {
            self.ns -= (self.ns * STEP * 0.9).min(self.ns - sample);
        } else {
            self.ns += (self.ns * STEP * 0.1).min(sample - self.ns);
        }
    }
}

impl StopMeter {
    /// Nothing measured yet.
    pub fn new() -> StopMeter {
        StopMeter {
            heard: Instant::now(),
            cost: Cost::default(),
            cost_ns: 0,
            buckets: [0; 64],
            enter_to_exit: LowQuantile::default(),
            service: LowQuantile::default(),
        }
    }

    /// The stop at hand was heard of then.
    pub fn heard(&mut self, at: Instant) {
        self.heard = at;
    }

    /// When the stop at hand was heard of.
    pub fn heard_at(&self) -> Instant {
        self.heard
    }

    /// The stop at hand is an exit-stop whose enter-stop was heard of then.
    pub fn returned(&mut self, entered: Instant) {
        self.enter_to_exit.note(self.heard.saturating_duration_since(entered));
    }

    /// The thread goes on.
    pub fn gone_on(&mut self) -> Served {
        let at = Instant::now();
        let stood = at.saturating_duration_since(self.heard);
        let ns = u64::try_from(stood.as_nanos()).unwrap_or(u64::MAX);
        self.cost.stops += 1;
        self.cost.stopped_ns += ns;
        self.cost.longest_ns = self.cost.longest_ns.max(ns);
        // Bucket n holds what is below 2^n ns and not below half of that.
        let bucket = 64 - ns.leading_zeros();
        self.buckets[usize::try_from(bucket).unwrap_or(0).min(63)] += 1;
        self.service.note(stood);
        let cost = stood + self.around();
        self.cost_ns += u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX);
        Served { at, stood, cost }
    }

    /// What a stop costs beside our service.
    fn around(&self) -> Duration {
        // A program all of whose calls block shows nothing of it.
        const MOST_NS: f64 = 50_000.0;
        whole_ns((self.enter_to_exit.ns - self.service.ns).clamp(0.0, MOST_NS))
    }

    /// What a quick stop costs the program, by estimate.
    pub fn stop_cost(&self) -> Duration {
        whole_ns(self.service.ns) + self.around()
    }

    /// What all stops have cost the program, by estimate.
    pub fn cost_ns(&self) -> u64 {
        self.cost_ns
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

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole_ns(ns: f64) -> Duration {
    Duration::from_nanos(ns as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_quantile_settles_near_the_tenth_percentile() {
        let mut quantile = LowQuantile::default();
        for n in 0..100_000u64 {
            // 1 to 100 in a scrambled order.
            quantile.note(Duration::from_nanos(n * 37 % 100 + 1));
        }
        assert!((5.0..20.0).contains(&quantile.ns), "{}", quantile.ns);
    }

    #[test]
    fn stops_fall_into_buckets_by_powers_of_two() {
        let mut meter = StopMeter::new();
        meter.heard(Instant::now());
        meter.gone_on();
        let cost = meter.to_cost();
        assert_eq!(cost.stops, 1);
        assert_eq!(cost.histogram.len(), 1);
        let bucket = cost.histogram[0];
        assert!(cost.longest_ns < bucket.below_ns && cost.longest_ns >= bucket.below_ns / 2);
    }
}
