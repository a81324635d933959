//! Which C library a file is, or holds, by the texts that each puts into itself.

use std::fmt;

/// A C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// The GNU C library.
    Glibc,
    /// musl.
    Musl,
    /// Android's.
    Bionic,
    /// uClibc and uClibc-ng.
    Uclibc,
}

impl Flavour {
    /// The library whose dynamic linker has that path.
    pub(super) fn of_interpreter(path: &str) -> Option<Flavour> {
        let name = path.rsplit('/').next()?;
        if name.starts_with("ld-musl-") {
            Some(Flavour::Musl)
        } else if name.starts_with("ld-uClibc") || name.starts_with("ld64-uClibc") {
            Some(Flavour::Uclibc)
        } else if path.ends_with("/bin/linker") || path.ends_with("/bin/linker64") {
            Some(Flavour::Bionic)
        } else if name.starts_with("ld-linux") || name.starts_with("ld64.so") || name == "ld.so.1" {
            Some(Flavour::Glibc)
        } else {
            None
        }
    }
}

/// Its name in recordings.
impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flavour::Glibc => "glibc",
            Flavour::Musl => "musl",
            Flavour::Bionic => "bionic",
            Flavour::Uclibc => "uclibc",
        })
    }
}

/// The C library of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibcFacts {
    /// Which.
    pub flavour: Flavour,
    /// Its release, if it can be told: `2.36`.
    pub version: Option<String>,
}

/// What glibc's `libc.so.6` (`csu/version.c`) and, from 2.33 on, its `ld.so` say of themselves:
/// `GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.`
const GLIBC_BANNERS: [&[u8]; 2] = [b"GNU C Library (", b"ld.so ("];
const GLIBC_RELEASE: &[u8] = b"release version ";

/// What is in every static glibc program: the abort message of 2.35 and later, and before that the
/// names of its tunables (`elf/dl-tunables.list`, 2.26).
const GLIBC_STATIC: [&[u8]; 2] = [b"Fatal glibc error: ", b"glibc.malloc."];

/// musl's `strerror` of an unknown number (`src/errno/__strerror.h`), with the end of its string:
/// the error before it is the table's last but one.
const MUSL_STATIC: &[u8] = b"\0No error information\0";

/// What musl's dynamic linker says of itself (`ldso/dynlink.c`).
const MUSL_LINKER: &[u8] = b"musl libc (";

/// The release of glibc by the contents of `libc.so.6` or `ld.so`.
pub(super) fn glibc_version(contents: &[u8]) -> Option<String> {
    GLIBC_BANNERS.iter().find_map(|banner| {
        let start = find(contents, banner)?;
        let text = &contents[start..contents.len().min(start + 256)];
        let release = find(text, GLIBC_RELEASE)? + GLIBC_RELEASE.len();
        // Where the number reaches the end of what was read, more of it may follow.
        let text = &text[release..];
        let end = text.iter().position(|b| !is_numeric(*b))?;
        dotted(&text[..end])
    })
}

/// The release of musl by the contents of its dynamic linker: the only string in it that is a
/// version and nothing else (`__libc_version`).
pub(super) fn musl_version(contents: &[u8]) -> Option<String> {
    find(contents, MUSL_LINKER)?;
    let mut strings = contents.split(|b| *b == 0).filter(|s| (5..24).contains(&s.len()));
    strings.find_map(|string| {
        let end = string.iter().position(|b| !is_numeric(*b)).unwrap_or(string.len());
        let (number, rest) = string.split_at(end);
        // `1.2.3-git-12-gabcdef` is a build from a checkout.
        let whole = rest.is_empty() || rest.starts_with(b"-git");
        dotted(number).filter(|version| whole && version.matches('.').count() == 2)
    })
}

/// Finds the C library in a static program, which is handed over piece by piece.
#[derive(Debug, Default)]
pub(super) struct StaticScan {
    /// The end of the last piece, where a text may have begun.
    carried: Vec<u8>,
    found: Option<LibcFacts>,
}

