//! The report for people.

use super::groups::{self, Group};
use super::{CapabilityReport, Disposition, HELD_ONLY, HeldOnly, Union, Used};
use crate::report::Style;
use crate::report::human;
use crate::report::layout::{Page, WIDTH, printable, shorten};
use crate::syscall::{Cap, CapSet};

/// Every capability that has a name.
const ALL: u64 = (1 << 41) - 1;
/// Up to how many are missing a set is written as `all but`.
const ALL_BUT: usize = 8;
/// The columns of the table: number of processes, executables, ids, no_new_privs, seccomp, SIGTERM.
/// SIGINT takes the rest.
const COLUMNS: [usize; 6] = [10, 24, 14, 5, 11, 9];

impl CapabilityReport {
    /// The readable table, 80 columns wide.
    pub fn to_text(&self, style: Style) -> String {
        let mut page = Page::new(style);
        let processes: usize = self.runs.iter().map(|run| run.processes.len()).sum();
        page.heading(&format!(
            "Capabilities of {}: {}, {}",
            printable(&self.name),
            human::counted(self.runs.len() as u64, "run", "runs"),
            human::counted(processes as u64, "process", "processes"),
        ));
        self.caveats(&mut page);
        page.gap();
        table(&mut page, &groups::of(self));
        page.gap();
        union(&mut page, &self.union);
        page.gap();
        shown(&mut page, &self.used);
        page.gap();
        held(&mut page, &self.held_only);
        page.gap();
        self.suggestion(&mut page);
        page.finish()
    }

    fn caveats(&self, page: &mut Page) {
        let incomplete = self.runs.iter().filter(|run| !run.complete).count() as u64;
        if incomplete > 0 {
            let runs = human::counted(incomplete, "run is", "runs are");
            page.paragraph(
                0,
                &format!("{runs} incomplete: what is not shown may have been missed."),
            );
        }
        let unwatched: u64 = self.runs.iter().map(|run| run.unwatched_ms).sum();
        if unwatched > 0 {
            page.paragraph(0, &format!("{} went unwatched.", human::ms(unwatched)));
        }
        let more: u64 = self.runs.iter().map(|run| run.processes_not_listed).sum();
        if more > 0 {
            let text = human::counted(more, "more process is", "more processes are");
            page.paragraph(0, &format!("{text} not listed in the recording."));
        }
    }

    fn suggestion(&self, page: &mut Page) {
        let quoted = |names: &[String]| {
            names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
        };
        let capabilities = &self.security_context.capabilities;
        page.heading("Suggestion: nothing but what was shown to be used");
        page.line("  securityContext:");
        page.line("    capabilities:");
        page.line(&format!("      drop: [{}]", quoted(&capabilities.drop)));
        page.hanging(6, 12, &format!("add: [{}]", quoted(&capabilities.add)));
    }
}

