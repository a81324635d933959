//! `linux.seccomp` of the OCI runtime-spec (`config-linux.md`, "Seccomp"), which runc, crun, CRI-O
//! and containerd read.
//!
//! Nothing but that: containerd reads the file into the specification's own structure and drops
//! what Docker has beside it (`archMap`, `includes`, `excludes`). `flags` is left out on purpose:
//! runc and crun add `SECCOMP_FILTER_FLAG_SPEC_ALLOW` only where it is absent (runc PR#3588, crun
//! PR#684).

use oci_spec::runtime::{
    Arch as OciArch, LinuxSeccomp, LinuxSeccompAction as OciAction, LinuxSyscall,
};

use crate::arch::Arch;
use crate::profile::{Action, Profile};

/// A profile as `linux.seccomp`, as text that ends with a newline. The same profile gives the same
/// bytes.
///
/// # Errors
/// Never for a profile that this crate can make; the serializer's signature has one.
pub fn to_json(profile: &Profile) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(&to_spec(profile))? + "\n")
}

/// A profile in the types of the specification.
pub fn to_spec(profile: &Profile) -> LinuxSeccomp {
    let (default_action, default_errno_ret) = action(profile.default_action());
    let architectures: Vec<OciArch> = profile.architectures().map(architecture).collect();
    let syscalls: Vec<LinuxSyscall> =
        profile.by_action().into_iter().map(|(action, names)| group(action, &names)).collect();
    let mut seccomp = LinuxSeccomp::default();
    seccomp
        .set_default_action(default_action)
        .set_default_errno_ret(default_errno_ret)
        .set_architectures(Some(architectures).filter(|list| !list.is_empty()))
        .set_syscalls(Some(syscalls).filter(|list| !list.is_empty()));
    seccomp
}

fn group(of: Action, names: &[&str]) -> LinuxSyscall {
    let (action, errno_ret) = action(of);
    let mut syscall = LinuxSyscall::default();
    syscall
        .set_names(names.iter().map(|name| (*name).to_owned()).collect())
        .set_action(action)
        .set_errno_ret(errno_ret);
    syscall
}

/// The action and its number. The specification's default for an absent number is EPERM, but not
/// every runtime keeps to it, so it is written always.
fn action(action: Action) -> (OciAction, Option<u32>) {
    match action {
        Action::Allow => (OciAction::ScmpActAllow, None),
        Action::Log => (OciAction::ScmpActLog, None),
        Action::Errno(errno) => (OciAction::ScmpActErrno, Some(u32::from(errno))),
        Action::Trace(value) => (OciAction::ScmpActTrace, Some(u32::from(value))),
        Action::Notify => (OciAction::ScmpActNotify, None),
        Action::Trap => (OciAction::ScmpActTrap, None),
        Action::KillThread => (OciAction::ScmpActKillThread, None),
        Action::KillProcess => (OciAction::ScmpActKillProcess, None),
    }
}

fn architecture(arch: Arch) -> OciArch {
    match arch {
        Arch::X86_64 => OciArch::ScmpArchX86_64,
        Arch::I386 => OciArch::ScmpArchX86,
        Arch::X32 => OciArch::ScmpArchX32,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::profile::{BuildOptions, ErrnoPolicy, Reason, build};
    use crate::recording::sample;

    fn profile(names: &[&str], errno_policy: ErrnoPolicy) -> Profile {
        let recording = sample::recording("node", vec![sample::run_calling("1", names)]);
        build(&recording, &BuildOptions { errno_policy, exact: false }).profile
    }

    #[test]
    fn a_profile_byte_for_byte() {
        let names = ["write", "read", "clone3", "setns", "socket"];
        insta::assert_snapshot!(to_json(&profile(&names, ErrnoPolicy::Compat)).unwrap());
    }

    #[test]
    fn no_field_is_written_that_the_specification_lacks_or_that_has_no_value() {
        for policy in ErrnoPolicy::ALL {
            let text = to_json(&profile(&["read"], policy)).unwrap();
            let json: Value = serde_json::from_str(&text).unwrap();
            let fields = |value: &Value| -> Vec<String> {
                value.as_object().unwrap().keys().cloned().collect()
            };
            for field in fields(&json) {
                let known = ["architectures", "defaultAction", "defaultErrnoRet", "syscalls"];
                assert!(known.contains(&field.as_str()), "{policy}: {field}");
            }
            for group in json["syscalls"].as_array().unwrap() {
                for field in fields(group) {
                    let known = ["action", "errnoRet", "names"];
                    assert!(known.contains(&field.as_str()), "{policy}: {field}");
                }
                assert!(group["names"].as_array().unwrap().is_sorted_by_key(Value::as_str));
            }
            assert!(!text.contains("null"), "{text}");
        }
    }

    #[test]
    fn errors_are_written_where_an_error_is_returned() {
        let with = |policy| to_spec(&profile(&["read"], policy));
        assert_eq!(with(ErrnoPolicy::Compat).default_errno_ret(), Some(38));
        assert_eq!(with(ErrnoPolicy::Eperm).default_errno_ret(), Some(1));
        assert_eq!(with(ErrnoPolicy::Log).default_errno_ret(), None);
        assert_eq!(with(ErrnoPolicy::Kill).default_errno_ret(), None);
        let guarded = with(ErrnoPolicy::Guarded);
        let errors: Vec<_> = guarded
            .syscalls()
            .iter()
            .flatten()
            .map(|group| (group.action(), group.errno_ret()))
            .collect();
        assert_eq!(errors, [(OciAction::ScmpActAllow, None), (OciAction::ScmpActErrno, Some(1))]);
    }

    #[test]
    fn the_specifications_own_type_reads_what_is_written() {
        let mut profile = Profile::new(Action::Errno(38), [Arch::X86_64, Arch::I386, Arch::X32]);
        for (name, action) in [
            ("a", Action::Allow),
            ("b", Action::Log),
            ("c", Action::Errno(1)),
            ("d", Action::Trace(7)),
            ("e", Action::Notify),
            ("f", Action::Trap),
            ("g", Action::KillThread),
            ("h", Action::KillProcess),
        ] {
            profile.set(name, action, Reason::Policy);
        }
        let text = to_json(&profile).unwrap();
        let read: LinuxSeccomp = serde_json::from_str(&text).unwrap();
        assert_eq!(read, to_spec(&profile));
        assert_eq!(read.syscalls().as_ref().map(Vec::len), Some(8));
    }

    #[test]
    fn architectures_have_the_names_that_the_rest_of_the_tool_gives_them() {
        for arch in [Arch::X86_64, Arch::I386, Arch::X32] {
            assert_eq!(serde_json::to_value(architecture(arch)).unwrap(), arch.oci_name());
        }
    }

    #[test]
    fn a_profile_without_rules_and_architectures_has_no_empty_lists() {
        let text = to_json(&Profile::new(Action::Allow, [])).unwrap();
        assert_eq!(text, "{\n  \"defaultAction\": \"SCMP_ACT_ALLOW\"\n}\n");
    }
}
