//! The object store: a folder, or a bucket of S3, Google Cloud Storage or Azure.

mod open;
mod writer;

use std::fmt;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};

pub use open::StoreOptions;
pub(crate) use open::bucket;
pub use writer::ObjectWriter;

/// How much is read from an object at a time.
const STREAM_BYTES: u64 = 1 << 20;

/// Why the object store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The location is no folder and no address that is known here.
    #[error("{location}: {reason}")]
    Location { location: String, reason: String },
    #[error("there is no object at {0}")]
    NotFound(Path),
    #[error("there is an object at {0} already")]
    AlreadyExists(Path),
    /// It is not the object that it was when it was looked at first.
    #[error("the object at {0} has changed")]
    Changed(Path),
    /// The store knows the credentials and refuses, or does not know them.
    #[error("object store: {0}")]
    Denied(#[source] object_store::Error),
    /// The store is away, full or broken: worth another attempt.
    #[error("object store: {0}")]
    Unavailable(#[source] object_store::Error),
    #[error("object store: {0}")]
    Io(#[from] std::io::Error),
}

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error;
        match error {
            Error::NotFound { path, .. } => Self::NotFound(Path::from(path)),
            Error::AlreadyExists { path, .. } => Self::AlreadyExists(Path::from(path)),
            Error::Precondition { path, .. } => Self::Changed(Path::from(path)),
            denied @ (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) => Self::Denied(denied),
            other => Self::Unavailable(other),
        }
    }
}

/// A handle on the object store; clones share it.
#[derive(Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    /// The folder, if it is one: then durability is up to us.
    folder: Option<Arc<PathBuf>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.objects)
    }
}

impl Store {
    /// Opens the store at `location`: a folder (created if missing), written as a path or as
    /// `file://` and a path; or a bucket, with a path in it if need be, as `s3://bucket/path`, `gs://`
    /// or `az://`. Of a bucket, nothing is asked yet. Credentials and endpoints come from the
    /// environment, or from what the machine is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Location`] for other addresses, for folders that cannot be made, and where the
    /// environment does not say enough of a bucket.
    pub fn open(location: &str) -> Result<Self, StoreError> {
        Self::open_with(location, &StoreOptions::default())
    }

    /// As [`Self::open`], in another environment or with other patience.
    ///
    /// # Errors
    ///
    /// As of [`Self::open`].
    pub fn open_with(location: &str, options: &StoreOptions) -> Result<Self, StoreError> {
        open::open(location, options)
    }

    /// Objects that are somebody else's, or a store that is durable by itself.
    pub(crate) fn over(objects: Arc<dyn ObjectStore>) -> Self {
        Self {
            objects,
            folder: None,
        }
    }

    /// The store itself, for engines that read table files on their own.
    #[must_use]
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects)
    }

    /// Writes an object whole; when this returns it is durable.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store does not take it.
    pub async fn put(&self, path: &Path, content: Bytes) -> Result<(), StoreError> {
        self.objects.put(path, PutPayload::from_bytes(content)).await?;
        self.make_durable(path).await
    }

    /// Starts an object of unknown length. It appears, durable, when it is finished.
    #[must_use]
    pub fn writer(&self, path: Path) -> ObjectWriter {
        ObjectWriter::new(self.clone(), path)
    }

    /// The bytes of `range`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the object or the range does not exist.
    pub async fn get_range(&self, path: &Path, range: Range<u64>) -> Result<Bytes, StoreError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        Ok(self.objects.get_range(path, range).await?)
    }

    /// The object's length in bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if there is none.
    pub async fn size_bytes(&self, path: &Path) -> Result<u64, StoreError> {
        Ok(self.objects.head(path).await?.size)
    }

    /// The object's bytes in `range`, in pieces of at most a mebibyte.
    pub fn stream(
        &self,
        path: &Path,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static {
        let (store, path) = (self.clone(), path.clone());
        stream::try_unfold(range.start, move |start| {
            let (store, path) = (store.clone(), path.clone());
            let end = range.end.min(start.saturating_add(STREAM_BYTES));
            async move {
                if start >= end {
                    return Ok(None);
                }
                Ok(Some((store.get_range(&path, start..end).await?, end)))
            }
        })
    }

    /// Deletes the object; one that is not there is no error.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store does not answer.
    pub async fn delete(&self, path: &Path) -> Result<(), StoreError> {
        match self.objects.delete(path).await.map_err(StoreError::from) {
            Err(StoreError::NotFound(_)) => Ok(()),
            other => other,
        }
    }

    /// The paths of all objects below `folder`.
    pub fn list(&self, folder: &Path) -> impl Stream<Item = Result<Path, StoreError>> + Send + 'static {
        self.objects
            .list(Some(folder))
            .map_ok(|meta| meta.location)
            .map_err(StoreError::from)
    }

    /// Deletes every object below `folder` and says how many there were. What killed writers began
    /// there and never finished goes with them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store does not answer; what is gone by then stays gone.
    pub async fn delete_below(&self, folder: &Path) -> Result<u64, StoreError> {
        // Stores that can, delete many at a time.
        let paths = self.objects.list(Some(folder)).map_ok(|meta| meta.location);
        let mut deleted = self.objects.delete_stream(paths.boxed());
        let mut count = 0;
        while let Some(one) = deleted.next().await {
            match one.map_err(StoreError::from) {
                Ok(_) => count += 1,
                Err(StoreError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(root) = self.folder.clone() {
            let place = place_of(&root, folder);
            let removed = tokio::task::spawn_blocking(move || match std::fs::remove_dir_all(place) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            });
            removed.await.map_err(std::io::Error::other)??;
        }
        Ok(count)
    }

    /// Deletes every object in `folder` but `kept`, and what killed writers began beside it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store does not answer; what is gone by then stays gone.
    pub async fn delete_others(&self, folder: &Path, kept: &Path) -> Result<(), StoreError> {
        let mut paths = self.list(folder).boxed();
        while let Some(path) = paths.try_next().await? {
            if path != *kept {
                self.delete(&path).await?;
            }
        }
        let Some(root) = self.folder.clone() else {
            return Ok(());
        };
        // A folder's list leaves out what is not finished.
        let (place, kept) = (place_of(&root, folder), place_of(&root, kept));
        let removed = tokio::task::spawn_blocking(move || {
            let entries = match std::fs::read_dir(place) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                entries => entries?,
            };
            for entry in entries {
                let path = entry?.path();
                if path.is_file() && path != kept {
                    std::fs::remove_file(path)?;
                }
            }
            Ok(())
        });
        removed
            .await
            .map_err(|stopped| StoreError::Io(std::io::Error::other(stopped)))?
    }

    /// A folder forgets what was not fsynced: the file, and the entry of every folder above it.
    async fn make_durable(&self, path: &Path) -> Result<(), StoreError> {
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        let file = place_of(&folder, path);
        tokio::task::spawn_blocking(move || {
            std::fs::File::open(&file)?.sync_all()?;
            for above in file
                .ancestors()
                .skip(1)
                .take_while(|above| above.starts_with(folder.as_path()))
            {
                std::fs::File::open(above)?.sync_all()?;
            }
            Ok(())
        })
        .await
        .map_err(|stopped| StoreError::Io(std::io::Error::other(stopped)))?
    }
}

