//! Having a thread of the program install our filter.
//!
//! It is done at a syscall-enter-stop: the program's own call is put aside, the thread is made to
//! map a page for the filter, to install it for its whole thread group, and to unmap the page, and
//! then makes its own call as if nothing had been. Each of these calls is a pair of stops in the one
//! wait loop; other threads are served meanwhile, since one of them may hold, in execve(2), what the
//! installation waits for.
//!
//! Signals are blocked for its time, so that no handler runs in between, and until the enter-stop of
//! the program's own call, which a signal that came meanwhile then ends as it would have. SIGSTOP
//! cannot be blocked, and does no harm: where the thread stands it has no result that a stop could
//! turn into EINTR.

use std::sync::Arc;
use std::time::Instant;

use crate::arch::{Regs, native};
use crate::ptrace::{Result, Stopped};
use crate::syscall::{Errno, SignalSet};

/// `struct sock_fprog`: a length and a pointer.
const SOCK_FPROG: u64 = 16;

/// A thread that installs a filter.
#[derive(Debug)]
pub struct Injection {
    step: Step,
    /// The registers at the enter-stop of the program's own call.
    own: Regs,
    mask: SignalSet,
    filter: Arc<Vec<u8>>,
    sets_no_new_privs: bool,
    buffer: u64,
    trouble: Option<Trouble>,
    /// When it began.
    pub since: Instant,
}

/// The calls, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Map,
    NoNewPrivs,
    Install,
    Unmap,
    /// The program's own.
    Own,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The next call is made.
    Going,
    /// `no_new_privs` is set.
    NoNewPrivs,
    /// From now on every thread of the group is under the filter.
    Installed,
    /// It is over: the program's own call is entered.
    Over(Option<Trouble>),
}

/// Why there is no filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// A thread of the group has a filter that ours cannot be put over.
    #[error("since one of its threads has a seccomp filter of its own")]
    Unsynchronized,
    /// A call failed.
    #[error("since the kernel refused it ({0})")]
    Failed(Errno),
}

impl Injection {
    /// At the enter-stop of a native call that can be made later just as well.
    pub fn begin(
        stopped: &Stopped,
        filter: Arc<Vec<u8>>,
        sets_no_new_privs: bool,
        since: Instant,
    ) -> Result<Injection> {
        let own = stopped.regs()?;
        let mask = stopped.signal_mask()?;
        let mut regs = own;
        let prot = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let length = SOCK_FPROG + filter.len() as u64;
        regs.replace_call(
            native::ARCH,
            libc::SYS_mmap as u64,
            &[0, length, prot, flags, u64::MAX, 0],
        );
        stopped.set_signal_mask(SignalSet(u64::MAX))?;
        stopped.set_regs(&regs)?;
        Ok(Injection {
            step: Step::Map,
            own,
            mask,
            filter,
            sets_no_new_privs,
            buffer: 0,
            trouble: None,
            since,
        })
    }

    /// At the exit-stop of one of the calls: has the next one made.
    pub fn returned(&mut self, stopped: &Stopped, result: i64) -> Result<Progress> {
        let failed = Errno::of_result(result);
        match self.step {
            Step::Map => match failed {
                Some(errno) => {
                    self.trouble = Some(Trouble::Failed(errno));
                    self.end(stopped)?;
                }
                None => {
                    self.buffer = result.cast_unsigned();
                    let next =
                        if self.sets_no_new_privs { Step::NoNewPrivs } else { Step::Install };
                    if self.write(stopped) {
                        self.call(stopped, next)?;
                    } else {
                        self.give_up(stopped, Trouble::Failed(Errno(libc::EFAULT)))?;
                    }
                }
            },
            Step::NoNewPrivs => match failed {
                Some(errno) => self.give_up(stopped, Trouble::Failed(errno))?,
                None => {
                    self.call(stopped, Step::Install)?;
                    return Ok(Progress::NoNewPrivs);
                }
            },
            Step::Install => match failed {
                Some(errno) => self.give_up(stopped, Trouble::Failed(errno))?,
                None if result == 0 => {
                    self.call(stopped, Step::Unmap)?;
                    return Ok(Progress::Installed);
                }
                // seccomp(2): with TSYNC, the id of a thread that could not be synchronized.
                None => self.give_up(stopped, Trouble::Unsynchronized)?,
            },
            Step::Unmap => self.end(stopped)?,
            // Its exit-stop comes after its enter-stop, which is not ours any more.
            Step::Own => {}
        }
        Ok(Progress::Going)
    }

    fn give_up(&mut self, stopped: &Stopped, trouble: Trouble) -> Result<()> {
        self.trouble = Some(trouble);
        self.call(stopped, Step::Unmap)
    }

    /// `struct sock_fprog`, and behind it the program.
    fn write(&self, stopped: &Stopped) -> bool {
        let length = u16::try_from(self.filter.len() / 8).unwrap_or(0);
        let mut bytes = Vec::with_capacity(self.filter.len() + 16);
        bytes.extend(length.to_ne_bytes());
        bytes.extend([0; 6]);
        bytes.extend((self.buffer + SOCK_FPROG).to_ne_bytes());
        bytes.extend(self.filter.iter());
        stopped.write_memory(self.buffer, &bytes)
    }

    fn call(&mut self, stopped: &Stopped, step: Step) -> Result<()> {
        self.step = step;
        let (number, args) = match step {
            // The first takes the place of the program's own in `begin`, which the last is.
            Step::Map | Step::Own => return Ok(()),
            Step::Unmap => {
                let length = SOCK_FPROG + self.filter.len() as u64;
                (libc::SYS_munmap, [self.buffer, length, 0, 0, 0, 0])
            }
            Step::NoNewPrivs => {
                (libc::SYS_prctl, [libc::PR_SET_NO_NEW_PRIVS as u64, 1, 0, 0, 0, 0])
            }
            Step::Install => {
                // Before Linux 5.16, a filter without SPEC_ALLOW turns speculation mitigations on for
                // good.
                let flags = libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
                (
                    libc::SYS_seccomp,
                    [libc::SECCOMP_SET_MODE_FILTER.into(), flags, self.buffer, 0, 0, 0],
                )
            }
        };
        let mut regs = stopped.regs()?;
        regs.call_next(number.cast_unsigned(), &args);
        stopped.set_regs(&regs)
    }

    /// The program's own call is made when the thread goes on.
    fn end(&mut self, stopped: &Stopped) -> Result<()> {
        self.step = Step::Own;
        let mut regs = self.own;
        regs.make_again();
        stopped.set_regs(&regs)
    }

    /// At the enter-stop of one of the calls: whether that is the program's own again.
    pub fn entered(&self, stopped: &Stopped) -> Result<Progress> {
        if self.step != Step::Own {
            return Ok(Progress::Going);
        }
        stopped.set_signal_mask(self.mask)?;
        Ok(Progress::Over(self.trouble))
    }
}
