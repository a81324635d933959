//! What is done at each kind of stop.

use super::engine::Tracer;
use super::held::Until;
use super::thread::{Call, Launching, Thread};
use super::untraced;
use crate::arch::Arch;
use crate::proc::{ThreadStatus, own_pid, tree as proc_tree};
use crate::ptrace::{CallInfo, Ended, Stop, Stopped, Tid, is_continued};
use crate::recording::{Exec, Occasion, Sighting};
use crate::syscall::{Errno, SysNo, asks_to_stop};

/// `linux/errno.h`, which the kernel shows to tracers alone: the call goes on by restart_syscall(2).
const ERESTART_RESTARTBLOCK: i64 = 516;

/// How many programs of one process are kept: it may execute itself anew for days.
const MAX_EXECS: usize = 256;

impl Tracer {
    pub(super) fn on_stop(&mut self, stopped: Stopped, stop: Stop) {
        self.books.stops += 1;
        let tid = stopped.tid();
        if !self.held.is_empty() {
            self.mind_held(tid);
        }
        // At an exec the id is that of the leader, whose own thread may be gone.
        if self.tree.thread(tid).is_none() && stop != Stop::Exec {
            self.on_new_thread(&stopped);
        }
        self.complete_options(&stopped);
        match stop {
            Stop::Syscall => self.on_syscall_stop(stopped),
            Stop::Seccomp => self.on_filter_stop(stopped),
            Stop::Signal(signal) => self.on_signal(stopped, signal),
            Stop::Group(_) if self.letting_go => self.go_on(stopped, 0),
            Stop::Group(signal) => {
                // If we were stopped ourselves, as by Ctrl-Z, this stop may be over by now.
                let stops_us = self.is_foreground_program(tid, signal) && !is_continued(tid.0);
                // A group-stop answers our interrupt, too. That it ends calls with EINTR is what
                // happens untraced (signal(7)), so nothing is repaired after it.
                if let Some(thread) = self.tree.thread_mut(tid) {
                    thread.interrupted = false;
                }
                let result = stopped.listen();
                self.gone_on(result);
                if stops_us {
                    // The shell waits for us, and must see that its job has stopped.
                    self.send(own_pid(), libc::SIGTSTP);
                }
            }
            Stop::Trap => self.on_trap(stopped),
            Stop::Birth => self.on_birth(stopped),
            Stop::Exec => self.on_exec(stopped),
            Stop::Exit => self.on_exit_event(stopped),
            Stop::Other(event) => {
                self.warn(format!("an unknown ptrace event was reported: {event}"));
                self.go_on(stopped, 0);
            }
        }
    }

    /// Whether this is the program, launched from a shell into the terminal's foreground, and has
    /// stopped itself as on Ctrl-Z.
    fn is_foreground_program(&self, tid: Tid, signal: i32) -> bool {
        let of_terminal = matches!(signal, libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU);
        let pid = self.tree.thread(tid).map(|t| t.pid);
        if !of_terminal || pid.is_none() || pid != self.launched || pid != Some(tid.0) {
            return false;
        }
        let (Ok(its), Ok(ours)) = (proc_tree::stat(tid.0), proc_tree::stat(own_pid())) else {
            return false;
        };
        its.pgrp == ours.pgrp && ours.terminal_pgrp == ours.pgrp
    }

    fn on_syscall_stop(&mut self, stopped: Stopped) {
        let info = match stopped.call_info() {
            Ok(info) => info,
            Err(e) => {
                self.tolerate(Err(e));
                return self.go_on(stopped, 0);
            }
        };
        if info == CallInfo::None && stopped.is_dying() {
            return self.on_exit_event(stopped);
        }
        let installs = |thread: &Thread| thread.injection.is_some();
        let own_call = match self.tree.thread(stopped.tid()).is_some_and(installs) {
            true => self.on_installation(&stopped, info),
            false => !self.begin_installation(&stopped, info),
        };
        if !own_call {
            return self.go_on(stopped, 0);
        }
        match info {
            CallInfo::Enter { arch, number, args, ip } => {
                self.on_enter(&stopped, arch, number, args, ip);
                if self.letting_go {
                    return self.on_to_a_better_stop(stopped);
                }
                if let Some(stopped) = self.mind_own_filter(stopped) {
                    self.go_on(stopped, 0);
                }
                return;
            }
            CallInfo::Exit { result, is_error } => {
                // A stop clears the kernel's note of an interrupt that came before it
                // (`ptrace_stop`): this one may be all the answer that there is.
                let interrupted = self.take_interrupted(stopped.tid(), result);
                let again = self.make_again(&stopped, result, interrupted);
                self.on_exit(&stopped, result, is_error, again);
            }
            CallInfo::None => {
                self.books.lost += 1;
                self.warn("a syscall stop was reported without a syscall".to_owned());
            }
        }
        self.go_on(stopped, 0);
    }

