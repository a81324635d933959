//! From a profile to the cBPF program that the kernel runs, through libseccomp: the library that
//! runc, crun and containerd compile the same profile with.

pub mod learned;

use std::fs::File;
use std::io::{Read, Seek};

use libseccomp::error::SeccompError;
use libseccomp::{ScmpAction, ScmpArch, ScmpFilterContext, ScmpSyscall, ScmpVersion};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::arch::{Arch, native};
use crate::profile::{Action, Profile};
use crate::syscall::SysNo;

/// `BPF_MAXINSNS` (`linux/bpf_common.h`): the kernel takes no longer program.
pub const MAX_INSTRUCTIONS: usize = 4096;

/// Why a profile cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// libseccomp refused something.
    #[error("libseccomp: {what}: {source}")]
    Library {
        /// What was asked of it.
        what: String,
        /// Its answer.
        source: SeccompError,
    },
    /// The program could not be read back from libseccomp.
    #[error("the compiled filter could not be read: {0}")]
    Read(#[from] std::io::Error),
    /// The kernel would refuse the program.
    #[error("the filter has {0} instructions; the kernel takes {MAX_INSTRUCTIONS}")]
    TooLong(usize),
}

/// A compiled profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The program: an array of `struct sock_filter` (`linux/filter.h`), 8 bytes each.
    pub program: Vec<u8>,
    /// Names that this build's libseccomp does not know. They are compiled by number here if the
    /// profile is of one architecture; a runtime with that libseccomp leaves their rules out without a word.
    pub unknown: Vec<String>,
}

impl Compiled {
    /// How many instructions the program has.
    pub fn instructions(&self) -> usize {
        self.program.len() / 8
    }
}

/// The version of the libseccomp that this build is linked with: `2.5.4`.
pub fn library_version() -> String {
    match ScmpVersion::current() {
        Ok(version) => version.to_string(),
        Err(_) => "of unknown version".to_owned(),
    }
}

/// Compiles a profile as the runtimes do.
///
/// # Errors
/// If libseccomp refuses a rule, or the kernel would refuse the program.
pub fn compile(profile: &Profile) -> Result<Compiled, FilterError> {
    let fail = |what: &str| {
        let what = what.to_owned();
        move |source| FilterError::Library { what, source }
    };
    let default = profile.default_action();
    let mut context = ScmpFilterContext::new(action(default)).map_err(fail("new filter"))?;
    for arch in profile.architectures().filter(|arch| *arch != native::ARCH) {
        context.add_arch(architecture(arch)).map_err(fail("add architecture"))?;
    }
    let mut unknown = Vec::new();
    for (name, rule) in profile.rules() {
        let syscall = match ScmpSyscall::from_name(name) {
            Ok(syscall) => Some(syscall),
            Err(_) => {
                unknown.push(name.to_owned());
                // A number means the same in one table alone.
                let one_table = profile.architectures().count() == 1;
                SysNo::from_name(native::ARCH, name)
                    .filter(|_| one_table)
                    .and_then(|no| i32::try_from(no.number).ok())
                    .map(ScmpSyscall::from_raw_syscall)
            }
        };
        if let Some(syscall) = syscall {
            context.add_rule(action(rule.action), syscall).map_err(fail(name))?;
        }
    }
    let compiled = Compiled { program: export(&context)?, unknown };
    match compiled.instructions() {
        n if n > MAX_INSTRUCTIONS => Err(FilterError::TooLong(n)),
        _ => Ok(compiled),
    }
}

/// libseccomp writes a program to a descriptor only. A file in memory needs no disk, which may be
/// full.
fn export(context: &ScmpFilterContext) -> Result<Vec<u8>, FilterError> {
    let fd = memfd_create(c"filter", MFdFlags::MFD_CLOEXEC).map_err(std::io::Error::from)?;
    let mut file = File::from(fd);
    context
        .export_bpf(&file)
        .map_err(|source| FilterError::Library { what: "export".to_owned(), source })?;
    let mut program = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut program)?;
    Ok(program)
}

fn action(action: Action) -> ScmpAction {
    match action {
        Action::Allow => ScmpAction::Allow,
        Action::Log => ScmpAction::Log,
        Action::Errno(errno) => ScmpAction::Errno(errno.into()),
        Action::KillThread => ScmpAction::KillThread,
        Action::KillProcess => ScmpAction::KillProcess,
        Action::Trap => ScmpAction::Trap,
        Action::Trace(data) => ScmpAction::Trace(data),
        Action::Notify => ScmpAction::Notify,
    }
}

fn architecture(arch: Arch) -> ScmpArch {
    match arch {
        Arch::X86_64 => ScmpArch::X8664,
        Arch::I386 => ScmpArch::X86,
        Arch::X32 => ScmpArch::X32,
    }
}
