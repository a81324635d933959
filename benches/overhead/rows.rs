//! The catalogue of what can be measured: which workloads a row of the command line stands for.

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::tools::{Tools, program};
use crate::workload::Workload;
use crate::workloads::{memory, monero, node, polkadot, postgres, processes, redis, storm};

/// Rows that are chosen together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowSet {
    /// One-byte reads of /dev/zero in 1 and in 4 threads: the rate, and the time until it is reached
    Storm,
    /// redis-benchmark, SET and GET, 20 clients; and what installing the filter costs an idle server
    Redis,
    /// 300 processes from a shell; find /usr | xargs -n 50 ls; make
    Processes,
    /// The demo node, which syncs 20,000 blocks, from a peer at full speed and from one at its pace
    Demo,
    /// pgbench, select only
    Postgres,
    /// monerod, which syncs 500 blocks
    Monerod,
    /// Polkadot, from launch to its 10th imported block; by hand, see below
    Polkadot,
    /// Memory of the tracer of 2,000 threads, and the installation of their filter
    Memory,
    /// Whether what a filter allows comes from the kernel's bitmap; a table of its own
    Bitmap,
}

impl RowSet {
    /// Whether the programs are there, before anything is measured.
    pub fn check(self) -> Result<()> {
        let programs: &[&str] = match self {
            RowSet::Redis => &["redis-server", "redis-cli", "redis-benchmark"],
            RowSet::Processes => &["find", "xargs", "make", "cc"],
            RowSet::Monerod => &["monerod"],
            RowSet::Postgres => return postgres::check(),
            RowSet::Storm | RowSet::Memory | RowSet::Bitmap => &["cc"],
            RowSet::Demo | RowSet::Polkadot => &[],
        };
        programs.iter().try_for_each(|name| {
            program(name).map(drop).with_context(|| format!("row {self:?} (name the others)"))
        })
    }

    /// Prepares what they stand for.
    pub fn workloads(
        self,
        tools: &Tools,
        quick: bool,
        polkadot: &polkadot::Files,
    ) -> Result<Vec<Box<dyn Workload>>> {
        Ok(match self {
            RowSet::Storm => {
                vec![Box::new(storm::Storm::new(1, quick)), Box::new(storm::Storm::new(4, quick))]
            }
            RowSet::Redis => vec![
                Box::new(redis::Redis::new(quick)?),
                Box::new(redis::Idle(redis::Redis::new(quick)?)),
            ],
            RowSet::Processes => vec![
                Box::new(processes::Shell),
                Box::new(processes::Find { quick }),
                Box::new(processes::Make),
            ],
            RowSet::Demo => vec![
                Box::new(node::DemoNode::unpaced(tools, quick)?),
                Box::new(node::DemoNode::paced(tools, quick)?),
            ],
            RowSet::Postgres => vec![Box::new(postgres::Postgres::new(tools, quick)?)],
            RowSet::Monerod => vec![Box::new(monero::Monero::new(tools, quick)?)],
            RowSet::Polkadot => vec![Box::new(polkadot::Polkadot::new(tools, polkadot)?)],
            RowSet::Memory => vec![Box::new(memory::Memory::new(tools))],
            // Its columns are not those of the table.
            RowSet::Bitmap => Vec::new(),
        })
    }
}
