//! Which arguments of which syscalls are recorded, and where they lie.

use crate::arch::Arch;

/// Where the value of an argument is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An `int` or `unsigned int` in the n-th register: its low 32 bits.
    Int(usize),
    /// Some bits of the n-th register.
    Bits(usize, u64),
    /// A 64-bit word in the tracee's memory, at the address in the n-th register.
    Word(usize),
    /// The family of the socket address at the address in register 1, of the length in register 2.
    AddressFamily,
    /// The port of the same; `u64::MAX` for a family that has none.
    AddressPort,
}

/// The vocabulary that a value is written in; see [`super::decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Words {
    AccessMode,
    AddressFamily,
    ArchPrctl,
    Bpf,
    CloneFlags,
    Fcntl,
    IoctlRequest,
    Keyctl,
    Madvise,
    Number,
    Personality,
    Port,
    Prctl,
    Protection,
    Ptrace,
    Seccomp,
    Signal,
    SocketCall,
    SocketLevel,
    SocketOption,
    SocketType,
}

/// One value, or a pair that belongs together, that is recorded of a syscall.
#[derive(Debug)]
pub struct Tracked {
    /// What it is called in a recording.
    pub name: &'static str,
    /// The syscalls that have it.
    pub syscalls: &'static [&'static str],
    /// Where the parts lie, and how they read.
    pub parts: &'static [(Source, Words)],
}

/// The most parts that an entry of [`TRACKED`] has.
pub const MAX_PARTS: usize = 2;

/// `O_ACCMODE`, the bits of `open(2)`'s flags that tell reading from writing.
const ACCESS_MODE: u64 = 3;

use Source::{AddressFamily, AddressPort, Bits, Int, Word};

/// Everything that is recorded. A signature's source is its man page in section 2.
pub static TRACKED: &[Tracked] = &[
    Tracked {
        name: "domain+type",
        syscalls: &["socket", "socketpair"],
        parts: &[(Int(0), Words::AddressFamily), (Int(1), Words::SocketType)],
    },
    Tracked {
        name: "flags",
        syscalls: &["clone", "unshare"],
        parts: &[(Bits(0, 0xffff_ffff), Words::CloneFlags)],
    },
    Tracked { name: "nstype", syscalls: &["setns"], parts: &[(Int(1), Words::CloneFlags)] },
    Tracked { name: "flags", syscalls: &["clone3"], parts: &[(Word(0), Words::CloneFlags)] },
    Tracked { name: "option", syscalls: &["prctl"], parts: &[(Int(0), Words::Prctl)] },
    Tracked { name: "option", syscalls: &["arch_prctl"], parts: &[(Int(0), Words::ArchPrctl)] },
    Tracked { name: "request", syscalls: &["ioctl"], parts: &[(Int(1), Words::IoctlRequest)] },
    Tracked { name: "command", syscalls: &["fcntl", "fcntl64"], parts: &[(Int(1), Words::Fcntl)] },
    Tracked { name: "persona", syscalls: &["personality"], parts: &[(Int(0), Words::Personality)] },
    Tracked { name: "command", syscalls: &["bpf"], parts: &[(Int(0), Words::Bpf)] },
    Tracked { name: "operation", syscalls: &["keyctl"], parts: &[(Int(0), Words::Keyctl)] },
    Tracked { name: "operation", syscalls: &["seccomp"], parts: &[(Int(0), Words::Seccomp)] },
    Tracked { name: "request", syscalls: &["ptrace"], parts: &[(Int(0), Words::Ptrace)] },
    Tracked { name: "advice", syscalls: &["madvise"], parts: &[(Int(2), Words::Madvise)] },
    Tracked {
        name: "level+option",
        syscalls: &["setsockopt"],
        parts: &[(Int(1), Words::SocketLevel), (Int(2), Words::SocketOption)],
    },
    Tracked {
        name: "protection",
        syscalls: &["mmap", "mmap2", "mprotect", "pkey_mprotect"],
        parts: &[(Int(2), Words::Protection)],
    },
    Tracked {
        name: "access",
        syscalls: &["open"],
        parts: &[(Bits(1, ACCESS_MODE), Words::AccessMode)],
    },
    Tracked {
        name: "access",
        syscalls: &["openat"],
        parts: &[(Bits(2, ACCESS_MODE), Words::AccessMode)],
    },
    Tracked {
        name: "family+port",
        syscalls: &["bind"],
        parts: &[(AddressFamily, Words::AddressFamily), (AddressPort, Words::Port)],
    },
    Tracked {
        name: "signal",
        syscalls: &["kill", "tkill", "rt_sigqueueinfo", "pidfd_send_signal"],
        parts: &[(Int(1), Words::Signal)],
    },
    Tracked {
        name: "signal",
        syscalls: &["tgkill", "rt_tgsigqueueinfo"],
        parts: &[(Int(2), Words::Signal)],
    },
    // i386 reaches all its socket and System V calls through these two.
    Tracked { name: "call", syscalls: &["socketcall"], parts: &[(Int(0), Words::SocketCall)] },
    Tracked { name: "call", syscalls: &["ipc"], parts: &[(Int(0), Words::Number)] },
];

/// What is recorded of a syscall of that name in that architecture.
pub fn tracked(arch: Arch, name: &str) -> impl Iterator<Item = &'static Tracked> {
    // i386's number 90, `mmap`, takes one pointer to a structure (`old_mmap(2)`).
    let old_mmap = arch == Arch::I386 && name == "mmap";
    TRACKED.iter().filter(move |t| !old_mmap && t.syscalls.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscall::SysNo;

    #[test]
    fn every_name_in_the_table_is_a_syscall() {
        for name in TRACKED.iter().flat_map(|t| t.syscalls) {
            assert!(
                [Arch::X86_64, Arch::I386].iter().any(|a| SysNo::from_name(*a, name).is_some()),
                "{name}"
            );
        }
    }

    #[test]
    fn no_entry_has_more_parts_than_a_key_holds() {
        assert!(TRACKED.iter().all(|t| (1..=MAX_PARTS).contains(&t.parts.len())));
    }

    #[test]
    fn old_mmap_is_not_read_as_mmap() {
        assert_eq!(tracked(Arch::I386, "mmap").count(), 0);
        assert_eq!(tracked(Arch::X86_64, "mmap").count(), 1);
        assert_eq!(tracked(Arch::I386, "mmap2").count(), 1);
    }
}
