//! What is run: one file for each kind of program.

mod memory;
mod monero;
mod node;
mod polkadot;
mod postgres;
mod processes;
mod redis;
mod storm;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::columns::Column;
use crate::launch::Launch;
use crate::options::Options;
use crate::tools::{Tools, program};

/// Rows that are chosen together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowSet {
    /// One-byte reads of /dev/zero in 1 and in 4 threads: the rate, and the time until it is reached
    Storm,
    /// redis-benchmark, SET and GET, 20 clients
    Redis,
    /// 300 processes from a shell; find /usr | xargs -n 50 ls; make
    Processes,
    /// The demo node, which syncs 20,000 blocks
    Demo,
    /// pgbench, select only
    Postgres,
    /// monerod, which syncs 500 blocks
    Monerod,
    /// Polkadot, from launch to its 10th imported block; by hand, see below
    Polkadot,
    /// Memory of the tracer of 2,000 threads
    Memory,
}

impl RowSet {
    /// Whether the programs are there, before anything is measured.
    pub fn check(self) -> Result<()> {
        let programs: &[&str] = match self {
            RowSet::Redis => &["redis-server", "redis-cli", "redis-benchmark"],
            RowSet::Processes => &["find", "xargs", "make", "cc"],
            RowSet::Monerod => &["monerod"],
            RowSet::Postgres => return postgres::check(),
            RowSet::Storm | RowSet::Memory => &["cc"],
            RowSet::Demo | RowSet::Polkadot => &[],
        };
        programs.iter().try_for_each(|name| {
            program(name).map(drop).with_context(|| format!("row {self:?} (name the others)"))
        })
    }

    /// Prepares what they stand for.
    pub fn workloads(self, tools: &Tools, options: &Options) -> Result<Vec<Box<dyn Workload>>> {
        Ok(match self {
            RowSet::Storm => vec![
                Box::new(storm::Storm::new(1, options.quick)),
                Box::new(storm::Storm::new(4, options.quick)),
            ],
            RowSet::Redis => vec![Box::new(redis::Redis::new(options.quick)?)],
            RowSet::Processes => vec![
                Box::new(processes::Shell),
                Box::new(processes::Find { quick: options.quick }),
                Box::new(processes::Make),
            ],
            RowSet::Demo => vec![Box::new(node::DemoNode::new(tools, options.quick)?)],
            RowSet::Postgres => vec![Box::new(postgres::Postgres::new(tools, options.quick)?)],
            RowSet::Monerod => vec![Box::new(monero::Monero::new(tools, options.quick)?)],
            RowSet::Polkadot => vec![Box::new(polkadot::Polkadot::new(tools, options)?)],
            RowSet::Memory => vec![Box::new(memory::Memory)],
        })
    }
}

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
    pub title: String,
    pub unit: Unit,
    pub kind: Kind,
}

impl Row {
    fn new(title: impl Into<String>, unit: Unit, kind: Kind) -> Row {
        Row { title: title.into(), unit, kind }
    }
}

/// Something that is run under every tool.
pub trait Workload {
    /// What the progress calls it.
    fn name(&self) -> String;

    /// What one run measures.
    fn rows(&self) -> Vec<Row>;

    /// Whether it makes sense under this tool.
    fn has_column(&self, column: Column) -> bool {
        column != Column::Filter
    }

    /// How often it is run if so many are wanted.
    fn runs(&self, wanted: usize) -> usize {
        wanted
    }

    /// One run; a value for each row.
    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>>;
}

/// How long a server is kept busy before it is measured: longer than adaptive mode stops every call.
fn warm_up(column: Column) -> Duration {
    Duration::from_millis(if column.settles() { 5000 } else { 500 })
}
