//! Rights that an executable grants, and that the kernel withholds because of us.
//!
//! A program with the set-user-ID or set-group-ID bit or with file capabilities gets nothing by them
//! if its tracer lacks CAP_SYS_PTRACE (execve(2); `LSM_UNSAFE_PTRACE` in
//! `security/commoncap.c:cap_bprm_creds_from_file`). What it then does is not what it does untraced.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use nix::sys::statvfs::{FsFlags, statvfs};

use crate::proc::{ThreadStatus, tree as proc_tree};
use crate::syscall::{Cap, CapSet};

/// Whether the kernel withholds nothing from what we trace, which our capabilities say once for all.
static NEVER: OnceLock<bool> = OnceLock::new();

fn hold_ptrace() -> bool {
    ThreadStatus::read_own().is_ok_and(|ours| ours.cap_eff.contains(Cap::SYS_PTRACE))
}

/// What to tell of the process, which has just executed a program, if that was withheld something.
/// `no_new_privs_is_ours` says that the process would not have that untraced.
pub fn at_exec(pid: i32, no_new_privs_is_ours: bool) -> Option<String> {
    if *NEVER.get_or_init(hold_ptrace) {
        return None;
    }
    let path = format!("/proc/{pid}/exe");
    let file = std::fs::metadata(&path).ok()?;
    let granted = file_capabilities(&path);
    // Nearly every exec ends here.
    if file.mode() & (libc::S_ISUID | libc::S_ISGID) == 0 && granted.is_empty() {
        return None;
    }
    let its = ThreadStatus::read(pid).ok()?;
    // Then nobody but us withholds it.
    let nosuid = || statvfs(path.as_str()).is_ok_and(|fs| fs.flags().contains(FsFlags::ST_NOSUID));
    if its.no_new_privs && !no_new_privs_is_ours || nosuid() {
        return None;
    }
    let what = what_is_missing(&file, granted, &its)?;
    let program = proc_tree::exe(pid).map_or_else(|_| "a program".to_owned(), |exe| exe.path);
    Some(format!(
        "{program} ran without the rights that it has untraced ({what}): the kernel withholds them \
         under a tracer without CAP_SYS_PTRACE; trace it with sudo"
    ))
}

fn what_is_missing(file: &Metadata, granted: CapSet, its: &ThreadStatus) -> Option<String> {
    // Without the group's x, set-group-ID means something else (inode(7)).
    let set_group_id = libc::S_ISGID | libc::S_IXGRP;
    let missing = CapSet(granted.0 & its.cap_bnd.0 & !its.cap_prm.0);
    if file.mode() & libc::S_ISUID != 0 && its.uid[1] != file.uid() {
        Some(format!("set-user-ID {}", file.uid()))
    } else if file.mode() & set_group_id == set_group_id && its.gid[1] != file.gid() {
        Some(format!("set-group-ID {}", file.gid()))
    } else if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(|cap| cap.to_string()).collect();
        Some(format!("file capabilities {}", names.join(", ")))
    } else {
        None
    }
}

/// The permitted capabilities of a file; none if it has no such attribute.
fn file_capabilities(path: &str) -> CapSet {
    let mut data = [0; 24];
    match rustix::fs::getxattr(path, "security.capability", &mut data) {
        Ok(size) => permitted(&data[..size.min(data.len())]),
        Err(_) => CapSet(0),
    }
}

/// Reads a `struct vfs_cap_data` (`linux/capability.h`): after the version's word come pairs of
/// permitted and inheritable, the low 32 bits first, little-endian.
fn permitted(data: &[u8]) -> CapSet {
    let word = |at: usize| {
        let bytes = data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u64::from(bytes.map_or(0, u32::from_le_bytes))
    };
    CapSet(word(4) | word(12) << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_of_files_are_read_in_every_version() {
        let revision_2 = [1, 0, 0, 2, 0, 0x20, 0, 0, 9, 9, 9, 9, 1, 0, 0, 0, 9, 9, 9, 9];
        assert_eq!(permitted(&revision_2), CapSet(1 << 13 | 1 << 32));
        let revision_1 = &revision_2[..12];
        assert_eq!(permitted(revision_1), CapSet(1 << 13));
        assert_eq!(permitted(&[]), CapSet(0));
    }

    #[test]
    fn what_a_file_grants_is_missing_until_it_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let owner = std::fs::metadata(&file).unwrap();
        let status = |uid: u32| {
            let text = format!(
                "State:\tR\nPid:\t7\nTgid:\t7\nUid:\t{uid} {uid} {uid} {uid}\n\
                 Gid:\t1 1 1 1\nSigCgt:\t0\nCapEff:\t0\nCapPrm:\t2000\nCapBnd:\t6000\nSeccomp:\t0\n"
            );
            ThreadStatus::parse(text.as_bytes()).unwrap()
        };
        let other = status(owner.uid() + 1);
        assert_eq!(what_is_missing(&owner, CapSet(0), &other), None);
        assert_eq!(what_is_missing(&owner, CapSet(0x2000), &other), None, "it is held");
        assert_eq!(what_is_missing(&owner, CapSet(1), &other), None, "not to be had");
        let raw = what_is_missing(&owner, CapSet(0x6000), &other).unwrap();
        assert_eq!(raw, "file capabilities CAP_IPC_LOCK");
    }
}
