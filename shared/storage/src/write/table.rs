use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use serde_json::Value;
use tokio::runtime::Handle;

use super::dictionary::not_worth_a_dictionary;
use super::distinct::DistinctValues;
use super::groups::GroupsWriter;
use super::keyed::Keyed;
use super::object::BlockingObject;
use super::thread::{Encode, EncoderThread};
use super::{WriteError, parquet_properties, statistics};
use crate::keys::ProjectKeys;
use crate::schema::TableSchema;
use crate::unique::{UniqueLimits, UniqueProof};
use crate::{ObjectPath, Store, layout};

/// How table files are written.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// A file that has grown to this many bytes is ended and another begun.
    pub file_bytes: u64,
    pub unique: UniqueLimits,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            file_bytes: 512 << 20,
            unique: UniqueLimits::default(),
        }
    }
}

/// A durable file of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenFile {
    pub path: ObjectPath,
    pub rows: u64,
    pub size_bytes: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
    /// By column: `nulls`, of texts and whole numbers `distinct`, which is the least number of different values, and
    /// of numbers and times that are no identity `min` and `max`; of an identity `id`, the fingerprint of the keys
    /// of the ids in the hidden column beside it; of a pseudonymized column `pseudonym`, the same of its values.
    pub statistics: Value,
}

/// What a [`TableWriter`] wrote.
#[derive(Debug)]
pub struct Written {
    /// None if there were no rows.
    pub files: Vec<WrittenFile>,
    pub rows: u64,
    /// Holds the identity values of what was written; add the files that the version keeps.
    pub unique: UniqueProof,
}

/// Writes batches of one table as Parquet files into one folder.
#[derive(Debug)]
pub struct TableWriter(EncoderThread<Written>);

impl TableWriter {
    /// Begins; nothing is written until there are rows. With `keys`, the identities of the table get
    /// hidden columns of ids beside them.
    #[must_use]
    pub fn start(
        store: Store,
        folder: ObjectPath,
        schema: TableSchema,
        keys: Option<ProjectKeys>,
        options: WriteOptions,
    ) -> Self {
        let keyed = Arc::new(Keyed::new(&schema, keys));
        let unique = UniqueProof::new(&schema, &options.unique);
        Self(EncoderThread::spawn(TableEncoder {
            store,
            folder,
            schema,
            keyed,
            file_bytes: options.file_bytes,
            runtime: Handle::current(),
            unique,
            current: None,
            files: Vec::new(),
            rows: 0,
        }))
    }

    /// Adds rows.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if an earlier batch could not be written; then nothing follows.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<(), WriteError> {
        self.0.write(batch).await
    }

    /// Ends the last file. When this returns, all are durable.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if any row could not be written.
    pub async fn finish(self) -> Result<Written, WriteError> {
        self.0.finish().await
    }
}

struct TableEncoder {
    store: Store,
    folder: ObjectPath,
    schema: TableSchema,
    keyed: Arc<Keyed>,
    file_bytes: u64,
    runtime: Handle,
    unique: UniqueProof,
    current: Option<Current>,
    files: Vec<WrittenFile>,
    rows: u64,
}

struct Current {
    path: ObjectPath,
    writer: GroupsWriter,
    distinct: DistinctValues,
    rows: u64,
}

impl TableEncoder {
    /// The file that is being written; a new one, if it has to be, as its first rows are best kept.
    fn current(&mut self, first: &RecordBatch) -> Result<&mut Current, WriteError> {
        let current = match self.current.take() {
            Some(current) => current,
            None => {
                let path = layout::table_file(&self.folder, self.files.len());
                let object = BlockingObject::new(self.store.writer(path.clone()), self.runtime.clone());
                let plain = not_worth_a_dictionary(first);
                let properties = parquet_properties(&self.schema, self.keyed.hidden(), &plain);
                let keyed = Arc::clone(&self.keyed);
                let writer = GroupsWriter::new(object, keyed, properties, self.runtime.clone())?;
                Current {
                    path,
                    writer,
                    distinct: DistinctValues::new(&self.schema),
                    rows: 0,
                }
            }
        };
        Ok(self.current.insert(current))
    }

    fn end_file(&mut self) -> Result<(), WriteError> {
        let Some(Current {
            path,
            mut writer,
            distinct,
            rows,
        }) = self.current.take()
        else {
            return Ok(());
        };
        let groups = writer.flush()?;
        let statistics = statistics::of(groups, &self.schema, &distinct, self.keyed.fingerprint());
        let (size_bytes, sha256) = writer.finish()?.finish()?;
        self.files.push(WrittenFile {
            path,
            rows,
            size_bytes,
            sha256,
            statistics,
        });
        Ok(())
    }
}

impl Encode for TableEncoder {
    type Output = Written;

    fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let rows = batch.num_rows() as u64;
        self.unique.add(batch)?;
        self.rows += rows;
        let file_bytes = self.file_bytes;
        let current = self.current(batch)?;
        current.distinct.add(batch);
        current.writer.write(batch)?;
        current.rows += rows;
        if current.writer.size_bytes() >= file_bytes {
            self.end_file()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Written, WriteError> {
        self.end_file()?;
        Ok(Written {
            files: self.files,
            rows: self.rows,
            unique: self.unique,
        })
    }
}
