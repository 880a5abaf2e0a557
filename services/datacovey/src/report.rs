//! An error as a person reads it: what failed, why, and each field that is wrong.

use tonic::Status;
use tonic_types::StatusExt as _;

/// The error and its causes, one a line; of a call's error all violations.
#[must_use]
pub fn of(error: &anyhow::Error) -> String {
    let mut lines = Vec::new();
    for (depth, cause) in error.chain().enumerate() {
        let lead = if depth == 0 { "error: " } else { "  because: " };
        match cause.downcast_ref::<Status>() {
            // The causes of a status are the transport's own words, which say the same again.
            Some(status) => {
                lines.push(format!("{lead}{}", status.message()));
                lines.extend(violations(status));
                break;
            }
            None => lines.push(format!("{lead}{cause}")),
        }
    }
    lines.join("\n")
}

/// Listed only where the message does not hold the one there is.
fn violations(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let Some(request) = details.bad_request().filter(|it| it.field_violations.len() > 1) else {
        return Vec::new();
    };
    request
        .field_violations
        .iter()
        .map(|it| format!("    {}: {}", it.field, it.description))
        .collect()
}

#[cfg(test)]
mod tests {
    use datacovey_error::{Error, Violation};

    use super::*;

    #[test]
    fn every_violation_has_its_line() {
        let status = Status::from(Error::invalid(vec![
            Violation::new("a", "is missing"),
            Violation::new("b", "is long"),
        ]));
        let text = of(&anyhow::Error::new(status).context("planes.csv"));
        assert!(text.starts_with("error: planes.csv\n"), "{text}");
        assert!(text.ends_with("    a: is missing\n    b: is long"), "{text}");
    }
}
