//! What goes wrong, in the words of the REST API.

use axum::response::Response;
use datacovey_auth::TokenFault;
use datacovey_error::{Error, ErrorReason, Kind};
use datacovey_proto::internal::rows::v1::DatabaseError;
use datacovey_rest::Error as RestError;
use datacovey_server::{error_of_peer, http_refusal};
use http::StatusCode;
use prost::Message as _;
use tonic::Status;

use super::answer;

/// The full name of [`DatabaseError`].
const DATABASE_ERROR: &str = "datacovey.internal.rows.v1.DatabaseError";

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub(super) enum Refused {
    /// For a reason that the API has words for.
    Rest(Box<RestError>),
    /// For one of the suite's. It is logged, and gets its words at the edge, as those of the layers do.
    Suite(Error),
}

impl Refused {
    pub(super) fn response(self, is_head: bool) -> Response {
        match self {
            Self::Rest(error) => answer::whole(error.answer(is_head)),
            Self::Suite(error) => http_refusal(error),
        }
    }

    /// What a service said that has rows.
    pub(super) fn of_peer(peer: &str, status: Status) -> Self {
        match database_error(&status) {
            Some(error) => RestError::of_database(error).into(),
            None => error_of_peer(peer, status).into(),
        }
    }
}

impl From<RestError> for Refused {
    fn from(error: RestError) -> Self {
        Self::Rest(Box::new(error))
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Suite(error)
    }
}

/// What the database said, among the details of a status.
fn database_error(status: &Status) -> Option<DatabaseError> {
    let details = tonic_types::pb::Status::decode(status.details()).ok()?.details;
    let of_database = details
        .into_iter()
        .find(|it| it.type_url.rsplit('/').next() == Some(DATABASE_ERROR))?;
    DatabaseError::decode(&*of_database.value).ok()
}

/// An error of the suite in the API's words; of a fault, only the name of its request.
pub(super) fn in_words_of_rest(error: &Error, request_id: &str) -> RestError {
    match error.kind() {
        Kind::Unauthenticated => of_credentials(error),
        Kind::Unavailable => RestError::unavailable(),
        Kind::DeadlineExceeded => RestError::timed_out(),
        Kind::Internal => RestError {
            details: Some(Box::new(format!("the request is {request_id}").into())),
            ..RestError::internal()
        },
        kind => RestError {
            status: match error.reason() {
                ErrorReason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                _ => kind.http(),
            },
            code: match kind {
                Kind::PermissionDenied => "42501",
                _ => error.reason_name(),
            }
            .to_owned(),
            message: error.message().to_owned(),
            details: error.listed_violations().map(|it| Box::new(it.into())),
            hint: None,
            challenge: None,
        },
    }
}

fn of_credentials(error: &Error) -> RestError {
    match TokenFault::of(error) {
        Some(TokenFault::Missing) => RestError::anonymous(),
        None if error.reason() == ErrorReason::CredentialsMissing => RestError::anonymous(),
        Some(fault) if fault.is_of_claims() => RestError::bad_claims(fault.to_string()),
        Some(fault) => RestError::bad_token(fault.to_string()),
        // A claim that only the suite has, or a caller whom nobody knows.
        None => RestError::bad_claims(error.message()),
    }
}
