//! Signals and sets of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a signal as `kill -l` knows it: `SIGTERM`, `SIGRT_3` for the real-time ones, counted
/// from the kernel's first, 32.
pub fn signal_name(number: i32) -> String {
    match nix::sys::signal::Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) if (32..=64).contains(&number) => format!("SIGRT_{}", number - 32),
        Err(_) => format!("signal {number}"),
    }
}

/// The number of a signal given by name with or without `SIG`, in either case, or by number; of the
/// real-time ones also as kill(1) has them, counted from the first or the last that libc leaves to
/// programs: `RTMIN+1`, `RTMAX-1`.
pub fn signal_from_name(name: &str) -> Option<i32> {
    if let Ok(number) = name.parse::<i32>() {
        return (1..=64).contains(&number).then_some(number);
    }
    let upper = name.to_ascii_uppercase();
    let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    (1..=64).find(|n| signal_name(*n) == full).or_else(|| real_time_signal(&full))
}

/// `SIGRTMIN`, `SIGRTMIN+N`, `SIGRTMAX`, `SIGRTMAX-N`.
fn real_time_signal(name: &str) -> Option<i32> {
    let number = match (name.strip_prefix("SIGRTMIN"), name.strip_prefix("SIGRTMAX")) {
        (Some(""), _) => libc::SIGRTMIN(),
        (_, Some("")) => libc::SIGRTMAX(),
        (Some(offset), _) => libc::SIGRTMIN() + distance(offset, '+')?,
        (_, Some(offset)) => libc::SIGRTMAX() - distance(offset, '-')?,
        _ => return None,
    };
    (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&number).then_some(number)
}

fn distance(text: &str, sign: char) -> Option<i32> {
    let digits = text.strip_prefix(sign)?;
    digits.parse::<u8>().ok().filter(|_| !digits.starts_with('+')).map(i32::from)
}

/// Whether the signal customarily asks a program to end in order: SIGINT, SIGTERM, SIGHUP.
pub fn asks_to_stop(number: i32) -> bool {
    matches!(number, libc::SIGINT | libc::SIGTERM | libc::SIGHUP)
}

/// A set of signals; bit n - 1 is signal n, as in `/proc/PID/status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub struct SignalSet(pub u64);

impl SignalSet {
    /// Those whose default action is to do nothing (signal(7), "Standard signals"; SIGCONT only
    /// does something for a process that is stopped).
    pub const IGNORED_BY_DEFAULT: SignalSet = SignalSet(
        1 << (libc::SIGCHLD - 1)
            | 1 << (libc::SIGCONT - 1)
            | 1 << (libc::SIGURG - 1)
            | 1 << (libc::SIGWINCH - 1),
    );

    /// Whether the signal of that number is in the set.
    pub fn contains(self, number: i32) -> bool {
        (1..=64).contains(&number) && self.0 & (1 << (number - 1)) != 0
    }

    /// Whether no signal is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in either.
    #[must_use]
    pub fn with(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 | other.0)
    }

    /// What is in this one alone.
    #[must_use]
    pub fn without(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 & !other.0)
    }

    /// The names of the signals in the set, in order of number.
    pub fn names(self) -> Vec<String> {
        (1..=64).filter(|n| self.contains(*n)).map(signal_name).collect()
    }
}

impl From<SignalSet> for Vec<String> {
    fn from(set: SignalSet) -> Self {
        set.names()
    }
}

impl TryFrom<Vec<String>> for SignalSet {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        names.iter().try_fold(SignalSet(0), |set, name| match signal_from_name(name) {
            Some(n) => Ok(SignalSet(set.0 | 1 << (n - 1))),
            None => Err(format!("`{name}` is not a signal")),
        })
    }
}

impl JsonSchema for SignalSet {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SignalSet".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<String>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_names_have_signals() {
        assert_eq!(signal_name(15), "SIGTERM");
        assert_eq!(signal_name(34), "SIGRT_2");
        assert_eq!(signal_from_name("term"), Some(15));
        assert_eq!(signal_from_name("SIGINT"), Some(2));
        assert_eq!(signal_from_name("9"), Some(9));
        assert_eq!(signal_from_name("SIGFOO"), None);
        assert_eq!(signal_from_name("0"), None);
        let (first, last) = (libc::SIGRTMIN(), libc::SIGRTMAX());
        assert_eq!(signal_from_name("RTMIN"), Some(first));
        assert_eq!(signal_from_name("sigrtmin+1"), Some(first + 1));
        assert_eq!(signal_from_name("RTMAX"), Some(last));
        assert_eq!(signal_from_name("SIGRTMAX-2"), Some(last - 2));
        for wrong in ["RTMIN+", "RTMIN+31", "RTMIN-1", "RTMAX+1", "RTMAX-31", "RTMIN++1", "RTMIN1"]
        {
            assert_eq!(signal_from_name(wrong), None, "{wrong}");
        }
        let set = SignalSet(0x4002);
        assert_eq!(set.names(), ["SIGINT", "SIGTERM"]);
        assert_eq!(SignalSet::try_from(set.names()), Ok(set));
    }
}
