//! From a run to its summary.

use std::collections::BTreeMap;

use crate::arch::Arch;
use crate::recording::{Decision, EndCause, ExitStatus, Format, Recording, Run, Stored, VERSION};
use crate::report::summary::{
    ArchCounts, Compared, CostSummary, Counts, KnownSyscall, NewSyscall, Step, Summary, Unnamed,
    WrittenFile, quoted,
};
use crate::report::{CapabilityReport, human};
use crate::syscall::SysNo;

/// In which order the files are told: what is used, what it follows from, what goes with it.
const ORDER: [&str; 3] = ["profile", "recording", "capabilities"];

/// The summary of a run. `stored` is what became of it, if anything was written.
pub fn summarize(
    name: &str,
    run: &Run,
    stored: Option<&Stored>,
    mut files: Vec<WrittenFile>,
    exit_code: u8,
) -> Summary {
    files.sort_by_key(|file| ORDER.iter().position(|what| *what == file.what));
    Summary {
        name: name.to_owned(),
        command: run.command.argv.clone(),
        attached: run.command.attached.iter().map(|process| process.pid).collect(),
        complete: run.complete,
        incomplete_because: run.incomplete_because.clone(),
        exit_code,
        duration_ms: run.duration_ms,
        mode: run.watch.mode,
        settled: run.watch.settled,
        looked_ms: run
            .watch
            .settled
            .map(|_| run.watch.looks.iter().map(|look| look.to_ms - look.from_ms).sum()),
        unwatched_ms: run.watch.gaps_total_ms,
        processes_not_traced: run.watch.processes_not_traced,
        processes: run.processes.len() as u64 + run.processes_not_listed,
        ended: ended(run),
        syscalls: counts(run),
        compared: stored.and_then(|stored| compared(run, stored)),
        unnamed: unnamed(run),
        files,
        cost: CostSummary::new(&run.cost, run.duration_ms),
        books: run.books.clone(),
        books_balance: run.books.balance(),
        warnings: run.warnings.clone(),
        next: next(run, stored),
        capabilities: Some(capabilities(name, run, stored)),
    }
}

/// What is printed must not contradict what is written: it is of all runs that are kept.
fn capabilities(name: &str, run: &Run, stored: Option<&Stored>) -> CapabilityReport {
    match stored {
        Some(stored) => CapabilityReport::new(&stored.recording),
        None => CapabilityReport::new(&Recording {
            format: Format::Recording,
            version: VERSION,
            name: name.to_owned(),
            redacted: false,
            runs: vec![run.clone()],
        }),
    }
}

fn counts(run: &Run) -> Counts {
    let mut per_arch: BTreeMap<Arch, ArchCounts> = BTreeMap::new();
    for syscall in &run.syscalls {
        let counts = per_arch.entry(syscall.arch).or_insert_with(|| ArchCounts {
            arch: syscall.arch,
            distinct: 0,
            calls: 0,
            names: Vec::new(),
        });
        counts.distinct += 1;
        counts.calls += syscall.count;
        let name = syscall.name.clone();
        counts.names.push(name.unwrap_or_else(|| format!("#{}", syscall.number)));
    }
    Counts {
        distinct: run.syscalls.len() as u64,
        calls: run.syscalls.iter().map(|s| s.count).sum(),
        per_arch: per_arch.into_values().collect(),
    }
}

fn compared(run: &Run, stored: &Stored) -> Option<Compared> {
    let change = stored.change.as_ref()?;
    let new = change.new.iter().filter_map(|no| {
        let syscall = run.syscalls.iter().find(|s| s.arch == no.arch && s.number == no.number)?;
        Some(NewSyscall {
            arch: no.arch,
            name: no.to_string(),
            exe: syscall.first.exe.clone(),
            caller: syscall.first.caller.clone(),
            at_ms: syscall.first.at_ms,
        })
    });
    let known = |no: &SysNo| KnownSyscall { arch: no.arch, name: no.to_string() };
    Some(Compared {
        with: compared_with(run, stored),
        new: new.collect(),
        not_seen: change.not_seen.iter().map(known).collect(),
        watched_fully: change.watched_fully,
    })
}

/// The recording that is there now has the earlier runs only if this one was added to them.
fn compared_with(run: &Run, stored: &Stored) -> String {
    match stored.decision {
        Decision::Replace => "what it replaced".to_owned(),
        Decision::Beside => "the recording that stays".to_owned(),
        Decision::Create | Decision::Merge => {
            let earlier = stored.recording.runs.iter().filter(|r| r.id != run.id).count();
            human::counted(earlier as u64, "earlier run", "earlier runs")
        }
    }
}

fn unnamed(run: &Run) -> Vec<Unnamed> {
    run.syscalls
        .iter()
        .filter(|s| s.name.is_none())
        .map(|s| Unnamed { arch: s.arch, number: s.number, count: s.count })
        .collect()
}

