//! Where recordings lie, and how they are read and written.
//!
//! A file is written whole or not at all: into a temporary file beside it, which then takes its
//! name. A reader, and we ourselves after a crash, find the old file or the new one.

use std::ffi::OsString;
use std::fs::{self, File, FileType, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::merge::{self, MergeError};
use super::model::{Recording, Run, StateIndex, VERSION};

/// What [`Recording::format`] says.
const FORMAT: &str = "seccomp-gen recording";

/// Why a recording could not be read or kept.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A name that cannot be part of a file name, or whose files could be those of another name.
    #[error(
        "`{name}` cannot name a recording: {why}. Choose one with `--name`",
        name = name.escape_debug()
    )]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file could not be read.
    #[error("cannot read {path}: {source}{hint}", path = path.display(), hint = read_hint(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory could not be read.
    #[error(
        "cannot read the directory {path}: {source}. Give the one that the trace wrote into with \
         `-o`",
        path = path.display()
    )]
    ReadDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is something else in the place of a directory.
    #[error(
        "{path} is {found}, where a directory was expected. Choose another one with `-o`, or move \
         it away",
        path = path.display()
    )]
    NotADirectory {
        /// Where.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// There is something else in the place of a file.
    #[error(
        "{path} is {found}, where a regular file was expected. Move it away, or choose another \
         name or directory",
        path = path.display()
    )]
    NotAFile {
        /// Where.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// The file ends too early.
    #[error(
        "{path} ends in the middle, at line {line}, column {column}: it was cut short. Restore it \
         from a copy, or move it away and trace again",
        path = path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The line where it ends.
        line: usize,
        /// The column where it ends.
        column: usize,
    },
    /// The file is not what a recording looks like.
    #[error(
        "{path} is not a recording that this version understands: {what}. Restore it from a copy, \
         or move it away and trace again",
        path = path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The field or the place, and what was expected there.
        what: String,
    },
    /// The file is something else.
    #[error(
        "{path} is not a recording: its field `format` is {found}, \"{FORMAT}\" was expected. Give \
         a file that `seccomp-gen trace` wrote as NAME.recording.json",
        path = path.display()
    )]
    NotARecording {
        /// The file.
        path: PathBuf,
        /// What stands there instead.
        found: String,
    },
    /// The file has a version of the format that is not ours.
    #[error(
        "{path} has version {found} of the format; this build of seccomp-gen reads version \
         {VERSION}. Use the version of seccomp-gen that wrote it, or move it away and trace again",
        path = path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// The file could not be written.
    #[error("cannot write {path}: {source}{hint}", path = path.display(), hint = hint(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another trace of the same name is under way in the same directory.
    #[error(
        "`{name}` is being recorded in {dir} by another seccomp-gen{owner}. Wait for its end, or \
         give this run another name (`--name`) or directory (`-o`)",
        dir = dir.display()
    )]
    Busy {
        /// The name.
        name: String,
        /// The directory.
        dir: PathBuf,
        /// Who it is: ` (pid 4711)`, or nothing if that is not known.
        owner: String,
    },
    /// There is no checkpoint.
    #[error("there is nothing to recover: {path} does not exist", path = path.display())]
    NothingToRecover {
        /// Where it would be.
        path: PathBuf,
    },
    /// The runs do not belong into the file that they were to be added to.
    #[error("{path}: {source}", path = path.display())]
    Merge {
        /// The file.
        path: PathBuf,
        /// Why.
        source: MergeError,
    },
    /// The run could not be added to the recording, but it is not lost.
    #[error(
        "{source}\n{what} is safe in {kept}: `seccomp-gen recover` adds it once that is put right",
        what = if *whole { "The run itself" } else { "The run up to its last checkpoint" },
        kept = kept.display()
    )]
    Unfinished {
        /// Whether that is all of it.
        whole: bool,
        /// Where the run is.
        kept: PathBuf,
        /// What went wrong.
        source: Box<StoreError>,
    },
}

/// What to do about an error of reading.
fn read_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => ". Run as the user whose file it is",
        _ => "",
    }
}

