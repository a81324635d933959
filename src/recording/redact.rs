//! Takes out of a recording what tells of the machine it was made on and of the people who use it,
//! so that it can be published. What was called, how often, by which file (by its name and
//! checksum) and with which result stays.

use std::collections::{BTreeMap, BTreeSet};

use nix::unistd::{User, getuid};

use super::merge;
use super::model::{
    Attached, CapabilityEvidence, Command, CredentialState, Executable, Module, Process, Recording,
    Run, Syscall,
};
use super::scrub::{self, REDACTED, Scrubber};

/// The names by which a machine and its user can be told from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    names: BTreeSet<String>,
}

impl Identity {
    /// Of these names.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Identity {
        Identity { names: names.into_iter().map(Into::into).collect() }
    }

    /// Of this machine, and of the user that we run for.
    pub fn here() -> Identity {
        let mut names = Vec::new();
        if let Ok(host) = nix::unistd::gethostname() {
            let host = host.to_string_lossy().into_owned();
            names.extend(host.split_once('.').map(|(short, _)| short.to_owned()));
            names.push(host);
        }
        if let Ok(Some(user)) = User::from_uid(getuid()) {
            names.push(user.name);
        }
        names.extend(["USER", "LOGNAME", "SUDO_USER"].iter().filter_map(|v| std::env::var(v).ok()));
        if let Ok(home) = std::env::var("HOME") {
            names.push(scrub::file_name(&home).to_owned());
        }
        Identity::new(names)
    }
}

/// Takes out of a recording what tells of the machine, whose host name and user are those of
/// [this one](Identity::here). Doing so twice changes nothing more.
pub fn redact(recording: Recording) -> Recording {
    redact_with(recording, &Identity::here())
}

/// The same for a recording that was made elsewhere.
pub fn redact_with(recording: Recording, identity: &Identity) -> Recording {
    let Recording { format, version, name, runs, .. } = recording;
    let runs = runs.into_iter().map(|run| redact_run(run, &name, identity));
    // Without the time of day, their order may be another one.
    let runs = merge::union(runs);
    Recording { format, version, name, redacted: true, runs }
}

fn redact_run(mut run: Run, recording_name: &str, identity: &Identity) -> Run {
    let names = identity.names.iter().cloned().chain(scrub::users_in(paths(&run)));
    let program = run.program.as_ref().map(|p| scrub::file_name(&p.path).to_owned());
    let public: Vec<&str> = program.as_deref().into_iter().chain([recording_name]).collect();
    let scrubber = Scrubber::new(names, &public, paths(&run).map(str::to_owned));
    let mut ids = Ids::new(&run.processes);

    run.host.kernel_release = mainline_release(&run.host.kernel_release);
    run.started_at = midnight(&run.started_at);
    run.ended_at = run.ended_at.as_deref().map(midnight);
    redact_command(&mut run.command, &scrubber, &mut ids);
    if let Some(program) = &mut run.program {
        redact_executable(program, &scrubber);
    }
    for text in run.incomplete_because.iter_mut().chain(&mut run.warnings) {
        *text = scrubber.text(text);
    }
    run.warnings.sort();
    run.warnings.dedup();
    if let Some(requested_by) = run.ending.as_mut().and_then(|e| e.requested_by.as_mut()) {
        *requested_by = scrubber.text(requested_by);
    }
    for phase in &mut run.phases {
        phase.name = scrubber.text(&phase.name);
    }
    for state in &mut run.credential_states {
        redact_state(state, &mut ids);
    }
    for (process, number) in run.processes.iter_mut().zip(1..) {
        redact_process(process, number, &scrubber, &mut ids);
    }
    for syscall in &mut run.syscalls {
        redact_syscall(syscall, &scrubber, &mut ids);
    }
    run.modules = redact_modules(run.modules, &scrubber);
    run.capability_evidence = redact_evidence(run.capability_evidence, &scrubber, &mut ids);
    run
}

