use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::pace::Pace;
use super::pool::Pool;
use super::urls::Target;

/// How often names are looked up; pods come and go in seconds.
const RESOLVE_EVERY: Duration = Duration::from_secs(5);

/// Says which addresses a name stands for now.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of `host`, each with `port`.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// The resolver of the system.
#[derive(Clone, Copy, Debug)]
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// Looks a name up again and again, one lookup at a time: the system's cannot be given up, and
/// must not pile up. What was found stays until something else is.
pub(super) async fn follow(pool: Arc<Pool>, index: usize, target: Target, resolver: Arc<dyn Resolve>) {
    if let Some(address) = target.literal() {
        return pool.found(index, None, vec![address]);
    }
    let mut pace = Pace::new(pool.wanted());
    loop {
        let begun = pace.begin();
        let found = resolver.resolve(&target.host, target.port).await;
        match found {
            Ok(addresses) if !addresses.is_empty() => {
                pool.found(index, Some(begun), addresses);
                pace.succeeded();
                pace.rest(RESOLVE_EVERY).await;
            }
            other => {
                let why = match other {
                    Ok(_) => "there is no address".to_owned(),
                    Err(error) => error.to_string(),
                };
                tracing::debug!(host = target.host, why, "a name is not resolved");
                pool.not_found(index, begun, format!("{}: {why}", target.host));
                pace.back_off().await;
            }
        }
    }
}
