//! Taking hold of processes that run already, letting them run free, and letting them go.

use std::collections::BTreeMap;

use super::engine::{TraceError, Tracer};
use crate::proc::{doctor, own_pid, tree as proc_tree};
use crate::ptrace::{Options, PtraceError, Stopped, Tid, hear_beside, interrupt, seize};
use crate::recording::{Exec, Loaded, Occasion};
use crate::syscall::Errno;

/// What a thread that was to be seized turned out to be.
enum Found {
    /// It is traced from now on, under this id.
    New(Tid),
    /// It was already.
    Ours,
    Dead,
}

impl Tracer {
    /// Seizes every thread of the processes, and of all their descendants if `tree` says so, while
    /// all of them run on; then makes each stop.
    pub(super) fn attach(&mut self, pids: &[i32], tree: bool) -> Result<(), TraceError> {
        let (seized, heard) = hear_beside(|has_tracee| self.seize_all(pids, tree, has_tracee))
            .map_err(TraceError::Thread)?;
        self.hearing.take_in(heard);
        seized?;
        self.interrupt_all();
        Ok(())
    }

    fn seize_all(
        &mut self,
        pids: &[i32],
        tree: bool,
        has_tracee: &dyn Fn(),
    ) -> Result<(), TraceError> {
        for pid in pids {
            if proc_tree::stat(*pid).is_err() {
                return Err(TraceError::NoSuchProcess(*pid));
            }
            self.seize_process(*pid, has_tracee).map_err(|errno| match errno {
                Errno(libc::ESRCH) => TraceError::NoSuchProcess(*pid),
                errno => TraceError::MayNotAttach { pid: *pid, errno },
            })?;
        }
        if tree {
            self.seize_descendants(pids, has_tracee);
        }
        Ok(())
    }

    /// What a process forks once it is seized is seized by the kernel with it; what it has forked
    /// just before is found by looking again until nothing new shows up.
    fn seize_descendants(&mut self, pids: &[i32], has_tracee: &dyn Fn()) {
        let mut refused = BTreeMap::new();
        let mut new = true;
        while new {
            new = false;
            // Who was refused the last time may be gone by now, or another tracer's no more.
            refused.clear();
            for pid in pids.iter().flat_map(|pid| proc_tree::descendants(*pid).unwrap_or_default())
            {
                if pid == own_pid() {
                    self.warn(format!(
                        "this trace, process {pid}, descends from what it traces, and is left out"
                    ));
                    continue;
                }
                match self.seize_process(pid, has_tracee) {
                    Ok(any) => new |= any,
                    Err(Errno(libc::ESRCH)) => {}
                    Err(errno) => {
                        refused.insert(pid, errno);
                    }
                }
            }
        }
        for (pid, errno) in refused {
            self.note_not_traced(pid, errno, pids);
        }
    }

    /// A process that was to be traced with the one that it descends from could not be.
    fn note_not_traced(&mut self, pid: i32, errno: Errno, wanted: &[i32]) {
        let name = proc_tree::comm(pid).unwrap_or_else(|_| "?".to_owned());
        let who = format!("process {pid} ({name})");
        let why = doctor::obstacle(pid).unwrap_or_else(|| errno.to_string());
        let wanted =
            wanted.iter().map(|pid| format!("process {pid}")).collect::<Vec<_>>().join(", ");
        self.warn(format!(
            "{who} could not be traced: {why}. If only {wanted} is meant, give `--no-tree`"
        ));
        self.not_traced.push(who);
    }

    /// Seizes the threads of a process until no new one shows up; whether there was any.
    fn seize_process(&mut self, pid: i32, has_tracee: &dyn Fn()) -> Result<bool, Errno> {
        let mut any = false;
        let mut is_ours = false;
        loop {
            let mut new = false;
            // The leader once more at the end: an execve(2) of a thread that was not seized yet has
            // put that in the place of the leader that was.
            let leader = std::iter::once(pid);
            for tid in proc_tree::threads(pid).unwrap_or_default().into_iter().chain(leader) {
                match self.seize_thread(tid, pid)? {
                    Found::New(tid) => {
                        has_tracee();
                        self.seized(tid, pid);
                        new = true;
                    }
                    Found::Ours => is_ours = true,
                    Found::Dead => {}
                }
            }
            any |= new;
            if !new {
                return if any || is_ours { Ok(any) } else { Err(Errno(libc::ESRCH)) };
            }
        }
    }