    /// A filter has answered RET_TRACE.
    fn on_filter_stop(&mut self, stopped: Stopped) {
        let tid = stopped.tid();
        let ours = self.adaptive.as_ref().map(|adaptive| u64::from(adaptive.trace_data));
        if stopped.event_message().ok() != ours && !stopped.is_dying() {
            // One of the program's own, which has no tracer to ask: ENOSYS, as untraced.
            self.skip_call(&stopped, -i64::from(libc::ENOSYS));
            return self.go_on(stopped, 0);
        }
        // If it stopped at its entry as well, it is booked; a call of ours is not.
        let is_news = |thread: &Thread| thread.call.is_none() && thread.injection.is_none();
        if self.tree.thread(tid).is_some_and(is_news) {
            match stopped.call_info() {
                Ok(CallInfo::Enter { arch, number, args, ip }) => {
                    self.on_enter(&stopped, arch, number, args, ip);
                    if let Some(thread) = self.tree.thread_mut(tid)
                        && let Some(call) = &mut thread.call
                    {
                        // This stop may be the answer to an interrupt, and yet the call that comes
                        // may end with EINTR for it (`ptrace_stop` leaves TIF_SIGPENDING).
                        let trapped = self.ledger.trapped(&call.entered);
                        call.result_wanted = trapped || thread.interrupted;
                    }
                    if is_vsyscall(ip) {
                        self.close_vsyscall(tid);
                    }
                    if let Some(stopped) = self.mind_own_filter(stopped) {
                        self.go_on(stopped, 0);
                    }
                    return;
                }
                Ok(_) => {}
                Err(e) => self.tolerate(Err(e)),
            }
        }
        self.go_on(stopped, 0);
    }

    /// At an enter-stop or a filter's stop: the call is not made, and gives this result.
    pub(super) fn skip_call(&mut self, stopped: &Stopped, result: i64) {
        let skipped = stopped.regs().and_then(|mut regs| {
            regs.skip_call(result);
            stopped.set_regs(&regs)
        });
        self.tolerate(skipped);
    }

    /// The kernel emulates a call by the vsyscall page without an exit-stop.
    fn close_vsyscall(&mut self, tid: Tid) {
        let call = self.tree.thread_mut(tid).and_then(|thread| thread.call.take());
        if let Some(call) = call {
            self.books.enters_closed_otherwise += 1;
            self.ledger.unwatched(call.slot);
        }
    }

    /// `PTRACE_DETACH` leaves a thread with the mark of a waiting signal (`__ptrace_unlink`). At an
    /// enter-stop, that would end the call to come with EINTR, if it is one that waits. So it is
    /// made to stop once more, behind the call, where that can be repaired.
    fn on_to_a_better_stop(&mut self, stopped: Stopped) {
        let tid = stopped.tid();
        self.interrupt(tid);
        let result = stopped.resume_free(0);
        self.gone_on(result);
    }

    /// Whether we have interrupted the thread, whose call has this result.
    fn take_interrupted(&mut self, tid: Tid, result: i64) -> bool {
        let Some(thread) = self.tree.thread_mut(tid) else { return false };
        let interrupted = std::mem::take(&mut thread.interrupted);
        thread.restarts_for_us = interrupted && result == -ERESTART_RESTARTBLOCK;
        interrupted
    }

