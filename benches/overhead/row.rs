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
    /// The tracer's own size.
    Memory,
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
