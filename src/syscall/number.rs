//! Syscall numbers and their names.

use std::fmt;

use super::x32;
use crate::arch::Arch;

/// A syscall: a number and the table that it is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SysNo {
    /// The table.
    pub arch: Arch,
    /// The number; programs can call any, negative ones included.
    pub number: i64,
}

impl SysNo {
    /// The syscall's name, as the kernel's own tables have it (`syscalls` crate, generated from
    /// them). `None` for a number that no table knows.
    pub fn name(self) -> Option<&'static str> {
        let number = usize::try_from(self.number).ok()?;
        match self.arch {
            Arch::X86_64 => syscalls::x86_64::Sysno::new(number).map(|s| s.name()),
            Arch::I386 => syscalls::x86::Sysno::new(number).map(|s| s.name()),
            Arch::X32 => match usize::try_from(self.number - x32::FIRST) {
                Ok(n) => x32::NAMES.get(n).copied(),
                Err(_) => syscalls::x86_64::Sysno::new(number).map(|s| s.name()),
            },
        }
    }

    /// The syscall of that name in `arch`'s table.
    pub fn from_name(arch: Arch, name: &str) -> Option<SysNo> {
        let number = match arch {
            Arch::X86_64 => name.parse::<syscalls::x86_64::Sysno>().ok().map(|s| s.id() as i64),
            Arch::I386 => name.parse::<syscalls::x86::Sysno>().ok().map(|s| s.id() as i64),
            Arch::X32 => match x32::NAMES.iter().position(|n| *n == name) {
                Some(n) => Some(x32::FIRST + n as i64),
                None => name.parse::<syscalls::x86_64::Sysno>().ok().map(|s| s.id() as i64),
            },
        }?;
        Some(SysNo { arch, number })
    }
}

/// The name, or `#1234` for a number that no table knows.
impl fmt::Display for SysNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "#{}", self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_syscalls_have_names() {
        for (number, name) in [
            (335, "uretprobe"),
            (455, "futex_wait"),
            (457, "statmount"),
            (462, "mseal"),
            (465, "listxattrat"),
            (467, "open_tree_attr"),
            (469, "file_setattr"),
        ] {
            assert_eq!(SysNo { arch: Arch::X86_64, number }.name(), Some(name));
        }
        assert_eq!(SysNo { arch: Arch::I386, number: 20 }.name(), Some("getpid"));
        assert_eq!(SysNo { arch: Arch::I386, number: 462 }.name(), Some("mseal"));
        assert_eq!(SysNo { arch: Arch::X32, number: 39 }.name(), Some("getpid"));
        assert_eq!(SysNo { arch: Arch::X32, number: 547 }.name(), Some("pwritev2"));
        assert_eq!(SysNo { arch: Arch::X86_64, number: 9999 }.name(), None);
        assert_eq!(SysNo { arch: Arch::X86_64, number: -1 }.name(), None);
    }

    #[test]
    fn names_and_numbers_go_back_and_forth() {
        for arch in [Arch::X86_64, Arch::I386, Arch::X32] {
            for number in 0..600 {
                let no = SysNo { arch, number };
                if let Some(name) = no.name() {
                    let back = SysNo::from_name(arch, name).and_then(SysNo::name);
                    assert_eq!(back, Some(name), "{arch} {number}");
                }
            }
        }
    }
}