/// Where in the file system a path of the store lies.
fn place_of(folder: &FilePath, path: &Path) -> PathBuf {
    path.parts()
        .fold(folder.to_path_buf(), |at, part| at.join(part.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::writer::PART_BYTES;
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        (folder, store)
    }

    #[tokio::test]
    async fn what_is_written_in_parts_reads_back_from_any_offset() {
        let (_folder, store) = store();
        let content: Vec<u8> = (0..PART_BYTES * 2 + 4321).map(|at| (at % 251) as u8).collect();
        let path = Path::from("a/b/c");
        let mut writer = store.writer(path.clone());
        for piece in content.chunks(1_000_003) {
            writer.write(piece).await.unwrap();
        }
        assert_eq!(
            store.list(&Path::from("a")).count().await,
            0,
            "it appears only when finished"
        );
        assert_eq!(writer.finish().await.unwrap(), content.len() as u64);

        let from = 5_000_000;
        let read: Vec<Bytes> = store
            .stream(&path, from as u64..content.len() as u64)
            .try_collect()
            .await
            .unwrap();
        assert_eq!(read.concat(), content[from..]);
        assert_eq!(store.size_bytes(&path).await.unwrap(), content.len() as u64);
    }

    #[tokio::test]
    async fn a_writer_dropped_leaves_nothing() {
        let (folder, store) = store();
        let mut writer = store.writer(Path::from("x"));
        writer.write(&vec![7; PART_BYTES + 1]).await.unwrap();
        drop(writer);
        assert!(matches!(
            store.size_bytes(&Path::from("x")).await,
            Err(StoreError::NotFound(_))
        ));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn deleting_below_spares_its_neighbours() {
        let (_folder, store) = store();
        for path in ["t/1/a", "t/1/b", "t/11/c"] {
            store
                .put(&Path::from(path), Bytes::from_static(b"x"))
                .await
                .unwrap();
        }
        assert_eq!(store.delete_below(&Path::from("t/1")).await.unwrap(), 2);
        assert_eq!(store.size_bytes(&Path::from("t/11/c")).await.unwrap(), 1);
        store.delete(&Path::from("t/1/a")).await.unwrap();
    }

    #[tokio::test]
    async fn what_a_killed_writer_began_goes_with_its_folder() {
        let (folder, store) = store();
        let mut writer = store.writer(Path::from("t/1/a"));
        writer.write(&vec![7; PART_BYTES + 1]).await.unwrap();
        // As if the process ended here: nothing that cleans up runs.
        std::mem::forget(writer);
        assert_eq!(std::fs::read_dir(folder.path().join("t/1")).unwrap().count(), 1);
        assert_eq!(store.delete_below(&Path::from("t/1")).await.unwrap(), 0);
        assert!(!folder.path().join("t/1").exists());
        assert_eq!(store.delete_below(&Path::from("t/1")).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_a_killed_writer_began_goes_while_its_neighbour_stays() {
        let (folder, store) = store();
        let kept = Path::from("t/2");
        for path in [&Path::from("t/1"), &kept] {
            store.put(path, Bytes::from_static(b"x")).await.unwrap();
        }
        let mut writer = store.writer(Path::from("t/1"));
        writer.write(&vec![7; PART_BYTES + 1]).await.unwrap();
        std::mem::forget(writer);
        assert_eq!(std::fs::read_dir(folder.path().join("t")).unwrap().count(), 3);
        store.delete_others(&Path::from("t"), &kept).await.unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join("t")).unwrap().count(), 1);
        assert_eq!(store.size_bytes(&kept).await.unwrap(), 1);
        store
            .delete_others(&Path::from("none"), &Path::from("none/1"))
            .await
            .unwrap();
    }

    #[test]
    fn unknown_stores_are_refused_by_name() {
        let error = Store::open("ftp://somewhere").unwrap_err().to_string();
        assert!(error.contains("ftp://"), "{error}");
        assert!(Store::open("").is_err());
    }
}
