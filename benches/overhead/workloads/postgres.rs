//! A server with processes of its own for each client.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::launch::{Launch, give};
use crate::row::{Kind, Row, Unit};
use crate::signals;
use crate::tools::{Tools, output};
use crate::workload::Workload;

/// Whose server it is where we are root, which PostgreSQL refuses to run as.
const USER: &str = "postgres";

/// A PostgreSQL server on a Unix socket, and pgbench, which is not traced.
pub struct Postgres {
    bin: PathBuf,
    data: PathBuf,
    seconds: u64,
}

impl Postgres {
    pub fn new(tools: &Tools, quick: bool) -> Result<Postgres> {
        let bin =
            newest_bin().context("PostgreSQL is not installed; `.ci/provide test` does it")?;
        let dir = tools.directory("postgres")?;
        give(&dir, USER)?;
        let server = Postgres { bin, data: dir.join("data"), seconds: if quick { 1 } else { 2 } };
        let mut initdb = server.as_user("initdb");
        output(initdb.args(["-A", "trust", "-U", USER, "--no-sync", "-D"]).arg(&server.data))?;
        Ok(server)
    }

    /// A program of PostgreSQL's, as its user.
    fn as_user(&self, name: &str) -> Command {
        let program = self.bin.join(name);
        let mut command = if geteuid().is_root() {
            let mut setpriv = Command::new("setpriv");
            setpriv.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(program);
            setpriv
        } else {
            Command::new(program)
        };
        command.current_dir("/");
        command
    }

    fn pgbench(&self, launch: &Launch, args: &[&str]) -> Result<String> {
        let mut command = Command::new(self.bin.join("pgbench"));
        command.args(["-U", USER, "-h"]).arg(launch.dir()).args(args).arg(USER);
        output(&mut command)
    }

    fn select(&self, launch: &Launch, time: Duration) -> Result<f64> {
        let seconds = time.as_secs().max(1).to_string();
        let text = self.pgbench(launch, &["-n", "-S", "-c", "4", "-T", &seconds])?;
        let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
        Ok(rate.with_context(|| format!("pgbench tells no rate: {text}"))?.parse()?)
    }
}

impl Workload for Postgres {
    fn name(&self) -> String {
        "PostgreSQL".to_owned()
    }

    fn rows(&self) -> Vec<Row> {
        vec![Row::new("pgbench, select only, 4 clients", Unit::PerSecond, Kind::Server)]
    }

    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>> {
        let mut command = launch.command_as(Some(USER), &self.bin.join("postgres"))?;
        // Its memory in its own directory, where nothing is left of it if it is killed.
        command.args(["-c", "dynamic_shared_memory_type=mmap"]);
        command.args(["-c", "listen_addresses=", "-F", "-k"]).arg(launch.dir());
        let mut server = signals::spawn(command.arg("-D").arg(&self.data).current_dir("/"))?;
        launch.until(&mut server, "an answer of PostgreSQL", || {
            let mut ready = Command::new(self.bin.join("pg_isready"));
            Ok(output(ready.arg("-h").arg(launch.dir())).ok())
        })?;
        if !self.data.join("loaded").exists() {
            self.pgbench(launch, &["-q", "-i", "-s", "5"])?;
            std::fs::write(self.data.join("loaded"), "")?;
        }
        // Nobody asks what came of it: on a busy machine, nothing.
        let load = || self.pgbench(launch, &["-n", "-S", "-c", "4", "-T", "1"]).map(drop);
        launch.warm_up(&mut server, load)?;
        let rate = self.select(launch, Duration::from_secs(self.seconds))?;
        let pid = std::fs::read_to_string(self.data.join("postmaster.pid"))?;
        let pid = pid.lines().next().context("postmaster.pid is empty")?.trim().parse()?;
        // A fast shutdown.
        kill(Pid::from_raw(pid), Signal::SIGINT)?;
        launch.finish(&mut server)?;
        Ok(vec![Some(rate)])
    }
}

/// Whether it is installed.
pub fn check() -> Result<()> {
    newest_bin().map(drop).context("row Postgres (name the others)")
}

fn newest_bin() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let bins = versions.map(|version| version.path().join("bin"));
    let complete = |bin: &PathBuf| bin.join("initdb").is_file() && bin.join("pgbench").is_file();
    bins.filter(complete)
        .max()
        .context("PostgreSQL is not installed; `.ci/provide test` installs it")
}
