//! A table's files as one, without decoding them: the chunks of the columns go over as the bytes they are.

use std::sync::{Arc, Weak};

use arrow::datatypes::SchemaRef;
use bytes::{Buf as _, Bytes, buf::Reader};
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;
use tokio::runtime::Handle;

use super::export::Sealed;
use super::object::BlockingObject;
use super::{WriteError, common_properties, object_of};
use crate::read::{ByteSource, Piece, ReadError};
use crate::{Store, StoreError};

/// Groups of fewer rows than this, on the average, make a file that is slow to read.
const MIN_GROUP_ROWS: u64 = 8_192;

/// Why copying ended early.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// All rows of a file that is not finished.
pub(super) struct ParquetCopy {
    writer: SerializedFileWriter<BlockingObject>,
    rows: u64,
}

impl std::fmt::Debug for ParquetCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetCopy").finish_non_exhaustive()
    }
}

impl ParquetCopy {
    /// Stops soon after the future is dropped.
    pub(super) async fn write(
        store: Store,
        files: Vec<Piece>,
        object: BlockingObject,
        schema: SchemaRef,
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<Option<Self>, CopyError> {
        let (runtime, wanted) = (Handle::current(), Arc::new(()));
        let asked = Arc::downgrade(&wanted);
        let thread = tokio::task::spawn_blocking(move || {
            let files = files
                .into_iter()
                .map(|file| (file.size_bytes, ByteSource::new(store.clone(), [file])));
            let job = Copying {
                runtime,
                asked,
                files: files.collect(),
            };
            job.run(object, &schema, progress)
        });
        thread
            .await
            .map_err(|lost| WriteError::from(StoreError::Io(std::io::Error::other(lost))))?
    }

    pub(super) async fn seal(self) -> Result<Sealed, WriteError> {
        let thread = tokio::task::spawn_blocking(move || {
            let object = object_of(self.writer.into_inner())?;
            Ok(Sealed::new(object, self.rows))
        });
        thread
            .await
            .map_err(|lost| StoreError::Io(std::io::Error::other(lost)))?
    }
}

struct Copying {
    runtime: Handle,
    /// Gone when nobody waits any more.
    asked: Weak<()>,
    files: Vec<(u64, ByteSource)>,
}

impl Copying {
    fn run(
        self,
        object: BlockingObject,
        schema: &SchemaRef,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Option<ParquetCopy>, CopyError> {
        let target = ArrowSchemaConverter::new()
            .convert(schema)
            .map_err(WriteError::from)?;
        let mut found = Vec::with_capacity(self.files.len());
        for (_, source) in &self.files {
            let metadata = self.metadata(source)?;
            let Some(leaves) = leaves(metadata.file_metadata().schema_descr(), &target) else {
                return Ok(None);
            };
            found.push((metadata, leaves));
        }
        let groups = || found.iter().flat_map(|(metadata, _)| metadata.row_groups());
        let rows: u64 = groups().map(|group| unsigned(group.num_rows())).sum();
        let count = groups().count() as u64;
        if count > 1 && rows / count < MIN_GROUP_ROWS {
            return Ok(None);
        }
        let mut properties = common_properties().build();
        add_encoded_arrow_schema_to_metadata(schema, &mut properties);
        let mut writer = SerializedFileWriter::new(object, target.root_schema_ptr(), Arc::new(properties))
            .map_err(WriteError::from)?;
        let (mut rows_done, mut bytes_done) = (0, 0);
        for ((size_bytes, source), (metadata, leaves)) in self.files.iter().zip(&found) {
            for group in metadata.row_groups() {
                let mut out = writer.next_row_group().map_err(WriteError::from)?;
                for leaf in leaves {
                    if self.asked.strong_count() == 0 {
                        return Ok(None);
                    }
                    let column = group.column(*leaf);
                    let (start, length) = column.byte_range();
                    let chunk = Chunk {
                        start,
                        content: self.get(source, start..start + length)?,
                    };
                    let close = ColumnCloseResult {
                        bytes_written: length,
                        rows_written: unsigned(group.num_rows()),
                        metadata: column.clone(),
                        bloom_filter: None,
                        column_index: None,
                        offset_index: None,
                    };
                    out.append_column(&chunk, close).map_err(WriteError::from)?;
                }
                out.close().map_err(WriteError::from)?;
                rows_done += unsigned(group.num_rows());
                progress(rows_done, bytes_done);
            }
            bytes_done += size_bytes;
            progress(rows_done, bytes_done);
        }
        Ok(Some(ParquetCopy { writer, rows }))
    }

    fn metadata(&self, source: &ByteSource) -> Result<ParquetMetaData, ReadError> {
        let source = source.clone().blocking(self.runtime.clone());
        source.check_footer()?;
        ParquetMetaDataReader::new()
            .parse_and_finish(&source)
            .map_err(|error| ReadError::content(format!("a file of the table is damaged: {error}")))
    }

    fn get(&self, source: &ByteSource, range: std::ops::Range<u64>) -> Result<Bytes, ReadError> {
        Ok(self.runtime.block_on(source.get_range(range))?)
    }
}

/// For each leaf of the target that of a file; none if the file has it not, or not like that.
fn leaves(file: &SchemaDescriptor, target: &SchemaDescriptor) -> Option<Vec<usize>> {
    let mut found = Vec::with_capacity(target.num_columns());
    for wanted in target.root_schema().get_fields() {
        let roots = file.root_schema().get_fields();
        let root = roots.iter().position(|it| it == wanted)?;
        found.extend((0..file.num_columns()).filter(|leaf| file.get_column_root_idx(*leaf) == root));
    }
    Some(found)
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// Bytes of a file from `start` on.
struct Chunk {
    start: u64,
    content: Bytes,
}

impl Chunk {
    fn at(&self, start: u64) -> Result<usize, ParquetError> {
        let at = start
            .checked_sub(self.start)
            .and_then(|at| usize::try_from(at).ok());
        at.filter(|at| *at <= self.content.len())
            .ok_or_else(|| ParquetError::EOF("the bytes are not of the chunk".to_owned()))
    }
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.start + self.content.len() as u64
    }
}

impl ChunkReader for Chunk {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.content.slice(self.at(start)?..).reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let at = self.at(start)?;
        let end = at.checked_add(length).filter(|end| *end <= self.content.len());
        let end = end.ok_or_else(|| ParquetError::EOF("the bytes are not of the chunk".to_owned()))?;
        Ok(self.content.slice(at..end))
    }
}
