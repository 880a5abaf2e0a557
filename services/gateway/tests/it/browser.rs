//! gRPC-Web by hand, as a browser's page speaks it: every byte of a request is the test's, and an
//! answer is read as the protocol says and by nobody's library.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::suite::{Body, Suite, soon};

pub(crate) const BINARY: &str = "application/grpc-web+proto";
pub(crate) const TEXT: &str = "application/grpc-web-text+proto";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Http {
    One,
    Two,
}

/// Both ways to write a body over both versions of HTTP that browsers speak without TLS or with.
pub(crate) const WAYS: [(Http, &str); 4] = [
    (Http::One, BINARY),
    (Http::One, TEXT),
    (Http::Two, BINARY),
    (Http::Two, TEXT),
];

/// A page that is open in a browser, with a connection of its own.
pub(crate) struct Page<'a> {
    suite: &'a Suite,
    http: Http,
    content_type: &'static str,
    client: Client<HttpConnector, Body>,
}

impl<'a> Page<'a> {
    pub(crate) fn open(suite: &'a Suite, (http, content_type): (Http, &'static str)) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .http2_only(http == Http::Two)
            .build(connector);
        Self {
            suite,
            http,
            content_type,
            client,
        }
    }

    /// A call without credentials.
    pub(crate) fn anonymous(&self, path: &str) -> http::request::Builder {
        Request::post(format!("http://{}{path}", self.suite.gateway))
            .header("content-type", self.content_type)
            .header("accept", "*/*")
            .header("x-grpc-web", "1")
    }

    /// A call of the known user.
    pub(crate) fn request(&self, path: &str) -> http::request::Builder {
        let token = self.suite.token("known user", "");
        self.anonymous(path)
            .header("authorization", format!("Bearer {token}"))
    }

    /// Sends these bytes, in base64 where that is the way, and gives the answer once it begins.
    pub(crate) async fn send(&self, call: http::request::Builder, body: &[u8]) -> Answer {
        let body = if self.content_type == TEXT {
            Bytes::from(STANDARD.encode(body))
        } else {
            Bytes::copy_from_slice(body)
        };
        self.send_raw(call, body).await
    }

    pub(crate) async fn send_raw(&self, call: http::request::Builder, body: Bytes) -> Answer {
        self.send_body(call, Full::new(body).boxed()).await
    }

    pub(crate) async fn send_body(&self, call: http::request::Builder, body: Body) -> Answer {
        let request = call.body(body).unwrap();
        let response = soon(self.client.request(request)).await.unwrap();
        let expected = match self.http {
            Http::One => http::Version::HTTP_11,
            Http::Two => http::Version::HTTP_2,
        };
        assert_eq!(response.version(), expected);
        Answer::begin(response)
    }

    /// A whole call with these messages.
    pub(crate) async fn call(&self, call: http::request::Builder, body: &[u8]) -> Whole {
        self.send(call, body).await.whole().await
    }
}

/// A frame of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Message(Bytes),
    Trailers(HeaderMap),
}

/// An answer that has begun.
pub(crate) struct Answer {
    pub(crate) head: http::response::Parts,
    body: Incoming,
    text: bool,
    letters: BytesMut,
    bytes: BytesMut,
}

impl Answer {
    fn begin(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let content_type = head.headers.get("content-type").cloned();
        Self {
            head,
            body,
            text: content_type.is_some_and(|it| it == TEXT),
            letters: BytesMut::new(),
            bytes: BytesMut::new(),
        }
    }

    /// The next frame as soon as it has come; None at the end.
    pub(crate) async fn next(&mut self) -> Option<Part> {
        loop {
            if let Some(part) = self.buffered() {
                return Some(part);
            }
            let Some(frame) = soon(self.body.frame()).await else {
                assert!(
                    self.bytes.is_empty() && self.letters.is_empty(),
                    "a frame was cut"
                );
                return None;
            };
            let data = frame
                .unwrap()
                .into_data()
                .expect("a browser reads no HTTP trailers");
            if !self.text {
                self.bytes.extend_from_slice(&data);
                continue;
            }
            self.letters.extend_from_slice(&data);
            // Padding may stand anywhere between pieces, so each four letters are for themselves.
            while self.letters.len() >= 4 {
                let four = self.letters.split_to(4);
                self.bytes.extend_from_slice(&STANDARD.decode(four).unwrap());
            }
        }
    }

    fn buffered(&mut self) -> Option<Part> {
        let mut header = self.bytes.get(..5)?;
        let (flag, length) = (header.get_u8(), header.get_u32() as usize);
        if self.bytes.len() < 5 + length {
            return None;
        }
        self.bytes.advance(5);
        let payload = self.bytes.split_to(length).freeze();
        match flag {
            0 => Some(Part::Message(payload)),
            0x80 => Some(Part::Trailers(trailers(&payload))),
            other => panic!("a frame with the flag {other:#x}"),
        }
    }

    pub(crate) async fn whole(mut self) -> Whole {
        let (mut messages, mut trailers) = (Vec::new(), None);
        while let Some(part) = self.next().await {
            assert!(trailers.is_none(), "{part:?} after the trailers");
            match part {
                Part::Message(message) => messages.push(message),
                Part::Trailers(map) => trailers = Some(map),
            }
        }
        Whole {
            head: self.head,
            messages,
            trailers,
        }
    }
}

fn trailers(block: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::new();
    let lines = std::str::from_utf8(block).unwrap().split_terminator("\r\n");
    for (name, value) in lines.map(|it| it.split_once(':').unwrap()) {
        let name = HeaderName::from_lowercase(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_str(value.trim()).unwrap());
    }
    map
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) head: http::response::Parts,
    pub(crate) messages: Vec<Bytes>,
    /// None where the status is in the head.
    pub(crate) trailers: Option<HeaderMap>,
}

impl Whole {
    pub(crate) fn status(&self) -> Status {
        assert_eq!(self.head.status, http::StatusCode::OK, "{self:?}");
        let said = self.trailers.as_ref().unwrap_or(&self.head.headers);
        Status::from_header_map(said).unwrap_or_else(|| panic!("no status: {self:?}"))
    }

    /// An error in the words of the suite, in a gRPC-Web answer with the request's id.
    pub(crate) fn expect(&self, code: Code, reason: &str) {
        let status = self.status();
        let info = status
            .get_details_error_info()
            .unwrap_or_else(|| panic!("no ErrorInfo: {self:?}"));
        assert_eq!(
            (status.code(), info.reason.as_str(), info.domain.as_str()),
            (code, reason, "datacovey")
        );
        let content_type = &self.head.headers["content-type"];
        assert!(content_type == BINARY || content_type == TEXT, "{content_type:?}");
        assert!(self.head.headers.contains_key("x-request-id"), "{self:?}");
    }
}
