//! `--max-share`: letting a busy process run free for a while when the stops cost too much.
//!
//! A token bucket: it holds up to two seconds of stopped time, fills at the user's share of a core,
//! and is drained by what the stops cost. When it is empty the threads run free until it is half
//! full again, which gives the next look room for more than a glimpse.

use std::time::{Duration, Instant};

use crate::recording::Gap;

const CAPACITY: Duration = Duration::from_secs(2);

/// How many gaps are kept one by one.
const MAX_GAPS: usize = 1024;

/// Whether the threads are watched or run free.
#[derive(Debug)]
pub struct Breather {
    /// Tokens per second; none if there is no limit.
    share: Option<f64>,
    level: f64,
    refilled: Instant,
    free_since: Option<u64>,
    gaps: Vec<Gap>,
    gaps_total_ms: u64,
}

impl Breather {
    /// Watching, with a full bucket.
    pub fn new(share: Option<f64>, now: Instant) -> Breather {
        Breather {
            share,
            level: CAPACITY.as_secs_f64(),
            refilled: now,
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
    pub fn spend(&mut self, cost: Duration, now_ms: u64) -> bool {
        let Some(share) = self.share.filter(|_| self.is_watching()) else { return false };
        let now = Instant::now();
        self.refill(share, now);
        self.level -= cost.as_secs_f64();
        if self.level > 0.0 {
            return false;
        }
        self.free_since = Some(now_ms);
        true
    }

    /// When the threads are to be watched again, if they run free.
    pub fn deadline(&self) -> Option<Instant> {
        let share = self.share.filter(|_| !self.is_watching())?;
        let missing = CAPACITY.as_secs_f64() / 2.0 - self.level;
        Some(self.refilled + Duration::from_secs_f64((missing / share).clamp(0.01, 3600.0)))
    }

    /// Whether the time has come to watch again; if so, the gap is closed.
    pub fn due(&mut self, now: Instant, now_ms: u64) -> bool {
        let (Some(share), Some(deadline)) = (self.share, self.deadline()) else { return false };
        if now < deadline {
            return false;
        }
        self.refill(share, now);
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

    /// The gaps, and the sum of all.
    pub fn gaps(&self) -> (Vec<Gap>, u64) {
        (self.gaps.clone(), self.gaps_total_ms)
    }

    fn refill(&mut self, share: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.level = (self.level + passed * share).min(CAPACITY.as_secs_f64());
        self.refilled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_nothing_runs_free() {
        let mut breather = Breather::new(None, Instant::now());
        assert!(!breather.spend(Duration::from_secs(60), 1));
        assert!(breather.is_watching());
    }

    #[test]
    fn too_much_cost_makes_a_gap_and_time_ends_it() {
        let start = Instant::now();
        let mut breather = Breather::new(Some(0.1), start);
        assert!(!breather.spend(Duration::from_secs(1), 10), "a burst is free");
        assert!(breather.spend(Duration::from_millis(1500), 20));
        assert!(!breather.is_watching());
        let deadline = breather.deadline().expect("it runs free");
        assert!(!breather.due(start, 30));
        assert!(breather.due(deadline + Duration::from_millis(1), 15_020));
        assert_eq!(breather.gaps(), (vec![Gap { from_ms: 20, to_ms: 15_020 }], 15_000));
    }
}
