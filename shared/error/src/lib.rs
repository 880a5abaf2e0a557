//! The one error of the suite, and its one mapping to gRPC and to HTTP.
//!
//! Constructors say the situation ([`Error::not_found`]); the mapping decides code and details.
//! The cause stays with the error for the log and never leaves the service.

mod mapping;
mod violation;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use datacovey_proto::rpc::v1::ErrorReason;
pub use mapping::DOMAIN;
pub use violation::{Violation, Violations};

pub type Result<T, E = Error> = std::result::Result<T, E>;
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// When a caller should come back after UNAVAILABLE or overload, unless the error says otherwise.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What went wrong, in the caller's terms. One pointer wide, so that results stay small.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    reason: ErrorReason,
    message: String,
    metadata: BTreeMap<&'static str, String>,
    violations: Vec<Violation>,
    resource: Option<Resource>,
    retry_after: Option<Duration>,
    cause: Option<Cause>,
}

/// The situation; each is one gRPC code and one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    InvalidArgument,
    Unauthenticated,
    PermissionDenied,
    NotFound,
    AlreadyExists,
    FailedPrecondition,
    Aborted,
    ResourceExhausted,
    Unavailable,
    DeadlineExceeded,
    Cancelled,
    OutOfRange,
    Unimplemented,
    Internal,
}

/// The resource an error speaks of: its type (`table`) and the name the caller used for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub kind: &'static str,
    pub name: String,
}

