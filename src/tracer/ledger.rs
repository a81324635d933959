//! What is known of each syscall so far: the table behind every stop.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::learning::Seen;
use crate::arch::{Arch, native};
use crate::knowledge::capability;
use crate::ptrace::Stopped;
use crate::recording::{
    ArgumentValue, ArgumentValues, Counted, ErrnoCount, PhaseCount, Sighting, Syscall,
};
use crate::syscall::arguments::{MAX_PARTS, Source, Tracked, tracked};
use crate::syscall::decode::{self, NO_PORT, SockAddr};
use crate::syscall::{Errno, SysNo};

/// How many distinct values of a tracked argument are kept. Real programs show a handful; the
/// bound keeps memory flat where a value is a counter.
const MAX_VALUES: usize = 64;

/// Numbers of the native table below this are found without hashing.
const DENSE: usize = 1024;

/// Of a syscall that our filter stops, the results of the first calls are waited for, at the price
/// of a second stop each.
const RESULTS_WANTED: u64 = 256;

/// A place in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotId(u32);

/// What the tracer has to do at stops of a syscall beyond counting it.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Interest {
    /// It makes threads or processes.
    pub births: bool,
    /// Its success changes credentials, the seccomp state or namespaces.
    pub credentials: bool,
    /// `knowledge::capability` has a rule for it.
    pub capability: bool,
    /// Its success may map an executable object.
    pub maps: bool,
    /// It may take a signal from the queue without a signal-delivery-stop.
    pub takes_signals: bool,
    /// It may read signals from a descriptor of signalfd(2).
    pub reads: bool,
    /// Its result is such a descriptor.
    pub makes_signalfd: bool,
}

impl Interest {
    fn of(name: &str) -> Interest {
        Interest {
            births: matches!(name, "clone" | "clone3" | "fork" | "vfork"),
            credentials: matches!(
                name,
                "capset"
                    | "landlock_restrict_self"
                    | "prctl"
                    | "seccomp"
                    | "setuid"
                    | "setuid32"
                    | "setgid"
                    | "setgid32"
                    | "setreuid"
                    | "setreuid32"
                    | "setregid"
                    | "setregid32"
                    | "setresuid"
                    | "setresuid32"
                    | "setresgid"
                    | "setresgid32"
                    | "setfsuid"
                    | "setfsuid32"
                    | "setfsgid"
                    | "setfsgid32"
                    | "setgroups"
                    | "setgroups32"
                    | "unshare"
                    | "setns"
                    | "keyctl"
            ),
            capability: capability::is_subject(name),
            maps: matches!(name, "mmap" | "mmap2" | "mprotect" | "pkey_mprotect"),
            takes_signals: matches!(name, "rt_sigtimedwait" | "rt_sigtimedwait_time64"),
            reads: name == "read",
            makes_signalfd: matches!(name, "signalfd" | "signalfd4"),
        }
    }

    /// What of it is left with these arguments: the busiest calls are of interest but now and then.
    fn with(self, args: &[u64; 6], may_have_signalfds: bool) -> Interest {
        /// `struct signalfd_siginfo`, `linux/signalfd.h`.
        const SIGNALFD_SIZE: u64 = 128;
        Interest {
            maps: self.maps && args[2] & libc::PROT_EXEC as u64 != 0,
            reads: self.reads && may_have_signalfds && args[2] >= SIGNALFD_SIZE,
            ..self
        }
    }

    fn none(self) -> bool {
        !(self.births
            || self.credentials
            || self.capability
            || self.maps
            || self.takes_signals
            || self.reads
            || self.makes_signalfd)
    }
}

/// One syscall of one architecture.
#[derive(Clone, Debug)]
struct Slot {
    no: SysNo,
    name: Option<&'static str>,
    interest: Interest,
    calls_by_phase: Vec<u64>,
    succeeded: u64,
    restarted: u64,
    unfinished: u64,
    /// Calls whose result was not waited for.
    unwatched: u64,
    /// How often our filter has stopped it, in all and since it was last asked.
    trapped: u64,
    trapped_lately: u64,
    errnos: Vec<(Errno, u64)>,
    first: Option<Arc<Sighting>>,
    arguments: Vec<ArgumentLog>,
}

