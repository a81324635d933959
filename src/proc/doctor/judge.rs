//! The verdict on the facts.

use serde::Serialize;

use super::super::host::KernelVersion;
use super::confinement::Module;
use super::emulation::Emulator;
use super::facts::{Facts, ProcView, SelfTestFailure};
use super::target::{AttachTarget, Running};
use crate::syscall::CapSet;

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// To know what is possible.
    #[default]
    Survey,
    /// To trace a program that we start.
    Launch,
    /// To trace processes that run already.
    Attach(Vec<AttachTarget>),
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it goes by in JSON; the same for every process to attach to.
    pub id: &'static str,
    /// What it goes by for people.
    pub title: String,
    /// What was found.
    pub detail: String,
    /// What that means.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What a finding means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It hinders nothing.
    Fine,
    /// Tracing works, but not all of it.
    Degraded {
        /// What does not.
        how: String,
    },
    /// Tracing does not work.
    Refused {
        /// What to do about it.
        what_to_do: String,
    },
}

use Verdict::Fine;

/// The detail of what is read in `/proc` where that does not show us.
const UNKNOWN: &str = "not known without /proc";

/// Whether tracing is possible.
pub fn is_possible(checks: &[Check]) -> bool {
    !checks.iter().any(|check| matches!(check.verdict, Verdict::Refused { .. }))
}

/// The verdict, one check after the other.
pub fn judge(facts: &Facts, wish: &Wish) -> Vec<Check> {
    let mut checks = vec![
        kernel(facts),
        emulation(facts),
        container(facts),
        yama(facts, wish),
        capability(facts),
        seccomp(facts, wish),
        confinement(facts, wish),
        tracer(facts),
        proc_view(facts),
    ];
    if let Wish::Attach(targets) = wish {
        checks.extend(targets.iter().map(|target| process(facts, target)));
    }
    let explained = !is_possible(&checks);
    checks.extend(self_test(facts, explained));
    checks
}

fn check(id: &'static str, title: &str, detail: impl Into<String>, verdict: Verdict) -> Check {
    Check { id, title: title.to_owned(), detail: detail.into(), verdict }
}

fn degraded(how: impl Into<String>) -> Verdict {
    Verdict::Degraded { how: how.into() }
}

fn refused(what_to_do: impl Into<String>) -> Verdict {
    Verdict::Refused { what_to_do: what_to_do.into() }
}

fn kernel(facts: &Facts) -> Check {
    const SYSCALL_INFO: KernelVersion = KernelVersion::new(5, 3);
    const FILTER_COUNT: KernelVersion = KernelVersion::new(5, 9);
    const FILTER_BITMAP: KernelVersion = KernelVersion::new(5, 11);
    const NO_MITIGATIONS: KernelVersion = KernelVersion::new(5, 16);
    let mut detail = format!("Linux {}", facts.release);
    let verdict = match facts.version {
        None => degraded("its version is not to be understood; 5.3 or later is needed"),
        Some(version) if version < SYSCALL_INFO => {
            if matches!(facts.self_test, Some(Ok(()))) {
                degraded("older than 5.3, but it has what is needed (a backport)")
            } else {
                refused("ptrace lacks PTRACE_GET_SYSCALL_INFO before Linux 5.3; use a newer kernel")
            }
        }
        Some(version) if version < FILTER_COUNT => {
            degraded("how many seccomp filters a process is under is not shown before 5.9")
        }
        // These two don't concern tracing, but what a profile will cost here.
        Some(version) if version < FILTER_BITMAP => {
            detail += "; a filter costs more before 5.11, which remembers what is allowed";
            Fine
        }
        Some(version) if version < NO_MITIGATIONS => {
            detail += "; a profile with `flags` costs more before 5.16 (speculation mitigations)";
            Fine
        }
        Some(_) => Fine,
    };
    check("kernel", "kernel", detail, verdict)
}

