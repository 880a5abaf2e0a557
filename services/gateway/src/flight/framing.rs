//! What the gateway reads of Flight's calls by itself, each in one piece, for whoever tries what it holds to
//! (`tests/fuzz`). Calls are served by the same code, as their bytes come in.

use arrow_flight::FlightDescriptor;
use bytes::{Bytes, BytesMut};
use datacovey_error::{Error, Result};
use prost::Message as _;

use super::asked::{Asked, Target};
use super::from_flight::{Fault, FromFlight};
use super::to_flight::{IpcPieces, framed};

/// Header of one message: as of the smallest messages that a gateway may be told to take.
const MAX_HEADER_BYTES: usize = 4 << 20;

/// A body of DoPut that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutBody {
    /// The encoded descriptor of its first message.
    pub descriptor: Option<Bytes>,
    /// The rows, as a stream of Arrow IPC.
    pub stream: Vec<u8>,
}

/// Reads a body of DoPut that comes in pieces of so many bytes, at least one.
///
/// # Errors
///
/// What is wrong with it.
pub fn put_body(body: &[u8], piece_bytes: usize) -> Result<PutBody, String> {
    let told = |fault| match fault {
        Fault::Malformed(what) | Fault::TooLarge(what) => what,
        Fault::Compressed => "it is compressed".to_owned(),
    };
    let (mut reader, mut stream) = (FromFlight::new(MAX_HEADER_BYTES), BytesMut::new());
    for piece in body.chunks(piece_bytes.max(1)) {
        let taken = reader.take(Bytes::copy_from_slice(piece), &mut stream);
        taken.map_err(told)?;
    }
    let descriptor = reader.descriptor().cloned();
    reader.finish(&mut stream).map_err(told)?;
    Ok(PutBody {
        descriptor,
        stream: stream.to_vec(),
    })
}

/// The messages that a stream of Arrow IPC is answered with.
///
/// # Errors
///
/// Why it is no stream.
pub fn answer_body(stream: &[u8]) -> Result<Vec<u8>, String> {
    let (mut pieces, mut frames) = (IpcPieces::new(), Vec::new());
    let mut stream = Bytes::copy_from_slice(stream);
    while let Some(piece) = pieces.next(&mut stream).map_err(|error| error.to_string())? {
        frames.extend_from_slice(&framed(piece).map_err(|error| error.to_string())?);
    }
    match pieces.has_ended() {
        true => Ok(frames),
        false => Err("it is cut short".to_owned()),
    }
}

/// The table that an encoded descriptor of DoPut names.
///
/// # Errors
///
/// INVALID_ARGUMENT with all that is wrong with it.
pub fn put_table(descriptor: &[u8]) -> Result<String> {
    Target::of_descriptor(Some(descriptor)).map(|target| target.table)
}

/// Reads an encoded descriptor of what is asked for; gives the ticket, if it is that of a job.
///
/// # Errors
///
/// INVALID_ARGUMENT with all that is wrong with it.
pub fn asked_by_descriptor(descriptor: &[u8]) -> Result<Option<String>> {
    let descriptor = FlightDescriptor::decode(descriptor)
        .map_err(|error| Error::invalid_field("", format!("is no FlightDescriptor: {error}")))?;
    Asked::of_descriptor(&descriptor).map(ticket_of)
}

/// Reads a ticket; gives it as the gateway itself writes it, if it is that of a job.
///
/// # Errors
///
/// INVALID_ARGUMENT with all that is wrong with it.
pub fn asked_by_ticket(ticket: &[u8]) -> Result<Option<String>> {
    Asked::of_ticket(ticket).map(ticket_of)
}

fn ticket_of(asked: Asked) -> Option<String> {
    match asked {
        Asked::Job(job) => Some(job.ticket()),
        Asked::Table { .. } | Asked::Statement { .. } => None,
    }
}
