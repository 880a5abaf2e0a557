//! Bodies of requests, within bounds of each and of all together.

use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use datacovey_rest::Error;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::refusal::Refused;

/// Of bodies that are held at once, in KiB: those that fit one need no room of their own.
const ROOM_KIB: usize = 256 << 10;
const SMALL_BYTES: usize = 64 << 10;

/// Of a body that is too long, so many bytes are still taken and dropped: most callers read no answer before
/// they have sent all of theirs.
const MAX_DROPPED_BYTES: usize = 64 << 20;

/// What bodies at once may hold, so that many long ones are not more than the process has.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM_KIB)))
    }
}

impl Room {
    /// Room for a body of so many bytes, which is there at once or not.
    fn take(&self, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, Refused> {
        if bytes <= SMALL_BYTES {
            return Ok(None);
        }
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.0).try_acquire_many_owned(kib);
        taken.map(Some).map_err(|_| {
            let message = "the gateway holds as many long bodies as it can; retry later";
            datacovey_error::Error::overloaded(message).into()
        })
    }
}

/// Reads a body, and keeps room for it. Errors: 413, 400 PGRST102 for one that is encoded or breaks off, and
/// 429 where there is no room.
pub(super) async fn read(
    mut body: Body,
    headers: &HeaderMap,
    limit: usize,
    room: &Room,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Refused> {
    let said = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok());
    let said = said.and_then(|it| it.parse::<usize>().ok());
    if said.is_some_and(|it| it > limit) {
        // Who waits for a word before it sends is told at once.
        if !headers.contains_key(EXPECT) {
            drop_rest(&mut body).await;
        }
        return Err(Error::too_large(limit).into());
    }
    if let Some(encoding) = encoding(headers) {
        return Err(Error::body_encoding(&encoding).into());
    }
    let mut kept = match room.take(said.unwrap_or_default()) {
        Ok(kept) => kept,
        Err(refused) => {
            drop_rest(&mut body).await;
            return Err(refused);
        }
    };
    let mut read = BytesMut::with_capacity(said.unwrap_or_default());
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Error::body_broken().into());
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if read.len() + data.len() > limit {
            drop(read);
            drop_rest(&mut body).await;
            return Err(Error::too_large(limit).into());
        }
        // How long one is that does not say so, shows only at its end.
        if said.is_none() && kept.is_none() && read.len() + data.len() > SMALL_BYTES {
            kept = room.take(limit)?;
        }
        read.extend_from_slice(&data);
    }
    Ok((read.freeze(), kept))
}

async fn drop_rest(body: &mut Body) {
    let mut left = MAX_DROPPED_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(length) else {
            return;
        };
        left = rest;
    }
}

/// The encoding of a body that is not as it is.
fn encoding(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_ENCODING)?;
    let name = String::from_utf8_lossy(value.as_bytes())
        .trim()
        .to_ascii_lowercase();
    (!matches!(name.as_str(), "" | "identity")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 20;

    fn room(kib: usize) -> Room {
        Room(Arc::new(Semaphore::new(kib)))
    }

    fn pieces(bytes: usize) -> Body {
        let piece = Bytes::from(vec![b'x'; 1000]);
        let pieces = std::iter::repeat_n(Ok::<_, std::convert::Infallible>(piece), bytes / 1000);
        Body::from_stream(futures::stream::iter(pieces))
    }

    fn saying(length: usize) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_LENGTH, length.into())])
    }

    #[tokio::test]
    async fn long_bodies_have_room_or_are_told_to_come_back() {
        let room = room(1500);
        let (body, kept) = read(pieces(900_000), &saying(900_000), LIMIT, &room)
            .await
            .unwrap();
        assert_eq!((body.len(), kept.is_some()), (900_000, true));
        for headers in [saying(900_000), HeaderMap::new()] {
            let Err(Refused::Suite(error)) = read(pieces(900_000), &headers, LIMIT, &room).await else {
                panic!("there is no room");
            };
            assert_eq!(error.reason_name(), "OVERLOADED");
            // Short ones, whether or not they say so, need none.
            assert!(
                read(pieces(60_000), &headers_of_short(&headers), LIMIT, &room)
                    .await
                    .is_ok()
            );
        }
        drop(kept);
        assert!(
            read(pieces(900_000), &HeaderMap::new(), LIMIT, &room)
                .await
                .is_ok()
        );
    }

    fn headers_of_short(of_long: &HeaderMap) -> HeaderMap {
        if of_long.is_empty() {
            HeaderMap::new()
        } else {
            saying(60_000)
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_none() {
        let broken =
            futures::stream::iter([Ok(Bytes::from_static(b"{}")), Err(std::io::Error::other("gone"))]);
        let refused = read(Body::from_stream(broken), &HeaderMap::new(), LIMIT, &room(0)).await;
        assert!(matches!(refused, Err(Refused::Rest(error)) if error.code == "PGRST102"));
    }
}
