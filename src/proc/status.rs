//! `/proc/TID/status`: who a thread is, what it may do and which signals it handles.
//!
//! It is read while the thread stands stopped for us, so it costs three system calls and one pass
//! over 1.5 kB.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use crate::syscall::{CapSet, SignalSet};

use super::ProcError;

/// What `/proc/TID/status` says. Ids are those of the pid namespace that `/proc` was mounted in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadStatus {
    /// `Name`: the thread's name, at most 15 bytes; what is not UTF-8 is replaced.
    pub comm: String,
    /// `State`: `R`, `S`, `D`, `T` (group-stop), `t` (ptrace stop), `Z`, `X`, `I`.
    pub state: char,
    /// `Tgid`: the process.
    pub tgid: i32,
    /// `Pid`: this thread.
    pub pid: i32,
    /// `PPid`: the process's parent; 0 if that is in an outer namespace.
    pub ppid: i32,
    /// `TracerPid`: who traces this thread; 0 for nobody (or somebody in an outer namespace).
    pub tracer_pid: i32,
    /// `Threads`: how many threads the process has.
    pub threads: u32,
    /// `CapInh`.
    pub cap_inh: CapSet,
    /// `CapPrm`.
    pub cap_prm: CapSet,
    /// `CapEff`.
    pub cap_eff: CapSet,
    /// `CapBnd`.
    pub cap_bnd: CapSet,
    /// `CapAmb` (Linux 4.3).
    pub cap_amb: CapSet,
    /// `NoNewPrivs` (Linux 4.10).
    pub no_new_privs: bool,
    /// `Seccomp`: 0 none, 1 strict, 2 filter. Also 0 on a kernel built without seccomp.
    pub seccomp_mode: u8,
    /// `Seccomp_filters` (Linux 5.9): how many filters the thread is under.
    pub seccomp_filters: Option<u32>,
    /// `Uid`: real, effective, saved, file system.
    pub uid: [u32; 4],
    /// `Gid`: real, effective, saved, file system.
    pub gid: [u32; 4],
    /// `Groups`.
    pub groups: Vec<u32>,
    /// `SigPnd`: pending for this thread.
    pub sig_pending: SignalSet,
    /// `ShdPnd`: pending for the process.
    pub shd_pending: SignalSet,
    /// `SigBlk`: blocked by this thread.
    pub sig_blk: SignalSet,
    /// `SigIgn`: ignored.
    pub sig_ign: SignalSet,
    /// `SigCgt`: caught by a handler.
    pub sig_cgt: SignalSet,
    /// `NSpid` (Linux 4.1): this thread's ids, from the namespace of `/proc` to its own; empty on
    /// older kernels.
    pub ns_pids: Vec<i32>,
}

impl ThreadStatus {
    /// Reads the status of any thread of any process.
    pub fn read(tid: i32) -> Result<ThreadStatus, ProcError> {
        let file = PathBuf::from(format!("/proc/{tid}/status"));
        let mut open = File::open(&file).map_err(|e| ProcError::from_io(&file, e))?;
        // seq_file renders the whole text at once and hands out as much as fits: a short read is
        // the end (fs/seq_file.c, seq_read_iter). Only long group lists need more than one.
        let mut buffer = vec![0u8; 4096];
        let mut filled = 0;
        loop {
            let got = open.read(&mut buffer[filled..]).map_err(|e| ProcError::from_io(&file, e))?;
            filled += got;
            if got == 0 || filled < buffer.len() {
                break;
            }
            buffer.resize(buffer.len() * 4, 0);
        }
        ThreadStatus::parse(&buffer[..filled])
            .map_err(|what| ProcError::Malformed { file, what: what.to_owned() })
    }

    /// Our own process's main thread.
    pub fn read_own() -> Result<ThreadStatus, ProcError> {
        ThreadStatus::read(super::own_pid())
    }

