//! The machine: its kernel, its CPUs, and whether it is a container.

use std::fmt;
use std::fs;

/// The release of the kernel, `uname -r`; empty if it does not say.
pub fn kernel_release() -> String {
    nix::sys::utsname::uname()
        .map(|names| names.release().to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The machine, `uname -m`; empty if it does not say.
pub fn machine() -> String {
    nix::sys::utsname::uname()
        .map(|names| names.machine().to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// A version of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion {
    /// The first number.
    pub major: u32,
    /// The second one.
    pub minor: u32,
    /// The third one; 0 if there is none.
    pub patch: u32,
}

impl KernelVersion {
    /// The version `major.minor`.
    pub const fn new(major: u32, minor: u32) -> KernelVersion {
        KernelVersion { major, minor, patch: 0 }
    }

    /// Reads a release as uname(2) tells it: `6.18.44-fc-v669`, `5.10.0-28-amd64`, `6.1-rc3`.
    pub fn parse(release: &str) -> Option<KernelVersion> {
        let numeric = release.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        let mut numbers = numeric.split('.').map(str::parse::<u32>);
        let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        let patch = numbers.next().and_then(Result::ok).unwrap_or(0);
        Some(KernelVersion { major, minor, patch })
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// How many CPUs this process may use.
pub fn cpus() -> u32 {
    let own = nix::unistd::Pid::from_raw(0);
    let allowed = nix::sched::sched_getaffinity(own).map(|set| {
        (0..nix::sched::CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).count()
    });
    // EINVAL where the kernel was built for more CPUs than a cpu_set_t holds (1024).
    let count = allowed
        .unwrap_or_else(|_| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The first port that binds without CAP_NET_BIND_SERVICE; 1024 unless it was changed
/// (`net.ipv4.ip_unprivileged_port_start`, Linux 4.11; per network namespace).
pub fn ip_unprivileged_port_start() -> u32 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1024)
}

/// What may show that we run in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerHints {
    /// `KUBERNETES_SERVICE_HOST` is in our environment: the kubelet puts it there.
    pub kubernetes_environment: bool,
    /// `/.dockerenv` is there.
    pub dockerenv: bool,
    /// `/run/.containerenv` is there (Podman, Buildah).
    pub containerenv: bool,
    /// `container=` in the environment of process 1, or in ours: the container interface of
    /// systemd, which LXC, systemd-nspawn and Podman keep.
    pub container_variable: Option<String>,
    /// `/proc/1/cgroup` and `/proc/self/cgroup`.
    pub cgroup: String,
}

impl ContainerHints {
    /// Looks for them.
    pub fn gather() -> ContainerHints {
        let init = fs::read("/proc/1/environ").unwrap_or_default();
        let init =
            init.split(|b| *b == 0).find_map(|variable| variable.strip_prefix(b"container="));
        let variable = init
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .or_else(|| std::env::var("container").ok());
        let cgroup = |path| fs::read_to_string(path).unwrap_or_default();
        ContainerHints {
            kubernetes_environment: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
            dockerenv: fs::exists("/.dockerenv").unwrap_or(false),
            containerenv: fs::exists("/run/.containerenv").unwrap_or(false),
            container_variable: variable.filter(|value| !value.is_empty()),
            cgroup: cgroup("/proc/1/cgroup") + &cgroup("/proc/self/cgroup"),
        }
    }

    /// What kind of container they show: `kubernetes`, `podman`, `docker`, `lxc`, ...
    pub fn kind(&self) -> Option<String> {
        const CGROUPS: [(&str, &str); 6] = [
            ("kubepods", "kubernetes"),
            ("libpod", "podman"),
            ("docker", "docker"),
            ("containerd", "containerd"),
            ("/lxc", "lxc"),
            ("machine.slice/systemd-nspawn", "systemd-nspawn"),
        ];
        let by_cgroup = || {
            let known = CGROUPS.iter().find(|(part, _)| self.in_cgroup(part));
            known.map(|(_, kind)| (*kind).to_owned())
        };
        if self.kubernetes_environment {
            Some("kubernetes".to_owned())
        } else if self.containerenv {
            Some("podman".to_owned())
        } else if let Some(value) = &self.container_variable {
            Some(value.clone())
        } else if self.dockerenv {
            Some("docker".to_owned())
        } else {
            by_cgroup()
        }
    }

    /// Whether that is in the path of a cgroup. The units of the runtimes themselves,
    /// `docker.service`, are on the host.
    fn in_cgroup(&self, part: &str) -> bool {
        self.cgroup
            .lines()
            .filter_map(|line| line.splitn(3, ':').nth(2))
            .any(|path| path.contains(part) && !path.ends_with(".service"))
    }
}

/// What container we run in, if it can be recognised.
pub fn container() -> Option<String> {
    ContainerHints::gather().kind()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_have_versions() {
        let version = |text| KernelVersion::parse(text).map(|v| (v.major, v.minor, v.patch));
        assert_eq!(version("6.18.44-fc-v669"), Some((6, 18, 44)));
        assert_eq!(version("5.10.0-28-amd64"), Some((5, 10, 0)));
        assert_eq!(version("6.1-rc3"), Some((6, 1, 0)));
        assert_eq!(version("7.0.0+"), Some((7, 0, 0)));
        assert_eq!(version("5.15.167.4-microsoft-standard-WSL2"), Some((5, 15, 167)));
        assert_eq!(version("99999999999.1"), None);
        assert_eq!(version("linux"), None);
        assert!(KernelVersion::new(5, 10) > KernelVersion::new(5, 9));
    }

    #[test]
    fn this_machine_has_a_kernel_and_cpus() {
        assert!(KernelVersion::parse(&kernel_release()) > Some(KernelVersion::new(3, 0)));
        assert_eq!(machine(), std::env::consts::ARCH);
        let nproc = std::process::Command::new("nproc").output().unwrap().stdout;
        assert_eq!(cpus().to_string(), String::from_utf8(nproc).unwrap().trim());
        assert!(ip_unprivileged_port_start() <= 65536);
    }

    #[test]
    fn containers_are_told_by_their_traces() {
        let kind = |hints: ContainerHints| hints.kind();
        let cgroup = |text: &str| ContainerHints { cgroup: text.into(), ..Default::default() };
        assert_eq!(kind(ContainerHints::default()), None);
        assert_eq!(kind(cgroup("0::/\n")), None);
        assert_eq!(kind(cgroup("0::/system.slice/docker.service\n")), None);
        assert_eq!(kind(cgroup("0::/user.slice/user-1000.slice/session-2.scope\n")), None);
        assert_eq!(kind(cgroup("1:cpu:/docker/0123abc\n")).as_deref(), Some("docker"));
        let pod = "0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-12.scope\n";
        assert_eq!(kind(cgroup(pod)).as_deref(), Some("kubernetes"));
        let hints = ContainerHints { dockerenv: true, ..Default::default() };
        assert_eq!(kind(hints.clone()).as_deref(), Some("docker"));
        let hints = ContainerHints { kubernetes_environment: true, ..hints };
        assert_eq!(kind(hints).as_deref(), Some("kubernetes"));
        let hints = ContainerHints { container_variable: Some("lxc".into()), ..Default::default() };
        assert_eq!(kind(hints).as_deref(), Some("lxc"));
    }
}
