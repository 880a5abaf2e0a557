use std::fmt;

use datacovey_error::{Error, ErrorReason, Violation};
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind};

/// Why a transaction did not do what it was asked: the database says so, or the code in it does.
///
/// `?` makes one of either. A failure of the database becomes an [`Error`] at the end of the
/// transaction, by the name of the constraint or rule that was broken.
#[derive(Debug)]
pub enum Failure {
    Database(diesel::result::Error),
    Answer(Error),
    /// No connection, or lost before anything could take effect.
    Unreachable(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::Answer(error) => error.fmt(f),
            Self::Unreachable(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

impl From<diesel::result::Error> for Failure {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Answer(error)
    }
}

impl Failure {
    pub(crate) fn unreachable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unreachable(cause.into())
    }

    /// Whether the same transaction may succeed when run again: it was rolled back for the sake of
    /// another one.
    pub(crate) fn lost_a_race(&self) -> bool {
        match self {
            Self::Database(diesel::result::Error::DatabaseError(kind, info)) => {
                matches!(kind, DatabaseErrorKind::SerializationFailure)
                    || info.message() == "deadlock detected"
            }
            _ => false,
        }
    }

    /// Whether the connection is gone.
    pub(crate) fn lost_the_connection(&self) -> bool {
        match self {
            Self::Database(diesel::result::Error::DatabaseError(kind, info)) => {
                matches!(
                    kind,
                    DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand
                ) || is_going_away(info.message())
            }
            Self::Unreachable(_) => true,
            _ => false,
        }
    }

    /// The name of the constraint or rule that was broken.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Database(diesel::result::Error::DatabaseError(_, info)) => info.constraint_name(),
            _ => None,
        }
    }

    /// What the caller is told.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Answer(error) => error,
            Self::Unreachable(cause) => Error::unavailable("the database").caused_by(cause),
            Self::Database(diesel::result::Error::DatabaseError(kind, info)) => {
                told(&kind, info.as_ref()).caused_by(cause(&kind, info.as_ref()))
            }
            Self::Database(other) => Error::internal(other),
        }
    }
}

/// What to say where a statement breaks a named constraint or rule.
///
/// The database's own name for it is the key; everything else passes on unchanged.
pub trait OnConstraint<T> {
    fn on_constraint(self, name: &str, say: impl FnOnce() -> Error) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> OnConstraint<T> for Result<T, E> {
    fn on_constraint(self, name: &str, say: impl FnOnce() -> Error) -> Result<T, Failure> {
        self.map_err(|error| {
            let failure = error.into();
            if failure.constraint() == Some(name) {
                Failure::Answer(say().caused_by(failure.into_error()))
            } else {
                failure
            }
        })
    }
}

/// What to say where a statement finds no row.
pub trait OrNotFound<T> {
    fn or_not_found(self, kind: &'static str, name: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> OrNotFound<T> for Result<T, E> {
    fn or_not_found(self, kind: &'static str, name: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| match error.into() {
            Failure::Database(diesel::result::Error::NotFound) => {
                Failure::Answer(Error::not_found(kind, name))
            }
            other => other,
        })
    }
}

fn is_going_away(message: &str) -> bool {
    [
        "terminating connection",
        "the database system is",
        "server closed the connection",
        "connection closed",
        "sorry, too many clients",
        "remaining connection slots",
        // A standby, which a failover makes of the server we were connected to.
        "in a read-only transaction",
    ]
    .iter()
    .any(|it| message.contains(it))
}

fn is_out_of_space(message: &str) -> bool {
    message.starts_with("could not extend file") || message.contains("No space left on device")
}

fn cause(kind: &DatabaseErrorKind, info: &dyn DatabaseErrorInformation) -> String {
    let detail = info.details().map(|it| format!("; {it}")).unwrap_or_default();
    let rule = info
        .constraint_name()
        .map(|it| format!(" [{it}]"))
        .unwrap_or_default();
    format!("{kind:?}: {}{detail}{rule}", info.message())
}

/// diesel keeps no SQLSTATE. Rules of ours carry a constraint's name, as constraints do; what the
/// server itself refuses is told by its message, whose language is checked when a pool is opened.
fn told(kind: &DatabaseErrorKind, info: &dyn DatabaseErrorInformation) -> Error {
    let rule = info.constraint_name().unwrap_or_default();
    let message = info.message();
    match kind {
        DatabaseErrorKind::UniqueViolation => taken(rule, info),
        DatabaseErrorKind::ForeignKeyViolation => foreign_key(info),
        DatabaseErrorKind::NotNullViolation => {
            Error::invalid_field(info.column_name().unwrap_or_default(), "is required")
        }
        DatabaseErrorKind::SerializationFailure => conflict(),
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
            Error::unavailable("the database")
        }
        _ if !rule.is_empty() => broken(rule, info),
        _ if message == "deadlock detected" => conflict(),
        _ if message.starts_with("permission denied") || message.contains("row-level security policy") => {
            Error::permission_denied("the caller may not do this")
        }
        _ if message.starts_with("canceling statement due to") => Error::deadline_exceeded(),
        _ if is_going_away(message) || is_out_of_space(message) => Error::unavailable("the database"),
        // Text that the database cannot hold and no parser refused.
        _ if message.starts_with("invalid byte sequence")
            || message.starts_with("unsupported Unicode escape") =>
        {
            Error::invalid_field("", "a text of the request must not contain the NUL character")
        }
        _ => Error::internal("the database refused a statement"),
    }
}

