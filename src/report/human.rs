//! Numbers as people read them.

use std::time::Duration;

/// A count with separators: `1,204,233`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and the word that goes with it: `1 process`, `41 processes`.
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// How long something has been going on: `8s`, `12m30s`, `3h05m`, `2d04h`.
pub fn elapsed(time: Duration) -> String {
    let s = time.as_secs();
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m{:02}s", s / 60, s % 60),
        3_600..86_400 => format!("{}h{:02}m", s / 3_600, s / 60 % 60),
        _ => format!("{}d{:02}h", s / 86_400, s / 3_600 % 24),
    }
}

/// A duration of nanoseconds in the unit that suits it: `740 ns`, `7.5 us`, `12.0 ms`, `3.20 s`;
/// from a minute on as [`elapsed`] says it.
pub fn ns(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{} us", tenths(ns, 1_000)),
        1_000_000..1_000_000_000 => format!("{} ms", tenths(ns, 1_000_000)),
        1_000_000_000..60_000_000_000 => {
            format!("{}.{:02} s", ns / 1_000_000_000, ns / 10_000_000 % 100)
        }
        _ => elapsed(Duration::from_nanos(ns)),
    }
}

/// The same of milliseconds, of which there are no tenths.
pub fn ms(ms: u64) -> String {
    if ms < 1_000 { format!("{ms} ms") } else { ns(ms.saturating_mul(1_000_000)) }
}

/// A size: `812 B`, `96.4 KiB`, `1.2 GiB`.
pub fn bytes(n: u64) -> String {
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{} KiB", tenths(n, 1024)),
        1_048_576..1_073_741_824 => format!("{} MiB", tenths(n, 1_048_576)),
        _ => format!("{} GiB", tenths(n, 1_073_741_824)),
    }
}

/// `n / unit` with one digit after the point, cut and not rounded, so that 999,999 ns are 999.9 us.
fn tenths(n: u64, unit: u64) -> String {
    // `n % unit * 10` cannot overflow: the largest unit is 2^30.
    format!("{}.{}", n / unit, n % unit * 10 / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_separators() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_204_233, "1,204,233"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(count(n), text);
        }
        assert_eq!(counted(1, "process", "processes"), "1 process");
        assert_eq!(counted(0, "process", "processes"), "0 processes");
    }

    #[test]
    fn durations_have_the_unit_that_suits_them() {
        for (s, text) in
            [(0, "0s"), (59, "59s"), (750, "12m30s"), (11_100, "3h05m"), (187_200, "2d04h")]
        {
            assert_eq!(elapsed(Duration::from_secs(s)), text);
        }
        for (n, text) in [
            (0, "0 ns"),
            (7_549, "7.5 us"),
            (999_999, "999.9 us"),
            (12_000_000, "12.0 ms"),
            (3_204_000_000, "3.20 s"),
            (750_000_000_000, "12m30s"),
            (u64::MAX, "213503d23h"),
        ] {
            assert_eq!(ns(n), text);
        }
        assert_eq!(ms(1_234), "1.23 s");
        assert_eq!(ms(12), "12 ms");
    }

    #[test]
    fn sizes_have_the_unit_that_suits_them() {
        assert_eq!(bytes(812), "812 B");
        assert_eq!(bytes(98_765), "96.4 KiB");
        assert_eq!(bytes(1_048_576), "1.0 MiB");
        assert_eq!(bytes(u64::MAX), "17179869183.9 GiB");
    }
}
