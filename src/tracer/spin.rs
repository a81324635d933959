//! Whether to wait awake for a moment before sleeping.
//!
//! A thread that makes quick calls stops again within microseconds of being let go. To sleep until
//! then costs two wake-ups of a CPU that has gone to sleep itself, ours and the thread's: tens of
//! microseconds on a virtual machine. So we look for the next stop ourselves, for as long as a quick
//! call takes; and leave it the longer the more often it was in vain, as where threads wait for
//! something, or need the CPU that we look from.

use std::time::Duration;

/// How long to look: what a quick call and its stop take, with room, where the thread's CPU has to be
/// woken. On a virtual machine of two CPUs a loop of reads came to 9,000 calls a second without looking,
/// 22,000 with 20 us, 24,500 with 40 to 60 us, and no more beyond.
pub const LONGEST: Duration = Duration::from_micros(50);

/// After how many times in vain the pauses grow no more: one look for 1,024 sleeps costs nothing.
const MOST_MISSES: u32 = 10;

/// The policy: how often it was in vain of late.
#[derive(Debug, Default)]
pub struct Spin {
    misses: u32,
    /// How many times it is left out yet.
    pause: u32,
}

impl Spin {
    /// Whether to look before this sleep.
    pub fn is_worth_it(&mut self) -> bool {
        if self.pause == 0 {
            return true;
        }
        self.pause -= 1;
        false
    }

    /// A look found something, or was in vain.
    pub fn ended(&mut self, found: bool) {
        self.misses = if found { self.misses / 2 } else { (self.misses + 1).min(MOST_MISSES) };
        self.pause = if found { 0 } else { (1 << self.misses) - 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many sleeps are preceded by a look, if each look ends like that.
    fn looks(spin: &mut Spin, sleeps: u32, found: bool) -> u32 {
        let mut looks = 0;
        for _ in 0..sleeps {
            if spin.is_worth_it() {
                looks += 1;
                spin.ended(found);
            }
        }
        looks
    }

    #[test]
    fn what_is_in_vain_is_given_up_and_tried_again_now_and_then() {
        let mut spin = Spin::default();
        assert_eq!(looks(&mut spin, 1_000, true), 1_000);
        assert!(looks(&mut spin, 2_000, false) <= 12);
        let later = looks(&mut spin, 100_000, false);
        assert!((90..110).contains(&later), "{later}");
        assert!(looks(&mut spin, 3_000, true) > 1_900, "and worth it again");
    }
}
