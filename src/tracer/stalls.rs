//! `--max-stall`: threads that stood for longer than the user wants.

use std::time::{Duration, Instant};

/// No more than one line a second, however many there are.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a thread may stand, and how often one stood for longer.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    max: Option<Duration>,
    count: u64,
    longest: Duration,
    told: Option<Instant>,
}

impl Stalls {
    /// Without a limit nothing is too long.
    pub fn new(max: Option<Duration>) -> Stalls {
        Stalls { max, ..Stalls::default() }
    }

    /// A thread has stood for so long, until now. What the user is to be told of it, if anything.
    pub fn note(&mut self, stood: Duration, now: Instant, why: &str) -> Option<String> {
        if self.max.is_none_or(|max| stood <= max) {
            return None;
        }
        self.count += 1;
        self.longest = self.longest.max(stood);
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < PAUSE) {
            return None;
        }
        self.told = Some(now);
        Some(format!("a thread stood for {} {why}", ms(stood)))
    }

    /// What the recording says of all of them.
    pub fn to_warning(&self) -> Option<String> {
        let max = self.max.filter(|_| self.count > 0)?;
        Some(format!(
            "{} a thread stood for longer than {}, at most for {}",
            if self.count == 1 { "once".to_owned() } else { format!("{} times", self.count) },
            ms(max),
            ms(self.longest)
        ))
    }
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_counted_and_told_of_once_a_second() {
        let (now, ms) = (Instant::now(), Duration::from_millis);
        let mut stalls = Stalls::new(Some(ms(20)));
        assert_eq!((stalls.note(ms(20), now, "here"), stalls.to_warning()), (None, None));
        let told = stalls.note(ms(21), now, "here");
        assert_eq!(told.as_deref(), Some("a thread stood for 21.0 ms here"));
        assert_eq!(stalls.note(ms(90), now + ms(500), "here"), None);
        assert!(stalls.note(ms(30), now + ms(1_000), "here").is_some());
        let all = "3 times a thread stood for longer than 20.0 ms, at most for 90.0 ms";
        assert_eq!(stalls.to_warning().as_deref(), Some(all));
        assert_eq!(Stalls::new(None).note(ms(9_000), now, "here"), None);
    }
}
