//! The data model of `*.recording.json`.
//!
//! Times are milliseconds since the start of the run unless a field's name says otherwise. Lists
//! are sorted, so that the same evidence gives the same bytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::syscall::{CapSet, SignalSet};

/// The version of the file format that this build writes and reads.
pub const VERSION: u32 = 2;

/// One recording file: the evidence of one or more runs of the same program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Tells this file from any other JSON.
    pub format: Format,
    /// The version of the format, [`VERSION`].
    pub version: u32,
    /// The name that the recording, its profile and its reports go by: `polkadot`.
    pub name: String,
    /// Whether everything that tells of the machine (paths, host, users) was taken out.
    pub redacted: bool,
    /// The runs, sorted by start and then by [`Run::id`]; no two have the same id.
    pub runs: Vec<Run>,
}

/// The constant by which a recording is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Format {
    /// The one format there is.
    #[serde(rename = "seccomp-gen recording")]
    Recording,
}

/// What one run of the program showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// 32 random hexadecimal digits. The same run has the same id in its checkpoint, in the
    /// finished file and after every merge.
    pub id: String,
    /// Whether the run is all that it set out to be: the program ended as it was asked to or by
    /// itself with success, nothing was lost, and the books balance.
    pub complete: bool,
    /// Why the run is not complete; empty if it is.
    pub incomplete_because: Vec<String>,
    /// The tool that made the recording.
    pub tool: Tool,
    /// The machine it was made on.
    pub host: Host,
    /// What was run.
    pub command: Command,
    /// The first executable; of the first process where we attached.
    pub program: Option<Executable>,
    /// When the run started, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended; absent in a checkpoint.
    pub ended_at: Option<String>,
    /// How long it took so far, or in all.
    pub duration_ms: u64,
    /// How much of what happened was watched.
    pub watch: Watch,
    /// Whether any process came to us under a seccomp filter that is not ours. What such a filter
    /// denies is recorded, but the program has been taking its fallbacks.
    pub foreign_filter_at_start: bool,
    /// How the run ended; absent in a checkpoint.
    pub ending: Option<Ending>,
    /// The phases of the run in order of time.
    pub phases: Vec<Phase>,
    /// Every distinct state of capabilities, ids and signals that a thread was seen in, in order of
    /// first sight, up to a bound that `warnings` tells of; also those of processes that are not
    /// listed. As it would be without us.
    pub credential_states: Vec<CredentialState>,
    /// Every process, in order of birth, up to a bound.
    pub processes: Vec<Process>,
    /// How many more processes there were beyond the bound.
    pub processes_not_listed: u64,
    /// Every executable object that was mapped into any process, sorted by path.
    pub modules: Vec<Module>,
    /// Every syscall that was made, sorted by architecture and number.
    pub syscalls: Vec<Syscall>,
    /// What was seen that needs a capability, sorted.
    pub capability_evidence: Vec<CapabilityEvidence>,
    /// What the tracing cost the program.
    pub cost: Cost,
    /// The proof that nothing was missed.
    pub books: Books,
    /// What a reader must know to read this run rightly, sorted.
    pub warnings: Vec<String>,
}

impl Run {
    /// What the filter let through and this run never saw, so that nobody knows whether it was
    /// called: the third state of knowledge, beside seen and not seen while fully watched.
    pub fn let_through_unseen(&self) -> Vec<&str> {
        let seen = |name: &str| {
            self.syscalls
                .iter()
                .any(|s| s.arch == self.host.arch && s.name.as_deref() == Some(name))
        };
        self.watch.let_through.iter().map(String::as_str).filter(|name| !seen(name)).collect()
    }

    /// The state that stands there in [`Run::credential_states`]. There is always one in a
    /// recording that was [loaded](super::load).
    pub fn credential_state(&self, index: StateIndex) -> Option<&CredentialState> {
        self.credential_states.get(index.position())
    }
}

