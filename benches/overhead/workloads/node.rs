//! The bundled demo node.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::columns::Column;
use crate::common::process::{Guarded, until};
use crate::launch::Launch;
use crate::row::{Kind, Row, Unit};
use crate::signals;
use crate::tools::{Tools, demo_node};
use crate::workload::Workload;

/// One that authors, not traced, all the time; another one that syncs from it.
///
/// A demo node's answers are 20 ms apart, with 64 blocks in each: 20,000 blocks take 6.3 s, of which
/// the syncing node waits for all but half a second, and whatever a tracer costs is lost in the
/// waiting. That is the row of the pace: it tells that nobody notices. The other one's peer answers
/// at once, so that the node has nothing to wait for. It makes 13,000 calls for 20,000 blocks, which
/// is over before adaptive mode has spent what it may at the start; there it is told to settle
/// earlier, and what is compared are the second 20,000 blocks.
pub struct DemoNode {
    program: PathBuf,
    peer: String,
    blocks: u32,
    paced: bool,
    _author: Guarded,
}

const LOOPBACK: [&str; 4] = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];

impl DemoNode {
    /// With a peer that answers as fast as it can.
    pub fn unpaced(tools: &Tools, quick: bool) -> Result<DemoNode> {
        DemoNode::new(tools, quick, false)
    }

    /// With a peer as it is by default.
    pub fn paced(tools: &Tools, quick: bool) -> Result<DemoNode> {
        DemoNode::new(tools, quick, true)
    }

    fn new(tools: &Tools, quick: bool, paced: bool) -> Result<DemoNode> {
        let blocks = if quick { 2_000 } else { 20_000 };
        let program = demo_node()?;
        let dir = tools.directory(if paced { "author at its pace" } else { "author" })?;
        let log = dir.join("log");
        let mut command = Command::new(&program);
        command.args(LOOPBACK).args(["--author", "--block-time", "3600s", "--blocks"]);
        command.arg((2 * blocks).to_string()).arg("--base-path").arg(dir.join("data"));
        if !paced {
            command.args(["--answer-interval", "0ms"]);
        }
        command.stdin(Stdio::null()).stderr(File::create(&log)?);
        let author = signals::spawn(&mut command)?;
        let peer = until(Duration::from_secs(60), || {
            let log = fs::read_to_string(&log).ok()?;
            let (_, rest) = log.split_once("Listening for peers on ")?;
            Some(rest.split_once('\n')?.0.to_owned())
        });
        let peer = peer.context("the authoring demo node does not listen")?;
        Ok(DemoNode { program, peer, blocks, paced, _author: author })
    }
}

impl Workload for DemoNode {
    fn name(&self) -> String {
        if self.paced { "demo node at its pace" } else { "demo node" }.to_owned()
    }

    fn rows(&self) -> Vec<Row> {
        let title = |which: &str| format!("demo node, {which}{} blocks", self.blocks);
        if self.paced {
            let title = format!("{} of a peer that answers every 20 ms", title(""));
            return vec![Row::new(title, Unit::Seconds, Kind::Server)];
        }
        vec![
            Row::new(title("from launch to its first "), Unit::Seconds, Kind::Burst),
            Row::new(title("the next "), Unit::Seconds, Kind::Server),
        ]
    }

    fn has_column(&self, column: Column) -> bool {
        // It takes long, and of the others it tells nothing: nobody's cost shows in it.
        let few = [Column::Native, Column::Adaptive, Column::Prior];
        column != Column::Filter && (!self.paced || few.contains(&column))
    }

    fn settle_after(&self) -> Option<&'static str> {
        (!self.paced).then_some("50ms")
    }

    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>> {
        let last = if self.paced { self.blocks } else { 2 * self.blocks };
        let mut command = launch.command(&self.program)?;
        command.args(LOOPBACK).args(["--peer", &self.peer]);
        command.args(["--exit-at-block", &last.to_string()]);
        command.arg("--base-path").arg(launch.dir().join("data"));
        let start = Instant::now();
        let mut node = signals::spawn(&mut command)?;
        let mut imported = |block: u32| {
            let line = format!("Imported #{block} ");
            // It may have ended already when we look, which is as good.
            launch.until(&mut node, "the last block", || {
                Ok(launch.stderr()?.contains(&line).then(|| start.elapsed().as_secs_f64()))
            })
        };
        let first = imported(self.blocks)?;
        let next = if self.paced { None } else { Some(imported(last)? - first) };
        launch.finish(&mut node)?;
        Ok([Some(first)].into_iter().chain(next.map(Some)).collect())
    }
}