#[derive(Clone, Debug)]
struct ArgumentLog {
    tracked: &'static Tracked,
    values: Vec<([u64; MAX_PARTS], u64)>,
    unreadable: u64,
    and_more: bool,
}

/// What an enter-stop turned out to be.
#[derive(Clone, Copy, Debug)]
pub struct Entered {
    /// Its place.
    pub slot: SlotId,
    /// Whether this syscall was never seen before.
    pub is_new: bool,
    /// What has to be done about it; `None` for nearly all.
    pub interest: Option<Interest>,
    /// The address that `bind(2)` was given.
    pub address: Option<SockAddr>,
    /// The flags that `clone(2)` or `clone3(2)` was given.
    pub clone_flags: Option<u64>,
}

/// All syscalls that were seen.
#[derive(Debug)]
pub struct Ledger {
    slots: Vec<Slot>,
    dense: Vec<Option<SlotId>>,
    sparse: HashMap<SysNo, SlotId>,
    phase: usize,
    /// The program may have what was made before we came.
    attached: bool,
    /// The descriptors that signalfd(2) gave to any process.
    signalfds: BTreeSet<i32>,
}

impl Ledger {
    /// An empty one, in phase 0. `attached` says that the program runs already.
    pub fn new(attached: bool) -> Ledger {
        Ledger {
            slots: Vec::new(),
            dense: vec![None; DENSE],
            sparse: HashMap::new(),
            phase: 0,
            attached,
            signalfds: BTreeSet::new(),
        }
    }

    /// A process was given a descriptor from which it reads signals.
    pub fn note_signalfd(&mut self, fd: i32) {
        self.signalfds.insert(fd);
    }

    /// From now on calls count for the phase of that index.
    pub fn set_phase(&mut self, phase: usize) {
        self.phase = phase;
    }

    /// How many distinct syscalls were seen.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Books a syscall-enter-stop.
    pub fn enter(&mut self, no: SysNo, args: &[u64; 6], stopped: &Stopped) -> Entered {
        let (slot_id, is_new) = self.find_or_make(no);
        let phase = self.phase;
        let signalfds = self.attached || !self.signalfds.is_empty();
        let slot = &mut self.slots[slot_id.0 as usize];
        if slot.calls_by_phase.len() <= phase {
            slot.calls_by_phase.resize(phase + 1, 0);
        }
        slot.calls_by_phase[phase] += 1;
        let mut entered = Entered {
            slot: slot_id,
            is_new,
            interest: (!slot.interest.none())
                .then(|| slot.interest.with(args, signalfds))
                .filter(|interest| !interest.none()),
            address: None,
            clone_flags: None,
        };
        for log in &mut slot.arguments {
            let key = log.tracked.read(no.arch, args, stopped, &mut entered);
            if slot.interest.births {
                entered.clone_flags = key.map(|key| key[0]);
            }
            log.note(key);
        }
        entered
    }

    /// Books a syscall-exit-stop. `again` says that we make the thread call again.
    pub fn exit(&mut self, slot: SlotId, error: Option<Errno>, again: bool) {
        let slot = &mut self.slots[slot.0 as usize];
        match error {
            None => slot.succeeded += 1,
            Some(e) if again || e.is_restart() => slot.restarted += 1,
            Some(e) => match slot.errnos.iter_mut().find(|(known, _)| *known == e) {
                Some((_, count)) => *count += 1,
                None => slot.errnos.push((e, 1)),
            },
        }
    }

    /// Books a call that never came back.
    pub fn unfinished(&mut self, slot: SlotId) {
        self.slots[slot.0 as usize].unfinished += 1;
    }

    /// Books a call that our filter has stopped; whether its result is to be waited for.
    pub fn trapped(&mut self, entered: &Entered) -> bool {
        let slot = &mut self.slots[entered.slot.0 as usize];
        slot.trapped += 1;
        let wanted = slot.trapped <= RESULTS_WANTED || entered.interest.is_some();
        slot.trapped_lately += 1 + u64::from(wanted);
        wanted
    }

