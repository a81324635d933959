//! The processes under trace, and their threads.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::log::Log;
use super::thread::{Call, Thread};
use super::watched::Watched;
use crate::proc::Maps;
use crate::ptrace::{Ended, Tid};
use crate::recording::{self, Credentials, Exec, ExitStatus};
use crate::syscall::signal_name;

/// How many ended processes are kept one by one. A node makes a handful; a script that forks every
/// second for days must not fill the memory.
pub const MAX_ENDED: usize = 4096;

/// A process (thread group).
#[derive(Clone, Debug)]
pub struct Process {
    pub parent: Option<i32>,
    pub started_ms: u64,
    pub ended_ms: Option<u64>,
    pub status: Option<ExitStatus>,
    pub execs: Vec<Exec>,
    pub comm: String,
    pub threads: u32,
    pub threads_peak: u32,
    pub credentials: Vec<Credentials>,
    /// Its mappings when last read; none while they may have changed.
    pub maps: Option<Arc<Maps>>,
    /// Whether a file may be mapped for execution in it that is not noted yet.
    pub may_hide_code: bool,
    /// The dynamic linker's code, while nothing but it has run yet.
    pub linker: Option<(u64, u64)>,
    /// How its calls are heard of.
    pub watched: Watched,
    /// In order of birth.
    pub serial: u64,
}

impl Process {
    /// The executable that it runs now.
    pub fn exe(&self) -> Option<&str> {
        self.execs.last().map(|e| e.path.as_str())
    }

    /// What the recording says of it.
    fn into_listed(self, pid: i32) -> Listed {
        let process = recording::Process {
            pid,
            parent: self.parent,
            started_ms: self.started_ms,
            ended_ms: self.ended_ms,
            status: self.status,
            execs: self.execs,
            comm: self.comm,
            threads_peak: self.threads_peak,
            credentials: self.credentials,
        };
        Listed { serial: self.serial, process }
    }
}

/// A process as the recording lists it.
#[derive(Debug)]
struct Listed {
    /// Its place in the order of birth.
    serial: u64,
    process: recording::Process,
}

/// Living and ended processes at one moment.
#[derive(Debug)]
pub struct Population {
    ended: Log<Listed>,
    living: Vec<Listed>,
    /// How many more there were.
    pub not_listed: u64,
}

impl Population {
    /// The recording's section, in order of birth.
    pub fn to_processes(&self) -> Vec<recording::Process> {
        let mut all: Vec<&Listed> = self.ended.iter().chain(&self.living).collect();
        all.sort_by_key(|listed| listed.serial);
        all.into_iter().map(|listed| listed.process.clone()).collect()
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Tree {
    threads: HashMap<Tid, Thread>,
    processes: BTreeMap<i32, Process>,
    /// Ended processes, whose pids may be in use again.
    ended: Log<Listed>,
    ended_not_kept: u64,
    /// What the process that was born first ended with, and when.
    first_status: Option<ExitStatus>,
    first_ended_ms: Option<u64>,
    serial: u64,
    /// Births that a parent's event told of and whose thread has not shown up.
    announced: HashMap<Tid, Maker>,
    /// Threads that showed up before their parent's event; it may come after their death.
    unannounced: HashSet<Tid>,
    /// Deaths of children that never stopped and of which no event has told yet.
    stillborn: HashSet<Tid>,
    /// Threads that died inside a call that makes threads, or may have: a birth may have gone with
    /// them.
    creators_lost: u64,
}

/// Who made a thread.
#[derive(Clone, Debug)]
pub struct Maker {
    /// Its process.
    pub pid: i32,
    /// How that was watched when it told of it.
    pub watched: Watched,
    /// Whether it shares its memory with what it made (`CLONE_VM`).
    pub shares_memory: bool,
}

/// What became known about a birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// The thread is known already.
    Known,
    /// It is still to show up.
    Awaited,
    /// It died before it ever stopped.
    Stillborn,
}

impl Tree {
    /// Whether a thread is left, or one is still to show up.
    pub fn is_alive(&self) -> bool {
        !self.threads.is_empty() || !self.announced.is_empty()
    }

