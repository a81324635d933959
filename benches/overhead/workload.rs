//! What every workload is, whatever it runs.

use anyhow::Result;

use crate::columns::Column;
use crate::launch::Launch;
use crate::row::Row;

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

    /// When adaptive mode settles here, if not by itself.
    fn settle_after(&self) -> Option<&'static str> {
        None
    }

    /// One run; a value for each row.
    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>>;
}
