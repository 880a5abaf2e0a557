//! Files of lines, rendered beside each other.

use std::io::{self, Write as _};
use std::sync::Arc;

use arrow::array::RecordBatch;
use tokio::runtime::Handle;

use super::WriteError;
use super::in_order::InOrder;
use super::object::BlockingObject;
use super::packed::Packed;
use crate::Compression;

/// Renders rows of one table.
pub(super) trait Lines: Send + Sync + 'static {
    /// What comes before all rows.
    fn head(&self) -> Vec<u8>;
    /// The lines of a batch.
    fn of(&self, batch: &RecordBatch) -> io::Result<Vec<u8>>;
}

/// Batches as the lines of one file.
pub(super) struct LinesWriter {
    out: Packed<BlockingObject>,
    lines: Arc<dyn Lines>,
    begun: InOrder<io::Result<Vec<u8>>>,
    has_head: bool,
}

impl LinesWriter {
    pub(super) fn new(
        object: BlockingObject,
        compression: Compression,
        lines: impl Lines,
        runtime: Handle,
    ) -> io::Result<Self> {
        Ok(Self {
            out: Packed::new(object, compression)?,
            lines: Arc::new(lines),
            begun: InOrder::new(runtime),
            has_head: false,
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        self.write_head()?;
        let (lines, batch) = (Arc::clone(&self.lines), batch.clone());
        if let Some(rendered) = self.begun.begin(move || lines.of(&batch))? {
            self.out.write_all(&rendered?)?;
        }
        Ok(())
    }

    /// Writes all that is left, and gives back what is left to be finished.
    pub(super) fn finish(mut self) -> Result<BlockingObject, WriteError> {
        self.write_head()?;
        while let Some(rendered) = self.begun.next()? {
            self.out.write_all(&rendered?)?;
        }
        Ok(self.out.finish()?)
    }

    fn write_head(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.has_head, true) {
            return Ok(());
        }
        self.out.write_all(&self.lines.head())
    }
}
