//! What identities the files of tables hold, remembered for as long as there is room.
//!
//! Little is added often: were all files of a table read for each addition, to see whether what is added is
//! there already, the work would grow with the square of their number. Files are never changed, so one that
//! was read is known for good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Store;
use crate::read::{Piece, ReadError};
use crate::schema::TableSchema;
use crate::unique::{UniqueProof, hashes_of_file};

/// The sorted hashes of a column of a file.
type Hashes = Arc<[u128]>;

/// Remembers hashes of identity values by file; clones share them.
#[derive(Clone, Debug)]
pub struct KnownValues {
    max_bytes: usize,
    files: Arc<Mutex<Files>>,
}

#[derive(Debug, Default)]
struct Files {
    known: HashMap<(String, String), Known>,
    bytes: usize,
    /// Counts looks, so that what was not looked at for the longest goes first.
    looks: u64,
}

#[derive(Debug)]
struct Known {
    hashes: Hashes,
    looked_at: u64,
}

impl KnownValues {
    /// Holds at most so many bytes.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            files: Arc::default(),
        }
    }

    /// Whether no value of the proof is in any of the files. False also where that is not known: values that
    /// are too many to hold, or files.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if a file that is not known cannot be read.
    pub async fn are_apart(
        &self,
        proof: &UniqueProof,
        store: &Store,
        files: &[Piece],
        schema: &TableSchema,
    ) -> Result<bool, ReadError> {
        // Far more than would fit, most likely.
        let compressed: u64 = files.iter().map(|file| file.size_bytes).sum();
        if compressed > self.max_bytes as u64 {
            return Ok(false);
        }
        let Some(added) = proof.hashes() else {
            return Ok(false);
        };
        for file in files {
            for (column, hashes) in &added {
                let Some(held) = self.of(store, file, schema, column).await? else {
                    return Ok(false);
                };
                if hashes.iter().any(|hash| held.binary_search(hash).is_ok()) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    async fn of(
        &self,
        store: &Store,
        file: &Piece,
        schema: &TableSchema,
        column: &str,
    ) -> Result<Option<Hashes>, ReadError> {
        // A column whose type was widened has other hashes for the same values.
        let of_type = schema
            .index_of(column)
            .map(|at| schema.columns()[at].column_type.clone());
        let key = (file.path.to_string(), format!("{column} {of_type:?}"));
        if let Some(hashes) = self.files().look(&key) {
            return Ok(Some(hashes));
        }
        // One file takes no more than a half of the room.
        let most = self.max_bytes / size_of::<u128>() / 2;
        let Some(hashes) = hashes_of_file(store, file, schema, column, most).await? else {
            return Ok(None);
        };
        let hashes: Hashes = hashes.into();
        self.files().keep(key, Arc::clone(&hashes), self.max_bytes);
        Ok(Some(hashes))
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn look(&mut self, key: &(String, String)) -> Option<Hashes> {
        self.looks += 1;
        let known = self.known.get_mut(key)?;
        known.looked_at = self.looks;
        Some(Arc::clone(&known.hashes))
    }

    fn keep(&mut self, key: (String, String), hashes: Hashes, max_bytes: usize) {
        self.bytes += size_of_val(&*hashes);
        let known = Known {
            hashes,
            looked_at: self.looks,
        };
        if let Some(before) = self.known.insert(key, known) {
            self.bytes -= size_of_val(&*before.hashes);
        }
        if self.bytes <= max_bytes {
            return;
        }
        // A quarter at once, so that not each addition looks for what to forget.
        let mut ages: Vec<_> = self.known.values().map(|it| it.looked_at).collect();
        ages.sort_unstable();
        let kept_from = ages[ages.len() / 4] + 1;
        self.known.retain(|_, it| it.looked_at >= kept_from);
        self.bytes = self.known.values().map(|it| size_of_val(&*it.hashes)).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: u64) -> (String, String) {
        (name.to_string(), "column".to_owned())
    }

    #[test]
    fn what_was_not_looked_at_for_long_goes_first() {
        let mut files = Files::default();
        for name in 0..8 {
            assert!(files.look(&key(name)).is_none());
            files.keep(key(name), vec![0; 10].into(), 8 * 160);
        }
        assert_eq!((files.known.len(), files.bytes), (8, 8 * 160));
        assert!(files.look(&key(0)).is_some());
        assert!(files.look(&key(8)).is_none());
        files.keep(key(8), vec![0; 10].into(), 8 * 160);
        assert!(files.look(&key(0)).is_some() && files.look(&key(8)).is_some());
        assert!(files.look(&key(1)).is_none());
        assert!(files.bytes <= 8 * 160);
        // Twice the same is there once.
        let bytes = files.bytes;
        files.keep(key(8), vec![0; 10].into(), 8 * 160);
        assert_eq!(files.bytes, bytes);
    }
}
