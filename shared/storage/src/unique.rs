//! Proof that a column's values are unique over all files of a version, in bounded memory.
//!
//! Each value becomes a 128-bit hash (an integer stays itself); hashes are sorted in runs of a fixed
//! size, the runs of a column go to one temporary file, and a merge looks for two equal neighbours:
//! 16 bytes of disk for a row and column, memory that does not grow with the rows. Equal values have equal hashes, so no
//! repetition is ever missed; two different values of one hash (for a billion rows less likely than
//! 2^-69) only leave a true uniqueness unproven.
//!
//! Null is no value: it equals nothing, and a column with many nulls can be unique.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::Hasher as _;
use std::io::{self, BufWriter, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;

use crate::read::{BatchStream, Piece, ReadError, read_table_files};
use crate::schema::TableSchema;
use crate::{Store, StoreError};

/// How much a proof may use.
#[derive(Clone, Debug)]
pub struct UniqueLimits {
    /// Hashes sorted in memory at a time, of all columns together: 16 bytes each.
    pub run_rows: usize,
    /// Beyond this many values a column stays unproven.
    pub max_rows: u64,
    /// Where runs are spilled.
    pub spill_folder: PathBuf,
}

impl Default for UniqueLimits {
    fn default() -> Self {
        Self {
            run_rows: 1 << 20,
            max_rows: 2_000_000_000,
            spill_folder: std::env::temp_dir(),
        }
    }
}

/// Gathers the values of a table's identity columns.
#[derive(Debug)]
pub struct UniqueProof {
    columns: Vec<ColumnProof>,
}

#[derive(Debug)]
struct ColumnProof {
    name: String,
    /// None once the column is known not to be unique, or too long to tell.
    sorter: Option<Sorter>,
}

impl UniqueProof {
    /// Begins with no values, for each of the schema's identity columns.
    #[must_use]
    pub fn new(schema: &TableSchema, limits: &UniqueLimits) -> Self {
        let limits = UniqueLimits {
            run_rows: (limits.run_rows / schema.identities().count().max(1)).max(1),
            ..limits.clone()
        };
        let column = |at: usize| ColumnProof {
            name: schema.columns()[at].name.clone(),
            sorter: Some(Sorter::new(limits.clone())),
        };
        Self {
            columns: schema.identities().map(column).collect(),
        }
    }

    /// Columns that may still turn out to be unique.
    #[must_use]
    pub fn candidates(&self) -> Vec<String> {
        let open = self.columns.iter().filter(|column| column.sorter.is_some());
        open.map(|column| column.name.clone()).collect()
    }

    /// Gives up the columns that are not among `names`: what was not unique before more rows came
    /// is not unique after.
    pub fn keep_only(&mut self, names: &[String]) {
        for column in &mut self.columns {
            if !names.contains(&column.name) {
                column.sorter = None;
            }
        }
    }

    /// Adds the values of a batch. Blocks: it hashes, sorts and spills.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if a run cannot be spilled.
    pub fn add(&mut self, batch: &RecordBatch) -> io::Result<()> {
        for column in &mut self.columns {
            let (Some(sorter), Some(values)) = (&mut column.sorter, batch.column_by_name(&column.name))
            else {
                continue;
            };
            if !sorter.add(values)? {
                column.sorter = None;
            }
        }
        Ok(())
    }

    /// Adds the values of files that the version keeps.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if a file cannot be read, or a run not spilled.
    pub async fn add_files(
        mut self,
        store: &Store,
        files: Vec<Piece>,
        schema: &TableSchema,
    ) -> Result<Self, ReadError> {
        let candidates = self.candidates();
        if files.is_empty() || candidates.is_empty() {
            return Ok(self);
        }
        let narrow = schema
            .select(&candidates)
            .map_err(|_| ReadError::content("an identity column is missing"))?;
        let mut batches: BatchStream = read_table_files(store.clone(), files, narrow);
        while let Some(batch) = batches.next().await {
            let batch = batch?.batch;
            self = blocking(move || {
                self.add(&batch)?;
                Ok(self)
            })
            .await?;
        }
        Ok(self)
    }

    /// The names of the columns whose values are all different.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if a run cannot be read.
    pub async fn finish(self) -> Result<Vec<String>, StoreError> {
        blocking(move || {
            let mut unique = Vec::new();
            for column in self.columns {
                if let Some(sorter) = column.sorter
                    && sorter.finish()?
                {
                    unique.push(column.name);
                }
            }
            Ok(unique)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?;
    Ok(done?)
}

#[derive(Debug)]
struct Sorter {
    limits: UniqueLimits,
    run: Vec<u128>,
    /// Where the runs are spilled, one behind the other, and where each ends.
    spilled: Option<File>,
    ends: Vec<u64>,
    rows: u64,
}

impl Sorter {
    fn new(limits: UniqueLimits) -> Self {
        Self {
            limits,
            run: Vec::new(),
            spilled: None,
            ends: Vec::new(),
            rows: 0,
        }
    }

    /// False if a repetition was found, or the values are too many.
    fn add(&mut self, values: &ArrayRef) -> io::Result<bool> {
        self.rows += (values.len() - values.null_count()) as u64;
        if self.rows > self.limits.max_rows {
            return Ok(false);
        }
        if let Some(texts) = values.as_string_opt::<i32>() {
            self.extend(texts.iter().flatten().map(|text| hash(text.as_bytes())))
        } else if let Some(wholes) = values.as_primitive_opt::<Int64Type>() {
            self.extend(wholes.iter().flatten().map(|whole| u128::from(whole as u64)))
        } else if let Some(pseudonyms) = values.as_fixed_size_binary_opt() {
            // They are hashes already.
            let half = |it: &[u8]| {
                it.first_chunk()
                    .map_or_else(|| hash(it), |half| u128::from_le_bytes(*half))
            };
            self.extend(pseudonyms.iter().flatten().map(half))
        } else {
            // A type whose equality is not that of its bytes proves nothing.
            Ok(false)
        }
    }

    fn extend(&mut self, hashes: impl Iterator<Item = u128>) -> io::Result<bool> {
        for hash in hashes {
            self.run.push(hash);
            if self.run.len() >= self.limits.run_rows && !self.spill()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn sort(&mut self) -> bool {
        self.run.sort_unstable();
        self.run.windows(2).all(|pair| pair[0] != pair[1])
    }

    fn spill(&mut self) -> io::Result<bool> {
        if !self.sort() {
            return Ok(false);
        }
        let file = match self.spilled.take() {
            Some(file) => file,
            // Without a name it is gone with its handle, whatever ends the process.
            None => tempfile::tempfile_in(&self.limits.spill_folder)?,
        };
        let mut out = BufWriter::new(self.spilled.insert(file));
        for hash in &self.run {
            out.write_all(&hash.to_le_bytes())?;
        }
        out.flush()?;
        let begin = self.ends.last().copied().unwrap_or(0);
        self.ends.push(begin + (self.run.len() * HASH_BYTES) as u64);
        self.run.clear();
        Ok(true)
    }

    /// Whether no value came twice.
    fn finish(mut self) -> io::Result<bool> {
        if self.spilled.is_none() {
            return Ok(self.sort());
        }
        if !self.spill()? {
            return Ok(false);
        }
        let Some(file) = self.spilled else {
            return Ok(true);
        };
        // All runs together take what one of them took.
        let hashes = (self.limits.run_rows / self.ends.len()).max(MIN_AHEAD);
        let mut begin = 0;
        let mut runs: Vec<Run<'_>> = Vec::with_capacity(self.ends.len());
        for end in self.ends {
            runs.push(Run::new(&file, begin..end, hashes));
            begin = end;
        }
        let mut heads = BinaryHeap::new();
        for (index, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|hash| Reverse((hash, index))));
        }
        let mut last = None;
        while let Some(Reverse((hash, index))) = heads.pop() {
            if last.replace(hash) == Some(hash) {
                return Ok(false);
            }
            heads.extend(runs[index].next()?.map(|hash| Reverse((hash, index))));
        }
        Ok(true)
    }
}

const HASH_BYTES: usize = 16;
/// Hashes of a run that are read at a time at least: 4 KiB.
const MIN_AHEAD: usize = 256;

/// A run on disk, read a part at a time.
struct Run<'a> {
    file: &'a File,
    left: Range<u64>,
    ahead: usize,
    /// The next hashes, the first one last.
    hashes: Vec<u128>,
}

impl<'a> Run<'a> {
    const fn new(file: &'a File, bytes: Range<u64>, ahead: usize) -> Self {
        Self {
            file,
            left: bytes,
            ahead,
            hashes: Vec::new(),
        }
    }

    fn next(&mut self) -> io::Result<Option<u128>> {
        if self.hashes.is_empty() && !self.left.is_empty() {
            let length = (self.left.end - self.left.start).min((self.ahead * HASH_BYTES) as u64);
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            self.file.read_exact_at(&mut bytes, self.left.start)?;
            self.left.start += length;
            let (hashes, _) = bytes.as_chunks::<HASH_BYTES>();
            self.hashes
                .extend(hashes.iter().rev().map(|hash| u128::from_le_bytes(*hash)));
        }
        Ok(self.hashes.pop())
    }
}

/// Two 64-bit SipHashes of the text, told apart by what goes before it.
fn hash(text: &[u8]) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(text);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn schema() -> TableSchema {
        TableSchema::parse(&json!({ "type": "object", "properties": {
            "a": { "type": "string", "x-identity": "tail" },
            "b": { "type": "integer", "x-identity": "number" },
            "c": { "type": "integer" },
        } }))
        .unwrap()
    }

    fn batch(rows: &[(Option<String>, i64)]) -> RecordBatch {
        let texts: StringArray = rows.iter().map(|(text, _)| text.clone()).collect();
        let wholes: Int64Array = rows.iter().map(|(_, whole)| Some(*whole)).collect();
        RecordBatch::try_new(
            schema().arrow(),
            vec![Arc::new(texts), Arc::new(wholes.clone()), Arc::new(wholes)],
        )
        .unwrap()
    }

    fn limits(run_rows: usize) -> UniqueLimits {
        UniqueLimits {
            run_rows,
            ..UniqueLimits::default()
        }
    }

    #[tokio::test]
    async fn nulls_repeat_nothing_and_other_columns_are_not_asked() {
        let mut proof = UniqueProof::new(&schema(), &limits(2));
        proof
            .add(&batch(&[(None, 1), (Some("x".to_owned()), 2)]))
            .unwrap();
        proof
            .add(&batch(&[(None, 2), (Some("y".to_owned()), 3)]))
            .unwrap();
        assert_eq!(proof.finish().await.unwrap(), ["a"]);
    }

    #[tokio::test]
    async fn too_many_values_prove_nothing() {
        let mut proof = UniqueProof::new(
            &schema(),
            &UniqueLimits {
                max_rows: 1,
                ..limits(10)
            },
        );
        proof.add(&batch(&[(None, 1), (None, 2)])).unwrap();
        assert_eq!(proof.candidates(), ["a"]);
        proof.keep_only(&[]);
        assert!(proof.finish().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_column_has_one_file_however_many_runs_it_has() {
        let open = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let before = open();
        let mut proof = UniqueProof::new(&schema(), &limits(2));
        let rows: Vec<_> = (0..3_000).map(|n| (Some(n.to_string()), n)).collect();
        proof.add(&batch(&rows)).unwrap();
        assert!(open() < before + 1_000, "{} files", open() - before);
        assert_eq!(proof.finish().await.unwrap(), ["a", "b"]);
        // More than is read of a run at a time.
        let mut proof = UniqueProof::new(&schema(), &limits(2_000));
        proof.add(&batch(&rows)).unwrap();
        proof.add(&batch(&[(Some("2999".to_owned()), 3_000)])).unwrap();
        assert_eq!(proof.finish().await.unwrap(), ["b"]);
    }

    proptest! {
        #[test]
        fn a_column_is_proven_exactly_if_no_value_repeats(
            values in proptest::collection::vec(0_i64..60, 0..40),
            run_rows in 1_usize..8,
            step in 1_usize..10,
        ) {
            let rows: Vec<(Option<String>, i64)> =
                values.iter().map(|value| (Some(value.to_string()), *value)).collect();
            let mut proof = UniqueProof::new(&schema(), &limits(run_rows));
            for part in rows.chunks(step) {
                proof.add(&batch(part)).unwrap();
            }
            let distinct: std::collections::HashSet<&i64> = values.iter().collect();
            let expected: &[&str] = if distinct.len() == values.len() { &["a", "b"] } else { &[] };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            prop_assert_eq!(runtime.block_on(proof.finish()).unwrap(), expected);
        }
    }
}
