//! Writers: Arrow batches in, durable objects out, in memory that does not grow with them.
//! Encoding runs on a thread of its own.

mod copy;
mod csv;
mod dictionary;
mod distinct;
mod export;
mod groups;
mod in_order;
mod keyed;
mod ndjson;
mod object;
mod packed;
mod render;
mod statistics;
mod table;
mod text;
mod thread;

pub use copy::CopyError;
pub use export::{ExportWriter, Exported, Sealed};
pub use table::{TableWriter, WriteOptions, Written, WrittenFile};

use arrow::error::ArrowError;
pub(crate) use object::BlockingObject;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::StoreError;
use crate::schema::TableSchema;

/// Why writing ended early.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A fault of ours: the batches are not of the schema.
    #[error("encoding: {0}")]
    Encode(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<std::io::Error> for WriteError {
    fn from(error: std::io::Error) -> Self {
        Self::Store(crate::read::source_error(error))
    }
}

impl From<ParquetError> for WriteError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
                Ok(io) => (*io).into(),
                Err(cause) => Self::Encode(cause),
            },
            other => Self::Encode(other.into()),
        }
    }
}

impl From<ArrowError> for WriteError {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, io) => io.into(),
            other => Self::Encode(other.into()),
        }
    }
}

/// Row groups large enough to compress well and small enough to be read by several threads.
const GROUP_ROWS: usize = 128 << 10;
const GROUP_BYTES: usize = 64 << 20;

/// What all files have in common.
pub(crate) fn common_properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_max_row_group_bytes(Some(GROUP_BYTES))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_created_by("datacovey".to_owned())
}

/// `ids`: hidden columns beside those of the schema; `plain`: columns without a dictionary. Nothing makes ids smaller, nor pseudonyms that do not repeat,
/// and no range of them skips anything.
pub(crate) fn parquet_properties<'a>(
    schema: &'a TableSchema,
    ids: impl Iterator<Item = &'a str>,
    plain: &[String],
) -> WriterProperties {
    let path = |name: &str| ColumnPath::new(vec![name.to_owned()]);
    let builder = ids.fold(common_properties(), |builder, name| {
        random(builder, path(name)).set_column_dictionary_enabled(path(name), false)
    });
    let builder = plain.iter().fold(builder, |builder, name| {
        builder.set_column_dictionary_enabled(path(name), false)
    });
    schema
        .pseudonymized()
        .map(|at| path(&schema.columns()[at].name))
        .fold(builder, random)
        .build()
}

fn random(builder: WriterPropertiesBuilder, column: ColumnPath) -> WriterPropertiesBuilder {
    builder
        .set_column_compression(column.clone(), Compression::UNCOMPRESSED)
        .set_column_statistics_enabled(column, EnabledStatistics::Chunk)
}

/// What a Parquet writer gave back after its footer. What can fail by then is the object store alone.
pub(crate) fn object_of(written: Result<BlockingObject, ParquetError>) -> Result<BlockingObject, WriteError> {
    written.map_err(|error| match error {
        ParquetError::General(_) => StoreError::Io(std::io::Error::other(error)).into(),
        other => other.into(),
    })
}
