//! Monero's node.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::common::monero;
use crate::common::process::{Guarded, free_port, until};
use crate::launch::Launch;
use crate::row::{Kind, Row, Unit};
use crate::signals;
use crate::tools::{Tools, program};
use crate::workload::Workload;

/// One that has a chain, not traced, all the time; another one that syncs from it.
pub struct Monero {
    program: PathBuf,
    blocks: u64,
    peer_port: u16,
    peer: Guarded,
}

const PATIENCE: Duration = Duration::from_secs(300);

impl Monero {
    /// Makes the chain.
    pub fn new(tools: &Tools, quick: bool) -> Result<Monero> {
        let program = program("monerod")?;
        let blocks = if quick { 30 } else { 500 };
        let dir = tools.directory("monero")?;
        let data = text(&dir.join("data"))?;
        let [rpc, peer_port, other] = [(); 3].map(|()| free_port());
        let start = |more: &[String]| -> Result<Guarded> {
            let mut command = Command::new(&program);
            command.args(monero::node(&data, rpc)).args(more);
            command.stdin(Stdio::null()).stdout(File::create(dir.join("log"))?);
            let node = signals::spawn(&mut command)?;
            until(PATIENCE, || monero::info(rpc)).context("monerod does not answer")?;
            Ok(node)
        };
        eprintln!("monerod: a chain of {blocks} blocks");
        let mut miner = start(&["--offline".to_owned()])?;
        mine(rpc, blocks)?;
        end(&mut miner)?;
        let peer = start(&monero::peer(peer_port, other))?;
        Ok(Monero { program, blocks, peer_port, peer })
    }
}

impl Workload for Monero {
    fn name(&self) -> String {
        "monerod".to_owned()
    }

    fn rows(&self) -> Vec<Row> {
        let title = format!("monerod, {} blocks", self.blocks);
        vec![Row::new(title, Unit::Seconds, Kind::Server)]
    }

    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>> {
        ensure!(self.peer.is_running(), "the peer of monerod has ended");
        let [rpc, p2p] = [(); 2].map(|()| free_port());
        let mut command = launch.command(&self.program)?;
        command.args(monero::node(&text(&launch.dir().join("data"))?, rpc));
        command.args(monero::peer(p2p, self.peer_port));
        let start = Instant::now();
        let mut node = signals::spawn(&mut command)?;
        let height = self.blocks + 1;
        let time = launch.until(&mut node, "the last block", || {
            // Each question costs the node a few calls.
            std::thread::sleep(Duration::from_millis(45));
            Ok(monero::is_synced_to(height, rpc).then(|| start.elapsed()))
        })?;
        node.signal_group(Signal::SIGINT);
        launch.finish(&mut node)?;
        Ok(vec![Some(time.as_secs_f64())])
    }
}

impl Drop for Monero {
    fn drop(&mut self) {
        let _ = end(&mut self.peer);
    }
}

fn end(node: &mut Guarded) -> Result<()> {
    if node.is_running() {
        node.signal_group(Signal::SIGINT);
        node.wait(Duration::from_secs(60)).context("monerod does not end")?;
    }
    Ok(())
}

fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("not UTF-8")?.to_owned())
}

fn mine(rpc: u16, blocks: u64) -> Result<()> {
    // In portions: an answer is waited for a minute.
    for portion in std::iter::repeat_n(10, usize::try_from(blocks / 10)?) {
        signals::check()?;
        monero::mine(rpc, portion).context("monerod does not mine")?;
    }
    Ok(())
}
