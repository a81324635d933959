//! A thread that stands stopped, and what can be asked of it.

use std::mem::{MaybeUninit, size_of};

use super::{PtraceError, Result, Tid, int_data, request};
use crate::arch::{Arch, Regs, native};
use crate::syscall::{Errno, SignalSet};

/// What `PTRACE_GET_SYSCALL_INFO` tells at a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallInfo {
    /// Syscall-enter-stop, or the stop of a filter's RET_TRACE: the call has not happened yet.
    Enter {
        /// The table that the number is read by; `None` if this build knows no such architecture.
        arch: Option<Arch>,
        /// The number in that table.
        number: i64,
        /// The six registers of the arguments.
        args: [u64; 6],
        /// The address behind the syscall instruction.
        ip: u64,
    },
    /// Syscall-exit-stop: the call has happened.
    Exit {
        /// What it returned.
        result: i64,
        /// Whether that is an error, as the kernel sees it.
        is_error: bool,
    },
    /// The stop is none of a syscall.
    None,
}

/// A thread in ptrace-stop. Must be let go on by one of the methods that consume it.
#[derive(Debug)]
#[must_use = "a stopped thread stands still until it is resumed or detached"]
pub struct Stopped {
    tid: Tid,
}

impl Stopped {
    /// Only `wait` can tell that a thread has stopped.
    pub(super) fn new(tid: Tid) -> Stopped {
        Stopped { tid }
    }

    /// Which thread it is.
    pub fn tid(&self) -> Tid {
        self.tid
    }

    /// `PTRACE_GET_SYSCALL_INFO` (Linux 5.3): what syscall the thread enters or leaves.
    ///
    /// # Errors
    /// As every request; EIO on kernels before 5.3.
    pub fn call_info(&self) -> Result<CallInfo> {
        let mut info = MaybeUninit::<libc::ptrace_syscall_info>::zeroed();
        request(
            "PTRACE_GET_SYSCALL_INFO",
            libc::PTRACE_GET_SYSCALL_INFO,
            self.tid,
            size_of::<libc::ptrace_syscall_info>(),
            info.as_mut_ptr().cast(),
        )?;
        // SAFETY: all-zero is a valid value of this structure of integers, and the kernel wrote at
        // most its size.
        let info = unsafe { info.assume_init() };
        Ok(match info.op {
            libc::PTRACE_SYSCALL_INFO_ENTRY => {
                // SAFETY: `op` tells which member of the union the kernel filled.
                let entry = unsafe { info.u.entry };
                let (arch, number) = native::identify(info.arch, entry.nr)
                    .map_or((None, entry.nr.cast_signed()), |(arch, nr)| (Some(arch), nr));
                CallInfo::Enter { arch, number, args: entry.args, ip: info.instruction_pointer }
            }
            libc::PTRACE_SYSCALL_INFO_SECCOMP => {
                // SAFETY: as above.
                let entry = unsafe { info.u.seccomp };
                let (arch, number) = native::identify(info.arch, entry.nr)
                    .map_or((None, entry.nr.cast_signed()), |(arch, nr)| (Some(arch), nr));
                CallInfo::Enter { arch, number, args: entry.args, ip: info.instruction_pointer }
            }
            libc::PTRACE_SYSCALL_INFO_EXIT => {
                // SAFETY: as above.
                let exit = unsafe { info.u.exit };
                CallInfo::Exit { result: exit.sval, is_error: exit.is_error != 0 }
            }
            _ => CallInfo::None,
        })
    }

    /// `PTRACE_GETEVENTMSG`: the new thread's id at a fork, vfork or clone event, the former id at
    /// an exec event, the wait status at an exit event.
    ///
    /// # Errors
    /// As every request.
    pub fn event_message(&self) -> Result<u64> {
        let mut message: libc::c_ulong = 0;
        let data = (&raw mut message).cast();
        request("PTRACE_GETEVENTMSG", libc::PTRACE_GETEVENTMSG, self.tid, 0, data)?;
        Ok(message)
    }

    /// `PTRACE_SETOPTIONS`.
    ///
    /// # Errors
    /// As every request.
    pub fn set_options(&self, options: super::Options) -> Result<()> {
        let bits = int_data(options.bits());
        request("PTRACE_SETOPTIONS", libc::PTRACE_SETOPTIONS, self.tid, 0, bits).map(drop)
    }

    /// `PTRACE_GETREGS`.
    ///
    /// # Errors
    /// As every request.
    pub fn regs(&self) -> Result<Regs> {
        let mut regs = MaybeUninit::<libc::user_regs_struct>::zeroed();
        let data = regs.as_mut_ptr().cast();
        request("PTRACE_GETREGS", libc::PTRACE_GETREGS, self.tid, 0, data)?;
        // SAFETY: all-zero is a valid value of this structure of integers, and the kernel filled it.
        Ok(Regs(unsafe { regs.assume_init() }))
    }

    /// `PTRACE_SETREGS`.
    ///
    /// # Errors
    /// As every request.
    pub fn set_regs(&self, regs: &Regs) -> Result<()> {
        let mut regs = regs.0;
        let data = (&raw mut regs).cast();
        request("PTRACE_SETREGS", libc::PTRACE_SETREGS, self.tid, 0, data).map(drop)
    }

    /// `PTRACE_GETSIGINFO` at a signal-delivery-stop: the signal's code and its sender's pid, which
    /// has a meaning for codes up to zero only (`sigaction(2)`).
    ///
    /// # Errors
    /// As every request.
    pub fn signal_origin(&self) -> Result<super::Origin> {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let data = info.as_mut_ptr().cast();
        request("PTRACE_GETSIGINFO", libc::PTRACE_GETSIGINFO, self.tid, 0, data)?;
        // SAFETY: all-zero is a valid siginfo_t, and the kernel filled it.
        let info = unsafe { info.assume_init() };
        Ok(super::Origin::of(&info))
    }

