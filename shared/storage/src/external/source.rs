use std::sync::Arc;

use object_store::{ObjectMeta, ObjectStore};
use uuid::Uuid;

use super::pinned::Pinned;
use super::{Allowed, ExternalError};
use crate::Store;
use crate::read::{ByteSource, Piece};

/// Files that one URI may name.
pub const MAX_FILES: usize = 10_000;

/// The files that a URI names, in the order of their names, as they are now.
#[derive(Debug)]
pub struct Source {
    objects: Arc<dyn ObjectStore>,
    files: Vec<SourceFile>,
}

/// A file of a [`Source`].
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its URI, without any star.
    pub uri: String,
    pin: ObjectMeta,
}

impl Source {
    /// Looks for what `uri` names, on behalf of a tenant.
    ///
    /// # Errors
    ///
    /// [`ExternalError::Refused`] if it may not be read, or names no file or more than [`MAX_FILES`];
    /// [`ExternalError::Store`] if the store does not answer.
    pub async fn find(allowed: &Allowed, tenant_id: Uuid, uri: &str) -> Result<Self, ExternalError> {
        let (place, pattern) = allowed.find(tenant_id, uri)?;
        let mut found = place
            .find(&pattern, MAX_FILES)
            .await
            .map_err(|error| ExternalError::of(uri, error))?;
        if found.len() > MAX_FILES {
            let what = format!("{uri} names more than {MAX_FILES} files; import them in parts");
            return Err(ExternalError::Refused(what));
        }
        if found.is_empty() {
            return Err(ExternalError::Refused(format!("there is no file {uri}")));
        }
        found.sort_by(|one, other| one.location.cmp(&other.location));
        let files = found.into_iter().map(|pin| SourceFile {
            uri: place.prefix().uri_of(&pin.location),
            pin,
        });
        Ok(Self {
            objects: place.objects(),
            files: files.collect(),
        })
    }

    /// The files.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The length of all files together.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.pin.size).sum()
    }

    /// The bytes of a file. Reading them fails with [`crate::StoreError::Changed`] as soon as the file
    /// is not what it was when it was looked for.
    #[must_use]
    pub fn read(&self, file: &SourceFile) -> ByteSource {
        let pinned = Pinned::new(Arc::clone(&self.objects), file.pin.clone());
        let piece = Piece {
            path: file.pin.location.clone(),
            size_bytes: file.pin.size,
        };
        ByteSource::new(Store::over(Arc::new(pinned)), [piece])
    }
}

impl SourceFile {
    /// Its length.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.pin.size
    }
}
