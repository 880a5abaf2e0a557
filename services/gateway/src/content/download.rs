use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use datacovey_error::{Error, ErrorReason, Result};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use http::header::{
    ACCEPT, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::format::Media;
use super::offer::{Of, Offer, Opened};
use super::range::{Asked, is_conditional, is_known, is_of_another};
use super::{REPR_DIGEST, Services, caller, format, refuse};

/// `GET` and `HEAD` of an exported file.
pub(super) async fn export(
    State(services): State<Services>,
    Path(id): Path<String>,
    request: Parts,
) -> Response {
    let answer = async {
        let ctx = caller(&request.extensions)?;
        let offer = Offer {
            services,
            ctx,
            id,
            of: Of::Export,
        };
        answer(&offer, &request.method, &request.headers).await
    };
    answer.await.unwrap_or_else(refuse)
}

/// `GET` and `HEAD` of the result of a query, in the format that is named or accepted.
pub(super) async fn query_result(
    State(services): State<Services>,
    Path(id): Path<String>,
    request: Parts,
) -> Response {
    let answer = async {
        let ctx = caller(&request.extensions)?;
        let format = format::asked(request.uri.query(), &request.headers)?;
        let offer = Offer {
            services,
            ctx,
            id,
            of: Of::Result(format),
        };
        answer(&offer, &request.method, &request.headers).await
    };
    answer.await.unwrap_or_else(|error| {
        let of_accept = error
            .violations()
            .first()
            .is_some_and(|it| it.field == ACCEPT.as_str());
        let mut response = refuse(error);
        if of_accept {
            *response.status_mut() = StatusCode::NOT_ACCEPTABLE;
        }
        response
    })
}

async fn answer(offer: &Offer, method: &Method, headers: &HeaderMap) -> Result<Response> {
    let mut asked = Asked::read(headers);
    // Where the answer hangs on what the file is, or how long, that is looked at first.
    let guess = match asked {
        Asked::From(first, _) if !is_conditional(headers) => first,
        _ => 0,
    };
    let mut opened = match offer.open(guess).await {
        Err(error) if error.reason() == ErrorReason::WrongOffset => {
            let total = error
                .metadata()
                .get("expected_offset")
                .and_then(|it| it.parse().ok());
            return Ok(nothing_there(total.unwrap_or_default()));
        }
        opened => opened?,
    };
    let (total, etag) = (opened.total, format!("\"{}\"", opened.sha256));
    if is_known(headers, &etag) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        insert(response.headers_mut(), ETAG, etag)?;
        return Ok(response);
    }
    if is_of_another(headers, &etag) {
        asked = Asked::All;
    }
    let Some((first, length)) = asked.of(total) else {
        return Ok(nothing_there(total));
    };
    let mut response = Response::new(Body::empty());
    describe(response.headers_mut(), offer, &opened, etag)?;
    insert(response.headers_mut(), CONTENT_LENGTH, length.to_string())?;
    if asked != Asked::All {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {first}-{}/{total}", first + length - 1);
        insert(response.headers_mut(), CONTENT_RANGE, range)?;
    }
    if method != Method::HEAD {
        if first != guess {
            opened = offer.open(first).await?;
        }
        *response.body_mut() = Body::from_stream(exactly(opened.data, length));
    }
    Ok(response)
}

fn describe(headers: &mut HeaderMap, offer: &Offer, opened: &Opened, etag: String) -> Result<()> {
    insert(headers, ETAG, etag)?;
    insert(
        headers,
        REPR_DIGEST,
        format!("sha-256=:{}:", base64_of(&opened.sha256)),
    )?;
    let Media {
        content_type,
        extension,
        suffix,
    } = opened.media;
    insert(headers, CONTENT_TYPE, content_type.to_owned())?;
    // The id was good enough for the service to find the file.
    let name = format!("{}-{}.{extension}{suffix}", offer.stem(), offer.id);
    insert(
        headers,
        CONTENT_DISPOSITION,
        format!("attachment; filename=\"{name}\""),
    )?;
    for (name, value) in [
        (ACCEPT_RANGES, "bytes"),
        // A browser shall not make a page of what a tenant has in its tables, nor keep it.
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "private, no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(())
}

/// A range that begins behind the end.
fn nothing_there(total: u64) -> Response {
    let mut response = refuse(Error::invalid_field(
        "range",
        format!("the file has {total} bytes"),
    ));
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    if let Ok(range) = HeaderValue::try_from(format!("bytes */{total}")) {
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) -> Result<()> {
    headers.insert(name, HeaderValue::try_from(value).map_err(Error::internal)?);
    Ok(())
}

fn base64_of(hexadecimal: &str) -> String {
    let digits = hexadecimal.as_bytes().chunks(2);
    let bytes = digits.filter_map(|it| u8::from_str_radix(std::str::from_utf8(it).ok()?, 16).ok());
    STANDARD.encode(bytes.collect::<Vec<_>>())
}

/// The first `length` bytes. An end that comes too early is an error, by which the caller learns that the
/// answer is not whole.
fn exactly(data: BoxStream<'static, Result<Bytes>>, length: u64) -> impl Stream<Item = Result<Bytes>> + Send {
    futures::stream::try_unfold((data, length), |(mut data, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let next = data.next().await.transpose().inspect_err(|error| {
            tracing::warn!(cause = ?std::error::Error::source(error), "a download was cut off: {error}");
        })?;
        let next = next.ok_or_else(|| Error::internal("a download ended too early"))?;
        let now = next.slice(..next.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        let left = left - now.len() as u64;
        Ok(Some((now, (data, left))))
    })
}
