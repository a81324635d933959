//! What the program does with seccomp(2) itself, and what it is told of it.
//!
//! What a filter of the program's denies never reaches ours (`seccomp_run_filters` takes the
//! strictest answer), so from its own call on every call of that process stops again, before any
//! filter is asked. A filter for all threads (TSYNC) comes over threads that run free just then: the
//! one that installs it stands until each of the others has stopped once. And it stands while another
//! installs ours, whose calls it may be about to forbid.

use std::collections::HashSet;

use super::credentials::state_of;
use super::engine::Tracer;
use super::held::Until;
use super::thread::Call;
use super::watched::Watched;
use crate::proc::ThreadStatus;
use crate::ptrace::{Stopped, Tid};
use crate::syscall::Cap;

const MODE_STRICT: u64 = libc::SECCOMP_MODE_STRICT as u64;
const MODE_FILTER: u64 = libc::SECCOMP_MODE_FILTER as u64;
const SET_MODE_STRICT: u64 = libc::SECCOMP_SET_MODE_STRICT as u64;
const SET_MODE_FILTER: u64 = libc::SECCOMP_SET_MODE_FILTER as u64;

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
    fn of(call: &Call) -> Option<Asks> {
        Asks::by(call.no.name()?, &call.args)
    }

    /// What a call asks for; what the kernel refuses for its other arguments is among it.
    fn by(name: &str, args: &[u64; 6]) -> Option<Asks> {
        let [first, second, third, ..] = *args;
        let first = first & 0xffff_ffff;
        match name {
            "seccomp" => match first {
                // Refused otherwise, which the kernel can say itself.
                SET_MODE_STRICT if second == 0 && third == 0 => Some(Asks::Strict),
                // Without a filter it only asks whether the kernel knows the flags.
                SET_MODE_FILTER if third != 0 => Some(Asks::Filter {
                    for_all_threads: second & libc::SECCOMP_FILTER_FLAG_TSYNC != 0,
                }),
                _ => None,
            },
            "landlock_restrict_self" => Some(Asks::Landlock),
            "prctl" => match i32::try_from(first).ok()? {
                libc::PR_SET_SECCOMP if second == MODE_STRICT => Some(Asks::Strict),
                libc::PR_SET_SECCOMP if second == MODE_FILTER && third != 0 => {
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
        let is_free = |tid: &Tid| self.tree.thread(*tid).is_some_and(|t| t.runs_free && !t.exiting);
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
        let says_esrch = flags & libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH != 0;
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
        let untraced = match asks {
            // If the kernel took what is not known here for it.
            Some(Asks::Strict | Asks::Filter { .. }) => return self.watch_always(pid),
            Some(Asks::NoNewPrivs) => return watched.sets_no_new_privs(),
            Some(Asks::ForMode) if watched.our_filters() > 0 => {
                i64::from(own_mode(stopped.tid(), watched))
            }
            Some(Asks::ForNoNewPrivs) if watched.is_no_new_privs_ours() => 0,
            _ => return,
        };
        if untraced != result {
            let answered = stopped.regs().and_then(|mut regs| {
                regs.set_result(untraced);
                stopped.set_regs(&regs)
            });
            self.tolerate(answered);
        }
    }

    /// Every call of the process is to stop again, for good.
    fn watch_always(&mut self, pid: i32) {
        let Some(process) = self.tree.process_mut(pid) else { return };
        if process.watched.watch_always() {
            let name = process.comm.clone();
            for tid in self.free_threads_of(pid) {
                self.interrupt(tid);
            }
            self.tell_of_full(name, "has a seccomp filter of its own");
        }
    }
}

/// The seccomp mode of a thread as it would be without us. It is asked for anew each time: another
/// thread's TSYNC changes it unseen.
pub(super) fn own_mode(tid: Tid, watched: &Watched) -> u8 {
    ThreadStatus::read(tid.0).map_or(0, |status| state_of(&status, watched).seccomp_mode)
}

impl Call {
    /// Whether it is one of the few calls among which those of this module are (`Interest::of`).
    fn may_change_credentials(&self) -> bool {
        self.entered.interest.is_some_and(|interest| interest.credentials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, args: [u64; 3]) -> Option<Asks> {
        Asks::by(name, &[args[0], args[1], args[2], 0, 0, 0])
    }

    #[test]
    fn what_is_asked_of_seccomp_is_told_from_what_is_only_tried() {
        const PROGRAM: u64 = 0x7fff_0000;
        let filter = |for_all_threads| Some(Asks::Filter { for_all_threads });
        assert_eq!(asked("seccomp", [1, 0, PROGRAM]), filter(false));
        assert_eq!(asked("seccomp", [1, libc::SECCOMP_FILTER_FLAG_TSYNC, PROGRAM]), filter(true));
        assert_eq!(asked("seccomp", [1, libc::SECCOMP_FILTER_FLAG_TSYNC, 0]), None, "a probe");
        assert_eq!(asked("seccomp", [0, 0, 0]), Some(Asks::Strict));
        assert_eq!(asked("seccomp", [0, 1, 0]), None, "EINVAL");
        assert_eq!(asked("seccomp", [2, 0, PROGRAM]), None, "SECCOMP_GET_ACTION_AVAIL");
        let option = |option: i32| u64::from(option.cast_unsigned()) | 0xdead << 32;
        assert_eq!(asked("prctl", [option(libc::PR_SET_SECCOMP), 1, 0]), Some(Asks::Strict));
        assert_eq!(asked("prctl", [option(libc::PR_SET_SECCOMP), 2, PROGRAM]), filter(false));
        assert_eq!(asked("prctl", [option(libc::PR_GET_SECCOMP), 0, 0]), Some(Asks::ForMode));
        assert_eq!(asked("prctl", [option(libc::PR_SET_NAME), PROGRAM, 0]), None);
        assert_eq!(asked("landlock_restrict_self", [3, 0, 0]), Some(Asks::Landlock));
        assert_eq!(asked("read", [0, 0, 0]), None);
    }
}
