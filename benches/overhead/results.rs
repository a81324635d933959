//! What was measured.

use std::collections::BTreeMap;

use seccomp_gen::recording::Recording;

use crate::columns::Column;
use crate::row::{Row, Unit};
use crate::stops::Stops;

/// The place of a row in the table.
pub type RowId = usize;

/// A line of the table.
pub struct Measured {
    pub row: Row,
    /// How many rounds it had.
    pub runs: usize,
    /// By column, the value of each round; none where the run failed or had none.
    pub values: BTreeMap<Column, Vec<Option<f64>>>,
}

/// All lines.
#[derive(Default)]
pub struct Results {
    pub rows: Vec<Measured>,
    /// What our recordings say of the stops, by workload and column.
    pub stops: BTreeMap<(RowId, Column), Stops>,
    /// What went wrong.
    pub failures: Vec<String>,
}

impl Results {
    /// Makes place for a workload.
    pub fn add(&mut self, rows: Vec<Row>, runs: usize) -> Vec<RowId> {
        let first = self.rows.len();
        self.rows.extend(rows.into_iter().map(|row| Measured {
            row,
            runs,
            values: BTreeMap::new(),
        }));
        (first..self.rows.len()).collect()
    }

    /// The values of one run, one for each row, and what we recorded of it.
    pub fn enter(
        &mut self,
        rows: &[RowId],
        column: Column,
        values: &[Option<f64>],
        recording: Option<&Recording>,
    ) {
        for (row, value) in rows.iter().zip(values) {
            self.rows[*row].values.entry(column).or_default().push(*value);
        }
        if let Some(recording) = recording {
            let stops = self.stops.entry((rows[0], column)).or_default();
            recording.runs.iter().for_each(|run| stops.add(run));
        }
    }

    /// Rows that could not be prepared.
    pub fn fail_row(&mut self, row: &str, error: &anyhow::Error) {
        let failure = format!("{row}: {error:#}");
        eprintln!("{failure}");
        self.failures.push(failure);
    }

    /// A run that gave nothing.
    pub fn fail(&mut self, rows: &[RowId], column: Column, error: &anyhow::Error) {
        let failure = format!("{}: {column}: {error:#}", self.rows[rows[0]].row.title);
        eprintln!("{failure}");
        self.failures.push(failure);
        for row in rows {
            self.rows[*row].values.entry(column).or_default().push(None);
        }
    }
}

impl Measured {
    /// What its last run gave, for the progress.
    pub fn last(&self, column: Column) -> Option<String> {
        let value = (*self.values.get(&column)?.last()?)?;
        Some(self.row.unit.text(value))
    }

    /// Nobody has a value here, and nobody should.
    pub fn is_empty(&self) -> bool {
        self.row.unit == Unit::Lost && self.values.values().flatten().all(Option::is_none)
    }

    /// The median of a column.
    pub fn value(&self, column: Column) -> Option<f64> {
        median(self.values.get(&column)?.iter().flatten().copied().collect())
    }

    /// How many times slower a column is than another: the median over the rounds, each of which
    /// is compared with itself.
    pub fn slowdown(&self, column: Column, than: Column) -> Option<f64> {
        let pairs = self.values.get(&column)?.iter().zip(self.values.get(&than)?);
        let ratio = |(value, base): (&Option<f64>, &Option<f64>)| match self.row.unit {
            Unit::PerSecond => Some((*base)? / (*value)?),
            Unit::Seconds | Unit::Nanoseconds => Some((*value)? / (*base)?),
            Unit::Lost | Unit::Mebibytes | Unit::Microseconds => None,
        };
        median(pairs.filter_map(ratio).collect())
    }
}

/// The middle one, or the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some(f64::midpoint(values[last / 2], values[last.div_ceil(2)]))
}
