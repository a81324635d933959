//! The summary at the end of a run.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use serde::Serialize;

use super::CapabilityReport;
use super::Style;
use super::human;
use super::layout::{Page, printable};
use crate::arch::Arch;
use crate::recording::{Books, CodeAddress, Cost, Mode, Settled};

/// The column that the values stand in: two beyond the longest label, `capabilities`.
const COLUMN: usize = 14;
/// How many lines the command line may take; the recording has it in full.
const COMMAND_LINES: usize = 2;
/// The shortest run whose share of a core means anything: before, it is that of the start alone.
const SHARE_FROM_MS: u64 = 1_000;
/// How many syscalls are listed one per line before the rest is only counted.
const LISTED: usize = 20;

/// Everything that the user is told at the end of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The name that the files go by.
    pub name: String,
    /// The command line, secrets masked; empty if we attached.
    pub command: Vec<String>,
    /// The processes that we attached to; empty if we launched.
    pub attached: Vec<i32>,
    /// Whether the run is all that it set out to be.
    pub complete: bool,
    /// Why it is not.
    pub incomplete_because: Vec<String>,
    /// What we exit with.
    pub exit_code: u8,
    /// How long it took.
    pub duration_ms: u64,
    /// How syscalls were heard of.
    pub mode: Mode,
    /// When adaptive mode settled, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// For how long every call stopped in adaptive mode, in all looks together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked_ms: Option<u64>,
    /// How long nothing was watched.
    pub unwatched_ms: u64,
    /// How many processes were to be traced and could not be.
    pub processes_not_traced: u64,
    /// How many processes there were.
    pub processes: u64,
    /// How the node ended: `exited with 0, 1.2 s after SIGINT`.
    pub ended: String,
    /// The syscalls of this run.
    pub syscalls: Counts,
    /// How they compare with those of earlier runs; absent if there are none.
    pub compared: Option<Compared>,
    /// Syscalls whose number no table knows.
    pub unnamed: Vec<Unnamed>,
    /// The files written.
    pub files: Vec<WrittenFile>,
    /// What the tracing cost the program.
    pub cost: CostSummary,
    /// The proof that nothing was missed.
    pub books: Books,
    /// Whether they balance.
    pub books_balance: bool,
    /// What a reader must know to read this run rightly.
    pub warnings: Vec<String>,
    /// What to do next, in order.
    pub next: Vec<Step>,
    /// The capability report that goes with the files, of all their runs; of this run alone where
    /// nothing is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<CapabilityReport>,
}

/// Something to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What to do.
    pub what: String,
    /// Lines for it that can be copied as they are: a command, or YAML.
    pub copy: Vec<String>,
}

/// How many syscalls there were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Distinct ones, over all architectures.
    pub distinct: u64,
    /// Calls.
    pub calls: u64,
    /// The same per architecture, in their order.
    pub per_arch: Vec<ArchCounts>,
}

/// How many syscalls of one architecture there were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArchCounts {
    /// Which.
    pub arch: Arch,
    /// Distinct ones.
    pub distinct: u64,
    /// Calls.
    pub calls: u64,
    /// What was called, in order of number; `#` and the number for one without a name.
    pub names: Vec<String>,
}

/// What is new in this run, and what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// With what: `2 earlier runs`.
    pub with: String,
    /// What none of them showed.
    pub new: Vec<NewSyscall>,
    /// What one of them showed and this one did not.
    pub not_seen: Vec<KnownSyscall>,
    /// Whether this run was watched all the time. If not, `not_seen` may have been called unseen.
    pub watched_fully: bool,
}

/// A syscall that was seen for the first time, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewSyscall {
    /// Its architecture.
    pub arch: Arch,
    /// Its name, or `#` and its number.
    pub name: String,
    /// The executable.
    pub exe: Option<String>,
    /// The code that called it.
    pub caller: Option<CodeAddress>,
    /// When, since the start of the run.
    pub at_ms: u64,
}

/// A syscall by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct KnownSyscall {
    /// Its architecture.
    pub arch: Arch,
    /// Its name, or `#` and its number.
    pub name: String,
}

/// A syscall without a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unnamed {
    /// By whose table it was called.
    pub arch: Arch,
    /// Its number.
    pub number: i64,
    /// How often.
    pub count: u64,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WrittenFile {
    /// What it is: `profile`, `recording`, `capabilities`.
    pub what: String,
    /// Where.
    pub path: String,
    /// Its size.
    pub bytes: u64,
}

/// What the tracing cost the program.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostSummary {
    /// How often a thread stood stopped.
    pub stops: u64,
    /// How long in all.
    pub stopped_ns: u64,
    /// The longest single stop.
    pub longest_ns: u64,
    /// What share of one core that is over the run, in percent, to two digits.
    pub percent_of_a_core: f64,
}

