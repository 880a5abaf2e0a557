use std::fmt;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::{Store, StoreError};

/// The size of the first parts of an object; no store takes smaller ones but the last.
pub(super) const PART_BYTES: usize = 8 << 20;
/// Parts of an object that have one size before it doubles. Stores take ten thousand parts, which are
/// 480 GiB by then, of which the largest has 128 MiB.
const PARTS_OF_A_SIZE: usize = 2_000;

/// An object being written. Dropped before [`ObjectWriter::finish`], it never appears.
pub struct ObjectWriter {
    store: Store,
    path: Path,
    parts: Option<Box<dyn MultipartUpload>>,
    /// Parts that the store has or is given.
    count: usize,
    /// The part that it is given meanwhile.
    underway: Option<AbortOnDropHandle<object_store::Result<()>>>,
    pending: Vec<u8>,
    size_bytes: u64,
}

impl fmt::Debug for ObjectWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectWriter({}, {} bytes)", self.path, self.size_bytes)
    }
}

impl ObjectWriter {
    pub(super) fn new(store: Store, path: Path) -> Self {
        Self {
            store,
            path,
            parts: None,
            count: 0,
            underway: None,
            pending: Vec::new(),
            size_bytes: 0,
        }
    }

    /// Adds bytes at the end; at most two parts are held in memory: 16 MiB, and more only of objects
    /// beyond 16 GiB.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store does not take them.
    pub async fn write(&mut self, mut content: &[u8]) -> Result<(), StoreError> {
        self.size_bytes += content.len() as u64;
        while !content.is_empty() {
            let room = part_bytes(self.count) - self.pending.len();
            let (now, later) = content.split_at(content.len().min(room));
            self.pending.extend_from_slice(now);
            content = later;
            if self.pending.len() == part_bytes(self.count) {
                self.put_part().await?;
            }
        }
        Ok(())
    }

    async fn put_part(&mut self) -> Result<(), StoreError> {
        if self.parts.is_none() {
            let parts = self.store.objects.put_multipart(&self.path).await;
            self.parts = Some(parts.map_err(of_upload)?);
        }
        self.arrive().await?;
        if let Some(parts) = &mut self.parts {
            self.count += 1;
            let next = Vec::with_capacity(part_bytes(self.count));
            let part = std::mem::replace(&mut self.pending, next);
            let put = parts.put_part(PutPayload::from(part));
            self.underway = Some(AbortOnDropHandle::new(tokio::spawn(put)));
        }
        Ok(())
    }

    /// Waits until the store has what it is given.
    async fn arrive(&mut self) -> Result<(), StoreError> {
        if let Some(underway) = &mut self.underway {
            let arrived = underway.await;
            self.underway = None;
            arrived.map_err(std::io::Error::other)?.map_err(of_upload)?;
        }
        Ok(())
    }

    /// Makes the object appear, durable, and says its length in bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store does not take it; then it does not appear.
    pub async fn finish(mut self) -> Result<u64, StoreError> {
        if self.parts.is_some() && !self.pending.is_empty() {
            self.put_part().await?;
        }
        self.arrive().await?;
        match &mut self.parts {
            Some(parts) => {
                parts.complete().await.map_err(of_upload)?;
                self.parts = None;
                self.store.make_durable(&self.path).await?;
            }
            None => {
                let content = Bytes::from(std::mem::take(&mut self.pending));
                self.store.put(&self.path, content).await?;
            }
        }
        Ok(self.size_bytes)
    }
}

/// A bucket keeps, and bills, the parts of what was begun until it is told that nothing comes of it.
/// Of a process that was killed they go by a rule of the bucket, if it has one.
impl Drop for ObjectWriter {
    fn drop(&mut self) {
        if let (Some(mut parts), Ok(runtime)) = (self.parts.take(), Handle::try_current()) {
            if self.store.folder.is_some() {
                return;
            }
            let path = self.path.clone();
            runtime.spawn(async move {
                if let Err(error) = parts.abort().await {
                    tracing::warn!(%path, %error, "parts of an object that was given up may be left");
                }
            });
        }
    }
}

/// Whatever a store does not find while it is written to is the upload: one that it forgot, or one that it ended
/// and is told to end again, since its answer was lost. Either is worth another attempt, at another path.
fn of_upload(error: object_store::Error) -> StoreError {
    match error {
        object_store::Error::NotFound { .. } => StoreError::Unavailable(error),
        other => other.into(),
    }
}

/// The size of the part that follows on `count` others.
const fn part_bytes(count: usize) -> usize {
    PART_BYTES << (count / PARTS_OF_A_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_that_the_store_forgot_is_worth_another_attempt() {
        let lost = object_store::Error::NotFound {
            path: "result/x".to_owned(),
            source: "NoSuchUpload".into(),
        };
        assert!(matches!(of_upload(lost), StoreError::Unavailable(_)));
        let exists = object_store::Error::AlreadyExists {
            path: "result/x".to_owned(),
            source: "it is there".into(),
        };
        assert!(matches!(of_upload(exists), StoreError::AlreadyExists(_)));
    }

    #[test]
    fn ten_thousand_parts_make_a_large_object() {
        let all: u64 = (0..10_000).map(|count| part_bytes(count) as u64).sum();
        assert!(all > 450 << 30, "{}", all >> 30);
        assert_eq!(part_bytes(9_999), 128 << 20);
    }
}
