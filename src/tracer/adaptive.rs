//! From full stops to native speed: when the stops have cost too much, the program is given a filter
//! that lets through what has been seen, and only news stop from then on.
//!
//! **When** is a matter of cost, not of novelty: a filter can never be loosened, so whatever turns hot
//! after it stops for ever, and what made the cost has by then been seen. A token bucket of the whole
//! tree's cost decides; while it is not empty every call stops, with exact counts and results. A new
//! phase begins with such a full look again, until its own budget is spent.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bucket::Bucket;
use super::target::AdaptivePolicy;
use super::watched::Watched;
use crate::arch::native;
use crate::filter::learned::Learned;
use crate::recording::{Look, Settled};
use crate::syscall::SysNo;

/// The refill of the bucket: this share of one core may be spent for ever.
pub const SHARE: f64 = 0.05;

/// How many looks are kept one by one.
const MAX_LOOKS: usize = 1024;

/// The state of it.
#[derive(Debug)]
pub(super) struct Adaptive {
    pub policy: AdaptivePolicy,
    stage: Stage,
    /// The data value of our filters' RET_TRACE: another in each run, so that no program's own filter
    /// can be taken for ours.
    pub trace_data: u16,
    pub filter: Option<Arc<Vec<u8>>>,
    /// How many filters were asked for: the last one is wanted.
    pub generation: u32,
    /// Who is watched in full for good, and why, to be told when others are no more.
    pub in_full: BTreeSet<(String, &'static str)>,
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
    looks: Vec<Look>,
}

/// How calls are heard of in the tree as a whole.
#[derive(Debug)]
enum Stage {
    /// Every call of every process stops, filter or not, until the bucket is empty.
    Looking { bucket: Bucket, since_ms: u64 },
    /// Processes are given the filter as soon as it is there, and run free under it.
    Settled { since: Instant },
    /// There is no filter to be had: every call stops to the end.
    Full { since_ms: u64 },
}

impl Adaptive {
    /// Looking.
    pub fn new(policy: AdaptivePolicy, now: Instant) -> Adaptive {
        let bucket = Bucket::new(policy.settle_after, SHARE, now);
        Adaptive {
            policy,
            stage: Stage::Looking { bucket, since_ms: 0 },
            trace_data: drawn(),
            filter: None,
            generation: 0,
            in_full: BTreeSet::new(),
            learned: Learned::default(),
            let_through: BTreeSet::new(),
            any_filtered: false,
            told_hot: BTreeSet::new(),
            settled: None,
            checked: now,
            looks: Vec::new(),
        }
    }

    /// A stop has cost this much. Whether that was one too many: it is settled now.
    pub fn spend(&mut self, cost: Duration, at: Instant, now_ms: impl FnOnce() -> u64) -> bool {
        let Stage::Looking { bucket, since_ms } = &mut self.stage else { return false };
        let is_empty = bucket.spend(cost, at);
        if is_empty {
            if self.looks.len() < MAX_LOOKS {
                self.looks.push(Look { from_ms: *since_ms, to_ms: now_ms() });
            }
            self.stage = Stage::Settled { since: at };
        }
        is_empty
    }

    /// Everything is to be looked at again, with a full bucket. Whether threads may run free now, and
    /// have to be stopped for it.
    pub fn look_again(&mut self, now: Instant, now_ms: u64) -> bool {
        let bucket = Bucket::new(self.policy.settle_after, SHARE, now);
        match &mut self.stage {
            Stage::Looking { bucket: old, .. } => {
                *old = bucket;
                false
            }
            Stage::Settled { .. } => {
                self.stage = Stage::Looking { bucket, since_ms: now_ms };
                true
            }
            Stage::Full { .. } => false,
        }
    }

    /// There is no filter to be had, or no better one. Whether threads may run free now.
    pub fn stay_full(&mut self, now_ms: u64) -> bool {
        let since_ms = match &self.stage {
            Stage::Looking { since_ms, .. } | Stage::Full { since_ms } => *since_ms,
            Stage::Settled { .. } => now_ms,
        };
        let free = matches!(self.stage, Stage::Settled { .. });
        self.stage = Stage::Full { since_ms };
        free
    }

    /// When it is time to look again by itself (`--look-again`).
    pub fn deadline(&self) -> Option<Instant> {
        match (&self.stage, self.policy.look_again_every) {
            (Stage::Settled { since }, Some(every)) => since.checked_add(every),
            _ => None,
        }
    }

    /// Whether a thread of the process may run on without stopping at its calls.
    pub fn runs_free(&self, watched: &Watched) -> bool {
        self.any_filtered && matches!(self.stage, Stage::Settled { .. }) && watched.is_filtered()
    }

