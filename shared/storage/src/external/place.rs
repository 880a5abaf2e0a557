use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore};

use super::folder::{Folder, Writing};
use super::location::{Location, Pattern, Scheme};
use crate::StoreError;
use crate::store::{StoreOptions, bucket};

/// Objects looked at for one pattern at most.
const MAX_LISTED: usize = 100_000;

/// What a prefix allows: everything in a folder, or in a bucket below a path.
#[derive(Clone, Debug)]
pub(super) struct Place {
    prefix: Location,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Folder(PathBuf),
    /// As seen from the prefix.
    Bucket(Arc<dyn ObjectStore>),
}

impl Place {
    /// Looks that a folder is there; of a bucket nothing is asked.
    pub(super) fn open(prefix: Location, options: &StoreOptions) -> Result<Self, String> {
        let path = prefix
            .path()
            .ok_or_else(|| "is a pattern; a prefix is a folder".to_owned())?;
        let kind = match prefix.scheme() {
            Scheme::File => {
                let folder = FilePath::new("/").join(path.as_ref());
                let folder = folder.canonicalize().map_err(|error| error.to_string())?;
                if !folder.is_dir() {
                    return Err("is no folder".to_owned());
                }
                Kind::Folder(folder)
            }
            scheme => {
                let objects = bucket(scheme, prefix.bucket(), options)?;
                Kind::Bucket(match path.as_ref() {
                    "" => objects,
                    _ => Arc::new(PrefixStore::new(objects, path)),
                })
            }
        };
        Ok(Self { prefix, kind })
    }

    pub(super) const fn prefix(&self) -> &Location {
        &self.prefix
    }

    /// The folder, links resolved, if it is one.
    pub(super) fn folder(&self) -> Option<&FilePath> {
        match &self.kind {
            Kind::Folder(folder) => Some(folder),
            Kind::Bucket(_) => None,
        }
    }

    /// What is there, for reading.
    pub(super) fn objects(&self) -> Arc<dyn ObjectStore> {
        match &self.kind {
            Kind::Folder(folder) => Arc::new(Folder::new(folder.clone(), Writing::Never)),
            Kind::Bucket(objects) => Arc::clone(objects),
        }
    }

    /// What is there, for writing as `writing` says.
    pub(super) fn writable(&self, writing: Writing) -> Arc<dyn ObjectStore> {
        match &self.kind {
            Kind::Folder(folder) => Arc::new(Folder::new(folder.clone(), writing)),
            Kind::Bucket(objects) => Arc::clone(objects),
        }
    }

    /// The files that a pattern names, in no order, and no more than one beyond `most`.
    pub(super) async fn find(&self, pattern: &Pattern, most: usize) -> Result<Vec<ObjectMeta>, StoreError> {
        if let Some(path) = pattern.path() {
            return match head(self.objects().as_ref(), &path).await {
                Ok(found) => Ok(vec![found]),
                Err(StoreError::NotFound(_)) => Ok(Vec::new()),
                Err(error) => Err(error),
            };
        }
        match &self.kind {
            Kind::Folder(folder) => {
                Folder::new(folder.clone(), Writing::Never)
                    .find(pattern.clone(), most)
                    .await
            }
            Kind::Bucket(objects) => {
                let fixed = pattern.fixed();
                let mut listed = objects.list((!fixed.as_ref().is_empty()).then_some(&fixed));
                let (mut found, mut count) = (Vec::new(), 0);
                while let Some(object) = listed.try_next().await? {
                    count += 1;
                    if count > MAX_LISTED {
                        let what = format!("more than {MAX_LISTED} objects are below {fixed}/");
                        return Err(StoreError::Io(std::io::Error::other(what)));
                    }
                    // What stands for a folder in a bucket has no content.
                    if pattern.names(&object.location) {
                        found.push(object);
                        if found.len() > most {
                            break;
                        }
                    }
                }
                for object in found.iter_mut().filter(|it| it.e_tag.is_none()) {
                    *object = head(objects.as_ref(), &object.location).await?;
                }
                Ok(found)
            }
        }
    }
}

pub(super) async fn head(objects: &dyn ObjectStore, path: &Path) -> Result<ObjectMeta, StoreError> {
    let options = object_store::GetOptions {
        head: true,
        ..Default::default()
    };
    let found = objects.get_opts(path, options).await?.meta;
    // A store that shows a part of another tells the path within that.
    Ok(ObjectMeta {
        location: path.clone(),
        ..found
    })
}
