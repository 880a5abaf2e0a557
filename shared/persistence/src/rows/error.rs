//! What goes wrong with rows, in the words that PostgreSQL has for it.

use datacovey_error::Error;
use datacovey_proto::internal::rows::v1::DatabaseError;

use crate::failure::Failure;

/// Why rows are not read or written.
#[derive(Debug)]
pub enum RowsError {
    /// For a reason with an SQLSTATE, or a code of the REST API: the caller is told.
    Told(Box<DatabaseError>),
    /// For one of the suite's.
    Suite(Error),
}

impl RowsError {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self::Told(Box::new(DatabaseError {
            code: code.to_owned(),
            message: message.into(),
            details: None,
            hint: None,
        }))
    }

    pub(super) fn details(mut self, details: impl Into<String>) -> Self {
        if let Self::Told(told) = &mut self {
            told.details = Some(details.into());
        }
        self
    }

    /// The same as a fault of the request and not of the server.
    pub(super) fn refused(mut self) -> Self {
        if let Self::Told(told) = &mut self {
            told.code = "PGRST100".to_owned();
        }
        self
    }

    pub(super) fn no_column(relation: &str, column: &str) -> Self {
        Self::new("42703", format!("column {relation}.{column} does not exist"))
    }

    /// A request that the gateway would not have sent.
    pub(super) fn malformed(what: &str) -> Self {
        Self::Suite(Error::invalid_field(
            "",
            format!("the request has no {what}, or an unknown one"),
        ))
    }
}

impl From<Error> for RowsError {
    fn from(error: Error) -> Self {
        Self::Suite(error)
    }
}

impl From<Failure> for RowsError {
    fn from(failure: Failure) -> Self {
        Self::Suite(failure.into_error())
    }
}

impl From<datacovey_rest::Error> for RowsError {
    fn from(error: datacovey_rest::Error) -> Self {
        Self::Told(Box::new(error.to_database()))
    }
}

impl From<tokio_postgres::Error> for RowsError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            return if error.is_closed() {
                Self::Suite(Error::unavailable("the database").caused_by(error))
            } else {
                Self::Suite(Error::internal(error))
            };
        };
        let code = said.code().code();
        match code.get(..2).unwrap_or_default() {
            "08" | "57" if code == "57014" => Self::Suite(Error::deadline_exceeded().caused_by(error)),
            "08" | "53" | "57" => Self::Suite(Error::unavailable("the database").caused_by(error)),
            "40" => Self::Suite(
                Error::conflict("concurrent changes kept this one from taking effect; retry")
                    .caused_by(error),
            ),
            "21" | "22" | "23" => Self::of(said, said.message()),
            _ if code == "42501" => Self::of_privilege(said),
            // A column or function that a request can name is known by now; others are a fault of ours.
            _ if [
                "42804", "42883", "42704", "42P10", "42601", "42846", "42725", "42P18",
            ]
            .contains(&code) =>
            {
                Self::of(said, said.message())
            }
            "P0" if code == "P0002" => Self::of(said, said.message()),
            _ => Self::Suite(Error::internal(error)),
        }
    }
}

impl RowsError {
    fn of(said: &tokio_postgres::error::DbError, message: &str) -> Self {
        Self::Told(Box::new(DatabaseError {
            code: said.code().code().to_owned(),
            message: message.to_owned(),
            details: said.detail().map(ToOwned::to_owned),
            hint: said.hint().map(ToOwned::to_owned),
        }))
    }

    /// Which policy, function or schema it is that forbids something is nobody's business.
    fn of_privilege(said: &tokio_postgres::error::DbError) -> Self {
        let message = said.message();
        let message = match message.split_once(" policy \"").and_then(|(before, rest)| {
            let (_, after) = rest.split_once("\" for ")?;
            Some(format!("{before} policy for {after}"))
        }) {
            Some(without_name) => without_name,
            None if message.starts_with("permission denied to set role") => {
                "rows are not written as plain data here; the operator has not granted the role for it"
                    .to_owned()
            }
            None if message.starts_with("permission denied for") && !message.contains(" table ") => {
                "permission denied".to_owned()
            }
            None => message.to_owned(),
        };
        Self::new("42501", message)
    }
}