    pub fn thread(&self, tid: Tid) -> Option<&Thread> {
        self.threads.get(&tid)
    }

    pub fn thread_mut(&mut self, tid: Tid) -> Option<&mut Thread> {
        self.threads.get_mut(&tid)
    }

    pub fn process(&self, pid: i32) -> Option<&Process> {
        self.processes.get(&pid)
    }

    pub fn process_mut(&mut self, pid: i32) -> Option<&mut Process> {
        self.processes.get_mut(&pid)
    }

    pub fn process_of(&mut self, tid: Tid) -> Option<(&mut Thread, &mut Process)> {
        let thread = self.threads.get_mut(&tid)?;
        let process = self.processes.get_mut(&thread.pid)?;
        Some((thread, process))
    }

    pub fn tids(&self) -> Vec<Tid> {
        self.threads.keys().copied().collect()
    }

    /// Threads that will never stop again: a leader that has exited waits for its threads.
    pub fn exiting(&self) -> Vec<Tid> {
        self.threads.iter().filter(|(_, t)| t.exiting).map(|(tid, _)| *tid).collect()
    }

    pub fn threads_of(&self, pid: i32) -> Vec<Tid> {
        self.threads.iter().filter(|(_, t)| t.pid == pid).map(|(tid, _)| *tid).collect()
    }

    pub fn counts(&self) -> (usize, usize) {
        (self.processes.len(), self.threads.len())
    }

    pub fn pids(&self) -> Vec<i32> {
        self.processes.keys().copied().collect()
    }

    /// The living process that was born first.
    pub fn oldest(&self) -> Option<i32> {
        self.processes.iter().min_by_key(|(_, p)| p.serial).map(|(pid, _)| *pid)
    }

    /// Adds a thread, and its process if that is new. A new process has what its parent had, if
    /// that is of the tree.
    pub fn add(&mut self, tid: Tid, pid: i32, parent: Option<i32>, now_ms: u64) -> bool {
        self.threads.insert(tid, Thread::new(pid));
        if let Some(process) = self.processes.get_mut(&pid) {
            process.threads += 1;
            process.threads_peak = process.threads_peak.max(process.threads);
            return false;
        }
        let of = parent.and_then(|p| self.processes.get(&p));
        let execs = of.and_then(|p| p.execs.last()).map(|e| Exec {
            at_ms: now_ms,
            path: e.path.clone(),
            observed: false,
        });
        let process = Process {
            parent: of.and(parent),
            started_ms: now_ms,
            ended_ms: None,
            status: None,
            execs: execs.into_iter().collect(),
            comm: of.map(|p| p.comm.clone()).unwrap_or_default(),
            threads: 1,
            threads_peak: 1,
            credentials: Vec::new(),
            maps: of.and_then(|p| p.maps.clone()),
            may_hide_code: of.is_none_or(|p| p.may_hide_code),
            linker: of.and_then(|p| p.linker),
            watched: if parent.is_none() { Watched::first() } else { Watched::born() },
            serial: self.serial,
        };
        self.serial += 1;
        self.processes.insert(pid, process);
        true
    }

