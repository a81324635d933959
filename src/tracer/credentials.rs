//! The credentials of threads, each distinct state kept once per process.

use std::sync::Arc;

use super::tree::Process;
use crate::proc::ThreadStatus;
use crate::recording::{CredentialState, Credentials, Moment};

/// How many distinct states are kept per process, and how many moments per state. The last moment
/// is always kept.
const MAX_STATES: usize = 64;
const MAX_MOMENTS: usize = 8;

/// The state that `/proc/TID/status` shows.
pub fn state_of(status: &ThreadStatus) -> CredentialState {
    CredentialState {
        inheritable: status.cap_inh,
        permitted: status.cap_prm,
        effective: status.cap_eff,
        bounding: status.cap_bnd,
        ambient: status.cap_amb,
        no_new_privs: status.no_new_privs,
        seccomp_mode: status.seccomp_mode,
        seccomp_filters: status.seccomp_filters,
        uid: status.uid,
        gid: status.gid,
        groups: status.groups.clone(),
        signals_caught: status.sig_cgt,
        signals_ignored: status.sig_ign,
        signals_blocked: status.sig_blk,
    }
}

/// Notes a state of one of the process's threads.
pub fn note(process: &mut Process, state: &Arc<CredentialState>, moment: Moment) {
    let room = process.credentials.len() < MAX_STATES;
    match process.credentials.iter_mut().find(|c| c.state == **state) {
        Some(credentials) => {
            credentials.seen += 1;
            if credentials.moments.len() == MAX_MOMENTS {
                credentials.moments.pop();
            }
            credentials.moments.push(moment);
        }
        None if room => process.credentials.push(Credentials {
            state: CredentialState::clone(state),
            moments: vec![moment],
            seen: 1,
        }),
        None => {}
    }
}
