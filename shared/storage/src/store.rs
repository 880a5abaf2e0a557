use std::fmt;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload};

/// How much is read from an object at a time, and written as one part of a longer one.
const PART_BYTES: usize = 8 << 20;
const STREAM_BYTES: u64 = 1 << 20;

/// Why the object store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The location is no folder and no address that is known here.
    #[error("{location}: {reason}")]
    Location { location: String, reason: String },
    #[error("there is no object at {0}")]
    NotFound(Path),
    /// The store is away, full or broken: worth another attempt.
    #[error("object store: {0}")]
    Unavailable(#[source] object_store::Error),
    #[error("object store: {0}")]
    Io(#[from] std::io::Error),
}

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { path, .. } => Self::NotFound(Path::from(path)),
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
    /// `file://` and a path.
    ///
    /// # Errors
    ///
    /// [`StoreError::Location`] for other addresses and for folders that cannot be made.
    pub fn open(location: &str) -> Result<Self, StoreError> {
        let refuse = |reason: String| StoreError::Location {
            location: location.to_owned(),
            reason,
        };
        let path = match location.split_once("://") {
            None => location,
            Some(("file", path)) => path,
            Some((scheme, _)) => {
                return Err(refuse(format!(
                    "stores of the kind {scheme}:// are not supported"
                )));
            }
        };
        if path.is_empty() {
            return Err(refuse("the path is empty".to_owned()));
        }
        let folder = FilePath::new(path);
        std::fs::create_dir_all(folder).map_err(|error| refuse(error.to_string()))?;
        let folder = folder.canonicalize().map_err(|error| refuse(error.to_string()))?;
        let objects = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|error| refuse(error.to_string()))?
            .with_automatic_cleanup(false);
        Ok(Self {
            objects: Arc::new(objects),
            folder: Some(Arc::new(folder)),
        })
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
        ObjectWriter {
            store: self.clone(),
            path,
            parts: None,
            pending: Vec::new(),
            size_bytes: 0,
        }
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
        let mut paths = self.list(folder).boxed();
        let mut count = 0;
        while let Some(path) = paths.try_next().await? {
            self.delete(&path).await?;
            count += 1;
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

/// An object being written. Dropped before [`ObjectWriter::finish`], it never appears.
pub struct ObjectWriter {
    store: Store,
    path: Path,
    parts: Option<Box<dyn MultipartUpload>>,
    pending: Vec<u8>,
    size_bytes: u64,
}

impl fmt::Debug for ObjectWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectWriter({}, {} bytes)", self.path, self.size_bytes)
    }
}

impl ObjectWriter {
    /// Adds bytes at the end; at most one part of 8 MiB is held in memory.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store does not take them.
    pub async fn write(&mut self, mut content: &[u8]) -> Result<(), StoreError> {
        self.size_bytes += content.len() as u64;
        while !content.is_empty() {
            let (now, later) = content.split_at(content.len().min(PART_BYTES - self.pending.len()));
            self.pending.extend_from_slice(now);
            content = later;
            if self.pending.len() == PART_BYTES {
                self.put_part().await?;
            }
        }
        Ok(())
    }

    async fn put_part(&mut self) -> Result<(), StoreError> {
        if self.parts.is_none() {
            self.parts = Some(self.store.objects.put_multipart(&self.path).await?);
        }
        let part = std::mem::take(&mut self.pending);
        if let Some(parts) = &mut self.parts {
            parts.put_part(PutPayload::from(part)).await?;
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
        match self.parts.take() {
            Some(mut parts) => {
                parts.complete().await?;
                self.store.make_durable(&self.path).await?;
            }
            None => {
                self.store
                    .put(&self.path, Bytes::from(std::mem::take(&mut self.pending)))
                    .await?
            }
        }
        Ok(self.size_bytes)
    }
}

#[cfg(test)]
mod tests {
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