    fn on_enter(
        &mut self,
        stopped: &Stopped,
        arch: Option<Arch>,
        number: i64,
        args: [u64; 6],
        ip: u64,
    ) {
        let tid = stopped.tid();
        let Some(arch) = arch else {
            self.books.lost += 1;
            return self.warn(format!("syscall {number} came by an unknown architecture"));
        };
        let no = SysNo { arch, number };
        let Some((thread, process)) = self.tree.process_of(tid) else { return };
        if let Some(launching) = thread.launching {
            if launching == Launching::AtGate && no.name() == Some("execve") {
                thread.launching = Some(Launching::InExecve);
            } else {
                return;
            }
        }
        thread.may_be_inside = false;
        thread.restarts_for_us &= no.name() == Some("restart_syscall");
        if thread.restarts_for_us {
            // The same call goes on, and the program would not have made this one without us. The
            // mark stays until its exit-stop: a filter's stop may come before that.
            thread.may_be_inside = true;
            return;
        }
        if let Some(call) = thread.call.take() {
            // Its exit-stop never came.
            self.books.lost += 1;
            self.books.enters_closed_otherwise += 1;
            self.ledger.unfinished(call.slot);
            self.stripped_calls -= usize::from(call.stripped.is_some());
        }
        super::modules::Modules::called_from(process, ip);
        self.books.enters += 1;
        let entered = self.ledger.enter(no, &args, stopped);
        let mut call = Call {
            slot: entered.slot,
            no,
            args,
            ip,
            since: self.meter.heard_at(),
            entered,
            result_wanted: true,
            stripped: None,
        };
        if let Some(flags) = entered.clone_flags.filter(|_| !self.letting_go) {
            match untraced::strip(stopped, no, flags, &args) {
                Ok(stripped) => {
                    self.stripped_calls += usize::from(stripped.is_some());
                    call.stripped = stripped;
                }
                Err(crate::ptrace::PtraceError::Died(_)) => {}
                Err(e) => {
                    self.books.lost += 1;
                    self.warn(format!(
                        "CLONE_UNTRACED could not be taken out of a call: a child may have \
                         escaped, and what it did is not recorded ({e})"
                    ));
                }
            }
        }
        if let Some(thread) = self.tree.thread_mut(tid) {
            thread.call = Some(call);
        }
        if entered.is_new {
            self.on_new_syscall(tid, &call);
        }
    }

    fn on_new_syscall(&mut self, tid: Tid, call: &Call) {
        let at_ms = self.now_ms();
        let Some((thread, process)) = self.tree.process_of(tid) else { return };
        let pid = thread.pid;
        let mut sighting = Sighting { at_ms, pid, tid: tid.0, exe: None, comm: None, caller: None };
        // The execve(2) that starts the program is called by our code, of which nothing is told.
        if thread.launching.is_none() {
            sighting.exe = process.exe().map(str::to_owned);
            sighting.comm = proc_tree::comm(tid.0).ok();
            sighting.caller = self.modules.locate(pid, process, call.ip, at_ms);
        }
        self.ledger.set_first(call.slot, sighting);
        self.live.set_new(self.ledger.len(), call.no.to_string());
        if call.no.name().is_none() {
            self.warn(format!(
                "{} syscall number {} is in no table of this tool; no profile can name it",
                call.no.arch, call.no.number
            ));
        }
        if call.no.name() == Some("io_uring_setup") {
            self.warn(
                "io_uring was set up: what is done through it passes by every seccomp filter and \
                 every tracer"
                    .to_owned(),
            );
        }
    }

    fn on_exit(&mut self, stopped: &Stopped, result: i64, is_error: bool, again: bool) {
        let tid = stopped.tid();
        let error = if is_error { Errno::of_result(result) } else { None };
        let Some(thread) = self.tree.thread_mut(tid) else { return };
        if thread.launching.is_some() {
            return self.on_launch_exit(stopped, error);
        }
        let Some(call) = thread.call.take() else {
            let expected = std::mem::take(&mut thread.may_be_inside);
            self.books.exits += 1;
            self.books.exits_of_calls_under_way += 1;
            self.books.lost += u64::from(!expected);
            return;
        };
        self.books.exits += 1;
        self.meter.returned(call.since);
        self.ledger.exit(call.slot, error, again);
        if let Some(stripped) = call.stripped {
            self.stripped_calls -= 1;
            let restored = untraced::restore(stopped, stripped);
            self.tolerate(restored);
        }
        if error.is_none()
            && let Some(interest) = call.entered.interest
        {
            self.on_success(stopped, &call, interest, result);
        }
    }