    /// Whether SIGKILL has meanwhile taken the thread on to its `PTRACE_EVENT_EXIT`, of which `wait`
    /// will not tell any more once this stop is ended: what was asked since may be about that.
    pub fn is_dying(&self) -> bool {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let data = info.as_mut_ptr().cast();
        if request("PTRACE_GETSIGINFO", libc::PTRACE_GETSIGINFO, self.tid, 0, data).is_err() {
            return true;
        }
        // SAFETY: all-zero is a valid siginfo_t, and the kernel filled it.
        unsafe { info.assume_init() }.si_code == libc::SIGTRAP | libc::PTRACE_EVENT_EXIT << 8
    }

    /// Reads the tracee's memory (`process_vm_readv(2)`); how many bytes could be read.
    pub fn read_memory(&self, address: u64, buffer: &mut [u8]) -> usize {
        let Ok(base) = usize::try_from(address) else { return 0 };
        let remote = nix::sys::uio::RemoteIoVec { base, len: buffer.len() };
        let pid = nix::unistd::Pid::from_raw(self.tid.0);
        let mut local = [std::io::IoSliceMut::new(buffer)];
        nix::sys::uio::process_vm_readv(pid, &mut local, &[remote]).unwrap_or(0)
    }

    /// Reads a 64-bit word of the tracee's memory.
    pub fn read_word(&self, address: u64) -> Option<u64> {
        let mut word = [0; 8];
        (self.read_memory(address, &mut word) == 8).then(|| u64::from_ne_bytes(word))
    }

    /// Writes a 64-bit word into the tracee's memory, as a debugger does: into read-only pages,
    /// too (`PTRACE_POKEDATA`).
    ///
    /// # Errors
    /// As every request; EIO for an address that is not mapped.
    pub fn write_word(&self, address: u64, word: u64) -> Result<()> {
        let errno = Errno(libc::EIO);
        let refused = PtraceError::Refused { request: "PTRACE_POKEDATA", tid: self.tid, errno };
        let address = usize::try_from(address).map_err(|_| refused)?;
        let data = std::ptr::without_provenance_mut(usize::try_from(word).map_err(|_| refused)?);
        request("PTRACE_POKEDATA", libc::PTRACE_POKEDATA, self.tid, address, data).map(drop)
    }

    /// Writes the tracee's memory (`process_vm_writev(2)`); whether all could be written.
    pub fn write_memory(&self, address: u64, bytes: &[u8]) -> bool {
        let Ok(base) = usize::try_from(address) else { return false };
        let remote = nix::sys::uio::RemoteIoVec { base, len: bytes.len() };
        let pid = nix::unistd::Pid::from_raw(self.tid.0);
        let local = [std::io::IoSlice::new(bytes)];
        nix::sys::uio::process_vm_writev(pid, &local, &[remote]) == Ok(bytes.len())
    }

    /// `PTRACE_GETSIGMASK`: the signals that the thread blocks.
    ///
    /// # Errors
    /// As every request.
    pub fn signal_mask(&self) -> Result<SignalSet> {
        let mut mask = 0u64;
        let (size, data) = (size_of::<u64>(), (&raw mut mask).cast());
        request("PTRACE_GETSIGMASK", libc::PTRACE_GETSIGMASK, self.tid, size, data)?;
        Ok(SignalSet(mask))
    }

    /// `PTRACE_SETSIGMASK`. SIGKILL and SIGSTOP cannot be blocked.
    ///
    /// # Errors
    /// As every request.
    pub fn set_signal_mask(&self, mask: SignalSet) -> Result<()> {
        let mut mask = mask.0;
        let (size, data) = (size_of::<u64>(), (&raw mut mask).cast());
        request("PTRACE_SETSIGMASK", libc::PTRACE_SETSIGMASK, self.tid, size, data).map(drop)
    }

    /// `PTRACE_SYSCALL`: goes on to the next syscall-enter- or exit-stop. A signal other than 0 is
    /// delivered, with the siginfo that it came with.
    ///
    /// # Errors
    /// As every request.
    pub fn resume_to_syscall(self, signal: i32) -> Result<()> {
        self.go("PTRACE_SYSCALL", libc::PTRACE_SYSCALL, signal)
    }

    /// `PTRACE_CONT`: goes on without stopping at syscalls.
    ///
    /// # Errors
    /// As every request.
    pub fn resume_free(self, signal: i32) -> Result<()> {
        self.go("PTRACE_CONT", libc::PTRACE_CONT, signal)
    }

    /// `PTRACE_LISTEN`, at a group-stop: the thread stays stopped as a shell expects it to, and
    /// tells us when SIGCONT has ended that.
    ///
    /// # Errors
    /// As every request. `Died` also where SIGKILL has meanwhile ended the group-stop
    /// (`ptrace_request` says EIO): `wait` tells of the stop that came of it.
    pub fn listen(self) -> Result<()> {
        let tid = self.tid;
        match self.go("PTRACE_LISTEN", libc::PTRACE_LISTEN, 0) {
            Err(PtraceError::Refused { errno: Errno(libc::EIO), .. }) => {
                Err(PtraceError::Died(tid))
            }
            result => result,
        }
    }

    /// `PTRACE_DETACH`: lets go of the thread for good.
    ///
    /// # Errors
    /// As every request.
    pub fn detach(self, signal: i32) -> Result<()> {
        self.go("PTRACE_DETACH", libc::PTRACE_DETACH, signal)
    }

    fn go(self, name: &'static str, op: libc::c_uint, signal: i32) -> Result<()> {
        request(name, op, self.tid, 0, int_data(signal)).map(drop)
    }
}
