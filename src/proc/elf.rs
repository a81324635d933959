//! Executable files: what they are, how they are linked, and on which C library they run.
//!
//! Nothing in a file is believed: every table is read up to a limit, at the place that the file
//! names, and what has no sense is a [`ElfFacts::malformed`] file, never a panic or a failure.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use goblin::container::Ctx;
use goblin::elf::Elf;
use goblin::elf::dynamic::{DF_1_PIE, DT_FLAGS_1, DT_NEEDED, DT_STRTAB};
use goblin::elf::header::{ELFMAG, ET_DYN, Header};
use goblin::elf::program_header::{PT_DYNAMIC, PT_INTERP, PT_LOAD, PT_NOTE, ProgramHeader};
use goblin::elf::section_header::{SHT_NOTE, SectionHeader};
use sha2::{Digest, Sha256};

use super::ProcError;
use super::libc_version::{StaticScan, glibc_version, musl_version};
use super::notes::Notes;
use super::rooted::{self, Root};

pub use super::libc_version::{Flavour, LibcFacts};

/// The kernel takes no more program headers than fit into this (`load_elf_phdrs`).
const MAX_HEADERS: u64 = 64 * 1024;
/// Far more than any real dynamic section, note or list of sections.
const MAX_TABLE: u64 = 4 * 1024 * 1024;
/// `PATH_MAX`, the kernel's own limit for an interpreter.
const MAX_PATH: u64 = 4096;
/// More than any C library or dynamic linker has.
const MAX_LIBC: u64 = 64 * 1024 * 1024;
/// More libraries than anything needs.
const MAX_NEEDED: usize = 4096;

/// What a file is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElfFacts {
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of the whole of it in hexadecimal.
    pub sha256: String,
    /// How it is linked; none if it is neither ELF nor a script.
    pub linkage: Option<Linkage>,
    /// `PT_INTERP`, the dynamic linker; of a script, the program in its first line.
    pub interpreter: Option<String>,
    /// Whether it may be loaded anywhere.
    pub position_independent: bool,
    /// `DT_NEEDED`: the libraries that it asks for itself, in order.
    pub needed: Vec<String>,
    /// `NT_GNU_BUILD_ID` in hexadecimal.
    pub build_id: Option<String>,
    /// The C library that it runs on; none for a static program that has none (Go).
    pub libc: Option<LibcFacts>,
    /// `EM_X86_64`, `EM_386`, ...; none if it is no ELF file.
    pub machine: Option<u16>,
    /// What is wrong with it, if it is an ELF file that cannot be read to the end.
    pub malformed: Option<String>,
}

/// How an executable is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Linkage {
    /// No interpreter and no needed libraries.
    Static,
    /// The same, position-independent.
    StaticPie,
    /// With an interpreter or needed libraries.
    Dynamic,
    /// A script: its first line names the program that runs it.
    Script,
}

/// All there is to know of a file of our own.
pub fn inspect(path: &Path) -> Result<ElfFacts, ProcError> {
    inspect_file(&rooted::open(path)?, path, &Root::own()?)
}

/// All there is to know of an open file, whose interpreter and C library lie in that root. It reads
/// the whole file once (for the hash): not while anybody waits.
pub fn inspect_file(file: &File, name: &Path, root: &Root) -> Result<ElfFacts, ProcError> {
    let headers = Headers::read(file, name)?;
    let mut facts = headers.facts;
    let is_static = matches!(facts.linkage, Some(Linkage::Static | Linkage::StaticPie));
    let mut scan = is_static.then(StaticScan::default);
    let mut digest = Sha256::new();
    let mut buffer = vec![0u8; 1 << 18];
    loop {
        let got = read_at(file, &mut buffer, facts.size, name)?;
        if got == 0 {
            break;
        }
        digest.update(&buffer[..got]);
        if let Some(scan) = &mut scan {
            scan.feed(&buffer[..got]);
        }
        facts.size += got as u64;
    }
    facts.sha256 = hex::encode(digest.finalize());
    facts.libc = match (&facts.interpreter, scan) {
        (_, Some(_)) if headers.android => {
            Some(LibcFacts { flavour: Flavour::Bionic, version: None })
        }
        (_, Some(scan)) => scan.finish(),
        (Some(interpreter), None) if facts.linkage == Some(Linkage::Dynamic) => {
            libc_of(interpreter, root)
        }
        _ => None,
    };
    Ok(facts)
}