    fn seize_thread(&self, tid: i32, pid: i32) -> Result<Found, Errno> {
        /// Who was refused for being dead may have another in its place when it is looked at, so
        /// one refusal of somebody who lives is not enough.
        const ATTEMPTS: usize = 5;
        let mut why = Errno(libc::ESRCH);
        for _ in 0..ATTEMPTS {
            match seize(Tid(tid), Options { exit_stops: false, ..self.options }) {
                Ok(()) if proc_tree::is_thread_of(tid, pid) => return Ok(Found::New(Tid(tid))),
                // It was in execve(2), which the seizing waited for, and has the leader's id now.
                Ok(()) if is_traced_by_us(pid) => return Ok(Found::New(Tid(pid))),
                Ok(()) => return Ok(Found::Dead),
                Err(PtraceError::Died(_)) => return Ok(Found::Dead),
                // Seized before, or made by a thread that was.
                Err(PtraceError::Refused { .. }) if is_traced_by_us(tid) => return Ok(Found::Ours),
                // A leader that waits for its threads, say.
                Err(PtraceError::Refused { .. }) if is_dead(tid) => return Ok(Found::Dead),
                Err(PtraceError::Refused { errno, .. }) => why = errno,
            }
        }
        Err(why)
    }

    fn seized(&mut self, tid: Tid, pid: i32) {
        let now_ms = self.now_ms();
        if let Some(replaced) = self.tree.remove(tid, None, now_ms) {
            self.close_thread(&replaced);
        }
        self.books.threads_born += 1;
        let parent = proc_tree::stat(pid).map(|s| s.ppid).ok();
        let is_new = self.tree.add(tid, pid, parent, now_ms);
        if let Some((thread, process)) = self.tree.process_of(tid) {
            thread.may_be_inside = true;
            thread.lacks_options = true;
            if is_new {
                process.execs = proc_tree::exe(pid)
                    .map(|exe| Exec { at_ms: now_ms, path: exe.path, observed: false })
                    .into_iter()
                    .collect();
                self.modules.read(pid, process, now_ms, Loaded::AtStart);
            }
        }
        self.look_at(tid, Occasion::Attach);
        let (processes, threads) = self.tree.counts();
        self.live.set_population(processes, threads);
    }

    /// The first stop of a thread that was seized with less than the run's options.
    pub(super) fn complete_options(&mut self, stopped: &Stopped) {
        let Some(thread) = self.tree.thread_mut(stopped.tid()) else { return };
        if std::mem::take(&mut thread.lacks_options) {
            let set = stopped.set_options(self.options);
            self.tolerate(set);
        }
    }

    /// The threads ran free; each is to stop at its syscalls again.
    pub(super) fn watch_again(&mut self) {
        self.live.set_stage(super::live::Stage::Watching);
        self.interrupt_all();
    }

    /// Lets go of every thread as soon as it stops, and makes each stop.
    pub(super) fn let_go_all(&mut self) {
        self.letting_go = true;
        for tid in self.tree.tids() {
            self.look_at(tid, Occasion::End);
        }
        // They stop no more; the kernel lets go of them when we end.
        let now_ms = self.now_ms();
        for tid in self.tree.exiting() {
            if let Some(thread) = self.tree.remove(tid, None, now_ms) {
                self.close_thread(&thread);
            }
        }
        self.interrupt_all();
    }

    pub(super) fn interrupt_all(&mut self) {
        for tid in self.tree.tids() {
            self.interrupt(tid);
        }
    }

    /// Makes a thread stop. Whatever call that ends is repaired at the stop which answers it.
    pub(super) fn interrupt(&mut self, tid: Tid) {
        if let Some(thread) = self.tree.thread_mut(tid) {
            thread.interrupted = true;
        }
        let interrupted = interrupt(tid);
        self.tolerate(interrupted);
    }
}

fn is_traced_by_us(tid: i32) -> bool {
    crate::proc::ThreadStatus::read(tid)
        .is_ok_and(|s| s.tracer_pid == own_pid() || s.tracer_pid == nix::unistd::gettid().as_raw())
}

/// Whether it is a zombie, or has been reaped meanwhile.
fn is_dead(tid: i32) -> bool {
    crate::proc::ThreadStatus::read(tid).map_or(true, |s| s.is_dead())
}
