//! A list that only grows, and that is copied at next to no cost.

use std::sync::Arc;

/// How many entries are in a full chunk: a copy of 4,096 of them touches 64 chunks and at most as
/// many single entries.
const CHUNK: usize = 64;

/// A list of what never changes once it is in. Its copies share the entries, so that one can be
/// handed to another thread while this one goes on.
#[derive(Debug)]
pub struct Log<T> {
    full: Vec<Arc<[Arc<T>]>>,
    latest: Vec<Arc<T>>,
}

impl<T> Log<T> {
    /// Adds an entry at the end.
    pub fn push(&mut self, entry: T) {
        self.latest.push(Arc::new(entry));
        if self.latest.len() == CHUNK {
            self.full.push(self.latest.drain(..).collect());
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.full.len() * CHUNK + self.latest.len()
    }

    /// The entries in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.full.iter().flat_map(|chunk| chunk.iter()).chain(&self.latest).map(AsRef::as_ref)
    }
}

impl<T> Default for Log<T> {
    fn default() -> Log<T> {
        Log { full: Vec::new(), latest: Vec::new() }
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Log<T> {
        Log { full: self.full.clone(), latest: self.latest.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_the_list_as_it_was() {
        let mut log = Log::default();
        let mut copies = Vec::new();
        for n in 0..3 * CHUNK + 1 {
            copies.push(log.clone());
            log.push(n);
        }
        for (n, copy) in copies.iter().enumerate() {
            assert_eq!(copy.len(), n);
            assert!(copy.iter().copied().eq(0..n), "{n}");
        }
    }
}
