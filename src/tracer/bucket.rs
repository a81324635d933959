//! A token bucket of tracing cost: what the stops may cost the program before something is done
//! about it.

use std::time::{Duration, Instant};

/// Holds up to a capacity of stopped time, fills at a share of a core, is drained by what the stops
/// cost. A burst up to the capacity is free, and so is the share for ever; anything else empties it.
#[derive(Debug)]
pub struct Bucket {
    /// Seconds.
    capacity: f64,
    /// Seconds of cost per second.
    share: f64,
    level: f64,
    /// When it was last filled.
    at: Instant,
}

impl Bucket {
    /// A full one. `share` is a fraction of one core.
    pub fn new(capacity: Duration, share: f64, now: Instant) -> Bucket {
        let capacity = capacity.as_secs_f64();
        Bucket { capacity, share, level: capacity, at: now }
    }

    /// A stop has cost this much; whether the bucket is empty. The stops of all threads are served
    /// one after the other, so what they cost since the last time cannot be more than the time that
    /// has passed, however long each took from its own thread's sight.
    pub fn spend(&mut self, cost: Duration, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.fill(now);
        self.level -= cost.as_secs_f64().min(passed);
        self.level <= 0.0
    }

    /// Nothing was spent until now.
    pub fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.share).min(self.capacity);
        self.at = now;
    }

    /// When it will be half full again, if nothing is spent.
    pub fn half_full_at(&self) -> Instant {
        let missing = (self.capacity / 2.0 - self.level).max(0.0);
        self.at + Duration::from_secs_f64((missing / self.share).clamp(0.01, 3600.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: Duration = Duration::from_secs(2);

    #[test]
    fn a_burst_and_a_share_are_free() {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(CAPACITY, 0.05, now);
        for _ in 0..19 {
            now += Duration::from_millis(100);
            assert!(!bucket.spend(Duration::from_millis(100), now));
        }
        let mut bucket = Bucket::new(CAPACITY, 0.05, now);
        for _ in 0..10_000 {
            now += Duration::from_millis(100);
            assert!(!bucket.spend(Duration::from_millis(5), now));
        }
    }

    #[test]
    fn more_than_that_empties_it_and_time_fills_it() {
        let start = Instant::now();
        let mut bucket = Bucket::new(CAPACITY, 0.1, start);
        let second = Duration::from_secs(1);
        assert!(!bucket.spend(second, start + second));
        assert!(!bucket.spend(second, start + 2 * second));
        assert!(bucket.spend(second, start + 3 * second));
        let half = bucket.half_full_at();
        assert!(half > start + 20 * second && half < start + 22 * second);
        bucket.fill(half);
        assert!(bucket.half_full_at() <= half + Duration::from_millis(10));
    }

    #[test]
    fn a_cost_is_no_more_than_the_time_that_passed() {
        let start = Instant::now();
        let mut bucket = Bucket::new(CAPACITY, 0.1, start);
        assert!(!bucket.spend(Duration::from_secs(60), start + Duration::from_secs(1)));
    }
}