/// What to do about an error of writing.
fn hint(error: &io::Error) -> &'static str {
    use io::ErrorKind::{
        InvalidFilename, IsADirectory, NotADirectory, NotFound, PermissionDenied, QuotaExceeded,
        ReadOnlyFilesystem, StorageFull,
    };
    match error.kind() {
        StorageFull | QuotaExceeded => {
            ". Free some space there, or choose another directory with `-o`"
        }
        PermissionDenied | ReadOnlyFilesystem | NotFound | NotADirectory => {
            ". Choose a directory that you may write to with `-o`"
        }
        InvalidFilename => ". Choose a shorter one with `-o` or `--name`",
        IsADirectory => ". Move it away, or choose another directory with `-o`",
        _ => "",
    }
}

/// The files of one name in one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    dir: PathBuf,
    name: String,
}

impl Names {
    const PROFILE: &str = ".json";
    const RECORDING: &str = ".recording.json";
    /// What a checkpoint's file name ends with.
    pub(super) const PARTIAL: &str = ".recording.partial.json";
    const INCOMPLETE: &str = ".recording.incomplete.json";
    const UNREADABLE: &str = ".recording.unreadable.json";
    const CAPABILITIES: &str = ".capabilities.json";

    /// What is written for a name besides its profile.
    const BESIDE_PROFILE: [&str; 5] = [
        Names::RECORDING,
        Names::PARTIAL,
        Names::INCOMPLETE,
        Names::UNREADABLE,
        Names::CAPABILITIES,
    ];

    /// How long a name may be, in bytes: most file systems allow 255, and a temporary file's name
    /// has up to 38 more.
    const LONGEST: usize = 200;

    /// The files of `name` in `dir`.
    ///
    /// # Errors
    /// If the name cannot be part of a file name, or its files would be those of another name.
    pub fn new(dir: &Path, name: &str) -> Result<Names, StoreError> {
        match Names::why_not(name) {
            Some(why) => Err(StoreError::Name { name: name.to_owned(), why }),
            None => Ok(Names { dir: dir.to_owned(), name: name.to_owned() }),
        }
    }

    fn why_not(name: &str) -> Option<&'static str> {
        // The profile of `x.recording` would be the recording of `x`.
        let is_anothers = |ending: &&str| format!("{name}{}", Names::PROFILE).ends_with(*ending);
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            Some("a name is part of file names and has neither `/` nor a dot at its beginning")
        } else if name.contains(char::is_control) {
            Some("it has control characters, which would act on the terminals that show it")
        } else if name.len() > Names::LONGEST {
            Some("it is longer than 200 bytes, too long for a part of file names")
        } else if Names::BESIDE_PROFILE.iter().any(is_anothers) {
            Some("it ends as the files of another name do, with which its own would collide")
        } else {
            None
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The recording of all finished runs.
    pub fn recording(&self) -> PathBuf {
        self.with(Names::RECORDING)
    }

    /// The checkpoint of the run in progress.
    pub fn partial(&self) -> PathBuf {
        self.with(Names::PARTIAL)
    }

    /// An incomplete run that was to replace complete ones, and did not.
    pub fn incomplete(&self) -> PathBuf {
        self.with(Names::INCOMPLETE)
    }

    /// A checkpoint that could not be taken in.
    pub(super) fn unreadable(&self) -> PathBuf {
        self.with(Names::UNREADABLE)
    }

    /// The profile.
    pub fn profile(&self) -> PathBuf {
        self.with(Names::PROFILE)
    }

    /// The report on capabilities.
    pub fn capabilities(&self) -> PathBuf {
        self.with(Names::CAPABILITIES)
    }

    /// The lock of the trace that is under way.
    pub(super) fn lock(&self) -> PathBuf {
        self.dir.join(format!(".{}.lock", self.name))
    }

    /// Whether a path, however it is spelt, leads to one of the files.
    pub fn own(&self, path: &Path) -> bool {
        let Some(there) = Place::of(path) else { return false };
        let mut ours = self.all().chain([self.lock()]);
        ours.any(|own| Place::of(&own).as_ref() == Some(&there))
    }

    /// Sees that in no file's place there is anything else: a directory could not be replaced, and
    /// a FIFO or a device would be read for ever.
    pub(super) fn check_are_files(&self) -> Result<(), StoreError> {
        self.all().try_for_each(|path| check_is_file(&path))
    }

    /// What may be there for the name when nobody is recording it.
    fn all(&self) -> impl Iterator<Item = PathBuf> {
        let beside = Names::BESIDE_PROFILE.iter().map(|suffix| self.with(suffix));
        beside.chain([self.profile()])
    }

    fn with(&self, suffix: &str) -> PathBuf {
        self.dir.join(format!("{}{suffix}", self.name))
    }
}

