//! Content as it was before it was compressed, unpacked on a thread of its own.

use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::source::SequentialReader;
use super::{ReadError, ReadLimits};
use crate::{Compression, StoreError};

/// Unpacked at a time …
const BLOCK_BYTES: usize = 256 << 10;
/// … and so many such ahead of the one who reads.
const AHEAD: usize = 8;
/// Up to here it does not matter how much smaller the packed content is.
const FREE_BYTES: u64 = 64 << 20;
/// Beyond that, gzip at its best packs tables a thousandfold, and what packs better holds nothing.
const MAX_RATIO: u64 = 1_000;
/// Zstandard may look back so far, as a power of two: the most that its own tools take without asking.
const MAX_WINDOW_LOG: u32 = 27;

impl Compression {
    /// What the first bytes of a file say.
    pub(super) const fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or one to be skipped.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// The content unpacked, however long it is.
    pub(super) fn unpack<'a>(self, packed: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Self::None => Box::new(packed),
            Self::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(BLOCK_BYTES, packed))),
            Self::Zstd => {
                let mut decoder = ZstdDecoder::new(packed)?;
                decoder.window_log_max(MAX_WINDOW_LOG)?;
                Box::new(decoder)
            }
        })
    }
}

/// Reads what another thread unpacks.
pub(super) struct Unpacked {
    blocks: Receiver<io::Result<Bytes>>,
    block: Bytes,
    ended: bool,
}

impl Unpacked {
    /// `packed_bytes` tells how much was taken of the content.
    pub(super) fn start(
        packed: SequentialReader,
        packed_bytes: Arc<AtomicU64>,
        compression: Compression,
        limits: ReadLimits,
    ) -> io::Result<Self> {
        let (sender, blocks) = sync_channel(AHEAD);
        thread::Builder::new().name("unpack".to_owned()).spawn(move || {
            let ended = unpack(packed, &packed_bytes, compression, limits, &sender);
            // An empty block is the end, so that a thread that was lost is not taken for it.
            let _ = sender.send(ended.map(|()| Bytes::new()));
        })?;
        Ok(Self {
            blocks,
            block: Bytes::new(),
            ended: false,
        })
    }
}

fn unpack(
    packed: impl Read + Send,
    packed_bytes: &AtomicU64,
    compression: Compression,
    limits: ReadLimits,
    sender: &SyncSender<io::Result<Bytes>>,
) -> io::Result<()> {
    let mut unpacked = compression
        .unpack(packed)
        .map_err(|error| damaged(compression, error))?;
    let mut total = 0;
    loop {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        let count = unpacked
            .by_ref()
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut block)
            .map_err(|error| damaged(compression, error))?;
        if count == 0 {
            return Ok(());
        }
        total += count as u64;
        check_size(total, packed_bytes.load(Ordering::Relaxed), limits)?;
        // A reader that went away is the sign to stop.
        if sender.send(Ok(block.into())).is_err() {
            return Ok(());
        }
    }
}

/// Refuses content that unpacks to too much, at all or for what was sent.
pub(super) fn check_size(total: u64, packed: u64, limits: ReadLimits) -> io::Result<()> {
    let refuse = |reason: String| Err(io::Error::other(ReadError::content(reason)));
    if total > limits.unpacked_bytes {
        return refuse(format!(
            "the content unpacks to more than {} bytes; import it in parts",
            limits.unpacked_bytes
        ));
    }
    if total > FREE_BYTES && total / MAX_RATIO > packed {
        return refuse(format!(
            "the content unpacks to more than {MAX_RATIO} times its size; send it without compression"
        ));
    }
    Ok(())
}

/// What is wrong with the packed bytes, unless it was the store that failed.
fn damaged(compression: Compression, error: io::Error) -> io::Error {
    let inner = error.get_ref();
    if inner.is_some_and(|it| it.is::<StoreError>() || it.is::<ReadError>()) {
        return error;
    }
    let reason = if error.kind() == io::ErrorKind::UnexpectedEof {
        format!("the {compression} content ends too early: the file is cut short")
    } else {
        format!("the {compression} content is damaged: {error}")
    };
    io::Error::other(ReadError::content(reason))
}

impl Read for Unpacked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.block.is_empty() && !self.ended {
            self.block = self
                .blocks
                .recv()
                .map_err(|_| io::Error::other("the thread that unpacks was lost"))??;
            self.ended = self.block.is_empty();
        }
        let count = out.len().min(self.block.len());
        out[..count].copy_from_slice(&self.block.split_to(count));
        Ok(count)
    }
}
