//! What the machine and our own process are like.

use std::fs;

use crate::syscall::Cap;

use super::super::host::{self, KernelVersion};
use super::super::{ThreadStatus, own_pid, tree};
use super::confinement::Confinement;
use super::emulation::{Emulation, Signs};

/// All that a verdict is made of.
#[derive(Clone, Debug)]
pub struct Facts {
    /// `uname -r`.
    pub release: String,
    /// The version in it.
    pub version: Option<KernelVersion>,
    /// What plays Linux here, if it is not Linux.
    pub emulation: Option<Emulation>,
    /// What container we run in.
    pub container: Option<String>,
    /// `/proc/sys/kernel/yama/ptrace_scope`; none without Yama.
    pub ptrace_scope: Option<u8>,
    /// What `/proc` shows.
    pub proc: ProcView,
    /// Our own status; none where `/proc` does not show it.
    pub status: Option<ThreadStatus>,
    /// The name of who traces us, if anybody does and it can be read.
    pub tracer: Option<String>,
    /// The security module that confines us, if one labels processes.
    pub confinement: Option<Confinement>,
    /// Whether a child of ours could be traced; none if that was not tried.
    pub self_test: Option<Result<(), SelfTestFailure>>,
}

/// Whose processes `/proc` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcView {
    /// Those of our pid namespace, by the ids that we know them by.
    Ours,
    /// Those of another pid namespace, as after `unshare --pid` without `--mount-proc`: under our
    /// ids stand other processes.
    Foreign {
        /// Our id in our namespace.
        own: i32,
        /// Our id as `/proc/self` tells it; none if we are not seen there.
        told: Option<i32>,
    },
    /// Nobody's: there is none.
    Absent,
}

impl ProcView {
    fn gather() -> ProcView {
        let own = own_pid();
        let Ok(link) = fs::read_link("/proc/self") else {
            // Of a namespace that we are not in, the link is there and cannot be followed.
            return match fs::symlink_metadata("/proc/self") {
                Ok(_) => ProcView::Foreign { own, told: None },
                Err(_) => ProcView::Absent,
            };
        };
        let told = link.to_str().and_then(|text| text.parse().ok());
        // The ids may be the same by chance; then there is still one for each namespace.
        let is_inner = || ThreadStatus::read_own().is_ok_and(|s| s.ns_pids.len() > 1);
        if told != Some(own) || is_inner() {
            return ProcView::Foreign { own, told };
        }
        ProcView::Ours
    }
}

/// What went wrong when a child of ours was to be traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfTestFailure {
    /// In words.
    pub what: String,
    /// Whether it is certain that a seccomp filter answers ptrace(2) in the kernel's place.
    pub by_filter: bool,
}

impl Facts {
    /// Gathers all but the self-test, which is not for this module to make.
    pub fn gather() -> Facts {
        let release = host::kernel_release();
        let proc = ProcView::gather();
        // Elsewhere it is another process's.
        let status = (proc == ProcView::Ours).then(ThreadStatus::read_own).and_then(Result::ok);
        let tracer = status.as_ref().filter(|s| s.tracer_pid != 0);
        Facts {
            version: KernelVersion::parse(&release),
            emulation: Signs::gather().emulation(),
            container: host::container(),
            ptrace_scope: ptrace_scope(),
            tracer: tracer.and_then(|s| tree::comm(s.tracer_pid).ok()),
            confinement: Confinement::gather(),
            self_test: None,
            proc,
            release,
            status,
        }
    }

    /// The same with the result of a self-test.
    #[must_use]
    pub fn with_self_test(self, result: Result<(), SelfTestFailure>) -> Facts {
        Facts { self_test: Some(result), ..self }
    }

    /// Whether we hold `CAP_SYS_PTRACE`, in our own user namespace.
    pub fn has_sys_ptrace(&self) -> bool {
        self.status.as_ref().is_some_and(|s| s.cap_eff.contains(Cap::SYS_PTRACE))
    }

    /// Whether the self-test was made and failed.
    pub fn self_test_failed(&self) -> bool {
        matches!(self.self_test, Some(Err(_)))
    }
}

fn ptrace_scope() -> Option<u8> {
    fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok()?.trim().parse().ok()
}