    /// Whether processes are to be given the filter that is there.
    pub fn is_settling(&self) -> bool {
        self.filter.is_some() && matches!(self.stage, Stage::Settled { .. })
    }

    /// The times in which every call of every process stopped, up to a bound, until now.
    pub fn looks(&self, now_ms: u64) -> Vec<Look> {
        let open = match &self.stage {
            Stage::Looking { since_ms, .. } | Stage::Full { since_ms } => {
                Some(Look { from_ms: *since_ms, to_ms: now_ms })
            }
            Stage::Settled { .. } => None,
        };
        let room = MAX_LOOKS - self.looks.len();
        self.looks.iter().copied().chain(open.into_iter().take(room)).collect()
    }

    /// The names of what the filter lets through, sorted.
    pub fn let_through(&self) -> Vec<String> {
        let no = |number: &i32| SysNo { arch: native::ARCH, number: i64::from(*number) };
        let mut names: Vec<String> = self.let_through.iter().map(|n| no(n).to_string()).collect();
        names.sort();
        names
    }
}

/// A number that nobody can know.
fn drawn() -> u16 {
    let hash = RandomState::new().build_hasher().finish().to_ne_bytes();
    u16::from_ne_bytes([hash[0], hash[1]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracer::learning::Seen;

    const SECOND: Duration = Duration::from_secs(1);

    fn adaptive(look_again_every: Option<Duration>) -> (Adaptive, Instant) {
        let now = Instant::now();
        let policy = AdaptivePolicy {
            settle_after: SECOND,
            look_again_every,
            prior: Seen::default(),
            may_set_no_new_privs: false,
            inherited_filters: 0,
        };
        (Adaptive::new(policy, now), now)
    }

    fn look(from_ms: u64, to_ms: u64) -> Look {
        Look { from_ms, to_ms }
    }

    #[test]
    fn it_settles_when_the_stops_have_cost_too_much_and_not_before() {
        let (mut adaptive, start) = adaptive(None);
        assert!(!adaptive.spend(SECOND / 2, start + SECOND, || 1_000));
        assert_eq!(adaptive.looks(1_500), [look(0, 1_500)]);
        assert!(adaptive.spend(SECOND, start + SECOND * 2, || 2_000));
        assert!(!adaptive.spend(SECOND, start + SECOND * 3, || 3_000), "once");
        assert_eq!(adaptive.looks(9_000), [look(0, 2_000)]);
    }

    #[test]
    fn a_look_again_has_a_budget_of_its_own() {
        let (mut adaptive, start) = adaptive(Some(SECOND * 60));
        assert!(!adaptive.look_again(start, 0), "it looks already");
        assert_eq!(adaptive.deadline(), None);
        assert!(adaptive.spend(SECOND * 2, start + SECOND * 2, || 2_000));
        assert_eq!(adaptive.deadline(), Some(start + SECOND * 62));
        assert!(adaptive.look_again(start + SECOND * 62, 62_000));
        assert!(!adaptive.spend(SECOND / 2, start + SECOND * 63, || 63_000));
        assert!(adaptive.spend(SECOND, start + SECOND * 64, || 64_000));
        assert_eq!(adaptive.looks(99_000), [look(0, 2_000), look(62_000, 64_000)]);
    }

    #[test]
    fn threads_run_free_once_they_are_filtered_and_not_while_it_looks() {
        let (mut adaptive, start) = adaptive(None);
        let mut watched = Watched::first();
        watched.installed();
        adaptive.any_filtered = true;
        assert!(!adaptive.runs_free(&watched), "it looks");
        adaptive.spend(SECOND * 2, start + SECOND * 2, || 2_000);
        assert!(adaptive.runs_free(&watched) && !adaptive.runs_free(&Watched::first()));
        adaptive.look_again(start + SECOND * 3, 3_000);
        assert!(!adaptive.runs_free(&watched));
    }

    #[test]
    fn without_a_filter_nothing_ever_runs_free() {
        let (mut adaptive, start) = adaptive(Some(SECOND));
        adaptive.filter = Some(Arc::default());
        assert!(!adaptive.stay_full(5_000));
        assert!(!adaptive.spend(SECOND * 9, start + SECOND * 9, || 9_000));
        assert!(!adaptive.look_again(start + SECOND * 9, 9_000));
        assert!(!adaptive.is_settling() && adaptive.deadline().is_none());
        assert_eq!(adaptive.looks(9_500), [look(0, 9_500)]);
    }
}