    /// Books a call whose result is not waited for.
    pub fn unwatched(&mut self, slot: SlotId) {
        self.slots[slot.0 as usize].unwatched += 1;
    }

    /// The syscalls that our filter has stopped since this was last asked, and how many stops that
    /// were.
    pub fn take_trapped(&mut self) -> Vec<(String, u64)> {
        let take = |slot: &mut Slot| {
            let stops = std::mem::take(&mut slot.trapped_lately);
            (stops > 0).then(|| (slot.no.to_string(), stops))
        };
        self.slots.iter_mut().filter_map(take).collect()
    }

    /// The use that was made of each syscall until now.
    pub fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        for slot in &self.slots {
            let values = slot.arguments.first().into_iter().flat_map(|log| &log.values);
            seen.add(slot.no, slot.calls_by_phase.iter().sum(), values.map(|(key, _)| key[0]));
        }
        seen
    }

    /// The descriptors that signalfd(2) gave to any process.
    pub fn signalfds(&self) -> &BTreeSet<i32> {
        &self.signalfds
    }

    /// How many calls there were, and how many syscalls were called just once: by Good and Turing
    /// (Biometrika 40, 1953), their ratio estimates the chance that the next call is a new one.
    pub fn calls_and_singles(&self) -> (u64, u64) {
        let calls = |slot: &Slot| slot.calls_by_phase.iter().sum::<u64>();
        let singles = self.slots.iter().filter(|slot| calls(slot) == 1).count();
        (self.slots.iter().map(calls).sum(), singles as u64)
    }

    /// Says where a new syscall was first seen.
    pub fn set_first(&mut self, slot: SlotId, sighting: Sighting) {
        self.slots[slot.0 as usize].first = Some(Arc::new(sighting));
    }

    fn find_or_make(&mut self, no: SysNo) -> (SlotId, bool) {
        let dense = match usize::try_from(no.number) {
            Ok(n) if n < DENSE && no.arch == native::ARCH => Some(n),
            _ => None,
        };
        let known = match dense {
            Some(n) => self.dense[n],
            None => self.sparse.get(&no).copied(),
        };
        if let Some(slot) = known {
            return (slot, false);
        }
        let id = SlotId(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        self.slots.push(Slot::new(no));
        match dense {
            Some(n) => self.dense[n] = Some(id),
            None => drop(self.sparse.insert(no, id)),
        }
        (id, true)
    }

    /// What is known by now: numbers, which are put into words by who has the time.
    pub fn entries(&self) -> Entries {
        Entries(self.slots.clone())
    }
}

/// All syscalls at one moment.
#[derive(Debug)]
pub struct Entries(Vec<Slot>);

impl Entries {
    /// The recording's section, sorted. `counted` says whether every call of a syscall was watched.
    pub fn to_syscalls(
        &self,
        counted: impl Fn(SysNo) -> Counted,
        phases: &[String],
    ) -> Vec<Syscall> {
        let mut list: Vec<Syscall> =
            self.0.iter().map(|slot| slot.to_syscall(counted(slot.no), phases)).collect();
        list.sort_by_key(|s| (s.arch, s.number));
        list
    }
}

impl Slot {
    fn new(no: SysNo) -> Slot {
        let name = no.name();
        Slot {
            no,
            name,
            interest: name.map(Interest::of).unwrap_or_default(),
            calls_by_phase: Vec::new(),
            succeeded: 0,
            restarted: 0,
            unfinished: 0,
            unwatched: 0,
            trapped: 0,
            trapped_lately: 0,
            errnos: Vec::new(),
            first: None,
            arguments: name
                .into_iter()
                .flat_map(|name| tracked(no.arch, name))
                .map(|tracked| ArgumentLog {
                    tracked,
                    values: Vec::new(),
                    unreadable: 0,
                    and_more: false,
                })
                .collect(),
        }
    }

