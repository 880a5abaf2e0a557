//! What became of a URI, in the words of calls and of jobs.

use datacovey_error::{Error, ErrorReason};
use datacovey_jobs::JobFailure;
use datacovey_storage::external::ExternalError;

/// Of a URI that a request names.
pub(crate) fn refusal(error: ExternalError) -> Error {
    match error {
        ExternalError::Refused(why) => Error::invalid_field("uri", why),
        ExternalError::Exists(uri) => {
            let message = format!("{uri} is there already; choose another name, or set overwrite");
            Error::already_exists("file", uri, message)
        }
        changed @ ExternalError::Changed(_) => Error::conflict(changed.to_string()),
        ExternalError::Store { uri, cause } => {
            tracing::warn!(%uri, ?cause, "a store of others does not answer");
            Error::unavailable(&format!("the store of {uri}")).caused_by(cause)
        }
    }
}

/// Of a URI that a job works on.
pub(crate) fn failure(error: ExternalError) -> JobFailure {
    match error {
        ExternalError::Refused(why) => JobFailure::new(ErrorReason::TransferFailed, why),
        changed @ ExternalError::Changed(_) => {
            let why = format!("{changed}; import it when it is complete");
            JobFailure::new(ErrorReason::TransferFailed, why)
        }
        other => refusal(other).into(),
    }
}
