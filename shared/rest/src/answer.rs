//! Answers: status, headers and shape of the body, from what became of a request.

mod cors;
mod range;
mod rows;

use bytes::Bytes;
use datacovey_proto::internal::rows::v1::{CountMode, Resolution};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RETRY_AFTER,
    SERVER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

pub use cors::{Origins, add_cors, preflight};
pub use rows::RowWriter;

use crate::error::Error;
use crate::media::Media;
use crate::prefer::{Kind, Return};
use crate::query::encoded;
use crate::relations::Relation;
use crate::request::{Head, Verb};

/// The header that says what answers; clients tell versions by it.
pub const SERVER_NAME: &str = "postgrest/13.0.6";

/// A longer `Content-Location` is left out: encoded, a long query string would be a header that clients
/// refuse the whole answer for.
const MAX_LOCATION_BYTES: usize = 8 << 10;

/// An answer; the server adds `Content-Length` and `Date`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Empty,
    Whole(Bytes),
    /// Rows, to be written by a [`RowWriter`] of this kind.
    Rows(Media),
}

/// What became of the rows of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many were read, or affected.
    pub rows: u64,
    /// How many pass the filters of a read, if they were counted.
    pub total: Option<u64>,
    /// How many of those affected by an insert were not there before.
    pub inserted: u64,
    /// The primary key of the one row that an insert affected.
    pub key: Option<String>,
}

/// What it takes to answer a request, and no more of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answering {
    verb: Verb,
    /// Headers that are certain before anything is done.
    headers: HeaderMap,
    media: Media,
    returned: Option<Return>,
    count: Option<CountMode>,
    resolution: Resolution,
    offset: i64,
    relation: String,
    key: Option<String>,
}