    /// Takes out a thread, and its process with the last one.
    pub fn remove(&mut self, tid: Tid, ended: Option<Ended>, now_ms: u64) -> Option<Thread> {
        let thread = self.threads.remove(&tid)?;
        let makes = |call: &Call| call.entered.interest.is_some_and(|i| i.births);
        if thread.may_be_inside || thread.call.as_ref().is_some_and(makes) {
            self.creators_lost += 1;
        }
        if let Some(process) = self.processes.get_mut(&thread.pid) {
            process.threads = process.threads.saturating_sub(1);
            process.watched.gone(tid);
            // The status of a process is that of its leader, which is reported last.
            if let Some(ended) = ended.filter(|_| thread.pid == tid.0) {
                process.status = Some(exit_status(ended));
            }
            if process.threads == 0
                && let Some(mut process) = self.processes.remove(&thread.pid)
            {
                process.ended_ms = Some(now_ms);
                // The first one is what the run is judged by, however late it ends.
                let is_first = process.serial == 0;
                if is_first {
                    self.first_status.clone_from(&process.status);
                    self.first_ended_ms = process.ended_ms;
                }
                if is_first || self.ended.len() < MAX_ENDED {
                    self.ended.push(process.into_listed(thread.pid));
                } else {
                    self.ended_not_kept += 1;
                }
            }
        }
        Some(thread)
    }

    /// `former` has executed a program and is `leader` from now on; all other threads of its
    /// process are gone (execve(2), "Effect on process attributes"). Returns those.
    pub fn exec(&mut self, former: Tid, leader: Tid, now_ms: u64) -> Vec<Thread> {
        let Some(pid) = self.threads.get(&former).map(|t| t.pid) else { return Vec::new() };
        let others: Vec<Tid> = self.threads_of(pid).into_iter().filter(|t| *t != former).collect();
        let gone = others.into_iter().filter_map(|tid| self.remove(tid, None, now_ms)).collect();
        if let Some(process) = self.processes.get_mut(&pid) {
            process.watched.executes();
        }
        if former != leader
            && let Some(thread) = self.threads.remove(&former)
        {
            self.threads.insert(leader, thread);
        }
        gone
    }

    /// A parent's event told of `child`.
    pub fn announce(&mut self, child: Tid, maker: &Maker) -> Birth {
        if self.unannounced.remove(&child) {
            // `clone(CLONE_PARENT)` gives the child another parent than its maker.
            if let Some(pid) = self.threads.get(&child).map(|t| t.pid)
                && pid != maker.pid
                && let Some(process) = self.processes.get_mut(&pid)
            {
                process.parent = Some(maker.pid);
            }
            return Birth::Known;
        }
        if self.stillborn.remove(&child) {
            return Birth::Stillborn;
        }
        self.announced.insert(child, maker.clone());
        Birth::Awaited
    }

    /// A thread that is not in the tree has stopped for the first time.
    /// Returns who made it, if that is known already.
    pub fn showed_up(&mut self, tid: Tid) -> Option<Maker> {
        self.stillborn.remove(&tid);
        let maker = self.announced.remove(&tid);
        if maker.is_none() {
            self.unannounced.insert(tid);
        }
        maker
    }

    /// A thread that is not in the tree has ended. Whether it was known to be born.
    pub fn ended_unseen(&mut self, tid: Tid) -> bool {
        let known = self.announced.remove(&tid).is_some();
        // Bounded: as the first process of a container we reap strangers, too.
        if !known && self.stillborn.len() < MAX_ENDED {
            self.stillborn.insert(tid);
        }
        known
    }

    /// Births that cannot be told from loss: announced and never seen, or seen and never announced
    /// although no maker of threads has died on the way.
    pub fn births_unexplained(&self) -> u64 {
        let orphans = (self.unannounced.len() as u64).saturating_sub(self.creators_lost);
        self.announced.len() as u64 + orphans
    }

    /// Living and ended processes as they stand. Costs what the living ones are.
    pub fn population(&self) -> Population {
        let living = self.processes.iter().map(|(pid, p)| p.clone().into_listed(*pid));
        Population {
            ended: self.ended.clone(),
            living: living.collect(),
            not_listed: self.ended_not_kept,
        }
    }

    /// What the process that was born first ended with.
    pub fn first_status(&self) -> Option<&ExitStatus> {
        self.first_status.as_ref()
    }

    /// When it ended.
    pub fn first_ended_ms(&self) -> Option<u64> {
        self.first_ended_ms
    }

