//! From a run to its summary.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::arch::Arch;
use crate::recording::{EndCause, ExitStatus, Recording, Run, Stored};
use crate::report::human;
use crate::report::summary::{
    ArchCounts, Compared, CostSummary, Counts, KnownSyscall, NewSyscall, Summary, Unnamed,
    WrittenFile,
};
use crate::syscall::SysNo;

/// The summary of a run. `stored` is what became of it, if anything was written.
pub fn summarize(
    name: &str,
    run: &Run,
    stored: Option<&Stored>,
    files: Vec<WrittenFile>,
    exit_code: u8,
) -> Summary {
    let books_balance = run.incomplete_because.iter().all(|why| !why.starts_with("the books"));
    Summary {
        name: name.to_owned(),
        command: run.command.argv.clone(),
        attached: run.command.attached.clone(),
        complete: run.complete,
        incomplete_because: run.incomplete_because.clone(),
        exit_code,
        duration_ms: run.duration_ms,
        mode: run.watch.mode,
        unwatched_ms: run.watch.gaps_total_ms,
        processes: run.processes.len() as u64 + run.processes_not_listed,
        ended: ended(run),
        syscalls: counts(run),
        compared: stored.and_then(|stored| compared(run, stored)),
        unnamed: unnamed(run),
        files,
        cost: CostSummary::new(&run.cost, run.duration_ms),
        books: run.books.clone(),
        books_balance,
        warnings: run.warnings.clone(),
        next: stored.map(next).unwrap_or_default(),
    }
}

fn counts(run: &Run) -> Counts {
    let mut per_arch: BTreeMap<Arch, (u64, u64)> = BTreeMap::new();
    for syscall in &run.syscalls {
        let (distinct, calls) = per_arch.entry(syscall.arch).or_default();
        *distinct += 1;
        *calls += syscall.count;
    }
    Counts {
        distinct: run.syscalls.len() as u64,
        calls: run.syscalls.iter().map(|s| s.count).sum(),
        per_arch: per_arch
            .into_iter()
            .map(|(arch, (distinct, calls))| ArchCounts { arch, distinct, calls })
            .collect(),
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
        earlier_runs: earlier_runs(&stored.recording, run),
        new: new.collect(),
        not_seen: change.not_seen.iter().map(known).collect(),
    })
}

fn earlier_runs(recording: &Recording, run: &Run) -> u64 {
    recording.runs.iter().filter(|r| r.id != run.id).count() as u64
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
    let after = ending.shutdown_ms.map_or(String::new(), |ms| {
        let time = human::ms(Duration::from_millis(ms).as_millis().try_into().unwrap_or(ms));
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
        EndCause::Killed => format!("{status}{after}; it had to be killed"),
        EndCause::Exited => format!("{status}, by itself"),
        EndCause::Stopped => format!("{status}{after}"),
    }
}

fn next(stored: &Stored) -> Vec<String> {
    if !stored.rebuild() {
        return vec![
            "the run is kept beside the recording; --force puts it in its place".to_owned(),
        ];
    }
    let profile = format!("{}.json", stored.recording.name);
    let mut dir = stored.path.clone();
    dir.set_file_name(&profile);
    vec![
        format!("cp {} /var/lib/kubelet/seccomp/profiles/", dir.display()),
        format!("seccompProfile: {{type: Localhost, localhostProfile: profiles/{profile}}}"),
    ]
}