fn table(page: &mut Page, groups: &[Group<'_>]) {
    row(page, ["PROCESSES", "EXECUTABLE", "UID:GID", "NNP", "SECCOMP", "SIGTERM", "SIGINT"]);
    for group in groups {
        let state = &group.state.state;
        let uid_gid = format!("{}:{}", state.uid[1], state.gid[1]);
        row(
            page,
            [
                &human::count(group.processes),
                &executables(&group.exes),
                &uid_gid,
                if state.no_new_privs { "yes" } else { "no" },
                &seccomp(state.seccomp_mode, state.seccomp_filters),
                disposition(group.state.traps_sigterm),
                disposition(group.state.traps_sigint),
            ],
        );
        sets(
            page,
            12,
            [state.permitted, state.effective, state.inheritable, state.bounding, state.ambient],
        );
        let cut = uid_gid.chars().count() >= COLUMNS[2];
        ids(page, "uid", state.uid, cut);
        ids(page, "gid", state.gid, cut);
        if !state.groups.is_empty() {
            page.hanging(12, 14, &format!("groups: {}", list(&state.groups)));
        }
    }
}

/// The five sets; those that are equal share a line.
fn sets(page: &mut Page, indent: usize, sets: [CapSet; 5]) {
    let names = ["permitted", "effective", "inheritable", "bounding", "ambient"];
    for (n, set) in sets.iter().enumerate() {
        if !sets[..n].contains(set) {
            let same = names.iter().zip(sets).filter(|(_, other)| other == set);
            let same: Vec<&str> = same.map(|(name, _)| *name).collect();
            page.hanging(indent, indent + 2, &format!("{}: {}", same.join(", "), set_text(*set)));
        }
    }
}

fn union(page: &mut Page, all: &Union) {
    page.heading("All together");
    let held = [all.permitted, all.effective, all.inheritable, all.bounding, all.ambient];
    sets(page, 2, held);
    page.hanging(2, 4, &format!("users: {}; groups: {}", list(&all.users), list(&all.groups)));
    let no_new_privs = match (all.some_with_no_new_privs, all.some_without_no_new_privs) {
        (true, false) => "always",
        (true, true) => "some of the time",
        (false, _) => "never",
    };
    page.line(&format!("  no_new_privs: {no_new_privs}"));
}

fn list(ids: &[u32]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}

fn row(page: &mut Page, cells: [&str; 7]) {
    let mut line = format!("{:>9} ", cells[0]);
    for (width, cell) in COLUMNS.iter().zip(cells).skip(1) {
        let cell = shorten(cell, width - 1);
        line.push_str(&format!("{cell:width$}"));
    }
    line.push_str(cells[6]);
    debug_assert!(line.chars().count() <= WIDTH);
    page.line(line.trim_end());
}

/// The real, effective, saved and file system id, where they are not one and the same or were cut
/// in the row.
fn ids(page: &mut Page, name: &str, ids: [u32; 4], cut: bool) {
    let [real, effective, saved, fs] = ids;
    if cut || ids != [effective; 4] {
        page.hanging(
            12,
            14,
            &format!("{name}: real {real}, effective {effective}, saved {saved}, fs {fs}"),
        );
    }
}

/// The names of the files without their directories; `+2` for two more.
fn executables(exes: &[&str]) -> String {
    let width = COLUMNS[1] - 1;
    let mut names: Vec<String> = Vec::new();
    for exe in exes {
        let base = exe.rsplit('/').next().filter(|base| !base.is_empty()).unwrap_or(exe);
        let name = printable(base);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut text = names.join(", ");
    let mut kept = names.len();
    while text.chars().count() > width && kept > 1 {
        kept -= 1;
        text = format!("{} +{}", names[..kept].join(", "), names.len() - kept);
    }
    if text.is_empty() { "?".to_owned() } else { text }
}

fn seccomp(mode: u8, filters: Option<u32>) -> String {
    match (mode, filters) {
        (0, _) => "none".to_owned(),
        (1, _) => "strict".to_owned(),
        (2, Some(n)) => human::counted(u64::from(n), "filter", "filters"),
        (2, None) => "filter".to_owned(),
        (other, _) => format!("mode {other}"),
    }
}

fn disposition(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Caught => "caught",
        Disposition::Ignored => "ignored",
        Disposition::Blocked => "blocked",
        Disposition::Default => "default",
    }
}

/// `none`, `all (41)`, `all but CAP_SYS_ADMIN`, or the names.
fn set_text(set: CapSet) -> String {
    let names = |set: CapSet| set.iter().map(|c: Cap| c.to_string()).collect::<Vec<_>>().join(", ");
    let missing = CapSet(ALL & !set.0);
    if set.is_empty() {
        "none".to_owned()
    } else if missing.is_empty() {
        // A newer kernel's has more than have names here.
        format!("all ({})", set.0.count_ones())
    } else if missing.iter().count() <= ALL_BUT {
        format!("all but {}", names(missing))
    } else {
        names(set)
    }
}

fn shown(page: &mut Page, used: &[Used]) {
    page.heading("Shown to be used");
    if used.is_empty() {
        page.line("  none");
    }
    for used in used {
        page.line(&format!("  {}", used.capability));
        for evidence in &used.evidence {
            let source = match &evidence.source {
                Some(source) => format!("{}: {source}", evidence.rule),
                None => evidence.rule.clone(),
            };
            let text = format!(
                "{} by {}, {}",
                printable(&evidence.detail),
                printable(&evidence.exe),
                human::counted(evidence.count, "time", "times"),
            );
            page.hanging(4, 6, &text);
            page.hanging(6, 6, &format!("[{}]", printable(&source)));
        }
    }
}

fn held(page: &mut Page, held: &[HeldOnly]) {
    let (hidden, visible): (Vec<&HeldOnly>, Vec<&HeldOnly>) =
        held.iter().partition(|held| held.not_visible.is_some());
    let mut heading = HELD_ONLY.to_owned();
    heading.replace_range(..1, "H");
    page.heading(&heading);
    if held.is_empty() {
        page.line("  none");
    }
    if !visible.is_empty() {
        let names: Vec<&str> = visible.iter().map(|held| held.capability.as_str()).collect();
        page.paragraph(2, &names.join(", "));
    }
    if !hidden.is_empty() {
        page.line("  and these, of which some or every use cannot be seen:");
        for held in hidden {
            let reason = held.not_visible.as_deref().unwrap_or_default();
            page.hanging(2, 4, &format!("{}: {reason}", held.capability));
        }
    }
}
