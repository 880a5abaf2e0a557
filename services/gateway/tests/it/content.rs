//! Content over plain HTTP/1.1, as curl speaks it, before a fake transfer service that keeps what it is
//! sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{Buf as _, Bytes};
use datacovey_error::Error;
use datacovey_proto::transfer::v1 as pb;
use datacovey_proto::transfer::v1::upload_request::Part;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fake::{self, Answer};
use crate::suite::{Body, Suite, UPLOAD, soon};

const OFFSET: &str = "/datacovey.transfer.v1.ImportService/GetUploadOffset";
const REJECTED: &str = "/datacovey.transfer.v1.ImportService/ListRejectedRows";
pub(crate) const DOWNLOAD: &str = "/datacovey.transfer.v1.ExportService/Download";
pub(crate) const RESULTS: &str = "/datacovey.query.v1.QueryJobService/DownloadResults";

/// What an import has.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) content: Vec<u8>,
    /// Of the last stream.
    pub(crate) settings: Option<pb::UploadSettings>,
    pub(crate) finish: Option<pb::UploadFinish>,
    /// Uploads that have ended, however they did.
    pub(crate) ended: usize,
}

pub(crate) type Import = Arc<Mutex<Kept>>;

/// An import that the fake transfer service has, as the real one would.
pub(crate) fn an_import(suite: &Suite) -> Import {
    let import = Import::default();
    let kept = import.clone();
    suite.transfer.answer(OFFSET, move |_| {
        let kept = kept.clone();
        Box::pin(async move {
            let kept = kept.lock().unwrap();
            fake::unary(&pb::GetUploadOffsetResponse {
                committed_bytes: kept.content.len() as i64,
                finished: kept.finish.is_some(),
                expires_at: None,
            })
        })
    });
    let kept = import.clone();
    suite.transfer.answer(UPLOAD, move |request| {
        let kept = kept.clone();
        Box::pin(async move {
            let answer = upload(&kept, request.into_body()).await;
            kept.lock().unwrap().ended += 1;
            answer
        })
    });
    import
}

async fn upload(kept: &Import, mut body: Incoming) -> Answer {
    let mut pending = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        pending.extend_from_slice(&frame.into_data().unwrap_or_default());
        while let Some(length) = pending
            .get(1..5)
            .map(|it| u32::from_be_bytes(it.try_into().unwrap()) as usize)
        {
            if pending.len() < 5 + length {
                break;
            }
            let message: Vec<u8> = pending.drain(..5 + length).skip(5).collect();
            let message = pb::UploadRequest::decode(message.as_slice()).unwrap();
            let mut kept = kept.lock().unwrap();
            match message.part.unwrap() {
                Part::Start(start) => {
                    kept.settings = start.settings;
                    let (given, right) = (start.offset as u64, kept.content.len() as u64);
                    if given != right {
                        return fake::refused(Error::wrong_offset(given, right));
                    }
                }
                Part::Data(data) => {
                    assert!(data.len() <= 1 << 20);
                    kept.content.extend_from_slice(&data);
                }
                Part::Finish(finish) => kept.finish = Some(finish),
            }
        }
    }
    let kept = kept.lock().unwrap();
    fake::unary(&pb::UploadResponse {
        committed_bytes: kept.content.len() as i64,
        finished: kept.finish.is_some(),
    })
}

/// Answers a stream of messages, as they are.
pub(crate) fn answers(messages: Vec<impl prost::Message>) -> Answer {
    let (frames, answer) = fake::streamed();
    let encoded: Vec<Bytes> = messages.iter().map(fake::frame).collect();
    tokio::spawn(async move {
        for message in encoded {
            let _ = frames.send(http_body::Frame::data(message)).await;
        }
        let _ = frames.send(http_body::Frame::trailers(fake::trailers(0))).await;
    });
    answer
}

