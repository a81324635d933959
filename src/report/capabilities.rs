//! The capability report: what every process held, and what was shown to be used.
//!
//! A pure function of a recording. It never says that a capability is needed because it was held.

mod groups;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::knowledge::capability as knowledge;
use crate::recording::{CredentialState, Credentials, Moment, Process, Recording, Run, StateIndex};
use crate::syscall::{Cap, CapSet, signal_from_name};

/// The version of the file format that this build writes.
pub const VERSION: u32 = 2;

/// What is said of a capability that was held and that no rule found in use.
pub const HELD_ONLY: &str = "held, not shown to be used";

/// The capability report of a recording: `*.capabilities.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapabilityReport {
    /// Tells this file from any other JSON.
    pub format: Format,
    /// The version of the format, [`VERSION`].
    pub version: u32,
    /// The name that the recording goes by.
    pub name: String,
    /// The runs that the report is of, those incomplete marked.
    pub runs: Vec<RunCapabilities>,
    /// Everything that any thread of any run held.
    pub union: Union,
    /// What was shown to be used, in order of number.
    pub used: Vec<Used>,
    /// What was held and not shown to be used, in order of number.
    pub held_only: Vec<HeldOnly>,
    /// What follows for a container.
    pub security_context: SecurityContext,
}

/// The constant by which a capability report is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Format {
    /// The one format there is.
    #[serde(rename = "seccomp-gen capabilities")]
    Capabilities,
}

/// What the processes of one run held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunCapabilities {
    /// The run's id.
    pub id: String,
    /// When it started.
    pub started_at: String,
    /// Whether it is complete. What an incomplete one shows holds; what it does not show may have
    /// been missed.
    pub complete: bool,
    /// How long nothing was watched.
    pub unwatched_ms: u64,
    /// Every distinct state that a thread was seen in, in order of first sight; also those of
    /// processes that are not listed.
    pub credential_states: Vec<State>,
    /// Its processes in order of birth.
    pub processes: Vec<ProcessCapabilities>,
    /// How many more there were, beyond the recording's bound.
    pub processes_not_listed: u64,
}

/// What one process held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessCapabilities {
    /// Its id.
    pub pid: i32,
    /// The last executable that it ran.
    pub exe: Option<String>,
    /// The states that its threads were seen in, in order of first sight.
    pub states: Vec<SeenState>,
}

/// That threads of a process were seen in a state, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeenState {
    /// The place of the state in [`RunCapabilities::credential_states`].
    pub state: StateIndex,
    /// The executable that the process ran when it was first seen so.
    pub exe: Option<String>,
    /// When and in which thread it was seen, up to a bound.
    pub moments: Vec<Moment>,
    /// How often it was seen in all.
    pub seen: u64,
}

/// A state, and what becomes in it of the signals that ask a program to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct State {
    /// The state itself.
    #[serde(flatten)]
    pub state: CredentialState,
    /// What becomes of a SIGTERM.
    pub traps_sigterm: Disposition,
    /// What becomes of a SIGINT.
    pub traps_sigint: Disposition,
}

/// What becomes of a signal.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// The process has a handler for it.
    Caught,
    /// It is ignored.
    Ignored,
    /// Neither, but the thread blocks it: perhaps waited for (`sigwait`, `signalfd`).
    Blocked,
    /// It ends the process.
    Default,
}

/// Everything that any thread held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Union {
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
    /// The users, by any of the four ids, sorted.
    pub users: Vec<u32>,
    /// The groups, by any of the four ids or as supplementary ones, sorted.
    pub groups: Vec<u32>,
    /// Whether any thread had no_new_privs.
    pub some_with_no_new_privs: bool,
    /// Whether any thread had not.
    pub some_without_no_new_privs: bool,
    /// Whether any thread was under a seccomp filter of its own or of its surroundings.
    pub some_under_seccomp: bool,
}

/// A capability that was shown to be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// Its name.
    pub capability: String,
    /// By what, sorted.
    pub evidence: Vec<Evidence>,
}

/// What showed that a capability was used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The rule that says so.
    pub rule: String,
    /// Where the rule comes from; absent for a rule that this version does not have.
    pub source: Option<String>,
    /// What was done.
    pub detail: String,
    /// The executable that did it.
    pub exe: String,
    /// How often, over all runs.
    pub count: u64,
}

/// A capability that was held and not shown to be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldOnly {
    /// Its name.
    pub capability: String,
    /// [`HELD_ONLY`].
    pub verdict: String,
    /// What of its use cannot be seen, and why; absent if the rules cover it.
    pub not_visible: Option<String>,
}

/// A suggestion for Kubernetes' `securityContext`, as far as capabilities go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityContext {
    /// The field of that name.
    pub capabilities: SuggestedCapabilities,
}

/// Which capabilities to drop and to add, by the names that Kubernetes has for them: without
/// `CAP_`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuggestedCapabilities {
    /// Always all.
    pub drop: Vec<String>,
    /// Those that were shown to be used.
    pub add: Vec<String>,
}

