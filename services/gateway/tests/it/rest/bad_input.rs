//! Bad input: too long, too deep, in the wrong encoding, and SQL wherever text goes.

use std::io::Write as _;

use bytes::Bytes;
use datacovey_proto::internal::rows::v1::{InsertRequest, InsertResponse, SelectRequest};
use http::Request;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{INSERT, answers, ask, finds, send};
use crate::fake;
use crate::suite::{Body, Suite, soon};

#[tokio::test]
async fn a_long_url_is_read_and_a_longer_one_refused() {
    let suite = Suite::start().await;
    let asked = finds(&suite.catalog, None, &[]);
    let values = vec!["00000000-0000-0000-0000-000000000000"; 1700].join(",");
    let answer = ask(&suite, &format!("GET /project?id=in.({values})"), &[], "").await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(
        answer.header("content-location"),
        None,
        "it would be longer still"
    );
    assert_eq!(asked.lock().unwrap().len(), 1);
    // Beyond what a URL can be, the server reads no further.
    let mut stream = tokio::net::TcpStream::connect(suite.gateway).await.unwrap();
    let request = format!(
        "GET /project?id=eq.{} HTTP/1.1\r\nhost: x\r\n\r\n",
        "x".repeat(70_000)
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 414");
}

#[tokio::test]
async fn a_tree_is_as_deep_as_it_may_be() {
    let suite = Suite::start().await;
    let asked = finds(&suite.catalog, None, &[]);
    let tree = |depth: usize| {
        let (open, close) = ("or(".repeat(depth - 1), ")".repeat(depth - 1));
        format!("GET /project?or=({open}id.eq.1{close})")
    };
    // The deepest goes over to the service, which can read it.
    let answer = ask(&suite, &tree(datacovey_rest::MAX_DEPTH - 1), &[], "").await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
    assert_eq!(asked.lock().unwrap().len(), 1);
    for depth in [datacovey_rest::MAX_DEPTH + 1, 1000, 10_000] {
        let answer = ask(&suite, &tree(depth), &[], "").await;
        assert_eq!(answer.refused(), (400, "PGRST100".to_owned()), "{depth}");
    }
    let select = format!(
        "GET /project?select={}id{}",
        "tenant(".repeat(1000),
        ")".repeat(1000)
    );
    assert_eq!(ask(&suite, &select, &[], "").await.refused().0, 400);
    let json = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(ask(&suite, "POST /project", &[], json).await.refused().0, 400);
}

#[tokio::test]
async fn a_body_is_as_long_as_it_may_be() {
    let suite = Suite::start().await;
    let asked: super::Asked<InsertRequest> =
        answers(&suite.catalog, INSERT, || fake::unary(&InsertResponse::default()));
    let row = |bytes: usize| format!("{{\"name\":\"{}\"}}", "x".repeat(bytes));
    let long = ask(&suite, "POST /project", &[], row(15 << 20)).await;
    assert_eq!(long.status.as_u16(), 201);
    assert_eq!(
        asked.lock().unwrap().pop().unwrap().rows[0].len(),
        (15 << 20) + 11
    );
    for method in ["POST", "PATCH", "PUT"] {
        let line = format!("{method} /project?id=eq.1");
        let answer = ask(&suite, &line, &[], row(50 << 20)).await;
        assert_eq!(answer.refused(), (413, "PGRST102".to_owned()));
    }
    // The same, of a length that is not said.
    let piece = Bytes::from(vec![b'x'; 1 << 20]);
    let pieces = futures::stream::iter((0..50).map(move |_| Ok(http_body::Frame::data(piece.clone()))));
    let body: Body = StreamBody::new(pieces).boxed();
    let token = suite.token("known user", "");
    let request = Request::post("/project")
        .header("host", "x")
        .header("authorization", format!("Bearer {token}"));
    let answer = send(&suite, request.body(body).unwrap()).await;
    assert_eq!(answer.refused(), (413, "PGRST102".to_owned()));
    // Who asks first is told at once.
    let request = Request::post("/project")
        .header("host", "x")
        .header("authorization", format!("Bearer {token}"))
        .header("expect", "100-continue")
        .header("content-length", "50000000");
    let never = futures::stream::pending::<Result<http_body::Frame<Bytes>, std::convert::Infallible>>();
    let answer = send(&suite, request.body(StreamBody::new(never).boxed()).unwrap()).await;
    assert_eq!(answer.refused(), (413, "PGRST102".to_owned()));
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_that_is_not_what_it_says_is_refused() {
    let suite = Suite::start().await;
    let asked: super::Asked<InsertRequest> =
        answers(&suite.catalog, INSERT, || fake::unary(&InsertResponse::default()));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(br#"{"name":"x"}"#).unwrap();
    let gzip = Bytes::from(gzip.finish().unwrap());
    for (headers, body, message) in [
        (&[][..], gzip.clone(), "Empty or invalid json"),
        (
            &[("content-encoding", "gzip")],
            gzip.clone(),
            "Content-Encoding not acceptable: gzip",
        ),
        (
            &[("content-encoding", "br, gzip")],
            gzip,
            "Content-Encoding not acceptable: br, gzip",
        ),
        (
            &[("content-type", "text/plain")],
            "{}".into(),
            "Content-Type not acceptable: text/plain",
        ),
        (
            &[("content-type", "multipart/form-data; boundary=x")],
            "--x".into(),
            "Content-Type not acceptable: multipart/form-data",
        ),
        (&[], Bytes::new(), "Empty or invalid json"),
        (&[], "{\"name\":\"\u{FF}\"".into(), "Empty or invalid json"),
        (
            &[],
            Bytes::from_static(b"{\"name\":\"\xFF\"}"),
            "Empty or invalid json",
        ),
        (
            &[("content-type", "text/csv")],
            "a,b\n1".into(),
            "All lines must have same number of fields",
        ),
        (
            &[],
            "[{\"name\":1},{\"id\":2}]".into(),
            "All object keys must match",
        ),
    ] {
        let answer = ask(&suite, "POST /project", headers, body).await;
        assert_eq!(answer.refused(), (400, "PGRST102".to_owned()), "{message}");
        assert_eq!(answer.json()["message"], message);
    }
    assert!(asked.lock().unwrap().is_empty());
    let identity = [
        ("content-encoding", "identity"),
        ("content-type", "Application/JSON; charset=utf-8"),
    ];
    let answer = ask(&suite, "POST /project", &identity, "{\"name\":\"x\"}").await;
    assert_eq!(answer.status.as_u16(), 201);
}

#[tokio::test]
async fn mistakes_of_encoding_are_text_or_refused() {
    let suite = Suite::start().await;
    let asked = finds(&suite.catalog, None, &[]);
    for (line, status) in [
        ("GET /project?name=eq.%zz", 200),
        ("GET /project?name=eq.100%", 200),
        ("GET /%70roject", 200),
        ("GET /project%00", 404),
        ("GET /project%2F", 404),
        ("GET /project?name=eq.%FF", 400),
        ("GET /project?%FF=eq.1", 400),
        ("GET /project?&&&=&", 400),
        ("GET /project?name=eq.%C3%BC+%F0%9F%A6%80", 200),
    ] {
        let answer = ask(&suite, line, &[], "").await;
        assert_eq!(answer.status.as_u16(), status, "{line}: {}", answer.text());
    }
    assert_eq!(asked.lock().unwrap().len(), 4);
}

/// Text goes on as a value, letter by letter, or is no name and refused.
#[tokio::test]
async fn sql_is_data_wherever_it_stands() {
    const SQL: &str = "x'; DROP TABLE project; --";
    let encoded = "x%27;%20DROP%20TABLE%20project;%20--";
    let suite = Suite::start().await;
    let asked = finds(&suite.catalog, None, &[]);
    let inserts: super::Asked<InsertRequest> =
        answers(&suite.catalog, INSERT, || fake::unary(&InsertResponse::default()));
    let answer = ask(&suite, &format!("GET /project?name=eq.{encoded}"), &[], "").await;
    assert_eq!(answer.status.as_u16(), 200);
    let sent: SelectRequest = asked.lock().unwrap().pop().unwrap();
    assert!(
        format!("{sent:?}").contains(&format!("{SQL:?}").trim_matches('"').to_owned()),
        "{sent:?}"
    );
    for line in [
        format!("GET /{encoded}"),
        format!("GET /project?{encoded}=eq.1"),
        format!("GET /project?select={encoded}"),
        format!("GET /project?select=id::{encoded}"),
        format!("GET /project?order={encoded}"),
        format!("GET /project?order=id.{encoded}"),
        format!("GET /project?name=fts({encoded}).x"),
        format!("GET /project?name={encoded}.x"),
        format!("GET /project?select=id,tenant!{encoded}(id)"),
        format!("GET /rpc/{encoded}"),
        format!("POST /project?columns={encoded}"),
        format!("POST /project?on_conflict={encoded}"),
    ] {
        let answer = ask(&suite, &line, &[("prefer", &format!("timezone={SQL}"))], "{}").await;
        // Where a name ends at a character that none has, as in the original, the rest goes nowhere.
        let sent = (asked.lock().unwrap().pop(), inserts.lock().unwrap().pop());
        if answer.status.is_success() {
            assert!(!format!("{sent:?}").contains("DROP"), "{line}: {sent:?}");
            continue;
        }
        let (status, _) = answer.refused();
        assert!([400, 404].contains(&status), "{line}: {}", answer.text());
    }
    let answer = ask(&suite, "POST /project", &[], format!("{{\"{SQL}\": 1}}")).await;
    assert_eq!(answer.refused(), (400, "PGRST204".to_owned()));
    assert!(asked.lock().unwrap().is_empty());
}