/// Every path in a run, so that it is found in texts as well.
fn paths(run: &Run) -> impl Iterator<Item = &str> {
    let execs = run.processes.iter().flat_map(|p| &p.execs).map(|e| e.path.as_str());
    let modules = run.modules.iter().map(|m| m.path.as_str());
    let program = run.program.iter().map(|p| p.path.as_str());
    let sightings = run.syscalls.iter().filter_map(|s| s.first.exe.as_deref());
    let evidence = run.capability_evidence.iter().map(|e| e.exe.as_str());
    let attached = &run.command.attached;
    let arguments = attached.iter().flat_map(|a| &a.argv).chain(&run.command.argv);
    let arguments = arguments.map(String::as_str);
    let cwds = attached.iter().map(|a| &a.cwd).chain([&run.command.cwd]).flatten();
    let cwds = cwds.map(String::as_str);
    execs
        .chain(modules)
        .chain(program)
        .chain(sightings)
        .chain(evidence)
        .chain(arguments)
        .chain(cwds)
        .filter(|path| path.contains('/'))
}

/// `6.1.0-28-amd64` without what the distribution or cloud adds: `6.1.0`.
fn mainline_release(release: &str) -> String {
    let end = release.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(release.len());
    release[..end].split('.').take(3).collect::<Vec<_>>().join(".")
}

/// The beginning of the day of an RFC 3339 time.
fn midnight(time: &str) -> String {
    let date = time.get(..10).filter(|date| {
        date.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        })
    });
    format!("{}T00:00:00Z", date.unwrap_or("1970-01-01"))
}

/// A program may put into its thread's name whatever it likes: `sshd: user@host` is customary.
fn redact_comm(comm: &str, scrubber: &Scrubber) -> String {
    let customary = |c: char| c.is_ascii_alphanumeric() || "-_./:#() ".contains(c);
    if comm.chars().all(customary) { scrubber.names(comm) } else { REDACTED.to_owned() }
}

fn redact_command(command: &mut Command, scrubber: &Scrubber, ids: &mut Ids) {
    redact_argv(&mut command.argv, scrubber);
    command.cwd = None;
    for Attached { pid, argv, cwd } in &mut command.attached {
        *pid = ids.process(*pid, 0);
        redact_argv(argv, scrubber);
        *cwd = None;
    }
}

fn redact_argv(argv: &mut [String], scrubber: &Scrubber) {
    for (i, arg) in argv.iter_mut().enumerate() {
        *arg = if i == 0 { scrubber.file(arg) } else { scrubber.argument(arg) };
    }
}

fn redact_executable(executable: &mut Executable, scrubber: &Scrubber) {
    executable.path = scrubber.file(&executable.path);
    if let Some(interpreter) = &mut executable.interpreter {
        *interpreter = scrubber.file(interpreter);
    }
}

fn redact_state(state: &mut CredentialState, ids: &mut Ids) {
    for id in state.uid.iter_mut().chain(&mut state.gid).chain(&mut state.groups) {
        *id = ids.user_or_group(*id);
    }
}

fn redact_process(process: &mut Process, number: i32, scrubber: &Scrubber, ids: &mut Ids) {
    let (old, started) = (process.pid, process.started_ms);
    process.pid = number;
    process.parent = process.parent.map(|parent| ids.process(parent, started));
    process.comm = redact_comm(&process.comm, scrubber);
    for exec in &mut process.execs {
        exec.path = scrubber.file(&exec.path);
    }
    for moment in process.credentials.iter_mut().flat_map(|c| &mut c.moments) {
        moment.tid = ids.thread(moment.tid, old, process.pid);
    }
}

fn redact_syscall(syscall: &mut Syscall, scrubber: &Scrubber, ids: &mut Ids) {
    let first = &mut syscall.first;
    let old = first.pid;
    first.pid = ids.process(old, first.at_ms);
    first.tid = ids.thread(first.tid, old, first.pid);
    first.exe = first.exe.as_deref().map(|exe| scrubber.file(exe));
    first.comm = first.comm.as_deref().map(|comm| redact_comm(comm, scrubber));
    if let Some(caller) = &mut first.caller {
        caller.module = scrubber.file(&caller.module);
    }
    for value in syscall.arguments.iter_mut().flat_map(|a| &mut a.values) {
        value.text = scrubber.argument_text(&value.text);
    }
    for count in &mut syscall.phases {
        count.phase = scrubber.text(&count.phase);
    }
}

