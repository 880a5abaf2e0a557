//! Proof that a column's values are unique over all files of a version, in bounded memory.
//!
//! Each value becomes a 128-bit hash (what has no more bits stays itself). Hashes are dealt to buckets; a run of a fixed
//! size goes to a temporary file, one for each column, bucket by bucket, and in the end each bucket is sorted by itself
//! and looked through for two equal neighbours: 24 bytes of disk for a row and column, and the memory of one run. Equal
//! values have equal hashes, so no repetition is ever missed. Two different values of one hash (for a billion rows less
//! likely than 2^-69) only leave a true uniqueness unproven, where it is looked for (`x-identity`); where it is demanded
//! (`x-unique`), the values themselves are read again before a repetition is told.
//!
//! Null is no value: it equals nothing, and a column with many nulls can be unique.

mod key;
mod repeats;
mod sorter;

use std::io;
use std::path::PathBuf;

use arrow::array::RecordBatch;

use self::key::keys;
pub use self::repeats::Repeat;
use self::repeats::{KEPT, Suspects};
use self::sorter::Sorter;
use crate::read::{BatchStream, Piece, ReadError, read_table_files};
use crate::schema::TableSchema;
use crate::{Store, StoreError};

/// How much a proof may use.
#[derive(Clone, Debug)]
pub struct UniqueLimits {
    /// Hashes in memory at a time, of all columns together: 24 bytes each.
    pub run_rows: usize,
    /// Beyond this many values a column stays unproven.
    pub max_rows: u64,
    /// Where runs are spilled.
    pub spill_folder: PathBuf,
}

impl Default for UniqueLimits {
    fn default() -> Self {
        Self {
            // Three quarters of what the buckets have room for when they have grown to it.
            run_rows: 3 << 18,
            max_rows: 2_000_000_000,
            spill_folder: std::env::temp_dir(),
        }
    }
}

/// Gathers the values of a table's columns that are unique or may turn out to be.
#[derive(Debug)]
pub struct UniqueProof {
    columns: Vec<ColumnProof>,
    /// Rows added so far, and of them those that the version kept.
    rows: u64,
    kept_rows: u64,
}

#[derive(Debug)]
struct ColumnProof {
    name: String,
    /// Whether it must be unique, so that repetitions are to be found and not only noticed.
    demanded: bool,
    /// None once the column is known not to be unique, or too long to tell.
    sorter: Option<Sorter>,
}

/// What the values were found to be.
#[derive(Debug)]
pub struct Proven {
    unique: Vec<String>,
    suspects: Vec<Suspects>,
    /// Columns that must be unique and have more values than can be told of.
    untold: Vec<String>,
}

impl UniqueProof {
    /// Begins with no values, for each column of the schema that must be unique or has an identity.
    #[must_use]
    pub fn new(schema: &TableSchema, limits: &UniqueLimits) -> Self {
        let columns = || {
            schema
                .columns()
                .iter()
                .filter(|it| it.unique || it.identity.is_some())
        };
        let limits = UniqueLimits {
            run_rows: (limits.run_rows / columns().count().max(1)).max(1),
            ..limits.clone()
        };
        let column = |it: &crate::schema::Column| ColumnProof {
            name: it.name.clone(),
            demanded: it.unique,
            sorter: Some(Sorter::new(limits.clone())),
        };
        Self {
            columns: columns().map(column).collect(),
            rows: 0,
            kept_rows: 0,
        }
    }

    /// Columns that may still turn out to be unique.
    #[must_use]
    pub fn candidates(&self) -> Vec<String> {
        let open = self.columns.iter().filter(|column| column.sorter.is_some());
        open.map(|column| column.name.clone()).collect()
    }

