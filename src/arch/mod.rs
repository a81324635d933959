//! What differs from one CPU architecture to the next: by whose table a syscall number is to be
//! read, and where the registers of a call lie.
//!
//! A port adds one file beside `x86_64.rs` with the same items and one line in `native` below; the
//! rest of the tool knows [`Arch`], [`Regs`] and the functions of [`native`] alone.

mod x86_64;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The machine that this build runs on.
pub mod native {
    pub use super::x86_64::{ARCH, AUDIT_ARCH, identify};
}
pub use x86_64::Regs;

/// A table of syscall numbers: one of the entries of the kernel, not of the CPU. An x86-64 machine
/// serves three.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Arch {
    /// The `syscall` instruction in 64-bit mode.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 32-bit executables, and `int 0x80` in 64-bit ones.
    I386,
    /// The `syscall` instruction with bit 30 of the number set (x32 ABI).
    X32,
}

impl Arch {
    /// The architecture's name in this tool's output.
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::I386 => "i386",
            Arch::X32 => "x32",
        }
    }

    /// The architecture's name in an OCI profile (runtime-spec, `config-linux.md`, "Seccomp").
    pub fn oci_name(self) -> &'static str {
        match self {
            Arch::X86_64 => "SCMP_ARCH_X86_64",
            Arch::I386 => "SCMP_ARCH_X86",
            Arch::X32 => "SCMP_ARCH_X32",
        }
    }

    /// Whether `int`-sized values are all that a register of this architecture holds.
    pub fn is_32_bit(self) -> bool {
        matches!(self, Arch::I386)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
