//! What a refused call said, in the words that programs read.

use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

/// The code, the reason, and the fields of all violations, sorted.
pub(crate) fn refusal<T: std::fmt::Debug>(
    result: Result<Response<T>, Status>,
) -> (Code, String, Vec<String>) {
    let status = result.unwrap_err();
    let details = status.get_error_details();
    let reason = details
        .error_info()
        .map(|it| it.reason.clone())
        .unwrap_or_default();
    let violations = details
        .bad_request()
        .map(|it| it.field_violations.as_slice())
        .unwrap_or_default();
    let mut fields: Vec<_> = violations.iter().map(|it| it.field.clone()).collect();
    fields.sort();
    (status.code(), reason, fields)
}

/// The code and the reason of a refusal without violations.
pub(crate) fn why<T: std::fmt::Debug>(result: Result<Response<T>, Status>) -> (Code, String) {
    let (code, reason, fields) = refusal(result);
    assert_eq!(fields, Vec::<String>::new());
    (code, reason)
}

pub(crate) fn not_found() -> (Code, String) {
    (Code::NotFound, "NOT_FOUND".to_owned())
}

pub(crate) fn denied() -> (Code, String) {
    (Code::PermissionDenied, "PERMISSION_DENIED".to_owned())
}

pub(crate) fn failed(reason: &str) -> (Code, String) {
    (Code::FailedPrecondition, reason.to_owned())
}
