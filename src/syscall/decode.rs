//! Turns the values of tracked arguments into the words of their headers.

use super::arguments::{Source, Words};
use super::signal::signal_name;
use super::socket_options;
use super::words::{self, Table};

/// What is kept of a socket address: nothing that tells of hosts or paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SockAddr {
    /// `sa_family`.
    pub family: u16,
    /// The port, for families that have one.
    pub port: Option<u16>,
}

impl SockAddr {
    /// The most bytes of an address that [`SockAddr::parse`] looks at.
    pub const PREFIX: usize = 4;

    /// Reads the beginning of a `struct sockaddr` (`sys/socket.h`, `netinet/in.h`): the family in
    /// the machine's byte order, then for AF_INET and AF_INET6 the port in the network's. `None` if
    /// it is too short to have a family.
    pub fn parse(bytes: &[u8]) -> Option<SockAddr> {
        let family = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
        let has_port = matches!(i32::from(family), libc::AF_INET | libc::AF_INET6);
        let port = bytes.get(2..4).filter(|_| has_port).map(|b| u16::from_be_bytes([b[0], b[1]]));
        Some(SockAddr { family, port })
    }
}

/// The raw value that stands for "no port".
pub const NO_PORT: u64 = u64::MAX;

/// The values of one entry of the table of tracked arguments, in words.
pub fn text(parts: &[(Source, Words)], raw: &[u64]) -> String {
    let mut words: Vec<String> = Vec::new();
    for (i, ((_, vocabulary), value)) in parts.iter().zip(raw).enumerate() {
        // A socket option's name depends on the level before it.
        let level = (i > 0).then(|| raw[i - 1]);
        let word = word(*vocabulary, *value, level);
        if !word.is_empty() {
            words.push(word);
        }
    }
    words.join(", ")
}

fn word(vocabulary: Words, value: u64, before: Option<u64>) -> String {
    match vocabulary {
        Words::AccessMode => match value {
            0 => "O_RDONLY".to_owned(),
            1 => "O_WRONLY".to_owned(),
            2 => "O_RDWR".to_owned(),
            _ => "O_ACCMODE".to_owned(),
        },
        Words::AddressFamily => one_of(words::ADDRESS_FAMILIES, value),
        Words::ArchPrctl => one_of(words::ARCH_PRCTL, value),
        Words::Bpf => one_of(words::BPF, value),
        Words::CloneFlags => clone_flags(value),
        Words::Fcntl => one_of(words::FCNTL, value),
        Words::IoctlRequest => ioctl_request(value),
        Words::Keyctl => one_of(words::KEYCTL, value),
        Words::Madvise => one_of(words::MADVISE, value),
        Words::Number => value.to_string(),
        Words::Personality if value == 0xffff_ffff => "get".to_owned(),
        Words::Personality => format!("{value:#x}"),
        Words::Port if value == NO_PORT => String::new(),
        Words::Port => format!("port {value}"),
        Words::Prctl => one_of(words::PRCTL, value),
        Words::Protection if value == 0 => "PROT_NONE".to_owned(),
        Words::Protection => any_of(words::PROTECTION, value),
        Words::Ptrace => one_of(words::PTRACE, value),
        Words::Seccomp => one_of(words::SECCOMP, value),
        Words::Signal if value == 0 => "0".to_owned(),
        Words::Signal => i32::try_from(value).map_or_else(|_| format!("{value:#x}"), signal_name),
        Words::SocketCall => one_of(words::SOCKET_CALLS, value),
        Words::SocketLevel => one_of(words::SOCKET_LEVELS, value),
        Words::SocketOption => before
            .and_then(socket_options::of_level)
            .and_then(|options| lookup(options, value))
            .map_or_else(|| value.to_string(), str::to_owned),
        Words::SocketType => socket_type(value),
    }
}

fn lookup(table: Table, value: u64) -> Option<&'static str> {
    table.binary_search_by_key(&value, |(v, _)| *v).ok().map(|i| table[i].1)
}

fn one_of(table: Table, value: u64) -> String {
    lookup(table, value).map_or_else(|| format!("{value:#x}"), str::to_owned)
}

/// Flags joined by `|`; what has no name is added in hexadecimal.
fn any_of(table: Table, value: u64) -> String {
    let mut rest = value;
    let mut names: Vec<String> = Vec::new();
    for (bit, name) in table {
        if *bit != 0 && rest & bit == *bit {
            rest &= !bit;
            names.push((*name).to_owned());
        }
    }
    if rest != 0 || names.is_empty() {
        names.push(format!("{rest:#x}"));
    }
    names.join("|")
}

/// The low byte of `clone(2)`'s flags is the signal that the child sends when it ends.
fn clone_flags(value: u64) -> String {
    let (flags, signal) = (value & !0xff, value & 0xff);
    let signal = (signal != 0).then(|| signal_name(i32::try_from(signal).unwrap_or(0)));
    match (flags, signal) {
        (0, None) => "0".to_owned(),
        (0, Some(signal)) => signal,
        (flags, None) => any_of(words::CLONE_FLAGS, flags),
        (flags, Some(signal)) => format!("{}|{signal}", any_of(words::CLONE_FLAGS, flags)),
    }
}