/// Where a file is, or would be: its directory, which can have several paths, and its name in it.
#[derive(PartialEq, Eq)]
struct Place {
    device: u64,
    directory: u64,
    name: OsString,
}

impl Place {
    fn of(path: &Path) -> Option<Place> {
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let directory = fs::metadata(directory_of(&target)).ok()?;
        Some(Place {
            device: directory.dev(),
            directory: directory.ino(),
            name: target.file_name()?.to_owned(),
        })
    }
}

/// The directory that a file is in.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Fails where there is something that is not a regular file; where there is nothing, it does not.
fn check_is_file(path: &Path) -> Result<(), StoreError> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => Err(StoreError::NotAFile {
            path: path.to_owned(),
            found: what_it_is(there.file_type()),
        }),
        _ => Ok(()),
    }
}

/// A kind of file, in words.
fn what_it_is(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_file() => "a file",
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

/// Makes a directory, and those that it is in, where it is not there yet.
pub(super) fn make_directory(dir: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(dir).map_err(|source| match fs::metadata(dir) {
        Ok(there) => {
            StoreError::NotADirectory { path: dir.to_owned(), found: what_it_is(there.file_type()) }
        }
        Err(_) => StoreError::Write { path: dir.to_owned(), source },
    })
}

/// Reads a recording.
///
/// # Errors
/// If the file cannot be read or is not a recording of [`VERSION`]. The error names the file, the
/// field or the place in it, and what to do.
pub fn load(path: &Path) -> Result<Recording, StoreError> {
    check_is_file(path)?;
    let bytes =
        fs::read(path).map_err(|source| StoreError::Read { path: path.to_owned(), source })?;
    parse(path, &bytes)
}

/// Like [`load`], but a file that is not there is no error.
pub(super) fn load_if_any(path: &Path) -> Result<Option<Recording>, StoreError> {
    match load(path) {
        Err(StoreError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// The two fields that tell what the rest is; looked at first, since a file of another version
/// would fail with an error about some field.
#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    format: Value,
    #[serde(default)]
    version: Value,
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Recording, StoreError> {
    let header: Header = from_json(path, bytes)?;
    if header.format != FORMAT {
        let found = match header.format {
            Value::Null => "missing".to_owned(),
            other => other.to_string(),
        };
        return Err(StoreError::NotARecording { path: path.to_owned(), found });
    }
    if header.version != VERSION {
        let found = header.version.to_string();
        return Err(StoreError::Version { path: path.to_owned(), found });
    }
    let mut recording: Recording = from_json(path, bytes)?;
    if let Some(what) = recording.runs.iter().find_map(dangling_state) {
        return Err(StoreError::Malformed { path: path.to_owned(), what });
    }
    // People edit files. What relies on the order and the unique ids must not be misled by that.
    recording.runs = merge::union(recording.runs);
    Ok(recording)
}

/// A reference to a state of credentials that the run does not have, in words.
fn dangling_state(run: &Run) -> Option<String> {
    let (process, StateIndex(index)) = run.processes.iter().find_map(|process| {
        let mut states = process.credentials.iter().map(|credentials| credentials.state);
        let dangling = states.find(|state| run.credential_state(*state).is_none())?;
        Some((process.pid, dangling))
    })?;
    let states = run.credential_states.len();
    Some(format!(
        "process {process} of run {} refers to state {index} of `credential_states`, which has \
         {states}, counted from 0",
        run.id
    ))
}

fn from_json<'a, T: Deserialize<'a>>(path: &Path, bytes: &'a [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let path = path.to_owned();
        if error.is_eof() {
            StoreError::Truncated { path, line: error.line(), column: error.column() }
        } else {
            StoreError::Malformed { path, what: error.to_string() }
        }
    })
}

/// Writes a recording: readable for its owner alone unless it is redacted, for it tells of the
/// machine.
///
/// # Errors
/// If the file cannot be written.
pub fn save(recording: &Recording, path: &Path) -> Result<(), StoreError> {
    let mode = if recording.redacted { 0o644 } else { 0o600 };
    write_whole(path, &to_json(recording, path)?, mode)
}

/// The bytes of a recording's file.
pub(super) fn to_json(recording: &Recording, path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut bytes = serde_json::to_vec_pretty(recording)
        .map_err(|error| StoreError::Write { path: path.to_owned(), source: error.into() })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Writes a file whole or not at all, so that it survives a loss of power, too. A symbolic link
/// stays one, and what is no regular file (`/dev/stdout`, a FIFO) is written to.
///
/// # Errors
/// If the file cannot be written; the old one is then as it was.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    replace(path, bytes, mode, true)
        .map_err(|source| StoreError::Write { path: path.to_owned(), source })
}

/// Writes a file whole or not at all. Without `sync` that holds when we are killed at any moment,
/// not when the machine loses power.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32, sync: bool) -> io::Result<()> {
    let target = match Target::of(path)? {
        Target::Stream(target) => {
            return OpenOptions::new().write(true).open(&target)?.write_all(bytes);
        }
        Target::File(target) => target,
    };
    let in_dir = File::open(directory_of(&target))?;
    let mut file = temporary(&target)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    if sync {
        file.as_file().sync_all()?;
    }
    file.persist(&target).map_err(|error| error.error)?;
    if sync {
        // The rename is in the directory's own data.
        in_dir.sync_all()?;
    }
    Ok(())
}

/// Finds out whether [`write_whole`] may be expected to succeed; leaves everything as it is.
///
/// # Errors
/// If it may not.
pub fn check_writable(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Write { path: path.to_owned(), source };
    match Target::of(path).map_err(failed)? {
        // To open a FIFO would be to wait for its reader.
        Target::Stream(target) => {
            access(&target, AccessFlags::W_OK).map_err(|errno| failed(errno.into()))
        }
        Target::File(target) => {
            if target.is_dir() || target.as_os_str().as_bytes().ends_with(b"/") {
                return Err(failed(io::ErrorKind::IsADirectory.into()));
            }
            // A file that may not be written, or is being executed, is not to be replaced either.
            match OpenOptions::new().write(true).open(&target) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed(source)),
                _ => temporary(&target).map(drop).map_err(failed),
            }
        }
    }
}

