use std::sync::Arc;

use datacovey_proto::rpc::v1::ErrorReason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::{Error, Kind, Violation, Violations};

/// The domain of every ErrorInfo.
pub const DOMAIN: &str = "datacovey";

impl Kind {
    #[must_use]
    pub const fn grpc(self) -> Code {
        match self {
            Self::InvalidArgument => Code::InvalidArgument,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::PermissionDenied => Code::PermissionDenied,
            Self::NotFound => Code::NotFound,
            Self::AlreadyExists => Code::AlreadyExists,
            Self::FailedPrecondition => Code::FailedPrecondition,
            Self::Aborted => Code::Aborted,
            Self::ResourceExhausted => Code::ResourceExhausted,
            Self::Unavailable => Code::Unavailable,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::Cancelled => Code::Cancelled,
            Self::OutOfRange => Code::OutOfRange,
            Self::Unimplemented => Code::Unimplemented,
            Self::Internal => Code::Internal,
        }
    }

    /// The status of the same situation over HTTP.
    #[must_use]
    pub const fn http(self) -> http::StatusCode {
        match self {
            Self::InvalidArgument => http::StatusCode::BAD_REQUEST,
            Self::Unauthenticated => http::StatusCode::UNAUTHORIZED,
            Self::PermissionDenied => http::StatusCode::FORBIDDEN,
            Self::NotFound => http::StatusCode::NOT_FOUND,
            Self::AlreadyExists | Self::Aborted | Self::OutOfRange | Self::FailedPrecondition => {
                http::StatusCode::CONFLICT
            }
            Self::ResourceExhausted => http::StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => http::StatusCode::SERVICE_UNAVAILABLE,
            Self::DeadlineExceeded => http::StatusCode::GATEWAY_TIMEOUT,
            Self::Cancelled => match http::StatusCode::from_u16(499) {
                Ok(status) => status,
                Err(_) => http::StatusCode::BAD_REQUEST,
            },
            Self::Unimplemented => http::StatusCode::NOT_IMPLEMENTED,
            Self::Internal => http::StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// `ERROR_REASON_NOT_FOUND` without what every reason begins with.
pub(crate) fn reason_name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

/// Message and details travel in headers, of which clients take 8 KiB together, base64 and all:
/// violations beyond this many bytes are counted instead of listed.
const MAX_VIOLATION_BYTES: usize = 3500;

/// A message travels in a header of its own, percent-encoded.
const MAX_MESSAGE_BYTES: usize = 2000;

/// Other texts of the details repeat the message or name one thing.
const MAX_DETAIL_BYTES: usize = 400;

/// As much of a text as `most` allows where each character has its cost.
fn cut(text: &str, most: usize, cost: impl Fn(char) -> usize) -> String {
    let mut total = 0;
    let too_much = |it: &(usize, char)| {
        total += cost(it.1);
        total > most
    };
    match text.char_indices().find(too_much) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn message(text: &str) -> String {
    let encoded = |it: char| {
        if it.is_ascii_alphanumeric() {
            1
        } else {
            3 * it.len_utf8()
        }
    };
    cut(text, MAX_MESSAGE_BYTES, encoded)
}

fn detail(text: &str) -> String {
    cut(text, MAX_DETAIL_BYTES, char::len_utf8)
}

fn field_violations(violations: &[Violation]) -> Vec<FieldViolation> {
    let mut bytes = 0;
    let fits = |it: &&Violation| {
        bytes += it.field.len() + it.description.len() + 8;
        bytes <= MAX_VIOLATION_BYTES
    };
    let listed: Vec<_> = violations.iter().take_while(fits).collect();
    let left = violations.len() - listed.len();
    let about = if violations.len() < Violations::MAX {
        ""
    } else {
        "at least "
    };
    let rest = (left > 0).then(|| FieldViolation::new("", format!("and {about}{left} more violations")));
    listed
        .into_iter()
        .map(|it| FieldViolation::new(&it.field, &it.description))
        .chain(rest)
        .collect()
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let metadata = error
            .0
            .metadata
            .iter()
            .map(|(key, value)| ((*key).to_owned(), detail(value)));
        let mut details = ErrorDetails::with_error_info(
            reason_name(error.0.reason),
            DOMAIN,
            metadata.collect::<std::collections::HashMap<_, _>>(),
        );
        if !error.0.violations.is_empty() {
            details.set_bad_request(field_violations(&error.0.violations));
        }
        let said = detail(&error.0.message);
        if let Some(resource) = &error.0.resource {
            details.set_resource_info(resource.kind, detail(&resource.name), "", &said);
        }
        if error.0.kind == Kind::FailedPrecondition {
            let subject = error.0.resource.as_ref().map_or("", |resource| &resource.name);
            details.add_precondition_failure_violation(reason_name(error.0.reason), detail(subject), &said);
        }
        if matches!(
            error.0.reason,
            ErrorReason::QuotaExceeded | ErrorReason::RateLimited
        ) {
            let subject = error.0.metadata.get("subject").map_or("", String::as_str);
            details.add_quota_failure_violation(subject, &said);
        }
        if let Some(delay) = error.0.retry_after {
            details.set_retry_info(Some(delay));
        }
        let mut status = Status::with_error_details(error.0.kind.grpc(), message(&error.0.message), details);
        // Never sent: the outer layer logs it.
        status.set_source(Arc::new(error));
        status
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_violation_is_sent_and_the_cause_is_not() {
        let error = Error::invalid(vec![
            Violation::new("a", "is missing"),
            Violation::new("b.c", "is too long"),
        ]);
        let status = Status::from(error.caused_by("secret of the database"));
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        let fields: Vec<_> = details
            .bad_request()
            .unwrap()
            .field_violations
            .iter()
            .map(|it| it.field.as_str())
            .collect();
        assert_eq!(fields, ["a", "b.c"]);
        assert_eq!(details.error_info().unwrap().reason, "INVALID_FIELD");
        assert!(!status.message().contains("secret"));
        assert!(!String::from_utf8_lossy(status.details()).contains("secret"));
    }

    #[test]
    fn what_no_header_would_hold_is_counted() {
        let violations: Vec<_> = (0..900)
            .map(|it| Violation::new(format!("a[{it}]"), "x".repeat(100)))
            .collect();
        let status = Status::from(Error::invalid(violations));
        assert!(status.details().len() < 4 * 1024);
        let details = status.get_error_details();
        let listed = &details.bad_request().unwrap().field_violations;
        let count = listed.len() - 1;
        assert_eq!(
            listed[count].description,
            format!("and {} more violations", 900 - count)
        );
        assert!(count > 20);
    }

    /// Clients take 8 KiB of headers, each with 32 bytes of its own (RFC 9113, 6.5.2).
    #[test]
    fn what_is_said_fits_the_headers_of_a_reply() {
        for long in ["x", "ü", "✈", "🛩", "\n", " "].map(|it| it.repeat(5000)) {
            let errors = [
                Error::invalid_field(&long, &long),
                Error::invalid(vec![Violation::new("a", long.clone()), Violation::new("b", "x")]),
                Error::not_found("table", &long),
                Error::archived("table", &long),
                Error::precondition(ErrorReason::WrongState, &long).on("table", &long),
                Error::quota_exceeded("tenant", &long).with("limit", &long),
            ];
            for error in errors {
                let mut headers = http::HeaderMap::new();
                Status::from(error).add_header(&mut headers).unwrap();
                let bytes = headers
                    .iter()
                    .map(|(name, value)| name.as_str().len() + value.len() + 32);
                assert!(bytes.sum::<usize>() < 8000, "{headers:?}");
            }
        }
    }

    #[test]
    fn a_fault_of_ours_says_nothing() {
        let status = Status::from(Error::internal("column \"x\" does not exist"));
        assert_eq!(
            (status.code(), status.message()),
            (Code::Internal, "internal error")
        );
    }

    #[test]
    fn away_says_when_to_come_back() {
        let status = Status::from(Error::unavailable("the database"));
        assert!(
            status
                .get_error_details()
                .retry_info()
                .unwrap()
                .retry_delay
                .is_some()
        );
    }

    #[test]
    fn a_limit_names_what_is_counted_and_the_wait() {
        let wait = Duration::from_millis(1500);
        let status = Status::from(Error::rate_limited("tenant", "too many calls", wait));
        assert_eq!(status.code(), Code::ResourceExhausted);
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "RATE_LIMITED");
        let quota = &details.quota_failure().unwrap().violations[0];
        assert_eq!(
            (quota.subject.as_str(), quota.description.as_str()),
            ("tenant", "too many calls")
        );
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(wait));
    }

    #[test]
    fn a_wrong_offset_names_the_right_one() {
        let status = Status::from(Error::wrong_offset(7, 42));
        assert_eq!(status.code(), Code::OutOfRange);
        assert_eq!(
            status.get_error_details().error_info().unwrap().metadata["expected_offset"],
            "42"
        );
    }
}
