//! From full stops to native speed: when the stops have cost too much, the program is given a filter
//! that lets through what has been seen, and only news stop from then on.
//!
//! **When** is a matter of cost, not of novelty: a filter can never be loosened, so whatever turns hot
//! after it stops for ever, and what made the cost has by then been seen. A token bucket of the whole
//! tree's cost decides; while it is not empty every call stops, with exact counts and results. A new
//! phase begins with such a full look again, until its own budget is spent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bucket::Bucket;
use super::engine::Tracer;
use super::injection::{Injection, Outcome};
use super::tree::{Process, Watching};
use crate::arch::native;
use crate::filter::learned::{self, Learned};
use crate::proc::ThreadStatus;
use crate::ptrace::{CallInfo, Stopped, Tid, interrupt};
use crate::recording::{CredentialState, Settled};
use crate::syscall::{Cap, SysNo};

/// The refill of the bucket: this share of one core may be spent for ever.
const SHARE: f64 = 0.05;

/// A syscall that stops each time although it was not hot when the filter was made is told of when
/// its stops cost more than this share of a core.
const HOT: f64 = 0.05;

/// In the thread's own user namespace, it lets it install a filter (`seccomp(2)`).
const CAP_SYS_ADMIN: Cap = Cap(21);

/// Calls that are never put aside for an installation: they end the thread, make another or another
/// program, or go back to what the kernel keeps for them.
const NOT_PUT_ASIDE: &[&str] = &[
    "clone",
    "clone3",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "fork",
    "restart_syscall",
    "rt_sigreturn",
    "vfork",
];

/// What the user chose.
#[derive(Clone, Debug)]
pub struct AdaptivePolicy {
    /// `--settle-after`: how much stopped time a phase may cost before its calls stop no more.
    pub settle_after: Duration,
    /// Native syscalls that an earlier run saw, and that are let through without being seen in this.
    pub prior: BTreeSet<SysNo>,
    /// Whether `no_new_privs` may be set in the program: by a tracer without privileges, under which
    /// a set-user-ID program gets none anyhow.
    pub may_set_no_new_privs: bool,
    /// How many filters the program starts under, which we were told to put ours over.
    pub inherited_filters: u32,
}

/// The state of it.
#[derive(Debug)]
pub(super) struct Adaptive {
    policy: AdaptivePolicy,
    bucket: Bucket,
    /// Every call of every process stops, filter or not.
    looking: bool,
    filter: Option<Arc<Vec<u8>>>,
    /// What that filter lets through.
    pub learned: Learned,
    /// A process is under our filter.
    any_filtered: bool,
    pub settled: Option<Settled>,
    checked: Instant,
}

impl Adaptive {
    pub fn new(policy: AdaptivePolicy, now: Instant) -> Adaptive {
        let bucket = Bucket::new(policy.settle_after, SHARE, now);
        Adaptive {
            policy,
            bucket,
            looking: true,
            filter: None,
            learned: Learned::default(),
            any_filtered: false,
            settled: None,
            checked: now,
        }
    }

    /// Whether a thread of a process that is watched like this may run on without stopping at its
    /// calls.
    pub fn runs_free(&self, watching: Watching) -> bool {
        self.any_filtered && !self.looking && watching == Watching::Filtered
    }

    /// The names of what the filter lets through, sorted.
    pub fn let_through(&self) -> Vec<String> {
        if !self.any_filtered {
            return Vec::new();
        }
        let tested = self.learned.tested.iter().map(|(number, _)| number);
        let numbers = self.learned.always.iter().chain(tested);
        let no = |number: &i32| SysNo { arch: native::ARCH, number: i64::from(*number) };
        let mut names: Vec<String> = numbers.map(|number| no(number).to_string()).collect();
        names.sort();
        names
    }

    /// Whether there is anything to ask of it at a stop.
    pub fn is_settling(&self) -> bool {
        self.filter.is_some() && !self.looking
    }
}

impl Tracer {
    /// A stop has cost this much. If that was one too many, it is time to settle.
    pub(super) fn spend(&mut self, cost: Duration, at: Instant) {
        let Some(adaptive) = self.adaptive.as_mut().filter(|a| a.looking) else { return };
        if adaptive.bucket.spend(cost, at) {
            adaptive.looking = false;
            self.settle();
        }
    }