    /// Reads the text of such a file. Lines that a kernel may lack are taken for their zero; the
    /// error names the first line that must be there and is not, or that has no sense.
    pub fn parse(text: &[u8]) -> Result<ThreadStatus, &'static str> {
        let mut found = Found::default();
        let mut status = ThreadStatus::empty();
        for line in text.split(|b| *b == b'\n') {
            let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
            let (key, value) = (&line[..colon], trim(&line[colon + 1..]));
            status.take(key, value, &line[colon + 1..], &mut found)?;
        }
        found.complete()?;
        Ok(status)
    }

    /// The signals that wait for this thread or its process and are not blocked.
    pub fn deliverable(&self) -> SignalSet {
        self.sig_pending.with(self.shd_pending).without(self.sig_blk)
    }

    /// The signals that do nothing: set to be ignored, or by default.
    pub fn ignored(&self) -> SignalSet {
        self.sig_ign.with(SignalSet::IGNORED_BY_DEFAULT.without(self.sig_cgt))
    }

    /// Whether the thread has ended and only waits to be reaped.
    pub fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    fn empty() -> ThreadStatus {
        ThreadStatus {
            comm: String::new(),
            state: '?',
            tgid: 0,
            pid: 0,
            ppid: 0,
            tracer_pid: 0,
            threads: 0,
            cap_inh: CapSet(0),
            cap_prm: CapSet(0),
            cap_eff: CapSet(0),
            cap_bnd: CapSet(0),
            cap_amb: CapSet(0),
            no_new_privs: false,
            seccomp_mode: 0,
            seccomp_filters: None,
            uid: [0; 4],
            gid: [0; 4],
            groups: Vec::new(),
            sig_pending: SignalSet(0),
            shd_pending: SignalSet(0),
            sig_blk: SignalSet(0),
            sig_ign: SignalSet(0),
            sig_cgt: SignalSet(0),
            ns_pids: Vec::new(),
        }
    }

    /// Takes one line in.
    fn take(
        &mut self,
        key: &[u8],
        value: &[u8],
        raw: &[u8],
        found: &mut Found,
    ) -> Result<(), &'static str> {
        match key {
            // A name may begin or end with spaces: the tab alone is the kernel's.
            b"Name" => self.comm = unescape(raw.strip_prefix(b"\t").unwrap_or(raw)),
            b"State" => {
                self.state = value.first().map_or('?', |b| char::from(*b));
                found.state = true;
            }
            b"Tgid" => self.tgid = number(value).ok_or("Tgid")?,
            b"Pid" => {
                self.pid = number(value).ok_or("Pid")?;
                found.pid = true;
            }
            b"PPid" => self.ppid = number(value).ok_or("PPid")?,
            b"TracerPid" => self.tracer_pid = number(value).ok_or("TracerPid")?,
            b"Threads" => self.threads = number(value).ok_or("Threads")?,
            b"Uid" => {
                self.uid = four(value).ok_or("Uid")?;
                found.ids |= 1;
            }
            b"Gid" => {
                self.gid = four(value).ok_or("Gid")?;
                found.ids |= 2;
            }
            b"Groups" => self.groups = list(value).ok_or("Groups")?,
            b"NSpid" => self.ns_pids = list(value).ok_or("NSpid")?,
            b"SigPnd" => self.sig_pending = SignalSet(hex(value).ok_or("SigPnd")?),
            b"ShdPnd" => self.shd_pending = SignalSet(hex(value).ok_or("ShdPnd")?),
            b"SigBlk" => self.sig_blk = SignalSet(hex(value).ok_or("SigBlk")?),
            b"SigIgn" => self.sig_ign = SignalSet(hex(value).ok_or("SigIgn")?),
            b"SigCgt" => {
                self.sig_cgt = SignalSet(hex(value).ok_or("SigCgt")?);
                found.signals = true;
            }
            b"CapInh" => self.cap_inh = CapSet(hex(value).ok_or("CapInh")?),
            b"CapPrm" => self.cap_prm = CapSet(hex(value).ok_or("CapPrm")?),
            b"CapEff" => {
                self.cap_eff = CapSet(hex(value).ok_or("CapEff")?);
                found.capabilities = true;
            }
            b"CapBnd" => self.cap_bnd = CapSet(hex(value).ok_or("CapBnd")?),
            b"CapAmb" => self.cap_amb = CapSet(hex(value).ok_or("CapAmb")?),
            b"NoNewPrivs" => self.no_new_privs = value != b"0",
            b"Seccomp" => self.seccomp_mode = number(value).ok_or("Seccomp")?,
            b"Seccomp_filters" => {
                self.seccomp_filters = Some(number(value).ok_or("Seccomp_filters")?);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Which of the lines that every kernel writes were there.
#[derive(Default)]
struct Found {
    state: bool,
    pid: bool,
    /// Bit 0 Uid, bit 1 Gid.
    ids: u8,
    signals: bool,
    capabilities: bool,
}

impl Found {
    fn complete(&self) -> Result<(), &'static str> {
        match self {
            Found { state: false, .. } => Err("no line State"),
            Found { pid: false, .. } => Err("no line Pid"),
            Found { ids: 0..=2, .. } => Err("no line Uid or Gid"),
            Found { signals: false, .. } => Err("no line SigCgt"),
            Found { capabilities: false, .. } => Err("no line CapEff"),
            _ => Ok(()),
        }
    }
}

fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn hex(value: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(value).ok()?, 16).ok()
}

fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty())
}

fn list<T: std::str::FromStr>(value: &[u8]) -> Option<Vec<T>> {
    words(value).map(number).collect()
}

fn four(value: &[u8]) -> Option<[u32; 4]> {
    list(value)?.try_into().ok()
}

