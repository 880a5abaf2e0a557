//! How the database refuses: the SQLSTATE, and the rule that was broken.

use std::fmt::Debug;

use tokio_postgres::Error;

/// What a refused statement says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) rule: String,
    pub(crate) message: String,
}

pub(crate) fn refusal<T: Debug>(result: Result<T, Error>) -> Refusal {
    let error = result.expect_err("a refusal");
    let said = error
        .as_db_error()
        .unwrap_or_else(|| panic!("no refusal of the database's: {error}"));
    Refusal {
        code: said.code().code().to_owned(),
        rule: said.constraint().unwrap_or_default().to_owned(),
        message: said.message().to_owned(),
    }
}

/// Refused by a rule or constraint of this name.
#[track_caller]
pub(crate) fn breaks<T: Debug>(result: Result<T, Error>, rule: &str) {
    let refusal = refusal(result);
    assert_eq!(refusal.rule, rule, "{refusal:?}");
}

/// Refused for want of a privilege, or by row-level security.
#[track_caller]
pub(crate) fn forbidden<T: Debug>(result: Result<T, Error>) {
    let refusal = refusal(result);
    assert_eq!(refusal.code, "42501", "{refusal:?}");
}

/// Refused in the words of the foreign key: there is no such parent.
#[track_caller]
pub(crate) fn no_parent<T: Debug>(result: Result<T, Error>, child: &str, key: &str) {
    let refusal = refusal(result);
    let rule = format!("{child}_{key}_fkey");
    let message = format!("insert or update on table \"{child}\" violates foreign key constraint \"{rule}\"");
    assert_eq!(
        refusal,
        Refusal {
            code: "23503".to_owned(),
            rule,
            message
        }
    );
}
