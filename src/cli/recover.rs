//! `seccomp-gen recover`: takes in what a lost tracer left behind.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Args;

use super::failure::{Failure, told_once};
use super::outputs;
use crate::recording::{Names, StoreError, recover, unfinished_names};

/// Take in the checkpoint of a trace whose tracer was lost (kill -9, out of memory, loss of power).
///
/// The run is marked incomplete and added to the recording of its name, and the profile and
/// the capability report are made anew. The next trace of the same name does the same by itself.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// The directory that the trace wrote into.
    #[arg(short, long, value_name = "DIR", default_value = "profiles")]
    pub output: PathBuf,

    /// The name of the recording; all that have a checkpoint in the directory if none is given.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// Recovers what there is and says what was done.
///
/// # Errors
/// If a named checkpoint is not there or cannot be taken in, or any that was found cannot. Those of
/// traces that are under way are left alone.
pub fn run(args: &RecoverArgs) -> Result<(), Failure> {
    let dir = &args.output;
    if let Some(name) = &args.name {
        let names = Names::new(dir, name).map_err(Failure::store)?;
        return one(&names).map_err(Failure::ours);
    }
    let names = unfinished_names(dir).map_err(Failure::store)?;
    if names.is_empty() {
        eprintln!("nothing to recover in {}", dir.display());
    }
    let mut failed = 0;
    for name in &names {
        let one = Names::new(dir, name).map_err(Into::into).and_then(|names| one(&names));
        if let Err(error) = one {
            match error.downcast_ref() {
                Some(StoreError::Busy { .. }) => eprintln!("left alone: {error}"),
                _ => {
                    failed += 1;
                    eprintln!("error: {}", told_once(&error));
                }
            }
        }
    }
    if failed > 0 {
        let names = names.len();
        return Err(Failure::ours(anyhow!("{failed} of {names} could not be recovered")));
    }
    Ok(())
}

fn one(names: &Names) -> Result<()> {
    let name = names.name();
    let recovered = recover(names.dir(), name)?;
    let files = outputs::write(names, &recovered.recording)?.files;
    let runs = recovered.recording.runs.iter().filter(|run| recovered.runs.contains(&run.id));
    let into = recovered.path.display();
    if runs.clone().next().is_none() {
        eprintln!("{name}: the run was part of {into} already");
    }
    for run in runs {
        let marked = if run.complete { "complete" } else { "marked incomplete" };
        let syscalls = run.syscalls.len();
        eprintln!(
            "{name}: recovered the run of {} with {syscalls} distinct syscalls into {into} \
             ({marked})",
            run.started_at
        );
    }
    for file in files {
        eprintln!("{name}: made {} anew", file.path);
    }
    Ok(())
}
