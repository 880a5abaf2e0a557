//! A server that speaks S3 over a folder, and fails as it is told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datacovey_storage::StoreOptions;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It is answered with this status.
    Answer(u16),
    /// It is never answered.
    Hang,
}

type Faults = Arc<Mutex<Box<dyn FnMut(&Method, &str) -> Fault + Send>>>;

pub(crate) struct S3 {
    pub(crate) address: SocketAddr,
    folder: TempDir,
    faults: Faults,
    _serving: AbortOnDropHandle<()>,
}

impl S3 {
    /// With these buckets.
    pub(crate) async fn start(buckets: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for bucket in buckets {
            std::fs::create_dir(folder.path().join(bucket)).unwrap();
        }
        let objects = s3s_fs::FileSystem::new(folder.path()).unwrap();
        let mut builder = S3ServiceBuilder::new(objects);
        builder.set_auth(SimpleAuth::from_single("id", "secret"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let faults: Faults = Arc::new(Mutex::new(Box::new(|_, _| Fault::None)));
        let serving = tokio::spawn(serve(listener, builder.build(), faults.clone()));
        Self {
            address,
            folder,
            faults,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    /// What becomes of requests from now on, by method and path with the query.
    pub(crate) fn fail(&self, which: impl FnMut(&Method, &str) -> Fault + Send + 'static) {
        *self.faults.lock().unwrap() = Box::new(which);
    }

    /// How the environment of a service would tell of this server; impatient, as tests are.
    pub(crate) fn options(&self) -> StoreOptions {
        let url = format!("http://{}", self.address);
        let variables = [
            ("AWS_ENDPOINT_URL", url.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "us-east-1"),
        ];
        StoreOptions {
            environment: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            request_timeout: Duration::from_secs(1),
            retry_for: Duration::from_millis(1500),
        }
    }

    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join(key)
    }

    /// Puts an object, by bucket and key, past the server.
    pub(crate) fn put(&self, key: &str, content: &str) {
        let path = self.path(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

async fn serve(listener: TcpListener, service: S3Service, faults: Faults) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (service, faults) = (service.clone(), faults.clone());
        tokio::spawn(async move {
            let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
                let target = request.uri().path_and_query().map_or("", |it| it.as_str());
                let fault = (faults.lock().unwrap())(request.method(), target);
                let (service, request) = (service.clone(), request.map(s3s::Body::from));
                async move {
                    match fault {
                        Fault::None => {}
                        Fault::Answer(status) => {
                            let mut response = Response::new(s3s::Body::from("<Error/>".to_owned()));
                            *response.status_mut() = StatusCode::from_u16(status).unwrap();
                            return Ok::<_, Infallible>(response);
                        }
                        Fault::Hang => std::future::pending().await,
                    }
                    Ok(service.call(request).await.unwrap())
                }
            });
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}
