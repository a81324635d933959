//! `/proc/PID/maps`: which file stands behind an address.
//!
//! Reading the text is what has to happen while the process stands still ([`Maps::capture`]);
//! making sense of it can come later ([`Maps::parse`]).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::{ProcError, text, tree};

/// What code without a file is called.
pub const ANONYMOUS: &str = "[anonymous]";

/// The kernel's own code, mapped into every process.
pub const VDSO: &str = "[vdso]";

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its first address.
    pub start: u64,
    /// The first address after it.
    pub end: u64,
    /// Whether code in it may be executed.
    pub executable: bool,
    /// The offset in the file at which it begins.
    pub offset: u64,
    /// What is mapped.
    pub object: Arc<Object>,
}

/// What is mapped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object {
    /// The path as `/proc/PID/maps` shows it: from *our* root, without ` (deleted)`; `[vdso]` and
    /// the like as they are; empty for anonymous memory.
    pub path: String,
    /// Whether the file has been unlinked or replaced since. (A file whose name ends in
    /// ` (deleted)` is not told from that; the kernel doesn't either.)
    pub deleted: bool,
    /// Major and minor number of the file system's device; on overlayfs and btrfs not what
    /// stat(2) says.
    pub device: (u32, u32),
    /// The inode number; 0 if there is no file.
    pub inode: u64,
}

impl Object {
    /// The file that a descriptor of a process stands for.
    pub fn of_fd(pid: i32, fd: i32) -> Result<Object, ProcError> {
        let shown = tree::fd_path(pid, fd)?;
        let link = format!("/proc/{pid}/fd/{fd}");
        let file = fs::metadata(&link).map_err(|e| ProcError::from_io(link, e))?;
        let path = shown.strip_suffix(" (deleted)");
        let device = (libc::major(file.dev()), libc::minor(file.dev()));
        Ok(Object {
            deleted: path.is_some(),
            path: path.unwrap_or(&shown).to_owned(),
            device,
            inode: file.ino(),
        })
    }

    /// Whether a file stands behind it that has, or had, a name. Memory shared between processes
    /// (`/dev/zero`, `/SYSV...`, `/memfd:...`) has inodes of its own and is taken for a file only
    /// if it is a memfd, since code is run from those.
    pub fn is_file(&self) -> bool {
        self.inode != 0
            && self.path.starts_with('/')
            && !self.path.starts_with("/dev/zero")
            && !self.path.starts_with("/SYSV")
    }
}

/// The mappings of a process, sorted by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maps {
    mappings: Vec<Mapping>,
}

impl Maps {
    /// Reads the mappings of a process.
    pub fn read(pid: i32) -> Result<Maps, ProcError> {
        let text = Maps::capture(pid)?;
        Maps::parse(&text).map_err(|what| ProcError::malformed(file(pid), what))
    }

    /// Reads the text alone, for [`Maps::parse`] at a better time. Empty for a zombie and for a
    /// kernel thread.
    pub fn capture(pid: i32) -> Result<Vec<u8>, ProcError> {
        let file = file(pid);
        text::read(&file).map_err(|e| ProcError::from_io(file, e))
    }

    /// Reads the text of such a file; the error says which line has no sense.
    pub fn parse(text: &[u8]) -> Result<Maps, String> {
        let mut mappings: Vec<Mapping> = Vec::new();
        for (index, line) in text.split(|b| *b == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let last = mappings.last().map(|m| &m.object);
            let mapping = mapping(line, last).ok_or_else(|| format!("line {}", index + 1))?;
            mappings.push(mapping);
        }
        // The kernel writes them in order, but page by page: a process that runs on may make two
        // reads of the same address.
        mappings.sort_by_key(|m| m.start);
        Ok(Maps { mappings })
    }

    /// The mapping that an address lies in.
    pub fn find(&self, address: u64) -> Option<&Mapping> {
        let after = self.mappings.partition_point(|m| m.start <= address);
        let mapping = &self.mappings[after.checked_sub(1)?];
        (address < mapping.end).then_some(mapping)
    }

    /// The object that an address lies in, [`VDSO`] or [`ANONYMOUS`], and the offset: in the file,
    /// or from the start of the mapping where there is none.
    pub fn resolve(&self, address: u64) -> Option<(&str, u64)> {
        let mapping = self.find(address)?;
        let within = address - mapping.start;
        let object = &mapping.object;
        if object.is_file() {
            Some((&object.path, mapping.offset.saturating_add(within)))
        } else if object.path == VDSO {
            Some((VDSO, within))
        } else {
            Some((ANONYMOUS, within))
        }
    }

    /// Every mapping, sorted by address.
    pub fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.mappings.iter()
    }

    /// The files that code is mapped from, each once, sorted by path.
    pub fn executable_files(&self) -> Vec<Arc<Object>> {
        let mut objects: Vec<Arc<Object>> = self
            .mappings
            .iter()
            .filter(|m| m.executable && m.object.is_file())
            .map(|m| m.object.clone())
            .collect();
        objects.sort_unstable();
        objects.dedup();
        objects
    }
}

fn file(pid: i32) -> String {
    format!("/proc/{pid}/maps")
}

