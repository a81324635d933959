//! Old, privileged syscalls that programs expect to be *forbidden* (`EPERM`) rather than *absent*
//! (`ENOSYS`) where they lack the right.
//!
//! Source: `/usr/share/containers/seccomp.json` of containers-common 0.50.1 (Debian's
//! `golang-github-containers-common`), the default profile of Podman and CRI-O: exactly the names
//! of the rules that it gates by `includes.caps`. `tests/knowledge.rs` compares the two.

/// Syscalls that one capability is the key to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The capability.
    pub capability: &'static str,
    /// The syscalls, sorted.
    pub names: &'static [&'static str],
}

/// All of them, sorted by capability. `socket` is among them since only a holder of
/// `CAP_AUDIT_WRITE` may open every kind of socket; a program without one expects `EPERM`, too.
pub const GATES: &[Gate] = &[
    Gate { capability: "CAP_AUDIT_WRITE", names: &["socket"] },
    Gate { capability: "CAP_DAC_READ_SEARCH", names: &["open_by_handle_at"] },
    Gate {
        capability: "CAP_SYS_ADMIN",
        names: &[
            "bpf",
            "fanotify_init",
            "lookup_dcookie",
            "perf_event_open",
            "quotactl",
            "setdomainname",
            "sethostname",
            "setns",
        ],
    },
    Gate { capability: "CAP_SYS_CHROOT", names: &["chroot"] },
    Gate {
        capability: "CAP_SYS_MODULE",
        names: &["delete_module", "finit_module", "init_module", "query_module"],
    },
    Gate { capability: "CAP_SYS_PACCT", names: &["acct"] },
    Gate { capability: "CAP_SYS_PTRACE", names: &["kcmp", "process_madvise"] },
    Gate { capability: "CAP_SYS_RAWIO", names: &["ioperm", "iopl"] },
    Gate {
        capability: "CAP_SYS_TIME",
        names: &["clock_settime", "clock_settime64", "settimeofday", "stime"],
    },
    Gate { capability: "CAP_SYS_TTY_CONFIG", names: &["vhangup"] },
];

/// The names of all of them.
pub fn names() -> impl Iterator<Item = &'static str> {
    GATES.iter().flat_map(|gate| gate.names).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::arch::Arch;
    use crate::syscall::{Cap, SysNo};

    #[test]
    fn every_name_is_a_syscall_once_and_every_key_a_capability() {
        assert!(GATES.is_sorted_by_key(|gate| gate.capability));
        for gate in GATES {
            assert!(Cap::from_name(gate.capability).is_some(), "{}", gate.capability);
        }
        let mut seen = BTreeSet::new();
        for name in names() {
            assert!(seen.insert(name), "{name} twice");
            let known = |arch| SysNo::from_name(arch, name).is_some();
            assert!(known(Arch::X86_64) || known(Arch::I386), "{name}");
        }
    }
}