/// The build-id alone, by a few reads.
pub fn build_id(file: &File, name: &Path) -> Result<Option<String>, ProcError> {
    Ok(Headers::read(file, name)?.facts.build_id)
}

/// What the headers of a file tell, without its size and hash and the C library.
struct Headers {
    facts: ElfFacts,
    android: bool,
}

impl Headers {
    fn read(file: &File, name: &Path) -> Result<Headers, ProcError> {
        let mut first = [0u8; 256];
        let got = read_at(file, &mut first, 0, name)?;
        let first = &first[..got];
        let mut headers = Headers { facts: ElfFacts::default(), android: false };
        if first.starts_with(ELFMAG) {
            if let Err(what) = headers.read_elf(file, first) {
                headers.facts.malformed = Some(what);
            }
        } else if let Some(interpreter) = script_interpreter(first) {
            headers.facts.linkage = Some(Linkage::Script);
            headers.facts.interpreter = Some(interpreter);
        }
        Ok(headers)
    }

    fn read_elf(&mut self, file: &File, first: &[u8]) -> Result<(), String> {
        let image = Image::read(file, first)?;
        self.facts.machine = Some(image.header.e_machine);
        let mut notes = Notes::default();
        for segment in image.segments.iter().filter(|s| s.p_type == PT_NOTE) {
            let bytes = image.at(segment.p_offset, segment.p_filesz, MAX_TABLE)?;
            notes.read(&bytes, segment.p_align, image.context.le.is_little());
        }
        // A core file's or an object's notes may be in sections alone. A table of sections that
        // has no sense hinders nobody from running the file.
        if notes.build_id.is_none() {
            let sections = image.sections().unwrap_or_default();
            for section in sections.iter().filter(|s| s.sh_type == SHT_NOTE) {
                if let Ok(bytes) = image.at(section.sh_offset, section.sh_size, MAX_TABLE) {
                    notes.read(&bytes, section.sh_addralign, image.context.le.is_little());
                }
            }
        }
        self.facts.build_id = notes.build_id;
        self.android = notes.android;

        if let Some(segment) = image.segment(PT_INTERP) {
            let path = image.at(segment.p_offset, segment.p_filesz, MAX_PATH)?;
            self.facts.interpreter = Some(text(&path));
        }
        let dynamic = image.dynamic()?;
        self.facts.position_independent = image.header.e_type == ET_DYN
            || dynamic.as_ref().is_some_and(|d| d.flags_1 & DF_1_PIE != 0);
        self.facts.needed = dynamic.map(|d| d.needed).unwrap_or_default();
        let is_dynamic = self.facts.interpreter.is_some() || !self.facts.needed.is_empty();
        self.facts.linkage = Some(match (is_dynamic, self.facts.position_independent) {
            (true, _) => Linkage::Dynamic,
            (false, true) => Linkage::StaticPie,
            (false, false) => Linkage::Static,
        });
        Ok(())
    }
}

/// An ELF file, its header and its segments.
struct Image<'a> {
    file: &'a File,
    header: Header,
    context: Ctx,
    segments: Vec<ProgramHeader>,
}

/// What is read of a dynamic section.
#[derive(Default)]
struct DynamicSection {
    needed: Vec<String>,
    flags_1: u64,
}

