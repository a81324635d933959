//! Containers by the real runc.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use serde_json::{Value, json};

use super::{Scratch, tool};

/// The default seccomp profile of Podman, Buildah and CRI-O (package
/// `golang-github-containers-common`, `containers-common`).
const DEFAULT_PROFILE: &str = "/usr/share/containers/seccomp.json";

/// A bundle: a root file system, and how its process is to run.
pub struct Bundle {
    dir: Scratch,
    pub config: Value,
}

impl Bundle {
    /// Root's, with a /proc and with these capabilities alone. What `no_new_privs` is, is to be said.
    pub fn new(capabilities: &[&str], no_new_privs: bool) -> Bundle {
        let dir = Scratch::new();
        for name in ["bin", "proc", "tmp"] {
            fs::create_dir_all(dir.join("rootfs").join(name)).unwrap();
        }
        fs::set_permissions(dir.join("rootfs/tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
        let config = json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": { "uid": 0, "gid": 0 }, "args": [], "cwd": "/",
                "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
                "capabilities": {
                    "bounding": capabilities, "effective": capabilities, "permitted": capabilities
                },
                "noNewPrivileges": no_new_privs
            },
            "root": { "path": "rootfs" },
            "mounts": [{ "destination": "/proc", "type": "proc", "source": "proc" }],
            "linux": { "namespaces": [{ "type": "pid" }, { "type": "mount" }] }
        });
        Bundle { dir, config }
    }

    pub fn root(&self, path: &str) -> std::path::PathBuf {
        self.dir.join("rootfs").join(path)
    }

    /// Mounts a directory of ours.
    pub fn mount(&mut self, source: &Path, destination: &str, access: &str) {
        let mount = json!({
            "destination": destination, "type": "bind", "source": source, "options": ["rbind", access]
        });
        self.config["mounts"].as_array_mut().unwrap().push(mount);
    }

    /// The programs and libraries of this machine, and devices.
    pub fn mount_system(&mut self) {
        for name in ["usr", "etc", "bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            let path = Path::new("/").join(name);
            let inside = self.root(name);
            match fs::read_link(&path) {
                Ok(link) => {
                    let _ = fs::remove_dir(&inside);
                    symlink(link, inside).unwrap();
                }
                Err(_) if path.is_dir() => self.mount(&path, &format!("/{name}"), "ro"),
                Err(_) => {}
            }
        }
        let dev = json!({ "destination": "/dev", "type": "tmpfs", "source": "tmpfs" });
        self.config["mounts"].as_array_mut().unwrap().push(dev);
    }

    pub fn run(&self, args: &[&str]) -> Output {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut config = self.config.clone();
        config["process"]["args"] = json!(args);
        fs::write(self.dir.join("config.json"), config.to_string()).unwrap();
        // Of its own: other tests, and other users of the machine, may run runc, too.
        let id = format!("seccomp-gen-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        // runc wants a cgroup file system to be mounted, which it is not in a bare chroot: it gets
        // one in a mount namespace of its own.
        let script = "grep -q ' cgroup' /proc/self/mountinfo || \
                      mount -t cgroup2 none /sys/fs/cgroup && exec \"$@\"";
        Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(tool("runc"))
            .arg("--root")
            .arg(self.dir.join("state"))
            // pivot_root(2) does not work in a chroot, which the tests may be run in.
            .args(["run", "--no-pivot", &id])
            .current_dir(self.dir.path())
            .output()
            .unwrap()
    }
}

/// The runtimes' default profile as they resolve it for a container with these capabilities: plain
/// OCI, as it would stand in `config.json`.
pub fn default_profile(capabilities: &[&str]) -> Value {
    let text = fs::read_to_string(DEFAULT_PROFILE).unwrap_or_else(|e| {
        panic!("{DEFAULT_PROFILE}: {e}; apt-get install golang-github-containers-common")
    });
    resolve(&serde_json::from_str(&text).unwrap(), "amd64", capabilities)
}

/// As containers-common does it (`pkg/seccomp/seccomp_linux.go`, `setupSeccomp`): a rule counts if
/// it includes the architecture and all its capabilities, and excludes none of them.
fn resolve(profile: &Value, arch: &str, capabilities: &[&str]) -> Value {
    let list = |value: &Value| -> Vec<String> {
        let items = value.as_array().into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let is_ours = |cap: &String| capabilities.contains(&cap.as_str());
    let counts = |rule: &&Value| {
        let (includes, excludes) = (&rule["includes"], &rule["excludes"]);
        assert!(includes["minKernel"].is_null(), "{rule}: releases of kernels are not compared");
        let arches = list(&includes["arches"]);
        (arches.is_empty() || arches.iter().any(|name| name == arch))
            && list(&includes["caps"]).iter().all(is_ours)
            && !list(&excludes["arches"]).iter().any(|name| name == arch)
            && !list(&excludes["caps"]).iter().any(is_ours)
    };
    let rule = |rule: &Value| {
        let mut plain = json!({ "names": rule["names"], "action": rule["action"] });
        for field in ["errnoRet", "args"] {
            if !rule[field].is_null() {
                plain[field] = rule[field].clone();
            }
        }
        plain
    };
    let rules: Vec<Value> =
        profile["syscalls"].as_array().unwrap().iter().filter(counts).map(rule).collect();
    json!({
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules
    })
}

#[test]
fn rules_are_taken_by_architecture_and_capability() {
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
        "syscalls": [
            { "names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {}, "excludes": {} },
            { "names": ["other"], "action": "SCMP_ACT_ALLOW", "includes": { "arches": ["arm"] } },
            { "names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_BPF"] } },
            {
                "names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "errno": "EPERM",
                "excludes": { "caps": ["CAP_BPF"] }
            }
        ]
    });
    let rules =
        |capabilities: &[&str]| resolve(&profile, "amd64", capabilities)["syscalls"].clone();
    let read = json!({ "names": ["read"], "action": "SCMP_ACT_ALLOW" });
    let denied = json!({ "names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 });
    assert_eq!(rules(&[]), json!([read, denied]));
    let allowed = json!({ "names": ["bpf"], "action": "SCMP_ACT_ALLOW" });
    assert_eq!(rules(&["CAP_BPF"]), json!([read, allowed]));
}
