use std::any::Any;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use datacovey_error::Error;
use metrics::{counter, gauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Status};

use super::adaptive::{AdaptiveLimit, Running};
use super::{Shared, is_public};
use crate::descriptor::{Pace, is_method, known_method};
use crate::limits::Limits;
use crate::reply::{is_grpc, refusal, status_of};

/// Calls of health and reflection at once, of those that answer and of those that stream each:
/// probes are few and short, and nobody vouches for those who watch.
pub(crate) const MAX_PUBLIC_CALLS: usize = 256;
/// Of these, those that come over one connection: it takes many to keep a probe out.
const MAX_PUBLIC_CALLS_OF_A_CONNECTION: usize = 16;

/// What a call takes of the server. The next layer holds it, which knows when the call is over,
/// even where nobody reads its reply.
#[derive(Clone)]
pub(super) struct Place {
    _held: Arc<dyn Any + Send + Sync>,
}

/// The calls that a server has room for. Each kind has places of its own, so that none keeps
/// another out: streams that wait for something to happen take no place of calls that are
/// answered at once, those who watch the health none of a probe, and strangers none of users.
pub(crate) struct Places {
    service: &'static str,
    prompt: Arc<AdaptiveLimit>,
    lasting: Arc<Semaphore>,
    probes: Arc<Semaphore>,
    watchers: Arc<Semaphore>,
}

/// What is known of the connection that a call comes over.
#[derive(Clone)]
pub(crate) struct Connection {
    public_calls: Arc<Semaphore>,
}

impl Connection {
    pub(crate) fn new() -> Self {
        Self {
            public_calls: Arc::new(Semaphore::new(MAX_PUBLIC_CALLS_OF_A_CONNECTION)),
        }
    }
}

/// A place, and what is to be noticed of a call that has it.
enum Taken {
    /// What it takes tells how many are too many.
    Prompt(Arc<Running>),
    Other(Place),
}

/// Calls that are let in however slow they are: a handful of callers is no overload, and where something
/// else makes calls slow, shedding them helps nobody.
const ALWAYS: usize = 16;

impl Places {
    pub(crate) fn new(service: &'static str, limits: &Limits) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        let always = ALWAYS.max(4 * cores);
        let most = limits.max_concurrent_calls;
        gauge!("datacovey_calls_limit", "service" => service).set(most as f64);
        Self {
            service,
            prompt: AdaptiveLimit::new(always, most, Instant::now()),
            lasting: Arc::new(Semaphore::new(limits.max_streams)),
            probes: Arc::new(Semaphore::new(MAX_PUBLIC_CALLS)),
            watchers: Arc::new(Semaphore::new(MAX_PUBLIC_CALLS)),
        }
    }

    /// A place for the call, or the word for what there is too much of.
    fn take(&self, request: &Request) -> Result<Taken, &'static str> {
        let path = request.uri().path();
        let pace = Pace::of_path(path);
        if is_public(path) {
            let of_connection = request.extensions().get::<Connection>();
            let of_connection = of_connection
                .map(|it| permit(&it.public_calls).ok_or("public_calls_of_connection"))
                .transpose()?;
            let places = match pace {
                Pace::Prompt => &self.probes,
                Pace::Lasting => &self.watchers,
            };
            let place = permit(places).ok_or("public_calls")?;
            return Ok(Taken::Other(Place::holding((of_connection, place))));
        }
        match pace {
            Pace::Prompt => {
                let running = self.prompt.begin(Instant::now()).ok_or("calls")?;
                Ok(Taken::Prompt(Arc::new(running)))
            }
            Pace::Lasting => {
                let place = permit(&self.lasting).ok_or("streams")?;
                Ok(Taken::Other(Place::holding((Open::new(self.service), place))))
            }
        }
    }
}

fn permit(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(places).try_acquire_owned().ok()
}

impl Place {
    fn holding(what: impl Any + Send + Sync) -> Self {
        Self {
            _held: Arc::new(what),
        }
    }
}

/// Answers at once that there are too many calls, rather than let all of them become slow.
pub(super) async fn layer(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let taken = match shared.places.take(&request) {
        Ok(taken) => taken,
        Err(reason) => {
            counter!("datacovey_calls_shed_total", "service" => shared.service, "reason" => reason)
                .increment(1);
            let error = Error::overloaded("the service has as many calls as it can serve; retry later");
            return refusal(is_grpc(&request), error);
        }
    };
    let running = match taken {
        Taken::Other(place) => {
            request.extensions_mut().insert(place);
            return next.run(request).await;
        }
        Taken::Prompt(running) => running,
    };
    let method = known_method(request.uri().path());
    let is_method = is_method(request.uri().path());
    request.extensions_mut().insert(Place {
        _held: Arc::clone(&running) as Arc<dyn Any + Send + Sync>,
    });
    let response = next.run(request).await;
    // A refusal is quicker than an answer, and a request of the REST API takes as long as the rows that it asks
    // for: neither tells of the load.
    if is_good(&response)
        && is_method
        && let Some(limit) = running.answered(&method, Instant::now())
    {
        gauge!("datacovey_calls_limit", "service" => shared.service).set(limit as f64);
        tracing::debug!(
            service = shared.service,
            limit,
            "another number of calls is let in"
        );
    }
    response
}

fn is_good(response: &Response) -> bool {
    let status = response.extensions().get::<Status>().map(Status::code);
    let status = status.or_else(|| status_of(response.headers()).map(|it| it.code()));
    response.status().is_success() && status.is_none_or(|code| code == Code::Ok)
}

/// A stream, counted while it is open.
struct Open(&'static str);

impl Open {
    fn new(service: &'static str) -> Self {
        gauge!("datacovey_streams_open", "service" => service).increment(1.0);
        Self(service)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!("datacovey_streams_open", "service" => self.0).decrement(1.0);
    }
}
