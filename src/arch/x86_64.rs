//! x86-64, and the two other tables that its kernels serve: i386 and x32.

use super::Arch;

/// The native table.
pub const ARCH: Arch = Arch::X86_64;

/// `AUDIT_ARCH_X86_64` (`linux/audit.h`): the machine number of ELF, 64-bit, little-endian.
pub const AUDIT_ARCH: u32 = 0xc000_003e;
/// `AUDIT_ARCH_I386`.
const AUDIT_ARCH_I386: u32 = 0x4000_0003;
/// `__X32_SYSCALL_BIT` (`arch/x86/include/uapi/asm/unistd.h`).
const X32_BIT: u64 = 0x4000_0000;
/// The length of `syscall` (0f 05) and of `int 0x80` (cd 80) in bytes.
const SYSCALL_INSN: u64 = 2;

/// The table and the number that a syscall stop's audit architecture and raw number stand for.
/// `None` if the audit architecture is none that an x86-64 kernel reports.
///
/// The kernel reads the number as an `int`, hence the sign extension: `syscall(-1)` is number -1,
/// which has bit 30 set and is no x32 call.
pub fn identify(audit_arch: u32, raw: u64) -> Option<(Arch, i64)> {
    #[allow(clippy::cast_possible_truncation)]
    let nr = i64::from(raw as u32 as i32);
    match audit_arch {
        AUDIT_ARCH if nr >= 0 && raw & X32_BIT != 0 => Some((Arch::X32, nr & !(X32_BIT as i64))),
        AUDIT_ARCH => Some((Arch::X86_64, nr)),
        AUDIT_ARCH_I386 => Some((Arch::I386, nr)),
        _ => None,
    }
}

/// The general registers of a stopped thread.
#[derive(Clone, Copy, Debug)]
pub struct Regs(pub libc::user_regs_struct);

impl Regs {
    /// The n-th argument (from 0) of a call by `arch`'s convention.
    pub fn arg(&self, arch: Arch, n: usize) -> u64 {
        *self.arg_slot(arch, n)
    }

    /// Sets the n-th argument (from 0).
    pub fn set_arg(&mut self, arch: Arch, n: usize, value: u64) {
        let r = &mut self.0;
        *match (arch, n) {
            (Arch::I386, 0) => &mut r.rbx,
            (Arch::I386, 1) => &mut r.rcx,
            (Arch::I386, 2) | (_, 2) => &mut r.rdx,
            (Arch::I386, 3) | (_, 1) => &mut r.rsi,
            (Arch::I386, 4) | (_, 0) => &mut r.rdi,
            (Arch::I386, _) => &mut r.rbp,
            (_, 3) => &mut r.r10,
            (_, 4) => &mut r.r8,
            (_, _) => &mut r.r9,
        } = value;
    }

    fn arg_slot(&self, arch: Arch, n: usize) -> &u64 {
        let r = &self.0;
        match (arch, n) {
            (Arch::I386, 0) => &r.rbx,
            (Arch::I386, 1) => &r.rcx,
            (Arch::I386, 2) | (_, 2) => &r.rdx,
            (Arch::I386, 3) | (_, 1) => &r.rsi,
            (Arch::I386, 4) | (_, 0) => &r.rdi,
            (Arch::I386, _) => &r.rbp,
            (_, 3) => &r.r10,
            (_, 4) => &r.r8,
            (_, _) => &r.r9,
        }
    }

    /// The result of the syscall that the thread is coming back from: an errno is negative.
    pub fn result(&self) -> i64 {
        self.0.rax.cast_signed()
    }

    /// Whether the thread is inside, or on its way out of, a syscall: the kernel sets `orig_rax` to
    /// -1 on every other way into it (`arch/x86/entry/entry_64.S`).
    pub fn in_syscall(&self) -> bool {
        self.0.orig_rax.cast_signed() >= 0
    }

    /// The instruction pointer.
    pub fn ip(&self) -> u64 {
        self.0.rip
    }

    /// The number of the syscall that the thread is in.
    pub fn number(&self) -> u64 {
        self.0.orig_rax
    }

    /// At a syscall-enter-stop: another call of the same table is made in place of the one that was
    /// entered.
    pub fn replace_call(&mut self, arch: Arch, number: u64, args: &[u64; 6]) {
        self.0.orig_rax = number;
        self.set_args(arch, args);
    }

    /// At a syscall-exit-stop: the call gives this result.
    pub fn set_result(&mut self, result: i64) {
        self.0.rax = result.cast_unsigned();
    }

    /// At a syscall-enter-stop, or a stop of a filter's RET_TRACE: the call is not made, and gives
    /// this result.
    pub fn skip_call(&mut self, result: i64) {
        self.0.orig_rax = u64::MAX;
        self.0.rax = result.cast_unsigned();
    }

    /// On its way out of a syscall by `syscall`: the thread makes this call when it goes on, by the
    /// same instruction.
    pub fn call_next(&mut self, number: u64, args: &[u64; 6]) {
        self.0.rip = self.0.rip.wrapping_sub(SYSCALL_INSN);
        self.0.rax = number;
        self.set_args(ARCH, args);
    }

    fn set_args(&mut self, arch: Arch, args: &[u64; 6]) {
        for (n, value) in args.iter().enumerate() {
            self.set_arg(arch, n, *value);
        }
    }

    /// Makes the thread, on its way out of a syscall, make the same call again when it goes on:
    /// what the kernel itself does for ERESTARTSYS (`arch_do_signal_or_restart`).
    pub fn make_again(&mut self) {
        self.0.rip = self.0.rip.wrapping_sub(SYSCALL_INSN);
        self.0.rax = self.0.orig_rax;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_by_the_table_they_were_called_by() {
        assert_eq!(identify(AUDIT_ARCH, 39), Some((Arch::X86_64, 39)));
        assert_eq!(identify(AUDIT_ARCH, 0x4000_0027), Some((Arch::X32, 39)));
        assert_eq!(identify(AUDIT_ARCH_I386, 20), Some((Arch::I386, 20)));
        assert_eq!(identify(AUDIT_ARCH, u64::MAX), Some((Arch::X86_64, -1)));
        assert_eq!(identify(AUDIT_ARCH, 0xffff_ffff), Some((Arch::X86_64, -1)));
        assert_eq!(identify(0xc000_00b7, 1), None);
    }

    #[test]
    fn every_argument_has_a_register_of_its_own() {
        for arch in [Arch::X86_64, Arch::I386] {
            let mut regs = Regs(zeroed());
            for n in 0..6 {
                regs.set_arg(arch, n, n as u64 + 1);
            }
            for n in 0..6 {
                assert_eq!(regs.arg(arch, n), n as u64 + 1, "{arch} argument {n}");
            }
        }
    }

    fn zeroed() -> libc::user_regs_struct {
        libc::user_regs_struct {
            r15: 0,
            r14: 0,
            r13: 0,
            r12: 0,
            rbp: 0,
            rbx: 0,
            r11: 0,
            r10: 0,
            r9: 0,
            r8: 0,
            rax: 0,
            rcx: 0,
            rdx: 0,
            rsi: 0,
            rdi: 0,
            orig_rax: 0,
            rip: 0,
            cs: 0,
            eflags: 0,
            rsp: 0,
            ss: 0,
            fs_base: 0,
            gs_base: 0,
            ds: 0,
            es: 0,
            fs: 0,
            gs: 0,
        }
    }
}
