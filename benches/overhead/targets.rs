//! What the measured values are held against (issue 9).

use std::fmt::Write as _;

use crate::columns::Column;
use crate::results::{Measured, Results};
use crate::row::{Kind, Unit};

/// A column must not be slower than another by more than a factor.
struct Target {
    column: Column,
    than: Column,
    factor: f64,
}

const fn within(factor: f64, column: Column, than: Column) -> Target {
    Target { column, than, factor }
}

fn targets(kind: Kind) -> Vec<Target> {
    use Column::{Adaptive, Bpftrace, Filter, Floor, Full, Native, Prior, StraceC};
    match kind {
        Kind::Storm => vec![
            within(1.05, Adaptive, Filter),
            within(1.05, Prior, Filter),
            within(1.0, Adaptive, Bpftrace),
            within(1.0, Full, StraceC),
            within(1.25, Full, Floor),
        ],
        Kind::Server => vec![within(1.03, Adaptive, Native), within(1.03, Prior, Native)],
        Kind::Processes => [Full, Adaptive, Prior].map(|ours| within(1.0, ours, StraceC)).into(),
        Kind::Burst | Kind::Memory | Kind::Pause => Vec::new(),
    }
}

/// The most that a call of the storm may cost beyond its native cost.
const PER_CALL_NS: f64 = 60.0;
/// The most memory for 2,000 threads.
const MEMORY_MIB: f64 = 32.0;

/// The most that 999 of 1,000 stops may take.
const STOP_US: f64 = 1000.0;

/// One line for each target that was measured.
pub fn lines(results: &Results) -> String {
    let mut text: String = results.rows.iter().map(of_row).collect();
    let stops = results.stops.iter().map(|(place, stops)| (stops.permille_us(), place));
    if let Some((us, (row, column))) = stops.max_by(|a, b| a.0.total_cmp(&b.0)) {
        let title = &results.rows[*row].row.title;
        let _ = writeln!(
            text,
            "- stops: 99.9 % of them are shorter than {us:.0} us in every row (most: {title}, \
             {column}), at most {STOP_US:.0}: {}",
            verdict(us <= STOP_US)
        );
    }
    text
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

fn of_row(measured: &Measured) -> String {
    let mut text = String::new();
    let mut line = |says: String, met: bool| {
        let _ = writeln!(text, "- {}: {says}: {}", measured.row.title, verdict(met));
    };
    for Target { column, than, factor } in targets(measured.row.kind) {
        if let Some(ratio) = measured.slowdown(column, than) {
            let says = format!("{column} takes {ratio:.3} of {than}, at most {factor:.2}");
            line(says, ratio <= factor);
        }
    }
    for column in [Column::Full, Column::Adaptive, Column::Prior] {
        let Some(value) = measured.value(column) else { continue };
        match (measured.row.unit, measured.value(Column::Native)) {
            (Unit::Nanoseconds, Some(native)) if column.settles() => {
                let more = value - native;
                line(
                    format!("{column} adds {more:+.0} ns to native, at most {PER_CALL_NS}"),
                    more <= PER_CALL_NS,
                );
            }
            (Unit::Mebibytes, _) => {
                line(
                    format!("{column} takes {value:.1} MiB, less than {MEMORY_MIB}"),
                    value < MEMORY_MIB,
                );
            }
            _ => {}
        }
    }
    text
}
