//! Syscalls whose every use must be heard of: none of them is ever let through by a filter that is
//! learned while a program runs, however often it was called.

/// A syscall, and why it must be heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its name.
    pub name: &'static str,
    /// What would be missed.
    pub why: &'static str,
}

const FILTERS: &str = "the program may put a filter of its own over ours, whose answers outrank it";
const RIGHTS: &str = "ids and capabilities change, which the capability report shows";
const NAMESPACES: &str = "the process moves to other namespaces, with other rights";
const SANDBOX: &str = "the program restricts itself";
const TRACER: &str = "the program wants to be a tracer, or to be traced";
const IMAGE: &str = "another program begins, and with it another executable in the recording";
const FLAGS_IN_MEMORY: &str =
    "CLONE_UNTRACED among its flags, in memory, would hide the child from us";
const IO_URING: &str =
    "what is done through io_uring passes by every filter; the recording warns of it";
const SIGNALS: &str = "a request to stop may be taken by it, and the program must be told once";
const RARE_VALUES: &str = "it is never hot, and each of its argument's values is worth knowing";

/// All of them, sorted by name. The reasons are those of DESIGN's always-trap set.
pub static HEARD: &[Heard] = &[
    Heard { name: "capset", why: RIGHTS },
    Heard { name: "clone3", why: FLAGS_IN_MEMORY },
    Heard { name: "execve", why: IMAGE },
    Heard { name: "execveat", why: IMAGE },
    Heard { name: "io_uring_setup", why: IO_URING },
    Heard { name: "landlock_add_rule", why: SANDBOX },
    Heard { name: "landlock_create_ruleset", why: SANDBOX },
    Heard { name: "landlock_restrict_self", why: SANDBOX },
    Heard { name: "personality", why: RARE_VALUES },
    Heard { name: "prctl", why: RIGHTS },
    Heard { name: "ptrace", why: TRACER },
    Heard { name: "rt_sigtimedwait", why: SIGNALS },
    Heard { name: "seccomp", why: FILTERS },
    Heard { name: "setfsgid", why: RIGHTS },
    Heard { name: "setfsuid", why: RIGHTS },
    Heard { name: "setgid", why: RIGHTS },
    Heard { name: "setgroups", why: RIGHTS },
    Heard { name: "setns", why: NAMESPACES },
    Heard { name: "setregid", why: RIGHTS },
    Heard { name: "setresgid", why: RIGHTS },
    Heard { name: "setresuid", why: RIGHTS },
    Heard { name: "setreuid", why: RIGHTS },
    Heard { name: "setuid", why: RIGHTS },
    Heard { name: "signalfd", why: SIGNALS },
    Heard { name: "signalfd4", why: SIGNALS },
    Heard { name: "unshare", why: NAMESPACES },
];

/// Why every use of a syscall must be heard of, if it must.
pub fn why(name: &str) -> Option<&'static str> {
    let at = HEARD.binary_search_by(|heard| heard.name.cmp(name)).ok()?;
    Some(HEARD[at].why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::native;
    use crate::syscall::SysNo;

    #[test]
    fn the_list_is_sorted_and_of_syscalls() {
        assert!(HEARD.is_sorted_by(|a, b| a.name < b.name));
        assert!(HEARD.iter().all(|h| SysNo::from_name(native::ARCH, h.name).is_some()));
        assert!(why("seccomp").is_some() && why("read").is_none());
    }
}
