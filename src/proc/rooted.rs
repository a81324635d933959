//! Files as another process sees them: from its root, in its mount namespace.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, fstatfs};

use super::maps::Object;
use super::{ProcError, tree};

/// A root directory that paths are looked up in, symbolic links included.
#[derive(Debug)]
pub struct Root {
    /// How the directory is reached: `/proc/PID/root`.
    path: PathBuf,
    directory: File,
}

impl Root {
    /// Our own.
    pub fn own() -> Result<Root, ProcError> {
        Root::at(Path::new("/"))
    }

    /// The root of a process. It stays usable when the process dies.
    pub fn of(pid: i32) -> Result<Root, ProcError> {
        Root::at(&PathBuf::from(format!("/proc/{pid}/root")))
    }

    /// Any directory.
    pub fn at(path: &Path) -> Result<Root, ProcError> {
        // O_PATH needs no permission to read the directory.
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        let directory = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let directory = directory.map_err(|e| ProcError::from_io(path, e))?;
        Ok(Root { path: path.to_owned(), directory })
    }

    /// Opens a regular file. An absolute symbolic link on the way leads on within this root, as it
    /// does for the process; by way of `/proc/PID/root/...` it would lead into ours.
    pub fn open(&self, path: &Path) -> Result<File, ProcError> {
        // Without O_NONBLOCK a FIFO of that name would hold us for ever.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_IN_ROOT);
        // EAGAIN: something was renamed while `..` was followed (openat2(2)).
        let mut tries = (0..32).map(|_| openat2(&self.directory, path, how));
        let result = tries.find(|result| !matches!(result, Err(Errno::EAGAIN)));
        let file = match result.unwrap_or(Err(Errno::EAGAIN)) {
            Ok(fd) => File::from(fd),
            // Linux before 5.6, or a filter over us that does not know it.
            Err(Errno::ENOSYS | Errno::EPERM) => self.open_by_name(path)?,
            Err(errno) => return Err(ProcError::from_io(path, io::Error::from(errno))),
        };
        regular(file, path)
    }

    /// The path of a file with all symbolic links followed, as this root's processes see it.
    pub fn real_path(&self, path: &Path) -> Option<PathBuf> {
        let file = self.open(path).ok()?;
        let real = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
        let root =
            std::fs::read_link(format!("/proc/self/fd/{}", self.directory.as_raw_fd())).ok()?;
        Some(PathBuf::from(inside(root.to_str()?, real.to_str()?)))
    }

    fn open_by_name(&self, path: &Path) -> Result<File, ProcError> {
        let name = self.path.join(path.strip_prefix("/").unwrap_or(path));
        open(&name)
    }
}

/// Opens a file by the path that a process itself uses for it.
pub fn open_as_seen_by(pid: i32, path: &Path) -> Result<File, ProcError> {
    Root::of(pid)?.open(path)
}

/// The path as a process with that root ([`tree::root`]) sees it, of one seen from ours.
/// `/proc/PID/maps` and `/proc/PID/exe` show the latter.
pub fn inside<'a>(root: &str, path: &'a str) -> &'a str {
    match path.strip_prefix(root.trim_end_matches('/')) {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// Opens the executable of a process, even where it is deleted or out of our reach by name.
pub fn open_exe(pid: i32) -> Result<File, ProcError> {
    open(&PathBuf::from(format!("/proc/{pid}/exe")))
}

/// Opens a file that a process has mapped. It must be the mapped one: [`ProcError::Gone`] if only
/// another file of that name is left.
pub fn open_mapped(pid: i32, object: &Object) -> Result<File, ProcError> {
    let path = Path::new(&object.path);
    let seen = tree::root(pid).map(|root| PathBuf::from(inside(&root, &object.path)));
    let within = seen.and_then(|seen| open_as_seen_by(pid, &seen));
    let denied = matches!(within, Err(ProcError::Denied(_)));
    // The process may be dead by now, or have mapped it before a chroot or pivot_root.
    let file = within.ok().filter(|file| is_mapped(file, object));
    file.or_else(|| open(path).ok().filter(|file| is_mapped(file, object))).ok_or_else(|| {
        if denied { ProcError::Denied(path.to_owned()) } else { ProcError::Gone(path.to_owned()) }
    })
}

/// Whether the file is what was mapped, by its inode. Device numbers are of no use (btrfs), and on
/// overlayfs some kernels before 6.8 show the lower file's inode in maps (`file_user_inode`).
fn is_mapped(file: &File, object: &Object) -> bool {
    let overlay = || fstatfs(file).is_ok_and(|fs| fs.filesystem_type() == OVERLAYFS_SUPER_MAGIC);
    let inode = file.metadata().map_or(0, |metadata| metadata.ino());
    inode == object.inode || (!object.deleted && overlay())
}

/// Opens a regular file of ours without ever waiting for it.
pub fn open(path: &Path) -> Result<File, ProcError> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    regular(file.map_err(|e| ProcError::from_io(path, e))?, path)
}

