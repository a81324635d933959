//! Values of options that more than one command has.

use clap::ValueEnum;

/// How to write what there is to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// The processes that were named, each once, in the order in which they were.
pub(super) fn distinct(pids: &[i32]) -> Vec<i32> {
    let is_first = |(at, pid): &(usize, &i32)| !pids[..*at].contains(pid);
    pids.iter().enumerate().filter(is_first).map(|(_, pid)| *pid).collect()
}
