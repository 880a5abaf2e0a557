//! The body of DoPut, which is `FlightData` messages, as one Arrow IPC stream.
//!
//! Of a message only its fields are told apart. A body goes on as it comes in, however long it is, so that
//! no more is ever held than the headers.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::head::{END, Head, Kind, encapsulated};

/// Numbers of the fields of `FlightData`.
const DESCRIPTOR: u64 = 1;
const HEADER: u64 = 2;
const BODY: u64 = 1000;

/// Largest descriptor: it names a table, and some options.
pub(super) const MAX_DESCRIPTOR_BYTES: u64 = 64 * 1024;

/// Why a body is not what it should be, for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Malformed(String),
    TooLarge(String),
    /// Of gRPC's own compression, which no method of the suite takes.
    Compressed,
}

/// Reads what a caller sends, in pieces of any size.
#[derive(Debug)]
pub(super) struct FromFlight {
    at: At,
    /// Bytes that are left of the current message.
    left: u64,
    message: Message,
    /// Messages that were read to their end.
    messages: u64,
    descriptor: Option<Bytes>,
    has_schema: bool,
    max_header_bytes: u64,
}

/// Where in a message the next byte is.
#[derive(Debug)]
enum At {
    /// In the five bytes that gRPC puts before each.
    Prefix(BytesMut),
    Key(Varint),
    /// In the length of the field of this number.
    Length(u64, Varint),
    /// In a field that is kept, of so many bytes.
    Kept(Field, u64, BytesMut),
    Body(u64),
    Skipped(u64),
    /// In a number, which is passed over.
    Number(Varint),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Descriptor,
    Header,
}

/// What is known of the current message.
#[derive(Debug, Default)]
struct Message {
    /// Of the header that waits for its body, or for the end of the message.
    header: Option<(Head, Bytes)>,
    has_header: bool,
    has_body: bool,
}

/// A number of protobuf, a byte at a time.
#[derive(Clone, Copy, Debug, Default)]
struct Varint {
    value: u64,
    shift: u32,
}

impl Varint {
    /// The number, after its last byte.
    fn push(&mut self, byte: u8) -> Result<Option<u64>, Fault> {
        if self.shift > 63 || (self.shift == 63 && byte > 1) {
            return Err(malformed("a number is too long"));
        }
        self.value |= u64::from(byte & 0x7f) << self.shift;
        self.shift += 7;
        Ok((byte & 0x80 == 0).then_some(self.value))
    }
}

fn malformed(why: &str) -> Fault {
    Fault::Malformed(format!("the stream is no well-formed FlightData: {why}"))
}

impl FromFlight {
    /// `max_header_bytes`: the longest header, of a schema as of a batch.
    pub(super) fn new(max_header_bytes: usize) -> Self {
        Self {
            at: At::Prefix(BytesMut::new()),
            left: 0,
            message: Message::default(),
            messages: 0,
            descriptor: None,
            has_schema: false,
            max_header_bytes: max_header_bytes as u64,
        }
    }

    /// Whether the first message was read, so that there is a descriptor or there will be none.
    pub(super) const fn has_begun(&self) -> bool {
        self.messages > 0
    }

    /// The descriptor of the first message, encoded.
    pub(super) const fn descriptor(&self) -> Option<&Bytes> {
        self.descriptor.as_ref()
    }

    /// Takes the next bytes, and writes what they are of the IPC stream.
    pub(super) fn take(&mut self, mut bytes: Bytes, to: &mut BytesMut) -> Result<(), Fault> {
        while self.step(&mut bytes, to)? {}
        Ok(())
    }

    /// Ends the IPC stream where the caller's has ended.
    pub(super) fn finish(self, to: &mut BytesMut) -> Result<(), Fault> {
        let At::Prefix(prefix) = &self.at else {
            return Err(malformed("it ends within a message"));
        };
        if !prefix.is_empty() {
            return Err(malformed("it ends within a message"));
        }
        if !self.has_schema {
            return Err(Fault::Malformed(
                "the stream ended before its schema was sent".to_owned(),
            ));
        }
        to.put_slice(&END);
        Ok(())
    }

    /// One step; false if it needs more bytes than there are.
    fn step(&mut self, bytes: &mut Bytes, to: &mut BytesMut) -> Result<bool, Fault> {
        let inside = !matches!(self.at, At::Prefix(_));
        if inside && self.left == 0 {
            self.end_message(to)?;
            return Ok(true);
        }
        if bytes.is_empty() {
            return Ok(false);
        }
        match &mut self.at {
            At::Prefix(held) => {
                let more = bytes.split_to(bytes.len().min(5 - held.len()));
                held.extend_from_slice(&more);
                if held.len() < 5 {
                    return Ok(true);
                }
                let mut prefix = std::mem::take(held);
                if prefix.get_u8() != 0 {
                    return Err(Fault::Compressed);
                }
                self.left = u64::from(prefix.get_u32());
                self.at = At::Key(Varint::default());
            }
            At::Key(varint) => {
                let found = varint.push(bytes.get_u8())?;
                self.left -= 1;
                if let Some(key) = found {
                    self.begin_field(key)?;
                }
            }
            At::Length(field, varint) => {
                let (field, found) = (*field, varint.push(bytes.get_u8())?);
                self.left -= 1;
                if let Some(length) = found {
                    self.begin_value(field, length, to)?;
                }
            }
            At::Number(varint) => {
                let found = varint.push(bytes.get_u8())?;
                self.left -= 1;
                if found.is_some() {
                    self.at = At::Key(Varint::default());
                }
            }
            At::Kept(field, length, held) => {
                let missing = usize::try_from(*length).unwrap_or(usize::MAX) - held.len();
                let more = bytes.split_to(bytes.len().min(missing));
                held.extend_from_slice(&more);
                self.left -= more.len() as u64;
                if more.len() == missing {
                    let (field, value) = (*field, std::mem::take(held).freeze());
                    self.keep(field, value)?;
                }
            }
            At::Body(left) | At::Skipped(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let more = bytes.split_to(bytes.len().min(most));
                *left -= more.len() as u64;
                self.left -= more.len() as u64;
                if matches!(self.at, At::Body(_)) {
                    to.extend_from_slice(&more);
                }
                if let At::Body(0) | At::Skipped(0) = self.at {
                    self.at = At::Key(Varint::default());
                }
            }
        }
        Ok(true)
    }