fn ended(run: &Run) -> String {
    let Some(ending) = &run.ending else { return "not yet".to_owned() };
    let status = match &ending.status {
        Some(ExitStatus::Code(code)) => format!("exited with status {code}"),
        Some(ExitStatus::Signal(signal)) => format!("killed by {signal}"),
        None => "ended".to_owned(),
    };
    let at = ending.by_itself_ms.map_or(String::new(), |ms| format!(" at {}", human::ms(ms)));
    let by_itself = match &ending.status {
        Some(ExitStatus::Signal(_)) => format!("{status}{at}, which we did not send"),
        _ => format!("{status}, by itself{at}"),
    };
    let after = ending.shutdown_ms.map_or(String::new(), |ms| {
        let time = human::ms(ms);
        match &ending.stop_signal {
            Some(signal) if signal.sent => format!(", {time} after we sent {}", signal.name),
            Some(signal) => format!(", {time} after {}", signal.name),
            None => String::new(),
        }
    });
    match ending.cause {
        EndCause::Detached => "let go; it runs on".to_owned(),
        EndCause::NotStarted => "was not started".to_owned(),
        EndCause::TracerLost => "the tracer was lost".to_owned(),
        EndCause::Killed if ending.by_itself_ms.is_some() => {
            format!("{by_itself}; what outlived it had to be killed")
        }
        EndCause::Killed => format!("{status}{after}; it had to be killed"),
        // The request was to others.
        EndCause::Exited | EndCause::Stopped
            if ending.by_itself_ms.is_some() && ending.stop_signal.is_some() =>
        {
            format!("{by_itself}; what outlived it ended{}", after.trim_start_matches(','))
        }
        EndCause::Exited => by_itself,
        EndCause::Stopped => format!("{status}{after}"),
    }
}

/// What to do now: first about what went wrong, then with the profile.
fn next(run: &Run, stored: Option<&Stored>) -> Vec<Step> {
    let mut steps = Vec::new();
    if !run.complete {
        steps.push(again(run));
    }
    let Some(stored) = stored else { return steps };
    if !stored.rebuild() {
        let what = format!(
            "This run is kept in {}; the profile and the recording of the complete runs are as \
             they were. Without --replace a run is added to them; with --replace --force it takes \
             their place, complete or not",
            stored.path.display()
        );
        steps.push(Step { what, copy: Vec::new() });
        return steps;
    }
    // Nobody should install what is known to lack something.
    if !run.complete {
        return steps;
    }
    if stored.recording.runs.iter().all(|run| run.syscalls.is_empty()) {
        let what = "Nothing was called while it was watched: trace for longer".to_owned();
        steps.push(Step { what, copy: Vec::new() });
        return steps;
    }
    if stored.recording.runs.iter().all(|run| !run.command.attached.is_empty()) {
        steps.push(from_launch(stored));
    } else if stored.recording.runs.iter().filter(|run| run.complete).count() == 1 {
        steps.push(in_other_circumstances(stored));
    }
    let file = format!("{}.json", stored.recording.name);
    let profile = stored.path.with_file_name(&file).display().to_string();
    let target = format!("/var/lib/kubelet/seccomp/profiles/{file}");
    steps.push(Step {
        what:
            "Try the profile with your container runtime (what the runtime itself calls before it \
               starts the program is not in it), then, on every machine of the cluster:"
                .to_owned(),
        copy: vec![format!("sudo install -D -m 644 {} {}", quoted(&profile), quoted(&target))],
    });
    steps.push(Step {
        what: "In the container's securityContext:".to_owned(),
        copy: vec![
            "seccompProfile:".to_owned(),
            "  type: Localhost".to_owned(),
            format!("  localhostProfile: {}", yaml(&format!("profiles/{file}"))),
        ],
    });
    steps
}

/// What to do where no run shows how the program starts.
fn from_launch(stored: &Stored) -> Step {
    let what = "Trace the program from its launch, too: no run shows its start, and under a \
                profile made of these it may not even start";
    Step { what: what.to_owned(), copy: vec![trace_line(stored)] }
}

/// What to do where one run is all that there is: another is never quite the same.
fn in_other_circumstances(stored: &Stored) -> Step {
    let what = "Trace it again in other circumstances (a restart, more load, other peers): some \
                calls depend on timing, and what this run did not call is not in the profile. Runs \
                of one name add up";
    Step { what: what.to_owned(), copy: vec![trace_line(stored)] }
}

/// The command line that adds a run of a command.
fn trace_line(stored: &Stored) -> String {
    let dir = stored.path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.map_or_else(|| ".".to_owned(), |dir| dir.display().to_string());
    let name = &stored.recording.name;
    format!("seccomp-gen trace -o {} --name {} -- COMMAND", quoted(&dir), quoted(name))
}

/// What to do about an incomplete run.
fn again(run: &Run) -> Step {
    let ending = run.ending.as_ref();
    let (cause, status) = (ending.map(|e| e.cause), ending.and_then(|e| e.status.as_ref()));
    let what = match (cause, status) {
        (Some(EndCause::Killed), _) => {
            "Trace again and let the program stop in order: give it longer (--stop-timeout), or \
             the signal that it stops on (--stop-signal)"
        }
        (Some(EndCause::Exited), Some(ExitStatus::Code(code))) if *code != 0 => {
            "See why the program failed, then trace again until it ends with status 0 or is asked \
             to stop"
        }
        (Some(EndCause::Exited), Some(ExitStatus::Signal(_))) => {
            "See what killed the program (a crash, out of memory, a filter), then trace again to \
             an end in order"
        }
        (Some(EndCause::TracerLost), _) => "Trace again to an end in order",
        _ if run.watch.processes_not_traced > 0 => {
            "Trace again when nothing keeps the others from being traced, or with --no-tree"
        }
        _ => "Trace again: what was missed cannot be told from this run",
    };
    Step { what: what.to_owned(), copy: Vec::new() }
}

/// A string as YAML needs it; JSON's is YAML's, too.
fn yaml(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_quoted_where_it_must_be() {
        assert_eq!(yaml("profiles/redis-server.json"), "profiles/redis-server.json");
        assert_eq!(yaml("profiles/a b: \"c\".json"), r#""profiles/a b: \"c\".json""#);
    }
}
