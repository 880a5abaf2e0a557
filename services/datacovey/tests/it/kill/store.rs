//! An S3 server in a process of its own, over a folder that outlives it.

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

/// The folder that it keeps buckets in.
pub(super) const FOLDER: &str = "DATACOVEY_TEST_BUCKETS";
/// While there is such a file, every request is answered with an error.
pub(super) const REFUSING: &str = "DATACOVEY_TEST_REFUSING";
pub(super) const ID: &str = "id";
pub(super) const SECRET: &str = "secret";

pub(super) async fn serve() -> ExitCode {
    let set = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let refusing: Arc<PathBuf> = Arc::new(set(REFUSING).into());
    let objects = s3s_fs::FileSystem::new(set(FOLDER)).unwrap();
    let mut builder = S3ServiceBuilder::new(objects);
    builder.set_auth(SimpleAuth::from_single(ID, SECRET));
    let service = builder.build();
    let listener = TcpListener::bind(set("DATACOVEY_LISTEN")).await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (service, refusing) = (service.clone(), Arc::clone(&refusing));
        tokio::spawn(async move {
            let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
                let (service, refusing) = (service.clone(), Arc::clone(&refusing));
                async move {
                    if refusing.exists() {
                        let mut response = Response::new(s3s::Body::from("<Error/>".to_owned()));
                        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                        return Ok::<_, Infallible>(response);
                    }
                    Ok(service.call(request.map(s3s::Body::from)).await.unwrap())
                }
            });
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}
