//! The command line.

use clap::{Parser, ValueEnum};

use crate::columns::Column;
use crate::rows::RowSet;
use crate::workloads::polkadot;

/// What tracing costs, beside other tools: one Markdown table on standard output
///
/// Wants root (bpftrace; PostgreSQL runs as its own user) and what `make test` installs.
#[derive(Parser)]
#[command(name = "cargo bench --bench overhead --", after_help = POLKADOT)]
pub struct Options {
    /// The rows to measure [default: all but polkadot]
    #[arg(value_name = "ROW")]
    rows: Vec<RowSet>,

    /// Measure these columns alone (native always, for the ratios)
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    only: Vec<Column>,

    /// Leave these columns out, for example because their tool is not installed
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', conflicts_with = "only")]
    without: Vec<Column>,

    /// How often each is run
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = positive)]
    pub runs: usize,

    /// Small workloads: shows that everything works, not what it costs
    #[arg(long)]
    pub quick: bool,

    #[command(flatten)]
    pub polkadot: polkadot::Files,

    /// Cargo says so to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

const POLKADOT: &str = "\
The row polkadot is measured by hand: `polkadot --polkadot FILE --polkadot-chain SPEC`. One node \
authors a block every 6 s, which is why the first run waits for a minute; the measured one is timed \
from its launch to its 10th imported block. Run it in a network namespace of its own (`unshare -n \
sh -c 'ip link set lo up; exec cargo bench ...'`).";

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("not a number from 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

impl Options {
    /// The rows to measure, in the table's order.
    pub fn rows(&self) -> Vec<RowSet> {
        let all = RowSet::value_variants().iter().copied();
        if self.rows.is_empty() {
            return all.filter(|row| *row != RowSet::Polkadot).collect();
        }
        all.filter(|row| self.rows.contains(row)).collect()
    }

    /// The columns to measure, in the table's order.
    pub fn columns(&self) -> Vec<Column> {
        let wanted = |column: &Column| {
            let chosen = self.only.is_empty() || self.only.contains(column);
            *column == Column::Native || chosen && !self.without.contains(column)
        };
        Column::value_variants().iter().copied().filter(wanted).collect()
    }
}
