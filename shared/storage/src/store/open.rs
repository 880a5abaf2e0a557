use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::{Store, StoreError};
use crate::external::{Location, Scheme};

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// What a bucket is reached with.
#[derive(Clone)]
pub struct StoreOptions {
    /// Variables as AWS, Google and Azure name them: credentials, region, endpoint.
    pub environment: Vec<(String, String)>,
    /// How long one request may take, of at most some MiB.
    pub request_timeout: Duration,
    /// For how long a request that failed is made again: as long as it takes others to start anew.
    pub retry_for: Duration,
}

impl Default for StoreOptions {
    /// The environment of this process.
    fn default() -> Self {
        let variables = std::env::vars_os();
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            environment: variables.filter_map(text).collect(),
            request_timeout: Duration::from_secs(30),
            retry_for: Duration::from_secs(60),
        }
    }
}

impl std::fmt::Debug for StoreOptions {
    /// Without the environment, which holds credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreOptions")
            .field("request_timeout", &self.request_timeout)
            .field("retry_for", &self.retry_for)
            .finish_non_exhaustive()
    }
}

impl StoreOptions {
    fn client(&self) -> ClientOptions {
        ClientOptions::new()
            .with_timeout(self.request_timeout)
            .with_connect_timeout(CONNECT_WITHIN)
    }

    fn retry(&self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig {
                max_backoff: Duration::from_secs(5),
                ..BackoffConfig::default()
            },
            max_retries: 10,
            retry_timeout: self.retry_for,
        }
    }

    /// Each variable that the builder knows, which is what its keys are parsed from.
    fn settings<K: std::str::FromStr>(&self, prefix: &str) -> Vec<(K, String)> {
        let ours = self
            .environment
            .iter()
            .filter(|(name, _)| name.starts_with(prefix));
        ours.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.clone())))
            .collect()
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.environment.iter().find(|(it, _)| it == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The bucket of a location that is in one, as the environment says how to reach it.
pub(crate) fn bucket(
    scheme: Scheme,
    name: &str,
    options: &StoreOptions,
) -> Result<Arc<dyn ObjectStore>, String> {
    let built: object_store::Result<Arc<dyn ObjectStore>> = match scheme {
        Scheme::S3 => {
            let builder = AmazonS3Builder::new()
                .with_client_options(options.client())
                .with_retry(options.retry());
            let settings = options.settings("AWS_").into_iter();
            let builder = settings.fold(builder, |builder, (key, value)| builder.with_config(key, value));
            builder.with_bucket_name(name).build().map(|it| Arc::new(it) as _)
        }
        Scheme::Gs => {
            let mut builder = GoogleCloudStorageBuilder::new()
                .with_client_options(options.client())
                .with_retry(options.retry());
            if let Some(path) = options.variable("SERVICE_ACCOUNT") {
                builder = builder.with_service_account_path(path);
            }
            let settings = options.settings("GOOGLE_").into_iter();
            let builder = settings.fold(builder, |builder, (key, value)| builder.with_config(key, value));
            builder.with_bucket_name(name).build().map(|it| Arc::new(it) as _)
        }
        Scheme::Az => {
            let mut builder = MicrosoftAzureBuilder::new()
                .with_client_options(options.client())
                .with_retry(options.retry());
            let settings = options.settings("AZURE_").into_iter();
            builder = settings.fold(builder, |builder, (key, value)| builder.with_config(key, value));
            if let Some(endpoint) = options.variable("IDENTITY_ENDPOINT") {
                builder = builder.with_msi_endpoint(endpoint);
            }
            builder
                .with_container_name(name)
                .build()
                .map(|it| Arc::new(it) as _)
        }
        Scheme::File => return Err("is no bucket".to_owned()),
    };
    built.map_err(|error| error.to_string())
}

pub(super) fn open(location: &str, options: &StoreOptions) -> Result<Store, StoreError> {
    let refuse = |reason: String| StoreError::Location {
        location: location.to_owned(),
        reason,
    };
    let path = match location.split_once("://") {
        None => location,
        Some(("file", path)) => path,
        Some(_) => {
            let place = Location::parse(location).map_err(refuse)?;
            let path = place
                .path()
                .ok_or_else(|| refuse("a store is no pattern".to_owned()))?;
            let objects = bucket(place.scheme(), place.bucket(), options).map_err(refuse)?;
            return Ok(match path.as_ref() {
                "" => Store::over(objects),
                _ => Store::over(Arc::new(PrefixStore::new(objects, path))),
            });
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
    Ok(Store {
        objects: Arc::new(objects),
        folder: Some(Arc::new(folder)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(environment: &[(&str, &str)]) -> StoreOptions {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        StoreOptions {
            environment: environment.iter().map(own).collect(),
            ..StoreOptions::default()
        }
    }

    #[test]
    fn buckets_open_with_what_the_environment_says() {
        let environment = options(&[
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
            ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0"),
            ("AWS_BUCKET", "of another"),
        ]);
        for (location, shown) in [
            ("s3://bucket", "AmazonS3(bucket)"),
            ("s3://bucket/a/b/", "PrefixObjectStore(a/b)"),
            ("gs://bucket/a", "PrefixObjectStore(a)"),
            ("az://container", "container"),
        ] {
            let store = Store::open_with(location, &environment).unwrap();
            assert!(format!("{store:?}").contains(shown), "{location}: {store:?}");
        }
        assert!(!format!("{environment:?}").contains("secret"));
    }

    #[test]
    fn what_is_no_bucket_is_refused_by_name() {
        for (location, word) in [
            ("s3://", "bucket"),
            ("s3://a b", "bucket"),
            ("s3://bucket/../x", ".."),
            ("s3://bucket/*", "pattern"),
            ("https://bucket/x", "https"),
            ("az://container", "ccount"),
        ] {
            let error = Store::open_with(location, &options(&[])).unwrap_err().to_string();
            assert!(error.contains(word), "{location}: {error}");
        }
    }
}
