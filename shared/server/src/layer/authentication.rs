use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use datacovey_auth::{
    ExternalCaller, InternalCaller, InternalVerifier, OidcVerifier, TokenFault, is_internal_token,
};
use datacovey_error::{Error, ErrorReason, Kind};
use datacovey_types::{Ctx, Principal};
use http::{HeaderMap, header};
use moka::future::Cache;

use super::strangers::Strangers;
use super::{Shared, is_public, rate_limit};
use crate::context::{CallContext, Who};
use crate::descriptor::package_of;
use crate::principal::PrincipalResolver;
use crate::reply::{is_grpc, refusal};

/// How long a principal is taken as it was resolved; an archived user is let in no longer than
/// this.
const RESOLVED_FOR: Duration = Duration::from_secs(5);

/// Packages of which only the suite's own services may call anything.
const INTERNAL: &str = "datacovey.internal.";

/// Who is let in: services with internal tokens, and people with tokens of configured issuers.
pub struct Authentication {
    internal: InternalVerifier,
    oidc: OidcVerifier,
    resolver: Arc<dyn PrincipalResolver>,
    resolved: Cache<Arc<ExternalCaller>, Principal>,
    strangers: Strangers,
}

impl Authentication {
    /// `resolver` says whom a verified bearer token names.
    #[must_use]
    pub fn new(internal: InternalVerifier, oidc: OidcVerifier, resolver: Arc<dyn PrincipalResolver>) -> Self {
        let resolved = Cache::builder()
            .max_capacity(10_000)
            .time_to_live(RESOLVED_FOR)
            .build();
        Self {
            internal,
            oidc,
            resolver,
            resolved,
            strangers: Strangers::new(),
        }
    }

    pub(crate) const fn oidc(&self) -> &OidcVerifier {
        &self.oidc
    }

    /// Who makes a call, if it may make this one.
    async fn admit(&self, headers: &HeaderMap, path: &str, request_id: &str) -> Result<Admitted, Error> {
        let token = bearer_token(headers)?;
        let package = package_of(path);
        let is_internal = package.starts_with(INTERNAL);
        if !is_internal_token(token) {
            if is_internal {
                return Err(Error::permission_denied(
                    "only services of the suite may call this",
                ));
            }
            self.strangers.may_try(token)?;
            let caller = self.oidc.verify(token).await?;
            self.strangers.remember(token);
            let principal = self.resolve(caller, request_id).await?;
            return Ok(Admitted {
                principal: Some(principal),
                service: None,
            });
        }
        let service = self.internal.verify(token)?;
        if !service.may_call(package) {
            let message = format!("the service \"{}\" may not call \"{package}\"", service.service);
            return Err(Error::permission_denied(message));
        }
        if service.principal.is_none() && !is_internal {
            return Err(Error::credentials_invalid(
                "the internal token names no user, and this call needs one",
            ));
        }
        Ok(Admitted {
            principal: service.principal.clone(),
            service: Some(service),
        })
    }

    /// The principal of a verified token. Calls that come at once ask once.
    async fn resolve(&self, caller: ExternalCaller, request_id: &str) -> Result<Principal, Error> {
        let caller = Arc::new(caller);
        let resolving = self.resolver.resolve(&caller, request_id);
        let resolved = self.resolved.try_get_with(Arc::clone(&caller), resolving).await;
        let mut principal = resolved.map_err(of_each_that_waited)?;
        // Scopes come with the token, and with nothing else.
        principal.scopes = caller.scopes;
        Ok(principal)
    }
}

impl std::fmt::Debug for Authentication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authentication")
            .field("internal", &self.internal)
            .field("oidc", &self.oidc)
            .finish_non_exhaustive()
    }
}

/// Who makes a call: a user, a service, or a service for a user.
struct Admitted {
    principal: Option<Principal>,
    service: Option<InternalCaller>,
}

/// Lets in who may call, and answers all others. What a token says goes with the call: a [`Ctx`]
/// where it names a user, the [`InternalCaller`] where a service calls.
pub(super) async fn layer(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if is_public(path) {
        return next.run(request).await;
    }
    let call = request.extensions().get::<CallContext>().cloned();
    let call = call.unwrap_or_else(|| CallContext {
        request_id: "".into(),
        deadline: None,
    });
    let admitted = match shared
        .authentication
        .admit(request.headers(), path, &call.request_id)
        .await
    {
        Ok(admitted) => admitted,
        Err(error) => {
            if error.reason() == ErrorReason::RateLimited {
                rate_limit::limited(shared.service, "new_tokens");
            }
            return refusal(is_grpc(&request), error);
        }
    };
    let job_id = admitted.service.as_ref().and_then(|it| it.job_id);
    if let Some(principal) = admitted.principal {
        if let Some(who) = request.extensions().get::<Who>() {
            let _ = who.0.set(principal.clone());
        }
        let mut ctx = Ctx::from_request(principal, &*call.request_id, call.deadline);
        ctx.job_id = job_id;
        request.extensions_mut().insert(ctx);
    }
    if let Some(service) = admitted.service {
        request.extensions_mut().insert(service);
    }
    next.run(request).await
}

/// The error of one question for each of the calls that asked it together.
fn of_each_that_waited(error: Arc<Error>) -> Error {
    Arc::try_unwrap(error).unwrap_or_else(|error| match error.kind() {
        Kind::Unauthenticated => Error::credentials_invalid(error.message()).because(error.reason()),
        Kind::Unavailable => Error::unavailable("the identity service"),
        Kind::DeadlineExceeded => Error::deadline_exceeded(),
        Kind::ResourceExhausted => Error::overloaded(error.message()),
        _ => Error::internal(error.message().to_owned()),
    })
}

fn bearer_token(headers: &HeaderMap) -> Result<&str, Error> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or_else(Error::credentials_missing)?;
    if values.next().is_some() {
        return Err(Error::credentials_invalid(
            "the call carries more than one authorization header",
        ));
    }
    let value = value.to_str().unwrap_or_default();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    let token = token.trim();
    let fault = match scheme.eq_ignore_ascii_case("bearer") {
        true if token.is_empty() => TokenFault::Empty,
        true => return Ok(token),
        false => TokenFault::Missing,
    };
    Err(fault.error("the authorization header is not \"Bearer <token>\""))
}
