use std::io::SeekFrom;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::OnProgress;

/// Bytes of a message of an upload: well below the limit of a gRPC message, well above its overhead.
const PIECE_BYTES: usize = 256 * 1024;

/// A file as it is uploaded: from an offset on, again from another where the connection breaks, and each byte
/// counted in its checksum once, those that arrived before, too.
#[derive(Debug)]
pub(super) struct Content {
    path: PathBuf,
    file: File,
    /// What the file was seen to hold, for those who look on.
    total: u64,
    at: u64,
    sha256: Sha256,
    /// How far the checksum is.
    hashed: u64,
}

impl Content {
    pub(super) async fn open(path: &Path, total: u64) -> anyhow::Result<Self> {
        let file = File::open(path).await.with_context(|| cannot_read(path))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            total,
            at: 0,
            sha256: Sha256::new(),
            hashed: 0,
        })
    }

    /// Goes to `offset`. What is before it is read for the checksum, unless that was done.
    pub(super) async fn seek(&mut self, offset: u64, on_progress: OnProgress<'_>) -> anyhow::Result<()> {
        self.go_to(offset.min(self.hashed)).await?;
        while self.at < offset {
            // A file that is shorter now than what has arrived of it: the service says so.
            if self.read(offset - self.at, on_progress).await?.is_none() {
                return self.go_to(offset).await;
            }
        }
        Ok(())
    }

    /// The next piece; none at the end.
    pub(super) async fn next(&mut self, on_progress: OnProgress<'_>) -> anyhow::Result<Option<Vec<u8>>> {
        self.read(u64::MAX, on_progress).await
    }

    /// Where the next piece begins.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// Of all that was read, in 64 hexadecimal digits.
    pub(super) fn sha256(&self) -> String {
        hex::encode(self.sha256.clone().finalize())
    }

    async fn go_to(&mut self, offset: u64) -> anyhow::Result<()> {
        let sought = self.file.seek(SeekFrom::Start(offset)).await;
        self.at = sought.with_context(|| cannot_read(&self.path))?;
        Ok(())
    }

    async fn read(&mut self, at_most: u64, on_progress: OnProgress<'_>) -> anyhow::Result<Option<Vec<u8>>> {
        let length = usize::try_from(at_most).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let mut piece = vec![0; length];
        let read = self.file.read(&mut piece).await;
        let read = read.with_context(|| cannot_read(&self.path))?;
        if read == 0 {
            return Ok(None);
        }
        piece.truncate(read);
        // What is sent again is counted already.
        let known = usize::try_from(self.hashed.saturating_sub(self.at)).unwrap_or(usize::MAX);
        if let Some(new) = piece.get(known..) {
            self.sha256.update(new);
            self.hashed += new.len() as u64;
        }
        self.at += read as u64;
        on_progress(self.at, Some(self.total));
        Ok(Some(piece))
    }
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rest(content: &mut Content) -> Vec<u8> {
        let mut rest = Vec::new();
        while let Some(piece) = content.next(&|_, _| {}).await.unwrap() {
            rest.extend(piece);
        }
        rest
    }

    #[tokio::test]
    async fn the_checksum_is_of_the_whole_file_wherever_reading_begins_and_begins_again() {
        let bytes: Vec<u8> = (0..3 * PIECE_BYTES + 77).map(|at| (at % 251) as u8).collect();
        let expected = hex::encode(Sha256::digest(&bytes));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let total = bytes.len();
        for offsets in [
            &[0][..],
            &[total],
            &[PIECE_BYTES + 5],
            &[2 * PIECE_BYTES, 10, PIECE_BYTES + 1],
        ] {
            let mut content = Content::open(file.path(), total as u64).await.unwrap();
            for offset in offsets {
                content.seek(*offset as u64, &|_, _| {}).await.unwrap();
                // A connection that breaks after one piece.
                content.next(&|_, _| {}).await.unwrap();
                content.seek(*offset as u64, &|_, _| {}).await.unwrap();
                assert!(rest(&mut content).await == bytes[*offset..], "{offsets:?}");
            }
            assert_eq!(
                (content.at(), content.sha256()),
                (total as u64, expected.clone()),
                "{offsets:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_has_nothing_to_send() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"abc").unwrap();
        let mut content = Content::open(file.path(), 3).await.unwrap();
        content.seek(9, &|_, _| {}).await.unwrap();
        assert_eq!(content.at(), 9);
        assert!(rest(&mut content).await.is_empty());
    }
}
