use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use datacovey_auth::InternalSigner;
use datacovey_error::{Error, ErrorReason, Violation};
use datacovey_types::{Ctx, Principal};
use futures::future::{BoxFuture, FutureExt as _};
use http::{HeaderValue, Request, Response, header};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tracing::{Instrument as _, info_span};
use uuid::Uuid;

use crate::balance::{Balanced, PeerUrls, ReplyBody};
use crate::layer::{GRPC_TIMEOUT, REQUEST_ID, write_timeout};
use crate::reply::is_oversize;
use crate::trace_context::inject_span;

/// Another service of the suite: connections to its processes, and the key to call it with.
#[derive(Clone, Debug)]
pub struct Peer {
    channel: Balanced,
    signer: InternalSigner,
}

/// The connections to a [`Peer`] on somebody's behalf; a generated client is made of it.
#[derive(Clone, Debug)]
pub struct PeerChannel {
    channel: Balanced,
    token: Arc<str>,
    request_id: Arc<str>,
    deadline: Option<Instant>,
}

impl Peer {
    /// The service `audience` at `urls`, as [`Balanced::new`] connects to it without TLS.
    #[must_use]
    pub fn new(audience: &'static str, urls: PeerUrls, signer: InternalSigner) -> Self {
        Self::over(Balanced::new(audience, &urls, None), signer)
    }

    /// The service that `channel` calls.
    #[must_use]
    pub const fn over(channel: Balanced, signer: InternalSigner) -> Self {
        Self { channel, signer }
    }

    /// The peer's name, as in its internal tokens.
    #[must_use]
    pub fn audience(&self) -> &'static str {
        self.channel.peer()
    }

    /// The bare connections, for what needs no token: health and reflection.
    #[must_use]
    pub fn channel(&self) -> Balanced {
        self.channel.clone()
    }

    /// Calls for the caller of `ctx`: with its principal, request id, trace and what is left of
    /// its deadline.
    #[must_use]
    pub fn on_behalf_of(&self, ctx: &Ctx) -> PeerChannel {
        self.with(Some(&ctx.principal), ctx.job_id, &ctx.request_id, ctx.deadline)
    }

    /// Calls of the service itself; only methods of `datacovey.internal.*` answer these.
    #[must_use]
    pub fn as_service(&self, request_id: &str) -> PeerChannel {
        self.with(None, None, request_id, None)
    }

    fn with(
        &self,
        principal: Option<&Principal>,
        job_id: Option<Uuid>,
        request_id: &str,
        deadline: Option<Instant>,
    ) -> PeerChannel {
        PeerChannel {
            channel: self.channel.clone(),
            token: self.signer.token(self.audience(), principal, job_id),
            request_id: request_id.into(),
            deadline,
        }
    }
}

impl PeerChannel {
    /// Writes what the next service must know into the headers of a call; None if there is no
    /// time left for it.
    fn prepare(&self, request: &mut Request<Body>) -> Option<()> {
        let headers = request.headers_mut();
        // Tokens and request ids are made of characters that a header can hold.
        let mut token = HeaderValue::try_from(format!("Bearer {}", self.token)).ok()?;
        token.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, token);
        if let Ok(request_id) = HeaderValue::try_from(&*self.request_id) {
            headers.insert(REQUEST_ID, request_id);
        }
        if let Some(deadline) = self.deadline {
            let left = deadline
                .checked_duration_since(Instant::now())
                .filter(|left| left.as_millis() > 0)?;
            headers.insert(GRPC_TIMEOUT, write_timeout(left));
        }
        Some(())
    }
}

impl tower::Service<Request<Body>> for PeerChannel {
    type Response = Response<ReplyBody>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Status>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if self.prepare(&mut request).is_none() {
            return std::future::ready(Err(Error::deadline_exceeded().into())).boxed();
        }
        let span = info_span!(
            "peer",
            otel.name = request.uri().path().trim_start_matches('/'),
            otel.kind = "client",
            rpc.system = "grpc",
        );
        inject_span(&span, request.headers_mut());
        let (channel, deadline) = (self.channel.clone(), self.deadline);
        let call = async move { channel.send(request, deadline).await.map_err(Into::into) };
        call.instrument(span).boxed()
    }
}