/// One request over a connection of its own, in HTTP/1.1.
async fn send(gateway: SocketAddr, request: Request<Body>) -> Response<Incoming> {
    try_send(gateway, request).await.unwrap()
}

async fn try_send(gateway: SocketAddr, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
    let stream = TcpStream::connect(gateway).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    soon(sender.send_request(request)).await
}

fn request(suite: &Suite, method: &str, path: &str) -> http::request::Builder {
    let token = suite.token("known user", "");
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", suite.gateway.to_string())
        .header("authorization", format!("Bearer {token}"))
}

fn body(content: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(content.into()).boxed()
}

async fn put(suite: &Suite, range: Option<&str>, content: &[u8]) -> Response<Incoming> {
    let request = request(suite, "PUT", "/import_job/one/content");
    let request = range
        .into_iter()
        .fold(request, |it, range| it.header("content-range", range));
    send(suite.gateway, request.body(body(content.to_vec())).unwrap()).await
}

async fn get(suite: &Suite, path: &str, headers: &[(&str, &str)]) -> (StatusCode, http::HeaderMap, Bytes) {
    let request = request(suite, "GET", path);
    let request = headers
        .iter()
        .fold(request, |it, (name, value)| it.header(*name, *value));
    let response = send(suite.gateway, request.body(body("")).unwrap()).await;
    let (head, content) = response.into_parts();
    (
        head.status,
        head.headers,
        content.collect().await.unwrap().to_bytes(),
    )
}

async fn json(response: Response<Incoming>) -> serde_json::Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("{bytes:?}"))
}

fn offset(response: &Response<Incoming>) -> &str {
    response.headers()["upload-offset"].to_str().unwrap()
}

#[tokio::test]
async fn one_put_is_the_whole_upload() {
    let suite = Suite::start().await;
    let import = an_import(&suite);
    let content: Vec<u8> = (0..3 << 20).map(|at| (at % 251) as u8).collect();
    let response = put(&suite, None, &content).await;
    assert_eq!(
        (response.status(), offset(&response)),
        (StatusCode::OK, "3145728")
    );
    assert_eq!(json(response).await["finished"], true);
    let kept = import.lock().unwrap();
    assert!(kept.content == content);
    assert_eq!(kept.finish.as_ref().unwrap().total_bytes, content.len() as i64);
}

#[tokio::test]
async fn the_query_string_says_what_to_do_with_the_content() {
    let suite = Suite::start().await;
    let import = an_import(&suite);
    let put = async |query: &str| {
        let request = request(&suite, "PUT", &format!("/import_job/one/content?{query}"));
        send(suite.gateway, request.body(body("a")).unwrap()).await
    };
    let refused = put("mode=all&format=orc").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let said = json(refused).await.to_string();
    assert!(said.contains("mode") && said.contains("format"), "{said}");
    assert_eq!(import.lock().unwrap().settings, None, "nothing was sent");

    assert_eq!(put("mode=replace&delimiter=%09").await.status(), StatusCode::OK);
    let expected = pb::UploadSettings {
        mode: pb::ImportMode::Replace.into(),
        csv: Some(pb::CsvOptions {
            delimiter: Some("\t".to_owned()),
            ..pb::CsvOptions::default()
        }),
        ..pb::UploadSettings::default()
    };
    assert_eq!(import.lock().unwrap().settings, Some(expected));
}

