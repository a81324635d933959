//! A process that is to be attached to.

use std::os::unix::fs::MetadataExt;

use super::super::{ThreadStatus, tree};
use super::confinement;

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
    /// Whether it runs with our own user and group, all of them the same, and is not protected
    /// from us by having been given others (ptrace(2), "Ptrace access mode checking").
    pub same_owner: bool,
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
    // A leader may end before its threads; the process lives on in them.
    let others = || tree::threads(pid).unwrap_or_default().into_iter();
    let status = match leader.is_dead() {
        true => others().filter_map(|tid| ThreadStatus::read(tid).ok()).find(|s| !s.is_dead()),
        false => None,
    };
    let status = status.unwrap_or(leader);
    let own = i32::try_from(std::process::id()).ok()?;
    let namespaces = tree::user_ns(pid).ok().zip(tree::user_ns(own).ok());
    Some(Running {
        tgid: status.tgid,
        is_own: status.tgid == own,
        kernel_thread: tree::stat(pid).is_ok_and(|stat| stat.kernel_thread),
        dead: status.is_dead(),
        tracer_pid: status.tracer_pid,
        tracer: tree::comm(status.tracer_pid).ok(),
        same_owner: same_owner(pid, &status),
        same_user_ns: namespaces.map(|(its, ours)| its == ours),
        descendant: tree::is_descendant(status.tgid, own),
        label: confinement::label(&pid.to_string()),
        comm: status.comm,
    })
}

/// The kernel compares our real ids with its real, effective and saved ones, and asks whether the
/// process is dumpable: if not, its `/proc` files belong to root.
fn same_owner(pid: i32, its: &ThreadStatus) -> bool {
    let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let dumpable = std::fs::metadata(format!("/proc/{pid}/status"))
        .is_ok_and(|file| file.uid() == its.uid[1] && file.gid() == its.gid[1]);
    its.uid[..3].iter().all(|id| *id == uid) && its.gid[..3].iter().all(|id| *id == gid) && dumpable
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
