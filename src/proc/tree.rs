//! Processes, their threads, children, names and namespaces.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{ProcError, text};

/// The threads of a process, sorted. One made while we look may be missing: whoever needs all of
/// them looks again until nothing is new.
pub fn threads(pid: i32) -> Result<Vec<i32>, ProcError> {
    numbered(&PathBuf::from(format!("/proc/{pid}/task")))
}

/// Whether the process has a thread of that id, which may have ended without being reaped.
pub fn is_thread_of(tid: i32, pid: i32) -> bool {
    PathBuf::from(format!("/proc/{pid}/task/{tid}")).exists()
}

/// Every process that we can see, sorted.
pub fn processes() -> Result<Vec<i32>, ProcError> {
    numbered(Path::new("/proc"))
}

/// The processes that have this one as their parent.
pub fn children(pid: i32) -> Result<Vec<i32>, ProcError> {
    Ok(parents()?.into_iter().filter(|(_, parent)| *parent == pid).map(|(pid, _)| pid).collect())
}

/// All that descends from a process, parents before their children. Orphans that went to another
/// parent are not among them. `/proc/PID/task/TID/children` would be quicker, but the kernel may
/// skip some there while others die (proc(5)).
pub fn descendants(pid: i32) -> Result<Vec<i32>, ProcError> {
    let parents = parents()?;
    let mut found = vec![pid];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        let born = parents.iter().filter(|(child, of)| *of == parent && !found.contains(child));
        let born: Vec<i32> = born.map(|(child, _)| *child).collect();
        found.extend(born);
        next += 1;
    }
    found.remove(0);
    Ok(found)
}

/// Whether the one process descends from the other.
pub fn is_descendant(pid: i32, ancestor: i32) -> bool {
    // Bounded, since the tree changes under us and pids come again.
    let mut at = pid;
    for _ in 0..4096 {
        match stat(at) {
            Ok(stat) if stat.ppid == ancestor => return true,
            Ok(stat) if stat.ppid > 0 => at = stat.ppid,
            _ => return false,
        }
    }
    false
}

/// What is needed of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The state, as in [`super::ThreadStatus::state`].
    pub state: char,
    /// The parent.
    pub ppid: i32,
    /// The process group.
    pub pgrp: i32,
    /// The session.
    pub session: i32,
    /// The foreground process group of its terminal; -1 without one.
    pub terminal_pgrp: i32,
    /// Whether it is a thread of the kernel's own (`PF_KTHREAD`, `include/linux/sched.h`).
    pub kernel_thread: bool,
    /// When it was started, in clock ticks since boot: tells a process from a later one that was
    /// given the same pid.
    pub start_time: u64,
    /// Its address space in bytes; 0 for zombies and kernel threads.
    pub virtual_size: u64,
}

/// Reads `/proc/PID/stat`.
pub fn stat(pid: i32) -> Result<Stat, ProcError> {
    let file = format!("/proc/{pid}/stat");
    let text = read(&file)?;
    parse_stat(&text)
        .ok_or_else(|| ProcError::malformed(file, "not the fields of proc_pid_stat(5)"))
}

/// Reads the text of such a file. The name in parentheses may hold anything, `)` too.
pub(super) fn parse_stat(text: &[u8]) -> Option<Stat> {
    const PF_KTHREAD: u64 = 0x0020_0000;
    let after = text.iter().rposition(|b| *b == b')')? + 1;
    let fields: Vec<&str> = std::str::from_utf8(&text[after..]).ok()?.split_whitespace().collect();
    // The first of these is the third of proc_pid_stat(5).
    let field = |number: usize| fields.get(number - 3).copied();
    Some(Stat {
        state: field(3)?.chars().next()?,
        ppid: field(4)?.parse().ok()?,
        pgrp: field(5)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        terminal_pgrp: field(8)?.parse().ok()?,
        kernel_thread: field(9)?.parse::<u64>().ok()? & PF_KTHREAD != 0,
        start_time: field(22)?.parse().ok()?,
        virtual_size: field(23)?.parse().ok()?,
    })
}