fn conflict() -> Error {
    Error::conflict("concurrent changes kept this one from taking effect; retry")
}

fn taken(rule: &str, info: &dyn DatabaseErrorInformation) -> Error {
    let (kind, message) = match rule {
        "tenant_auth0_org_id_key" => ("tenant", "another tenant has this auth0_org_id"),
        "user_auth0_id_key" => ("user", "another user of the tenant has this auth0_id"),
        "user_email_key" => ("user", "another user of the tenant has this email"),
        "dataset_name_key" => (
            "dataset",
            "another dataset of the project has this name, be it one whose owner takes no part at present",
        ),
        "table_name_key" => (
            "table",
            "another table of the dataset has this name, be it one whose owner takes no part at present",
        ),
        _ => (
            relation(info.table_name().unwrap_or_default()),
            "it exists already",
        ),
    };
    Error::already_exists(kind, "", message)
}

/// `Key (project_id)=(…) is not present in table "project".`, or `… is still referenced from …`.
fn foreign_key(info: &dyn DatabaseErrorInformation) -> Error {
    let detail = info.details().unwrap_or_default();
    match info.constraint_name() {
        Some("purge_has_children") => {
            let message = format!("{}; force removes that, too", info.message());
            return Error::precondition(ErrorReason::HasChildren, message);
        }
        Some("purge_below_is_own") => {
            return Error::precondition(ErrorReason::HasChildren, info.message()).with("owners", detail);
        }
        _ => {}
    }
    let id = detail
        .split_once(")=(")
        .and_then(|(_, rest)| rest.split_once(')'))
        .map_or("", |(id, _)| id);
    match detail.split_once("is not present in table \"") {
        Some((_, parent)) => Error::not_found(relation(parent.split('"').next().unwrap_or_default()), id),
        None => Error::precondition(
            ErrorReason::HasChildren,
            "other rows still refer to it; delete those first",
        ),
    }
}

/// A rule of the migrations, or a check constraint, which is named after its column.
fn broken(rule: &str, info: &dyn DatabaseErrorInformation) -> Error {
    if let Some(parent) = rule.strip_suffix("_archived") {
        return Error::precondition(
            ErrorReason::Archived,
            format!("the {} is archived; restore it first", relation(parent)),
        );
    }
    match rule {
        "purge_is_own" | "table_is_seen" | "table_version_is_there" => Error::not_found(
            relation(info.table_name().unwrap_or_default()),
            info.details().unwrap_or_default(),
        ),
        "project_is_seen" => Error::not_found("project", info.details().unwrap_or_default()),
        "project_participant_can_contribute"
        | "project_participant_can_query"
        | "table_owner"
        | "table_version_restorer"
        | "tenant_platform"
        | "job_creator" => Error::permission_denied(info.message()),
        "worker_of_kind" => Error::internal("a pool of another role asked for a worker's door"),
        "release_world_as_checked" => Error::precondition(ErrorReason::WorldChanged, info.message()),
        "table_version_as_used" | "release_cached_answer" => Error::conflict(info.message()),
        "upload_chunk_follows" => wrong_offset(info.details()),
        _ if rule.ends_with("_check") => {
            let table = info.table_name().unwrap_or_default();
            let field = rule
                .strip_prefix(table)
                .and_then(|it| it.strip_prefix('_'))
                .unwrap_or(rule);
            let field = field.strip_suffix("_check").unwrap_or(field);
            Error::invalid(vec![Violation::new(
                field,
                "is not a value that this field may have",
            )])
        }
        _ => Error::wrong_state(info.message()),
    }
}

/// The rule's detail is the offset that was given and the one that was expected.
fn wrong_offset(detail: Option<&str>) -> Error {
    let offsets = detail.and_then(|it| it.split_once(' '));
    match offsets.map(|(given, expected)| (given.parse(), expected.parse())) {
        Some((Ok(given), Ok(expected))) => Error::wrong_offset(given, expected),
        _ => Error::internal("an upload rule without its offsets"),
    }
}

/// The word the API has for a relation.
fn relation(name: &str) -> &'static str {
    const KNOWN: [&str; 13] = [
        "tenant",
        "user",
        "project",
        "dataset",
        "table",
        "query",
        "query_job",
        "query_approval",
        "import_job",
        "export_job",
        "table_policy",
        "project_participant",
        "table_version",
    ];
    KNOWN.into_iter().find(|it| *it == name).unwrap_or("resource")
}