/// The tool that made a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// `seccomp-gen`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The machine that a run was made on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// `uname -r`.
    pub kernel_release: String,
    /// The native architecture.
    pub arch: Arch,
    /// How many CPUs the tracer may use (`sched_getaffinity(2)`).
    pub cpus: u32,
    /// What container the run was in, if it was recognised: `docker`, `kubernetes`, `lxc`, ...
    pub container: Option<String>,
}

/// What was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The command line with secrets masked; empty if we attached.
    pub argv: Vec<String>,
    /// The working directory; absent if we attached.
    pub cwd: Option<String>,
    /// The processes that we attached to; empty if we launched.
    pub attached: Vec<Attached>,
}

/// A process that we attached to, as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// Its id.
    pub pid: i32,
    /// Its command line (`/proc/PID/cmdline`), which a program may rewrite, with secrets masked;
    /// empty if it could not be read.
    pub argv: Vec<String>,
    /// Its working directory (`/proc/PID/cwd`).
    pub cwd: Option<String>,
}

/// An executable file as `goblin` and the file system tell of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Executable {
    /// Where it lies: from the root of the tracer, or, in another mount namespace, from that one's.
    pub path: String,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// The SHA-256 of the whole file in hexadecimal.
    pub sha256: Option<String>,
    /// The note `NT_GNU_BUILD_ID` in hexadecimal.
    pub build_id: Option<String>,
    /// The dynamic linker (`PT_INTERP`).
    pub interpreter: Option<String>,
    /// Whether it is linked statically.
    pub linkage: Option<Linkage>,
    /// The C library that it runs on.
    pub libc: Option<Libc>,
}

/// How an executable is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Linkage {
    /// No interpreter and no needed libraries.
    Static,
    /// Position-independent and static (`-static-pie`).
    StaticPie,
    /// Has an interpreter.
    Dynamic,
    /// A script, run by the interpreter in its first line.
    Script,
}

/// A C library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Libc {
    /// `glibc`, `musl`, `bionic`.
    pub flavour: String,
    /// Its release, if it can be told: `2.36`.
    pub version: Option<String>,
}

/// How much of the run was watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// How syscalls were heard of.
    pub mode: Mode,
    /// The times in which the program ran unwatched (`--max-share`), up to a bound.
    pub gaps: Vec<Gap>,
    /// The sum of all gaps, those beyond the bound included.
    pub gaps_total_ms: u64,
    /// How many processes were there when we attached, were to be traced, and could not be;
    /// `incomplete_because` names them.
    #[serde(default)]
    pub processes_not_traced: u64,
    /// In adaptive mode, the times in which every call stopped, up to a bound: that a syscall was not
    /// seen is a finding in these alone. In full mode there is but one such time, the whole run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<Look>,
    /// In adaptive mode, when full stops ended; absent if they never cost too much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// The syscalls that the filter let through, so that nobody watched them from then on: those that
    /// were seen before, and those of `--prior`. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub let_through: Vec<String>,
}

impl Watch {
    /// Of a run that has just begun.
    pub fn in_mode(mode: Mode) -> Watch {
        Watch {
            mode,
            gaps: Vec::new(),
            gaps_total_ms: 0,
            processes_not_traced: 0,
            looks: Vec::new(),
            settled: None,
            let_through: Vec::new(),
        }
    }
}

/// A time in which every call of every process stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// Where it begins.
    pub from_ms: u64,
    /// Where it ends.
    pub to_ms: u64,
}

/// The end of full stops in adaptive mode.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// When, since the start of the run.
    pub after_ms: u64,
    /// How many stops there had been.
    pub stops: u64,
    /// What they had cost the program, by estimate: our service, and what the kernel needs around it.
    pub cost_ns: u64,
    /// How many distinct syscalls had been seen.
    pub syscalls: u64,
    /// The estimated chance that the next call would have been one never seen before (Good-Turing:
    /// syscalls seen once, by calls).
    pub unseen_mass: f64,
    /// How many times a process was given a filter.
    pub installations: u64,
    /// How long the longest of these kept the thread that had to make it.
    pub longest_installation_ns: u64,
}

