use std::io::{self, Write};

use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use crate::{ObjectWriter, StoreError};

/// An object written by an encoding thread: blocks it, counts and hashes the bytes.
pub(crate) struct BlockingObject {
    writer: ObjectWriter,
    runtime: Handle,
    sha256: Sha256,
    size_bytes: u64,
}

impl BlockingObject {
    pub(crate) fn new(writer: ObjectWriter, runtime: Handle) -> Self {
        Self {
            writer,
            runtime,
            sha256: Sha256::new(),
            size_bytes: 0,
        }
    }

    /// Makes the object durable; gives its length and SHA-256 in hexadecimal digits.
    pub(crate) fn finish(self) -> Result<(u64, String), StoreError> {
        let runtime = self.runtime.clone();
        let (writer, size_bytes, sha256) = self.seal();
        runtime.block_on(writer.finish())?;
        Ok((size_bytes, sha256))
    }

    /// What is left to be finished, its length and SHA-256 in hexadecimal digits.
    pub(crate) fn seal(self) -> (ObjectWriter, u64, String) {
        (self.writer, self.size_bytes, hex::encode(self.sha256.finalize()))
    }

    pub(crate) const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

impl Write for BlockingObject {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.runtime
            .block_on(self.writer.write(content))
            .map_err(io::Error::other)?;
        self.sha256.update(content);
        self.size_bytes += content.len() as u64;
        Ok(content.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
