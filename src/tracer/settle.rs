//! What is done to settle: the filter is compiled, the processes are had install it, and each is
//! watched by what it has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::{Tracer, duration_ms};
use super::injection::{Injection, Progress};
use super::learning::why_heard;
use super::watched::Verdict;
use crate::arch::{Arch, native};
use crate::filter::learned;
use crate::proc::ThreadStatus;
use crate::ptrace::{CallInfo, Stopped};
use crate::recording::Settled;
use crate::syscall::SysNo;

/// A syscall that stops each time although it was not hot when the filter was made is told of when
/// its stops cost more than this share of a core.
const HOT: f64 = 0.05;

/// Calls that are never put aside for an installation: they end the thread, make another or another
/// program, or go back to what the kernel keeps for them; or may be about to install a filter of the
/// program's own, after which ours would be of no use.
const NOT_PUT_ASIDE: &[&str] = &[
    "clone",
    "clone3",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "fork",
    "prctl",
    "restart_syscall",
    "rt_sigreturn",
    "seccomp",
    "vfork",
];

impl Tracer {
    /// A stop has cost this much. If that was one too many, it is time to settle.
    pub(super) fn spend(&mut self, cost: Duration, at: Instant) {
        let started = self.started;
        let now_ms = || duration_ms(started);
        if self.adaptive.as_mut().is_some_and(|adaptive| adaptive.spend(cost, at, now_ms)) {
            self.settle();
            self.tell_deadline();
        }
    }

    /// Has the filter compiled, by a thread of its own; it is taken in when the mailbox has it.
    fn settle(&mut self) {
        let at_ms = self.now_ms();
        let in_full = self.adaptive.as_mut().map(|a| std::mem::take(&mut a.in_full));
        let Some(adaptive) = &mut self.adaptive else { return };
        let seen = self.ledger.seen().and(&adaptive.policy.prior);
        let learned = seen.learned(self.ledger.signalfds());
        if adaptive.settled.is_none() {
            let (calls, singles) = self.ledger.calls_and_singles();
            #[allow(clippy::cast_precision_loss)]
            let unseen_mass = if calls == 0 { 1.0 } else { singles as f64 / calls as f64 };
            adaptive.settled = Some(Settled {
                after_ms: at_ms,
                stops: self.meter.stops(),
                cost_ns: self.meter.cost_ns(),
                syscalls: self.ledger.len() as u64,
                unseen_mass,
                installations: 0,
                longest_installation_ns: 0,
            });
        }
        for (name, why) in in_full.into_iter().flatten() {
            self.tell_of_full(name, why);
        }
        let Some(adaptive) = &mut self.adaptive else { return };
        let known = adaptive.filter.is_some() && learned == adaptive.learned;
        if known {
            return;
        }
        // A filter that is installed while the next one is compiled is the former.
        if adaptive.any_filtered {
            adaptive.let_through.extend(adaptive.learned.numbers());
        }
        adaptive.learned = learned.clone();
        adaptive.generation += 1;
        let generation = adaptive.generation;
        let (mailbox, data) = (Arc::clone(&self.mailbox), adaptive.trace_data);
        let compile = move || mailbox.deliver_filter(generation, learned::compile(&learned, data));
        if let Err(e) = std::thread::Builder::new().name("filter".to_owned()).spawn(compile) {
            self.stay_full(&format!("no thread could be started to compile the filter: {e}"));
        }
    }

    /// The filter is there.
    pub(super) fn take_filter(&mut self) {
        let generation = self.adaptive.as_ref().map_or(0, |adaptive| adaptive.generation);
        match self.mailbox.take_filter(generation) {
            Some(Ok(compiled)) => {
                if let Some(adaptive) = &mut self.adaptive {
                    adaptive.filter = Some(Arc::new(compiled.program));
                }
            }
            Some(Err(e)) => self.stay_full(&e.to_string()),
            None => {}
        }
    }

    fn stay_full(&mut self, why: &str) {
        self.warn(format!("every call goes on stopping: {why}"));
        let now_ms = self.now_ms();
        if self.adaptive.as_mut().is_some_and(|adaptive| adaptive.stay_full(now_ms)) {
            self.interrupt_free();
        }
    }

    /// All calls stop again, until that has cost its own budget: a phase begins, or it is time.
    pub(super) fn look_again(&mut self) {
        let (now, now_ms) = (Instant::now(), self.now_ms());
        if self.adaptive.as_mut().is_some_and(|adaptive| adaptive.look_again(now, now_ms)) {
            self.interrupt_free();
        }
        self.tell_deadline();
    }

    /// Has the threads stop that may run free.
    fn interrupt_free(&mut self) {
        if self.adaptive.as_ref().is_some_and(|adaptive| adaptive.any_filtered) {
            self.interrupt_all();
        }
    }

    /// At an enter-stop: has the thread install the filter first, if its process is to have one.
    /// Whether it does.
    pub(super) fn begin_installation(&mut self, stopped: &Stopped, info: CallInfo) -> bool {
        let CallInfo::Enter { arch, number, .. } = info else { return false };
        let Some(adaptive) = self.adaptive.as_ref().filter(|a| a.is_settling()) else {
            return false;
        };
        let Some((thread, process)) = self.tree.process_of(stopped.tid()) else { return false };
        if thread.launching.is_some() || thread.again.is_some() || !is_put_aside(arch, number) {
            return false;
        }
        let Some(filter) = adaptive.filter.clone() else { return false };
        let Some(rights) = thread.credentials.as_deref() else { return false };
        let verdict = process.watched.verdict(rights, adaptive.policy.may_set_no_new_privs);
        let sets_no_new_privs = match verdict {
            Verdict::Yes { sets_no_new_privs } => sets_no_new_privs,
            Verdict::No => return false,
            Verdict::Forbidden => {
                process.watched.watch_always();
                let name = process.comm.clone();
                let why = "has no right to install a filter (CAP_SYS_ADMIN or no_new_privs)";
                self.tell_of_full(name, why);
                return false;
            }
        };
        let since = self.meter.heard_at();
        match Injection::begin(stopped, filter, sets_no_new_privs, since) {
            Ok(injection) => {
                process.watched.installs(stopped.tid());
                thread.injection = Some(Box::new(injection));
                true
            }
            Err(e) => {
                self.tolerate(Err(e));
                false
            }
        }
    }