/// The name of a thread or of a process's leader.
pub fn comm(tid: i32) -> Result<String, ProcError> {
    let mut name = read(&format!("/proc/{tid}/comm"))?;
    if name.last() == Some(&b'\n') {
        name.pop();
    }
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// The executable of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exe {
    /// Its path, without ` (deleted)`: seen from *our* root.
    pub path: String,
    /// Whether the file has been unlinked or replaced since.
    pub deleted: bool,
}

/// The executable of a process, `/proc/PID/exe`. [`ProcError::Gone`] for kernel threads and
/// zombies, which have none.
pub fn exe(pid: i32) -> Result<Exe, ProcError> {
    let path = link(&format!("/proc/{pid}/exe"))?;
    Ok(match path.strip_suffix(" (deleted)") {
        Some(path) => Exe { path: path.to_owned(), deleted: true },
        None => Exe { path, deleted: false },
    })
}

/// The working directory of a process, seen from our root.
pub fn cwd(pid: i32) -> Result<String, ProcError> {
    link(&format!("/proc/{pid}/cwd"))
}

/// The root directory of a process, seen from our root: `/` unless it is chrooted within our mount
/// namespace.
pub fn root(pid: i32) -> Result<String, ProcError> {
    link(&format!("/proc/{pid}/root"))
}

/// The arguments of a process; what is not UTF-8 is replaced. Empty for zombies and kernel threads.
pub fn cmdline(pid: i32) -> Result<Vec<String>, ProcError> {
    let mut bytes = read(&format!("/proc/{pid}/cmdline"))?;
    if bytes.last() == Some(&0) {
        bytes.pop();
    } else if bytes.is_empty() {
        return Ok(Vec::new());
    }
    Ok(bytes.split(|b| *b == 0).map(|a| String::from_utf8_lossy(a).into_owned()).collect())
}

/// What an open file descriptor stands for: a path, `socket:[123]`, `anon_inode:[eventpoll]`.
pub fn fd_path(pid: i32, fd: i32) -> Result<String, ProcError> {
    link(&format!("/proc/{pid}/fd/{fd}"))
}

/// The inode number of the user namespace of a process.
pub fn user_ns(pid: i32) -> Result<u64, ProcError> {
    namespace(pid, "user")
}

/// The inode number of the mount namespace of a process.
pub fn mnt_ns(pid: i32) -> Result<u64, ProcError> {
    namespace(pid, "mnt")
}

/// The inode number of the pid namespace of a process.
pub fn pid_ns(pid: i32) -> Result<u64, ProcError> {
    namespace(pid, "pid")
}

/// A namespace's link reads `user:[4026531837]` (namespaces(7)).
fn namespace(pid: i32, kind: &str) -> Result<u64, ProcError> {
    let file = format!("/proc/{pid}/ns/{kind}");
    let text = link(&file)?;
    let inode = text.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']')?.parse().ok());
    inode.ok_or_else(|| ProcError::malformed(file, text))
}

fn parents() -> Result<Vec<(i32, i32)>, ProcError> {
    Ok(processes()?.into_iter().filter_map(|pid| Some((pid, stat(pid).ok()?.ppid))).collect())
}

