//! What a line of the table is: plain data, which whoever measures makes and whoever prints reads.

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Of CPU time per call.
    Nanoseconds,
    /// From launch to end.
    Seconds,
    /// Requests.
    PerSecond,
    /// Seconds that were lost before it ran as fast as in the end.
    Lost,
    /// Of memory.
    Mebibytes,
    /// That a thread was kept.
    Microseconds,
}

impl Unit {
    /// A value as it is printed.
    pub fn text(self, value: f64) -> String {
        match self {
            Unit::Nanoseconds if value < 10_000.0 => format!("{value:.0} ns"),
            Unit::Nanoseconds => format!("{:.1} us", value / 1e3),
            Unit::Seconds | Unit::Lost => format!("{value:.2} s"),
            Unit::PerSecond => format!("{value:.0}/s"),
            Unit::Mebibytes => format!("{value:.1} MiB"),
            Unit::Microseconds => format!("{value:.0} us"),
        }
    }
}

/// What is asked of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Hardly anything but system calls.
    Storm,
    /// Work with system calls in it.
    Server,
    /// Many short processes.
    Processes,
    /// Work with system calls in it, and over before adaptive mode would settle by itself.
    Burst,
    /// The tracer's own size.
    Memory,
    /// The installation of a filter, shown and not judged.
    Pause,
}

/// A line of the table.
pub struct Row {
    /// The first cell.
    pub title: String,
    /// What its values are.
    pub unit: Unit,
    /// What is asked of them.
    pub kind: Kind,
}

impl Row {
    /// A line without values.
    pub fn new(title: impl Into<String>, unit: Unit, kind: Kind) -> Row {
        Row { title: title.into(), unit, kind }
    }
}