impl Error {
    fn new(kind: Kind, reason: ErrorReason, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            reason,
            message: message.into(),
            metadata: BTreeMap::new(),
            violations: Vec::new(),
            resource: None,
            retry_after: None,
            cause: None,
        }))
    }

    /// Fields of the request are wrong: all of them, each by its path.
    #[must_use]
    pub fn invalid(violations: impl Into<Vec<Violation>>) -> Self {
        Self::violated(ErrorReason::InvalidField, "the request", violations)
    }

    /// One field of the request is wrong.
    #[must_use]
    pub fn invalid_field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::invalid(vec![Violation::new(field, description)])
    }

    /// Something within the request (a policy, a schema, a query) breaks its rules.
    /// `what` reads as the subject of "… has 2 violations".
    #[must_use]
    pub fn violated(reason: ErrorReason, what: &str, violations: impl Into<Vec<Violation>>) -> Self {
        let violations = violations.into();
        let message = match violations.as_slice() {
            [one] if one.field.is_empty() => one.description.clone(),
            [one] => format!("{}: {}", one.field, one.description),
            many if many.len() >= Violations::MAX => {
                format!(
                    "{what} has {} violations or more; the details list the first",
                    many.len()
                )
            }
            all => format!("{what} has {} violations; the details list them all", all.len()),
        };
        let mut error = Self::new(Kind::InvalidArgument, reason, message);
        error.0.violations = violations;
        error
    }

    #[must_use]
    pub fn credentials_missing() -> Self {
        Self::new(
            Kind::Unauthenticated,
            ErrorReason::CredentialsMissing,
            "the call carries no credentials; send the header \"authorization: Bearer <token>\"",
        )
    }

    /// `why` must say nothing that only the owner of a valid token may know.
    #[must_use]
    pub fn credentials_invalid(why: impl Into<String>) -> Self {
        Self::new(Kind::Unauthenticated, ErrorReason::CredentialsInvalid, why)
    }

    #[must_use]
    pub fn permission_denied(message: impl Into<String>) -> Self {
        Self::new(Kind::PermissionDenied, ErrorReason::PermissionDenied, message)
    }

    /// There is no such resource, or the caller may not see it: the two are one answer.
    #[must_use]
    pub fn not_found(kind: &'static str, name: impl fmt::Display) -> Self {
        Self::new(
            Kind::NotFound,
            ErrorReason::NotFound,
            format!("there is no {kind} \"{name}\""),
        )
        .on(kind, name)
    }

    #[must_use]
    pub fn already_exists(kind: &'static str, name: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::new(Kind::AlreadyExists, ErrorReason::AlreadyExists, message).on(kind, name)
    }

    /// The resource is not in a state that allows the call.
    #[must_use]
    pub fn wrong_state(message: impl Into<String>) -> Self {
        Self::precondition(ErrorReason::WrongState, message)
    }

    /// The resource, or one above it, is archived.
    #[must_use]
    pub fn archived(kind: &'static str, name: impl fmt::Display) -> Self {
        Self::precondition(
            ErrorReason::Archived,
            format!("the {kind} \"{name}\" is archived; restore it first"),
        )
        .on(kind, name)
    }

    /// FAILED_PRECONDITION for any other reason of that code.
    #[must_use]
    pub fn precondition(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self::new(Kind::FailedPrecondition, reason, message)
    }

    #[must_use]
    pub fn etag_mismatch(kind: &'static str, name: impl fmt::Display) -> Self {
        let message =
            format!("the {kind} \"{name}\" has changed since its etag was read; read it again and retry");
        Self::new(Kind::Aborted, ErrorReason::EtagMismatch, message).on(kind, name)
    }

    /// A concurrent change won, and retries here did not help.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Kind::Aborted, ErrorReason::Conflict, message)
    }

    /// A limit of the tenant is reached.
    #[must_use]
    pub fn quota_exceeded(subject: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::ResourceExhausted, ErrorReason::QuotaExceeded, message).with("subject", subject)
    }

    /// The caller is let in again after `wait`. `subject` names what is counted (`tenant`).
    #[must_use]
    pub fn rate_limited(subject: &'static str, message: impl Into<String>, wait: Duration) -> Self {
        Self::new(Kind::ResourceExhausted, ErrorReason::RateLimited, message)
            .with("subject", subject)
            .retry_after(wait)
    }

    #[must_use]
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(Kind::ResourceExhausted, ErrorReason::TooLarge, message)
    }

    #[must_use]
    pub fn overloaded(message: impl Into<String>) -> Self {
        Self::new(Kind::ResourceExhausted, ErrorReason::Overloaded, message).retry_after(RETRY_AFTER)
    }

    /// The database, the object store or a peer (`what`) is away.
    #[must_use]
    pub fn unavailable(what: &str) -> Self {
        Self::new(
            Kind::Unavailable,
            ErrorReason::Unavailable,
            format!("{what} is not available now; retry"),
        )
        .retry_after(RETRY_AFTER)
    }

    #[must_use]
    pub fn deadline_exceeded() -> Self {
        Self::new(
            Kind::DeadlineExceeded,
            ErrorReason::DeadlineExceeded,
            "the deadline of the call has passed",
        )
    }

    #[must_use]
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::new(Kind::Cancelled, ErrorReason::Cancelled, message)
    }

    /// An upload or read starts at the wrong place; the metadata carry the right one.
    #[must_use]
    pub fn wrong_offset(given: u64, expected: u64) -> Self {
        let message = format!("the offset is {given}, expected was {expected}; continue from there");
        Self::new(Kind::OutOfRange, ErrorReason::WrongOffset, message).with("expected_offset", expected)
    }

    /// A method or an option that the API names and nothing serves yet.
    #[must_use]
    pub fn not_implemented(what: impl fmt::Display) -> Self {
        Self::new(
            Kind::Unimplemented,
            ErrorReason::NotImplemented,
            format!("{what} is not implemented yet"),
        )
    }

    /// The API has no method of this path.
    #[must_use]
    pub fn unknown_method(path: impl fmt::Display) -> Self {
        let message = format!("there is no method {path}; reflection lists those that there are");
        Self::new(Kind::Unimplemented, ErrorReason::UnknownMethod, message)
    }

    /// A fault of ours. The caller is told nothing but that; the cause is for the log.
    #[must_use]
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::new(Kind::Internal, ErrorReason::Internal, "internal error").caused_by(cause)
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Adds metadata to the ErrorInfo; keys are lower_snake_case.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.metadata.insert(key, value.to_string());
        self
    }

    /// Names the resource the error speaks of.
    #[must_use]
    pub fn on(mut self, kind: &'static str, name: impl fmt::Display) -> Self {
        self.0.resource = Some(Resource {
            kind,
            name: name.to_string(),
        });
        self
    }

    /// Replaces the reason by a more exact one of the same code.
    #[must_use]
    pub fn because(mut self, reason: ErrorReason) -> Self {
        self.0.reason = reason;
        self
    }

    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// After which time to come back, where that is known.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_after
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    #[must_use]
    pub fn reason(&self) -> ErrorReason {
        self.0.reason
    }

    /// The reason as programs read it: `NOT_FOUND`.
    #[must_use]
    pub fn reason_name(&self) -> &'static str {
        mapping::reason_name(self.0.reason)
    }

    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<&'static str, String> {
        &self.0.metadata
    }

    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// All that is wrong, one a line, where the message does not say it.
    #[must_use]
    pub fn listed_violations(&self) -> Option<String> {
        let lines = self.violations().iter().map(|it| match it.field.as_str() {
            "" => it.description.clone(),
            field => format!("{field}: {}", it.description),
        });
        let lines: Vec<_> = lines.collect();
        (lines.len() > 1).then(|| lines.join("\n"))
    }

    #[must_use]
    pub fn resource(&self) -> Option<&Resource> {
        self.0.resource.as_ref()
    }

    /// Whether the same call may succeed later without a change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.0.kind, Kind::Unavailable | Kind::Aborted)
            || matches!(self.0.reason, ErrorReason::Overloaded | ErrorReason::RateLimited)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}