/// What a refusal of a peer means for our own caller. The peer answers in the suite's words, so
/// code, reason, message and violations go on; what it says about us as its caller does not.
#[must_use]
pub fn error_of_peer(peer: &str, status: Status) -> Error {
    let details = status.get_error_details();
    let reason = details
        .error_info()
        .and_then(|info| ErrorReason::from_str_name(&format!("ERROR_REASON_{}", info.reason)));
    let message = status.message().to_owned();
    let error = match (status.code(), reason) {
        (Code::InvalidArgument, Some(reason)) => {
            let violations = details
                .bad_request()
                .map(|it| it.field_violations.as_slice())
                .unwrap_or_default();
            let mut violations: Vec<_> = violations
                .iter()
                .map(|it| Violation::new(&it.field, &it.description))
                .collect();
            if violations.is_empty() {
                violations.push(Violation::new("", message));
            }
            Error::violated(reason, "the request", violations)
        }
        (Code::OutOfRange, Some(ErrorReason::WrongOffset)) => wrong_offset(&details, &message),
        (Code::NotFound, Some(reason)) => not_found(details.resource_info()).because(reason),
        (Code::PermissionDenied, Some(reason)) => Error::permission_denied(message).because(reason),
        (Code::FailedPrecondition, Some(reason)) => Error::precondition(reason, message),
        (Code::Aborted, Some(reason)) => Error::conflict(message).because(reason),
        (Code::ResourceExhausted, Some(ErrorReason::Overloaded)) => Error::overloaded(message),
        (Code::ResourceExhausted, Some(ErrorReason::TooLarge)) => Error::too_large(message),
        (Code::ResourceExhausted, Some(reason)) => Error::quota_exceeded("tenant", message).because(reason),
        // Said by our own end of the connection, which had to stop reading.
        (Code::OutOfRange | Code::ResourceExhausted, None) if is_oversize(&message) => {
            Error::too_large(format!("what {peer} has to answer is too large"))
        }
        (Code::ResourceExhausted, None) => Error::overloaded(format!("{peer} is overloaded; retry later")),
        (Code::DeadlineExceeded, _) => Error::deadline_exceeded(),
        (Code::Cancelled, _) => Error::cancelled(message),
        (Code::Unavailable, _) => Error::unavailable(peer),
        _ => {
            let said = format!("{peer} answered {:?}: {message}", status.code());
            return Error::internal(said);
        }
    };
    error.caused_by(status)
}

/// The right offset goes on with the message, which has the wrong one.
fn wrong_offset(details: &tonic_types::ErrorDetails, message: &str) -> Error {
    let told = details
        .error_info()
        .and_then(|it| it.metadata.get("expected_offset"));
    let expected = told.and_then(|it| it.parse().ok()).unwrap_or_default();
    let mut numbers = message
        .split(|it: char| !it.is_ascii_digit())
        .filter_map(|it| it.parse().ok());
    Error::wrong_offset(numbers.next().unwrap_or_default(), expected)
}

fn not_found(resource: Option<&tonic_types::ResourceInfo>) -> Error {
    /// Errors name kinds by words of the program; these are the ones that a peer may not find.
    const KINDS: [&str; 9] = [
        "tenant",
        "user",
        "project",
        "dataset",
        "table",
        "query",
        "query_job",
        "import_job",
        "export_job",
    ];
    let (kind, name) = resource.map_or(("", ""), |it| {
        (it.resource_type.as_str(), it.resource_name.as_str())
    });
    Error::not_found(
        KINDS.into_iter().find(|it| *it == kind).unwrap_or("resource"),
        name,
    )
}