impl StaticScan {
    /// Longer than any text that is looked for, with what is read behind it.
    const OVERLAP: usize = 512;

    /// Takes the next piece in.
    pub fn feed(&mut self, piece: &[u8]) {
        if matches!(&self.found, Some(facts) if facts.version.is_some()) {
            return;
        }
        self.carried.extend_from_slice(piece);
        let window = std::mem::take(&mut self.carried);
        if find(&window, GLIBC_BANNERS[0]).is_some()
            && let Some(version) = glibc_version(&window)
        {
            self.found = Some(LibcFacts { flavour: Flavour::Glibc, version: Some(version) });
            return;
        }
        if self.found.is_none() {
            let flavour = if GLIBC_STATIC.iter().any(|text| find(&window, text).is_some()) {
                Some(Flavour::Glibc)
            } else {
                find(&window, MUSL_STATIC).map(|_| Flavour::Musl)
            };
            self.found = flavour.map(|flavour| LibcFacts { flavour, version: None });
        }
        self.carried = window[window.len().saturating_sub(StaticScan::OVERLAP)..].to_vec();
    }

    /// What was found.
    pub fn finish(self) -> Option<LibcFacts> {
        self.found
    }
}

fn is_numeric(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

/// A version in digits and dots: `2.36`, also where a full stop follows.
fn dotted(text: &[u8]) -> Option<String> {
    let number = std::str::from_utf8(text).ok()?.trim_end_matches('.');
    let sound = number.contains('.') && number.split('.').all(|part| (1..6).contains(&part.len()));
    sound.then(|| number.to_owned())
}

/// Where a text begins. Looks for its first byte, then for the rest.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, rest) = needle.split_first()?;
    let mut from = 0;
    loop {
        let at = from + haystack[from..].iter().position(|b| b == first)?;
        if haystack[at + 1..].starts_with(rest) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_tell_the_library() {
        let of = Flavour::of_interpreter;
        assert_eq!(of("/lib64/ld-linux-x86-64.so.2"), Some(Flavour::Glibc));
        assert_eq!(of("/nix/store/x-glibc-2.38/lib/ld-linux-x86-64.so.2"), Some(Flavour::Glibc));
        assert_eq!(of("/lib/ld-linux.so.2"), Some(Flavour::Glibc));
        assert_eq!(of("/lib/ld-musl-x86_64.so.1"), Some(Flavour::Musl));
        assert_eq!(of("/system/bin/linker64"), Some(Flavour::Bionic));
        assert_eq!(of("/opt/my-loader"), None);
    }

    #[test]
    fn banners_hold_versions() {
        let glibc =
            b"\0GNU C Library (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36.\n";
        assert_eq!(glibc_version(glibc).as_deref(), Some("2.36"));
        let old = b"GNU C Library (GNU libc) stable release version 2.17, by Roland McGrath et al.";
        assert_eq!(glibc_version(old).as_deref(), Some("2.17"));
        assert_eq!(glibc_version(b"GNU C Library (x) release version ."), None);
        let musl = b"1.1.1\0x\x001.2.3\0musl libc (x86_64)\nVersion %s\n\0";
        assert_eq!(musl_version(musl).as_deref(), Some("1.1.1"));
        assert_eq!(musl_version(b"\x001.2.3\0"), None);
    }

    #[test]
    fn a_text_across_two_pieces_is_found() {
        let text = b"xxxxGNU C Library (GNU libc) stable release version 2.31.\nxx";
        for cut in 0..text.len() {
            let mut scan = StaticScan::default();
            scan.feed(&text[..cut]);
            scan.feed(&text[cut..]);
            let facts = scan.finish().unwrap();
            // Cut within the number, the first piece alone would say 2.3.
            assert_eq!(facts.flavour, Flavour::Glibc);
            assert_eq!(facts.version.as_deref(), Some("2.31"), "cut at {cut}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            glibc_version(&bytes);
            musl_version(&bytes);
            let mut scan = StaticScan::default();
            bytes.chunks(7).for_each(|piece| scan.feed(piece));
            scan.finish();
        }
    }
}