    /// A syscall stop of a thread that installs the filter. Whether that is over, and this is the
    /// enter-stop of the program's own call.
    pub(super) fn on_installation(&mut self, stopped: &Stopped, info: CallInfo) -> bool {
        let Some((thread, process)) = self.tree.process_of(stopped.tid()) else { return false };
        let Some(injection) = thread.injection.as_mut() else { return false };
        let since = injection.since;
        let progress = match info {
            CallInfo::Enter { .. } => injection.entered(stopped),
            CallInfo::Exit { result, .. } => injection.returned(stopped, result),
            CallInfo::None => return false,
        };
        match progress {
            Ok(Progress::Going) => {}
            Ok(Progress::NoNewPrivs) => process.watched.no_new_privs_set(),
            Ok(Progress::Installed) => {
                process.watched.installed();
                self.installed(since);
            }
            Ok(Progress::Over(trouble)) => {
                thread.injection = None;
                process.watched.installation_over();
                if let Some(trouble) = trouble {
                    process.watched.watch_always();
                    let name = process.comm.clone();
                    self.warn(format!(
                        "{name} could not be given the filter, {trouble}: every call of it goes \
                         on stopping"
                    ));
                }
                return true;
            }
            // It is dying; that will be reported.
            Err(e) => self.tolerate(Err(e)),
        }
        false
    }

    /// A process whose installation was under way has executed a program, with which the installer
    /// went. If its filter was there already, the new program is under it.
    pub(super) fn count_filters_after_exec(&mut self, pid: i32, status: &ThreadStatus) {
        let Some(filters) = self.foreign_filters(status) else { return };
        let Some(process) = self.tree.process_mut(pid) else { return };
        let own = process.watched.is_watched_always();
        if !own && filters > process.watched.our_filters() {
            process.watched.installed();
            self.installed(Instant::now());
        }
    }

    /// How many filters a thread is under, without those that we started under.
    fn foreign_filters(&self, status: &ThreadStatus) -> Option<u32> {
        let inherited = self.adaptive.as_ref()?.policy.inherited_filters;
        let filters = status.seccomp_filters.unwrap_or(u32::from(status.seccomp_mode == 2));
        Some(filters.saturating_sub(inherited))
    }

    fn installed(&mut self, since: Instant) {
        let took = since.elapsed();
        self.mind_stall(took, "while a filter was installed");
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let Some(adaptive) = &mut self.adaptive else { return };
        adaptive.any_filtered = true;
        // All that any of them may let through: which one it was is of no matter.
        adaptive.let_through.extend(adaptive.learned.numbers());
        if let Some(settled) = &mut adaptive.settled {
            settled.installations += 1;
            settled.longest_installation_ns = settled.longest_installation_ns.max(took);
        }
    }

    /// A new process was seen for the first time.
    pub(super) fn count_filters(&mut self, pid: i32, status: &ThreadStatus) {
        let Some(filters) = self.foreign_filters(status) else { return };
        if let Some(process) = self.tree.process_mut(pid) {
            process.watched.born_under(filters, status.no_new_privs);
        }
    }

    /// A process is watched in full for good, which matters once others are not.
    pub(super) fn tell_of_full(&mut self, name: String, why: &'static str) {
        let Some(adaptive) = &mut self.adaptive else { return };
        if adaptive.settled.is_some() {
            self.warn(format!("{name} {why}: every call of it goes on stopping"));
        } else {
            adaptive.in_full.insert((name, why));
        }
    }

    /// Warns of syscalls that stop each time and have turned hot.
    pub(super) fn check_hot(&mut self, now: Instant) {
        let Some(adaptive) = self.adaptive.as_mut().filter(|a| a.any_filtered) else { return };
        let passed = now.saturating_duration_since(adaptive.checked).as_secs_f64();
        adaptive.checked = now;
        let stop = self.meter.stop_cost().as_secs_f64();
        let mut hot = Vec::new();
        for (name, stops) in self.ledger.take_trapped() {
            #[allow(clippy::cast_precision_loss)]
            let share = stops as f64 * stop / passed.max(0.001);
            if share > HOT && adaptive.told_hot.insert(name.clone()) {
                hot.push((name, share));
            }
        }
        for (name, share) in hot {
            // A filter lets none of these through, whoever saw it.
            let advice = match why_heard(&name, self.ledger.signalfds()) {
                Some(why) => format!("it has to be heard of, since {why}"),
                None => "run again with `--prior RECORDING`, which lets through what this run saw"
                    .to_owned(),
            };
            self.warn_at_once(format!(
                "{name} turned hot after the filter was installed, and stops every time, at {:.0} % \
                 of a core: {advice}",
                share * 100.0
            ));
        }
    }
}

/// Whether a call can be made later just as well.
fn is_put_aside(arch: Option<Arch>, number: i64) -> bool {
    let no = SysNo { arch: native::ARCH, number };
    arch == Some(native::ARCH) && no.name().is_some_and(|name| !NOT_PUT_ASIDE.contains(&name))
}
