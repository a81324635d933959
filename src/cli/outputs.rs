//! What is written from a recording: each a pure function of it.

use std::path::Path;

use anyhow::{Context, Result};

use crate::filter;
use crate::format::oci;
use crate::profile::{BuildOptions, Built, Reason, build};
use crate::recording::{Names, Recording, write_whole};
use crate::report::CapabilityReport;
use crate::report::summary::WrittenFile;

/// Everybody may read a profile: the kubelet does, and it says nothing of the machine.
const PUBLIC: u32 = 0o644;
/// Paths and users of the machine are nobody else's business.
const PRIVATE: u32 = 0o600;

/// What was written.
#[derive(Debug, Default)]
pub struct Outputs {
    /// The files.
    pub files: Vec<WrittenFile>,
    /// What the user must know of the profile.
    pub warnings: Vec<String>,
}

/// Writes the profile and the capability report of a recording.
///
/// # Errors
/// If one of them cannot be written; each file is then as it was or whole.
pub fn write(names: &Names, recording: &Recording) -> Result<Outputs> {
    if recording.runs.iter().all(|run| run.syscalls.is_empty()) {
        let warning = "no syscall was recorded, so no profile is built".to_owned();
        return Ok(Outputs { files: Vec::new(), warnings: vec![warning] });
    }
    let built = build(recording, &BuildOptions::default());
    let profile = oci::to_json(&built.profile).context("cannot write the profile as JSON")?;
    let report = CapabilityReport::new(recording)
        .to_json()
        .context("cannot write the capability report as JSON")?;
    let private = if recording.redacted { PUBLIC } else { PRIVATE };
    let files = vec![
        write_one("profile", &names.profile(), &profile, PUBLIC)?,
        write_one("capabilities", &names.capabilities(), &report, private)?,
    ];
    Ok(Outputs { files, warnings: warnings(&built) })
}

/// Compiles the profile as a runtime will, to hear what that will make of it.
fn warnings(built: &Built) -> Vec<String> {
    match filter::compile(&built.profile) {
        Ok(compiled) => {
            // What no run called and only stands there to be safe is not worth an alarm.
            let observed = |name: &&String| {
                built.profile.rule(name).is_some_and(|r| r.reasons.contains(&Reason::Observed))
            };
            let unknown: Vec<&str> =
                compiled.unknown.iter().filter(observed).map(String::as_str).collect();
            let version = filter::library_version();
            match unknown.is_empty() {
                true => Vec::new(),
                false => vec![format!(
                    "libseccomp {version} does not know {}: a runtime that is linked with it \
                     leaves them out without a word, so that they are denied",
                    unknown.join(", ")
                )],
            }
        }
        Err(error) => vec![format!("no runtime will take this profile: {error}")],
    }
}

fn write_one(what: &str, path: &Path, text: &str, mode: u32) -> Result<WrittenFile> {
    write_whole(path, text.as_bytes(), mode)?;
    Ok(WrittenFile {
        what: what.to_owned(),
        path: path.display().to_string(),
        bytes: text.len() as u64,
    })
}
