//! Pages of other origins (section 20), by the same list that gRPC-Web has.

use super::{anonymously, ask, finds};
use crate::suite::Suite;

const OURS: &str = "https://app.example.com";
const EXPOSED: &str = "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, \
                       Transfer-Encoding, Range-Unit";

const PREFLIGHT: [(&str, &str); 3] = [
    ("origin", OURS),
    ("access-control-request-method", "PATCH"),
    ("access-control-request-headers", "authorization,prefer, apikey"),
];

async fn suite(origins: &str) -> Suite {
    let suite = Suite::configured(&[], |it| it.cors_origins = origins.parse().unwrap()).await;
    finds(&suite.catalog, None, &[]);
    suite
}

#[tokio::test]
async fn without_a_list_every_page_may_call_as_it_may_the_original() {
    for origins in ["", "*"] {
        let suite = suite(origins).await;
        for path in ["/", "/project", "/nope", "/rpc/x", "/a/b"] {
            let answer = anonymously(&suite, &format!("OPTIONS {path}"), &PREFLIGHT, "").await;
            assert_eq!((answer.status.as_u16(), answer.text()), (200, ""));
            for (name, value) in [
                ("access-control-allow-origin", Some("*")),
                (
                    "access-control-allow-methods",
                    Some("GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD"),
                ),
                (
                    "access-control-allow-headers",
                    Some(
                        "Authorization, authorization, prefer, apikey, Accept, Accept-Language, Content-Language",
                    ),
                ),
                ("access-control-max-age", Some("86400")),
                ("access-control-allow-credentials", None),
            ] {
                assert_eq!(answer.header(name), value, "{path}");
            }
        }
        // Neither half of the question is one.
        for half in [&PREFLIGHT[..1], &PREFLIGHT[1..]] {
            let answer = anonymously(&suite, "OPTIONS /project", half, "").await;
            assert_eq!(answer.status.as_u16(), 401);
        }
        let origin = [("origin", OURS)];
        for answer in [
            ask(&suite, "GET /project", &origin, "").await,
            ask(&suite, "GET /nope", &origin, "").await,
            anonymously(&suite, "GET /project", &origin, "").await,
        ] {
            let found = ["access-control-allow-origin", "access-control-expose-headers"];
            assert_eq!(found.map(|it| answer.header(it)), [Some("*"), Some(EXPOSED)]);
            assert_eq!(
                answer
                    .headers
                    .get_all("access-control-allow-origin")
                    .iter()
                    .count(),
                1
            );
        }
    }
}

#[tokio::test]
async fn a_list_holds_for_the_rest_api_too() {
    let suite = suite("https://other.example, https://app.example.com").await;
    let allowed = anonymously(&suite, "OPTIONS /project", &PREFLIGHT, "").await;
    assert_eq!(allowed.header("access-control-allow-origin"), Some(OURS));
    assert_eq!(allowed.header("access-control-allow-credentials"), Some("true"));
    let read = ask(&suite, "GET /project", &[("origin", OURS)], "").await;
    assert_eq!(read.header("access-control-allow-origin"), Some(OURS));
    assert_eq!(read.header("vary"), Some("Origin"));
    for origin in ["https://evil.example", "http://app.example.com", "null"] {
        let mut asked = PREFLIGHT;
        asked[0] = ("origin", origin);
        for answer in [
            anonymously(&suite, "OPTIONS /project", &asked, "").await,
            ask(&suite, "OPTIONS /project", &asked[..1], "").await,
            ask(&suite, "GET /project", &asked[..1], "").await,
        ] {
            let told = answer
                .headers
                .keys()
                .any(|it| it.as_str().starts_with("access-control"));
            assert!(!told, "{origin}: {answer:?}");
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
    }
}

#[tokio::test]
async fn none_is_nobody() {
    let suite = suite("none").await;
    let answer = anonymously(&suite, "OPTIONS /project", &PREFLIGHT, "").await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}
