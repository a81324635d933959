use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::process::Command;

use super::*;

fn output(program: &str, args: &[&str]) -> String {
    String::from_utf8(Command::new(program).args(args).output().unwrap().stdout).unwrap()
}

/// The version of the glibc that this machine runs on: `glibc 2.36`.
fn own_glibc() -> String {
    output("getconf", &["GNU_LIBC_VERSION"]).trim().trim_start_matches("glibc ").to_owned()
}

#[test]
fn a_dynamic_program_is_what_its_headers_say() {
    let facts = inspect(Path::new("/bin/ls")).unwrap();
    assert_eq!(facts.linkage, Some(Linkage::Dynamic));
    assert_eq!(facts.interpreter.as_deref(), Some("/lib64/ld-linux-x86-64.so.2"));
    assert!(facts.needed.contains(&"libc.so.6".to_owned()), "{:?}", facts.needed);
    assert_eq!(facts.build_id.as_ref().map(String::len), Some(40));
    assert_eq!(facts.size, fs::metadata("/bin/ls").unwrap().len());
    assert_eq!(facts.sha256, output("sha256sum", &["/bin/ls"]).split(' ').next().unwrap());
    let libc = LibcFacts { flavour: Flavour::Glibc, version: Some(own_glibc()) };
    assert_eq!(facts.libc, Some(libc));
    assert_eq!((facts.machine, facts.malformed), (Some(62), None));
}

#[test]
fn build_ids_are_those_that_file_1_shows() {
    // Debian keeps debug symbols under the build-id, and readelf prints it; either may be absent.
    let exe = std::env::current_exe().unwrap();
    for path in [Path::new("/bin/ls"), Path::new("/bin/sh"), &exe] {
        let Ok(readelf) = Command::new("readelf").arg("-n").arg(path).output() else { return };
        let text = String::from_utf8_lossy(&readelf.stdout).into_owned();
        let expected = text.split("Build ID: ").nth(1).and_then(|t| t.split_whitespace().next());
        let file = rooted::open(path).unwrap();
        assert_eq!(build_id(&file, path).unwrap().as_deref(), expected, "{}", path.display());
    }
}

#[test]
fn the_c_library_and_its_linker_tell_their_version() {
    let root = Root::own().unwrap();
    let interpreter = "/lib64/ld-linux-x86-64.so.2";
    assert_eq!(libc_of(interpreter, &root).unwrap().version, Some(own_glibc()));
    let libc = root.real_path(Path::new(interpreter)).unwrap().with_file_name("libc.so.6");
    let contents = whole(&root.open(&libc).unwrap()).unwrap();
    assert_eq!(glibc_version(&contents), Some(own_glibc()));
    assert_eq!(libc_of("/lib/ld-musl-none.so.1", &root).unwrap().flavour, Flavour::Musl);
    assert_eq!(libc_of("/no/such/loader", &root), None);
}

/// Compiles a program, or gives up where there is no compiler or no static C library.
fn compiled(directory: &Path, flags: &[&str]) -> Option<std::path::PathBuf> {
    let source = directory.join("main.c");
    fs::write(&source, "int main(void) { return 0; }\n").ok()?;
    let program = directory.join("main");
    let status = Command::new("cc").args(flags).arg(&source).arg("-o").arg(&program).output();
    status.ok()?.status.success().then_some(program)
}

#[test]
fn static_programs_are_told_from_dynamic_ones() {
    let directory = tempfile::tempdir().unwrap();
    let glibc = Some(Flavour::Glibc);
    for (flags, linkage, pie) in [
        (&["-static", "-no-pie"][..], Linkage::Static, false),
        (&["-static-pie"], Linkage::StaticPie, true),
        (&["-no-pie"], Linkage::Dynamic, false),
        (&["-pie", "-fPIE"], Linkage::Dynamic, true),
    ] {
        let Some(program) = compiled(directory.path(), flags) else { return };
        let facts = inspect(&program).unwrap();
        assert_eq!(facts.linkage, Some(linkage), "{flags:?}");
        assert_eq!(facts.position_independent, pie, "{flags:?}");
        assert_eq!(facts.libc.map(|libc| libc.flavour), glibc, "{flags:?}");
        assert_eq!(facts.malformed, None);
    }
    let none = &["-static", "-nostdlib", "-Wl,-e,main", "-Wl,--build-id=none"];
    let facts = inspect(&compiled(directory.path(), none).unwrap()).unwrap();
    assert_eq!((facts.linkage, facts.libc), (Some(Linkage::Static), None));
    assert_eq!(facts.build_id, None);
}