impl Eq for Settled {}

/// How syscalls are heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Every syscall stops twice: counts are exact.
    Full,
    /// As in full mode, until that has cost too much; from then on the program runs under a filter
    /// that lets through what was seen, and news stop.
    Adaptive,
}

/// A time in which nothing was watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Where it begins.
    pub from_ms: u64,
    /// Where it ends.
    pub to_ms: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// What ended it.
    pub cause: EndCause,
    /// What the launched process itself ended with; absent if we detached.
    pub status: Option<ExitStatus>,
    /// When the launched process ended, if that was by itself, before it was asked to. What is said
    /// below of a request then concerns the processes that outlived it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_itself_ms: Option<u64>,
    /// What asked the program to stop, if anything did: `SIGINT`, `--for`.
    pub requested_by: Option<String>,
    /// The signal that told the program to stop, and whether it had it from elsewhere (its
    /// terminal or process group) so that we sent none.
    pub stop_signal: Option<StopSignal>,
    /// From the request to the end of the last process.
    pub shutdown_ms: Option<u64>,
}

/// What ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// The program ended by itself; if with an error, then even where processes that outlived it
    /// were stopped.
    Exited,
    /// It, or what outlived it when it had ended well, ended after it was asked to.
    Stopped,
    /// It was asked to stop, did not, and was killed.
    Killed,
    /// We let go of processes that run on.
    Detached,
    /// The program could not be started.
    NotStarted,
    /// The tracer was lost; the run was recovered from its checkpoint.
    TracerLost,
}

/// The signal by which the program was told to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopSignal {
    /// Its name: `SIGTERM`.
    pub name: String,
    /// False if the program was seen to have it already, so that none was sent.
    pub sent: bool,
}

/// What a process or thread ended with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// `_exit(2)`'s argument.
    Code(i32),
    /// The name of the signal that killed it.
    Signal(String),
}

/// A phase of a run: `startup`, `sync`, `steady`, `shutdown` or a name of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub from_ms: u64,
    /// Where it ends; absent while it lasts.
    pub to_ms: Option<u64>,
}

/// A process (thread group) of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Its id in the tracer's pid namespace.
    pub pid: i32,
    /// The process that made it, if it is of this tree.
    pub parent: Option<i32>,
    /// When it was first seen.
    pub started_ms: u64,
    /// When its last thread was gone.
    pub ended_ms: Option<u64>,
    /// What it ended with.
    pub status: Option<ExitStatus>,
    /// The executables that it ran, in order, up to a bound, the last one always: the first is its
    /// parent's where it was forked.
    pub execs: Vec<Exec>,
    /// The name of its leader (`/proc/PID/comm`) when last looked at.
    pub comm: String,
    /// The most threads that it had at one time.
    pub threads_peak: u32,
    /// The states of capabilities, ids and signals that its threads were seen in, in order of first
    /// sight, up to a bound that `warnings` tells of.
    pub credentials: Vec<Credentials>,
}

/// An executable that a process ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// When.
    pub at_ms: u64,
    /// `/proc/PID/exe`.
    pub path: String,
    /// False for what the process had from its parent, or ran before we attached.
    pub observed: bool,
}

/// That threads of a process were seen in a state of credentials, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Which state.
    pub state: StateIndex,
    /// When and in which thread it was seen, the first times up to a bound.
    pub moments: Vec<Moment>,
    /// How often it was seen in all.
    pub seen: u64,
}

/// A place in [`Run::credential_states`], counted from 0.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct StateIndex(pub u32);