impl CapabilityReport {
    /// The report of everything that the recording shows.
    pub fn new(recording: &Recording) -> CapabilityReport {
        let used = used(&recording.runs);
        let held = union(&recording.runs);
        let short = |name: &str| name.strip_prefix("CAP_").unwrap_or(name).to_owned();
        let add = used.iter().map(|used| short(&used.capability)).collect();
        CapabilityReport {
            format: Format::Capabilities,
            version: VERSION,
            name: recording.name.clone(),
            runs: recording.runs.iter().map(run).collect(),
            held_only: held_only(held.permitted.union(held.effective), &used),
            union: held,
            used,
            security_context: SecurityContext {
                capabilities: SuggestedCapabilities { drop: vec!["ALL".to_owned()], add },
            },
        }
    }

    /// The report as JSON with a newline at its end; the same recording gives the same bytes.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }
}

fn run(run: &Run) -> RunCapabilities {
    RunCapabilities {
        id: run.id.clone(),
        started_at: run.started_at.clone(),
        complete: run.complete,
        unwatched_ms: run.watch.gaps_total_ms,
        credential_states: run.credential_states.iter().map(state).collect(),
        processes: run.processes.iter().map(process).collect(),
        processes_not_listed: run.processes_not_listed,
    }
}

fn state(state: &CredentialState) -> State {
    State {
        traps_sigterm: Disposition::of("SIGTERM", state),
        traps_sigint: Disposition::of("SIGINT", state),
        state: state.clone(),
    }
}

fn process(process: &Process) -> ProcessCapabilities {
    let states = process.credentials.iter().map(|Credentials { state, moments, seen }| SeenState {
        state: *state,
        exe: exe_at(process, moments.first()),
        moments: moments.clone(),
        seen: *seen,
    });
    ProcessCapabilities {
        pid: process.pid,
        exe: process.execs.last().map(|exec| exec.path.clone()),
        states: states.collect(),
    }
}

/// What the process ran at that moment.
fn exe_at(process: &Process, moment: Option<&Moment>) -> Option<String> {
    let at = moment.map_or(0, |moment| moment.at_ms);
    let before = process.execs.iter().rev().find(|exec| exec.at_ms <= at);
    before.or(process.execs.first()).map(|exec| exec.path.clone())
}

impl Disposition {
    /// Of a signal in a thread. A handler counts for more than the thread's mask: the signal of a
    /// process goes to any thread that does not block it.
    fn of(signal: &str, state: &CredentialState) -> Disposition {
        let number = signal_from_name(signal).unwrap_or(0);
        if state.signals_caught.contains(number) {
            Disposition::Caught
        } else if state.signals_ignored.contains(number) {
            Disposition::Ignored
        } else if state.signals_blocked.contains(number) {
            Disposition::Blocked
        } else {
            Disposition::Default
        }
    }
}

fn union(runs: &[Run]) -> Union {
    let mut all = Union::default();
    let (mut users, mut groups) = (BTreeSet::new(), BTreeSet::new());
    for state in runs.iter().flat_map(|run| &run.credential_states) {
        all.inheritable = all.inheritable.union(state.inheritable);
        all.permitted = all.permitted.union(state.permitted);
        all.effective = all.effective.union(state.effective);
        all.bounding = all.bounding.union(state.bounding);
        all.ambient = all.ambient.union(state.ambient);
        users.extend(state.uid);
        groups.extend(state.gid);
        groups.extend(&state.groups);
        all.some_with_no_new_privs |= state.no_new_privs;
        all.some_without_no_new_privs |= !state.no_new_privs;
        all.some_under_seccomp |= state.seccomp_mode != 0;
    }
    all.users = users.into_iter().collect();
    all.groups = groups.into_iter().collect();
    all
}

fn used(runs: &[Run]) -> Vec<Used> {
    // Keyed by the number first, so that the order is the kernel's; a name that is not known goes
    // last.
    let mut counts = BTreeMap::new();
    for found in runs.iter().flat_map(|run| &run.capability_evidence) {
        let number = Cap::from_name(&found.capability).map_or(u8::MAX, |cap| cap.0);
        let key = (number, &found.capability, &found.rule, &found.detail, &found.exe);
        let count: &mut u64 = counts.entry(key).or_default();
        *count = count.saturating_add(found.count);
    }
    let mut used: Vec<Used> = Vec::new();
    for ((_, capability, rule, detail, exe), count) in counts {
        let evidence = Evidence {
            rule: rule.clone(),
            source: knowledge::rule(rule).map(|rule| rule.source.to_owned()),
            detail: detail.clone(),
            exe: exe.clone(),
            count,
        };
        match used.last_mut() {
            Some(last) if last.capability == *capability => last.evidence.push(evidence),
            _ => used.push(Used { capability: capability.clone(), evidence: vec![evidence] }),
        }
    }
    used
}

fn held_only(held: CapSet, used: &[Used]) -> Vec<HeldOnly> {
    let is_used = |name: &str| used.iter().any(|used| used.capability == name);
    let held = held.iter().map(|cap| (cap, cap.to_string())).filter(|(_, name)| !is_used(name));
    held.map(|(cap, capability)| HeldOnly {
        capability,
        verdict: HELD_ONLY.to_owned(),
        not_visible: not_visible(cap),
    })
    .collect()
}

fn not_visible(cap: Cap) -> Option<String> {
    let reason = knowledge::not_shown(cap).map(|entry| entry.reason.to_owned());
    let unknown = || "this version has no rule for it".to_owned();
    reason.or_else(|| (!knowledge::with_rules().contains(cap)).then(unknown))
}
