//! What tracing costs, beside other tools: `cargo bench --bench overhead` prints one Markdown
//! table. `cargo bench --bench overhead -- --help` tells how to choose from it.
//!
//! A row is a workload, a column a tool. All columns of a row are run in turn, again and again, so
//! that whatever else the machine does hits them alike; a value is the median of its runs, a ratio
//! the median of the ratios of each round to that round's native run.

// Each uses only what stands below it:
//
//    options                    what the user chose
//    rows                       the catalogue of what can be measured
//    workloads/*, bitmap        what is run
//    workload                   what each of them is
//    launch                     one run under a tool
//    tools                      the programs that it takes
//    signals, columns, common
//
// and what was measured is handed on from here, by those who know nothing of how it was come by:
// row, stops -> results -> targets -> table.
mod bitmap;
mod columns;
mod launch;
mod options;
mod results;
mod row;
mod rows;
mod signals;
mod stops;
mod table;
mod targets;
mod tools;
mod workload;
mod workloads;

// For its ports, its guarded children and the fixtures that it builds.
#[path = "../../tests/common/mod.rs"]
mod common;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;

use columns::Column;
use launch::Launch;
use options::Options;
use results::{Results, RowId};
use rows::RowSet;
use tools::Tools;
use workload::Workload;

fn main() -> ExitCode {
    match bench(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("overhead: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and prints; whether every run succeeded.
fn bench(options: &Options) -> Result<bool> {
    signals::heed()?;
    let tools = Tools::find(&options.columns())?;
    for row in options.rows() {
        row.check()?;
    }
    let columns = options.columns();
    let mut results = Results::default();
    let mut bitmap = None;
    print!("{}", table::heading(&columns));
    for row in options.rows() {
        let start = Instant::now();
        // What one row cannot do must not take the others' values along.
        let done = match row {
            RowSet::Bitmap => bitmap::measure(&tools, options.runs, options.quick)
                .map(|measured| bitmap = Some(measured)),
            row => measure_set(row, &tools, options, &mut results),
        };
        if let Err(error) = done {
            results.fail_row(&format!("{row:?}"), &error);
        }
        eprintln!("{row:?} took {:.0} s", start.elapsed().as_secs_f64());
        // What was measured until then is printed.
        if signals::check().is_err() {
            break;
        }
    }
    print!("{}", table::footer(&results, bitmap.as_ref(), options.runs));
    Ok(results.failures.is_empty())
}

fn measure_set(row: RowSet, tools: &Tools, options: &Options, results: &mut Results) -> Result<()> {
    for mut workload in row.workloads(tools, options.quick, &options.polkadot)? {
        measure(&mut *workload, tools, options, results)?;
    }
    Ok(())
}

/// All runs of one workload.
fn measure(
    workload: &mut dyn Workload,
    tools: &Tools,
    options: &Options,
    results: &mut Results,
) -> Result<()> {
    let mut columns = options.columns();
    columns.retain(|column| workload.has_column(*column));
    let name = workload.name();
    let prior = if columns.iter().any(|column| column.needs_prior()) {
        let dir = tools.directory(&format!("prior of {name}"))?;
        Some(look(workload, tools, &dir).with_context(|| format!("{name}, for a recording"))?)
    } else {
        None
    };
    let rows = results.add(workload.rows(), options.runs);
    let done = rounds(workload, tools, options.runs, columns, prior.as_deref(), &rows, results);
    // At once, and what was measured of a row that was ended halfway: an end loses nothing.
    for row in &rows {
        print!("{}", table::line(&results.rows[*row], &options.columns(), options.runs));
    }
    done
}

/// Every column in turn, as often as it is wanted.
fn rounds(
    workload: &mut dyn Workload,
    tools: &Tools,
    runs: usize,
    mut columns: Vec<Column>,
    prior: Option<&Path>,
    rows: &[RowId],
    results: &mut Results,
) -> Result<()> {
    let name = workload.name();
    for run in 1..=runs {
        for column in &columns {
            signals::check()?;
            let start = Instant::now();
            let launch = Launch::new(tools, *column, prior)?;
            let launch = launch.settling_after(workload.settle_after());
            let values = workload.run(&launch);
            // Ctrl-C reached the programs, too.
            signals::check()?;
            match values {
                Ok(values) => {
                    results.enter(rows, *column, &values, launch.recording()?.as_ref());
                }
                Err(error) => results.fail(rows, *column, &error),
            }
            let values = rows.iter().filter_map(|row| results.rows[*row].last(*column));
            let values = values.collect::<Vec<_>>().join(", ");
            let time = start.elapsed().as_secs_f64();
            eprintln!("{name}: run {run} of {runs}: {column}: {values} (in {time:.1} s)");
        }
        // So that none always comes after the same other one.
        columns.reverse();
    }
    Ok(())
}

/// A run in which every call is seen, for `--prior` and for the filter without a tracer.
fn look(workload: &mut dyn Workload, tools: &Tools, dir: &Path) -> Result<PathBuf> {
    eprintln!("{}: a recording to begin with", workload.name());
    let launch = Launch::new(tools, Column::Full, None)?;
    workload.run(&launch)?;
    let kept = dir.join("t.recording.json");
    std::fs::copy(launch.recording_path(), &kept)?;
    // PostgreSQL's tracer, another user's, reads it, too.
    std::fs::set_permissions(&kept, Permissions::from_mode(0o644))?;
    Ok(kept)
}
