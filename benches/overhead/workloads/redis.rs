//! A server with many small requests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::columns::Column;
use crate::common::process::Guarded;
use crate::launch::Launch;
use crate::row::{Kind, Row, Unit};
use crate::signals;
use crate::tools::{output, program};
use crate::workload::Workload;

/// redis-server on a Unix socket, and redis-benchmark, which is not traced.
pub struct Redis {
    server: PathBuf,
    client: PathBuf,
    benchmark: PathBuf,
    quick: bool,
}

impl Redis {
    pub fn new(quick: bool) -> Result<Redis> {
        Ok(Redis {
            server: program("redis-server")?,
            client: program("redis-cli")?,
            benchmark: program("redis-benchmark")?,
            quick,
        })
    }

    /// One that answers, and its socket.
    fn start(&self, launch: &Launch) -> Result<(Guarded, PathBuf)> {
        let socket = launch.dir().join("socket");
        let mut command = launch.command(&self.server)?;
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]);
        let mut server = signals::spawn(command.arg(&socket))?;
        launch.until(&mut server, "an answer of redis", || {
            let answer = socket.exists().then(|| self.say(&socket, &["ping"]));
            Ok(answer.filter(Result::is_ok))
        })??;
        Ok((server, socket))
    }

    fn load(&self, socket: &Path, requests: u32) -> Result<String> {
        let mut command = Command::new(&self.benchmark);
        command.arg("-s").arg(socket).args(["-c", "20", "-t", "set,get", "--csv", "-n"]);
        output(command.arg(requests.to_string()))
    }

    fn say(&self, socket: &Path, words: &[&str]) -> Result<String> {
        output(Command::new(&self.client).arg("-s").arg(socket).args(words))
    }
}

impl Workload for Redis {
    fn name(&self) -> String {
        "redis".to_owned()
    }

    fn rows(&self) -> Vec<Row> {
        ["redis SET, 20 clients", "redis GET, 20 clients"]
            .map(|title| Row::new(title, Unit::PerSecond, Kind::Server))
            .into()
    }

    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>> {
        let (mut server, socket) = self.start(launch)?;
        launch.warm_up(&mut server, || self.load(&socket, 2_000).map(drop))?;
        let requests = if launch.column.is_slow() { 8_000 } else { 80_000 };
        let text = self.load(&socket, if self.quick { requests / 10 } else { requests })?;
        self.say(&socket, &["shutdown", "nosave"])?;
        launch.finish(&mut server)?;
        ["SET", "GET"].map(|test| rate(&text, test).map(Some)).into_iter().collect()
    }
}

/// A server that nobody asks anything, and that is given its filter as soon as it starts: the pause
/// that the installation is where nothing else goes on.
pub struct Idle(pub Redis);

impl Workload for Idle {
    fn name(&self) -> String {
        "idle redis".to_owned()
    }

    fn rows(&self) -> Vec<Row> {
        vec![Row::new("idle redis, the filter's installation", Unit::Microseconds, Kind::Pause)]
    }

    fn has_column(&self, column: Column) -> bool {
        // What an earlier run saw changes nothing of the pause.
        column == Column::Adaptive
    }

    fn settle_after(&self) -> Option<&'static str> {
        Some("0s")
    }

    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>> {
        let (mut server, socket) = self.0.start(launch)?;
        std::thread::sleep(Duration::from_millis(500));
        self.0.say(&socket, &["shutdown", "nosave"])?;
        launch.finish(&mut server)?;
        let recording = launch.recording()?.context("it is not recorded")?;
        let settled = recording.runs.first().and_then(|run| run.watch.settled.as_ref());
        let settled = settled.context("it has not settled")?;
        Ok(vec![Some(settled.longest_installation_ns as f64 / 1e3)])
    }
}

/// The second field of the line that begins with that test's name.
fn rate(csv: &str, test: &str) -> Result<f64> {
    let mut lines = csv.lines().map(|line| line.split(',').map(|field| field.trim_matches('"')));
    let mut line = lines
        .find(|line| line.clone().next() == Some(test))
        .with_context(|| format!("redis-benchmark says nothing of {test}: {csv}"))?;
    Ok(line.nth(1).context("no rate")?.parse()?)
}
