//! What the gateway reads of Arrow Flight by itself: frames of DoPut, descriptors, tickets.

use datacovey_error::{Error, Kind};
use datacovey_gateway::flight_framing::{
    answer_body, asked_by_descriptor, asked_by_ticket, put_body, put_table,
};

/// A message without a header, which ends a stream of Arrow IPC.
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
/// What is said of bytes is short, however long they are.
const MAX_MESSAGE_BYTES: usize = 100_000;

/// The bytes as a body of DoPut, however it is cut, and then as a descriptor and a ticket. What becomes a
/// stream of rows is no longer than what came, but for the frames of its messages, and goes back into frames
/// that are read as the same rows; whatever is refused is refused in words, by its place.
pub fn flight(bytes: &[u8]) {
    let whole = put_body(bytes, usize::MAX);
    for piece_bytes in [1, 7, 64] {
        assert_eq!(
            put_body(bytes, piece_bytes),
            whole,
            "in pieces of {piece_bytes} bytes"
        );
    }
    match whole {
        Ok(body) => {
            assert!(body.stream.ends_with(&END));
            // A prefix, and what pads a header, in the place of five bytes before each message.
            assert!(body.stream.len() <= 4 * bytes.len() + END.len());
            let answer = answer_body(&body.stream).expect("a stream that we made");
            let again = put_body(&answer, usize::MAX).expect("frames that we made");
            assert_eq!(again.stream, body.stream);
            assert_eq!(again.descriptor, None);
            if let Some(descriptor) = body.descriptor {
                described(&descriptor);
            }
        }
        Err(why) => assert!(!why.is_empty() && why.len() < MAX_MESSAGE_BYTES, "{why}"),
    }
    described(bytes);
    match asked_by_ticket(bytes) {
        // What the gateway gives out as a ticket is one, and the same.
        Ok(Some(ticket)) => {
            let again = asked_by_ticket(ticket.as_bytes()).expect("a ticket that we made");
            assert_eq!(again, Some(ticket));
        }
        Ok(None) => {}
        Err(error) => refused(&error),
    }
}

fn described(descriptor: &[u8]) {
    if let Err(error) = put_table(descriptor) {
        refused(&error);
    }
    match asked_by_descriptor(descriptor) {
        Ok(Some(ticket)) => assert_eq!(asked_by_ticket(ticket.as_bytes()).ok(), Some(Some(ticket))),
        Ok(None) => {}
        Err(error) => refused(&error),
    }
}

fn refused(error: &Error) {
    assert_eq!(error.kind(), Kind::InvalidArgument, "{error:?}");
    assert!(!error.violations().is_empty(), "{error:?}");
    let texts = error.violations().iter().map(|it| &it.description);
    assert!(texts.into_iter().all(|it| !it.is_empty()));
}
