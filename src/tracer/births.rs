//! Threads that are born: told of by their maker's event, and by their own first stop, in any order.

use super::engine::Tracer;
use super::thread::Call;
use super::tree::{Birth, Maker};
use super::untraced;
use super::watched::Watched;
use crate::proc::ThreadStatus;
use crate::ptrace::{Stopped, Tid};
use crate::recording::Occasion;

impl Tracer {
    pub(super) fn on_birth(&mut self, stopped: Stopped) {
        if let Ok(child) = stopped.event_message()
            && !stopped.is_dying()
            && let Ok(child) = i32::try_from(child)
            && let Some(creator) = self.tree.thread(stopped.tid())
        {
            let shares_memory = creator.call.is_none_or(|call| shares_memory(&call));
            let pid = creator.pid;
            let watched = self.tree.process(pid).map_or_else(Watched::first, |p| p.watched.clone());
            let maker = Maker { pid, watched, shares_memory };
            match self.tree.announce(Tid(child), &maker) {
                Birth::Stillborn => {
                    self.books.threads_born += 1;
                    self.books.threads_gone += 1;
                }
                Birth::Awaited => {
                    let call = self.tree.thread(stopped.tid()).and_then(|t| t.call.as_ref());
                    if let Some(stripped) = call.and_then(|call| call.stripped) {
                        self.restore_at_birth.insert(Tid(child), stripped);
                    }
                }
                Birth::Known => {
                    if let Some(pid) = self.tree.thread(Tid(child)).map(|t| t.pid)
                        && pid != maker.pid
                    {
                        self.know_maker(pid, &maker);
                    }
                }
            }
        }
        self.go_on(stopped, 0);
    }

    /// A thread that the kernel seized for us stops for the first time; often before its parent's
    /// event is reported, so /proc is what tells where it belongs.
    pub(super) fn on_new_thread(&mut self, stopped: &Stopped) {
        let tid = stopped.tid();
        let now_ms = self.now_ms();
        let status = ThreadStatus::read(tid.0).ok();
        let (pid, parent) = status.as_ref().map_or((tid.0, None), |s| (s.tgid, Some(s.ppid)));
        // The parent's event knows better who made it: a parent may be gone, or another
        // (`CLONE_PARENT`).
        let maker = self.tree.showed_up(tid);
        let parent = maker.as_ref().map(|maker| maker.pid).or(parent);
        self.books.threads_born += 1;
        let is_new_process = self.tree.add(tid, pid, parent, now_ms);
        if is_new_process {
            self.hearing.born();
        }
        if let Some(thread) = self.tree.thread_mut(tid) {
            // It has the options of its maker, which may have made it just after it was seized.
            thread.lacks_options = self.launched.is_none();
        }
        let (processes, threads) = self.tree.counts();
        self.live.set_population(processes, threads);
        if let Some(status) = status {
            if is_new_process {
                self.count_filters(pid, &status);
            }
            if let Some(maker) = maker.filter(|_| is_new_process) {
                self.know_maker(pid, &maker);
            }
            if !self.waits_for_maker(tid) {
                self.note_status(tid, &status, Occasion::Birth);
            }
        }
        if self.plan.was_killed() {
            self.send(pid, libc::SIGKILL);
        }
        let awaited = self.restore_at_birth.remove(&tid);
        let stripped = awaited.or_else(|| self.stripped_by_maker(stopped));
        if let Some(stripped) = stripped {
            let restored = untraced::restore(stopped, stripped);
            self.tolerate(restored);
        }
    }

    /// Whether it cannot be told yet what filters of ours a thread is under: its process is new, and
    /// up to half of all children stop before their maker's event.
    pub(super) fn waits_for_maker(&self, tid: Tid) -> bool {
        let process = self.tree.thread(tid).and_then(|thread| self.tree.process(thread.pid));
        let is_known = process.is_none_or(|process| process.watched.is_maker_known());
        self.adaptive.is_some() && !is_known
    }

    /// A new process's maker's event has come.
    fn know_maker(&mut self, pid: i32, maker: &Maker) {
        let Some(process) = self.tree.process_mut(pid) else { return };
        process.watched.made_by(&maker.watched, maker.shares_memory);
        if process.watched.is_watched_always() && !maker.watched.is_watched_always() {
            let name = process.comm.clone();
            self.tell_of_full(name, "began under a seccomp filter that nobody saw come");
        }
    }

    /// What was taken out of the call that made this new thread, whose parent's event has not come
    /// yet: the maker is in the same call, at the same place, with the same arguments.
    fn stripped_by_maker(&self, child: &Stopped) -> Option<untraced::Stripped> {
        if self.stripped_calls == 0 {
            return None;
        }
        let regs = child.regs().ok()?;
        self.tree.tids().into_iter().find_map(|tid| {
            let call = self.tree.thread(tid)?.call.as_ref()?;
            let same = call.ip == regs.ip() && call.args[1] == regs.arg(call.no.arch, 1);
            call.stripped.filter(|_| same)
        })
    }
}

/// Whether what a call makes has the same memory as its maker.
fn shares_memory(call: &Call) -> bool {
    match call.no.name() {
        Some("fork") => false,
        Some("clone" | "clone3") => {
            call.entered.clone_flags.is_none_or(|flags| flags & libc::CLONE_VM as u64 != 0)
        }
        _ => true,
    }
}