fn socket_type(value: u64) -> String {
    let (kind, flags) = (value & 0xf, value & !0xf);
    match flags {
        0 => one_of(words::SOCKET_TYPES, kind),
        _ => {
            format!("{}|{}", one_of(words::SOCKET_TYPES, kind), any_of(words::SOCKET_FLAGS, flags))
        }
    }
}

/// A request without a name is written by its parts (`asm-generic/ioctl.h`): direction, type,
/// number, size.
fn ioctl_request(value: u64) -> String {
    if let Some(name) = lookup(words::IOCTLS, value) {
        return name.to_owned();
    }
    let direction = match value >> 30 & 3 {
        0 => "_IO",
        1 => "_IOW",
        2 => "_IOR",
        _ => "_IOWR",
    };
    format!(
        "{value:#x} {direction}({:#x}, {:#x}, {})",
        value >> 8 & 0xff,
        value & 0xff,
        value >> 16 & 0x3fff
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Arch;
    use crate::syscall::arguments::tracked;

    fn words_of(name: &str, raw: &[u64]) -> String {
        let entry = tracked(Arch::X86_64, name).next().expect("tracked");
        text(entry.parts, raw)
    }

    #[test]
    fn values_read_as_their_headers_write_them() {
        assert_eq!(
            words_of("socket", &[2, 0o2004001]),
            "AF_INET, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC"
        );
        assert_eq!(words_of("clone", &[0x11]), "SIGCHLD");
        assert_eq!(words_of("clone", &[0x0001_0100]), "CLONE_VM|CLONE_THREAD");
        assert_eq!(words_of("clone3", &[0x1_0000_0100]), "CLONE_VM|CLONE_CLEAR_SIGHAND");
        assert_eq!(words_of("mmap", &[0]), "PROT_NONE");
        assert_eq!(words_of("mprotect", &[5]), "PROT_READ|PROT_EXEC");
        assert_eq!(words_of("ioctl", &[0x5401]), "TCGETS");
        assert_eq!(words_of("ioctl", &[0xc0de_ad01]), "0xc0dead01 _IOWR(0xad, 0x1, 222)");
        assert_eq!(words_of("setsockopt", &[1, 2]), "SOL_SOCKET, SO_REUSEADDR");
        assert_eq!(words_of("setsockopt", &[6, 1]), "SOL_TCP, TCP_NODELAY");
        assert_eq!(words_of("setsockopt", &[0, 1]), "SOL_IP, IP_TOS");
        assert_eq!(words_of("setsockopt", &[41, 26]), "SOL_IPV6, IPV6_V6ONLY");
        assert_eq!(words_of("setsockopt", &[17, 103]), "SOL_UDP, UDP_SEGMENT");
        assert_eq!(words_of("setsockopt", &[1, 999]), "SOL_SOCKET, 999");
        assert_eq!(words_of("setsockopt", &[263, 1]), "SOL_PACKET, 1");
        assert_eq!(words_of("bind", &[2, 80]), "AF_INET, port 80");
        assert_eq!(words_of("bind", &[1, NO_PORT]), "AF_UNIX");
        assert_eq!(words_of("kill", &[15]), "SIGTERM");
        assert_eq!(words_of("prctl", &[15]), "PR_SET_NAME");
        assert_eq!(words_of("madvise", &[4]), "MADV_DONTNEED");
        assert_eq!(words_of("personality", &[0xffff_ffff]), "get");
        assert_eq!(words_of("openat", &[2]), "O_RDWR");
    }

    #[test]
    fn addresses_give_family_and_port_and_nothing_else() {
        assert_eq!(
            SockAddr::parse(&[2, 0, 0x1f, 0x90]),
            Some(SockAddr { family: 2, port: Some(8080) })
        );
        assert_eq!(SockAddr::parse(&[1, 0, b'/', b't']), Some(SockAddr { family: 1, port: None }));
        assert_eq!(SockAddr::parse(&[2, 0]), Some(SockAddr { family: 2, port: None }));
        assert_eq!(SockAddr::parse(&[2]), None);
    }

    #[test]
    fn tables_are_sorted_so_that_they_can_be_searched() {
        for table in [
            words::ADDRESS_FAMILIES,
            words::ARCH_PRCTL,
            words::BPF,
            words::FCNTL,
            words::IOCTLS,
            words::KEYCTL,
            words::MADVISE,
            words::PRCTL,
            words::PTRACE,
            words::SECCOMP,
            words::SOCKET_CALLS,
            words::SOCKET_LEVELS,
            words::SOCKET_TYPES,
        ] {
            assert!(table.windows(2).all(|w| w[0].0 < w[1].0), "{table:?}");
        }
    }
}