fn emulation(facts: &Facts) -> Check {
    let Some(found) = &facts.emulation else {
        return check("emulation", "emulation", "none", Fine);
    };
    let what_to_do = match found.emulator {
        Emulator::QemuUser => {
            "it has neither ptrace nor seccomp, and its syscalls are not the program's; use a \
             machine of this architecture or a full virtual machine"
        }
        Emulator::Rosetta => {
            "it cannot trace what it translates, and its syscalls are not the program's; use an \
             x86-64 machine or a full virtual machine"
        }
        Emulator::Gvisor => {
            "programs take other paths on its kernel than on Linux; use another runtime: \
             `docker run --runtime=runc`, a pod without gVisor's runtimeClassName"
        }
    };
    let detail = format!("{} ({})", found.emulator, found.evidence);
    check("emulation", "emulation", detail, refused(what_to_do))
}

fn container(facts: &Facts) -> Check {
    let detail = facts.container.as_deref().unwrap_or("none recognised");
    check("container", "container", detail, Fine)
}

/// `security/yama/yama_lsm.c`: 1 leaves descendants to their ancestors and everything to
/// CAP_SYS_PTRACE; 2 leaves even children to CAP_SYS_PTRACE (`yama_ptrace_access_check` for
/// PTRACE_SEIZE, `yama_ptrace_traceme` for PTRACE_TRACEME); 3 and everything above refuses all, and
/// cannot be lowered again (`yama_dointvec_minmax`).
fn yama(facts: &Facts, wish: &Wish) -> Check {
    let detail = |scope: u8| format!("kernel.yama.ptrace_scope is {scope}");
    let (detail, verdict) = match facts.ptrace_scope {
        None => ("Yama is not in this kernel: no restriction".to_owned(), Fine),
        Some(0) => (detail(0) + ": no restriction", Fine),
        Some(1) if facts.has_sys_ptrace() => (detail(1) + ", and we have CAP_SYS_PTRACE", Fine),
        Some(1) if *wish == Wish::Survey => {
            let how = "programs that we start can be traced; attaching with --pid needs \
                       CAP_SYS_PTRACE (sudo)";
            (detail(1), degraded(how))
        }
        Some(1) => (detail(1) + ": programs that we start can be traced", Fine),
        Some(2) if facts.has_sys_ptrace() => (detail(2) + ", and we have CAP_SYS_PTRACE", Fine),
        Some(2) => {
            let todo = "only processes with CAP_SYS_PTRACE may trace; run with sudo, or on the \
                        host `sysctl kernel.yama.ptrace_scope=1`";
            (detail(2), refused(todo))
        }
        Some(scope) => {
            let todo = "nobody may trace, and it stays so until the next boot; take it out of \
                        /etc/sysctl.d and reboot";
            (detail(scope), refused(todo))
        }
    };
    check("ptrace_scope", "ptrace_scope", detail, verdict)
}

fn capability(facts: &Facts) -> Check {
    let detail = if facts.status.is_none() {
        UNKNOWN
    } else if facts.has_sys_ptrace() {
        "held"
    } else {
        // begin_new_exec and cap_bprm_creds_from_file: LSM_UNSAFE_PTRACE.
        "not held; enough for programs that we start, but setuid ones run without their rights"
    };
    check("capability", "CAP_SYS_PTRACE", detail, Fine)
}

fn seccomp(facts: &Facts, wish: &Wish) -> Check {
    let check = |detail: String, verdict| check("seccomp", "seccomp", detail, verdict);
    let Some(status) = &facts.status else { return check(UNKNOWN.to_owned(), Fine) };
    if status.seccomp_mode == 0 {
        return check("no filter over us".to_owned(), Fine);
    }
    let detail = match status.seccomp_filters {
        Some(1) => "1 filter over us".to_owned(),
        Some(count) => format!("{count} filters over us"),
        None => "a filter over us".to_owned(),
    };
    if let Some(Err(SelfTestFailure { by_filter, .. })) = facts.self_test {
        // moby's default profile allows ptrace from Linux 4.8 on (before, it let a tracer get
        // around the filter); older releases of it, and other profiles, do not.
        let it = if by_filter { "it denies ptrace" } else { "it may be what denies ptrace" };
        let todo = format!(
            "{it}; start the container with `--cap-add SYS_PTRACE` or `--security-opt \
             seccomp=unconfined`"
        );
        check(detail, refused(todo))
    } else if matches!(wish, Wish::Attach(_)) {
        check(detail + "; not over what we attach to", Fine)
    } else {
        let how = "programs that we start are under it as well: what it denies is recorded with \
                   its error, but what they would have done next is not seen";
        check(detail, degraded(how))
    }
}

