//! What the header of an Arrow IPC message says of the bytes that follow it.

use arrow_ipc::MessageHeader;

/// What every encapsulated message begins with.
pub(super) const CONTINUATION: [u8; 4] = [0xff; 4];
/// A message without a header: the stream ends.
pub(super) const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
/// What a header is padded to.
pub(super) const ALIGNMENT: usize = 8;

/// The kind of a message and the length of its body; columns are not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) body_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Schema,
    Dictionary,
    Batch,
}

impl Head {
    /// None if the bytes are no message, or one of a kind that no stream of rows has.
    pub(super) fn read(header: &[u8]) -> Option<Self> {
        let message = arrow_ipc::root_as_message(header).ok()?;
        let kind = match message.header_type() {
            MessageHeader::Schema => Kind::Schema,
            MessageHeader::DictionaryBatch => Kind::Dictionary,
            MessageHeader::RecordBatch => Kind::Batch,
            _ => return None,
        };
        let body_bytes = u64::try_from(message.bodyLength()).ok()?;
        Some(Self { kind, body_bytes })
    }
}

/// A message with its prefix and padding, as it stands in a stream, without its body. None for a header
/// longer than the format can say.
pub(super) fn encapsulated(header: &[u8], to: &mut impl bytes::BufMut) -> Option<()> {
    let padded = header.len().next_multiple_of(ALIGNMENT);
    let length = i32::try_from(padded).ok()?;
    to.put_slice(&CONTINUATION);
    to.put_i32_le(length);
    to.put_slice(header);
    to.put_bytes(0, padded - header.len());
    Some(())
}