    /// Gives up the columns that are not among `names` and need not be unique: what was not unique before
    /// more rows came is not unique after.
    pub fn keep_only(&mut self, names: &[String]) {
        for column in &mut self.columns {
            if !column.demanded && !names.contains(&column.name) {
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
        self.add_numbered(batch, self.rows)?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn add_numbered(&mut self, batch: &RecordBatch, first_row: u64) -> io::Result<()> {
        for column in &mut self.columns {
            let (Some(sorter), Some(values)) = (&mut column.sorter, batch.column_by_name(&column.name))
            else {
                continue;
            };
            let Some(keys) = keys(values, first_row) else {
                column.sorter = None;
                continue;
            };
            sorter.extend(keys)?;
            if sorter.is_full() || (sorter.is_repeated() && !column.demanded) {
                column.sorter = None;
            }
        }
        Ok(())
    }

    /// Adds the values of files that were written before it began, in their order.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if a file cannot be read, or a run not spilled.
    pub async fn add_files(
        self,
        store: &Store,
        files: Vec<Piece>,
        schema: &TableSchema,
    ) -> Result<Self, ReadError> {
        self.add_all(store, files, schema, |proof, batch| proof.add(batch))
            .await
    }

    /// Adds the values of files that the version keeps.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if a file cannot be read, or a run not spilled.
    pub async fn add_kept_files(
        self,
        store: &Store,
        files: Vec<Piece>,
        schema: &TableSchema,
    ) -> Result<Self, ReadError> {
        self.add_all(store, files, schema, |proof, batch| {
            proof.add_numbered(batch, KEPT + proof.kept_rows)?;
            proof.kept_rows += batch.num_rows() as u64;
            Ok(())
        })
        .await
    }

    async fn add_all(
        mut self,
        store: &Store,
        files: Vec<Piece>,
        schema: &TableSchema,
        add: fn(&mut Self, &RecordBatch) -> io::Result<()>,
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
                add(&mut self, &batch)?;
                Ok(self)
            })
            .await?;
        }
        Ok(self)
    }

    /// The hashes of the values that were added, by column that may still be unique; none where they did not
    /// stay in memory.
    pub(crate) fn hashes(&self) -> Option<Vec<(String, Vec<u128>)>> {
        let open = self
            .columns
            .iter()
            .filter_map(|it| it.sorter.as_ref().map(|sorter| (it, sorter)));
        open.map(|(column, sorter)| Some((column.name.clone(), sorter.in_memory()?.collect())))
            .collect()
    }

    /// Looks for repetitions.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if a run cannot be read.
    pub async fn finish(self) -> Result<Proven, StoreError> {
        blocking(move || {
            let mut proven = Proven {
                unique: Vec::new(),
                suspects: Vec::new(),
                untold: Vec::new(),
            };
            for column in self.columns {
                let Some(sorter) = column.sorter else {
                    if column.demanded {
                        proven.untold.push(column.name);
                    }
                    continue;
                };
                let mut repeated = false;
                let mut suspects = Suspects::new(column.name.clone());
                sorter.finish(|same| {
                    repeated = true;
                    column.demanded && suspects.add(same)
                })?;
                if !repeated {
                    proven.unique.push(column.name);
                } else if !suspects.is_empty() {
                    proven.suspects.push(suspects);
                }
            }
            Ok(proven)
        })
        .await
    }
}

impl Proven {
    /// The names of the columns whose values are all different.
    #[must_use]
    pub fn unique(&self) -> &[String] {
        &self.unique
    }

    /// Columns that must be unique and have more values than [`UniqueLimits::max_rows`].
    #[must_use]
    pub fn untold(&self) -> &[String] {
        &self.untold
    }

    /// The rows that repeat a value of a column that must be unique, the first of each column, exactly: their
    /// values are read again from the files that were written and those that the version keeps.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if a file cannot be read.
    pub async fn repeats(
        self,
        store: &Store,
        schema: &TableSchema,
        new_files: &[Piece],
        kept_files: &[Piece],
    ) -> Result<Vec<Repeat>, ReadError> {
        let mut repeats = Vec::new();
        for suspects in self.suspects {
            repeats.extend(suspects.confirm(store, schema, new_files, kept_files).await?);
        }
        repeats.sort_by_key(|it| it.row);
        Ok(repeats)
    }
}

/// The sorted hashes of a column of a file of the table; none where it has more than `most`, or is no column whose
/// values can be unique.
pub(crate) async fn hashes_of_file(
    store: &Store,
    file: &Piece,
    schema: &TableSchema,
    column: &str,
    most: usize,
) -> Result<Option<Vec<u128>>, ReadError> {
    let limits = UniqueLimits {
        // All values stay in the one run.
        run_rows: most + 1,
        max_rows: most as u64,
        ..UniqueLimits::default()
    };
    let proof = UniqueProof {
        columns: vec![ColumnProof {
            name: column.to_owned(),
            // To know which values there are, not whether they repeat.
            demanded: true,
            sorter: Some(Sorter::new(limits)),
        }],
        rows: 0,
        kept_rows: 0,
    };
    let proof = proof.add_files(store, vec![file.clone()], schema).await?;
    let hashes = proof.hashes().and_then(|mut columns| columns.pop());
    let Some((_, mut hashes)) = hashes else {
        return Ok(None);
    };
    let sorted = blocking(move || {
        hashes.sort_unstable();
        Ok(hashes)
    });
    Ok(Some(sorted.await?))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?;
    Ok(done?)
}

#[cfg(test)]
mod tests;
