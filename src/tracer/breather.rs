//! `--max-share`: letting a busy process run free for a while when the stops cost too much: from when
//! its bucket is empty until that is half full again. The bucket is small, so that gaps are many and
//! short rather than one and long, and what the process does in turn is seen of all of it.

use std::time::{Duration, Instant};

use super::bucket::Bucket;
use crate::recording::Gap;

/// How long the share takes to fill a bucket: a gap lasts half of it, but for what the stops have
/// cost beyond the bucket.
const FILLED_IN: Duration = Duration::from_secs(5);

/// What a look may cost at least before it ends: attaching to some hundred threads alone costs
/// milliseconds, and nothing is learned of less. With shares below 0.4 % gaps are longer for it.
const LEAST_CAPACITY: Duration = Duration::from_millis(20);

/// How many gaps are kept one by one.
const MAX_GAPS: usize = 1024;

/// Whether the threads are watched or run free.
#[derive(Debug)]
pub struct Breather {
    /// None if there is no limit.
    bucket: Option<Bucket>,
    free_since: Option<u64>,
    gaps: Vec<Gap>,
    gaps_total_ms: u64,
}

impl Breather {
    /// Watching. `share` is a fraction of one core.
    pub fn new(share: Option<f64>, now: Instant) -> Breather {
        Breather {
            bucket: share.map(|share| {
                let capacity = FILLED_IN.mul_f64(share).max(LEAST_CAPACITY);
                Bucket::new(capacity, share, now)
            }),
            free_since: None,
            gaps: Vec::new(),
            gaps_total_ms: 0,
        }
    }

    /// Whether threads stop at their syscalls.
    pub fn is_watching(&self) -> bool {
        self.free_since.is_none()
    }

    /// A stop has cost this much. Whether it was one too many: the threads are to run free.
    pub fn spend(&mut self, cost: Duration, now: Instant, now_ms: u64) -> bool {
        let is_watching = self.is_watching();
        let Some(bucket) = self.bucket.as_mut().filter(|_| is_watching) else { return false };
        let is_empty = bucket.spend(cost, now);
        if is_empty {
            self.free_since = Some(now_ms);
        }
        is_empty
    }

    /// When the threads are to be watched again, if they run free.
    pub fn deadline(&self) -> Option<Instant> {
        self.bucket.as_ref().filter(|_| !self.is_watching()).map(Bucket::half_full_at)
    }

    /// Whether the time has come to watch again; if so, the gap is closed.
    pub fn due(&mut self, now: Instant, now_ms: u64) -> bool {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return false;
        }
        if let Some(bucket) = &mut self.bucket {
            bucket.fill(now);
        }
        self.close(now_ms);
        true
    }

    /// Closes an open gap: we watch again, or the run ends.
    pub fn close(&mut self, now_ms: u64) {
        if let Some(from_ms) = self.free_since.take() {
            self.gaps_total_ms += now_ms - from_ms;
            if self.gaps.len() < MAX_GAPS {
                self.gaps.push(Gap { from_ms, to_ms: now_ms });
            }
        }
    }

    /// The gaps until now, and the sum of all.
    pub fn gaps(&self, now_ms: u64) -> (Vec<Gap>, u64) {
        let open = self.free_since.map(|from_ms| Gap { from_ms, to_ms: now_ms });
        let room = MAX_GAPS - self.gaps.len();
        let listed = self.gaps.iter().copied().chain(open.into_iter().take(room)).collect();
        (listed, self.gaps_total_ms + open.map_or(0, |gap| gap.to_ms - gap.from_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_nothing_runs_free() {
        let now = Instant::now();
        let mut breather = Breather::new(None, now);
        assert!(!breather.spend(Duration::from_secs(60), now + Duration::from_secs(60), 1));
        assert!(breather.is_watching());
    }

    #[test]
    fn too_much_cost_makes_a_gap_and_time_ends_it() {
        let start = Instant::now();
        let mut breather = Breather::new(Some(0.1), start);
        let second = Duration::from_secs(1);
        assert!(!breather.spend(second / 4, start + second, 1_000), "a burst is free");
        assert!(breather.spend(second, start + 2 * second, 2_000));
        assert!(!breather.is_watching());
        assert_eq!(breather.gaps(3_000), (vec![Gap { from_ms: 2_000, to_ms: 3_000 }], 1_000));
        let deadline = breather.deadline().expect("it runs free");
        assert!(!breather.due(start, 3_000));
        assert!(breather.due(deadline + Duration::from_millis(1), 9_000));
        assert_eq!(breather.gaps(10_000), (vec![Gap { from_ms: 2_000, to_ms: 9_000 }], 7_000));
    }

    /// What a process that stops all the time costs in a minute, and the longest of its gaps.
    fn storm(share: f64) -> (Duration, Duration) {
        let tick = Duration::from_micros(100);
        let start = Instant::now();
        let mut breather = Breather::new(Some(share), start);
        let (mut now, mut cost, mut longest) = (start, Duration::ZERO, Duration::ZERO);
        while now < start + Duration::from_secs(60) {
            now += tick;
            cost += tick;
            if breather.spend(tick, now, 0) {
                let deadline = breather.deadline().expect("it runs free");
                longest = longest.max(deadline - now);
                now = deadline;
                assert!(breather.due(now, 0));
            }
        }
        (cost, longest)
    }

    #[test]
    fn the_share_holds_over_a_minute_and_gaps_are_short() {
        for share in [0.01, 0.05, 0.1, 0.5] {
            let (cost, longest) = storm(share);
            let allowed = Duration::from_secs(60).mul_f64(share);
            assert!(cost > allowed.mul_f64(0.9) && cost < allowed.mul_f64(1.1), "{share} {cost:?}");
            assert!(longest < Duration::from_millis(2_600), "{share}: {longest:?}");
        }
    }
}
