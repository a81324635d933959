//! The bundled demo node.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::common::process::{Guarded, until};
use crate::launch::Launch;
use crate::row::{Kind, Row, Unit};
use crate::signals;
use crate::tools::{Tools, demo_node};
use crate::workload::Workload;

/// One that authors, not traced, all the time; another one that syncs from it.
pub struct DemoNode {
    program: PathBuf,
    peer: String,
    blocks: u32,
    _author: Guarded,
}

const LOOPBACK: [&str; 4] = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];

impl DemoNode {
    pub fn new(tools: &Tools, quick: bool) -> Result<DemoNode> {
        let blocks = if quick { 2_000 } else { 20_000 };
        let program = demo_node()?;
        let dir = tools.directory("author")?;
        let log = dir.join("log");
        let mut command = Command::new(&program);
        command.args(LOOPBACK).args(["--author", "--block-time", "3600s", "--blocks"]);
        command.arg(blocks.to_string()).arg("--base-path").arg(dir.join("data"));
        command.stdin(Stdio::null()).stderr(File::create(&log)?);
        let author = signals::spawn(&mut command)?;
        let peer = until(Duration::from_secs(60), || {
            let log = fs::read_to_string(&log).ok()?;
            let (_, rest) = log.split_once("Listening for peers on ")?;
            Some(rest.split_once('\n')?.0.to_owned())
        });
        let peer = peer.context("the authoring demo node does not listen")?;
        Ok(DemoNode { program, peer, blocks, _author: author })
    }
}

impl Workload for DemoNode {
    fn name(&self) -> String {
        "demo node".to_owned()
    }

    fn rows(&self) -> Vec<Row> {
        let title = format!("demo node, {} blocks", self.blocks);
        vec![Row::new(title, Unit::Seconds, Kind::Server)]
    }

    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>> {
        let mut command = launch.command(&self.program)?;
        command.args(LOOPBACK).args(["--peer", &self.peer]);
        command.args(["--exit-at-block", &self.blocks.to_string()]);
        command.arg("--base-path").arg(launch.dir().join("data"));
        let start = Instant::now();
        let mut node = signals::spawn(&mut command)?;
        let last = format!("Imported #{} ", self.blocks);
        let synced = || Ok(launch.stderr()?.contains(&last).then(|| start.elapsed()));
        // It may have ended already when we look, which is as good.
        let time = launch.until(&mut node, "the last block", synced)?;
        launch.finish(&mut node)?;
        Ok(vec![Some(time.as_secs_f64())])
    }
}