    /// A call has succeeded about which more than its count is wanted.
    fn on_success(
        &mut self,
        stopped: &Stopped,
        call: &Call,
        interest: super::ledger::Interest,
        result: i64,
    ) {
        let tid = stopped.tid();
        let now_ms = self.now_ms();
        if interest.maps || interest.capability {
            let Some((thread, process)) = self.tree.process_of(tid) else { return };
            let pid = thread.pid;
            if interest.maps {
                self.modules.mapped(pid, process, call, now_ms);
            }
            if let Some(caller) = thread.credentials.clone().filter(|_| interest.capability) {
                self.evidence.weigh(pid, process, call, &caller, now_ms);
            }
        }
        if interest.credentials {
            self.note_own_filter(stopped, call, result);
            let before = self.tree.thread(tid).and_then(|t| t.credentials.clone());
            if let Ok(status) = ThreadStatus::read(tid.0)
                && let Some((_, process)) = self.tree.process_of(tid)
                && before
                    .is_none_or(|b| *b != super::credentials::state_of(&status, &process.watched))
            {
                self.note_status(tid, &status, Occasion::Change);
            }
        }
        if interest.makes_signalfd
            && let Ok(fd) = i32::try_from(result)
        {
            self.ledger.note_signalfd(fd);
        }
        if interest.takes_signals || interest.reads {
            self.on_signal_taken(stopped, call, result);
        }
    }

    /// `sigtimedwait(2)` and a read of a signalfd(2) take a blocked signal from the queue without a
    /// signal-delivery-stop. It matters for the few that ask a program to end.
    fn on_signal_taken(&mut self, stopped: &Stopped, call: &Call, result: i64) {
        /// `struct signalfd_siginfo`, `linux/signalfd.h`.
        const SIGNALFD_SIZE: i64 = 128;
        let reads = call.entered.interest.is_some_and(|interest| interest.reads);
        let signal = if reads {
            if result != SIGNALFD_SIZE || call.no.arch.is_32_bit() {
                return;
            }
            let mut number = [0; 4];
            if stopped.read_memory(call.args[1], &mut number) != 4 {
                return;
            }
            let number = i32::from_ne_bytes(number);
            let wanted = asks_to_stop(number);
            let Ok(fd) = i32::try_from(call.args[0] & 0xffff_ffff) else { return };
            let Some(pid) = self.tree.thread(stopped.tid()).map(|t| t.pid) else { return };
            if !wanted
                || proc_tree::fd_path(pid, fd).ok().as_deref() != Some("anon_inode:[signalfd]")
            {
                return;
            }
            number
        } else {
            i32::try_from(result).unwrap_or(0)
        };
        let Some(thread) = self.tree.thread(stopped.tid()) else { return };
        if Some(thread.pid) == self.tree.oldest() {
            let now = std::time::Instant::now();
            if asks_to_stop(signal) {
                self.note_taken(signal, now);
            }
            let action = self.plan.program_took(signal, now);
            self.act(action);
        }
    }

    fn on_launch_exit(&mut self, stopped: &Stopped, error: Option<Errno>) {
        let Some(thread) = self.tree.thread_mut(stopped.tid()) else { return };
        let Some(call) = thread.call.take() else { return };
        self.books.exits += 1;
        self.ledger.exit(call.slot, error, false);
        match error {
            // What the child does now is our own code again: it exits.
            Some(errno) => {
                thread.launching = Some(Launching::AtGate);
                self.not_started = Some(errno);
            }
            None => thread.launching = None,
        }
    }

    fn on_signal(&mut self, stopped: Stopped, signal: i32) {
        let is_request = asks_to_stop(signal);
        let of_program = self.launched.is_some()
            && self.tree.thread(stopped.tid()).map(|t| t.pid) == self.tree.oldest();
        if is_request
            && of_program
            && let Ok(origin) = stopped.signal_origin()
        {
            let now = std::time::Instant::now();
            self.note_taken(signal, now);
            let action = self.plan.program_received(signal, origin, now);
            self.act(action);
        }
        if self.adaptive.is_some() {
            self.make_again_at_signal(&stopped, signal);
        }
        self.go_on(stopped, signal);
    }

