//! The profiles that are kept in the repository are what their recordings make of them, and nothing
//! in them tells of the machine that they were made on.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use seccomp_gen::format::oci;
use seccomp_gen::profile::{BuildOptions, build};
use seccomp_gen::recording::{Recording, load, redact};
use seccomp_gen::report::CapabilityReport;

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles")
}

fn kept() -> Vec<(String, Recording)> {
    ["demo-node", "monerod", "polkadot"]
        .iter()
        .map(|name| {
            let path = dir().join(format!("{name}.recording.json"));
            ((*name).to_owned(), load(&path).unwrap_or_else(|e| panic!("{e}")))
        })
        .collect()
}

#[test]
fn profiles_and_reports_are_functions_of_their_recordings() {
    for (name, recording) in kept() {
        assert!(recording.runs.iter().all(|run| run.complete && run.books.lost == 0), "{name}");
        let built = build(&recording, &BuildOptions::default());
        let profile = std::fs::read_to_string(dir().join(format!("{name}.json"))).unwrap();
        assert_eq!(oci::to_json(&built.profile).unwrap(), profile, "{name}");
        let report = dir().join(format!("{name}.capabilities.json"));
        let report = std::fs::read_to_string(report).unwrap();
        assert_eq!(CapabilityReport::new(&recording).to_json().unwrap(), report, "{name}");
    }
}

#[test]
fn nothing_tells_of_the_machine() {
    let host = nix::unistd::gethostname().unwrap().to_string_lossy().into_owned();
    for (name, recording) in kept() {
        assert!(recording.redacted, "{name}");
        assert_eq!(redact(recording.clone()), recording, "{name}");
        for file in ["recording.json", "capabilities.json", "json"] {
            let text = std::fs::read_to_string(dir().join(format!("{name}.{file}"))).unwrap();
            // No path but those that every Linux has, no user, no host.
            for trace in ["/home", "/tmp", "/root", "/work", "/usr", "/lib", "/var", "/mnt"] {
                assert!(!text.contains(trace), "{name}.{file} holds {trace}");
            }
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_');
            assert!(!words.into_iter().any(|word| word == host), "{name}.{file} holds {host}");
        }
    }
}
