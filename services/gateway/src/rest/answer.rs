//! Answers as the server sends them.

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use datacovey_rest::{Answer, Media, RowWriter};

/// An answer that is there as a whole; rows are none of it.
pub(super) fn whole(answer: Answer) -> Response {
    match answer.body {
        datacovey_rest::Body::Whole(ref bytes) => {
            let body = Body::from(bytes.clone());
            with_body(answer, body)
        }
        datacovey_rest::Body::Empty | datacovey_rest::Body::Rows(_) => with_body(answer, Body::empty()),
    }
}

/// An answer whose body is this one.
pub(super) fn with_body(answer: Answer, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

/// All rows as one body.
pub(super) fn written(media: Media, columns: &[String], rows: &[Bytes]) -> Bytes {
    let around = columns.iter().map(|it| it.len() + 1).sum::<usize>() + 4;
    let mut body = BytesMut::with_capacity(rows.iter().map(|it| it.len() + 4).sum::<usize>() + around);
    let mut writer = RowWriter::new(media, columns);
    for row in rows {
        writer.row(row, &mut body);
    }
    writer.end(&mut body);
    body.freeze()
}
