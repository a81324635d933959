//! A process that is to be attached to.

use std::os::unix::fs::MetadataExt;

use super::super::{ProcError, ThreadStatus, tree};
use super::confinement;
use crate::syscall::CapSet;

/// A process that is to be attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachTarget {
    /// Its id.
    pub pid: i32,
    /// What is known of it; none if there is no such process.
    pub running: Option<Running>,
}

/// What is known of a process that is to be attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The name of its leader.
    pub comm: String,
    /// The process that the id belongs to: another one if it is a thread's.
    pub tgid: i32,
    /// Whether it is this very process.
    pub is_own: bool,
    /// Whether it is a thread of the kernel's own.
    pub kernel_thread: bool,
    /// Whether it has ended and only waits to be reaped.
    pub dead: bool,
    /// Who traces it; 0 for nobody.
    pub tracer_pid: i32,
    /// The name of who traces it, if anybody does and it can be read.
    pub tracer: Option<String>,
    /// Its effective user and group.
    pub owner: (u32, u32),
    /// Whether it runs with our own user and group, all of them the same (ptrace(2), "Ptrace access
    /// mode checking").
    pub same_owner: bool,
    /// Whether it is not protected, by itself or for having been given other rights (`PR_SET_DUMPABLE`).
    pub dumpable: bool,
    /// The capabilities that its threads may use.
    pub permitted: CapSet,
    /// Whether the kernel denies us the least that it allows to who may attach.
    pub closed: bool,
    /// Whether it is in our user namespace; none if that may not be seen.
    pub same_user_ns: Option<bool>,
    /// Whether it descends from us.
    pub descendant: bool,
    /// Its label by the security module.
    pub label: Option<String>,
}

impl AttachTarget {
    /// Looks at a process.
    pub fn gather(pid: i32) -> AttachTarget {
        AttachTarget { pid, running: running(pid) }
    }
}

fn running(pid: i32) -> Option<Running> {
    // Ids that kill(2) would take for a group are no process's.
    let leader = (pid > 0).then(|| ThreadStatus::read(pid).ok()).flatten()?;
    // A leader may end before its threads; the process lives on in them. And each thread has rights
    // and a tracer of its own. The leader once more at the end: an execve(2) of another thread has
    // put that in the place of a leader that was dead.
    let others = tree::threads(pid).unwrap_or_default().into_iter().filter(|tid| *tid != pid);
    let living: Vec<ThreadStatus> = [leader.clone()]
        .into_iter()
        .chain(others.chain([pid]).filter_map(|tid| ThreadStatus::read(tid).ok()))
        .filter(|status| !status.is_dead())
        .collect();
    let threads = if living.is_empty() { vec![leader] } else { living };
    let status = &threads[0];
    let tracer_pid = threads.iter().map(|s| s.tracer_pid).find(|pid| *pid != 0).unwrap_or(0);
    let own = i32::try_from(std::process::id()).ok()?;
    let namespace = tree::user_ns(pid);
    let owner = (status.uid[1], status.gid[1]);
    Some(Running {
        tgid: status.tgid,
        is_own: status.tgid == own,
        kernel_thread: tree::stat(pid).is_ok_and(|stat| stat.kernel_thread),
        dead: status.is_dead(),
        tracer_pid,
        tracer: tree::comm(tracer_pid).ok(),
        owner,
        same_owner: threads.iter().all(is_ours),
        dumpable: std::fs::metadata(format!("/proc/{pid}/status"))
            .is_ok_and(|file| (file.uid(), file.gid()) == owner),
        permitted: threads.iter().fold(CapSet(0), |sum, s| sum.union(s.cap_prm)),
        // ptrace_may_access (kernel/ptrace.c) is asked for this link as for an attach.
        closed: namespace.as_ref().is_err_and(ProcError::is_denied),
        same_user_ns: namespace.ok().zip(tree::user_ns(own).ok()).map(|(its, ours)| its == ours),
        descendant: tree::is_descendant(status.tgid, own),
        label: confinement::label(&pid.to_string()),
        comm: status.comm.clone(),
    })
}

/// The kernel compares our real ids with its real, effective and saved ones.
fn is_ours(its: &ThreadStatus) -> bool {
    let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    its.uid[..3].iter().all(|id| *id == uid) && its.gid[..3].iter().all(|id| *id == gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_processes_are_told_apart() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(AttachTarget::gather(own).running.unwrap().is_own);

        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        tree::await_exec(pid, "sleep");
        let running = AttachTarget::gather(pid).running.unwrap();
        assert!(running.same_owner && running.descendant && !running.is_own && !running.dead);
        assert_eq!((running.same_user_ns, running.tracer_pid), (Some(true), 0));
        child.kill().unwrap();
        while AttachTarget::gather(pid).running.is_some_and(|r| !r.dead) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.wait().unwrap();
        assert_eq!(AttachTarget::gather(pid).running, None);

        for nobody in [0, -1, i32::MAX] {
            assert_eq!(AttachTarget::gather(nobody).running, None);
        }
    }

    #[test]
    fn a_kernel_thread_is_recognised() {
        // kthreadd, unless a pid namespace hides it.
        if tree::comm(2).is_ok_and(|name| name == "kthreadd") {
            assert!(AttachTarget::gather(2).running.unwrap().kernel_thread);
        }
    }
}
