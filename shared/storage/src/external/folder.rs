use std::fmt;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::location::Pattern;
use crate::StoreError;

/// Names in one folder that a pattern is held against.
const MAX_ENTRIES: usize = 100_000;

/// A folder whose content is somebody else's. Every path is opened from its handle, so that no link,
/// not even one that is made in this moment, leads out of it.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
    writing: Writing,
}

/// What is written, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    Never,
    /// Whole files, which have another name until they are.
    Whole {
        /// Whose file it is: its own until it is whole, and then nobody's.
        job_id: Uuid,
        attempt: i32,
        overwrite: bool,
    },
}

impl Folder {
    pub(super) const fn new(root: PathBuf, writing: Writing) -> Self {
        Self { root, writing }
    }

    /// The files that a pattern names, in no order, and no more than one beyond `most`.
    pub(super) async fn find(self, pattern: Pattern, most: usize) -> Result<Vec<ObjectMeta>, StoreError> {
        let fixed = pattern.fixed();
        let found = blocking(move || {
            let root = self.open()?;
            let mut found = Vec::new();
            walk(&root, PathBuf::new(), &pattern, 0, most, &mut found)?;
            Ok(found)
        });
        found.await.map_err(|error| of_io(&fixed, error).into())
    }

    fn open(&self) -> io::Result<Dir> {
        Dir::open_ambient_dir(&self.root, ambient_authority())
    }

    fn read(&self, location: &Path, options: &GetOptions) -> Result<GetResult> {
        let of_io = |error: io::Error| of_io(location, error);
        let root = self.open().map_err(of_io)?;
        let path = FilePath::new(location.as_ref());
        // A pipe would be opened for as long as nobody writes to it.
        if !root.metadata(path).map_err(of_io)?.is_file() {
            return Err(of_io(no_file()));
        }
        let file = root.open(path).map_err(of_io)?.into_std();
        let look = || meta(location.clone(), &file.metadata().map_err(of_io)?).map_err(of_io);
        let before = look()?;
        options.check_preconditions(&before)?;
        let range = match &options.range {
            Some(range) => range.as_range(before.size).map_err(|error| Error::Generic {
                store: "folder",
                source: error.into(),
            })?,
            None => 0..before.size,
        };
        let mut content = Vec::new();
        if !options.head {
            let length = range.end - range.start;
            content.reserve_exact(usize::try_from(length).unwrap_or(usize::MAX));
            (&file).seek(SeekFrom::Start(range.start)).map_err(of_io)?;
            (&file).take(length).read_to_end(&mut content).map_err(of_io)?;
            // Cut off below our hands.
            if (content.len() as u64) < length {
                return Err(changed(location));
            }
        }
        if look()? != before {
            return Err(changed(location));
        }
        let content = Bytes::from(content);
        Ok(GetResult {
            payload: GetResultPayload::Stream(futures::stream::once(async { Ok(content) }).boxed()),
            meta: before,
            range,
            attributes: Attributes::new(),
        })
    }

    fn remove(&self, location: &Path) -> io::Result<()> {
        if self.writing == Writing::Never {
            return Err(io::Error::new(
                ErrorKind::PermissionDenied,
                "the folder is only read",
            ));
        }
        let (root, file) = (self.open()?, FilePath::new(location.as_ref()));
        root.remove_file(file)?;
        sync(&root, file.parent().unwrap_or(FilePath::new("")))
    }

    /// Begins a file at `location`, and forgets what earlier attempts of the same job began.
    fn begin(&self, location: &Path) -> io::Result<Begun> {
        let Writing::Whole {
            job_id,
            attempt,
            overwrite,
        } = self.writing
        else {
            return Err(io::Error::new(
                ErrorKind::PermissionDenied,
                "the folder is only read",
            ));
        };
        let root = self.open()?;
        let target = PathBuf::from(location.as_ref());
        let folder = target.parent().unwrap_or(FilePath::new("")).to_owned();
        if !folder.as_os_str().is_empty() {
            match root.metadata(&folder) {
                Err(error) if error.kind() == ErrorKind::NotFound => root.create_dir_all(&folder)?,
                there => {
                    there?;
                }
            }
        }
        let name = target
            .file_name()
            .ok_or_else(no_file)?
            .to_string_lossy()
            .into_owned();
        // A name of 255 bytes is allowed, and this one is longer.
        let short: String = name.chars().take(40).collect();
        let named = |attempt: i32| folder.join(format!(".{short}.{job_id}-{attempt}.part"));
        for dead in 1..attempt {
            let _ = root.remove_file(named(dead));
        }
        let begun = named(attempt);
        let file = root.open_with(&begun, OpenOptions::new().write(true).create_new(true))?;
        Ok(Begun {
            root,
            file: Arc::new(file.into_std()),
            begun,
            target,
            overwrite,
        })
    }
}

/// A file that has not its name yet.
#[derive(Debug)]
struct Begun {
    root: Dir,
    file: Arc<std::fs::File>,
    begun: PathBuf,
    target: PathBuf,
    overwrite: bool,
}

impl Begun {
    /// Gives the file its name, durably.
    fn complete(&self) -> io::Result<()> {
        self.file.sync_all()?;
        if self.overwrite {
            self.root.rename(&self.begun, &self.root, &self.target)?;
        } else {
            // Unlike a rename, this fails where there is one already.
            self.root.hard_link(&self.begun, &self.root, &self.target)?;
            self.root.remove_file(&self.begun)?;
        }
        for above in self.target.ancestors().skip(1) {
            sync(&self.root, above)?;
        }
        Ok(())
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // It is gone where all went well.
        let _ = self.root.remove_file(&self.begun);
    }
}