/// Undoes what `proc_task_name` does to a name: a newline is written `\n` and a backslash `\\`
/// (`fs/proc/array.c`; before Linux 5.16 likewise).
fn unescape(name: &[u8]) -> String {
    if !name.contains(&b'\\') {
        return String::from_utf8_lossy(name).into_owned();
    }
    let mut plain = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.as_slice().first()) {
            (b'\\', Some(b'n')) => {
                plain.push(b'\n');
                bytes.next();
            }
            (b'\\', Some(b'\\')) => {
                plain.push(b'\\');
                bytes.next();
            }
            _ => plain.push(*byte),
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux 3.16, which lacks Seccomp_filters, NoNewPrivs, CapAmb and NSpid.
    const OLD: &[u8] = b"Name:\ta b\\nc\\\\d: \nState:\tS (sleeping)\nTgid:\t10\nNgid:\t0\nPid:\t11\n\
        PPid:\t1\nTracerPid:\t0\nUid:\t1000\t1001\t1002\t4294967295\nGid:\t5\t6\t7\t8\nFDSize:\t64\n\
        Groups:\t4 24 4294967294 \nThreads:\t3\nSigQ:\t0/7\nSigPnd:\t0000000000000001\n\
        ShdPnd:\t0000000000000002\nSigBlk:\t0000000000010000\nSigIgn:\t0000000000001000\n\
        SigCgt:\tfffffffe7ffbfeff\nCapInh:\t0000000000000000\nCapPrm:\t0000003fffffffff\n\
        CapEff:\t0000000000080000\nCapBnd:\t0000003fffffffff\nSeccomp:\t2\n";

    #[test]
    fn an_old_kernels_status_is_read() {
        let status = ThreadStatus::parse(OLD).unwrap();
        assert_eq!(status.comm, "a b\nc\\d: ");
        assert_eq!((status.state, status.tgid, status.pid, status.ppid), ('S', 10, 11, 1));
        assert_eq!(status.uid, [1000, 1001, 1002, u32::MAX]);
        assert_eq!(status.gid, [5, 6, 7, 8]);
        assert_eq!(status.groups, [4, 24, 4294967294]);
        assert_eq!(status.cap_eff, CapSet(1 << 19));
        assert_eq!(status.sig_pending, SignalSet(1));
        assert_eq!(status.shd_pending, SignalSet(2));
        assert_eq!(status.sig_cgt, SignalSet(0xffff_fffe_7ffb_feff));
        assert_eq!((status.seccomp_mode, status.seccomp_filters), (2, None));
        assert!(!status.no_new_privs && status.ns_pids.is_empty() && status.threads == 3);
    }

    #[test]
    fn a_name_of_odd_bytes_is_no_error() {
        let mut text = b"Name:\t\xff\xfe\\x\n".to_vec();
        text.extend_from_slice(&OLD[OLD.iter().position(|b| *b == b'\n').unwrap() + 1..]);
        assert_eq!(ThreadStatus::parse(&text).unwrap().comm, "\u{fffd}\u{fffd}\\x");
    }

    #[test]
    fn what_is_cut_off_or_garbled_is_an_error() {
        assert_eq!(ThreadStatus::parse(b""), Err("no line State"));
        assert_eq!(ThreadStatus::parse(&OLD[..200]), Err("no line SigCgt"));
        let text = String::from_utf8_lossy(OLD).replace("Tgid:\t10", "Tgid:\tten");
        assert_eq!(ThreadStatus::parse(text.as_bytes()), Err("Tgid"));
    }

    #[test]
    fn our_own_status_is_what_the_kernel_says() {
        let status = ThreadStatus::read_own().unwrap();
        assert_eq!(status.pid, i32::try_from(std::process::id()).unwrap());
        assert_eq!(status.tgid, status.pid);
        assert_eq!(status.uid[0], nix::unistd::getuid().as_raw());
        assert_eq!(status.ppid, nix::unistd::getppid().as_raw());
        assert_eq!(status.ns_pids.first(), Some(&status.pid));
    }

    #[test]
    fn a_thread_has_a_status_of_its_own() {
        let (send, receive) = std::sync::mpsc::channel();
        let (stop, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new()
            .name(" x:\n\\y".into())
            .spawn(move || {
                send.send(nix::unistd::gettid().as_raw()).unwrap();
                let _ = wait.recv();
            })
            .unwrap();
        let tid = receive.recv().unwrap();
        let status = ThreadStatus::read(tid).unwrap();
        assert_eq!(status.comm, " x:\n\\y");
        assert_eq!(status.pid, tid);
        assert_eq!(status.tgid, i32::try_from(std::process::id()).unwrap());
        drop(stop);
        thread.join().unwrap();
    }

    #[test]
    fn a_dead_process_is_gone_and_a_zombie_is_dead() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        while !ThreadStatus::read(pid).unwrap().is_dead() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.wait().unwrap();
        assert!(ThreadStatus::read(pid).unwrap_err().is_gone());
    }
}
