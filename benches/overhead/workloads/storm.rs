//! The worst case: system calls and nothing else.

use anyhow::{Context, Result};

use crate::columns::Column;
use crate::common;
use crate::launch::Launch;
use crate::row::{Kind, Row, Unit};
use crate::workload::Workload;

/// `fixtures/programs/storm.c`.
pub struct Storm {
    threads: usize,
    quick: bool,
}

/// What was read in a quarter of a second.
struct Slice {
    reads: f64,
    ns: f64,
}

impl Storm {
    pub fn new(threads: usize, quick: bool) -> Storm {
        Storm { threads, quick }
    }

    /// How long it runs, in slices; the rate is that of the last ones.
    fn slices(&self, column: Column) -> (usize, usize) {
        match (column.settles(), self.quick) {
            (true, _) => (20, 6),
            (false, false) => (5, 4),
            (false, true) => (3, 2),
        }
    }
}

impl Workload for Storm {
    fn name(&self) -> String {
        format!("storm, {} thread{}", self.threads, if self.threads == 1 { "" } else { "s" })
    }

    fn rows(&self) -> Vec<Row> {
        let lost = format!("{}: lost before", self.name());
        vec![
            Row::new(self.name(), Unit::Nanoseconds, Kind::Storm),
            Row::new(lost, Unit::Lost, Kind::Storm),
        ]
    }

    fn has_column(&self, _: Column) -> bool {
        true
    }

    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>> {
        let (all, last) = self.slices(launch.column);
        let mut command = launch.command(&common::fixture("storm"))?;
        command.args(["1", &self.threads.to_string(), &all.to_string()]);
        launch.time(&mut command)?;
        let slices = parse(&launch.stderr()?).context("storm tells of no slices")?;
        // Seldom, and it shows in the values: the machine is too busy to measure anything.
        if let Some(settled) = launch.recording()?.and_then(|r| r.runs.first()?.watch.settled) {
            let from = 250 * (all - last) as u64;
            if settled.after_ms > from {
                let name = self.name();
                eprintln!("{name}: it settled after {} ms, and {from} was late", settled.after_ms);
            }
        }
        let (reads, ns) = slices[all - last..]
            .iter()
            .fold((0.0, 0.0), |(reads, ns), slice| (reads + slice.reads, ns + slice.ns));
        let settled = ns / reads;
        let lost: f64 = slices.iter().map(|slice| slice.ns - slice.reads * settled).sum();
        let cpus = std::thread::available_parallelism()?.get().min(self.threads);
        Ok(vec![
            Some(settled * cpus as f64),
            launch.column.settles().then_some(lost.max(0.0) / 1e9),
        ])
    }
}

/// What stands in the line `slices: READS/NANOSECONDS ...`.
fn parse(text: &str) -> Option<Vec<Slice>> {
    let line = text.lines().find_map(|line| line.strip_prefix("slices: "))?;
    let slice = |word: &str| {
        let (reads, ns) = word.split_once('/')?;
        Some(Slice { reads: reads.parse().ok()?, ns: ns.parse().ok()? })
    };
    line.split(' ').map(slice).collect()
}