/// What a path leads to.
enum Target {
    /// A file that can be replaced as a whole, be it there or not.
    File(PathBuf),
    /// What can only be written to.
    Stream(PathBuf),
}

impl Target {
    fn of(path: &Path) -> io::Result<Target> {
        let Ok(target) = fs::canonicalize(path) else { return Ok(Target::File(path.to_owned())) };
        let kind = fs::metadata(&target)?.file_type();
        match kind.is_file() || kind.is_dir() {
            true => Ok(Target::File(target)),
            false => Ok(Target::Stream(target)),
        }
    }
}

/// A temporary file beside the one whose place it is to take.
fn temporary(target: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(&temporary_prefix(target))
        .suffix(TEMPORARY_SUFFIX)
        .tempfile_in(directory_of(target))
}

/// What the name of a temporary file for `path` begins with.
pub(super) fn temporary_prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.")
}

/// What the name of a temporary file ends with.
pub(super) const TEMPORARY_SUFFIX: &str = ".tmp";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::sample;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn message(bytes: &[u8]) -> String {
        parse(Path::new("x.recording.json"), bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.recording.json");
        let recording = sample::recording("node", vec![sample::run_calling("1", &["read"])]);
        save(&recording, &path).unwrap();
        assert_eq!(load(&path).unwrap(), recording);
        assert_eq!(mode(&path), 0o600);
        assert!(fs::read_to_string(&path).unwrap().ends_with("}\n"));

        save(&Recording { redacted: true, ..recording }, &path).unwrap();
        assert_eq!(mode(&path), 0o644);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn errors_of_reading_say_where_and_what() {
        let recording = sample::recording("node", vec![sample::run("1")]);
        let good = serde_json::to_string_pretty(&recording).unwrap();

        let cut = message(&good.as_bytes()[..good.len() / 2]);
        assert!(cut.contains("x.recording.json ends in the middle, at line "), "{cut}");
        assert!(message(b"").contains("ends in the middle, at line 1, column 0"));

        let other = message(b"{\"defaultAction\": \"SCMP_ACT_ERRNO\"}");
        assert!(other.contains("`format` is missing"), "{other}");
        let other = message(b"{\"format\": \"else\"}");
        assert!(other.contains("`format` is \"else\""), "{other}");

        for version in [1, 3] {
            let text = good.replace("\"version\": 2", &format!("\"version\": {version}"));
            let other = message(text.as_bytes());
            let expected = format!("has version {version} of the format; this build");
            assert!(other.contains(&expected) && other.contains("reads version 2"), "{other}");
        }

        let unknown = message(good.replace("\"cpus\"", "\"cores\"").as_bytes());
        assert!(unknown.contains("unknown field `cores`, expected one of"), "{unknown}");
        assert!(unknown.contains("at line ") && unknown.contains("column "), "{unknown}");

        let kind = message(good.replace("\"cpus\": 2", "\"cpus\": \"two\"").as_bytes());
        assert!(kind.contains("expected u32 at line "), "{kind}");

        let dangling = message(good.replace("\"state\": 0", "\"state\": 1").as_bytes());
        let expected =
            "process 4711 of run 1 refers to state 1 of `credential_states`, which has 1";
        assert!(dangling.contains(expected), "{dangling}");

        let none = load(Path::new("/nonexistent/x.recording.json")).unwrap_err().to_string();
        assert!(none.contains("cannot read /nonexistent/x.recording.json"), "{none}");
    }

    #[test]
    fn a_file_out_of_order_is_put_in_order() {
        let mut recording = sample::recording("node", vec![sample::run("1"), sample::run("2")]);
        recording.runs.reverse();
        recording.runs.push(sample::run("1"));
        let loaded = parse(Path::new("x"), &serde_json::to_vec(&recording).unwrap()).unwrap();
        assert_eq!(loaded.runs, vec![sample::run("1"), sample::run("2")]);
    }

    #[test]
    fn a_file_that_cannot_be_written_stays_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "old").unwrap();
        assert!(write_whole(&path, b"new", 0o644).is_err());
        assert_eq!(fs::read_to_string(path.join("inside")).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");

        let error = write_whole(&dir.path().join("no/such/file"), b"", 0o644).unwrap_err();
        let expected = "no/such/file: No such file or directory (os error 2). Choose a directory";
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn links_stay_links_and_devices_stay_devices() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_whole(&link, b"new", 0o644).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");

        let device = dir.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &device).unwrap();
        write_whole(&device, b"gone", 0o644).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn no_file_belongs_to_two_names() {
        for suffix in Names::BESIDE_PROFILE {
            let name = format!("x{}", suffix.strip_suffix(".json").unwrap());
            let error = Names::new(Path::new("d"), &name).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{name}` cannot name a recording: ")), "{error}");
        }
    }

    #[test]
    fn own_files_are_known_by_any_path() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        let names = Names::new(dir.path(), "node").unwrap();
        let link = dir.path().join("link");
        fs::write(names.profile(), "").unwrap();
        std::os::unix::fs::symlink("node.json", &link).unwrap();
        std::os::unix::fs::symlink(".", dir.path().join("here")).unwrap();
        assert!(names.own(&link) && names.own(&names.capabilities()));
        for own in ["sub/../node.recording.json", "./node.json", "here/node.recording.partial.json"]
        {
            assert!(names.own(&dir.path().join(own)), "{own}");
        }
        for other in ["node", "node.txt", "sub/node.json", "no/node.json", "."] {
            assert!(!names.own(&dir.path().join(other)), "{other}");
        }
    }

    #[test]
    fn what_can_be_written_is_known_before_and_nothing_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        check_writable(&file).unwrap();
        assert!(!file.exists());
        fs::write(&file, "old").unwrap();
        check_writable(&file).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        check_writable(Path::new("/dev/null")).unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        check_writable(&fifo).unwrap();
        for bad in
            [dir.path(), &dir.path().join("new/"), &dir.path().join("no/such"), &file.join("x")]
        {
            assert!(check_writable(bad).is_err(), "{}", bad.display());
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn names_are_parts_of_file_names() {
        let too_long = "n".repeat(201);
        for bad in ["", ".", "..", ".hidden", "a/b", "a\0b", "a\x1b[2Jb", "a\nb", &too_long] {
            assert!(Names::new(Path::new("d"), bad).is_err(), "{bad:?}");
        }
        for good in ["node", "node 1", "a.b", "recording", "capabilities", &too_long[1..]] {
            assert!(Names::new(Path::new("d"), good).is_ok(), "{good:?}");
        }
        let names = Names::new(Path::new("profiles"), "polkadot").unwrap();
        assert_eq!(names.recording(), Path::new("profiles/polkadot.recording.json"));
        assert_eq!(names.partial(), Path::new("profiles/polkadot.recording.partial.json"));
        assert_eq!(names.profile(), Path::new("profiles/polkadot.json"));
    }
}
