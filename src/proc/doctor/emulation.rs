//! Kernels that are none, or not the one that the program will run on: there ptrace lies or is
//! absent, and what is recorded is the emulator's doing.

use std::fmt;
use std::fs;

use super::super::{host, tree};

/// Something that plays Linux on this architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulator {
    /// `qemu-x86_64`: translates the program, and its syscalls one by one. Has neither ptrace nor
    /// seccomp.
    QemuUser,
    /// Apple's, on Arm machines. Has no ptrace for what it translates.
    Rosetta,
    /// A kernel in user space, written in Go.
    Gvisor,
}

impl fmt::Display for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Emulator::QemuUser => "qemu-user",
            Emulator::Rosetta => "Rosetta",
            Emulator::Gvisor => "gVisor",
        })
    }
}

/// An emulator, and what gave it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emulation {
    /// Which.
    pub emulator: Emulator,
    /// By what it was recognised.
    pub evidence: String,
}

/// What may give an emulator away.
#[derive(Clone, Debug, Default)]
pub(super) struct Signs {
    /// `uname -m`.
    pub machine: String,
    /// `uname -r`.
    pub release: String,
    /// `uname -v`.
    pub version: String,
    /// `/proc/cpuinfo`.
    pub cpuinfo: String,
    /// `/proc/thread-self/maps`: QEMU shows a false one only under `/proc/self` and `/proc/PID`
    /// (`linux-user/syscall.c`, `is_proc_myself`).
    pub thread_maps: String,
    /// The size of our address space by `/proc/self/stat`, which QEMU leaves 0.
    pub virtual_size: Option<u64>,
    /// Whether Rosetta is registered with binfmt_misc.
    pub rosetta_registered: bool,
}

