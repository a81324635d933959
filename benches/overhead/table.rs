//! The results as Markdown.

use std::fmt::Write as _;

use crate::columns::Column;
use crate::results::{Measured, Results};
use crate::row::Unit;
use crate::targets;

/// Everything that is printed.
pub fn markdown(results: &Results, columns: &[Column]) -> String {
    let mut text = String::new();
    let most = results.rows.iter().map(|measured| measured.runs).max().unwrap_or(0);
    heading(&mut text, columns);
    for measured in results.rows.iter().filter(|measured| !measured.is_empty()) {
        line(&mut text, measured, columns, most);
    }
    let _ = writeln!(text, "\n{}\n", machine(most));
    stops(&mut text, results);
    let targets = targets::lines(results);
    if !targets.is_empty() {
        let _ = writeln!(text, "Targets:\n\n{targets}");
    }
    if !results.failures.is_empty() {
        let _ = writeln!(text, "Failed:\n\n- {}", results.failures.join("\n- "));
    }
    text
}

fn heading(text: &mut String, columns: &[Column]) {
    let titles: Vec<_> = columns.iter().map(|column| column.title()).collect();
    let _ = writeln!(text, "| | {} |", titles.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(columns.len()));
}

fn line(text: &mut String, measured: &Measured, columns: &[Column], most: usize) {
    let cells: Vec<_> = columns.iter().map(|column| cell(measured, *column)).collect();
    let fewer = match measured.runs {
        runs if runs == most => String::new(),
        1 => " (1 run)".to_owned(),
        runs => format!(" ({runs} runs)"),
    };
    let _ = writeln!(text, "| {}{fewer} | {} |", measured.row.title, cells.join(" | "));
}

fn cell(measured: &Measured, column: Column) -> String {
    let Some(value) = measured.value(column) else {
        let tried = measured.values.get(&column).is_some_and(|values| !values.is_empty());
        let failed = tried && !matches!(measured.row.unit, Unit::Lost | Unit::Mebibytes);
        return if failed { "failed" } else { "-" }.to_owned();
    };
    let value = match measured.row.unit {
        Unit::Nanoseconds if value < 10_000.0 => format!("{value:.0} ns"),
        Unit::Nanoseconds => format!("{:.1} us", value / 1e3),
        Unit::Seconds | Unit::Lost => format!("{value:.2} s"),
        Unit::PerSecond => format!("{value:.0}/s"),
        Unit::Mebibytes => format!("{value:.1} MiB"),
    };
    match measured.slowdown(column, Column::Native) {
        Some(_) if column == Column::Native => value,
        Some(ratio) if ratio < 10.0 => format!("{value} (x{ratio:.2})"),
        Some(ratio) => format!("{value} (x{ratio:.0})"),
        None => value,
    }
}

fn machine(runs: usize) -> String {
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').nth(2).unwrap_or("?");
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    format!(
        "Medians of {runs} run{}; in brackets how many times slower than native, as the median of \
         the rounds. {cpus} CPUs ({}), Linux {}, load over the last 15 minutes {load}.",
        if runs == 1 { "" } else { "s" },
        model.unwrap_or("?"),
        kernel.trim()
    )
}

fn stops(text: &mut String, results: &Results) {
    if results.stops.is_empty() {
        return;
    }
    let _ = writeln!(text, "Stops, as the recordings of the same runs have them:\n");
    let _ = writeln!(text, "| | mode | stops | 99.9 % shorter than | longest |");
    let _ = writeln!(text, "|---|---|---|---|---|");
    for ((row, column), stops) in &results.stops {
        let _ = writeln!(
            text,
            "| {} | {column} | {} | {:.0} us | {:.0} us |",
            results.rows[*row].row.title,
            stops.count(),
            stops.permille_us(),
            stops.longest_us()
        );
    }
    let _ = writeln!(text);
}