fn confinement(facts: &Facts, wish: &Wish) -> Check {
    let Some(found) = &facts.confinement else {
        return check("lsm", "confinement", "none (neither AppArmor nor SELinux)", Fine);
    };
    let title = found.module.to_string();
    let mode = if found.enforcing { "enforcing" } else { "not enforcing" };
    let detail = format!("{} ({mode})", found.label);
    let foreign = |target: &&AttachTarget| match &target.running {
        Some(Running { label: Some(label), .. }) => !label.starts_with(&found.label),
        _ => false,
    };
    let verdict = if !found.enforcing {
        Fine
    } else if found.module == Module::Selinux && found.deny_ptrace {
        refused("SELinux's boolean deny_ptrace is on; `setsebool deny_ptrace off`")
    } else if facts.self_test_failed() {
        refused(match found.module {
            Module::AppArmor => {
                "the profile may be what denies ptrace; start the container with `--security-opt \
                 apparmor=unconfined`, or add `ptrace,` to the profile"
            }
            _ => {
                "the policy may be what denies ptrace; start the container with `--security-opt \
                 label=disable`, or look for `avc: denied { ptrace }` in the audit log"
            }
        })
    } else if let Wish::Attach(targets) = wish
        && let Some(target) = targets.iter().find(foreign)
    {
        // moby's docker-default has `ptrace (trace,read) peer=docker-default`, and the like.
        let label = target.running.as_ref().and_then(|r| r.label.as_deref()).unwrap_or("");
        degraded(format!("process {} runs as {label}: attaching may be denied", target.pid))
    } else {
        Fine
    };
    check("lsm", &title, detail, verdict)
}

/// A thread has one tracer (ptrace(2)). One who follows our children, `strace -f`, has them before
/// we can.
fn tracer(facts: &Facts) -> Check {
    let Some(status) = &facts.status else { return check("traced", "traced", UNKNOWN, Fine) };
    let pid = status.tracer_pid;
    if pid == 0 {
        return check("traced", "traced", "nobody traces us", Fine);
    }
    let detail = format!("process {pid} ({}) traces us", facts.tracer.as_deref().unwrap_or("?"));
    let verdict = if facts.self_test_failed() {
        refused("it has our children too, and a process has one tracer; run us outside of it")
    } else {
        degraded("what we start is not traced by it; our own calls are slower, and so are stops")
    };
    check("traced", "traced", detail, verdict)
}

/// Everything that is told of a process is read there, by its number.
fn proc_view(facts: &Facts) -> Check {
    let (detail, verdict) = match facts.proc {
        ProcView::Ours if facts.status.is_some() => ("that of this pid namespace".to_owned(), Fine),
        ProcView::Ours | ProcView::Absent => {
            let todo = "nothing can be learned of processes; mount it: `mount -t proc proc /proc`";
            ("not to be read".to_owned(), refused(todo))
        }
        ProcView::Foreign { own, told } => {
            let told = told.map_or("does not see us".to_owned(), |told| format!("says {told}"));
            let todo = "what it tells is of other processes; mount that of this namespace \
                        (`unshare --mount-proc`, or `mount -t proc proc /proc` in a mount \
                        namespace of its own), or run in the pid namespace that it shows";
            let detail =
                format!("it is another pid namespace's: we are process {own}, and it {told}");
            (detail, refused(todo))
        }
    };
    check("proc", "/proc", detail, verdict)
}

