//! `CLONE_UNTRACED` (`clone(2)`): a flag that keeps the kernel from handing a child to its
//! parent's tracer. It is taken out at the call, and put back where the program can see it: in the
//! register, or in the `struct clone_args` of `clone3(2)`, of the parent and of the child.

use crate::arch::Arch;
use crate::ptrace::{Result, Stopped};
use crate::syscall::SysNo;

/// `linux/sched.h`.
pub const CLONE_UNTRACED: u64 = 0x0080_0000;

/// Where the flag was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stripped {
    /// Of the flags in the first argument's register.
    Register {
        /// The table of the call, for the register differs.
        arch: Arch,
    },
    /// Of the word at this address.
    Memory {
        /// The address of `clone_args.flags`.
        address: u64,
    },
}

/// At the enter-stop of a call that was given these flags: takes the flag out, if it is there.
pub fn strip(
    stopped: &Stopped,
    no: SysNo,
    flags: u64,
    args: &[u64; 6],
) -> Result<Option<Stripped>> {
    if flags & CLONE_UNTRACED == 0 {
        return Ok(None);
    }
    if no.name() == Some("clone3") {
        let address = if no.arch.is_32_bit() { args[0] & 0xffff_ffff } else { args[0] };
        stopped.write_word(address, flags & !CLONE_UNTRACED)?;
        return Ok(Some(Stripped::Memory { address }));
    }
    change_register(stopped, no.arch, |flags| flags & !CLONE_UNTRACED)?;
    Ok(Some(Stripped::Register { arch: no.arch }))
}

/// At the parent's exit-stop, and at the child's first stop: puts the flag back.
pub fn restore(stopped: &Stopped, stripped: Stripped) -> Result<()> {
    match stripped {
        Stripped::Register { arch } => {
            change_register(stopped, arch, |flags| flags | CLONE_UNTRACED)
        }
        Stripped::Memory { address } => match stopped.read_word(address) {
            // A child that shares its parent's memory finds it restored, or restores it for both.
            Some(flags) => stopped.write_word(address, flags | CLONE_UNTRACED),
            None => Ok(()),
        },
    }
}

fn change_register(stopped: &Stopped, arch: Arch, change: impl Fn(u64) -> u64) -> Result<()> {
    let mut regs = stopped.regs()?;
    let flags = change(regs.arg(arch, 0));
    regs.set_arg(arch, 0, flags);
    stopped.set_regs(&regs)
}
