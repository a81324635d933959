//! What the program does with seccomp(2) itself, and what it is told of it.
//!
//! What a filter of the program's denies never reaches ours (`seccomp_run_filters` takes the
//! strictest answer), so from its own call on every call of that process stops again, before any
//! filter is asked. A filter for all threads (TSYNC) comes over threads that run free just then: the
//! one that installs it stands until each of the others has stopped once. And it stands while another
//! installs ours, whose calls it may be about to forbid.

use std::collections::HashSet;

use super::engine::Tracer;
use super::held::Until;
use super::thread::Call;
use super::watched::Watched;
use crate::ptrace::{Stopped, Tid};
use crate::syscall::Cap;

/// `linux/seccomp.h`.
const SECCOMP_SET_MODE_STRICT: u64 = 0;
const SECCOMP_SET_MODE_FILTER: u64 = 1;
const SECCOMP_FILTER_FLAG_TSYNC: u64 = 1;
const SECCOMP_FILTER_FLAG_TSYNC_ESRCH: u64 = 1 << 4;
const SECCOMP_MODE_STRICT: u64 = 1;
const SECCOMP_MODE_FILTER: u64 = 2;

/// What a call asks of the kernel's seccomp, by seccomp(2) or by the prctl(2) that is older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Strict mode.
    Strict,
    /// A filter of its own, for the calling thread or for all of its process.
    Filter { for_all_threads: bool },
    /// `landlock_restrict_self(2)`.
    Landlock,
    /// `PR_GET_SECCOMP`.
    ForMode,
    /// `PR_GET_NO_NEW_PRIVS`.
    ForNoNewPrivs,
    /// `PR_SET_NO_NEW_PRIVS`.
    NoNewPrivs,
}

