//! The report for people.

use super::groups::{self, Change, Course, Group};
use super::{CapabilityReport, Disposition, HELD_ONLY, HeldOnly, Union, Used};
use crate::recording::CredentialState;
use crate::report::Style;
use crate::report::human;
use crate::report::layout::{Page, WIDTH, printable, shorten};
use crate::syscall::{Cap, CapSet};

/// Every capability that has a name.
const ALL: u64 = (1 << 41) - 1;
/// Up to how many are missing a set is written as `all but`.
const ALL_BUT: usize = 8;
/// The columns of the table: number of processes, executables, ids, no_new_privs. Seccomp takes the
/// rest.
const COLUMNS: [usize; 4] = [10, 36, 16, 5];
/// The indent of what stands below a row.
const INDENT: usize = 12;
/// How many changes, and how many ways to treat signals, are told before the rest is only counted.
const LISTED: usize = 10;

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
        let groups = groups::of(self);
        table(&mut page, &groups);
        changes(&mut page, style, &groups::changes(self, difference));
        if groups.len() > 1 || !groups::show_all(&groups, self) {
            union(&mut page, &self.union);
        }
        page.gap();
        shown(&mut page, style, &self.used);
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
        if !capabilities.add.is_empty() {
            page.hanging(6, 12, &format!("add: [{}]", quoted(&capabilities.add)));
        }
    }
}

fn table(page: &mut Page, groups: &[Group<'_>]) {
    row(page, ["PROCESSES", "EXECUTABLE", "UID:GID", "NNP", "SECCOMP"]);
    let mut before = None;
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
                &seccomp(state),
            ],
        );
        let held = groups::sets(state);
        if before.replace(held) == Some(held) {
            page.paragraph(INDENT, "capabilities: as above");
        } else {
            sets(page, INDENT, held);
        }
        let cut = uid_gid.chars().count() >= COLUMNS[2];
        ids(page, "uid", state.uid, cut);
        ids(page, "gid", state.gid, cut);
        if !state.groups.is_empty() {
            page.hanging(INDENT, INDENT + 2, &format!("groups: {}", list(&state.groups)));
        }
        signals(page, group);
    }
}

/// What becomes of SIGTERM and SIGINT; with numbers of processes where they are not all alike.
fn signals(page: &mut Page, group: &Group<'_>) {
    let mut kinds: Vec<(String, u64)> = Vec::new();
    for ([term, int], processes) in &group.signals {
        let text = if term == int {
            format!("SIGTERM and SIGINT {}", course(term))
        } else {
            format!("SIGTERM {}; SIGINT {}", course(term), course(int))
        };
        kinds.push((text, *processes));
    }
    kinds.sort_by_key(|(_, processes)| std::cmp::Reverse(*processes));
    if let [(only, _)] = kinds.as_slice() {
        page.hanging(INDENT, INDENT + 2, only);
        return;
    }
    for (text, processes) in kinds.iter().take(LISTED) {
        page.hanging(INDENT, INDENT + 2, &format!("{} of them: {text}", human::count(*processes)));
    }
    and_more(page, INDENT, kinds.len());
}

fn and_more(page: &mut Page, indent: usize, all: usize) {
    if let Some(more) = all.checked_sub(LISTED).filter(|more| *more > 0) {
        page.paragraph(indent, &format!("and {more} more, which the file has"));
    }
}

fn course(course: &Course) -> String {
    match course {
        Course::Always(always) => disposition(*always).to_owned(),
        Course::Then(first, then) => {
            format!("{}, then {}", disposition(*first), disposition(*then))
        }
        Course::Varies { last, others } => {
            let others: Vec<&str> = others.iter().map(|one| disposition(*one)).collect();
            format!("{} in the end, at other times {}", disposition(*last), others.join(" or "))
        }
    }
}

