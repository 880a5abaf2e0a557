//! Arrow IPC whose buffers are compressed, as the same stream with buffers that are not.
//!
//! Arrow's own decoder makes room for whatever a buffer says that it unpacks to, and lets it grow beyond that.
//! So it never sees one: each is unpacked here, where the room for all of a batch is bounded.

use std::io::{self, Cursor, Read};

use arrow::ipc::{
    Buffer, CompressionType, DictionaryBatch, DictionaryBatchArgs, FieldNode, Message, MessageArgs,
    MessageHeader, RecordBatch, RecordBatchArgs, root_as_message,
};
use flatbuffers::FlatBufferBuilder;
use lz4_flex::frame::FrameDecoder;

use super::unpack::check_size;
use super::{ReadError, ReadLimits};

/// What one batch may have, and unpack to.
pub(super) const MAX_BATCH_BYTES: u64 = 512 << 20;
/// No schema of ours, and no batch of so many columns, comes near.
const MAX_HEADER_BYTES: u32 = 64 << 20;
/// What a message begins with; those of old writers do not.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Headers are padded to this …
const WORD_BYTES: usize = 8;
/// … and buffers begin at a multiple of this.
const BUFFER_ALIGNMENT: usize = 64;
/// Before a compressed buffer stands how many bytes it unpacks to …
const LENGTH_BYTES: usize = 8;
/// … or this, if it is as it was.
const NOT_COMPRESSED: i64 = -1;

/// Reads a stream of Arrow IPC, with each compressed message in its plain form.
pub(super) struct PlainBuffers<R> {
    content: R,
    limits: ReadLimits,
    /// What a message begins with, and, where it was compressed, its body.
    ready: [Cursor<Vec<u8>>; 2],
    /// Bytes of a body that is as it was.
    body_left: u64,
    /// Whether all messages were read.
    ended: bool,
    packed_bytes: u64,
    unpacked_bytes: u64,
}

impl<R: Read> PlainBuffers<R> {
    pub(super) fn new(content: R, limits: ReadLimits) -> Self {
        Self {
            content,
            limits,
            ready: Default::default(),
            body_left: 0,
            ended: false,
            packed_bytes: 0,
            unpacked_bytes: 0,
        }
    }

    fn next_message(&mut self) -> io::Result<()> {
        let mut head = self.take(CONTINUATION.len() as u64)?;
        let mut size = head.clone();
        if head == CONTINUATION {
            size = self.take(CONTINUATION.len() as u64)?;
            head.extend_from_slice(&size);
        }
        // What is cut short is the decoder's to refuse, as is what follows the end.
        let size = size.try_into().map_or(0, u32::from_le_bytes);
        if size > MAX_HEADER_BYTES {
            return Err(refused(format!("a message has a header of {size} bytes")));
        }
        let header = self.take(u64::from(size))?;
        if size == 0 || header.len() < size as usize {
            head.extend_from_slice(&header);
            self.ready[0] = Cursor::new(head);
            self.ended = true;
            return Ok(());
        }
        let message = root_as_message(&header).map_err(refused)?;
        let body_bytes = u64::try_from(message.bodyLength()).map_err(refused)?;
        let dictionary = message.header_as_dictionary_batch();
        let batch = dictionary.map_or_else(|| message.header_as_record_batch(), |it| it.data());
        let compressed = batch.and_then(|batch| Some((batch, batch.compression()?)));
        let Some((batch, compression)) = compressed else {
            head.extend_from_slice(&header);
            self.ready[0] = Cursor::new(head);
            self.body_left = body_bytes;
            return Ok(());
        };
        let codec = Codec::of(compression.codec())?;
        if body_bytes > MAX_BATCH_BYTES {
            return Err(too_large());
        }
        let body = self.take(body_bytes)?;
        if (body.len() as u64) < body_bytes {
            return Err(refused("it ends too early, it is cut short"));
        }
        self.packed_bytes += u64::from(size) + body_bytes;
        let (buffers, body) = self.unpacked(&batch, &body, codec)?;
        let header = plain_message(&message, dictionary, &batch, &buffers, body.len());
        let size = header.len().next_multiple_of(WORD_BYTES);
        let mut head = CONTINUATION.to_vec();
        head.extend_from_slice(&u32::try_from(size).map_err(refused)?.to_le_bytes());
        head.extend_from_slice(&header);
        head.resize(CONTINUATION.len() * 2 + size, 0);
        self.ready = [head, body].map(Cursor::new);
        Ok(())
    }

    /// The buffers of a batch as they were before they were compressed, and where in the body each is.
    fn unpacked(
        &mut self,
        batch: &RecordBatch<'_>,
        body: &[u8],
        codec: Codec,
    ) -> io::Result<(Vec<Buffer>, Vec<u8>)> {
        let mut plain = Vec::new();
        let mut places = Vec::new();
        for buffer in batch.buffers().into_iter().flatten() {
            let packed = within(body, buffer).ok_or_else(|| refused("a buffer lies outside its batch"))?;
            let start = plain.len();
            if let Some((length, packed)) = packed.split_first_chunk::<LENGTH_BYTES>() {
                match i64::from_le_bytes(*length) {
                    0 => {}
                    NOT_COMPRESSED => {
                        self.make_room(packed.len() as u64, plain.len())?;
                        plain.extend_from_slice(packed);
                    }
                    length => {
                        let length = u64::try_from(length).map_err(refused)?;
                        self.make_room(length, plain.len())?;
                        codec.unpack(packed, length, &mut plain)?;
                    }
                }
            } else if !packed.is_empty() {
                return Err(refused("a compressed buffer does not say how long it is"));
            }
            let place = [start, plain.len() - start].map(i64::try_from);
            let [Ok(offset), Ok(length)] = place else {
                return Err(too_large());
            };
            places.push(Buffer::new(offset, length));
            plain.resize(plain.len().next_multiple_of(BUFFER_ALIGNMENT), 0);
        }
        Ok((places, plain))
    }

