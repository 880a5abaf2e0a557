//! Failures on their way to the gateway, which says them in the words of the REST API.

use datacovey_error::Error;
use datacovey_persistence::RowsError;
use datacovey_proto::internal::rows::v1::DatabaseError;
use datacovey_server::stream_status;
use prost::Message as _;
use prost_types::Any;
use tonic::Status;

/// The full name of [`DatabaseError`].
const DATABASE_ERROR: &str = "type.googleapis.com/datacovey.internal.rows.v1.DatabaseError";

/// What is said travels in headers, of which clients take 8 KiB together, base64 and all. PostgreSQL repeats
/// values, and those may have any length.
const MAX_MESSAGE_BYTES: usize = 1500;
const MAX_DETAILS_BYTES: usize = 2000;
const MAX_HINT_BYTES: usize = 300;

/// Of the message of the status itself, which nobody needs who reads the details.
const MAX_SUMMARY_CHARS: usize = 60;

/// The status of a failed call.
pub(crate) fn status(error: RowsError) -> Status {
    match error {
        RowsError::Told(told) => told_status(*told),
        RowsError::Suite(error) => error.into(),
    }
}

/// The same, where a stream ends with it and nothing around it would log a fault of ours.
pub(crate) fn late_status(error: RowsError) -> Status {
    match error {
        RowsError::Told(told) => told_status(*told),
        RowsError::Suite(error) => stream_status(error),
    }
}

/// A status of ours whose details have, beside the usual, what the database said.
fn told_status(told: DatabaseError) -> Status {
    let summary: String = told.message.chars().take(MAX_SUMMARY_CHARS).collect();
    let status = Status::from(suite_error(&told.code, summary));
    let Ok(mut details) = tonic_types::pb::Status::decode(status.details()) else {
        return status;
    };
    let said = DatabaseError {
        message: cut(told.message, MAX_MESSAGE_BYTES),
        details: told.details.map(|it| cut(it, MAX_DETAILS_BYTES)),
        hint: told.hint.map(|it| cut(it, MAX_HINT_BYTES)),
        code: told.code,
    };
    details.details.push(Any {
        type_url: DATABASE_ERROR.to_owned(),
        value: said.encode_to_vec(),
    });
    Status::with_details(status.code(), status.message(), details.encode_to_vec().into())
}

/// The nearest of the suite's errors, for whoever does not know codes of databases.
fn suite_error(code: &str, message: String) -> Error {
    match code {
        "23505" => Error::already_exists("row", "", message),
        "42501" => Error::permission_denied(message),
        // Of PostgREST: more or fewer rows than the caller takes.
        "PGRST115" | "PGRST116" | "PGRST124" => Error::wrong_state(message),
        _ if code.starts_with("23") || code.starts_with("P0") => Error::wrong_state(message),
        _ => Error::invalid_field("", message),
    }
}

fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|it| text.is_char_boundary(*it));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::StatusExt as _;

    use super::*;

    fn told(code: &str, text: &str) -> DatabaseError {
        DatabaseError {
            code: code.to_owned(),
            message: text.to_owned(),
            details: Some(text.to_owned()),
            hint: None,
        }
    }

    fn of(status: &Status) -> DatabaseError {
        let details = tonic_types::pb::Status::decode(status.details()).unwrap().details;
        let any = details.iter().find(|it| it.type_url == DATABASE_ERROR).unwrap();
        DatabaseError::decode(&*any.value).unwrap()
    }

    #[test]
    fn what_the_database_said_is_beside_our_own_words() {
        for (code, expected) in [
            ("23505", Code::AlreadyExists),
            ("23503", Code::FailedPrecondition),
            ("42501", Code::PermissionDenied),
            ("42703", Code::InvalidArgument),
            ("PGRST116", Code::FailedPrecondition),
        ] {
            let status = status(RowsError::Told(Box::new(told(code, "no"))));
            assert_eq!(status.code(), expected, "{code}");
            assert_eq!(status.get_details_error_info().unwrap().domain, "datacovey");
            assert_eq!(of(&status), told(code, "no"));
        }
    }

    #[test]
    fn what_is_said_fits_the_headers_of_a_reply() {
        for long in ["x", "ü", "✈"].map(|it| it.repeat(100_000)) {
            let error = DatabaseError {
                hint: Some(long.clone()),
                ..told("22P02", &long)
            };
            let mut headers = http::HeaderMap::new();
            told_status(error).add_header(&mut headers).unwrap();
            let bytes: usize = headers
                .iter()
                .map(|(name, it)| name.as_str().len() + it.len() + 32)
                .sum();
            assert!(bytes < 8 << 10, "{bytes}");
        }
    }

    #[test]
    fn errors_of_the_suite_stay_what_they_are() {
        let status = status(Error::not_found("relation", "query").into());
        assert_eq!(status.code(), Code::NotFound);
    }
}
