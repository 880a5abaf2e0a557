//! The state of one stream of an upload: what may follow what.

use datacovey_error::{Error, ErrorReason, Result, Violation};
use sha2::{Digest as _, Sha256};

/// Content of one message at most.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// Content between two commits.
#[derive(Debug)]
pub(crate) struct Upload {
    committed: u64,
    /// What is committed, underway to that, and pending, in bytes.
    received: u64,
    pending: Vec<u8>,
    chunk_bytes: usize,
    max_bytes: u64,
    /// Of all content received; none where this stream did not begin at 0.
    sha256: Option<Sha256>,
}

impl Upload {
    /// Goes on at `offset`, which must be what is committed.
    ///
    /// # Errors
    ///
    /// WRONG_OFFSET, which names the right one.
    pub(crate) fn start(offset: i64, committed: u64, chunk_bytes: usize, max_bytes: u64) -> Result<Self> {
        let offset = u64::try_from(offset)
            .map_err(|_| Error::invalid_field("start.offset", "must not be negative"))?;
        if offset != committed {
            return Err(Error::wrong_offset(offset, committed));
        }
        let sha256 = (offset == 0).then(Sha256::new);
        Ok(Self {
            committed,
            received: committed,
            pending: Vec::new(),
            chunk_bytes,
            max_bytes,
            sha256,
        })
    }

    /// Takes content; gives it back together with what was pending when there is enough for a chunk.
    pub(crate) fn take(&mut self, data: &[u8]) -> Result<Option<Vec<u8>>> {
        if data.is_empty() || data.len() > MAX_MESSAGE_BYTES {
            return Err(Error::invalid_field(
                "data",
                format!("must have 1 to {MAX_MESSAGE_BYTES} bytes"),
            ));
        }
        let received = self.received + data.len() as u64;
        if received > self.max_bytes {
            return Err(Error::too_large(format!(
                "the content is larger than {} bytes",
                self.max_bytes
            )));
        }
        self.received = received;
        self.pending.extend_from_slice(data);
        // Message by message, so that no thread that serves others computes for long.
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(data);
        }
        Ok((self.pending.len() >= self.chunk_bytes).then(|| std::mem::take(&mut self.pending)))
    }

    /// What is left to be committed.
    pub(crate) fn rest(&mut self) -> Option<Vec<u8>> {
        (!self.pending.is_empty()).then(|| std::mem::take(&mut self.pending))
    }

    /// Notes that a chunk of so many bytes is committed.
    pub(crate) const fn commit(&mut self, bytes: usize) {
        self.committed += bytes as u64;
    }

    pub(crate) const fn committed(&self) -> u64 {
        self.committed
    }

    /// The checksum of all that was received, where this stream has seen it all.
    pub(crate) fn sha256(&self) -> Option<String> {
        self.sha256.clone().map(|it| hex::encode(it.finalize()))
    }
}

/// Checks what the client says of the whole against what was received.
pub(crate) fn check_total(total_bytes: i64, committed: u64) -> Result<()> {
    if u64::try_from(total_bytes).ok() == Some(committed) {
        return Ok(());
    }
    let reason = format!("is {total_bytes}, but {committed} bytes were received");
    Err(Error::invalid_field("finish.total_bytes", reason))
}

/// Reads a checksum of a request.
pub(crate) fn parse_sha256(text: &str) -> Result<String> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Error::invalid_field(
        "finish.sha256",
        "must be a SHA-256: 64 hexadecimal digits",
    ))
}

/// The content is not what the client meant to send.
pub(crate) fn checksum_mismatch(sent: &str, received: &str) -> Error {
    let description =
        format!("is {sent}, but the content received has {received}; create a new import and send it again");
    Error::violated(
        ErrorReason::ChecksumMismatch,
        "the request",
        vec![Violation::new("finish.sha256", description).of(ErrorReason::ChecksumMismatch)],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use datacovey_error::Kind;

    #[test]
    fn a_stream_goes_on_where_the_last_one_ended_and_nowhere_else() {
        assert_eq!(Upload::start(5, 5, 10, 100).unwrap().committed(), 5);
        let error = Upload::start(4, 5, 10, 100).unwrap_err();
        assert_eq!(
            (error.kind(), error.metadata()["expected_offset"].as_str()),
            (Kind::OutOfRange, "5")
        );
        assert_eq!(
            Upload::start(-1, 0, 10, 100).unwrap_err().kind(),
            Kind::InvalidArgument
        );
    }

    #[test]
    fn content_is_gathered_into_chunks() {
        let mut upload = Upload::start(0, 0, 4, 100).unwrap();
        assert_eq!(upload.take(b"abc").unwrap(), None);
        let chunk = upload.take(b"de").unwrap().unwrap();
        assert_eq!(chunk, b"abcde");
        upload.commit(chunk.len());
        assert_eq!((upload.rest(), upload.committed()), (None, 5));
        upload.take(b"f").unwrap();
        let rest = upload.rest().unwrap();
        upload.commit(rest.len());
        let whole = hex::encode(Sha256::digest(b"abcdef"));
        assert_eq!(upload.sha256(), Some(whole));
    }

    #[test]
    fn sizes_are_bounded() {
        let mut upload = Upload::start(0, 0, 4, 6).unwrap();
        assert_eq!(upload.take(b"").unwrap_err().kind(), Kind::InvalidArgument);
        assert_eq!(
            upload.take(&vec![0; MAX_MESSAGE_BYTES + 1]).unwrap_err().kind(),
            Kind::InvalidArgument
        );
        upload.take(b"abc").unwrap();
        assert_eq!(upload.take(b"defg").unwrap_err().kind(), Kind::ResourceExhausted);
        assert_eq!(upload.take(b"def").unwrap().unwrap(), b"abcdef");
    }

    #[test]
    fn what_the_client_says_of_the_whole_is_checked() {
        assert!(check_total(6, 6).is_ok());
        assert!(check_total(-1, 6).is_err());
        assert!(check_total(7, 6).is_err());
        let digits = "AB".repeat(32);
        assert_eq!(parse_sha256(&digits).unwrap(), "ab".repeat(32));
        assert!(parse_sha256("ab").is_err());
        assert_eq!(
            checksum_mismatch("a", "b").reason(),
            ErrorReason::ChecksumMismatch
        );
        assert_eq!(Upload::start(3, 3, 4, 6).unwrap().sha256(), None);
    }
}
