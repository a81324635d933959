//! Error numbers.

use std::fmt;

/// An error number as a syscall returned it, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub i32);

impl Errno {
    /// The smallest of the kernel's internal codes that ask for a restart of the call
    /// (`include/linux/errno.h`): programs never see them, tracers do.
    const RESTART: std::ops::RangeInclusive<i32> = 512..=516;

    /// The error in the result of a syscall, if it is one: results from -4095 to -1 are.
    pub fn of_result(result: i64) -> Option<Errno> {
        (-4095..=-1).contains(&result).then(|| Errno(i32::try_from(-result).unwrap_or(0)))
    }

    /// Whether it only tells the kernel to restart the call (ERESTARTSYS, ERESTARTNOINTR,
    /// ERESTARTNOHAND, ERESTART_RESTARTBLOCK): the program will not see it as an error, or will see
    /// EINTR.
    pub fn is_restart(self) -> bool {
        Errno::RESTART.contains(&self.0)
    }
}

/// The symbolic name: `ENOENT`; `errno 4000` for one that has none.
impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match nix::errno::Errno::from_raw(self.0) {
            nix::errno::Errno::UnknownErrno => write!(f, "errno {}", self.0),
            known => write!(f, "{known:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kernels_error_range_is_an_error() {
        assert_eq!(Errno::of_result(-2), Some(Errno(2)));
        assert_eq!(Errno::of_result(-4096), None);
        assert_eq!(Errno::of_result(0), None);
        assert_eq!(Errno(2).to_string(), "ENOENT");
        assert_eq!(Errno(38).to_string(), "ENOSYS");
        assert!(Errno(516).is_restart());
    }
}
