//! The results as Markdown.

use std::fmt::Write as _;

use seccomp_gen::recording::Settled;

use crate::bitmap::{Bitmap, Shape};
use crate::columns::Column;
use crate::results::{Measured, Results, median};
use crate::row::Unit;
use crate::targets;

/// What stands below the lines: how they were measured, and what else was.
pub fn footer(results: &Results, bitmap: Option<&Bitmap>, runs: usize) -> String {
    let mut text = format!("\n{}\n\n", machine(runs));
    stops(&mut text, results);
    installations(&mut text, results);
    if let Some(bitmap) = bitmap {
        of_bitmap(&mut text, bitmap);
    }
    let targets = targets::lines(results);
    if !targets.is_empty() {
        let _ = writeln!(text, "Targets:\n\n{targets}");
    }
    if !results.failures.is_empty() {
        let _ = writeln!(text, "Failed:\n\n- {}", results.failures.join("\n- "));
    }
    text
}

/// The first two lines.
pub fn heading(columns: &[Column]) -> String {
    let titles: Vec<_> = columns.iter().map(|column| column.title()).collect();
    format!("| | {} |\n|---|{}\n", titles.join(" | "), "---|".repeat(columns.len()))
}

/// A line of the table; none of what has no values by right. `runs` is what the footer tells.
pub fn line(measured: &Measured, columns: &[Column], runs: usize) -> String {
    if measured.is_empty() {
        return String::new();
    }
    let cells: Vec<_> = columns.iter().map(|column| cell(measured, *column)).collect();
    let other = match measured.runs {
        same if same == runs => String::new(),
        1 => " (1 run)".to_owned(),
        runs => format!(" ({runs} runs)"),
    };
    format!("| {}{other} | {} |\n", measured.row.title, cells.join(" | "))
}

fn cell(measured: &Measured, column: Column) -> String {
    let Some(value) = measured.value(column) else {
        let tried = measured.values.get(&column).is_some_and(|values| !values.is_empty());
        let failed = tried && !matches!(measured.row.unit, Unit::Lost | Unit::Mebibytes);
        return if failed { "failed" } else { "-" }.to_owned();
    };
    let value = measured.row.unit.text(value);
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

/// How long the thread is kept that has to install the filter, which is no single stop: it makes
/// three or four calls for it, and the kernel stops the others meanwhile.
fn installations(text: &mut String, results: &Results) {
    let settled: Vec<_> =
        results.stops.iter().filter(|(_, stops)| !stops.settled.is_empty()).collect();
    if settled.is_empty() {
        return;
    }
    let _ = writeln!(text, "Installations of a filter, each run's longest:\n");
    let _ = writeln!(
        text,
        "| | mode | runs | settled after | installations in a run | pause, median | pause, longest |"
    );
    let _ = writeln!(text, "|---|---|---|---|---|---|---|");
    for ((row, column), stops) in settled {
        let of = |value: fn(&Settled) -> u64| -> Vec<f64> {
            stops.settled.iter().map(|settled| value(settled) as f64).collect()
        };
        let middle = |value| median(of(value)).unwrap_or_default();
        let pauses = of(|settled| settled.longest_installation_ns);
        let _ = writeln!(
            text,
            "| {} | {column} | {} | {:.1} s | {:.0} | {:.0} us | {:.0} us |",
            results.rows[*row].row.title,
            stops.settled.len(),
            middle(|settled| settled.after_ms) / 1e3,
            middle(|settled| settled.installations),
            middle(|settled| settled.longest_installation_ns) / 1e3,
            pauses.into_iter().fold(0.0, f64::max) / 1e3,
        );
    }
    let _ = writeln!(text);
}

fn of_bitmap(text: &mut String, bitmap: &Bitmap) {
    let native = bitmap.native_ns;
    let _ =
        writeln!(text, "One getppid, {native:.1} ns without a filter, and what a filter adds:\n");
    let _ = writeln!(text, "| filter | instructions | allowed | allowed by its argument |");
    let _ = writeln!(text, "|---|---|---|---|");
    for filter in &bitmap.filters {
        let shape = match filter.shape {
            Shape::Short => "ours, of a small program",
            Shape::Tree => "ours, 300 system calls",
            Shape::Chain => "300 rules in a chain",
        };
        let [plain, tested] = [filter.plain_ns, filter.tested_ns].map(|ns| ns - native);
        let length = filter.instructions;
        let _ = writeln!(text, "| {shape} | {length} | {plain:+.1} ns | {tested:+.1} ns |");
    }
    let verdict = match (bitmap.grows_plain(), bitmap.grows_tested()) {
        (false, true) => {
            "What is allowed without a condition costs the same under any of them, and what has \
             one does not: the kernel answers the former from its bitmap."
        }
        (true, _) => {
            "**What is allowed without a condition costs more under a longer filter: it does not \
             come from the kernel's bitmap.**"
        }
        (false, false) => "**No filter costs more than another: nothing is shown.**",
    };
    let _ = writeln!(text, "\n{verdict}\n");
}
