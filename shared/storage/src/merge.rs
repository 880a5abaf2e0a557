//! Many small files of a table become few with the same rows.
//!
//! Files are copied column by column as they are, with what the table's schema does not name: the hidden ids
//! beside identities. Only files that agree in those, and in what their statistics say they are keyed with, go
//! into one.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use crate::read::{ByteSource, Piece};
use crate::schema::TableSchema;
use crate::write::{BlockingObject, WriteError, WrittenFile, object_of, parquet_properties};
use crate::{ObjectPath, Store, layout};

mod statistics;

/// A file that may go into another.
#[derive(Clone, Debug)]
pub struct Mergeable {
    /// It is held in memory as a whole.
    pub piece: Piece,
    pub rows: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
    /// As its [`WrittenFile`] had them.
    pub statistics: Value,
}

/// What came of a merge.
#[derive(Debug, Default)]
pub struct Merged {
    /// The files whose rows are in the new ones.
    pub merged: Vec<ObjectPath>,
    pub files: Vec<WrittenFile>,
}

/// Writes the rows of files of a table into fewer files below `folder`, each begun anew at `file_bytes`. Files
/// that agree with no other are left out. When this returns, all are durable; dropped before, it stops at the
/// next file.
///
/// # Errors
///
/// [`WriteError`] if a file cannot be read or written, is damaged, or has not the rows that it should.
pub async fn merge_files(
    store: Store,
    folder: ObjectPath,
    files: Vec<Mergeable>,
    schema: TableSchema,
    file_bytes: u64,
) -> Result<Merged, WriteError> {
    let wanted = Arc::new(());
    let merge = Merge {
        store,
        folder,
        schema,
        file_bytes,
        runtime: Handle::current(),
        wanted: Arc::downgrade(&wanted),
        done: Merged::default(),
    };
    let done = tokio::task::spawn_blocking(move || merge.run(files)).await;
    drop(wanted);
    done.map_err(|lost| WriteError::Encode(lost.into()))?
}

struct Merge {
    store: Store,
    folder: ObjectPath,
    schema: TableSchema,
    file_bytes: u64,
    runtime: Handle,
    /// Gone when nobody waits for the merge any more.
    wanted: Weak<()>,
    done: Merged,
}

/// What files of one file have in common: the columns beside the table's, and what theirs are keyed with.
type Kinship = (Vec<FieldRef>, String);

impl Merge {
    fn run(mut self, files: Vec<Mergeable>) -> Result<Merged, WriteError> {
        let mut kin: BTreeMap<String, (Vec<FieldRef>, Vec<Mergeable>)> = BTreeMap::new();
        for file in files {
            let (hidden, keyed) = self.kinship(&file)?;
            let (_, members) = kin
                .entry(format!("{keyed} {hidden:?}"))
                .or_insert_with(|| (hidden, Vec::new()));
            members.push(file);
        }
        for (hidden, files) in kin.into_values().filter(|(_, files)| files.len() > 1) {
            self.merge(&hidden, files)?;
        }
        Ok(self.done)
    }

    fn read(&self, file: &Mergeable) -> Result<Bytes, WriteError> {
        if self.wanted.strong_count() == 0 {
            return Err(WriteError::Encode("nobody waits for the merge".into()));
        }
        let Piece { path, size_bytes } = &file.piece;
        let whole = self
            .runtime
            .block_on(self.store.get_range(path, 0..*size_bytes))?;
        // What a damaged file decodes to may look like rows, and would be taken for them for good.
        let found = hex::encode(Sha256::digest(&whole));
        if found == file.sha256 {
            return Ok(whole);
        }
        let expected = &file.sha256;
        Err(WriteError::Encode(
            format!("{path} is damaged: its SHA-256 is {found} in place of {expected}").into(),
        ))
    }

    fn kinship(&self, file: &Mergeable) -> Result<Kinship, WriteError> {
        let source = ByteSource::new(self.store.clone(), [file.piece.clone()]);
        let source = source.blocking(self.runtime.clone());
        let metadata = ArrowReaderMetadata::load(&source, ArrowReaderOptions::new())?;
        let fields = metadata.schema().fields().iter();
        let hidden = fields.filter(|field| self.schema.index_of(field.name()).is_none());
        Ok((hidden.cloned().collect(), statistics::keyed(&file.statistics)))
    }

    fn merge(&mut self, hidden: &[FieldRef], files: Vec<Mergeable>) -> Result<(), WriteError> {
        let columns = self.schema.arrow();
        let fields: Vec<_> = columns.fields().iter().chain(hidden).cloned().collect();
        let schema = Arc::new(Schema::new(fields));
        let mut current: Option<(ObjectPath, ArrowWriter<BlockingObject>, Vec<Mergeable>)> = None;
        for file in files {
            let (path, mut writer, mut within) = match current.take() {
                Some(current) => current,
                None => {
                    let path = layout::table_file(&self.folder, self.done.files.len());
                    let object = BlockingObject::new(self.store.writer(path.clone()), self.runtime.clone());
                    let ids = hidden.iter().map(|field| field.name().as_str());
                    let properties = parquet_properties(&self.schema, ids, &[]);
                    let writer = ArrowWriter::try_new(object, Arc::clone(&schema), Some(properties))?;
                    (path, writer, Vec::new())
                }
            };
            self.copy(&file, &schema, &mut writer)?;
            within.push(file);
            let size_bytes = writer.inner().size_bytes() + writer.in_progress_size() as u64;
            if size_bytes >= self.file_bytes {
                self.end(path, writer, within)?;
            } else {
                current = Some((path, writer, within));
            }
        }
        match current {
            Some((path, writer, within)) => self.end(path, writer, within),
            None => Ok(()),
        }
    }

    fn copy(
        &self,
        file: &Mergeable,
        schema: &SchemaRef,
        writer: &mut ArrowWriter<BlockingObject>,
    ) -> Result<(), WriteError> {
        let mut rows = 0;
        for batch in ParquetRecordBatchReaderBuilder::try_new(self.read(file)?)?.build()? {
            let batch = widened(&batch.map_err(encode)?, schema).map_err(encode)?;
            rows += batch.num_rows() as u64;
            writer.write(&batch)?;
        }
        if rows == file.rows {
            return Ok(());
        }
        let (path, expected) = (&file.piece.path, file.rows);
        Err(WriteError::Encode(
            format!("{path} has {rows} rows in place of {expected}").into(),
        ))
    }

    fn end(
        &mut self,
        path: ObjectPath,
        mut writer: ArrowWriter<BlockingObject>,
        within: Vec<Mergeable>,
    ) -> Result<(), WriteError> {
        writer.flush()?;
        let (size_bytes, sha256) = object_of(writer.into_inner())?.finish()?;
        self.done.files.push(WrittenFile {
            path,
            rows: within.iter().map(|file| file.rows).sum(),
            size_bytes,
            sha256,
            statistics: statistics::of_all(&within),
        });
        self.done
            .merged
            .extend(within.into_iter().map(|file| file.piece.path));
        Ok(())
    }
}

/// The batch with all columns, in the types that the table has by now: those of old files may be narrower, or
/// not there yet.
fn widened(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let column = |field: &FieldRef| -> Result<ArrayRef, ArrowError> {
        match batch.column_by_name(field.name()) {
            Some(given) if given.data_type() == field.data_type() => Ok(Arc::clone(given)),
            Some(given) => cast_with_options(given, field.data_type(), &options),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        }
    };
    let columns = schema.fields().iter().map(column).collect::<Result<_, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
}

fn encode(error: ArrowError) -> WriteError {
    WriteError::Encode(error.into())
}