impl<'a> Image<'a> {
    fn read(file: &'a File, first: &[u8]) -> Result<Image<'a>, String> {
        let header = Elf::parse_header(first).map_err(|e| format!("header: {e}"))?;
        let container = header.container().map_err(|e| format!("header: {e}"))?;
        let endian = header.endianness().map_err(|e| format!("header: {e}"))?;
        let context = Ctx::new(container, endian);
        let mut image = Image { file, header, context, segments: Vec::new() };
        let count = usize::from(image.header.e_phnum);
        let size = count as u64 * ProgramHeader::size(context) as u64;
        let table = image.at(image.header.e_phoff, size, MAX_HEADERS)?;
        image.segments = ProgramHeader::parse(&table, 0, count, context)
            .map_err(|e| format!("program headers: {e}"))?;
        Ok(image)
    }

    /// Bytes of the file; fewer where it ends before.
    fn at(&self, offset: u64, size: u64, limit: u64) -> Result<Vec<u8>, String> {
        if size > limit {
            return Err(format!("{size} bytes at {offset:#x} are more than it can need ({limit})"));
        }
        let mut bytes = vec![0u8; usize::try_from(size).map_err(|e| e.to_string())?];
        // pread(2) takes no offset beyond the largest signed number.
        if i64::try_from(offset).is_err() {
            return Err(format!("offset {offset:#x}"));
        }
        let mut filled = 0;
        while filled < bytes.len() {
            let from = offset.saturating_add(filled as u64);
            match self.file.read_at(&mut bytes[filled..], from) {
                Ok(0) => break,
                Ok(got) => filled += got,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(format!("{offset:#x}: {e}")),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn segment(&self, kind: u32) -> Option<&ProgramHeader> {
        self.segments.iter().find(|s| s.p_type == kind)
    }

    fn sections(&self) -> Result<Vec<SectionHeader>, String> {
        let count = usize::from(self.header.e_shnum);
        if self.header.e_shoff == 0 || count == 0 {
            return Ok(Vec::new());
        }
        let size = count as u64 * SectionHeader::size(self.context) as u64;
        let table = self.at(self.header.e_shoff, size, MAX_TABLE)?;
        SectionHeader::parse_from(&table, 0, count, self.context).map_err(|e| e.to_string())
    }

    fn dynamic(&self) -> Result<Option<DynamicSection>, String> {
        let Some(segment) = self.segment(PT_DYNAMIC) else { return Ok(None) };
        let bytes = self.at(segment.p_offset, segment.p_filesz, MAX_TABLE)?;
        let mut names = Vec::new();
        let mut strings = None;
        let mut found = DynamicSection::default();
        for (tag, value) in self.pairs(&bytes).take_while(|(tag, _)| *tag != 0) {
            match tag {
                DT_NEEDED if names.len() < MAX_NEEDED => names.push(value),
                DT_STRTAB => strings = self.file_offset(value),
                DT_FLAGS_1 => found.flags_1 = value,
                _ => {}
            }
        }
        if names.is_empty() {
            return Ok(Some(found));
        }
        let strings = strings.ok_or("a dynamic section without strings")?;
        for name in names {
            let name = self.at(strings.saturating_add(name), 512, 512)?;
            found.needed.push(text(&name));
        }
        Ok(Some(found))
    }

    /// The entries of a dynamic section: two words each.
    fn pairs<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = (u64, u64)> + use<'b> {
        let width = if self.context.is_big() { 8 } else { 4 };
        let little = self.context.le.is_little();
        let word = move |bytes: &[u8]| {
            let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
            if little { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) }
        };
        bytes
            .chunks_exact(2 * width)
            .map(move |entry| (word(&entry[..width]), word(&entry[width..])))
    }

    /// Where in the file the byte lies that is loaded at an address.
    fn file_offset(&self, address: u64) -> Option<u64> {
        self.segments.iter().filter(|s| s.p_type == PT_LOAD).find_map(|s| {
            let within = address.checked_sub(s.p_vaddr).filter(|within| *within < s.p_filesz)?;
            s.p_offset.checked_add(within)
        })
    }
}

/// The C library that comes with an interpreter. The interpreter says it itself (musl, glibc since
/// 2.33), or the `libc.so.6` beside it does.
fn libc_of(interpreter: &str, root: &Root) -> Option<LibcFacts> {
    let flavour = Flavour::of_interpreter(interpreter)?;
    let path = Path::new(interpreter);
    let contents = |path: &Path| root.open(path).ok().and_then(|file| whole(&file));
    let version = match flavour {
        Flavour::Glibc => contents(path).as_deref().and_then(glibc_version).or_else(|| {
            let real = root.real_path(path)?;
            contents(&real.with_file_name("libc.so.6")).as_deref().and_then(glibc_version)
        }),
        Flavour::Musl => contents(path).as_deref().and_then(musl_version),
        Flavour::Bionic | Flavour::Uclibc => None,
    };
    Some(LibcFacts { flavour, version })
}

/// The contents of a file that is no larger than a C library.
fn whole(file: &File) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    file.take(MAX_LIBC).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The program in the first line of a script. The kernel reads 256 bytes of it (execve(2)).
fn script_interpreter(first: &[u8]) -> Option<String> {
    let line = first.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let program = line.split(|b| matches!(b, b' ' | b'\t')).find(|word| !word.is_empty())?;
    Some(String::from_utf8_lossy(program).into_owned())
}

/// The text up to the first NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn read_at(file: &File, buffer: &mut [u8], offset: u64, name: &Path) -> Result<usize, ProcError> {
    loop {
        match file.read_at(buffer, offset) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            result => return result.map_err(|e| ProcError::from_io(name, e)),
        }
    }
}

#[cfg(test)]
#[path = "elf_tests.rs"]
mod tests;