#[tokio::test]
async fn an_upload_comes_in_parts_and_says_how_far_it_is() {
    let suite = Suite::start().await;
    let import = an_import(&suite);
    let response = put(&suite, Some("bytes 0-3/10"), b"abcd").await;
    assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(
        (offset(&response), &response.headers()["range"]),
        ("4", &"bytes=0-3".parse().unwrap())
    );

    let head = request(&suite, "HEAD", "/import_job/one/content")
        .body(body(""))
        .unwrap();
    let head = send(suite.gateway, head).await;
    assert_eq!((head.status(), offset(&head)), (StatusCode::OK, "4"));
    assert_eq!(head.headers()["upload-complete"], "?0");

    // From elsewhere it does not go on, and the answer says from where it does.
    let wrong = put(&suite, Some("bytes 5-9/10"), b"fghij").await;
    assert_eq!((wrong.status(), offset(&wrong)), (StatusCode::CONFLICT, "4"));
    assert_eq!(json(wrong).await["code"], "WRONG_OFFSET");
    let more = put(&suite, Some("bytes 4-7/*"), b"efgh").await;
    assert_eq!(offset(&more), "8");
    let asked = put(&suite, Some("bytes */10"), b"").await;
    assert_eq!(
        (asked.status(), offset(&asked)),
        (StatusCode::PERMANENT_REDIRECT, "8")
    );

    let digest = "x-content-sha256";
    let sha256 = "72399361da6a7754fec986dca5b7cbaf1c810a28ded4abaf56b2106d06cb78b0";
    let last = request(&suite, "PUT", "/import_job/one/content")
        .header("content-range", "bytes 8-9/10")
        .header(digest, sha256)
        .body(body("ij"))
        .unwrap();
    let last = send(suite.gateway, last).await;
    assert_eq!(
        (last.status(), &last.headers()["upload-complete"]),
        (StatusCode::OK, &"?1".parse().unwrap())
    );
    let kept = import.lock().unwrap();
    assert_eq!(kept.content, b"abcdefghij");
    assert_eq!(kept.finish.as_ref().unwrap().sha256.as_deref(), Some(sha256));
}

#[tokio::test]
async fn what_is_all_there_is_finished_by_a_word() {
    let suite = Suite::start().await;
    let import = an_import(&suite);
    put(&suite, Some("bytes 0-3/*"), b"abcd").await;
    let response = put(&suite, Some("bytes */4"), b"").await;
    assert_eq!((response.status(), offset(&response)), (StatusCode::OK, "4"));
    assert_eq!(import.lock().unwrap().finish.as_ref().unwrap().total_bytes, 4);
}