impl Asks {
    /// What a call asks for; what the kernel refuses for its other arguments is among it.
    pub(super) fn of(call: &Call) -> Option<Asks> {
        let [first, second, third, ..] = call.args;
        let first = first & 0xffff_ffff;
        match call.no.name()? {
            "seccomp" => match first {
                // Refused otherwise, which the kernel can say itself.
                SECCOMP_SET_MODE_STRICT if second == 0 && third == 0 => Some(Asks::Strict),
                // Without a filter it only asks whether the kernel knows the flags.
                SECCOMP_SET_MODE_FILTER if third != 0 => {
                    Some(Asks::Filter { for_all_threads: second & SECCOMP_FILTER_FLAG_TSYNC != 0 })
                }
                _ => None,
            },
            "landlock_restrict_self" => Some(Asks::Landlock),
            "prctl" => match i32::try_from(first).ok()? {
                libc::PR_SET_SECCOMP if second == SECCOMP_MODE_STRICT => Some(Asks::Strict),
                libc::PR_SET_SECCOMP if second == SECCOMP_MODE_FILTER && third != 0 => {
                    Some(Asks::Filter { for_all_threads: false })
                }
                libc::PR_GET_SECCOMP => Some(Asks::ForMode),
                libc::PR_GET_NO_NEW_PRIVS => Some(Asks::ForNoNewPrivs),
                libc::PR_SET_NO_NEW_PRIVS => Some(Asks::NoNewPrivs),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Tracer {
    /// The enter-stop, or the filter's stop, of a call that is booked already: gives the thread back
    /// if it may go on now.
    pub(super) fn mind_own_filter(&mut self, stopped: Stopped) -> Option<Stopped> {
        let thread = self.tree.thread(stopped.tid());
        let Some(thread) = thread.filter(|_| self.adaptive.is_some()) else { return Some(stopped) };
        let (pid, is_strict) = (thread.pid, thread.is_strict);
        let call = thread.call.filter(Call::may_change_credentials);
        match call.as_ref().and_then(Asks::of) {
            Some(asks @ (Asks::Strict | Asks::Filter { .. } | Asks::Landlock)) if !is_strict => {
                self.hold_or_let(stopped, pid, asks)
            }
            _ => {
                if is_strict {
                    self.enforce_strict_mode(&stopped);
                }
                Some(stopped)
            }
        }
    }

    /// It restricts itself: the thread is given back if that may be done now.
    fn hold_or_let(&mut self, stopped: Stopped, pid: i32, asks: Asks) -> Option<Stopped> {
        let tid = stopped.tid();
        let watched = self.tree.process(pid).map(|process| &process.watched);
        let is_installing = watched.is_some_and(Watched::is_installing);
        let free: HashSet<Tid> = match asks {
            Asks::Filter { for_all_threads: true } => self.free_threads_of(pid),
            _ => HashSet::new(),
        };
        let waits_for: HashSet<Tid> = free.into_iter().filter(|other| *other != tid).collect();
        if asks != Asks::Landlock {
            self.watch_always(pid);
        }
        if waits_for.is_empty() && !is_installing {
            self.restricts_itself(&stopped, pid, asks);
            return Some(stopped);
        }
        for tid in &waits_for {
            self.interrupt(*tid);
        }
        self.hold(stopped, Until::Stand(waits_for));
        None
    }

    fn free_threads_of(&self, pid: i32) -> HashSet<Tid> {
        let is_free =
            |tid: &Tid| self.tree.thread(*tid).is_some_and(|t| t.may_be_inside && !t.exiting);
        self.tree.threads_of(pid).into_iter().filter(is_free).collect()
    }

    /// The thread was held, and goes on.
    pub(super) fn was_held(&mut self, stopped: &Stopped) {
        let Some(thread) = self.tree.thread(stopped.tid()) else { return };
        let pid = thread.pid;
        if let Some(asks) = thread.call.as_ref().and_then(Asks::of) {
            self.restricts_itself(stopped, pid, asks);
        }
    }

    /// What the kernel would answer untraced, where it would answer otherwise for what we have done.
    fn restricts_itself(&mut self, stopped: &Stopped, pid: i32, asks: Asks) {
        let Some((thread, process)) = self.tree.process_of(stopped.tid()) else { return };
        let has_right =
            thread.credentials.as_ref().is_none_or(|c| c.effective.contains(Cap::SYS_ADMIN));
        let flags = thread.call.map_or(0, |call| call.args[1]);
        let says_esrch = flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH != 0;
        let lacks_no_new_privs = process.watched.is_no_new_privs_ours() && !has_right;
        let strict = |tid: &Tid| self.tree.thread(*tid).is_some_and(|thread| thread.is_strict);
        match asks {
            // `seccomp_prepare_filter` and `landlock_restrict_self`.
            Asks::Filter { .. } if lacks_no_new_privs => {
                self.skip_call(stopped, -i64::from(libc::EACCES));
            }
            Asks::Landlock if lacks_no_new_privs => {
                self.skip_call(stopped, -i64::from(libc::EPERM));
            }
            Asks::Strict => self.enter_strict_mode(stopped),
            // seccomp(2), "SECCOMP_FILTER_FLAG_TSYNC": the id of one that cannot be synchronized.
            Asks::Filter { for_all_threads: true } => {
                if let Some(tid) = self.tree.threads_of(pid).into_iter().filter(strict).min() {
                    let answer = if says_esrch { -i64::from(libc::ESRCH) } else { tid.0.into() };
                    self.skip_call(stopped, answer);
                }
            }
            _ => {}
        }
    }

    /// Such a call has succeeded.
    pub(super) fn note_own_filter(&mut self, stopped: &Stopped, call: &Call, result: i64) {
        let asks = Asks::of(call);
        let Some((thread, process)) = self.tree.process_of(stopped.tid()) else { return };
        let (pid, watched) = (thread.pid, &mut process.watched);
        let state = thread.credentials.as_deref();
        let untraced = match asks {
            // If the kernel took what is not known here for it.
            Some(Asks::Strict | Asks::Filter { .. }) => return self.watch_always(pid),
            Some(Asks::NoNewPrivs) => return watched.sets_no_new_privs(),
            Some(Asks::ForMode) if watched.our_filters() > 0 => {
                state.map(|state| i64::from(state.seccomp_mode))
            }
            Some(Asks::ForNoNewPrivs) if watched.is_no_new_privs_ours() => Some(0),
            _ => None,
        };
        if let Some(untraced) = untraced.filter(|untraced| *untraced != result) {
            let answered = stopped.regs().and_then(|mut regs| {
                regs.set_result(untraced);
                stopped.set_regs(&regs)
            });
            self.tolerate(answered);
        }
    }

    /// Every call of the process is to stop again, for good.
    pub(super) fn watch_always(&mut self, pid: i32) {
        let Some(process) = self.tree.process_mut(pid) else { return };
        if process.watched.watch_always() {
            let name = process.comm.clone();
            for tid in self.tree.threads_of(pid) {
                if self.tree.thread(tid).is_some_and(|thread| thread.may_be_inside) {
                    self.interrupt(tid);
                }
            }
            if self.adaptive.as_ref().is_some_and(|adaptive| adaptive.settled.is_some()) {
                self.warn(format!(
                    "{name} has a seccomp filter of its own: every call of it goes on stopping"
                ));
            }
        }
    }
}

impl Call {
    /// Whether it is one of the few calls among which those of this module are.
    fn may_change_credentials(&self) -> bool {
        self.entered.interest.is_some_and(|interest| interest.credentials)
    }
}
