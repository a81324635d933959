//! The signals that come to the tracer itself, and what it inherited of them.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use crate::syscall::SignalSet;

/// Whether SIGPIPE was ignored before Rust's runtime, which ignores it for itself, came to run.
static SIGPIPE_IGNORED_AT_START: AtomicBool = AtomicBool::new(false);

/// The same of the signal that glibc takes for itself (`SIGSETXID`) when it makes a thread.
static SETXID_IGNORED_AT_START: AtomicBool = AtomicBool::new(false);

/// Bit n: descriptor n, one of the first three, was closed before Rust's runtime opened it.
static CLOSED_AT_START: AtomicU8 = AtomicU8::new(0);

/// glibc's own signal, which its `sigaction` refuses to speak of.
pub(super) const SIGSETXID: i32 = 33;

/// Run by the dynamic linker or libc's start code before `main`.
extern "C" fn note_sigpipe() {
    SIGPIPE_IGNORED_AT_START.store(is_ignored(libc::SIGPIPE), Ordering::Relaxed);
    let mut action = [0usize; 4];
    // SAFETY: `rt_sigaction` without a new action writes the old one, of four words on the 64-bit
    // architectures that we know, into a live local; the size is that of the kernel's mask.
    unsafe {
        let none: *const usize = std::ptr::null();
        libc::syscall(libc::SYS_rt_sigaction, SIGSETXID, none, action.as_mut_ptr(), 8usize);
    }
    SETXID_IGNORED_AT_START.store(action[0] == libc::SIG_IGN, Ordering::Relaxed);
    // SAFETY: F_GETFD takes integers alone.
    let closed = (0..3).filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } == -1);
    CLOSED_AT_START.store(closed.fold(0, |set, fd| set | 1 << fd), Ordering::Relaxed);
}

#[used]
// SAFETY: `.init_array` holds pointers to functions of the C calling convention that take nothing
// the callee must read (System V gABI, "Initialization and Termination Functions").
#[unsafe(link_section = ".init_array")]
static NOTE_SIGPIPE: extern "C" fn() = note_sigpipe;

fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action asks for the old one, which goes into a live local; all-zero is a
    // valid `sigaction`.
    let action = unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    action.sa_sigaction == libc::SIG_IGN
}

/// Where a signal came from (`sigaction(2)`, "siginfo_t").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `si_code`: `SI_USER` (0) for `kill(2)`, `SI_KERNEL` (128) for the terminal's.
    pub code: i32,
    /// `si_pid`, where the code says that there is a sender; otherwise 0.
    pub pid: i32,
}

impl Origin {
    pub(super) fn of(info: &libc::siginfo_t) -> Origin {
        // SAFETY: `si_pid` reads a field of the union that every code up to 0 fills; for others
        // the bytes are initialised all the same, and the value is not used.
        let pid = if info.si_code <= 0 { unsafe { info.si_pid() } } else { 0 };
        Origin { code: info.si_code, pid }
    }

    /// Whether the kernel sent it, as it does for a terminal's Ctrl-C and hang-up.
    pub fn is_kernel(self) -> bool {
        self.code == libc::SI_KERNEL
    }
}

/// A signal that somebody sent to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub signal: i32,
    /// Where it came from.
    pub origin: Origin,
}

/// What we had of our parent, and what a program that we launch must find just so.
#[derive(Clone, Copy, Debug)]
pub struct Inherited {
    pub(super) mask: libc::sigset_t,
    pub(super) sigpipe_ignored: bool,
    pub(super) setxid_ignored: bool,
    pub(super) closed: u8,
    /// The signals that were ignored.
    pub ignored: SignalSet,
}

/// The signals of ours that are taken in order, in place of their default action, which would end
/// us and with us a launched tree (`PTRACE_O_EXITKILL`).
const TAKEN: [i32; 13] = [
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGWINCH,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSTKFLT,
];

/// Blocked beside them, so that a write to a terminal that does not want it cannot stop us while a
/// tracee waits. Not SIGTTIN: we never read, so it means that the program did, and a shell must see
/// us stop with it, or its `fg` continues neither. And the limits on file size and CPU time, whose
/// signals would end us and the program with us: a write then fails, and is told.
const BLOCKED: [i32; 3] = [libc::SIGTTOU, libc::SIGXFSZ, libc::SIGXCPU];

/// The end at which signals to this process come out one by one.
#[derive(Debug)]
pub struct SignalPort {
    taken: libc::sigset_t,
}

impl SignalPort {
    /// Blocks the signals for the calling thread and those that it creates from now on; call it
    /// before any other thread exists.
    pub fn open() -> (SignalPort, Inherited) {
        let ignored = (1..=64).filter(|n| is_ignored(*n)).fold(0, |set, n| set | 1 << (n - 1));
        let mut mask = MaybeUninit::<libc::sigset_t>::zeroed();
        let mut taken = set_of(&TAKEN);
        let mut blocked = taken;
        for signal in BLOCKED {
            // SAFETY: a live local that `set_of` initialised.
            unsafe { libc::sigaddset(&raw mut blocked, signal) };
        }
        // SAFETY: both pointers are to live locals; all-zero is a valid, empty sigset_t.
        let mask = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, mask.as_mut_ptr());
            mask.assume_init()
        };
        let sigpipe_ignored = SIGPIPE_IGNORED_AT_START.load(Ordering::Relaxed);
        let ignored = if sigpipe_ignored { ignored } else { ignored & !(1 << (libc::SIGPIPE - 1)) };
        // SAFETY: a live local. The bell is waited for, but not blocked here: the tracer's own wait
        // must be interrupted by it.
        unsafe { libc::sigaddset(&raw mut taken, super::bell::bell_signal()) };
        let inherited = Inherited {
            mask,
            sigpipe_ignored,
            setxid_ignored: SETXID_IGNORED_AT_START.load(Ordering::Relaxed),
            closed: CLOSED_AT_START.load(Ordering::Relaxed),
            ignored: SignalSet(ignored),
        };
        (SignalPort { taken }, inherited)
    }

    /// Makes the calling thread one that can be woken from [`SignalPort::next`] by the bell that is
    /// returned.
    pub fn listen_here(&self) -> super::Bell {
        let bell = set_of(&[super::bell::bell_signal()]);
        // SAFETY: a pointer to a live local; the old mask is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const bell, std::ptr::null_mut()) };
        super::Bell::here()
    }

    /// The next signal, or `None` when the time is over or the bell has rung (`sigtimedwait(2)`).
    pub fn next(&self, timeout: Duration) -> Option<Request> {
        let timeout = libc::timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: all three pointers are to live values; all-zero is a valid siginfo_t.
        unsafe {
            let signal =
                libc::sigtimedwait(&raw const self.taken, info.as_mut_ptr(), &raw const timeout);
            (signal > 0 && signal != super::bell::bell_signal())
                .then(|| Request { signal, origin: Origin::of(&info.assume_init()) })
        }
    }
}

pub(super) fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: `sigemptyset` initialises the live local that the rest works on.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}
