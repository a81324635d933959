//! A thread that looks into executable files while the program runs, so that nobody waits for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::proc::elf::{self, ElfFacts, Linkage as ElfLinkage};
use crate::proc::rooted::{self, Root};
use crate::recording::{Executable, Libc, Linkage, Run};
use crate::tracer::MappedFile;

/// The executable that a recording is of.
#[derive(Clone, Debug)]
pub enum Program {
    /// A file of ours.
    File(PathBuf),
    /// What this process runs.
    Of(i32),
}

#[derive(Debug, Default)]
struct Known {
    program: Option<Executable>,
    build_ids: BTreeMap<String, Option<String>>,
}

/// The thread, and what it has found out so far.
#[derive(Debug)]
pub struct Inspector {
    known: Arc<Mutex<Known>>,
    thread: Option<JoinHandle<()>>,
}

impl Inspector {
    /// Starts with the program itself; then come the files that are sent to the channel that is
    /// returned.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(program: Program) -> std::io::Result<(Inspector, Sender<MappedFile>)> {
        let (sender, files) = channel();
        let known = Arc::new(Mutex::new(Known::default()));
        let shared = Arc::clone(&known);
        let thread = std::thread::Builder::new()
            .name("inspector".to_owned())
            .spawn(move || inspect_all(&program, &files, &shared))?;
        Ok((Inspector { known, thread: Some(thread) }, sender))
    }

    /// Adds what is known by now to a run.
    pub fn add_to(&self, run: &mut Run) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        run.program.clone_from(&known.program);
        for module in &mut run.modules {
            if let Some(build_id) = known.build_ids.get(&module.path) {
                module.build_id.clone_from(build_id);
            }
        }
    }

    /// Waits until all files that were sent are looked into; the sender must be gone.
    pub fn finish(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic there costs build-ids, never the recording.
            let _ = thread.join();
        }
    }
}

fn inspect_all(program: &Program, files: &Receiver<MappedFile>, known: &Mutex<Known>) {
    let lock = || known.lock().unwrap_or_else(PoisonError::into_inner);
    let executable = inspect_program(program);
    lock().program = executable;
    for file in files {
        let build_id = build_id(&file);
        lock().build_ids.insert(file.object.path, build_id);
    }
}

fn build_id(mapped: &MappedFile) -> Option<String> {
    let file = rooted::open_mapped(mapped.pid, &mapped.object).ok()?;
    elf::build_id(&file, Path::new(&mapped.object.path)).ok().flatten()
}

fn inspect_program(program: &Program) -> Option<Executable> {
    let (path, facts) = match program {
        Program::File(path) => {
            let facts = elf::inspect(path).ok();
            (path.clone(), facts)
        }
        Program::Of(pid) => {
            let path = PathBuf::from(crate::proc::tree::exe(*pid).ok()?.path);
            let facts = rooted::open_exe(*pid)
                .and_then(|file| elf::inspect_file(&file, &path, &Root::of(*pid)?))
                .ok();
            (path, facts)
        }
    };
    Some(executable(&path, facts))
}

fn executable(path: &Path, facts: Option<ElfFacts>) -> Executable {
    let path = path.to_string_lossy().into_owned();
    let Some(facts) = facts else {
        return Executable {
            path,
            size: None,
            sha256: None,
            build_id: None,
            interpreter: None,
            linkage: None,
            libc: None,
        };
    };
    Executable {
        path,
        size: Some(facts.size),
        sha256: Some(facts.sha256),
        build_id: facts.build_id,
        interpreter: facts.interpreter,
        linkage: facts.linkage.map(|linkage| match linkage {
            ElfLinkage::Static => Linkage::Static,
            ElfLinkage::StaticPie => Linkage::StaticPie,
            ElfLinkage::Dynamic => Linkage::Dynamic,
            ElfLinkage::Script => Linkage::Script,
        }),
        libc: facts
            .libc
            .map(|libc| Libc { flavour: libc.flavour.to_string(), version: libc.version }),
    }
}