#[test]
fn a_static_busybox_has_its_library_in_it() {
    let path = Path::new("/bin/busybox");
    if !path.exists() || output("file", &["-L", "/bin/busybox"]).contains("dynamically") {
        return;
    }
    let facts = inspect(path).unwrap();
    assert_eq!(facts.linkage, Some(Linkage::Static));
    assert_eq!(facts.interpreter, None);
    assert!(facts.libc.is_some());
}

#[test]
fn other_files_are_scripts_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let inspect = |contents: &[u8]| {
        let path = directory.path().join("file");
        fs::write(&path, contents).unwrap();
        inspect(&path).unwrap()
    };
    let script = inspect(b"#! /usr/bin/env  bash -x\necho\n");
    assert_eq!(script.linkage, Some(Linkage::Script));
    assert_eq!(script.interpreter.as_deref(), Some("/usr/bin/env"));
    assert_eq!(script.libc, None);
    assert_eq!(inspect(b"#!\n").linkage, None);
    let empty = inspect(b"");
    assert_eq!((empty.size, empty.linkage, empty.malformed), (0, None, None));
    assert!(empty.sha256.starts_with("e3b0c442"));
    assert_eq!(inspect(b"hello").linkage, None);
    assert!(inspect(b"\x7fELF").malformed.is_some());
}

#[test]
fn a_huge_file_costs_no_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("huge");
    fs::copy("/bin/ls", &path).unwrap();
    // A hole of 200 GB behind it; the hash is left out, which alone has to read it.
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(200 << 30)).unwrap();
    file.write_all(b"x").unwrap();
    let file = rooted::open(&path).unwrap();
    assert_eq!(
        build_id(&file, &path).unwrap(),
        build_id(&rooted::open(Path::new("/bin/ls")).unwrap(), Path::new("/bin/ls")).unwrap()
    );
}

#[test]
fn tables_of_absurd_size_are_refused() {
    let mut image = fs::read("/bin/ls").unwrap();
    // The size of the first PT_INTERP: 32 bytes into its entry of 56, which are at e_phoff = 64.
    let entry = (0..20)
        .map(|n| 64 + n * 56)
        .find(|at| image[*at..at + 4] == PT_INTERP.to_le_bytes())
        .unwrap();
    image[entry + 32..entry + 40].copy_from_slice(&u64::MAX.to_le_bytes());
    let facts = garbled(&image);
    assert!(facts.malformed.as_ref().unwrap().contains("more than it can need"), "{facts:?}");
    // What was read before is kept.
    assert!(facts.build_id.is_some());
}

/// The facts of a file of these bytes, without its hash.
fn garbled(image: &[u8]) -> ElfFacts {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(image).unwrap();
    Headers::read(&file, Path::new("garbled")).unwrap().facts
}

#[test]
fn a_file_cut_off_anywhere_does_no_harm() {
    let image = fs::read("/bin/ls").unwrap();
    for cut in (0..1200).chain((1200..image.len()).step_by(997)) {
        garbled(&image[..cut]);
    }
}

proptest::proptest! {
    #[test]
    fn garbled_files_do_no_harm(
        changes in proptest::collection::vec((0usize..2048, proptest::num::u8::ANY), 1..12),
        tail in proptest::option::of((0usize..4096, proptest::num::u64::ANY)),
    ) {
        let mut image = fs::read("/bin/ls").unwrap();
        for (at, byte) in changes {
            // The header and the program headers, where it hurts.
            image[at] = byte;
        }
        if let Some((from_end, word)) = tail {
            // The section headers are at the end.
            let at = image.len() - 8 - from_end;
            image[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        garbled(&image);
    }

    #[test]
    fn random_headers_do_no_harm(class in 0u8..4, data in 0u8..4, rest: Vec<u8>) {
        let mut image = vec![0x7f, b'E', b'L', b'F', class, data, 1, 0];
        image.extend(rest);
        image.resize(image.len().max(64), 0xff);
        garbled(&image);
    }
}
