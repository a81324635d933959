//! Reading files whose text the kernel makes as it is asked for.

use std::fs::File;
use std::io::{self, Read};

/// What one read gives at most of most such files, however long the buffer (`fs/seq_file.c`).
const PAGE: usize = 4096;

/// The whole text. They all claim to be empty, which makes [`std::fs::read`] ask for their size and
/// then feel its way up from 32 bytes: ten system calls for a file that needs four.
pub(super) fn read(file: &str) -> io::Result<Vec<u8>> {
    let mut open = File::open(file)?;
    let mut text = Vec::new();
    let mut filled = 0;
    loop {
        if text.len() < filled + PAGE {
            text.resize(filled + 2 * PAGE, 0);
        }
        match open.read(&mut text[filled..]) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    text.truncate(filled);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_any_length_is_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("text");
        for length in [0, 1, PAGE, 2 * PAGE, 2 * PAGE + 1, 100_000] {
            let text: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
            std::fs::write(&file, &text).unwrap();
            assert_eq!(read(file.to_str().unwrap()).unwrap(), text);
        }
        assert!(read("/proc/self/maps").unwrap().ends_with(b"\n"));
        assert_eq!(read("/proc/0/maps").unwrap_err().raw_os_error(), Some(libc::ENOENT));
    }
}
