//! Polkadot's node, by hand.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::process::{Guarded, free_port, post_json, until};
use crate::launch::Launch;
use crate::row::{Kind, Row, Unit};
use crate::signals;
use crate::tools::Tools;
use crate::workload::Workload;

/// What it needs and nobody can install.
#[derive(Args)]
pub struct Files {
    /// The node of the row polkadot
    #[arg(long, value_name = "FILE")]
    polkadot: Option<PathBuf>,

    /// A raw chain specification whose only authority is Alice
    #[arg(long, value_name = "FILE")]
    polkadot_chain: Option<PathBuf>,
}

/// One that authors, not traced, all the time; another one that syncs from it.
pub struct Polkadot {
    program: PathBuf,
    chain: PathBuf,
    author_port: u16,
    author: Guarded,
}

const BLOCKS: u64 = 10;
/// The author's, and the peer id that comes of it.
const NODE_KEY: &str = "0000000000000000000000000000000000000000000000000000000000000001";
const PEER_ID: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
const QUIET: [&str; 3] = ["--no-telemetry", "--no-mdns", "--no-hardware-benchmarks"];

impl Polkadot {
    /// Waits until there are enough blocks.
    pub fn new(tools: &Tools, files: &Files) -> Result<Polkadot> {
        let program = files.polkadot.clone().context("row polkadot: --polkadot FILE")?;
        let chain = files.polkadot_chain.clone();
        let chain = chain.context("row polkadot: --polkadot-chain SPEC")?;
        let dir = tools.directory("polkadot")?;
        let [author_port, rpc] = [(); 2].map(|()| free_port());
        let mut command = node(Command::new(&program), &chain, author_port, rpc);
        command.arg("--base-path").arg(dir.join("data"));
        command.args(["--alice", "--validator", "--force-authoring"]);
        command.args(["--insecure-validator-i-know-what-i-do", "--node-key", NODE_KEY]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(dir.join("log"))?);
        let author = signals::spawn(&mut command)?;
        eprintln!("polkadot: {BLOCKS} blocks, one in 6 s");
        let authored = until(Duration::from_secs(300), || {
            let over = signals::check().is_err();
            (over || best(rpc)? > BLOCKS).then_some(())
        });
        authored.context("the author authors nothing")?;
        Ok(Polkadot { program, chain, author_port, author })
    }
}

/// What every node gets.
fn node(mut command: Command, chain: &Path, port: u16, rpc: u16) -> Command {
    command.arg("--chain").arg(chain).args(QUIET).arg("--no-prometheus");
    command.args(["--port", &port.to_string(), "--rpc-port", &rpc.to_string()]);
    command
}

impl Workload for Polkadot {
    fn name(&self) -> String {
        "polkadot".to_owned()
    }

    fn rows(&self) -> Vec<Row> {
        let title = format!("polkadot, to block {BLOCKS}");
        vec![Row::new(title, Unit::Seconds, Kind::Server)]
    }

    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>> {
        ensure!(self.author.is_running(), "the author has ended");
        let [port, rpc] = [(); 2].map(|()| free_port());
        let mut command = node(launch.command(&self.program)?, &self.chain, port, rpc);
        let author = format!("/ip4/127.0.0.1/tcp/{}/p2p/{PEER_ID}", self.author_port);
        command.arg("--base-path").arg(launch.dir().join("data")).args(["--bootnodes", &author]);
        let start = Instant::now();
        let mut node = signals::spawn(&mut command)?;
        let time = launch.until(&mut node, "the last block", || {
            std::thread::sleep(Duration::from_millis(45));
            Ok(best(rpc).is_some_and(|best| best >= BLOCKS).then(|| start.elapsed()))
        })?;
        node.signal_group(Signal::SIGINT);
        launch.finish(&mut node)?;
        Ok(vec![Some(time.as_secs_f64())])
    }
}

/// The best block.
fn best(rpc: u16) -> Option<u64> {
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"system_syncState","params":[]}"#;
    let answer: Value = serde_json::from_str(&post_json(rpc, "/", request)?).ok()?;
    answer["result"]["currentBlock"].as_u64()
}