    fn begin_field(&mut self, key: u64) -> Result<(), Fault> {
        let field = key >> 3;
        if field == 0 {
            return Err(malformed("a field has the number 0"));
        }
        let is_ours = matches!(field, DESCRIPTOR | HEADER | BODY);
        self.at = match key & 7 {
            2 => At::Length(field, Varint::default()),
            _ if is_ours => return Err(malformed("a field is of another type")),
            0 => At::Number(Varint::default()),
            1 => self.skipped(8)?,
            5 => self.skipped(4)?,
            _ => return Err(malformed("a field is of no type that is known")),
        };
        Ok(())
    }

    fn skipped(&self, length: u64) -> Result<At, Fault> {
        self.within(length)?;
        Ok(At::Skipped(length))
    }

    fn within(&self, length: u64) -> Result<(), Fault> {
        match length <= self.left {
            true => Ok(()),
            false => Err(malformed("a field is longer than its message")),
        }
    }

    fn begin_value(&mut self, field: u64, length: u64, to: &mut BytesMut) -> Result<(), Fault> {
        self.within(length)?;
        self.at = match field {
            DESCRIPTOR if self.messages == 0 => {
                self.no_longer_than(length, MAX_DESCRIPTOR_BYTES, "descriptor")?;
                At::Kept(Field::Descriptor, length, BytesMut::new())
            }
            HEADER => {
                if std::mem::replace(&mut self.message.has_header, true) {
                    return Err(malformed("a message has two headers"));
                }
                self.no_longer_than(length, self.max_header_bytes, "header")?;
                At::Kept(Field::Header, length, BytesMut::new())
            }
            BODY => {
                self.begin_body(length, to)?;
                At::Body(length)
            }
            _ => At::Skipped(length),
        };
        // Nothing of it is to come, so nothing would end it.
        match self.at {
            At::Kept(field, 0, _) => self.keep(field, Bytes::new()),
            At::Body(0) | At::Skipped(0) => {
                self.at = At::Key(Varint::default());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn no_longer_than(&self, length: u64, most: u64, what: &str) -> Result<(), Fault> {
        match length <= most {
            true => Ok(()),
            false => Err(Fault::TooLarge(format!(
                "the {what} of message {} has {length} bytes and may have {most}",
                self.messages + 1
            ))),
        }
    }

    fn keep(&mut self, field: Field, value: Bytes) -> Result<(), Fault> {
        self.at = At::Key(Varint::default());
        match field {
            Field::Descriptor => self.descriptor = Some(value),
            // A message may carry metadata alone.
            Field::Header if value.is_empty() => {}
            Field::Header => {
                let head = Head::read(&value).ok_or_else(|| {
                    self.fault("its header is no message of Arrow IPC with rows or their schema")
                })?;
                match (head.kind, self.has_schema) {
                    (Kind::Schema, false) => self.has_schema = true,
                    (Kind::Schema, true) => return Err(self.fault("it is a second schema")),
                    (_, true) => {}
                    (_, false) => return Err(self.fault("the schema must come first")),
                }
                self.message.header = Some((head, value));
            }
        }
        Ok(())
    }

    fn begin_body(&mut self, length: u64, to: &mut BytesMut) -> Result<(), Fault> {
        if std::mem::replace(&mut self.message.has_body, true) {
            return Err(malformed("a message has two bodies"));
        }
        match self.message.header.take() {
            Some(header) => self.write_header(&header, length, to),
            None if length == 0 => Ok(()),
            None => Err(self.fault("a body stands before its header")),
        }
    }

    fn write_header(
        &self,
        (head, header): &(Head, Bytes),
        body_bytes: u64,
        to: &mut BytesMut,
    ) -> Result<(), Fault> {
        if head.body_bytes != body_bytes {
            let said = head.body_bytes;
            return Err(self.fault(&format!(
                "its body has {body_bytes} bytes, and its header says {said}"
            )));
        }
        encapsulated(header, to).ok_or_else(|| self.fault("its header is too long"))
    }

    fn end_message(&mut self, to: &mut BytesMut) -> Result<(), Fault> {
        if !matches!(self.at, At::Key(Varint { shift: 0, .. })) {
            return Err(malformed("a field is longer than its message"));
        }
        if let Some(header) = self.message.header.take() {
            self.write_header(&header, 0, to)?;
        }
        self.message = Message::default();
        self.messages += 1;
        self.at = At::Prefix(BytesMut::new());
        Ok(())
    }

    fn fault(&self, why: &str) -> Fault {
        Fault::Malformed(format!("message {} cannot be read: {why}", self.messages + 1))
    }
}