    /// Whether it lives, and is not on its way out.
    pub fn first_lives(&self) -> bool {
        let first = self.processes.iter().find(|(_, process)| process.serial == 0);
        first.is_some_and(|(pid, _)| self.threads.values().any(|t| t.pid == *pid && !t.exiting))
    }
}

/// A wait status in the recording's words.
pub fn exit_status(ended: Ended) -> ExitStatus {
    match ended {
        Ended::Code(code) => ExitStatus::Code(code),
        Ended::Signal(signal) => ExitStatus::Signal(signal_name(signal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maker() -> Maker {
        Maker { pid: 10, watched: Watched::first(), shares_memory: false }
    }

    fn tree() -> Tree {
        let mut tree = Tree::default();
        tree.add(Tid(10), 10, None, 0);
        tree
    }

    #[test]
    fn a_child_may_show_up_before_its_parents_event() {
        let mut tree = tree();
        tree.showed_up(Tid(11));
        tree.add(Tid(11), 11, Some(10), 1);
        assert_eq!(tree.births_unexplained(), 1);
        assert_eq!(tree.announce(Tid(11), &maker()), Birth::Known);
        assert_eq!(tree.births_unexplained(), 0);
    }

    #[test]
    fn a_child_may_die_before_it_ever_stops() {
        let mut tree = tree();
        assert_eq!(tree.announce(Tid(11), &maker()), Birth::Awaited);
        assert!(tree.is_alive());
        assert!(tree.ended_unseen(Tid(11)));
        assert!(!tree.ended_unseen(Tid(12)));
        assert_eq!(tree.announce(Tid(12), &maker()), Birth::Stillborn);
        assert_eq!(tree.births_unexplained(), 0);
    }

    #[test]
    fn an_exec_by_another_thread_leaves_one_thread_with_the_leaders_id() {
        let mut tree = tree();
        for tid in [11, 12] {
            tree.add(Tid(tid), 10, None, 1);
        }
        let gone = tree.exec(Tid(12), Tid(10), 2);
        assert_eq!(gone.len(), 2);
        assert_eq!(tree.tids(), [Tid(10)]);
        assert_eq!(tree.process(10).map(|p| (p.threads, p.threads_peak)), Some((1, 3)));
    }

    #[test]
    fn the_oldest_living_process_is_found_when_the_first_is_gone() {
        let mut tree = tree();
        tree.add(Tid(9), 9, Some(10), 1);
        tree.add(Tid(20), 20, Some(9), 2);
        assert_eq!(tree.oldest(), Some(10));
        assert!(tree.first_lives());
        tree.remove(Tid(10), Some(Ended::Code(0)), 3);
        assert_eq!(tree.oldest(), Some(9));
        assert_eq!(tree.first_status(), Some(&ExitStatus::Code(0)));
        assert_eq!((tree.first_ended_ms(), tree.first_lives()), (Some(3), false));
    }

    #[test]
    fn of_ended_processes_the_first_ones_are_listed_and_the_others_counted() {
        let mut tree = tree();
        for _ in 0..MAX_ENDED + 3 {
            tree.add(Tid(11), 11, Some(10), 1);
            tree.remove(Tid(11), Some(Ended::Code(0)), 2);
        }
        tree.add(Tid(12), 12, Some(10), 3);
        tree.remove(Tid(10), Some(Ended::Code(1)), 4);
        let population = tree.population();
        assert_eq!(population.not_listed, 3);
        let pids: Vec<i32> = population.to_processes().iter().map(|p| p.pid).collect();
        assert_eq!(pids.len(), MAX_ENDED + 2, "the first and the living one are always listed");
        assert_eq!((pids[0], pids[1], pids[MAX_ENDED + 1]), (10, 11, 12), "in order of birth");
    }

    #[test]
    fn a_pid_that_is_used_again_is_another_process() {
        let mut tree = tree();
        tree.remove(Tid(10), Some(Ended::Code(0)), 1);
        tree.add(Tid(10), 10, None, 2);
        assert_eq!(tree.population().to_processes().len(), 2);
    }
}
