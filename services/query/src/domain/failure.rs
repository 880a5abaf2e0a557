//! How a run ends without a result, in the words the analyst reads.

use datacovey_error::ErrorReason;
use serde_json::{Value, json};

use super::violation::Violation;

/// Why a run failed. Whatever happens after the first read is [`Self::Failed`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JobFailure {
    /// The statement may not run, as of the lease.
    Refused(Vec<Violation>),
    /// Budgets of tables do not suffice, and nothing was charged.
    BudgetSpent(Vec<Violation>),
    /// The creator is archived, or may not query any more.
    CreatorGone,
    /// The project or a table can no longer be queried, or something changed while the query ran.
    WorldChanged,
    /// The engine, the release or the writing of the result failed.
    Failed,
}

impl JobFailure {
    /// Whether the world, and no fault, kept the run from its rows.
    #[must_use]
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::BudgetSpent(_) | Self::WorldChanged)
    }

    #[must_use]
    pub(crate) const fn reason(&self) -> ErrorReason {
        match self {
            Self::Refused(_) => ErrorReason::QueryRefused,
            Self::BudgetSpent(_) => ErrorReason::BudgetSpent,
            Self::CreatorGone => ErrorReason::PermissionDenied,
            Self::WorldChanged => ErrorReason::WorldChanged,
            Self::Failed => ErrorReason::QueryFailed,
        }
    }

    /// One fixed text for each kind.
    #[must_use]
    pub(crate) const fn message(&self) -> &'static str {
        match self {
            Self::Refused(_) => "the query may not run any more; the violations say why",
            Self::BudgetSpent(_) => {
                "the budget of a table does not suffice; the violations say which, and when it is full again"
            }
            Self::CreatorGone => "the user who started the run may not run queries any more",
            Self::WorldChanged => {
                "participation, a policy, an approval or a table changed since the run was started; nothing was \
                 released; run it again"
            }
            Self::Failed => {
                "the query failed while it ran, or exceeded its limits of time, memory or output; no more \
                 is said, because it may depend on rows"
            }
        }
    }

    /// The column `error_result`.
    #[must_use]
    pub(crate) fn error_result(&self) -> Value {
        json!({ "reason": reason_name(self.reason()), "message": self.message() })
    }

    /// The column `error_details`: a function of the statement and the world, never of rows.
    #[must_use]
    pub(crate) fn error_details(&self, request_id: &str) -> Value {
        let code = match self {
            Self::Refused(_) => "INVALID_ARGUMENT",
            Self::CreatorGone => "PERMISSION_DENIED",
            Self::BudgetSpent(_) | Self::WorldChanged | Self::Failed => "FAILED_PRECONDITION",
        };
        let mut details = json!({ "code": code, "message": self.message(), "request_id": request_id });
        if let Self::Refused(violations) | Self::BudgetSpent(violations) = self {
            let position = violations.iter().find_map(|violation| violation.position);
            details["position"] = json!(position);
            details["violations"] = json!(violations);
        }
        details
    }
}

fn reason_name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_code_and_one_text() {
        assert_eq!(JobFailure::Failed.error_result()["reason"], "QUERY_FAILED");
        let details = JobFailure::Failed.error_details("r-1");
        let keys: Vec<_> = details.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["code", "message", "request_id"]);
    }
}