    fn to_syscall(&self, counted: Counted, phases: &[String]) -> Syscall {
        let mut errnos: Vec<ErrnoCount> = self
            .errnos
            .iter()
            .map(|(e, count)| ErrnoCount { name: e.to_string(), number: e.0, count: *count })
            .collect();
        errnos.sort_by_key(|e| e.number);
        Syscall {
            arch: self.no.arch,
            number: self.no.number,
            name: self.name.map(str::to_owned),
            count: self.calls_by_phase.iter().sum(),
            counted,
            first: self.first.as_deref().cloned().unwrap_or(Sighting {
                at_ms: 0,
                pid: 0,
                tid: 0,
                exe: None,
                comm: None,
                caller: None,
            }),
            succeeded: self.succeeded,
            restarted: self.restarted,
            unfinished: self.unfinished,
            unwatched: self.unwatched,
            errnos,
            arguments: self.arguments.iter().filter_map(ArgumentLog::to_values).collect(),
            phases: phases
                .iter()
                .zip(&self.calls_by_phase)
                .filter(|(_, count)| **count > 0)
                .map(|(phase, count)| PhaseCount { phase: phase.clone(), count: *count })
                .collect(),
        }
    }
}

impl ArgumentLog {
    fn note(&mut self, key: Option<[u64; MAX_PARTS]>) {
        let Some(key) = key else {
            self.unreadable += 1;
            return;
        };
        let room = self.values.len() < MAX_VALUES;
        match self.values.iter_mut().find(|(known, _)| *known == key) {
            Some((_, count)) => *count += 1,
            None if room => self.values.push((key, 1)),
            None => self.and_more = true,
        }
    }

    fn to_values(&self) -> Option<ArgumentValues> {
        let parts = self.tracked.parts;
        let mut values: Vec<ArgumentValue> = self
            .values
            .iter()
            .map(|(key, count)| {
                let raw = key[..parts.len()].to_vec();
                ArgumentValue { text: decode::text(parts, &raw), raw, count: *count }
            })
            .collect();
        values.sort();
        (!values.is_empty() || self.unreadable > 0).then(|| ArgumentValues {
            name: self.tracked.name.to_owned(),
            values,
            unreadable: self.unreadable,
            and_more: self.and_more,
        })
    }
}

impl Tracked {
    /// The values that a call has, in registers and memory; none if the memory cannot be read.
    fn read(
        &self,
        arch: Arch,
        args: &[u64; 6],
        stopped: &Stopped,
        entered: &mut Entered,
    ) -> Option<[u64; MAX_PARTS]> {
        let mut key = [0; MAX_PARTS];
        for (value, (source, _)) in key.iter_mut().zip(self.parts) {
            *value = fetch(*source, arch, args, stopped, entered)?;
        }
        Some(key)
    }
}

fn fetch(
    source: Source,
    arch: Arch,
    args: &[u64; 6],
    stopped: &Stopped,
    entered: &mut Entered,
) -> Option<u64> {
    match source {
        Source::Int(n) => Some(args[n] & 0xffff_ffff),
        Source::Bits(n, mask) => Some(args[n] & mask),
        Source::Word(n) => stopped.read_word(pointer(arch, args[n])),
        Source::AddressFamily => {
            let mut bytes = [0; SockAddr::PREFIX];
            let given = usize::try_from(args[2] & 0xffff_ffff).unwrap_or(0);
            let wanted = given.min(bytes.len());
            let read = stopped.read_memory(pointer(arch, args[1]), &mut bytes[..wanted]);
            entered.address = SockAddr::parse(&bytes[..read]);
            entered.address.map(|a| u64::from(a.family))
        }
        Source::AddressPort => {
            Some(entered.address.and_then(|a| a.port).map_or(NO_PORT, u64::from))
        }
    }
}

/// A pointer of a 32-bit program is the low half of its register.
fn pointer(arch: Arch, register: u64) -> u64 {
    if arch.is_32_bit() { register & 0xffff_ffff } else { register }
}