    /// Has the filter compiled, by a thread of its own; it is taken in when the mailbox has it.
    fn settle(&mut self) {
        let at_ms = self.now_ms();
        let Some(adaptive) = &mut self.adaptive else { return };
        let learned = self.ledger.learned(&adaptive.policy.prior);
        if adaptive.settled.is_none() {
            let (calls, singles) = self.ledger.calls_and_singles();
            #[allow(clippy::cast_precision_loss)]
            let unseen_mass = singles as f64 / calls.max(1) as f64;
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
        let known = adaptive.filter.is_some() && learned == adaptive.learned;
        if known {
            return;
        }
        adaptive.learned = learned.clone();
        let mailbox = Arc::clone(&self.mailbox);
        let compile = move || mailbox.deliver_filter(learned::compile(&learned));
        if let Err(e) = std::thread::Builder::new().name("filter".to_owned()).spawn(compile) {
            self.stay_full(&format!("no thread could be started to compile the filter: {e}"));
        }
    }

    /// The filter is there.
    pub(super) fn take_filter(&mut self) {
        match self.mailbox.take_filter() {
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
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.looking = true;
            adaptive.bucket = Bucket::new(Duration::MAX, 1.0, Instant::now());
        }
    }

    /// A new phase begins: all calls stop again, until the phase's own budget is spent.
    pub(super) fn look_again(&mut self) {
        let now = Instant::now();
        let Some(adaptive) = &mut self.adaptive else { return };
        if adaptive.settled.is_none() {
            return;
        }
        adaptive.bucket = Bucket::new(adaptive.policy.settle_after, SHARE, now);
        if !std::mem::replace(&mut adaptive.looking, true) {
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
        let Some(filter) = adaptive.filter.clone() else { return false };
        let may_set = adaptive.policy.may_set_no_new_privs;
        let Some((thread, process)) = self.tree.process_of(stopped.tid()) else { return false };
        let puts_aside = arch == Some(native::ARCH)
            && SysNo { arch: native::ARCH, number }
                .name()
                .is_some_and(|name| !NOT_PUT_ASIDE.contains(&name));
        if process.watching != Watching::Fully
            || process.installer.is_some()
            || process.shares_memory
            || thread.launching.is_some()
            || thread.again.is_some()
            || !puts_aside
        {
            return false;
        }
        let rights = thread.credentials.as_deref().map(Rights::of);
        let sets_no_new_privs = match rights {
            Some(Rights::MayInstall) => false,
            Some(Rights::None) if may_set => true,
            _ => {
                process.watching = Watching::AlwaysFully;
                self.warn(
                    "a process of the tree has no right to install a filter (CAP_SYS_ADMIN or \
                     no_new_privs); every call of it goes on stopping"
                        .to_owned(),
                );
                return false;
            }
        };
        let since = self.meter.heard_at();
        match Injection::begin(stopped, filter, sets_no_new_privs, since) {
            Ok(injection) => {
                process.installer = Some(stopped.tid());
                thread.injection = Some(Box::new(injection));
                true
            }
            Err(e) => {
                self.tolerate(Err(e));
                false
            }
        }
    }

    /// A syscall stop of a thread that installs the filter.
    pub(super) fn on_installation(&mut self, stopped: &Stopped, info: CallInfo) {
        let CallInfo::Exit { result, .. } = info else { return };
        let tid = stopped.tid();
        let Some(thread) = self.tree.thread_mut(tid) else { return };
        let Some(injection) = thread.injection.as_mut() else { return };
        let outcome = match injection.returned(stopped, result) {
            Ok(None) => return,
            Ok(Some(outcome)) => outcome,
            Err(e) => {
                // It is dying; that will be reported.
                return self.tolerate(Err(e));
            }
        };
        let (held, since) = (std::mem::take(&mut injection.held), injection.since);
        let sets_no_new_privs = injection.sets_no_new_privs();
        thread.injection = None;
        let pid = thread.pid;
        for signal in held {
            self.send(pid, signal);
        }
        let Some((_, process)) = self.tree.process_of(tid) else { return };
        process.installer = None;
        match outcome {
            Outcome::Installed => {
                process.watching = Watching::Filtered;
                process.our_filters += 1;
                process.our_no_new_privs |= sets_no_new_privs;
                // Objects that it maps from now on are found by a last look.
                process.maps = None;
                self.installed(since);
            }
            Outcome::Unsynchronized => {
                process.watching = Watching::AlwaysFully;
                self.warn(
                    "a thread is under a seccomp filter of its own; every call of its process goes \
                     on stopping"
                        .to_owned(),
                );
            }
            Outcome::Failed(errno) => {
                process.watching = Watching::AlwaysFully;
                self.warn(format!(
                    "the filter could not be installed in a process ({errno}); every call of it \
                     goes on stopping"
                ));
            }
        }
    }

    fn installed(&mut self, since: Instant) {
        let took = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let Some(adaptive) = &mut self.adaptive else { return };
        adaptive.any_filtered = true;
        if let Some(settled) = &mut adaptive.settled {
            settled.installations += 1;
            settled.longest_installation_ns = settled.longest_installation_ns.max(took);
        }
    }

    /// The program has put a filter of its own over ours, or strict mode: what that denies never
    /// reaches ours, so every call of the process stops again, before any filter is asked.
    pub(super) fn watch_always(&mut self, pid: i32) {
        if self.adaptive.is_none() {
            return;
        }
        let Some(process) = self.tree.process_mut(pid) else { return };
        if std::mem::replace(&mut process.watching, Watching::AlwaysFully) == Watching::Filtered {
            for tid in self.tree.threads_of(pid) {
                if let Some(thread) = self.tree.thread_mut(tid) {
                    thread.interrupted = true;
                }
                let interrupted = interrupt(tid);
                self.tolerate(interrupted);
            }
        }
    }

    /// A new process of the tree: how it is to be watched.
    pub(super) fn watch_newborn(&mut self, tid: Tid, maker: Option<i32>, status: &ThreadStatus) {
        let Some(adaptive) = &self.adaptive else { return };
        let inherited = adaptive.policy.inherited_filters;
        let of_maker = maker.and_then(|pid| self.tree.process(pid)).map(Inherited::of);
        let (Some((_, process)), Some(maker)) = (self.tree.process_of(tid), of_maker) else {
            return;
        };
        // It may have been forked while the filter was on its way to its maker.
        let filters = status.seccomp_filters.unwrap_or(u32::from(status.seccomp_mode == 2));
        let has_ours = filters > inherited;
        process.watching = match maker.watching {
            Watching::Filtered if !has_ours => Watching::Fully,
            watching => watching,
        };
        process.our_filters = if has_ours { maker.our_filters.max(1) } else { 0 };
        process.our_no_new_privs = status.no_new_privs && maker.our_no_new_privs;
    }

    /// Warns of syscalls that stop each time and have turned hot.
    pub(super) fn check_hot(&mut self, now: Instant) {
        let Some(adaptive) = self.adaptive.as_mut().filter(|a| a.any_filtered) else { return };
        let passed = now.saturating_duration_since(adaptive.checked).as_secs_f64();
        adaptive.checked = now;
        let stop = self.meter.stop_cost().as_secs_f64();
        for (name, stops) in self.ledger.take_trapped() {
            #[allow(clippy::cast_precision_loss)]
            let share = stops as f64 * stop / passed.max(0.001);
            if share > HOT {
                self.warn(format!(
                    "{name} turned hot after the filter was installed, and stops every time, at \
                     {:.0} % of a core: run again with `--prior RECORDING`, which lets through what \
                     this run saw",
                    share * 100.0
                ));
            }
        }
    }
}

/// What a process has of its maker.
#[derive(Clone, Copy)]
struct Inherited {
    watching: Watching,
    our_filters: u32,
    our_no_new_privs: bool,
}

impl Inherited {
    fn of(process: &Process) -> Inherited {
        Inherited {
            watching: process.watching,
            our_filters: process.our_filters,
            our_no_new_privs: process.our_no_new_privs,
        }
    }
}

/// Whether a thread may install a filter (`seccomp(2)`, EACCES).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rights {
    MayInstall,
    None,
}

impl Rights {
    fn of(state: &CredentialState) -> Rights {
        if state.effective.contains(CAP_SYS_ADMIN) || state.no_new_privs {
            Rights::MayInstall
        } else {
            Rights::None
        }
    }
}
