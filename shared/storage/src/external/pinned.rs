use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// One object as it was when it was looked at first. It is read only for as long as it is that.
#[derive(Debug)]
pub(super) struct Pinned {
    objects: Arc<dyn ObjectStore>,
    pin: ObjectMeta,
}

impl Pinned {
    pub(super) const fn new(objects: Arc<dyn ObjectStore>, pin: ObjectMeta) -> Self {
        Self { objects, pin }
    }

    /// What a store answers says more than what it was asked: some do not know conditions.
    fn check(&self, found: &ObjectMeta) -> Result<()> {
        let plain = |tag: &Option<String>| tag.as_deref().map(|it| it.trim_matches('"').to_owned());
        let same_tag = match (plain(&self.pin.e_tag), plain(&found.e_tag)) {
            (Some(pinned), Some(found)) => pinned == found,
            // Headers know whole seconds only.
            _ => self.pin.last_modified.timestamp() == found.last_modified.timestamp(),
        };
        if same_tag && self.pin.size == found.size {
            return Ok(());
        }
        Err(Error::Precondition {
            path: self.pin.location.to_string(),
            source: "the object has changed".into(),
        })
    }
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.pin.location, self.objects)
    }
}

#[async_trait]
impl ObjectStore for Pinned {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let options = GetOptions {
            if_match: self.pin.e_tag.clone(),
            ..options
        };
        let result = self.objects.get_opts(location, options).await?;
        self.check(&result.meta)?;
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        let mut all = Vec::with_capacity(ranges.len());
        for range in ranges {
            let options = GetOptions {
                range: Some(range.clone().into()),
                ..GetOptions::default()
            };
            all.push(self.get_opts(location, options).await?.bytes().await?);
        }
        Ok(all)
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(only_read())
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(only_read())
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        futures::stream::iter([Err(only_read())]).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        futures::stream::iter([Err(only_read())]).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(only_read())
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(only_read())
    }
}

fn only_read() -> Error {
    Error::NotSupported {
        source: "this object is only read".into(),
    }
}