    /// Checks that the next buffer is neither too much for its batch nor for what was sent.
    fn make_room(&mut self, bytes: u64, in_use: usize) -> io::Result<()> {
        if bytes.saturating_add(in_use as u64) > MAX_BATCH_BYTES {
            return Err(too_large());
        }
        self.unpacked_bytes += bytes;
        check_size(self.unpacked_bytes, self.packed_bytes, self.limits)
    }

    /// So many bytes, or all that are left.
    fn take(&mut self, bytes: u64) -> io::Result<Vec<u8>> {
        let mut taken = Vec::new();
        self.content.by_ref().take(bytes).read_to_end(&mut taken)?;
        Ok(taken)
    }
}

impl<R: Read> Read for PlainBuffers<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            for ready in &mut self.ready {
                let read = ready.read(out)?;
                if read > 0 {
                    return Ok(read);
                }
                // Room of a batch that was read is not kept for the next.
                *ready = Cursor::default();
            }
            if self.body_left > 0 {
                let read = self.content.by_ref().take(self.body_left).read(out)?;
                self.body_left -= read as u64;
                return Ok(read);
            }
            if self.ended {
                return self.content.read(out);
            }
            self.next_message()?;
        }
    }
}

/// The part of a body that is a buffer's.
fn within<'a>(body: &'a [u8], buffer: &Buffer) -> Option<&'a [u8]> {
    let start = usize::try_from(buffer.offset()).ok()?;
    let end = start.checked_add(usize::try_from(buffer.length()).ok()?)?;
    body.get(start..end)
}

/// The message of a batch that has these buffers, in a body of so many bytes.
fn plain_message(
    message: &Message<'_>,
    dictionary: Option<DictionaryBatch<'_>>,
    batch: &RecordBatch<'_>,
    buffers: &[Buffer],
    body_bytes: usize,
) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let nodes: Vec<FieldNode> = batch.nodes().into_iter().flatten().copied().collect();
    let nodes = builder.create_vector(&nodes);
    let buffers = builder.create_vector(buffers);
    let counts = batch.variadicBufferCounts();
    let counts = counts.map(|it| builder.create_vector(&it.iter().collect::<Vec<_>>()));
    let plain = RecordBatchArgs {
        length: batch.length(),
        nodes: Some(nodes),
        buffers: Some(buffers),
        compression: None,
        variadicBufferCounts: counts,
    };
    let data = RecordBatch::create(&mut builder, &plain);
    let (header_type, header) = match dictionary {
        None => (MessageHeader::RecordBatch, data.as_union_value()),
        Some(dictionary) => {
            let plain = DictionaryBatchArgs {
                id: dictionary.id(),
                data: Some(data),
                isDelta: dictionary.isDelta(),
            };
            let header = DictionaryBatch::create(&mut builder, &plain).as_union_value();
            (MessageHeader::DictionaryBatch, header)
        }
    };
    let plain = MessageArgs {
        version: message.version(),
        header_type,
        header: Some(header),
        // At most as many as a batch may have.
        bodyLength: body_bytes as i64,
        custom_metadata: None,
    };
    let plain = Message::create(&mut builder, &plain);
    builder.finish(plain, None);
    builder.finished_data().to_vec()
}

#[derive(Clone, Copy, Debug)]
enum Codec {
    Lz4,
    Zstd,
}

impl Codec {
    fn of(codec: CompressionType) -> io::Result<Self> {
        match codec {
            CompressionType::LZ4_FRAME => Ok(Self::Lz4),
            CompressionType::ZSTD => Ok(Self::Zstd),
            other => Err(refused(format!("its buffers are compressed by {other:?}"))),
        }
    }

    /// Adds what a buffer unpacks to, which has to be of the length that it says.
    fn unpack(self, packed: &[u8], length: u64, to: &mut Vec<u8>) -> io::Result<()> {
        let start = to.len();
        to.reserve(usize::try_from(length).unwrap_or_default());
        let unpacked = match self {
            // One more would be too many, and is as good as all that may follow.
            Self::Lz4 => FrameDecoder::new(packed).take(length + 1).read_to_end(to),
            Self::Zstd => {
                zstd::Decoder::with_buffer(packed).and_then(|it| it.take(length + 1).read_to_end(to))
            }
        };
        unpacked.map_err(|error| refused(format!("a compressed buffer is damaged: {error}")))?;
        let found = (to.len() - start) as u64;
        if found == length {
            return Ok(());
        }
        Err(refused(format!(
            "a compressed buffer says that it has {length} bytes, and has {}",
            if found > length {
                "more".to_owned()
            } else {
                found.to_string()
            }
        )))
    }
}

fn refused(reason: impl std::fmt::Display) -> io::Error {
    io::Error::other(ReadError::content(format!(
        "the file is not readable as Arrow: {reason}"
    )))
}

fn too_large() -> io::Error {
    io::Error::other(ReadError::content(too_large_a_batch()))
}

pub(super) fn too_large_a_batch() -> String {
    format!("a batch of the file has more than {MAX_BATCH_BYTES} bytes; write smaller batches")
}