fn process(facts: &Facts, target: &AttachTarget) -> Check {
    let pid = target.pid;
    let check =
        |detail: String, verdict| check("process", &format!("process {pid}"), detail, verdict);
    let Some(running) = &target.running else {
        return check(
            "there is none".to_owned(),
            refused("look for its number with `pgrep -a NAME`; in a container it has another one"),
        );
    };
    let verdict = obstacle_of(facts, pid, running).map_or(Fine, refused);
    check(running.comm.clone(), verdict)
}

/// What stands in the way of tracing this process, and what to do about it, as far as that can be
/// known.
pub fn obstacle(pid: i32) -> Option<String> {
    obstacle_of(&Facts::gather(), pid, &AttachTarget::gather(pid).running?)
}

fn obstacle_of(facts: &Facts, pid: i32, running: &Running) -> Option<String> {
    let capable = facts.has_sys_ptrace();
    let ours = facts.status.as_ref().map_or(CapSet(0), |status| status.cap_prm);
    let lacking = running.permitted.without(ours);
    let told = |what: &str| Some(what.to_owned());
    if running.is_own {
        told("that is this very process, which cannot trace itself")
    } else if running.tgid != pid {
        Some(format!("that is a thread; give its process: --pid {}", running.tgid))
    } else if running.kernel_thread {
        told("that is a thread of the kernel's own, which makes no syscalls")
    } else if running.dead {
        told("it has ended and waits for its parent; look for its successor")
    } else if running.tracer_pid != 0 {
        let name = running.tracer.as_deref().unwrap_or("?");
        let tracer = running.tracer_pid;
        Some(format!(
            "process {tracer} ({name}) traces it already (a debugger, strace?); end that first"
        ))
    } else if !running.same_owner && !capable {
        let (uid, gid) = running.owner;
        Some(format!(
            "it belongs to somebody else (user {uid}, group {gid}); run with sudo, or with \
             CAP_SYS_PTRACE"
        ))
    } else if !running.dumpable && !capable {
        told(
            "it is protected (prctl(2), PR_SET_DUMPABLE; or it was given other rights than its \
             user's); run with sudo, or with CAP_SYS_PTRACE",
        )
    } else if !lacking.is_empty() && !capable {
        // cap_ptrace_access_check (security/commoncap.c).
        let names: Vec<String> = lacking.iter().map(|cap| cap.to_string()).collect();
        Some(format!(
            "it holds {}, which we do not; run with sudo, or with CAP_SYS_PTRACE",
            names.join(", ")
        ))
    } else if running.same_user_ns == Some(false) && !capable {
        told("it is in another user namespace; run with sudo on the host")
    } else if facts.ptrace_scope == Some(1) && !running.descendant && !capable {
        told(
            "kernel.yama.ptrace_scope is 1, and it is not our descendant; run with sudo, or let \
             `seccomp-gen trace -- COMMAND` start it",
        )
    } else if running.closed {
        told(
            "the kernel denies access to it, and neither its user, its capabilities nor another \
             tracer is why: a security module forbids it (Landlock, SELinux, a BPF program), it \
             is of an outer user namespace, or the kernel has a rule of its own; run outside of \
             what forbids it",
        )
    } else {
        None
    }
}

fn self_test(facts: &Facts, explained: bool) -> Option<Check> {
    let (detail, verdict) = match facts.self_test.as_ref()? {
        Ok(()) => ("a child of ours was traced".to_owned(), Fine),
        Err(failure) if explained => (failure.what.clone(), refused("see above")),
        Err(failure) => {
            let todo = "nothing seen here explains it; in a container try `--cap-add SYS_PTRACE`, \
                        then `--security-opt seccomp=unconfined`, or run on the host";
            (failure.what.clone(), refused(todo))
        }
    };
    Some(check("self_test", "self-test", detail, verdict))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
