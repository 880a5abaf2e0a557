use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::folder::Writing;
use super::place::head;
use super::{Allowed, ExternalError};
use crate::{ObjectPath, Store, StoreError};

/// Where a URI says that a file is to be.
#[derive(Clone, Debug)]
pub struct Target {
    uri: String,
    path: ObjectPath,
    objects: Arc<dyn ObjectStore>,
    overwrite: bool,
}

impl Target {
    /// Looks whether a tenant may write what `uri` names. `job_id` and `attempt` mark what is begun there
    /// until it is whole.
    ///
    /// # Errors
    ///
    /// [`ExternalError::Refused`] if it may not be written, or is a pattern.
    pub fn find(
        allowed: &Allowed,
        tenant_id: Uuid,
        uri: &str,
        overwrite: bool,
        (job_id, attempt): (Uuid, i32),
    ) -> std::result::Result<Self, ExternalError> {
        let (place, pattern) = allowed.find(tenant_id, uri)?;
        let path = pattern
            .path()
            .ok_or_else(|| ExternalError::Refused(format!("{uri} names many files; an export is one")))?;
        let writing = Writing::Whole {
            job_id,
            attempt,
            overwrite,
        };
        Ok(Self {
            uri: uri.to_owned(),
            path,
            objects: place.writable(writing),
            overwrite,
        })
    }

    /// Looks whether something is there that is not to be overwritten.
    ///
    /// # Errors
    ///
    /// [`ExternalError::Exists`] then; [`ExternalError::Store`] if the store does not answer.
    pub async fn check_free(&self) -> std::result::Result<(), ExternalError> {
        if self.overwrite {
            return Ok(());
        }
        match head(self.objects.as_ref(), &self.path).await {
            Ok(_) => Err(ExternalError::Exists(self.uri.clone())),
            Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(ExternalError::of(&self.uri, error)),
        }
    }

    /// Takes the file away again; one that is not there is no error.
    ///
    /// # Errors
    ///
    /// [`ExternalError::Store`] if the store does not answer.
    pub async fn remove(&self) -> std::result::Result<(), ExternalError> {
        match self.store().delete(&self.path).await {
            Ok(()) => Ok(()),
            Err(error) => Err(ExternalError::of(&self.uri, error)),
        }
    }

    /// Takes the file away if it is of this length and SHA-256 (64 hexadecimal digits); another is somebody
    /// else's.
    ///
    /// # Errors
    ///
    /// [`ExternalError::Store`] if the store does not answer.
    pub async fn remove_this(&self, size_bytes: u64, sha256: &str) -> std::result::Result<(), ExternalError> {
        let found = content_of(self.objects.as_ref(), &self.path, size_bytes).await;
        match found.map_err(|error| ExternalError::of(&self.uri, error.into()))? {
            Content::Of(found) if hex::encode(found) == sha256 => self.remove().await,
            _ => Ok(()),
        }
    }

    /// Where the file lies within [`Target::store`].
    #[must_use]
    pub const fn path(&self) -> &ObjectPath {
        &self.path
    }

    /// A store in which the file appears whole or not at all. Where there is one already that is not to be
    /// overwritten, finishing fails with [`StoreError::AlreadyExists`], unless that is the very same: then
    /// an earlier try has written it, of which nobody heard.
    #[must_use]
    pub fn store(&self) -> Store {
        Store::over(Arc::new(Whole {
            objects: Arc::clone(&self.objects),
            overwrite: self.overwrite,
        }))
    }
}

/// Objects that appear whole, and in nobody's place.
#[derive(Clone, Debug)]
struct Whole {
    objects: Arc<dyn ObjectStore>,
    overwrite: bool,
}

impl Whole {
    /// Fails if there is an object, unless it has this content.
    async fn check(&self, location: &Path, size_bytes: u64, sha256: &Sha256) -> Result<Found> {
        match content_of(self.objects.as_ref(), location, size_bytes).await? {
            Content::None => Ok(Found::Nothing),
            Content::Of(found) if found[..] == sha256.clone().finalize()[..] => Ok(Found::TheSame),
            _ => Err(Error::AlreadyExists {
                path: location.to_string(),
                source: "there is another object".into(),
            }),
        }
    }
}

/// What an object holds.
enum Content {
    /// There is no object.
    None,
    /// It is of another length.
    Other,
    /// Its SHA-256.
    Of([u8; 32]),
}

async fn content_of(objects: &dyn ObjectStore, location: &Path, size_bytes: u64) -> Result<Content> {
    let there = match objects.get_opts(location, GetOptions::default()).await {
        Ok(there) if there.meta.size == size_bytes => there,
        Ok(_) => return Ok(Content::Other),
        Err(Error::NotFound { .. }) => return Ok(Content::None),
        Err(error) => return Err(error),
    };
    let mut content = there.into_stream();
    let mut found = Sha256::new();
    while let Some(part) = content.try_next().await? {
        found.update(&part);
    }
    Ok(Content::Of(found.finalize().into()))
}

enum Found {
    Nothing,
    TheSame,
}

const DONE: PutResult = PutResult {
    e_tag: None,
    version: None,
};

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.objects.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Whole {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if self.overwrite {
            return self.objects.put_opts(location, payload, options).await;
        }
        let only_create = PutOptions {
            mode: PutMode::Create,
            ..options.clone()
        };
        let put = self.objects.put_opts(location, payload.clone(), only_create);
        match put.await {
            Err(error @ (Error::AlreadyExists { .. } | Error::NotImplemented { .. })) => {
                let mut sha256 = Sha256::new();
                payload.iter().for_each(|part| sha256.update(part));
                let size_bytes = payload.content_length() as u64;
                match (self.check(location, size_bytes, &sha256).await?, error) {
                    (Found::TheSame, _) => Ok(DONE),
                    // A store that knows no conditions: that is as sure as it gets.
                    (Found::Nothing, Error::NotImplemented { .. }) => {
                        self.objects.put_opts(location, payload, options).await
                    }
                    (Found::Nothing, error) => Err(error),
                }
            }
            put => put,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(WholeUpload {
            inner: self.objects.put_multipart_opts(location, options).await?,
            whole: self.clone(),
            location: location.clone(),
            size_bytes: 0,
            sha256: Sha256::new(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.objects.get_opts(location, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

/// An object in parts. Before it appears, it is looked whether there is one: of parts, no store that is
/// known here takes conditions, so that of two who write the same in the same moment the later may win.
#[derive(Debug)]
struct WholeUpload {
    inner: Box<dyn MultipartUpload>,
    whole: Whole,
    location: Path,
    size_bytes: u64,
    sha256: Sha256,
}

#[async_trait]
impl MultipartUpload for WholeUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.size_bytes += data.content_length() as u64;
        data.iter().for_each(|part| self.sha256.update(part));
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        if self.whole.overwrite {
            return self.inner.complete().await;
        }
        match self
            .whole
            .check(&self.location, self.size_bytes, &self.sha256)
            .await
        {
            Ok(Found::Nothing) => self.inner.complete().await,
            Ok(Found::TheSame) => {
                self.inner.abort().await?;
                Ok(DONE)
            }
            Err(error) => {
                self.inner.abort().await?;
                Err(error)
            }
        }
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}