    /// The answer to our `PTRACE_INTERRUPT`, the first stop of a new thread, or SIGCONT.
    fn on_trap(&mut self, stopped: Stopped) {
        if let Some(gate) = self.gate.take_if(|gate| gate.tid() == stopped.tid()) {
            // A child that is dead will be reported as such.
            let _ = gate.open_gate();
        }
        if self.tree.thread(stopped.tid()).is_some_and(|thread| thread.interrupted) {
            match stopped.regs() {
                Ok(regs) => {
                    let result = if regs.in_syscall() { regs.result() } else { 0 };
                    self.take_interrupted(stopped.tid(), result);
                    self.make_again(&stopped, result, true);
                }
                Err(e) => self.tolerate(Err(e)),
            }
        }
        if self.waits_for_maker(stopped.tid()) {
            return self.hold(stopped, Until::MakerIsKnown);
        }
        self.go_on(stopped, 0);
    }

    fn on_exec(&mut self, stopped: Stopped) {
        let leader = stopped.tid();
        let now_ms = self.now_ms();
        let former = stopped.event_message().ok().and_then(|m| i32::try_from(m).ok());
        let former = former.filter(|_| !stopped.is_dying());
        let former = Tid(former.unwrap_or(leader.0));
        let is_installing =
            self.tree.process_of(former).is_some_and(|(_, p)| p.watched.is_installing());
        for thread in self.tree.exec(former, leader, now_ms) {
            self.close_thread(&thread);
        }
        if self.tree.thread(leader).is_none() {
            self.on_new_thread(&stopped);
        }
        if let Some((thread, process)) = self.tree.process_of(leader) {
            let pid = thread.pid;
            if let Ok(exe) = proc_tree::exe(pid) {
                // The last one is always there: it is what the process runs.
                process.execs.truncate(MAX_EXECS - 1);
                process.execs.push(Exec { at_ms: now_ms, path: exe.path, observed: true });
            }
            self.modules.executed(pid, process, now_ms);
        }
        if is_installing && let Ok(status) = ThreadStatus::read(leader.0) {
            self.count_filters_after_exec(leader.0, &status);
        }
        self.look_at(leader, Occasion::Exec);
        let ours = self
            .tree
            .process(leader.0)
            .is_some_and(|process| process.watched.is_no_new_privs_ours());
        if let Some(warning) = super::withheld::at_exec(leader.0, ours) {
            self.warn(warning);
        }
        self.go_on(stopped, 0);
    }

    fn on_exit_event(&mut self, stopped: Stopped) {
        let tid = stopped.tid();
        let now_ms = self.now_ms();
        self.look_at(tid, Occasion::End);
        if let Some(thread) = self.tree.thread_mut(tid) {
            thread.injection = None;
            thread.exiting = true;
        }
        if let Some((_, process)) = self.tree.process_of(tid) {
            process.watched.gone(tid);
        }
        if let Some((thread, process)) = self.tree.process_of(tid)
            && process.threads == 1
        {
            self.modules.last_look(thread.pid, process, now_ms);
        }
        self.go_on(stopped, 0);
    }

    /// The process that was told to end has ended, and others of the tree live on: a shell script
    /// around the node, say. Now the oldest of those is the program.
    fn tell_the_next(&mut self, ended: i32) {
        let is_over = self.told == Some(ended) && self.tree.process(ended).is_none();
        if let Some((signal, true)) = self.plan.told_by().filter(|_| is_over) {
            self.signal_program(signal);
        }
    }

    pub(super) fn on_end(&mut self, tid: Tid, ended: Ended) {
        if !self.held.is_empty() {
            self.mind_held(tid);
        }
        let now_ms = self.now_ms();
        match self.tree.remove(tid, Some(ended), now_ms) {
            Some(thread) => {
                self.close_thread(&thread);
                self.tell_the_next(thread.pid);
            }
            None => {
                self.restore_at_birth.remove(&tid);
                if self.tree.ended_unseen(tid) {
                    self.books.threads_born += 1;
                    self.books.threads_gone += 1;
                }
            }
        }
    }
}

/// Whether an address is in the page at which old programs call gettimeofday, time and getcpu
/// (`VSYSCALL_ADDR`, `asm/vsyscall.h`).
fn is_vsyscall(ip: u64) -> bool {
    ip & !0xfff == 0xffff_ffff_ff60_0000
}