impl CostSummary {
    /// The summary of a cost over a run of that duration.
    pub fn new(cost: &Cost, duration_ms: u64) -> CostSummary {
        // stopped_ns / (duration_ms * 10^6) * 100, in hundredths, by integers: the same on every
        // machine.
        let hundredths = u128::from(cost.stopped_ns) / (u128::from(duration_ms.max(1)) * 100);
        CostSummary {
            stops: cost.stops,
            stopped_ns: cost.stopped_ns,
            longest_ns: cost.longest_ns,
            percent_of_a_core: u32::try_from(hundredths).map_or(f64::MAX, f64::from) / 100.0,
        }
    }
}

impl Summary {
    /// The summary for people: the verdict first, then what stands out, 80 columns but for what is
    /// to be copied.
    pub fn to_text(&self, style: Style) -> String {
        let mut page = Page::new(style);
        page.line(&self.verdict(style));
        for reason in &self.incomplete_because {
            page.hanging(2, 4, &format!("- {}", printable(reason)));
        }
        page.gap();
        self.findings(&mut page);
        self.run(&mut page);
        self.seen(&mut page);
        self.proof(&mut page);
        for file in &self.files {
            let text = format!("{} ({})", printable(&file.path), human::bytes(file.bytes));
            page.field(&file.what, COLUMN, &text);
        }
        if self.exit_code != 0 {
            page.field("exit code", COLUMN, &self.exit_code.to_string());
        }
        self.steps(&mut page);
        let summary = page.finish();
        match &self.capabilities {
            Some(capabilities) => format!("{summary}\n{}", capabilities.to_text(style)),
            None => summary,
        }
    }

    /// The summary as one JSON object, with a newline at its end.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_else(|error| {
            // No map with keys that are no strings, no float that is not finite: cannot happen.
            format!("{{\"error\": \"the summary cannot be written: {error}\"}}")
        });
        text.push('\n');
        text
    }

    fn verdict(&self, style: Style) -> String {
        let mut text = format!(
            "{} in {}",
            human::counted(self.syscalls.distinct, "syscall", "syscalls"),
            human::ms(self.duration_ms),
        );
        // Complete is the run, and not what was seen of it.
        if self.unwatched_ms > 0 {
            let _ = write!(text, ", {} of that unwatched", human::ms(self.unwatched_ms));
        }
        let verdict = if self.complete { style.good("complete") } else { style.bad("INCOMPLETE") };
        format!("{}: {verdict}, {text}", printable(&self.name))
    }

    fn steps(&self, page: &mut Page) {
        if self.next.is_empty() {
            return;
        }
        page.gap();
        page.heading("Next");
        for (n, step) in self.next.iter().enumerate() {
            page.hanging(2, 5, &format!("{}. {}", n + 1, printable(&step.what)));
            for line in &step.copy {
                // As it is, however long: a command that is broken cannot be copied.
                page.line(&format!("     {}", printable(line)));
            }
        }
    }

    /// What must not be overlooked.
    fn findings(&self, page: &mut Page) {
        for counts in self.foreign() {
            page.alert(&counts.arch.to_string(), COLUMN, &counts.to_finding());
        }
        // Those of syscalls without a name among them.
        for warning in &self.warnings {
            page.alert("warning", COLUMN, &printable(warning));
        }
    }

    /// The architectures that are not the machine's.
    fn foreign(&self) -> impl Iterator<Item = &ArchCounts> {
        self.syscalls.per_arch.iter().filter(|counts| counts.arch != crate::arch::native::ARCH)
    }

    fn run(&self, page: &mut Page) {
        if !self.command.is_empty() {
            let command: Vec<String> = self.command.iter().map(|arg| quoted(arg)).collect();
            page.field_cut("command", COLUMN, &command.join(" "), COMMAND_LINES);
        }
        if !self.attached.is_empty() {
            let pids: Vec<String> = self.attached.iter().map(ToString::to_string).collect();
            let text = format!("{}; what it did before was not seen", pids.join(", "));
            page.alert("attached", COLUMN, &text);
        }
        page.field("ended", COLUMN, &printable(&self.ended));
        let processes = human::counted(self.processes, "process", "processes");
        let duration = human::ms(self.duration_ms);
        let settled = self.settled.filter(|settled| settled.installations > 0);
        let mut watched = match settled {
            // Not to be read as every call of the tree.
            None if self.processes_not_traced > 0 => format!(
                "{duration}, {processes}; {} more could not be traced",
                human::count(self.processes_not_traced)
            ),
            None => format!("{duration}, every call of {processes}"),
            Some(settled) => format!(
                "{duration}, {processes}; every call for {}, at other times news alone",
                human::ms(self.looked_ms.unwrap_or(settled.after_ms))
            ),
        };
        if self.unwatched_ms > 0 {
            let _ = write!(watched, " but for {} unwatched", human::ms(self.unwatched_ms));
        }
        if self.unwatched_ms > 0 || self.processes_not_traced > 0 {
            page.alert("watched", COLUMN, &watched);
        } else {
            page.field("watched", COLUMN, &watched);
        }
    }

    fn seen(&self, page: &mut Page) {
        let Counts { distinct, calls, .. } = &self.syscalls;
        let calls = human::counted(*calls, "call", "calls");
        let mut text = format!("{} distinct, {calls}", human::count(*distinct));
        let foreign: Vec<String> = self.foreign().map(ArchCounts::to_text).collect();
        if !foreign.is_empty() {
            let _ = write!(text, ", of which {}", foreign.join("; "));
        }
        page.field("syscalls", COLUMN, &text);
        if let Some(compared) = &self.compared {
            compared.write(page);
        }
    }

    fn proof(&self, page: &mut Page) {
        let CostSummary { stops, stopped_ns, longest_ns, percent_of_a_core } = self.cost;
        let mut text = format!(
            "{}, {} in all, longest {}",
            human::counted(stops, "stop", "stops"),
            human::ns(stopped_ns),
            human::ns(longest_ns),
        );
        if self.duration_ms >= SHARE_FROM_MS {
            let _ = write!(text, "; {percent_of_a_core:.2} % of a core");
        }
        page.field("cost", COLUMN, &text);
        let lost = human::count(self.books.lost);
        if self.books_balance && self.books.lost == 0 {
            page.field("lost", COLUMN, &format!("{lost}; the books balance"));
        } else {
            let balance =
                if self.books_balance { "the books balance" } else { "THE BOOKS DO NOT BALANCE" };
            page.alert("lost", COLUMN, &format!("{lost}; {balance}"));
        }
    }
}