impl StateIndex {
    /// The same as an index of a list.
    pub fn position(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Capabilities, ids, seccomp state and signals of a thread, as `/proc/PID/status` shows them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialState {
    /// `CapInh`.
    pub inheritable: CapSet,
    /// `CapPrm`.
    pub permitted: CapSet,
    /// `CapEff`.
    pub effective: CapSet,
    /// `CapBnd`.
    pub bounding: CapSet,
    /// `CapAmb`.
    pub ambient: CapSet,
    /// `NoNewPrivs`.
    pub no_new_privs: bool,
    /// `Seccomp`: 0 none, 1 strict, 2 filter.
    pub seccomp_mode: u8,
    /// `Seccomp_filters` (Linux 5.9); absent on older kernels.
    pub seccomp_filters: Option<u32>,
    /// `Uid`: real, effective, saved, file system.
    pub uid: [u32; 4],
    /// `Gid`: real, effective, saved, file system.
    pub gid: [u32; 4],
    /// `Groups`.
    pub groups: Vec<u32>,
    /// `SigCgt`: signals with a handler.
    pub signals_caught: SignalSet,
    /// `SigIgn`.
    pub signals_ignored: SignalSet,
    /// `SigBlk`, of the thread.
    pub signals_blocked: SignalSet,
}

/// When a state of credentials was looked at, and in which thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// When.
    pub at_ms: u64,
    /// The thread.
    pub tid: i32,
    /// What made us look.
    pub occasion: Occasion,
}

/// What made us look at a thread's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// We attached to it.
    Attach,
    /// It was born.
    Birth,
    /// It executed a program.
    Exec,
    /// A syscall that changes credentials succeeded.
    Change,
    /// The run was asked to stop.
    StopRequest,
    /// It ended, or we let it go.
    End,
}

/// An executable object that was mapped into a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// Its path as `/proc/PID/maps` shows it: from the root of the tracer, or, in another mount
    /// namespace, from that one's.
    pub path: String,
    /// Its `NT_GNU_BUILD_ID` in hexadecimal, if it has one and the file could be read: not where
    /// another one has taken its place since it was mapped.
    pub build_id: Option<String>,
    /// When it was first mapped.
    pub first_ms: u64,
    /// Whether it came with an exec or an attach, or only later (plug-ins, NSS, gconv).
    pub loaded: Loaded,
}

/// When in a program's life an object was mapped.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Loaded {
    /// By execve(2) or by the dynamic linker before the program's own code ran, or there already
    /// when we attached.
    AtStart,
    /// Later.
    Later,
}

/// All that is known of one syscall of one architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Syscall {
    /// The architecture by whose table it was called.
    pub arch: Arch,
    /// Its number there; the bit 0x40000000 is not part of an x32 number.
    pub number: i64,
    /// Its name; absent for numbers that no table knows.
    pub name: Option<String>,
    /// How often it was called.
    pub count: u64,
    /// Whether the count is exact.
    pub counted: Counted,
    /// The first time it was seen.
    pub first: Sighting,
    /// How often it returned without an error.
    pub succeeded: u64,
    /// How often it was interrupted and restarted by the kernel (ERESTARTSYS and its kin).
    pub restarted: u64,
    /// How often it never returned: exit, a successful execve of another thread, death.
    pub unfinished: u64,
    /// How many were let go on without waiting for their result (adaptive mode).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unwatched: u64,
    /// The errors that it returned, sorted by number.
    pub errnos: Vec<ErrnoCount>,
    /// The distinct values of the tracked arguments.
    pub arguments: Vec<ArgumentValues>,
    /// How often it was called in each phase that it was called in.
    pub phases: Vec<PhaseCount>,
}

/// Whether a count is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Every call was counted.
    Exactly,
    /// There may have been more, unwatched.
    AtLeast,
}

