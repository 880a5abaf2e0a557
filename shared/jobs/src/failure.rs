use datacovey_error::{Error, ErrorReason, Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is kept of a text: some come from content that somebody sent.
const MAX_TEXT: usize = 2_000;

/// Why a job failed, as its run row keeps it and the job's owner reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailure {
    /// A word for programs: that of an [`ErrorReason`].
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// The line or record of the content, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The field of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Whether another attempt may succeed.
    #[serde(skip)]
    pub transient: bool,
}

impl JobFailure {
    /// A failure that another attempt would meet again.
    #[must_use]
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        let name = reason.as_str_name();
        Self {
            reason: name.strip_prefix("ERROR_REASON_").unwrap_or(name).to_owned(),
            message: message.into(),
            line: None,
            field: None,
            transient: false,
        }
    }

    /// Says which line or record of the content is meant.
    #[must_use]
    pub fn at(mut self, line: Option<u64>, field: Option<String>) -> Self {
        (self.line, self.field) = (line, field);
        self
    }

    /// Another attempt may succeed.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    /// What a run row keeps; none where it keeps none, or not one of ours.
    #[must_use]
    pub fn stored(error: Option<&Value>) -> Option<Self> {
        error.and_then(|it| Self::deserialize(it).ok())
    }

    /// The reason, where it is one that the API names.
    #[must_use]
    pub fn error_reason(&self) -> Option<ErrorReason> {
        ErrorReason::from_str_name(&format!("ERROR_REASON_{}", self.reason))
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut json = serde_json::json!({ "reason": self.reason, "message": kept(&self.message) });
        if let Some(line) = self.line {
            json["line"] = line.into();
        }
        if let Some(field) = &self.field {
            json["field"] = kept(field).into();
        }
        json
    }
}

/// The beginning of the text, without the characters that a JSON column cannot hold.
fn kept(text: &str) -> String {
    let mut characters = text
        .chars()
        .map(|it| if it.is_control() { '\u{fffd}' } else { it });
    let mut kept: String = characters.by_ref().take(MAX_TEXT).collect();
    if characters.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    kept
}

/// Whether the same may go well later. A job has no deadline of its own: what ran out of time was one
/// statement.
pub(crate) fn passes(error: &Error) -> bool {
    error.is_transient() || error.kind() == Kind::DeadlineExceeded
}

/// All violations are told; a fault of ours is told as nothing but that, and logged.
impl From<Error> for JobFailure {
    fn from(error: Error) -> Self {
        let transient = passes(&error);
        let mut message = error.message().to_owned();
        if error.kind() == Kind::Internal {
            tracing::error!(cause = ?error, "a job failed by a fault of ours");
        } else if error.violations().len() > 1 {
            let all = error
                .violations()
                .iter()
                .map(|it| format!("{}: {}", it.field, it.description));
            message = all.collect::<Vec<_>>().join("; ");
        }
        Self {
            reason: error.reason_name().to_owned(),
            message,
            line: None,
            field: None,
            transient,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datacovey_error::Violation;

    #[test]
    fn a_failure_reads_back_from_its_run() {
        let failure = JobFailure::new(ErrorReason::TransferFailed, "no").at(Some(7), Some("year".to_owned()));
        let kept = failure.to_json();
        assert_eq!(JobFailure::stored(Some(&kept)), Some(failure));
        assert_eq!(kept["reason"], "TRANSFER_FAILED");
        assert_eq!(JobFailure::stored(Some(&serde_json::json!("?"))), None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_printable() {
        let long = "é\0".repeat(5_000);
        let kept = JobFailure::new(ErrorReason::TransferFailed, long.as_str())
            .at(None, Some(long))
            .to_json();
        for text in [&kept["message"], &kept["field"]] {
            let text = text.as_str().unwrap();
            assert_eq!(text.chars().count(), MAX_TEXT);
            assert!(text.starts_with("é\u{fffd}é") && text.ends_with('…') && !text.contains('\0'));
        }
    }

    #[test]
    fn a_statement_that_ran_out_of_time_is_tried_again() {
        assert!(JobFailure::from(Error::deadline_exceeded()).transient);
        assert!(!JobFailure::from(Error::wrong_state("no")).transient);
    }

    #[test]
    fn faults_of_ours_say_nothing_and_violations_all() {
        let fault = JobFailure::from(Error::internal("column x"));
        assert_eq!(
            (fault.message.as_str(), fault.transient),
            ("internal error", false)
        );
        let violations = vec![Violation::new("a", "is wrong"), Violation::new("b", "is odd")];
        assert_eq!(
            JobFailure::from(Error::invalid(violations)).message,
            "a: is wrong; b: is odd"
        );
        let away = JobFailure::from(Error::unavailable("the database"));
        assert!(away.transient);
        assert_eq!(away.error_reason(), Some(ErrorReason::Unavailable));
    }
}
