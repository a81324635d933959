//! Which executable objects come into the processes, and which of them an address lies in.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::log::Log;
use super::thread::Call;
use super::tree::Process;
use crate::proc::maps::Object;
use crate::proc::{Maps, tree as proc_tree};
use crate::recording::{CodeAddress, Loaded, Module};

/// A file that was mapped for execution, to be looked into by somebody who has the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedFile {
    /// A process that has it, by way of which it is to be opened while that lives.
    pub pid: i32,
    /// The file.
    pub object: Object,
}

/// All executable objects seen so far.
#[derive(Debug)]
pub struct Modules {
    paths: HashSet<String>,
    /// In order of first sight; build-ids are added by who reads the files.
    seen: Log<Module>,
    news: Sender<MappedFile>,
}

impl Modules {
    /// None yet; each new one will be told to `news`.
    pub fn new(news: Sender<MappedFile>) -> Modules {
        Modules { paths: HashSet::new(), seen: Log::default(), news }
    }

    fn note(&mut self, pid: i32, object: &Object, now_ms: u64, loaded: Loaded) {
        if !self.paths.contains(&object.path) {
            let path = object.path.clone();
            self.paths.insert(path.clone());
            self.seen.push(Module { path, build_id: None, first_ms: now_ms, loaded });
            // Nobody listens any more at the very end of a run; the path is kept all the same.
            let _ = self.news.send(MappedFile { pid, object: object.clone() });
        }
    }

    /// Reads a process's mappings, notes all executable files in them, and keeps them for
    /// [`Modules::locate`].
    pub fn read(&mut self, pid: i32, process: &mut Process, now_ms: u64, loaded: Loaded) {
        let Ok(maps) = Maps::read(pid) else { return };
        for object in maps.executable_files() {
            self.note(pid, &object, now_ms, loaded);
        }
        process.maps = Some(Arc::new(maps));
        process.may_hide_code = false;
    }

    /// A process has executed a program: everything that is mapped now came by execve(2), and what
    /// the dynamic linker maps before any other code makes a call belongs to the start as well.
    pub fn executed(&mut self, pid: i32, process: &mut Process, now_ms: u64) {
        process.maps = None;
        process.may_hide_code = true;
        self.read(pid, process, now_ms, Loaded::AtStart);
        let exe = process.exe().map(str::to_owned);
        process.linker = process.maps.as_ref().and_then(|maps| {
            maps.iter()
                .find(|m| {
                    m.executable && m.object.is_file() && Some(&m.object.path) != exe.as_ref()
                })
                .map(|m| (m.start, m.end))
        });
    }

    /// A call was made from this address: has the program's own code begun to run?
    pub fn called_from(process: &mut Process, ip: u64) {
        if let Some((start, end)) = process.linker
            && !(start..=end).contains(&ip)
        {
            process.linker = None;
        }
    }

    /// mmap(2) or mprotect(2) has succeeded.
    pub fn mapped(&mut self, pid: i32, process: &mut Process, call: &Call, now_ms: u64) {
        const PROT_EXEC: u64 = libc::PROT_EXEC as u64;
        if call.args[2] & PROT_EXEC == 0 {
            return;
        }
        process.maps = None;
        let is_mmap = call.no.name().is_some_and(|name| name.starts_with("mmap"));
        #[allow(clippy::cast_possible_truncation)]
        let fd = call.args[4] as i32;
        let is_anonymous = call.args[3] & libc::MAP_ANONYMOUS as u64 != 0;
        if is_mmap && (is_anonymous || fd >= 0) {
            let at_start = process.linker.is_some();
            let loaded = if at_start { Loaded::AtStart } else { Loaded::Later };
            let is_noted = is_anonymous || self.note_fd(pid, fd, now_ms, loaded);
            // Other threads run on, and may have changed what the descriptor stands for.
            process.may_hide_code |= !is_noted || process.threads > 1;
        } else {
            // mprotect(2) may have made code of a file that was mapped as data.
            process.may_hide_code = true;
        }
    }

    /// Notes the file that was mapped through a descriptor. That is read in place of the mappings:
    /// one or two small calls against a file of hundreds of lines, for each of the dozens of
    /// libraries at start. Whether it could be read.
    fn note_fd(&mut self, pid: i32, fd: i32, now_ms: u64, loaded: Loaded) -> bool {
        if proc_tree::fd_path(pid, fd).is_ok_and(|path| self.paths.contains(&path)) {
            return true;
        }
        let object = Object::of_fd(pid, fd);
        object.map(|object| self.note(pid, &object, now_ms, loaded)).is_ok()
    }

    /// The module and offset that an address of a process lies at.
    pub fn locate(
        &mut self,
        pid: i32,
        process: &mut Process,
        ip: u64,
        now_ms: u64,
    ) -> Option<CodeAddress> {
        let known = process.maps.as_ref().is_some_and(|maps| maps.find(ip).is_some());
        if !known {
            let starting = process.linker.is_some();
            let loaded = if starting { Loaded::AtStart } else { Loaded::Later };
            self.read(pid, process, now_ms, loaded);
        }
        let (module, offset) = process.maps.as_ref()?.resolve(ip)?;
        Some(CodeAddress { module: module.to_owned(), offset })
    }

    /// Has a last look at a process that ends or is let go, if that may show anything new.
    pub fn last_look(&mut self, pid: i32, process: &mut Process, now_ms: u64) {
        if process.may_hide_code {
            self.read(pid, process, now_ms, Loaded::Later);
        }
    }

    /// All of them, in order of first sight.
    pub fn seen(&self) -> Log<Module> {
        self.seen.clone()
    }
}
