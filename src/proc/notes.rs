//! ELF notes (elf(5), "Notes"): a name, a type and a descriptor, one after the other.

use goblin::elf::note::NT_GNU_BUILD_ID;

/// What the notes of a file tell us.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    /// `NT_GNU_BUILD_ID` in hexadecimal.
    pub build_id: Option<String>,
    /// Android's own note (`.note.android.ident`) is there: bionic.
    pub android: bool,
}

impl Notes {
    /// Takes the notes of one segment or section in. What is cut off or has no sense ends it.
    pub fn read(&mut self, mut bytes: &[u8], align: u64, little_endian: bool) {
        // Notes are padded to 4 bytes, in segments aligned to 8 to these (System V gABI).
        let align = if align == 8 { 8 } else { 4 };
        while let Some((note, rest)) = Note::first(bytes, align, little_endian) {
            match (note.name, note.kind) {
                (b"GNU\0", NT_GNU_BUILD_ID) if self.build_id.is_none() => {
                    self.build_id = (!note.descriptor.is_empty())
                        .then(|| hex::encode(&note.descriptor[..note.descriptor.len().min(64)]));
                }
                (b"Android\0", _) => self.android = true,
                _ => {}
            }
            bytes = rest;
        }
    }
}

struct Note<'a> {
    name: &'a [u8],
    kind: u32,
    descriptor: &'a [u8],
}

impl<'a> Note<'a> {
    /// The first note in these bytes and what comes after it.
    fn first(bytes: &'a [u8], align: usize, little: bool) -> Option<(Note<'a>, &'a [u8])> {
        let word = |at: usize| -> Option<u32> {
            let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
            Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
        };
        let name_size = usize::try_from(word(0)?).ok()?;
        let descriptor_size = usize::try_from(word(4)?).ok()?;
        let kind = word(8)?;
        let name_end = 12usize.checked_add(name_size)?;
        let start = name_end.checked_next_multiple_of(align)?;
        let end = start.checked_add(descriptor_size)?;
        let note =
            Note { name: bytes.get(12..name_end)?, kind, descriptor: bytes.get(start..end)? };
        // The last one may lack its padding.
        let next = end.checked_next_multiple_of(align)?.min(bytes.len());
        Some((note, &bytes[next..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u32, descriptor: &[u8], align: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
        bytes.extend(u32::try_from(descriptor.len()).unwrap().to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(name);
        bytes.resize(bytes.len().next_multiple_of(align), 0);
        bytes.extend(descriptor);
        bytes.resize(bytes.len().next_multiple_of(align), 0);
        bytes
    }

    #[test]
    fn a_build_id_is_found_among_other_notes() {
        for align in [4, 8] {
            let mut bytes = note(b"GNU\0", 5, &[1; 12], align);
            bytes.extend(note(b"Android\0", 1, &[9; 4], align));
            bytes.extend(note(b"GNU\0", 3, &[0xab, 0xcd, 0xef], align));
            let mut notes = Notes::default();
            notes.read(&bytes, align as u64, true);
            assert_eq!(notes, Notes { build_id: Some("abcdef".into()), android: true });
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>, align: u64, little: bool) {
            Notes::default().read(&bytes, align, little);
        }
    }
}