fn numbered(directory: &Path) -> Result<Vec<i32>, ProcError> {
    let error = |e| ProcError::from_io(directory, e);
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory).map_err(error)? {
        if let Some(number) =
            entry.map_err(error)?.file_name().to_str().and_then(|n| n.parse().ok())
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn read(file: &str) -> Result<Vec<u8>, ProcError> {
    text::read(file).map_err(|e| ProcError::from_io(file, e))
}

fn link(file: &str) -> Result<String, ProcError> {
    let target = fs::read_link(file).map_err(|e| ProcError::from_io(file, e))?;
    Ok(String::from_utf8_lossy(target.as_os_str().as_bytes()).into_owned())
}

/// Waits until a process that was just spawned has its new arguments, the last thing that execve(2)
/// gives it. `Command::spawn` returns before it has its new name or any mapping.
#[cfg(test)]
pub(in crate::proc) fn await_exec(pid: i32, program: &str) {
    while cmdline(pid).unwrap().first().is_none_or(|argument| argument != program) {
        assert!(!matches!(stat(pid).unwrap().state, 'Z' | 'X'), "{program} ended");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    fn own() -> i32 {
        i32::try_from(std::process::id()).unwrap()
    }

    #[test]
    fn a_tree_of_processes_is_found() {
        // A shell, a shell in it, and a sleep in that; it prints a line when all are there.
        let script = "sh -c 'sleep 60 & echo ready; wait' & wait";
        let mut shell =
            Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let top = i32::try_from(shell.id()).unwrap();
        let all = descendants(top).unwrap();
        let middle = children(top).unwrap();
        assert_eq!((all.len(), middle.len()), (2, 1), "{all:?}");
        assert_eq!(all[0], middle[0], "parents come first");
        assert!(is_descendant(all[1], top) && is_descendant(all[1], own()));
        assert!(!is_descendant(top, all[1]) && !is_descendant(top, top));
        assert!(descendants(own()).unwrap().contains(&all[1]));
        for pid in all {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL)
                .unwrap();
        }
        shell.wait().unwrap();
    }

    #[test]
    fn threads_are_listed() {
        let (send, receive) = std::sync::mpsc::channel();
        let (stop, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            send.send(nix::unistd::gettid().as_raw()).unwrap();
            let _ = wait.recv();
        });
        let tid = receive.recv().unwrap();
        let listed = threads(own()).unwrap();
        assert!(listed.contains(&tid) && listed.contains(&own()));
        assert!(listed.is_sorted());
        drop(stop);
        thread.join().unwrap();
        assert!(threads(i32::MAX).unwrap_err().is_gone());
    }

    #[test]
    fn a_process_says_what_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().canonicalize().unwrap();
        let program = home.join("a) S 1 (b");
        fs::copy("/bin/cat", &program).unwrap();
        let mut child = Command::new(&program)
            .args(["-", ""])
            .current_dir(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let name = program.to_str().unwrap().to_owned();
        await_exec(pid, &name);
        assert_eq!(comm(pid).unwrap(), "a) S 1 (b");
        assert_eq!(stat(pid).unwrap().ppid, own());
        assert!(!stat(pid).unwrap().kernel_thread);
        assert_eq!(cmdline(pid).unwrap(), [name.as_str(), "-", ""]);
        assert_eq!(exe(pid).unwrap(), Exe { path: name.clone(), deleted: false });
        assert_eq!(cwd(pid).unwrap(), home.to_str().unwrap());
        assert_eq!(root(pid).unwrap(), "/");
        assert_eq!(fd_path(pid, 1).unwrap(), "/dev/null");
        assert!(fd_path(pid, 99).unwrap_err().is_gone());
        fs::remove_file(&program).unwrap();
        assert_eq!(exe(pid).unwrap(), Exe { path: name, deleted: true });
        assert_eq!(user_ns(pid).unwrap(), user_ns(own()).unwrap());
        assert_eq!(mnt_ns(pid).unwrap(), mnt_ns(own()).unwrap());
        assert_eq!(pid_ns(pid).unwrap(), pid_ns(own()).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(comm(pid).unwrap_err().is_gone());
        assert!(stat(pid).unwrap_err().is_gone());
        assert!(exe(pid).unwrap_err().is_gone());
    }

    proptest::proptest! {
        #[test]
        fn no_stat_panics(text: Vec<u8>) {
            parse_stat(&text);
        }
    }
}