impl Answering {
    fn new(head: &Head) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
        if head.has_profile {
            set(
                &mut headers,
                HeaderName::from_static("content-profile"),
                &head.settings.schema,
            );
        }
        Self {
            verb: head.verb,
            headers,
            media: Media::Json,
            returned: None,
            count: None,
            resolution: Resolution::Unspecified,
            offset: 0,
            relation: String::new(),
            key: None,
        }
    }

    pub(crate) fn document(head: &Head) -> Self {
        Self::new(head)
    }

    pub(crate) fn root_options(head: &Head) -> Self {
        Self::allowing(head, "OPTIONS,GET,HEAD")
    }

    /// By what can be done with a relation, and not by what the caller may do.
    pub(crate) fn options(head: &Head, has_key: bool) -> Self {
        let allowed = if has_key {
            "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"
        } else {
            "OPTIONS,GET,HEAD,POST,PATCH,DELETE"
        };
        Self::allowing(head, allowed)
    }

    fn allowing(head: &Head, allowed: &'static str) -> Self {
        let mut answering = Self::new(head);
        let any = HeaderValue::from_static("*");
        answering.headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, any);
        answering.headers.insert(ALLOW, HeaderValue::from_static(allowed));
        answering
    }

    pub(crate) fn rows(head: &Head, relation: &Relation, media: Media) -> Self {
        let mut answering = Self::new(head);
        let (resolution, _) = head.conflict(relation);
        let kinds: &[Kind] = match head.verb {
            Verb::Post => &[Kind::Resolution, Kind::Missing, Kind::Return, Kind::Count],
            Verb::Patch => &[Kind::Missing, Kind::Return, Kind::Count],
            Verb::Put | Verb::Delete => &[Kind::Return, Kind::Count],
            _ => &[Kind::Count],
        };
        let mut kinds = kinds.to_vec();
        kinds.extend([Kind::Handling, Kind::Timezone]);
        if matches!(head.verb, Verb::Patch | Verb::Delete) {
            kinds.push(Kind::MaxAffected);
        }
        if resolution == Resolution::Unspecified {
            kinds.retain(|it| *it != Kind::Resolution);
        }
        if let Some(applied) = head.preferences.applied(&kinds) {
            let name = HeaderName::from_static("preference-applied");
            set(&mut answering.headers, name, &applied);
        }
        if matches!(head.verb, Verb::Get | Verb::Head) {
            let canonical = &head.query.canonical;
            let mark = if canonical.is_empty() { "" } else { "?" };
            let location = format!("/{}{mark}{canonical}", encoded(&relation.name));
            if location.len() <= MAX_LOCATION_BYTES {
                set(&mut answering.headers, CONTENT_LOCATION, &location);
            }
        }
        Self {
            media,
            returned: head.preferences.returned,
            count: head.preferences.count,
            resolution,
            offset: head.page.offset,
            relation: relation.name.clone(),
            key: relation.primary_key().map(|it| it.name.clone()),
            ..answering
        }
    }

    /// Whether the body is left out, that of an error, too.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.verb == Verb::Head
    }

    /// How rows are written, if any are.
    #[must_use]
    pub fn media(&self) -> Media {
        self.media
    }

    /// Whether the primary key of one inserted row is told.
    #[must_use]
    pub fn tells_key(&self) -> bool {
        self.verb == Verb::Post && self.returned == Some(Return::HeadersOnly) && self.key.is_some()
    }

    /// The answer that lists the methods.
    #[must_use]
    pub fn answer_options(&self) -> Answer {
        Answer {
            status: StatusCode::OK,
            headers: self.headers.clone(),
            body: Body::Empty,
        }
    }

    /// The answer that has the document of the API.
    #[must_use]
    pub fn answer_document(&self, document: &Value) -> Answer {
        let mut answer = self.answer_options();
        let kind = HeaderValue::from_static("application/openapi+json; charset=utf-8");
        answer.headers.insert(CONTENT_TYPE, kind);
        if !self.is_head() {
            answer.body = Body::Whole(document.to_string().into());
        }
        answer
    }

    /// The answer to a request for rows. Errors: 416 PGRST103 where the page begins beyond all rows.
    pub fn answer_rows(&self, outcome: &Outcome) -> Result<Answer, Error> {
        let mut answer = self.answer_options();
        let rows = i64::try_from(outcome.rows).unwrap_or(i64::MAX);
        let counted =
            matches!(self.count, Some(CountMode::Exact | CountMode::Estimated)).then_some(outcome.rows);
        let is_returned = self.returned == Some(Return::Representation);
        let (status, range) = match self.verb {
            Verb::Get | Verb::Head => {
                let first = self.offset;
                let last = first.saturating_add(rows) - 1;
                let status = range::status(first, rows, outcome.total)?;
                (status, Some(range::content_range(first, last, outcome.total)))
            }
            Verb::Patch => {
                let range = range::content_range(0, rows - 1, counted);
                (written(is_returned, StatusCode::OK), Some(range))
            }
            Verb::Delete => {
                let range = range::content_range(1, 0, counted);
                (written(is_returned, StatusCode::OK), Some(range))
            }
            Verb::Put => {
                let status = if outcome.inserted > 0 {
                    StatusCode::CREATED
                } else {
                    StatusCode::OK
                };
                (written(is_returned, status), None)
            }
            Verb::Post | Verb::Options => {
                let is_merged = self.resolution == Resolution::MergeDuplicates && outcome.inserted == 0;
                let status = if is_merged {
                    StatusCode::OK
                } else {
                    StatusCode::CREATED
                };
                (status, Some(range::content_range(1, 0, counted)))
            }
        };
        answer.status = status;
        if let Some(range) = range {
            set(&mut answer.headers, CONTENT_RANGE, &range);
        }
        if let (true, Some(column), Some(key), 1) = (self.tells_key(), &self.key, &outcome.key, outcome.rows)
        {
            let location = format!("/{}?{column}=eq.{}", encoded(&self.relation), encoded(key));
            set(&mut answer.headers, LOCATION, &location);
        }
        let is_read = matches!(self.verb, Verb::Get | Verb::Head);
        if is_read || is_returned {
            let kind = HeaderValue::from_static(self.media.content_type());
            answer.headers.insert(CONTENT_TYPE, kind);
            if !self.is_head() {
                answer.body = Body::Rows(self.media);
            }
        }
        Ok(answer)
    }
}

/// Of a mutation whose rows are returned, or not.
fn written(is_returned: bool, status: StatusCode) -> StatusCode {
    if is_returned {
        status
    } else {
        StatusCode::NO_CONTENT
    }
}

impl Error {
    /// The answer that says so; without its body to HEAD.
    #[must_use]
    pub fn answer(&self, is_head: bool) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
        let kind = HeaderValue::from_static(Media::Json.content_type());
        headers.insert(CONTENT_TYPE, kind);
        let status = format!("PostgREST; error={}", self.code);
        set(&mut headers, HeaderName::from_static("proxy-status"), &status);
        if let Some(challenge) = &self.challenge {
            set(&mut headers, WWW_AUTHENTICATE, challenge);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        let body = if is_head {
            Body::Empty
        } else {
            Body::Whole(self.to_json().to_string().into())
        };
        Answer {
            status: self.status,
            headers,
            body,
        }
    }
}

/// Sets a header whose text is the caller's in part: characters that no header has become `?`.
fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    let value = HeaderValue::from_str(text).or_else(|_| {
        let plain: String = text
            .chars()
            .map(|it| {
                if it.is_ascii_graphic() || it == ' ' {
                    it
                } else {
                    '?'
                }
            })
            .collect();
        HeaderValue::from_str(&plain)
    });
    if let Ok(value) = value {
        headers.insert(name, value);
    }
}
