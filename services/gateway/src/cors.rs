//! Whose pages a browser lets call the gateway (the Fetch standard's CORS protocol).
//!
//! One list of origins counts for all that the gateway speaks. Where none is configured, each API has what its
//! callers expect: pages of every origin may call the REST API, as they may the original, and none may call by
//! gRPC-Web. Either way a page has to hold a bearer token: nothing that a browser adds by itself is looked at.

use std::str::FromStr;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use datacovey_server::{GRPC_TIMEOUT, REQUEST_ID};
use http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use http::{HeaderName, HeaderValue, Method};
use tower::{Layer as _, ServiceExt as _};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};
use url::Url;

use crate::body::GRPC_STATUS;
use crate::{content, rest};

/// Headers that a page may send: those of gRPC-Web, and what a call of the suite may carry.
const ALLOWED: [HeaderName; 8] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    GRPC_TIMEOUT,
    REQUEST_ID,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
];

/// Headers that a page may read: a call that ends without a message has its status there.
const EXPOSED: [HeaderName; 4] = [
    GRPC_STATUS,
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
    REQUEST_ID,
];

/// How long a browser need not ask again; Chromium takes no more.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// Origins whose pages may call. Never with cookies or other credentials that a browser adds by
/// itself: a page has to hold a bearer token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// All of the REST API, none of gRPC-Web.
    #[default]
    Unsaid,
    /// All there are.
    Any,
    /// These, as browsers write them: scheme, host, and the port unless it is the scheme's own.
    Listed(Vec<HeaderValue>),
}

impl Origins {
    /// Reads a list as `https://app.example.com,http://localhost:5173`, `*`, `none`, or nothing.
    ///
    /// # Errors
    ///
    /// What is wrong with each entry that is no origin.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<String>> {
        match text.trim() {
            "" => return Ok(Self::default()),
            "*" => return Ok(Self::Any),
            "none" => return Ok(Self::Listed(Vec::new())),
            _ => {}
        }
        let (mut origins, mut wrong) = (Vec::new(), Vec::new());
        for entry in text.split(',').map(str::trim) {
            match origin(entry) {
                Ok(origin) => origins.push(origin),
                Err(why) => wrong.push(format!("\"{entry}\" {why}")),
            }
        }
        if wrong.is_empty() {
            Ok(Self::Listed(origins))
        } else {
            Err(wrong)
        }
    }

    pub(crate) fn layer(self) -> CorsLayer {
        let allowed = match self {
            Self::Unsaid => AllowOrigin::list([]),
            Self::Any => AllowOrigin::from(Any),
            Self::Listed(origins) => AllowOrigin::list(origins),
        };
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT])
            .allow_headers([&ALLOWED[..], &content::SENT].concat())
            .expose_headers([&EXPOSED[..], &content::TOLD].concat())
            .max_age(MAX_AGE)
    }
}

impl From<Origins> for datacovey_rest::Origins {
    fn from(origins: Origins) -> Self {
        match origins {
            Origins::Unsaid | Origins::Any => Self::Any,
            Origins::Listed(origins) => {
                // They are ASCII, as they were read.
                let texts = origins.iter().filter_map(|it| it.to_str().ok());
                Self::Only(texts.map(str::to_owned).collect())
            }
        }
    }
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|wrong| wrong.join("; "))
    }
}

/// The origin as a browser sends it.
fn origin(entry: &str) -> Result<HeaderValue, &'static str> {
    if entry.contains('*') {
        return Err("is a pattern; name each origin, or * alone for all");
    }
    const NONE: &str = "is no origin, as https://app.example.com";
    let url = Url::parse(entry).map_err(|_| NONE)?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err("does not begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds credentials; scheme, host and port are all");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("has a path; scheme, host and port are all");
    }
    HeaderValue::try_from(url.origin().ascii_serialization()).map_err(|_| NONE)
}

/// Answers preflights, and says to browsers which pages may read an answer. Callers that are no
/// browser name no origin, and learn nothing of this. The REST API says it in words of its own.
pub(crate) async fn layer(State(cors): State<CorsLayer>, request: Request, next: Next) -> Response {
    if !request.headers().contains_key(ORIGIN) || rest::owns(&request) {
        return next.run(request).await;
    }
    match cors.layer(next).oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Vec<String> {
        match Origins::parse(text) {
            Ok(Origins::Listed(origins)) => {
                origins.iter().map(|it| it.to_str().unwrap().to_owned()).collect()
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn origins_are_kept_as_browsers_write_them() {
        assert_eq!(Origins::parse(" * "), Ok(Origins::Any));
        assert_eq!(Origins::parse(" "), Ok(Origins::Unsaid));
        assert!(listed("none").is_empty());
        assert_eq!(
            listed(
                "https://App.Example.com:443/, http://localhost:5173,http://[::1]:80,https://bücher.example"
            ),
            [
                "https://app.example.com",
                "http://localhost:5173",
                "http://[::1]",
                "https://xn--bcher-kva.example",
            ]
        );
    }

    #[test]
    fn each_entry_that_is_no_origin_is_named() {
        let text = "https://right.example,,null,none,app.example.com,https://*.example.com,*,https://a.example/app,\
                    https://u:p@a.example,https://a.example?x,ftp://a.example,https://";
        let wrong = Origins::parse(text).unwrap_err();
        let entries: Vec<_> = wrong.iter().map(|it| it.split('"').nth(1).unwrap()).collect();
        assert_eq!(entries, text.split(',').skip(1).collect::<Vec<_>>());
    }
}