fn regular(file: File, path: &Path) -> Result<File, ProcError> {
    let metadata = file.metadata().map_err(|e| ProcError::from_io(path, e))?;
    if metadata.is_file() {
        Ok(file)
    } else {
        Err(ProcError::malformed(path, "not a regular file"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::super::Maps;
    use super::*;

    fn contents(file: Result<File, ProcError>) -> String {
        let mut text = String::new();
        file.unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn absolute_links_stay_within_the_root() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("usr/lib")).unwrap();
        fs::write(top.join("usr/lib/real"), "inner").unwrap();
        symlink("/usr/lib", top.join("lib")).unwrap();
        symlink("/lib/real", top.join("link")).unwrap();
        symlink("../../../../../../usr/lib/real", top.join("out")).unwrap();
        let root = Root::at(&top).unwrap();
        for path in ["/usr/lib/real", "/lib/real", "/link", "link", "/out"] {
            assert_eq!(contents(root.open(Path::new(path))), "inner", "{path}");
            assert_eq!(root.real_path(Path::new(path)).unwrap(), Path::new("/usr/lib/real"));
        }
        assert!(root.open(Path::new("/etc/passwd")).unwrap_err().is_gone());
        assert!(matches!(root.open(Path::new("/lib")), Err(ProcError::Malformed { .. })));
        assert_eq!(contents(root.open_by_name(Path::new("/usr/lib/real"))), "inner");
    }

    #[test]
    fn a_fifo_does_not_hold_us() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(open(&fifo), Err(ProcError::Malformed { .. })));
        let root = Root::at(directory.path()).unwrap();
        assert!(matches!(root.open(Path::new("/fifo")), Err(ProcError::Malformed { .. })));
    }

    #[test]
    fn paths_are_told_from_the_root() {
        assert_eq!(inside("/", "/usr/bin/cat"), "/usr/bin/cat");
        assert_eq!(inside("/srv/jail", "/srv/jail/bin/cat"), "/bin/cat");
        assert_eq!(inside("/srv/jail", "/srv/jailer/cat"), "/srv/jailer/cat");
        assert_eq!(inside("/srv/jail", "[vdso]"), "[vdso]");
    }

    #[test]
    fn what_a_process_has_mapped_is_opened_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().canonicalize().unwrap().join("sleep");
        fs::copy("/bin/sleep", &program).unwrap();
        let mut child = std::process::Command::new(&program).arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        tree::await_exec(pid, program.to_str().unwrap());
        let files = Maps::read(pid).unwrap().executable_files();
        let object = files.iter().find(|o| Path::new(&o.path) == program).unwrap();
        let size = fs::metadata(&program).unwrap().len();
        assert_eq!(open_mapped(pid, object).unwrap().metadata().unwrap().len(), size);

        // Another file takes its name, as in an upgrade.
        fs::rename(&program, program.with_extension("old")).unwrap();
        fs::write(&program, "new").unwrap();
        assert!(open_mapped(pid, object).unwrap_err().is_gone());
        assert_eq!(open_exe(pid).unwrap().metadata().unwrap().len(), size);
        assert_eq!(contents(open_as_seen_by(pid, &program)), "new");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(open_exe(pid).unwrap_err().is_gone());
        assert!(open_as_seen_by(pid, &program).unwrap_err().is_gone());
    }
}