/// Reads one line: `start-end rwxp offset major:minor inode      path`. The path is whatever
/// follows the spaces after the inode, spaces of its own included. Neighbours share their object.
fn mapping(line: &[u8], last: Option<&Arc<Object>>) -> Option<Mapping> {
    let mut rest = line;
    let range = word(&mut rest)?;
    let (start, end) = range.split_once('-')?;
    let permissions = word(&mut rest)?;
    let offset = hex(word(&mut rest)?)?;
    let (major, minor) = word(&mut rest)?.split_once(':')?;
    let device = (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    let inode = word(&mut rest)?.parse().ok()?;
    let (path, deleted) = path(rest.trim_ascii_start());
    let mapping = |object| {
        Some(Mapping {
            start: hex(start)?,
            end: hex(end)?,
            executable: permissions.as_bytes().get(2) == Some(&b'x'),
            offset,
            object,
        })
    };
    let object = Object { path, deleted, device, inode };
    match last {
        Some(last) if **last == object => mapping(last.clone()),
        _ => mapping(Arc::new(object)),
    }
}

/// Takes the next word off the line.
fn word<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let line = rest.strip_prefix(b" ").unwrap_or(rest);
    let end = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
    let (word, after) = line.split_at(end);
    *rest = after;
    std::str::from_utf8(word).ok().filter(|w| !w.is_empty())
}

fn hex(word: &str) -> Option<u64> {
    u64::from_str_radix(word, 16).ok()
}

/// A path as the kernel writes it: a newline as `\012` and nothing else escaped (`seq_path` with
/// `"\n"` in `fs/proc/task_mmu.c`), ` (deleted)` behind an unlinked file (`d_path`).
fn path(raw: &[u8]) -> (String, bool) {
    let text = String::from_utf8_lossy(raw).replace("\\012", "\n");
    match text.strip_suffix(" (deleted)") {
        Some(path) if path.starts_with('/') => (path.to_owned(), true),
        _ => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
55e66628a000-55e66628c000 r--p 00000000 fe:00 247030                     /usr/bin/cat
55e66628c000-55e666291000 r-xp 00002000 fe:00 247030                     /usr/bin/cat
55e6a0000000-55e6a0021000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000001000 r-xp 00000000 103:01 7                         /opt/a b\\012c  d (deleted)
7f0000001000-7f0000002000 rwxp 00000000 00:00 0 
7f0000003000-7f0000004000 r-xp 00000000 00:01 9                          /memfd:jit (deleted)
7f0000005000-7f0000006000 rwxs 00000000 00:01 10                         /dev/zero (deleted)
7ffd90000000-7ffd90002000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
";

    #[test]
    fn addresses_have_modules_and_offsets() {
        let maps = Maps::parse(TEXT).unwrap();
        assert_eq!(maps.resolve(0x55e66628c123), Some(("/usr/bin/cat", 0x2123)));
        assert_eq!(maps.resolve(0x55e66628bfff), Some(("/usr/bin/cat", 0x1fff)));
        assert_eq!(maps.resolve(0x7f0000000004), Some(("/opt/a b\nc  d", 4)));
        assert_eq!(maps.resolve(0x7f0000001005), Some((ANONYMOUS, 5)));
        assert_eq!(maps.resolve(0x7f0000003006), Some(("/memfd:jit", 6)));
        assert_eq!(maps.resolve(0x7f0000005006), Some((ANONYMOUS, 6)));
        assert_eq!(maps.resolve(0x7ffd90000007), Some((VDSO, 7)));
        assert_eq!(maps.resolve(0xffff_ffff_ff60_0008), Some((ANONYMOUS, 8)));
        assert_eq!(maps.resolve(0x7f0000002000), None);
        assert_eq!(maps.resolve(0), None);
        assert_eq!(maps.resolve(u64::MAX), None);
    }

    #[test]
    fn executable_files_are_listed_once() {
        let maps = Maps::parse(TEXT).unwrap();
        let files = maps.executable_files();
        let paths: Vec<&str> = files.iter().map(|o| o.path.as_str()).collect();
        assert_eq!(paths, ["/memfd:jit", "/opt/a b\nc  d", "/usr/bin/cat"]);
        assert_eq!((files[1].device, files[1].inode, files[1].deleted), ((0x103, 1), 7, true));
        assert!(!files[2].deleted);
    }

    #[test]
    fn a_line_without_sense_is_named() {
        assert_eq!(Maps::parse(b"1-2 r-xp 0 0:0 0\nnonsense\n"), Err("line 2".into()));
        assert_eq!(Maps::parse(b"1-2 r-xp 0 0:0"), Err("line 1".into()));
        assert_eq!(Maps::parse(b""), Ok(Maps::default()));
    }

    #[test]
    fn our_own_code_is_found() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let maps = Maps::read(pid).unwrap();
        let exe = fs::read_link("/proc/self/exe").unwrap();
        let here = our_own_code_is_found as fn() as usize as u64;
        let (module, offset) = maps.resolve(here).unwrap();
        assert_eq!(module, exe.to_str().unwrap());
        assert!(offset > 0);
        assert!(maps.executable_files().iter().any(|o| o.path.contains("libc.so")));
        assert!(maps.iter().any(|m| m.object.path == VDSO));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text: Vec<u8>, address: u64) {
            if let Ok(maps) = Maps::parse(&text) {
                maps.resolve(address);
            }
        }

        #[test]
        fn no_line_panics(line in "[0-9a-f]{0,17}-[0-9a-f]{0,17} [rwxp-]{0,5} [0-9a-f]{0,17} [0-9a-f:]{0,6} [0-9]{0,21} .{0,9}") {
            if let Ok(maps) = Maps::parse(line.as_bytes()) {
                maps.resolve(u64::MAX);
            }
        }
    }
}