fn sync(root: &Dir, folder: &FilePath) -> io::Result<()> {
    let folder = match folder.as_os_str().is_empty() {
        true => FilePath::new("."),
        false => folder,
    };
    root.open(folder)?.sync_all()
}

/// Adds what a pattern names from its part number `at` on, in and below `folder`.
fn walk(
    root: &Dir,
    folder: PathBuf,
    pattern: &Pattern,
    at: usize,
    most: usize,
    found: &mut Vec<ObjectMeta>,
) -> io::Result<()> {
    let Some(part) = pattern.parts().get(at) else {
        return Ok(());
    };
    let is_last = at + 1 == pattern.parts().len();
    let names = match part.text() {
        Some(name) => vec![name.to_owned()],
        None => {
            let here = if folder.as_os_str().is_empty() {
                root.entries()
            } else {
                root.read_dir(&folder)
            };
            let mut names = Vec::new();
            for (count, entry) in here?.enumerate() {
                if count >= MAX_ENTRIES {
                    let what = format!("a folder has more than {MAX_ENTRIES} entries");
                    return Err(io::Error::other(what));
                }
                // What is no text can be named by no URI.
                if let Ok(name) = entry?.file_name().into_string()
                    && part.matches(&name)
                {
                    names.push(name);
                }
            }
            names
        }
    };
    for name in names {
        let path = folder.join(&name);
        let there = match root.metadata(&path) {
            Ok(there) => there,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if !is_last && there.is_dir() {
            walk(root, path, pattern, at + 1, most, found)?;
        } else if is_last && there.is_file() {
            let file = root.open(&path)?.into_std();
            let location = path.to_str().and_then(|path| Path::parse(path).ok());
            if let Some(location) = location {
                found.push(meta(location, &file.metadata()?)?);
            }
        }
        if found.len() > most {
            break;
        }
    }
    Ok(())
}

fn meta(location: Path, file: &std::fs::Metadata) -> io::Result<ObjectMeta> {
    if !file.is_file() {
        return Err(no_file());
    }
    let nanos = u32::try_from(file.mtime_nsec()).unwrap_or_default();
    let last_modified: DateTime<Utc> = DateTime::from_timestamp(file.mtime(), nanos).unwrap_or_default();
    let tag = format!("{:x}-{:x}-{:x}-{nanos:x}", file.ino(), file.len(), file.mtime());
    Ok(ObjectMeta {
        location,
        last_modified,
        size: file.len(),
        e_tag: Some(tag),
        version: None,
    })
}

fn no_file() -> io::Error {
    io::Error::new(ErrorKind::NotFound, "there is no file of that name")
}

fn changed(location: &Path) -> Error {
    Error::Precondition {
        path: location.to_string(),
        source: "the file has changed".into(),
    }
}

fn of_io(location: &Path, error: io::Error) -> Error {
    let path = location.to_string();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory => Error::NotFound {
            path,
            source: error.into(),
        },
        ErrorKind::AlreadyExists => Error::AlreadyExists {
            path,
            source: error.into(),
        },
        // What leads out of the folder, too.
        ErrorKind::PermissionDenied => Error::PermissionDenied {
            path,
            source: error.into(),
        },
        _ => Error::Generic {
            store: "folder",
            source: error.into(),
        },
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "folder {}", self.root.display())
    }
}

#[async_trait]
impl ObjectStore for Folder {
    async fn put_opts(&self, location: &Path, payload: PutPayload, _: PutOptions) -> Result<PutResult> {
        let mut whole = self
            .put_multipart_opts(location, PutMultipartOptions::default())
            .await?;
        whole.put_part(payload).await?;
        whole.complete().await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let (folder, path) = (self.clone(), location.clone());
        let begun = blocking(move || folder.begin(&path)).await;
        Ok(Box::new(Upload {
            location: location.clone(),
            begun: Some(Arc::new(begun.map_err(|error| of_io(location, error))?)),
            size_bytes: 0,
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (folder, location) = (self.clone(), location.clone());
        spawn_blocking(move || folder.read(&location, &options)).await?
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let folder = self.clone();
        let deleted = paths.and_then(move |path| {
            let (folder, location) = (folder.clone(), path.clone());
            async move {
                let removed = blocking(move || folder.remove(&location)).await;
                removed.map_err(|error| of_io(&path, error))?;
                Ok(path)
            }
        });
        deleted.boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        futures::stream::iter([Err(not_supported())]).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(not_supported())
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(not_supported())
    }
}

fn not_supported() -> Error {
    Error::NotSupported {
        source: "files of others are read and written, and nothing else".into(),
    }
}

/// A file in parts, which come one after the other.
#[derive(Debug)]
struct Upload {
    location: Path,
    /// None once it is complete or given up.
    begun: Option<Arc<Begun>>,
    size_bytes: u64,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let offset = self.size_bytes;
        self.size_bytes += data.content_length() as u64;
        let (begun, location) = (self.begun.clone(), self.location.clone());
        let written = blocking(move || {
            let begun = begun.ok_or_else(no_file)?;
            begun.file.write_all_at(&Bytes::from(data), offset)?;
            // While the next part is made, so that little is left to be waited for at the end.
            begun.file.sync_data()
        });
        written
            .map(move |it| it.map_err(|error| of_io(&location, error)))
            .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let begun = self.begun.take();
        let completed = blocking(move || begun.ok_or_else(no_file)?.complete()).await;
        completed.map_err(|error| of_io(&self.location, error))?;
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn abort(&mut self) -> Result<()> {
        self.begun = None;
        Ok(())
    }
}
