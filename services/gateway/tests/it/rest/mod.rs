//! The REST API over real connections, before fake services that keep what they are asked for.

mod bad_input;
mod callers;
mod documents;
mod errors;
mod headers;
mod order;
mod origins;
mod streams;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use datacovey_proto::internal::rows::v1::select_response::Part;
use datacovey_proto::internal::rows::v1::{
    DatabaseError, DeleteResponse, InsertResponse, RowBatch, SelectHeader, SelectResponse, UpdateResponse,
};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::TcpStream;
use tonic::Code;

use crate::fake::{self, Answer, Fake};
use crate::suite::{Body, Suite, soon};

pub(crate) const SELECT: &str = "/datacovey.internal.rows.v1.RowService/Select";
pub(crate) const INSERT: &str = "/datacovey.internal.rows.v1.RowService/Insert";
pub(crate) const UPDATE: &str = "/datacovey.internal.rows.v1.RowService/Update";
pub(crate) const DELETE: &str = "/datacovey.internal.rows.v1.RowService/Delete";

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answered {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|it| it.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status and the code of an error, which has the shape of one.
    pub(crate) fn refused(&self) -> (u16, String) {
        let body = self.json();
        let keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["code", "details", "hint", "message"], "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/json; charset=utf-8")
        );
        let code = body["code"].as_str().unwrap().to_owned();
        let status = format!("PostgREST; error={code}");
        assert_eq!(self.header("proxy-status"), Some(status.as_str()));
        assert_eq!(self.header("server"), Some("postgrest/13.0.6"));
        (self.status.as_u16(), code)
    }
}

/// Asks by a line such as `GET /project?select=id`, over HTTP/1.1, as the known user.
pub(crate) async fn ask(
    suite: &Suite,
    line: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answered {
    let token = format!("Bearer {}", suite.token("known user", ""));
    let mut all = vec![("authorization", token.as_str())];
    all.extend(headers);
    anonymously(suite, line, &all, body).await
}

/// The same as nobody.
pub(crate) async fn anonymously(
    suite: &Suite,
    line: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answered {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "api.example:8080");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = body.into();
    let body: Body = if body.is_empty() {
        http_body_util::Empty::new().boxed()
    } else {
        Full::new(body).boxed()
    };
    send(suite, request.body(body).unwrap()).await
}

/// Over a connection of its own.
pub(crate) async fn send(suite: &Suite, request: Request<Body>) -> Answered {
    let answer = async {
        let stream = TcpStream::connect(suite.gateway).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        drop(sender);
        let _ = connection.await;
        Answered {
            status: head.status,
            headers: head.headers,
            body,
        }
    };
    soon(answer).await
}

/// What a fake was asked, in order.
pub(crate) type Asked<M> = Arc<Mutex<Vec<M>>>;

/// Answers a method so from now on, and keeps what it is asked.
pub(crate) fn answers<M: Message + Default + Send + 'static>(
    service: &Fake,
    path: &'static str,
    answer: impl Fn() -> Answer + Send + Sync + 'static,
) -> Asked<M> {
    let asked = Asked::<M>::default();
    let (kept, answer) = (asked.clone(), Arc::new(answer));
    service.answer(path, move |request| {
        let (kept, answer) = (kept.clone(), answer.clone());
        Box::pin(async move {
            let message = fake::read(request.into_body()).await;
            kept.lock().unwrap().push(message);
            answer()
        })
    });
    asked
}

pub(crate) fn header(columns: &[&str], total: Option<i64>, rows: Option<i64>) -> SelectResponse {
    SelectResponse {
        part: Some(Part::Header(SelectHeader {
            columns: columns.iter().map(|it| (*it).to_owned()).collect(),
            total_rows: total,
            rows,
        })),
    }
}

pub(crate) fn batch<T: Into<Bytes>>(rows: impl IntoIterator<Item = T>) -> SelectResponse {
    SelectResponse {
        part: Some(Part::Batch(RowBatch {
            rows: rows.into_iter().map(Into::into).collect(),
        })),
    }
}

/// Reads that find these rows.
pub(crate) fn finds(
    service: &Fake,
    total: Option<i64>,
    rows: &'static [&'static str],
) -> Asked<datacovey_proto::internal::rows::v1::SelectRequest> {
    answers(service, SELECT, move || {
        fake::messages(&[header(&["id", "name"], total, None), batch(rows.iter().copied())])
    })
}

/// Writes that affect these rows.
pub(crate) fn affects(service: &Fake, rows: &'static [&'static str], inserted: i64) {
    let affected = i64::try_from(rows.len()).unwrap();
    let (columns, rows) = (vec!["id".to_owned()], rows.iter().map(|it| Bytes::from(*it)));
    let rows: Vec<_> = rows.collect();
    let insert = InsertResponse {
        affected,
        rows: rows.clone(),
        inserted,
        key: (affected == 1).then(|| "7".to_owned()),
        columns: columns.clone(),
    };
    let update = UpdateResponse {
        affected,
        rows: rows.clone(),
        columns: columns.clone(),
    };
    let delete = DeleteResponse {
        affected,
        rows,
        columns,
    };
    answers::<()>(service, INSERT, move || fake::unary(&insert));
    answers::<()>(service, UPDATE, move || fake::unary(&update));
    answers::<()>(service, DELETE, move || fake::unary(&delete));
}

/// A status as a service gives it whose statement the database refused.
pub(crate) fn refused_by_database(code: &str, message: &str) -> Answer {
    let error = DatabaseError {
        code: code.to_owned(),
        message: message.to_owned(),
        details: Some("in detail".to_owned()),
        hint: None,
    };
    let any = prost_types::Any {
        type_url: "type.googleapis.com/datacovey.internal.rows.v1.DatabaseError".to_owned(),
        value: error.encode_to_vec(),
    };
    let status = tonic_types::pb::Status {
        code: Code::FailedPrecondition as i32,
        message: message.to_owned(),
        details: vec![any],
    };
    let status =
        tonic::Status::with_details(Code::FailedPrecondition, message, status.encode_to_vec().into());
    status
        .into_http::<http_body_util::Empty<Bytes>>()
        .map(http_body_util::BodyExt::boxed)
}
