//! Monero's node.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::common::process::{Guarded, free_port, post_json, until};
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

/// An address that Monero's own functional tests mine to.
const WALLET: &str = "42ey1afDFnn4886T7196doS9GPMzexD9gXpsZJDwVjeRVdFCSoHnv7KPbBeGpzJBzHRCAs9Uxqeoy\
                      FQMYbqSWYTfJJQAWDm";

const QUIET: [&str; 10] = [
    "--regtest",
    "--keep-fakechain",
    "--fixed-difficulty",
    "1",
    "--no-zmq",
    "--no-igd",
    "--non-interactive",
    "--disable-dns-checkpoints",
    "--check-updates",
    "disabled",
];

impl Monero {
    /// Makes the chain.
    pub fn new(tools: &Tools, quick: bool) -> Result<Monero> {
        let program = program("monerod")?;
        let blocks = if quick { 30 } else { 500 };
        let dir = tools.directory("monero")?;
        let start = |more: &[String]| -> Result<Guarded> {
            let mut command = Command::new(&program);
            command.args(QUIET).arg("--data-dir").arg(dir.join("data")).args(more);
            command.stdin(Stdio::null()).stdout(File::create(dir.join("log"))?);
            signals::spawn(&mut command)
        };
        eprintln!("monerod: a chain of {blocks} blocks");
        let [rpc, peer_port, other] = [(); 3].map(|()| free_port());
        let mut miner = start(&[strings(&["--offline"]), rpc_on(rpc)].concat())?;
        until(PATIENCE, || info(rpc)).context("monerod does not answer")?;
        mine(rpc, blocks)?;
        end(&mut miner)?;
        let peer = start(&[rpc_on(rpc), peer_on(peer_port, other)].concat())?;
        until(PATIENCE, || info(rpc)).context("monerod does not answer")?;
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

    fn runs(&self, wanted: usize) -> usize {
        wanted.min(3)
    }

    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>> {
        ensure!(self.peer.is_running(), "the peer of monerod has ended");
        let [rpc, p2p] = [(); 2].map(|()| free_port());
        let mut command = launch.command(&self.program)?;
        command.args(QUIET).arg("--data-dir").arg(launch.dir().join("data"));
        command.args(rpc_on(rpc)).args(peer_on(p2p, self.peer_port));
        let start = Instant::now();
        let mut node = signals::spawn(&mut command)?;
        let height = self.blocks + 1;
        let time = launch.until(&mut node, "the last block", || {
            // Each question costs the node a few calls.
            std::thread::sleep(Duration::from_millis(45));
            let synced =
                info(rpc).is_some_and(|i| i["height"] == height && i["synchronized"] == true);
            Ok(synced.then(|| start.elapsed()))
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

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn rpc_on(port: u16) -> Vec<String> {
    strings(&["--rpc-bind-port", &port.to_string()])
}

fn peer_on(port: u16, other: u16) -> Vec<String> {
    let (port, other) = (port.to_string(), format!("127.0.0.1:{other}"));
    strings(&[
        "--p2p-bind-ip",
        "127.0.0.1",
        "--p2p-bind-port",
        &port,
        "--allow-local-ip",
        "--add-exclusive-node",
        &other,
    ])
}

fn info(rpc: u16) -> Option<Value> {
    serde_json::from_str(&post_json(rpc, "/get_info", "{}")?).ok()
}

fn mine(rpc: u16, blocks: u64) -> Result<()> {
    // In portions: an answer is waited for a minute.
    for portion in std::iter::repeat_n(10, usize::try_from(blocks / 10)?) {
        signals::check()?;
        let request = json!({
            "jsonrpc": "2.0", "id": "0", "method": "generateblocks",
            "params": {
                "amount_of_blocks": portion, "wallet_address": WALLET, "starting_nonce": 0
            },
        });
        let answer = post_json(rpc, "/json_rpc", &request.to_string());
        let answer = answer.context("monerod does not mine")?;
        ensure!(answer.contains("\"height\""), "monerod does not mine: {answer}");
    }
    Ok(())
}