/// Who changed its rights, how and when: what a table of states does not tell.
fn changes(page: &mut Page, style: Style, changes: &[Change<'_>]) {
    if changes.is_empty() {
        return;
    }
    page.gap();
    page.heading(&style.warning("Changed while it ran"));
    for change in changes.iter().take(LISTED) {
        let exe = executables(&Vec::from_iter(change.exe));
        let who = match change.processes {
            1 => exe,
            n => format!("{exe} ({} processes)", human::count(n)),
        };
        let text = format!("at {} {who}: {}", human::ms(change.at_ms), change.what);
        page.hanging(2, 4, &text);
    }
    and_more(page, 2, changes.len());
}

fn difference(from: &CredentialState, to: &CredentialState) -> String {
    let mut all = Vec::new();
    for (name, from, to) in [("uid", from.uid, to.uid), ("gid", from.gid, to.gid)] {
        let text = |ids: [u32; 4]| match ids {
            [real, effective, saved, fs] if ids != [real; 4] => {
                format!("{real}/{effective}/{saved}/{fs}")
            }
            [id, ..] => id.to_string(),
        };
        if from != to {
            all.push(format!("{name} {} -> {}", text(from), text(to)));
        }
    }
    if from.groups != to.groups {
        all.push(format!("groups {} -> {}", list(&from.groups), list(&to.groups)));
    }
    if from.no_new_privs != to.no_new_privs {
        all.push("no_new_privs set".to_owned());
    }
    if seccomp(from) != seccomp(to) {
        all.push(format!("seccomp {} -> {}", seccomp(from), seccomp(to)));
    }
    let names = ["permitted", "effective", "inheritable", "bounding", "ambient"];
    let (before, after) = (groups::sets(from), groups::sets(to));
    let mut sets: Vec<(Vec<&str>, String)> = Vec::new();
    for (name, (before, after)) in names.iter().zip(before.into_iter().zip(after)) {
        if before == after {
            continue;
        }
        let text = moved(before, after);
        match sets.iter_mut().find(|(_, known)| *known == text) {
            Some((names, _)) => names.push(name),
            None => sets.push((vec![name], text)),
        }
    }
    all.extend(sets.iter().map(|(names, text)| format!("{} {text}", names.join(", "))));
    all.join("; ")
}

/// How a set became another: by names where there are few.
fn moved(from: CapSet, to: CapSet) -> String {
    let (lost, gained) = (CapSet(from.0 & !to.0), CapSet(to.0 & !from.0));
    if lost.0.count_ones() + gained.0.count_ones() > 3 {
        let size = |set: CapSet| {
            if set.is_empty() { "none".into() } else { set.0.count_ones().to_string() }
        };
        return format!("{} -> {}", size(from), size(to));
    }
    let with =
        |sign: char, set: CapSet| set.iter().map(|cap| format!("{sign}{cap}")).collect::<Vec<_>>();
    [with('-', lost), with('+', gained)].concat().join(" ")
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
    page.gap();
    page.heading("All together");
    let held = [all.permitted, all.effective, all.inheritable, all.bounding, all.ambient];
    sets(page, 2, held);
    let no_new_privs = match (all.some_with_no_new_privs, all.some_without_no_new_privs) {
        (true, false) => "always",
        (true, true) => "some of the time",
        (false, _) => "never",
    };
    let text = format!(
        "users: {}; groups: {}; no_new_privs: {no_new_privs}",
        list(&all.users),
        list(&all.groups)
    );
    page.hanging(2, 4, &text);
}

fn list(ids: &[u32]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}

fn row(page: &mut Page, cells: [&str; 5]) {
    let mut line = format!("{:>9} ", cells[0]);
    for (width, cell) in COLUMNS.iter().zip(cells).skip(1) {
        let cell = shorten(cell, width - 1);
        line.push_str(&format!("{cell:width$}"));
    }
    line.push_str(cells[4]);
    debug_assert!(line.chars().count() <= WIDTH);
    page.line(line.trim_end());
}

/// The real, effective, saved and file system id, where they are not one and the same or were cut
/// in the row.
fn ids(page: &mut Page, name: &str, ids: [u32; 4], cut: bool) {
    let [real, effective, saved, fs] = ids;
    if cut || ids != [effective; 4] {
        page.hanging(
            INDENT,
            INDENT + 2,
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

fn seccomp(state: &CredentialState) -> String {
    match (state.seccomp_mode, state.seccomp_filters) {
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

fn shown(page: &mut Page, style: Style, used: &[Used]) {
    if used.is_empty() {
        page.heading("Shown to be used: none");
        return;
    }
    page.heading("Shown to be used");
    for used in used {
        page.line(&format!("  {}", style.warning(&printable(&used.capability))));
        for evidence in &used.evidence {
            let text = format!(
                "{} by {}, {} [{}]",
                printable(&evidence.detail),
                printable(&evidence.exe),
                human::counted(evidence.count, "time", "times"),
                printable(&evidence.rule),
            );
            page.hanging(4, 6, &text);
        }
    }
}

fn held(page: &mut Page, held: &[HeldOnly]) {
    let mut heading = HELD_ONLY.to_owned();
    heading.replace_range(..1, "H");
    if held.is_empty() {
        page.heading(&format!("{heading}: none"));
        return;
    }
    let hidden = held.iter().any(|held| held.not_visible.is_some());
    page.heading(&format!("{heading}: {} (without their CAP_)", held.len()));
    let names: Vec<String> = held
        .iter()
        .map(|held| {
            let mark = if held.not_visible.is_some() { "*" } else { "" };
            let name = printable(&held.capability);
            format!("{}{mark}", name.strip_prefix("CAP_").unwrap_or(&name))
        })
        .collect();
    page.paragraph(2, &names.join(", "));
    if hidden {
        page.line("  * may be in use all the same: not every use shows in arguments (file: why)");
    }
}
