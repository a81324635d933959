//! How much memory a tracer needs.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::columns::Column;
use crate::launch::Launch;
use crate::row::{Kind, Row, Unit};
use crate::signals;
use crate::tools::Tools;
use crate::workload::Workload;

/// `benches/programs/crowd.c`.
pub struct Memory {
    program: PathBuf,
}

const THREADS: &str = "2000";

impl Memory {
    pub fn new(tools: &Tools) -> Memory {
        Memory { program: tools.own("crowd") }
    }
}

impl Workload for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn rows(&self) -> Vec<Row> {
        let title = format!("memory of the tracer, {THREADS} threads");
        vec![Row::new(title, Unit::Mebibytes, Kind::Memory)]
    }

    fn has_column(&self, column: Column) -> bool {
        column.is_tracer()
    }

    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>> {
        // Longer than adaptive mode takes to settle: the filter is part of what it keeps.
        let seconds = if launch.column.settles() { "4" } else { "0.5" };
        let mut command = launch.command(&self.program)?;
        let mut tracer = signals::spawn(command.args([THREADS, seconds]))?;
        let status = format!("/proc/{}/status", tracer.pid());
        let mut peak = None;
        while tracer.is_running() {
            // A zombie's has no such line any more.
            peak = std::fs::read_to_string(&status).ok().and_then(|s| high_water(&s)).or(peak);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        launch.finish(&mut tracer)?;
        Ok(vec![Some(peak.context("it ended before we could look")?)])
    }
}

/// `VmHWM`, in MiB.
fn high_water(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}
