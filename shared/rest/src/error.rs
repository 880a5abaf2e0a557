//! What goes wrong, with the codes, texts and statuses of the original.

use datacovey_proto::internal::rows::v1::DatabaseError;
use http::StatusCode;
use serde_json::{Value, json};

/// An answer that says what went wrong. Its body has all four of code, message, details and hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub status: StatusCode,
    /// `PGRST` and three digits, or an SQLSTATE.
    pub code: String,
    pub message: String,
    pub details: Option<Box<Value>>,
    pub hint: Option<String>,
    /// `WWW-Authenticate`, if the caller is to say who it is.
    pub challenge: Option<String>,
}

impl Error {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            details: None,
            hint: None,
            challenge: None,
        }
    }

    pub(crate) fn details(mut self, details: impl Into<Value>) -> Self {
        self.details = Some(Box::new(details.into()));
        self
    }

    pub(crate) fn hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }

    pub(crate) fn parse(message: String, details: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "PGRST100", message).details(details)
    }

    pub(crate) fn body(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "PGRST102", message)
    }

    /// A body, or a request line, that is longer than allowed; the original knows no such bound.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        let message = format!("The request is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "PGRST102", message)
    }

    /// A body that is compressed, or otherwise not as it is; the original takes it for broken JSON.
    #[must_use]
    pub fn body_encoding(name: &str) -> Self {
        Self::body(format!("Content-Encoding not acceptable: {name}"))
    }

    /// A body of which the end never came.
    #[must_use]
    pub fn body_broken() -> Self {
        Self::body("The body of the request cannot be read to its end")
    }

    pub(crate) fn range(details: &str) -> Self {
        let status = StatusCode::RANGE_NOT_SATISFIABLE;
        Self::new(status, "PGRST103", "Requested range not satisfiable").details(details)
    }

    pub(crate) fn not_embedded(name: &str) -> Self {
        let message = format!("'{name}' is not an embedded resource in this request");
        let hint = format!("Verify that '{name}' is included in the 'select' query parameter.");
        Self::new(StatusCode::BAD_REQUEST, "PGRST108", message).hint(Some(hint))
    }

    /// Not exactly one row, where the caller takes one object.
    #[must_use]
    pub fn not_singular(rows: u64) -> Self {
        let message = "Cannot coerce the result to a single JSON object";
        let details = format!("The result contains {rows} rows");
        Self::new(StatusCode::NOT_ACCEPTABLE, "PGRST116", message).details(details)
    }

    /// More rows than the preference `max-affected` allows.
    #[must_use]
    pub fn too_many_affected(rows: u64) -> Self {
        let message = "Query result exceeds max-affected preference constraint";
        let details = format!("The query affects {rows} rows");
        Self::new(StatusCode::BAD_REQUEST, "PGRST124", message).details(details)
    }

    /// PUT of a row whose key is not that of the URL.
    #[must_use]
    pub fn put_mismatch() -> Self {
        let message = "Payload values do not match URL in primary key column(s)";
        Self::new(StatusCode::BAD_REQUEST, "PGRST115", message)
    }

    /// A request without a token.
    #[must_use]
    pub fn anonymous() -> Self {
        let mut error = Self::new(
            StatusCode::UNAUTHORIZED,
            "PGRST302",
            "Anonymous access is disabled",
        );
        error.challenge = Some("Bearer".to_owned());
        error
    }

    /// A token that cannot be read or is not ours, and why.
    #[must_use]
    pub fn bad_token(message: impl Into<String>) -> Self {
        Self::token("PGRST301", message.into())
    }

    /// A token whose claims do not hold, and which.
    #[must_use]
    pub fn bad_claims(message: impl Into<String>) -> Self {
        Self::token("PGRST303", message.into())
    }

    fn token(code: &str, message: String) -> Self {
        let quoted = message.replace(['"', '\\'], "'");
        let mut error = Self::new(StatusCode::UNAUTHORIZED, code, message);
        error.challenge = Some(format!(
            "Bearer error=\"invalid_token\", error_description=\"{quoted}\""
        ));
        error
    }

    /// The database, or the service before it, cannot be reached.
    #[must_use]
    pub fn unavailable() -> Self {
        let message = "Database connection error. Retrying the connection.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "PGRST000", message)
    }

    /// No connection became free in time.
    #[must_use]
    pub fn timed_out() -> Self {
        let message = "Timed out acquiring connection from connection pool.";
        Self::new(StatusCode::GATEWAY_TIMEOUT, "PGRST003", message)
    }

    /// A fault of ours, of which nothing is told.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "XX000", "Internal error")
    }

    /// What the database said, with the status that belongs to its SQLSTATE.
    #[must_use]
    pub fn of_database(error: DatabaseError) -> Self {
        let status = status(&error.code, &error.message);
        let mut found = Self::new(status, &error.code, error.message);
        found.details = error.details.map(|it| Box::new(it.into()));
        found.hint = error.hint;
        if status == StatusCode::UNAUTHORIZED {
            found.challenge = Some("Bearer".to_owned());
        }
        found
    }

    /// The same as a service gives it to the gateway, which makes it an error again.
    #[must_use]
    pub fn to_database(&self) -> DatabaseError {
        let details = self.details.as_ref();
        DatabaseError {
            code: self.code.clone(),
            message: self.message.clone(),
            details: details.map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)),
            hint: self.hint.clone(),
        }
    }

    /// The body of the answer.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "code": self.code,
            "details": self.details,
            "hint": self.hint,
            "message": self.message,
        })
    }
}

/// The status that belongs to an SQLSTATE, or to a code of ours that a service gave.
fn status(code: &str, message: &str) -> StatusCode {
    if let Some(wanted) = code.strip_prefix("PT").and_then(|it| it.parse::<u16>().ok()) {
        return StatusCode::from_u16(wanted).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let status = match code {
        "PGRST116" => 406,
        "PGRST115" | "PGRST124" => 400,
        "23503" | "23505" => 409,
        "25006" => 405,
        "57P01" => 503,
        "P0001" => 400,
        "42883" | "42P01" => 404,
        "42P17" | "53400" => 500,
        "42501" => 403,
        "21000" if message.ends_with("requires a WHERE clause") => 400,
        "21000" => 500,
        "22023" if message.starts_with("role \"") && message.ends_with("\" does not exist") => 401,
        _ => match code.get(..2).unwrap_or_default() {
            "08" | "53" => 503,
            "0L" | "0P" | "28" => 403,
            "09" | "25" | "2D" | "38" | "39" | "3B" | "40" | "54" | "55" | "57" | "58" | "F0" | "HV"
            | "P0" | "XX" => 500,
            _ => 400,
        },
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
