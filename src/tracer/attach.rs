//! Taking hold of processes that run already, letting them run free, and letting them go.

use super::engine::{TraceError, Tracer};
use super::handlers::mark_attached;
use crate::proc::{own_pid, tree as proc_tree};
use crate::ptrace::{PtraceError, Tid, interrupt, seize};
use crate::recording::{Exec, Loaded, Occasion};
use crate::syscall::Errno;

impl Tracer {
    /// Seizes every thread of the processes, and of all their descendants if `tree` says so.
    pub(super) fn attach(&mut self, pids: &[i32], tree: bool) -> Result<(), TraceError> {
        for pid in pids {
            if proc_tree::stat(*pid).is_err() {
                return Err(TraceError::NoSuchProcess(*pid));
            }
            self.attach_process(*pid).map_err(|errno| match errno {
                Errno(libc::ESRCH) => TraceError::NoSuchProcess(*pid),
                errno => TraceError::MayNotAttach { pid: *pid, errno },
            })?;
        }
        if tree {
            self.attach_descendants(pids);
        }
        Ok(())
    }

    /// What a process forks once it is seized is seized by the kernel with it; what it has forked
    /// just before is found by looking again until nothing new shows up.
    fn attach_descendants(&mut self, pids: &[i32]) {
        loop {
            let before = self.tree.counts();
            for pid in pids.iter().flat_map(|pid| proc_tree::descendants(*pid).unwrap_or_default())
            {
                match self.attach_process(pid) {
                    Ok(()) | Err(Errno(libc::ESRCH)) => {}
                    Err(errno) => {
                        self.warn(format!("a child process could not be traced: {errno}"));
                    }
                }
            }
            if self.tree.counts() == before {
                return;
            }
        }
    }

    /// Seizes the threads of a process until no new one shows up.
    fn attach_process(&mut self, pid: i32) -> Result<(), Errno> {
        let mut seized_any = self.tree.process(pid).is_some();
        loop {
            let mut new = false;
            for tid in proc_tree::threads(pid).unwrap_or_default() {
                if self.tree.thread(Tid(tid)).is_some() {
                    continue;
                }
                match seize(Tid(tid), self.options) {
                    Ok(()) => {
                        self.attached(Tid(tid), pid);
                        new = true;
                    }
                    Err(PtraceError::Died(_)) => {}
                    // It was made by a thread that is ours already, and is ours with it.
                    Err(PtraceError::Refused { .. }) if is_traced_by_us(tid) => {}
                    // A leader that has exited before its threads cannot be seized.
                    Err(PtraceError::Refused { .. }) if is_dead(tid) => {}
                    Err(PtraceError::Refused { errno, .. }) => return Err(errno),
                }
            }
            seized_any |= new;
            if !new {
                return if seized_any { Ok(()) } else { Err(Errno(libc::ESRCH)) };
            }
        }
    }

    fn attached(&mut self, tid: Tid, pid: i32) {
        let now_ms = self.now_ms();
        self.books.threads_born += 1;
        let parent = proc_tree::stat(pid).map(|s| s.ppid).ok();
        let is_new = self.tree.add(tid, pid, parent, now_ms);
        if let Some((thread, process)) = self.tree.process_of(tid) {
            mark_attached(thread);
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
        let interrupted = interrupt(tid);
        self.tolerate(interrupted);
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

    fn interrupt_all(&mut self) {
        for tid in self.tree.tids() {
            if let Some(thread) = self.tree.thread_mut(tid) {
                thread.interrupted = true;
            }
            let interrupted = interrupt(tid);
            self.tolerate(interrupted);
        }
    }
}

fn is_traced_by_us(tid: i32) -> bool {
    crate::proc::ThreadStatus::read(tid)
        .is_ok_and(|s| s.tracer_pid == own_pid() || s.tracer_pid == nix::unistd::gettid().as_raw())
}

fn is_dead(tid: i32) -> bool {
    crate::proc::ThreadStatus::read(tid).is_ok_and(|s| s.is_dead())
}