#[tokio::test]
async fn a_broken_connection_keeps_what_came() {
    let suite = Suite::start().await;
    let import = an_import(&suite);
    let mut stream = TcpStream::connect(suite.gateway).await.unwrap();
    let head = format!(
        "PUT /import_job/one/content HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 10\r\n\r\nabcdef",
        suite.token("known user", "")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let arrived = async {
        while import.lock().unwrap().content.len() < 6 {
            tokio::task::yield_now().await;
        }
    };
    soon(arrived).await;
    drop(stream);
    let ended = async {
        while import.lock().unwrap().ended == 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(ended).await;
    assert!(import.lock().unwrap().finish.is_none());
    // With the next request it goes on.
    let response = put(&suite, Some("bytes 6-9/10"), b"ghij").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(import.lock().unwrap().content, b"abcdefghij");
}

#[tokio::test]
async fn what_a_put_says_wrongly_is_refused_and_not_finished() {
    let suite = Suite::start().await;
    let import = an_import(&suite);
    for (name, value) in [
        ("content-range", "bytes 0-8/4"),
        ("content-range", "bytes 0-8/10"),
        ("content-range", "bytes 0-1/2"),
        ("content-range", "bytes */9"),
        ("content-encoding", "gzip"),
        ("x-content-sha256", "12"),
        ("repr-digest", "md5=:AA==:"),
    ] {
        import.lock().unwrap().content.clear();
        let wrong = request(&suite, "PUT", "/import_job/one/content")
            .header(name, value)
            .body(body("abcd"))
            .unwrap();
        let wrong = send(suite.gateway, wrong).await;
        assert_eq!(wrong.status(), StatusCode::BAD_REQUEST, "{name}: {value}");
        let said = json(wrong).await;
        assert!(said["message"].as_str().unwrap().contains(name), "{said}");
        assert!(import.lock().unwrap().finish.is_none(), "{value}");
    }
}

#[tokio::test]
async fn nobody_is_let_in_without_a_token() {
    let suite = Suite::start().await;
    for (method, path) in [
        ("PUT", "/import_job/one/content"),
        ("HEAD", "/import_job/one/content"),
        ("GET", "/import_job/one/rejected_rows"),
        ("GET", "/export_job/one/content"),
        ("GET", "/query_job/one/content"),
    ] {
        let request = Request::builder().method(method).uri(path).header("host", "x");
        let response = send(suite.gateway, request.body(body("")).unwrap()).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
    // What a service does not show to somebody, there is not.
    suite.transfer.answer(DOWNLOAD, |_| {
        Box::pin(async { fake::refused(Error::not_found("export_job", "one")) })
    });
    let (status, _, said) = get(&suite, "/export_job/one/content", &[]).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(String::from_utf8_lossy(&said).contains("NOT_FOUND"));
    let other = request(&suite, "DELETE", "/export_job/one/content")
        .body(body(""))
        .unwrap();
    assert_eq!(
        send(suite.gateway, other).await.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
}

const FILE: &[u8] = b"0123456789";
const SHA256: &str = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
const ETAG: &str = "\"84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882\"";

/// A file in parts of three bytes, from any offset on.
fn a_file(suite: &Suite) {
    suite.transfer.answer(DOWNLOAD, |request| {
        Box::pin(async {
            let asked: pb::DownloadRequest = fake::read(request.into_body()).await;
            let offset = asked.offset as usize;
            if offset > FILE.len() {
                return fake::refused(Error::wrong_offset(offset as u64, FILE.len() as u64));
            }
            let mut at = offset;
            let mut parts: Vec<_> = FILE[offset..]
                .chunks(3)
                .map(|data| {
                    let part = pb::DownloadResponse {
                        offset: at as i64,
                        data: Bytes::from_static(data),
                        total_bytes: FILE.len() as i64,
                        ..Default::default()
                    };
                    at += data.len();
                    part
                })
                .collect();
            if parts.is_empty() {
                parts.push(pb::DownloadResponse {
                    total_bytes: FILE.len() as i64,
                    ..Default::default()
                });
            }
            parts[0].sha256 = SHA256.to_owned();
            parts[0].format = pb::FileFormat::Csv.into();
            answers(parts)
        })
    });
}

#[tokio::test]
async fn a_compressed_file_is_what_its_name_says() {
    let suite = Suite::start().await;
    suite.transfer.answer(DOWNLOAD, |_| {
        Box::pin(async {
            answers(vec![pb::DownloadResponse {
                data: Bytes::from_static(FILE),
                total_bytes: FILE.len() as i64,
                sha256: SHA256.to_owned(),
                format: pb::FileFormat::Ndjson.into(),
                compression: pb::Compression::Gzip.into(),
                ..Default::default()
            }])
        })
    });
    let (status, headers, content) = get(&suite, "/export_job/one/content", &[]).await;
    assert_eq!((status, &content[..]), (StatusCode::OK, FILE));
    assert_eq!(headers["content-type"], "application/gzip");
    assert_eq!(
        headers["content-disposition"],
        "attachment; filename=\"export-one.ndjson.gz\""
    );
    assert!(!headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn a_file_is_downloaded_whole_or_in_part() {
    let suite = Suite::start().await;
    a_file(&suite);
    let path = "/export_job/one/content";
    let (status, headers, content) = get(&suite, path, &[]).await;
    assert_eq!((status, &content[..]), (StatusCode::OK, FILE));
    for (name, value) in [
        ("etag", ETAG),
        ("content-length", "10"),
        ("accept-ranges", "bytes"),
        ("content-type", "text/csv; charset=utf-8"),
        ("content-disposition", "attachment; filename=\"export-one.csv\""),
        ("x-content-type-options", "nosniff"),
        (
            "repr-digest",
            "sha-256=:hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=:",
        ),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    for (range, status, place, expected) in [
        (
            "bytes=4-",
            StatusCode::PARTIAL_CONTENT,
            "bytes 4-9/10",
            &b"456789"[..],
        ),
        ("bytes=0-0", StatusCode::PARTIAL_CONTENT, "bytes 0-0/10", b"0"),
        (
            "bytes=2-700",
            StatusCode::PARTIAL_CONTENT,
            "bytes 2-9/10",
            b"23456789",
        ),
        ("bytes=-3", StatusCode::PARTIAL_CONTENT, "bytes 7-9/10", b"789"),
        ("bytes=-30", StatusCode::PARTIAL_CONTENT, "bytes 0-9/10", FILE),
    ] {
        let (found, headers, content) = get(&suite, path, &[("range", range)]).await;
        assert_eq!(
            (found, &headers["content-range"], &content[..]),
            (status, &place.parse().unwrap(), expected),
            "{range}"
        );
        assert_eq!(headers["content-length"], expected.len().to_string().as_str());
    }
    for range in ["bytes=10-", "bytes=11-", "bytes=-0"] {
        let (status, headers, said) = get(&suite, path, &[("range", range)]).await;
        assert_eq!(
            (status, &headers["content-range"]),
            (StatusCode::RANGE_NOT_SATISFIABLE, &"bytes */10".parse().unwrap())
        );
        assert!(String::from_utf8_lossy(&said).contains("10 bytes"));
    }
    let (status, _, content) = get(&suite, path, &[("range", "bytes=4-"), ("if-range", ETAG)]).await;
    assert_eq!(
        (status, &content[..]),
        (StatusCode::PARTIAL_CONTENT, &b"456789"[..])
    );
    let (status, _, content) = get(&suite, path, &[("range", "bytes=4-"), ("if-range", "\"other\"")]).await;
    assert_eq!((status, &content[..]), (StatusCode::OK, FILE));
    let (status, _, content) = get(&suite, path, &[("if-none-match", ETAG)]).await;
    assert_eq!((status, content.len()), (StatusCode::NOT_MODIFIED, 0));
    let head = request(&suite, "HEAD", path).body(body("")).unwrap();
    let head = send(suite.gateway, head).await;
    assert_eq!(
        (head.status(), &head.headers()["content-length"]),
        (StatusCode::OK, &"10".parse().unwrap())
    );
}

#[tokio::test]
async fn a_download_that_is_cut_off_is_not_taken_for_whole() {
    let suite = Suite::start().await;
    suite.transfer.answer(DOWNLOAD, |_| {
        Box::pin(async {
            answers(vec![pb::DownloadResponse {
                data: Bytes::from_static(b"012"),
                total_bytes: 10,
                sha256: SHA256.to_owned(),
                ..Default::default()
            }])
        })
    });
    let request = request(&suite, "GET", "/export_job/one/content")
        .body(body(""))
        .unwrap();
    // Cut off before its head was sent, or after.
    if let Ok(response) = try_send(suite.gateway, request).await {
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.into_body().collect().await.is_err());
    }
}

#[tokio::test]
async fn nothing_piles_up_for_whoever_does_not_read() {
    let suite = Suite::start().await;
    let sent = Arc::new(Mutex::new(0_usize));
    let count = sent.clone();
    suite.transfer.answer(DOWNLOAD, move |_| {
        let count = count.clone();
        Box::pin(async move {
            let (frames, answer) = fake::streamed();
            tokio::spawn(async move {
                let data = Bytes::from(vec![7; 1 << 20]);
                let part = pb::DownloadResponse {
                    data,
                    total_bytes: 1 << 40,
                    sha256: SHA256.to_owned(),
                    ..Default::default()
                };
                let message = fake::frame(&part);
                while frames.send(http_body::Frame::data(message.clone())).await.is_ok() {
                    *count.lock().unwrap() += 1;
                }
                *count.lock().unwrap() = usize::MAX;
            });
            answer
        })
    });
    let mut stream = TcpStream::connect(suite.gateway).await.unwrap();
    let head = format!(
        "GET /export_job/one/content HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        suite.token("known user", "")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = vec![0; 4096];
    soon(stream.read_exact(&mut first)).await.unwrap();
    // Until nothing moves any more; each look takes the runtime through all that can.
    let (mut last, mut still) = (0, 0);
    while still < 50_000 {
        tokio::task::yield_now().await;
        let now = *sent.lock().unwrap();
        still = if now == last { still + 1 } else { 0 };
        last = now;
    }
    assert!(last < 64, "{last} MiB are under way");
    drop(stream);
    let told = async {
        while *sent.lock().unwrap() != usize::MAX {
            tokio::task::yield_now().await;
        }
    };
    soon(told).await;
}

#[tokio::test]
async fn a_result_comes_in_the_format_that_is_asked_for() {
    use datacovey_proto::query::v1 as query;
    let suite = Suite::start().await;
    suite.query.answer(RESULTS, |request| {
        Box::pin(async {
            let asked: query::DownloadResultsRequest = fake::read(request.into_body()).await;
            let data = Bytes::from(asked.format().as_str_name());
            answers(vec![query::DownloadResultsResponse {
                total_bytes: data.len() as i64,
                data,
                sha256: SHA256.to_owned(),
                ..Default::default()
            }])
        })
    });
    for (query, accept, content_type, word) in [
        ("", "*/*", "text/csv; charset=utf-8", "CSV"),
        ("?format=ndjson", "*/*", "application/x-ndjson", "NDJSON"),
        (
            "",
            "application/vnd.apache.parquet",
            "application/vnd.apache.parquet",
            "PARQUET",
        ),
        (
            "?format=arrow",
            "text/csv",
            "application/vnd.apache.arrow.stream",
            "ARROW",
        ),
        ("", "application/json", "application/json", "JSON"),
    ] {
        let path = format!("/query_job/one/content{query}");
        let (status, headers, content) = get(&suite, &path, &[("accept", accept)]).await;
        assert_eq!(
            (status, &headers["content-type"]),
            (StatusCode::OK, &content_type.parse().unwrap())
        );
        assert!(
            String::from_utf8_lossy(&content).ends_with(&format!("FORMAT_{word}")),
            "{content:?}"
        );
    }
    let (status, ..) = get(&suite, "/query_job/one/content", &[("accept", "text/html")]).await;
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
    let (status, ..) = get(&suite, "/query_job/one/content?format=orc", &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn rejected_rows_come_page_by_page_as_lines() {
    let suite = Suite::start().await;
    suite.transfer.answer(REJECTED, |request| {
        Box::pin(async {
            let asked: pb::ListRejectedRowsRequest = fake::read(request.into_body()).await;
            let page: i64 = asked.page_token.parse().unwrap_or(0);
            let row = pb::RejectedRow {
                line: page + 2,
                reason: "is odd".to_owned(),
                value: "x\ny".to_owned(),
                ..Default::default()
            };
            fake::unary(&pb::ListRejectedRowsResponse {
                rejected_rows: vec![row],
                next_page_token: if page < 2 {
                    (page + 1).to_string()
                } else {
                    String::new()
                },
            })
        })
    });
    let (status, headers, content) = get(&suite, "/import_job/one/rejected_rows", &[]).await;
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::OK, &"application/x-ndjson".parse().unwrap())
    );
    let lines: Vec<serde_json::Value> = content
        .chunk()
        .split(|it| *it == b'\n')
        .filter(|it| !it.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[2],
        serde_json::json!({ "line": 4, "field": null, "reason": "is odd", "value": "x\ny", "file": null })
    );
}