impl ArchCounts {
    fn to_text(&self) -> String {
        let calls = human::counted(self.calls, "call", "calls");
        format!("{} {} in {calls}", human::count(self.distinct), self.arch)
    }

    fn to_finding(&self) -> String {
        let names: Vec<String> =
            self.names.iter().take(LISTED).map(|name| printable(name)).collect();
        let mut text = format!(
            "{} of another architecture: {}",
            human::counted(self.distinct, "syscall", "syscalls"),
            names.join(", ")
        );
        if let Some(more) = self.names.len().checked_sub(LISTED).filter(|more| *more > 0) {
            let _ = write!(text, " and {more} more");
        }
        text
    }
}

impl Compared {
    fn write(&self, page: &mut Page) {
        let with = printable(&self.with);
        if self.new.is_empty() {
            page.field("new", COLUMN, &format!("none, compared with {with}"));
        } else {
            let n = human::count(self.new.len() as u64);
            page.alert("new", COLUMN, &format!("{n}, compared with {with}:"));
            for new in self.new.iter().take(LISTED) {
                page.hanging(COLUMN, COLUMN + 2, &new.to_text());
            }
            if let Some(more) = self.new.len().checked_sub(LISTED).filter(|more| *more > 0) {
                page.paragraph(COLUMN, &format!("and {more} more"));
            }
        }
        if !self.not_seen.is_empty() {
            let names: Vec<String> = self.not_seen.iter().map(|s| named(s.arch, &s.name)).collect();
            let when =
                if self.watched_fully { "this time" } else { "this time, perhaps while unwatched" };
            page.field("not seen", COLUMN, &format!("{when}: {}", names.join(", ")));
        }
    }
}

impl NewSyscall {
    fn to_text(&self) -> String {
        let mut text = format!("{} at {}", named(self.arch, &self.name), human::ms(self.at_ms));
        match (&self.exe, &self.caller) {
            (Some(exe), Some(CodeAddress { module, offset })) if exe == module => {
                let _ = write!(text, " by {}+{offset:#x}", printable(exe));
            }
            (exe, caller) => {
                if let Some(exe) = exe {
                    let _ = write!(text, " by {}", printable(exe));
                }
                if let Some(CodeAddress { module, offset }) = caller {
                    let _ = write!(text, " from {}+{offset:#x}", printable(module));
                }
            }
        }
        text
    }
}

/// The name, with its architecture where that is not the machine's.
fn named(arch: Arch, name: &str) -> String {
    if arch == crate::arch::native::ARCH {
        printable(name)
    } else {
        format!("{} ({arch})", printable(name))
    }
}

/// An argument as a shell would need it.
pub fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=+,./:@%^".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        arg.to_owned()
    } else {
        format!("'{}'", printable(arg).replace('\'', r"'\''"))
    }
}