fn redact_modules(modules: Vec<Module>, scrubber: &Scrubber) -> Vec<Module> {
    // Two copies of one file are one now.
    let mut by_file: BTreeMap<(String, Option<String>), Module> = BTreeMap::new();
    for mut module in modules {
        module.path = scrubber.file(&module.path);
        by_file
            .entry((module.path.clone(), module.build_id.clone()))
            .and_modify(|there| {
                there.first_ms = there.first_ms.min(module.first_ms);
                there.loaded = there.loaded.min(module.loaded);
            })
            .or_insert(module);
    }
    by_file.into_values().collect()
}

/// The capabilities whose evidence names users and groups: `chown(owner 1001)`, `setuid(33)`.
const ABOUT_IDS: [&str; 3] = ["CAP_CHOWN", "CAP_SETGID", "CAP_SETUID"];

fn redact_evidence(
    evidence: Vec<CapabilityEvidence>,
    scrubber: &Scrubber,
    ids: &mut Ids,
) -> Vec<CapabilityEvidence> {
    // What differed in a path alone is one now.
    let mut by_text: BTreeMap<[String; 4], CapabilityEvidence> = BTreeMap::new();
    for mut one in evidence {
        one.detail = scrubber.argument_text(&one.detail);
        if ABOUT_IDS.contains(&one.capability.as_str()) {
            one.detail = scrub::map_numbers(&one.detail, |id| ids.user_or_group(id));
        }
        one.exe = scrubber.file(&one.exe);
        let key = [&one.capability, &one.rule, &one.detail, &one.exe].map(Clone::clone);
        by_text
            .entry(key)
            .and_modify(|there| {
                there.first_ms = there.first_ms.min(one.first_ms);
                there.count += one.count;
            })
            .or_insert(one);
    }
    let mut evidence: Vec<CapabilityEvidence> = by_text.into_values().collect();
    evidence.sort();
    evidence
}

/// Numbers in place of numbers: those of processes and threads in order of birth, from 1; those of
/// users and groups in order of first appearance, from 1000.
struct Ids {
    /// Pid, start and new number of each process. A pid may be used again.
    processes: Vec<(i32, u64, i32)>,
    /// Threads by their id and the number of their process, and processes that are not listed.
    others: BTreeMap<(i32, i32), i32>,
    users_and_groups: BTreeMap<u32, u32>,
}

impl Ids {
    /// Kept: root, and the kernel's overflow id (`nobody`), which are the same everywhere.
    const EVERYWHERE: [u32; 2] = [0, 65534];
    const FIRST_USER: u32 = 1000;

    fn new(processes: &[Process]) -> Ids {
        let numbered = processes.iter().zip(1..).map(|(p, n)| (p.pid, p.started_ms, n)).collect();
        Ids { processes: numbered, others: BTreeMap::new(), users_and_groups: BTreeMap::new() }
    }

    /// The number of the process that had this pid at that time.
    fn process(&mut self, pid: i32, at_ms: u64) -> i32 {
        let had_it = || self.processes.iter().filter(|(p, ..)| *p == pid);
        match had_it().rfind(|(_, started, _)| *started <= at_ms).or_else(|| had_it().next()) {
            Some((.., number)) => *number,
            None => self.other(pid, 0),
        }
    }

    /// The number of a thread; that of a leader is its process's.
    fn thread(&mut self, tid: i32, old_pid: i32, new_pid: i32) -> i32 {
        if tid == old_pid { new_pid } else { self.other(tid, new_pid) }
    }

    fn other(&mut self, id: i32, process: i32) -> i32 {
        let next = self.processes.len() + self.others.len() + 1;
        *self.others.entry((id, process)).or_insert(i32::try_from(next).unwrap_or(i32::MAX))
    }

    fn user_or_group(&mut self, id: u32) -> u32 {
        if Ids::EVERYWHERE.contains(&id) {
            return id;
        }
        let next = Ids::FIRST_USER + u32::try_from(self.users_and_groups.len()).unwrap_or(0);
        *self.users_and_groups.entry(id).or_insert(next)
    }
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