/// Where a syscall was first seen. The execve(2) that starts the program has no executable, name or
/// caller: it is made by the tracer's own code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sighting {
    /// When.
    pub at_ms: u64,
    /// The process.
    pub pid: i32,
    /// The thread.
    pub tid: i32,
    /// The executable of the process.
    pub exe: Option<String>,
    /// The name of the thread (`/proc/PID/task/TID/comm`).
    pub comm: Option<String>,
    /// The code that made the call.
    pub caller: Option<CodeAddress>,
}

/// An address in code that a reader can find again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeAddress {
    /// The path of the mapped object, `[vdso]`, or `[anonymous]` for code without a file.
    pub module: String,
    /// The offset in that file (from the start of the mapping for `[anonymous]`).
    pub offset: u64,
}

/// How often an error was returned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrnoCount {
    /// Its name: `ENOENT`.
    pub name: String,
    /// Its number.
    pub number: i32,
    /// How often.
    pub count: u64,
}

/// The distinct values that one tracked argument, or a pair that belongs together, was seen with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArgumentValues {
    /// What it is: `domain+type`, `request`, `flags`.
    pub name: String,
    /// The values, sorted by their numbers.
    pub values: Vec<ArgumentValue>,
    /// How many calls pointed to memory that could not be read: a bad pointer, which the kernel
    /// answers with EFAULT, or a process that may not be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: u64,
    /// Whether there were more values than are kept.
    pub and_more: bool,
}

/// One value of a tracked argument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArgumentValue {
    /// The numbers as they stood in the registers or in memory, one per argument of the pair.
    pub raw: Vec<u64>,
    /// The same in words: `AF_INET, SOCK_STREAM|SOCK_CLOEXEC`.
    pub text: String,
    /// How often.
    pub count: u64,
}

/// How often a syscall was called in a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseCount {
    /// The phase's name.
    pub phase: String,
    /// How often.
    pub count: u64,
}

/// A syscall that succeeded and that, with these arguments, needs a capability.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapabilityEvidence {
    /// The capability: `CAP_NET_BIND_SERVICE`.
    pub capability: String,
    /// The rule of `knowledge::capability` that says so.
    pub rule: String,
    /// What was seen: `bind(port 80)`.
    pub detail: String,
    /// The executable that did it.
    pub exe: String,
    /// When it was first seen.
    pub first_ms: u64,
    /// How often.
    pub count: u64,
}

/// What the tracing cost the program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// How often a thread stood stopped for us.
    pub stops: u64,
    /// How long threads stood stopped in all: our service, from the moment that we heard of a stop
    /// until we let the thread go on. What the kernel needs before and after (5 to 40 us a stop, to
    /// wake us and the thread) is not in it.
    pub stopped_ns: u64,
    /// The longest single stop.
    pub longest_ns: u64,
    /// The stops by duration; a bucket's bound is a power of two, empty ones are left out.
    pub histogram: Vec<Bucket>,
}

/// How many stops took less than a bound and no less than half of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// The bound.
    pub below_ns: u64,
    /// How many.
    pub stops: u64,
}

/// The accounting by which a run proves that nothing was missed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Books {
    /// Syscall-enter-stops.
    pub enters: u64,
    /// Syscall-exit-stops.
    pub exits: u64,
    /// Enters that death, exec, a gap or our letting go closed in place of an exit-stop.
    pub enters_closed_otherwise: u64,
    /// Syscalls that were under way when we came: exit-stops without an enter.
    pub exits_of_calls_under_way: u64,
    /// Threads that were born, launched or attached to.
    pub threads_born: u64,
    /// Threads that ended, or were let go.
    pub threads_gone: u64,
    /// Stops heard of.
    pub stops: u64,
    /// Stops ended by a resume, a detach or the thread's death.
    pub stops_ended: u64,
    /// Threads whose birth their parent's event announced but that never showed up, or that
    /// showed up and were never announced although their parent lived.
    pub births_unexplained: u64,
    /// What is known to be lost. Zero in every complete run.
    pub lost: u64,
}

/// For fields that say something only if something happened.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
