//! The head of a request: everything that is decided before its body is read.

use http::{HeaderMap, HeaderName, Method, StatusCode};
use percent_encoding::percent_decode_str;

use crate::error::Error;
use crate::media::Accepted;
use crate::prefer::Preferences;
use crate::query::Query;
use crate::query::page::Page;

/// How the API is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The name of the schema, in texts and headers. Default: `api`.
    pub schema: String,
    /// Longest query string in bytes. Default: 64 KiB.
    pub max_query_bytes: usize,
    /// Longest body in bytes. Default: 16 MiB.
    pub max_body_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            schema: "api".to_owned(),
            max_query_bytes: 64 << 10,
            max_body_bytes: 16 << 20,
        }
    }
}

/// A request as it comes in, its body not yet read.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a Method,
    /// Percent-encoded, below the API's root, with the slash that it begins with.
    pub path: &'a str,
    /// Percent-encoded, without the question mark; empty if there is none.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Root,
    Relation(String),
    Function(String),
}

/// The methods that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

/// A request whose head is right; its names have not been looked up.
#[derive(Clone, Debug)]
pub struct Head {
    pub(crate) verb: Verb,
    pub(crate) target: Target,
    /// Whether the caller named the schema.
    pub(crate) has_profile: bool,
    pub(crate) query: Query,
    pub(crate) page: Page,
    pub(crate) preferences: Preferences,
    pub(crate) accepted: Accepted,
    pub(crate) content_type: Option<String>,
    pub(crate) settings: Settings,
}

impl Head {
    /// Checks a request in the order: path, schema, method, query string, range. The caller has said who it
    /// is before. Errors: 404 PGRST125, 406 PGRST106, 405 PGRST117 and PGRST101, 414, 400 PGRST100 and
    /// PGRST114, 416 PGRST103.
    pub fn read(request: Request<'_>, settings: &Settings) -> Result<Self, Error> {
        let target = target(request.path)?;
        let has_profile = profile(&request, &settings.schema)?;
        let verb = verb(request.method, &target)?;
        if request.query.len() > settings.max_query_bytes {
            let mut error = Error::too_large(settings.max_query_bytes);
            error.status = StatusCode::URI_TOO_LONG;
            return Err(error);
        }
        let query = match target {
            // Of a function that there is not, parameters are no filters.
            Target::Function(_) => Query::default(),
            _ => Query::parse(request.query)?,
        };
        let range = (verb == Verb::Get).then(|| text(request.headers, &http::header::RANGE));
        let root = query.pages.root();
        let page = root.unwrap_or_default().with_range(range.flatten())?;
        if verb == Verb::Put && root.is_some_and(|it| it != Page::default()) {
            let message = "limit/offset querystring parameters are not allowed for PUT";
            return Err(Error::new(StatusCode::BAD_REQUEST, "PGRST114", message));
        }
        Ok(Self {
            verb,
            target,
            has_profile,
            query,
            page,
            preferences: Preferences::read(request.headers),
            accepted: Accepted::read(request.headers),
            content_type: text(request.headers, &http::header::CONTENT_TYPE).map(str::to_owned),
            settings: settings.clone(),
        })
    }

    /// Whether a body is read at all; others are not looked at.
    #[must_use]
    pub fn takes_body(&self) -> bool {
        matches!(self.verb, Verb::Post | Verb::Put | Verb::Patch)
    }

    /// Longest body in bytes: one may stop reading beyond.
    #[must_use]
    pub fn max_body_bytes(&self) -> usize {
        self.settings.max_body_bytes
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn target(path: &str) -> Result<Target, Error> {
    let invalid = || {
        Error::new(
            StatusCode::NOT_FOUND,
            "PGRST125",
            "Invalid path specified in request URL",
        )
    };
    let path = path.strip_prefix('/').unwrap_or(path);
    let parts = path.split('/').map(|it| percent_decode_str(it).decode_utf8());
    let parts = parts.collect::<Result<Vec<_>, _>>().map_err(|_| invalid())?;
    match parts.iter().map(AsRef::as_ref).collect::<Vec<&str>>().as_slice() {
        [""] => Ok(Target::Root),
        ["rpc", function] if !function.is_empty() => Ok(Target::Function((*function).to_owned())),
        [relation] => Ok(Target::Relation((*relation).to_owned())),
        _ => Err(invalid()),
    }
}

fn profile(request: &Request<'_>, schema: &str) -> Result<bool, Error> {
    let writes = [Method::POST, Method::PATCH, Method::PUT, Method::DELETE];
    let name = if writes.contains(request.method) {
        "content-profile"
    } else {
        "accept-profile"
    };
    match request.headers.get(name) {
        None => Ok(false),
        Some(value) if value.as_bytes() == schema.as_bytes() => Ok(true),
        Some(_) => {
            let message = format!("The schema must be one of the following: {schema}");
            Err(Error::new(StatusCode::NOT_ACCEPTABLE, "PGRST106", message))
        }
    }
}

fn verb(method: &Method, target: &Target) -> Result<Verb, Error> {
    let verb = match method.as_str() {
        "GET" => Some(Verb::Get),
        "HEAD" => Some(Verb::Head),
        "POST" => Some(Verb::Post),
        "PUT" => Some(Verb::Put),
        "PATCH" => Some(Verb::Patch),
        "DELETE" => Some(Verb::Delete),
        "OPTIONS" => Some(Verb::Options),
        _ => None,
    };
    let is_reading = matches!(verb, Some(Verb::Get | Verb::Head | Verb::Options));
    match (verb, target) {
        (Some(verb), Target::Relation(_)) => Ok(verb),
        (Some(verb), Target::Root) if is_reading => Ok(verb),
        (Some(verb), Target::Function(_)) if is_reading || verb == Verb::Post => Ok(verb),
        (_, Target::Function(_)) => {
            let message = format!("Cannot use the {method} method on RPC");
            Err(Error::new(StatusCode::METHOD_NOT_ALLOWED, "PGRST101", message))
        }
        _ => {
            let message = format!("Unsupported HTTP method: {method}");
            Err(Error::new(StatusCode::METHOD_NOT_ALLOWED, "PGRST117", message))
        }
    }
}
