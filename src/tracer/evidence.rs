//! Calls that succeeded and that, with their arguments, need a capability.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::thread::Call;
use super::tree::Process;
use crate::knowledge::capability;
use crate::proc::{host, own_pid, tree as proc_tree};
use crate::recording::{CapabilityEvidence, CredentialState};

/// How many distinct pieces of evidence are kept.
const MAX_EVIDENCE: usize = 1024;

/// How many of them by one rule: a server that gives files to thousands of owners shows nothing new
/// with each.
const MAX_PER_RULE: usize = 64;

/// Capability, rule, detail and executable.
type Key = (String, &'static str, String, String);

/// When it was first seen, and how often.
type Count = (u64, u64);

/// All evidence so far.
#[derive(Debug)]
pub struct Evidence {
    found: BTreeMap<Arc<Key>, Count>,
    unprivileged_port_start: u16,
    own_user_ns: Option<u64>,
}

impl Evidence {
    /// None yet.
    pub fn new() -> Evidence {
        Evidence {
            found: BTreeMap::new(),
            unprivileged_port_start: u16::try_from(host::ip_unprivileged_port_start())
                .unwrap_or(u16::MAX),
            own_user_ns: proc_tree::user_ns(own_pid()).ok(),
        }
    }

    /// A call has succeeded; `caller` is what the thread held before it.
    pub fn weigh(
        &mut self,
        pid: i32,
        process: &Process,
        call: &Call,
        caller: &CredentialState,
        now_ms: u64,
    ) {
        let Some(name) = call.no.name() else { return };
        let found = capability::evidence(&capability::Call {
            name,
            arch: call.no.arch,
            args: call.args,
            address: call.entered.address,
            clone_flags: call.entered.clone_flags,
            caller,
            unprivileged_port_start: self.unprivileged_port_start,
        });
        // In a user namespace of its own a process holds capabilities that say nothing of those
        // that its container must be given (user_namespaces(7)).
        if found.is_empty() || proc_tree::user_ns(pid).ok() != self.own_user_ns {
            return;
        }
        let exe = process.exe().unwrap_or_default();
        for one in found {
            let key = (one.capability.to_string(), one.rule, one.detail, exe.to_owned());
            let of_rule = self.found.keys().filter(|known| known.1 == key.1).count();
            let full = self.found.len() >= MAX_EVIDENCE || of_rule >= MAX_PER_RULE;
            if let Some((_, count)) = self.found.get_mut(&key) {
                *count += 1;
            } else if !full {
                self.found.insert(Arc::new(key), (now_ms, 1));
            }
        }
    }

    /// What was found, as it stands.
    pub fn found(&self) -> Found {
        Found(self.found.iter().map(|(key, count)| (Arc::clone(key), *count)).collect())
    }
}

/// All evidence at one moment, sorted.
#[derive(Debug)]
pub struct Found(Vec<(Arc<Key>, Count)>);

impl Found {
    /// The recording's section.
    pub fn to_list(&self) -> Vec<CapabilityEvidence> {
        let to_evidence = |(key, (first_ms, count)): &(Arc<Key>, Count)| {
            let (capability, rule, detail, exe) = key.as_ref();
            CapabilityEvidence {
                capability: capability.clone(),
                rule: (*rule).to_owned(),
                detail: detail.clone(),
                exe: exe.clone(),
                first_ms: *first_ms,
                count: *count,
            }
        };
        self.0.iter().map(to_evidence).collect()
    }
}
