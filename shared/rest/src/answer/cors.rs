//! Pages of other origins.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, SERVER, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::{Answer, Body, SERVER_NAME};

const METHODS: &str = "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD";
const EXPOSED: &str = "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, \
                       Transfer-Encoding, Range-Unit";

/// Whose pages may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    #[default]
    Any,
    /// These, with credentials.
    Only(Vec<String>),
}

/// The answer to the question of a browser whether it may call, if it is one. It is given before the
/// caller is known.
#[must_use]
pub fn preflight(method: &Method, headers: &HeaderMap, origins: &Origins) -> Option<Answer> {
    if *method != Method::OPTIONS
        || !headers.contains_key(ORIGIN)
        || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    {
        return None;
    }
    let mut answer = Answer {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: Body::Empty,
    };
    let found = &mut answer.headers;
    found.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
    if allow_origin(headers, origins, found) {
        let mut allowed = vec!["Authorization"];
        let asked = headers
            .get(ACCESS_CONTROL_REQUEST_HEADERS)
            .and_then(|it| it.to_str().ok());
        allowed.extend(
            asked
                .into_iter()
                .flat_map(|it| it.split(','))
                .map(str::trim)
                .filter(|it| !it.is_empty()),
        );
        allowed.extend(["Accept", "Accept-Language", "Content-Language"]);
        super::set(found, ACCESS_CONTROL_ALLOW_HEADERS, &allowed.join(", "));
        found.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        found.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    Some(answer)
}

/// Adds to an answer, an error too, what a browser needs to show it to a page.
pub fn add_cors(request: &HeaderMap, origins: &Origins, answer: &mut HeaderMap) {
    if request.contains_key(ORIGIN) && allow_origin(request, origins, answer) {
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

fn allow_origin(request: &HeaderMap, origins: &Origins, answer: &mut HeaderMap) -> bool {
    match (origins, request.get(ORIGIN)) {
        (Origins::Any, _) => {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            true
        }
        (Origins::Only(allowed), Some(origin)) => {
            // Or a cache gives one page what was said to another.
            answer.append(VARY, HeaderValue::from_static("Origin"));
            let is_allowed = allowed.iter().any(|it| it.as_bytes() == origin.as_bytes());
            if is_allowed {
                answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            } else {
                // OPTIONS says of each relation that anybody may.
                answer.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
            }
            is_allowed
        }
        (Origins::Only(_), None) => false,
    }
}
