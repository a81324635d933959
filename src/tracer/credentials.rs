//! The credentials of threads: each distinct state is kept once per run.

use std::collections::HashMap;
use std::sync::Arc;

use super::tree::Process;
use super::watched::Watched;
use crate::proc::ThreadStatus;
use crate::recording::{CredentialState, Credentials, Moment, StateIndex};

/// How many distinct states are kept. Programs show a handful; the bound keeps memory flat where a
/// signal mask is a counter.
const MAX_STATES: usize = 1024;

/// How many of them are noted per process, and how many moments per state. The last moment is
/// always kept.
const MAX_STATES_OF_PROCESS: usize = 64;
const MAX_MOMENTS: usize = 8;

/// What the user is told when a bound was hit.
pub const NOT_ALL_KEPT: &str = "threads were seen in more states of capabilities, ids and signals \
                                than are kept: the capability report does not have them all";

/// The state that `/proc/TID/status` shows, as it would be without our filter.
pub fn state_of(status: &ThreadStatus, watched: &Watched) -> CredentialState {
    let filters = status.seccomp_filters.map(|n| n.saturating_sub(watched.our_filters()));
    let only_ours = watched.our_filters() > 0 && filters.unwrap_or(0) == 0;
    CredentialState {
        inheritable: status.cap_inh,
        permitted: status.cap_prm,
        effective: status.cap_eff,
        bounding: status.cap_bnd,
        ambient: status.cap_amb,
        no_new_privs: status.no_new_privs && !watched.is_no_new_privs_ours(),
        seccomp_mode: if only_ours { 0 } else { status.seccomp_mode },
        seccomp_filters: filters,
        uid: status.uid,
        gid: status.gid,
        groups: status.groups.clone(),
        signals_caught: status.sig_cgt,
        signals_ignored: status.sig_ign,
        signals_blocked: status.sig_blk,
    }
}

/// Every distinct state of the run, in order of first sight.
#[derive(Debug, Default)]
pub struct States {
    indices: HashMap<Arc<CredentialState>, StateIndex>,
    list: Vec<Arc<CredentialState>>,
}

impl States {
    /// The one copy of a state, and its place in the list; none if the list is full.
    pub fn intern(&mut self, state: CredentialState) -> (Arc<CredentialState>, Option<StateIndex>) {
        if let Some((known, index)) = self.indices.get_key_value(&state) {
            return (Arc::clone(known), Some(*index));
        }
        let state = Arc::new(state);
        let room = self.list.len() < MAX_STATES;
        let index = u32::try_from(self.list.len()).ok().filter(|_| room).map(StateIndex);
        if let Some(index) = index {
            self.indices.insert(Arc::clone(&state), index);
            self.list.push(Arc::clone(&state));
        }
        (state, index)
    }

    /// The list as it stands.
    pub fn list(&self) -> Vec<Arc<CredentialState>> {
        self.list.clone()
    }
}

/// Notes that one of the process's threads was seen in a state. Whether there was room for it.
pub fn note(process: &mut Process, state: StateIndex, moment: Moment) -> bool {
    let room = process.credentials.len() < MAX_STATES_OF_PROCESS;
    match process.credentials.iter_mut().find(|c| c.state == state) {
        Some(credentials) => {
            credentials.seen += 1;
            if credentials.moments.len() == MAX_MOMENTS {
                credentials.moments.pop();
            }
            credentials.moments.push(moment);
        }
        None if room => {
            process.credentials.push(Credentials { state, moments: vec![moment], seen: 1 });
        }
        None => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ptrace::Tid;
    use crate::recording::Occasion;
    use crate::syscall::SignalSet;
    use crate::tracer::tree::Tree;

    fn state(blocked: u64) -> CredentialState {
        let status = ThreadStatus::read(crate::proc::own_pid()).unwrap();
        let state = state_of(&status, &Watched::first());
        CredentialState { signals_blocked: SignalSet(blocked), ..state }
    }

    #[test]
    fn a_state_is_told_as_it_would_be_without_our_filter() {
        let mut status = ThreadStatus::read(crate::proc::own_pid()).unwrap();
        (status.seccomp_mode, status.seccomp_filters) = (2, Some(2));
        status.no_new_privs = true;
        let mut watched = Watched::first();
        let told = |watched: &Watched| {
            let state = state_of(&status, watched);
            (state.seccomp_mode, state.seccomp_filters, state.no_new_privs)
        };
        assert_eq!(told(&watched), (2, Some(2), true));
        watched.installed();
        assert_eq!(told(&watched), (2, Some(1), true));
        watched.installed();
        watched.no_new_privs_set();
        assert_eq!(told(&watched), (0, Some(0), false));
    }

    #[test]
    fn a_state_is_kept_once_in_order_of_first_sight() {
        let mut states = States::default();
        let indices = [7, 5, 7, 6].map(|n| states.intern(state(n)).1.unwrap().0);
        assert_eq!(indices, [0, 1, 0, 2]);
        let list: Vec<u64> = states.list().iter().map(|state| state.signals_blocked.0).collect();
        assert_eq!(list, [7, 5, 6]);
    }

    #[test]
    fn a_full_list_takes_no_more_but_knows_what_it_has() {
        let mut states = States::default();
        let of = state(0);
        let of = |n| CredentialState { signals_blocked: SignalSet(n), ..of.clone() };
        for n in 0..MAX_STATES as u64 {
            assert!(states.intern(of(n)).1.is_some());
        }
        let (state, index) = states.intern(of(u64::MAX));
        assert_eq!((state.signals_blocked.0, index), (u64::MAX, None));
        assert_eq!(states.intern(of(3)).1, Some(StateIndex(3)));
        assert_eq!(states.list().len(), MAX_STATES);
    }

    #[test]
    fn a_process_has_room_for_some_states_and_for_some_moments_of_each() {
        let mut tree = Tree::default();
        tree.add(Tid(1), 1, None, 0);
        let (_, process) = tree.process_of(Tid(1)).unwrap();
        let mut see = |state, at_ms| {
            let moment = Moment { at_ms, tid: 1, occasion: Occasion::Change };
            note(process, StateIndex(state), moment)
        };
        let kept = u32::try_from(MAX_STATES_OF_PROCESS).unwrap();
        assert!((0..kept).all(|state| see(state, 0)));
        assert!(!see(kept, 1), "one too many");
        assert!((1..20).all(|at_ms| see(0, at_ms)), "what is known is noted");
        let first = &process.credentials[0];
        assert_eq!((first.seen, first.moments.len()), (20, MAX_MOMENTS));
        assert_eq!(first.moments.last().map(|moment| moment.at_ms), Some(19));
    }
}
