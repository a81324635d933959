//! A profile holds what was recorded, and the kernel agrees: programs run under the compiled
//! profile of their own recording, and fail under one that lacks a call of theirs.

#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use common::{Scratch, tool, trace};
use seccomp_gen::filter::compile;
use seccomp_gen::profile::{BuildOptions, Profile, build};

/// Runs a command under a filter; `bwrap` loads it as the last thing before its execve(2).
fn run_under(profile: &Profile, command: &[&str]) -> Output {
    let dir = Scratch::new();
    let filter = dir.join("filter.bpf");
    std::fs::write(&filter, compile(profile).unwrap().program).unwrap();
    let script = dir.join("run");
    let line = format!(
        "exec {} --dev-bind / / --seccomp 9 \"$@\" 9<{}",
        tool("bwrap").display(),
        filter.display()
    );
    std::fs::write(&script, line).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    Command::new("/bin/sh").arg(Path::new(&script)).args(command).output().unwrap()
}

fn profile_of(command: &[&str]) -> Profile {
    let traced = trace(command);
    assert_eq!(traced.code(), Some(0), "{}", traced.stderr());
    build(&traced.recording(), &BuildOptions::default()).profile
}

#[test]
fn programs_run_under_the_profile_of_their_own_recording() {
    let thread_burst = common::fixture("thread_burst");
    let commands: [&[&str]; 5] = [
        &["/bin/ls", "-la", "/usr"],
        &["/bin/sh", "-c", "echo a | cat | wc -c"],
        &["/usr/bin/perl", "-e", "print 1 + 1"],
        &["/usr/bin/find", "/etc", "-name", "passwd"],
        &[thread_burst.to_str().unwrap()],
    ];
    for command in commands {
        let output = run_under(&profile_of(command), command);
        let plain = Command::new(command[0]).args(&command[1..]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {stderr}");
        assert_eq!(output.stdout, plain.stdout, "{command:?}");
    }
}

#[test]
fn a_call_that_is_taken_out_fails_as_the_profile_says() {
    let command = ["/bin/ls", "/usr"];
    let profile = profile_of(&command);
    let mut narrow = Profile::new(profile.default_action(), profile.architectures());
    for (name, rule) in profile.rules().filter(|(name, _)| *name != "getdents64") {
        for reason in &rule.reasons {
            narrow.set(name, rule.action, *reason);
        }
    }
    let output = run_under(&narrow, &command);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("Function not implemented"), "{stderr}");
}