impl Signs {
    /// Looks for them.
    pub fn gather() -> Signs {
        let names = nix::sys::utsname::uname();
        let version = names.map(|n| n.version().to_string_lossy().into_owned());
        let read = |path| {
            let bytes = fs::read(path).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let stat = fs::read("/proc/self/stat").ok();
        Signs {
            machine: host::machine(),
            release: host::kernel_release(),
            version: version.unwrap_or_default(),
            cpuinfo: read("/proc/cpuinfo"),
            thread_maps: read("/proc/thread-self/maps"),
            virtual_size: stat.and_then(|text| Some(tree::parse_stat(&text)?.virtual_size)),
            rosetta_registered: fs::exists("/proc/sys/fs/binfmt_misc/rosetta").unwrap_or(false),
        }
    }

    /// The emulator that they give away.
    pub fn emulation(&self) -> Option<Emulation> {
        let found =
            |emulator, evidence: &str| Some(Emulation { emulator, evidence: evidence.to_owned() });
        // Constant since its first release (pkg/sentry/syscalls/linux/linux64.go): "Linux 4.4.0",
        // later "4.19.0-gvisor", said to be built on a day before it existed.
        if self.release.contains("gvisor") || self.version.contains("Sun Jan 10 15:06:54 PST 2016")
        {
            return found(Emulator::Gvisor, "the version that uname(2) tells is gVisor's");
        }
        if self.cpuinfo.contains("VirtualApple") {
            return found(Emulator::Rosetta, "/proc/cpuinfo says VirtualApple");
        }
        if let Some(path) = self.mapped(|name| name == "rosetta") {
            return found(Emulator::Rosetta, &format!("{path} is mapped into this process"));
        }
        if let Some(path) = self.mapped(|name| name.starts_with("qemu-")) {
            return found(Emulator::QemuUser, &format!("{path} is mapped into this process"));
        }
        if self.virtual_size == Some(0) {
            return found(Emulator::QemuUser, "/proc/self/stat tells of no memory");
        }
        if self.is_x86() && self.is_foreign_cpu() {
            let evidence = format!("the machine is {}, but not /proc/cpuinfo's", self.machine);
            let emulator =
                if self.rosetta_registered { Emulator::Rosetta } else { Emulator::QemuUser };
            return found(emulator, &evidence);
        }
        None
    }

    fn is_x86(&self) -> bool {
        self.machine == "x86_64" || (self.machine.starts_with('i') && self.machine.ends_with("86"))
    }

    /// Lines that the kernels of Arm, RISC-V and POWER machines write.
    fn is_foreign_cpu(&self) -> bool {
        ["CPU implementer", "hart\t", "cpu\t\t: POWER"].iter().any(|l| self.cpuinfo.contains(l))
    }

    /// The mapped file whose name is such a one.
    fn mapped(&self, is_it: impl Fn(&str) -> bool) -> Option<&str> {
        let paths = self.thread_maps.lines().filter_map(|line| {
            let start = line.find('/')?;
            Some(line[start..].trim_end_matches(" (deleted)"))
        });
        paths.into_iter().find(|path| path.rsplit('/').next().is_some_and(&is_it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native() -> Signs {
        Signs {
            machine: "x86_64".into(),
            release: "6.8.0-45-generic".into(),
            version: "#45-Ubuntu SMP PREEMPT_DYNAMIC Fri Aug 30 12:02:04 UTC 2024".into(),
            cpuinfo: "processor\t: 0\nvendor_id\t: GenuineIntel\n".into(),
            thread_maps: "55e66628a000-55e66628c000 r--p 00000000 fe:00 247030   /usr/bin/cat\n\
                7ffd90000000-7ffd90002000 r-xp 00000000 00:00 0          [vdso]\n"
                .into(),
            virtual_size: Some(5_000_000),
            rosetta_registered: false,
        }
    }

    #[test]
    fn a_machine_of_its_own_is_none() {
        assert_eq!(native().emulation(), None);
        let registered_for_others = Signs { rosetta_registered: true, ..native() };
        assert_eq!(registered_for_others.emulation(), None);
        let in_a_folder = native().thread_maps.replace("/usr/bin/cat", "/opt/qemu-tests/cat");
        assert_eq!(Signs { thread_maps: in_a_folder, ..native() }.emulation(), None);
    }

    #[test]
    fn this_machine_is_none() {
        assert_eq!(Signs::gather().emulation(), None);
    }

    #[test]
    fn emulators_give_themselves_away() {
        let emulator = |signs: Signs| signs.emulation().unwrap().emulator;
        let gvisor = "#1 SMP Sun Jan 10 15:06:54 PST 2016";
        let old = Signs { release: "4.4.0".into(), version: gvisor.into(), ..native() };
        assert_eq!(emulator(old), Emulator::Gvisor);
        let new = Signs { release: "4.19.0-gvisor".into(), ..native() };
        assert_eq!(emulator(new), Emulator::Gvisor);
        let apple = "vendor_id\t: VirtualApple\nmodel name\t: VirtualApple @ 2.50GHz\n";
        assert_eq!(emulator(Signs { cpuinfo: apple.into(), ..native() }), Emulator::Rosetta);
        let map = native().thread_maps.replace("/usr/bin/cat", "/run/rosetta/rosetta");
        assert_eq!(emulator(Signs { thread_maps: map, ..native() }), Emulator::Rosetta);
        let map = native().thread_maps.replace("/usr/bin/cat", "/usr/bin/qemu-x86_64-static");
        let qemu = Signs { thread_maps: map, ..native() };
        assert_eq!(emulator(qemu.clone()), Emulator::QemuUser);
        let evidence = qemu.emulation().unwrap().evidence;
        assert_eq!(evidence, "/usr/bin/qemu-x86_64-static is mapped into this process");
        assert_eq!(emulator(Signs { virtual_size: Some(0), ..native() }), Emulator::QemuUser);
        let arm = Signs { cpuinfo: "CPU implementer\t: 0x41\n".into(), ..native() };
        assert_eq!(emulator(arm.clone()), Emulator::QemuUser);
        assert_eq!(emulator(Signs { rosetta_registered: true, ..arm }), Emulator::Rosetta);
    }
}
