//! An Arrow IPC stream as `FlightData` messages, in the frames that gRPC gives them.
//!
//! A file of Arrow IPC is a stream between a mark and a table of contents, and is read as one. Bodies go on
//! as they come in, however long they are.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::head::{CONTINUATION, Head, Kind};

/// What a file begins with; zeros follow.
const MARK: &[u8] = b"ARROW1";
/// Of a continuation and a length, and more than the mark.
const PREFIX_BYTES: usize = 8;
/// No schema of ours comes near.
const MAX_HEADER_BYTES: usize = 64 << 20;

/// Numbers of the fields of `FlightData`.
const HEADER: u32 = 2;
const BODY: u32 = 1000;

/// Why the bytes are no stream; a fault of the service that they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no Arrow IPC stream: {0}")]
pub(super) struct Broken(&'static str);

/// A part of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A message begins, and a body of so many bytes follows.
    Header(Head, Bytes),
    /// The next bytes of a body.
    Body(Bytes),
}

/// Takes a stream apart, in pieces of any size.
#[derive(Debug)]
pub(super) struct IpcPieces {
    at: At,
    /// What is too short to be told apart.
    held: BytesMut,
}

#[derive(Debug)]
enum At {
    Begin,
    /// In the zeros after the mark.
    Padding,
    Prefix,
    Header(usize),
    Body(u64),
    End,
}

impl IpcPieces {
    pub(super) fn new() -> Self {
        Self {
            at: At::Begin,
            held: BytesMut::new(),
        }
    }

    /// Whether all has come; what follows is no part of the stream.
    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.at, At::End)
    }

    /// The next piece, of as many of the bytes as it needs; none when it needs more than there are.
    pub(super) fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Piece>, Broken> {
        loop {
            match self.at {
                At::Begin => {
                    let Some(begin) = self.gather(bytes, PREFIX_BYTES) else {
                        return Ok(None);
                    };
                    self.at = At::Prefix;
                    self.held = BytesMut::from(&begin[..]);
                    if begin.starts_with(MARK) {
                        self.held.advance(MARK.len());
                        self.at = At::Padding;
                    }
                }
                At::Padding => {
                    let zeros = |it: &[u8]| it.iter().take_while(|byte| **byte == 0).count();
                    let padding = zeros(&self.held);
                    self.held.advance(padding);
                    if self.held.is_empty() {
                        bytes.advance(zeros(bytes));
                        if bytes.is_empty() {
                            return Ok(None);
                        }
                    }
                    self.at = At::Prefix;
                }
                At::Prefix => {
                    let Some(mut prefix) = self.gather(bytes, PREFIX_BYTES) else {
                        return Ok(None);
                    };
                    if prefix.split_to(4) != CONTINUATION[..] {
                        return Err(Broken("a message does not begin as one"));
                    }
                    self.at = match usize::try_from(prefix.get_i32_le()) {
                        Ok(0) => At::End,
                        Ok(length @ ..=MAX_HEADER_BYTES) => At::Header(length),
                        _ => return Err(Broken("a header is too long")),
                    };
                }
                At::Header(length) => {
                    let Some(header) = self.gather(bytes, length) else {
                        return Ok(None);
                    };
                    let head = Head::read(&header).ok_or(Broken("a header is not readable"))?;
                    self.at = match head.body_bytes {
                        0 => At::Prefix,
                        left => At::Body(left),
                    };
                    return Ok(Some(Piece::Header(head, header)));
                }
                At::Body(left) => {
                    if bytes.is_empty() {
                        return Ok(None);
                    }
                    let most = usize::try_from(left).unwrap_or(usize::MAX);
                    let body = bytes.split_to(bytes.len().min(most));
                    self.at = match left - body.len() as u64 {
                        0 => At::Prefix,
                        left => At::Body(left),
                    };
                    return Ok(Some(Piece::Body(body)));
                }
                At::End => return Ok(None),
            }
        }
    }

    /// So many bytes, once there are as many.
    fn gather(&mut self, bytes: &mut Bytes, length: usize) -> Option<Bytes> {
        if self.held.is_empty() && bytes.len() >= length {
            return Some(bytes.split_to(length));
        }
        let more = bytes.split_to(bytes.len().min(length.saturating_sub(self.held.len())));
        self.held.extend_from_slice(&more);
        (self.held.len() >= length).then(|| self.held.split_to(length).freeze())
    }
}

/// The bytes of a piece in an answer of gRPC.
pub(super) fn framed(piece: Piece) -> Result<Bytes, Broken> {
    let (head, header) = match piece {
        Piece::Body(body) => return Ok(body),
        Piece::Header(head, header) => (head, header),
    };
    // Clients expect the body of rows to be there, be it empty.
    let has_body = head.kind != Kind::Schema || head.body_bytes > 0;
    let of_field = |field, length: u64| (key_len(field) + encoded_len_varint(length)) as u64 + length;
    let of_body = if has_body {
        of_field(BODY, head.body_bytes)
    } else {
        0
    };
    let length = of_field(HEADER, header.len() as u64).saturating_add(of_body);
    let length = u32::try_from(length).map_err(|_| Broken("a batch is larger than a message can be"))?;

    let mut frame = BytesMut::with_capacity(header.len() + 32);
    frame.put_u8(0);
    frame.put_u32(length);
    encode_key(HEADER, WireType::LengthDelimited, &mut frame);
    encode_varint(header.len() as u64, &mut frame);
    frame.put_slice(&header);
    if has_body {
        encode_key(BODY, WireType::LengthDelimited, &mut frame);
        encode_varint(head.body_bytes, &mut frame);
    }
    Ok(frame.freeze())
}
