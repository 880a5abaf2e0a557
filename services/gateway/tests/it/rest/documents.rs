//! The API's document (section 21), and the page that shows it.

use super::{anonymously, ask};
use crate::suite::Suite;

#[tokio::test]
async fn the_root_is_the_document() {
    let suite = Suite::start().await;
    for accept in ["*/*", "application/json", "application/openapi+json"] {
        let answer = ask(&suite, "GET /", &[("accept", accept)], "").await;
        assert_eq!(answer.status.as_u16(), 200);
        let kind = Some("application/openapi+json; charset=utf-8");
        assert_eq!(answer.header("content-type"), kind);
        let document = answer.json();
        assert_eq!(document["swagger"], "2.0");
        assert_eq!(
            (&document["host"], &document["schemes"]),
            (&"api.example:8080".into(), &serde_json::json!(["http"]))
        );
        assert_eq!(document["definitions"].as_object().unwrap().len(), 14);
        assert_eq!(document["paths"].as_object().unwrap().len(), 15);
        assert!(document.get("securityDefinitions").is_none());
    }
    let refused = ask(&suite, "GET /", &[("accept", "text/csv")], "").await;
    assert_eq!(refused.refused(), (406, "PGRST107".to_owned()));
    let head = ask(&suite, "HEAD /", &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
}

#[tokio::test]
async fn the_document_tells_a_configured_address() {
    let suite = Suite::configured(&[], |it| {
        it.public_url = Some(datacovey_rest::Address {
            scheme: "https".to_owned(),
            host: "data.example".to_owned(),
            base_path: "/room".to_owned(),
        });
    })
    .await;
    let document = ask(&suite, "GET /", &[], "").await.json();
    assert_eq!(
        (&document["host"], &document["basePath"], &document["schemes"][0]),
        (&"data.example".into(), &"/room".into(), &"https".into())
    );
    let page = anonymously(&suite, "GET /docs/openapi.json", &[], "")
        .await
        .json();
    assert_eq!(page["basePath"], "/room");
}

#[tokio::test]
async fn the_page_has_all_that_it_needs_from_here() {
    let suite = Suite::start().await;
    for (path, kind, holds) in [
        ("/docs", "text/html; charset=utf-8", "swagger-ui-bundle.js"),
        ("/docs/start.js", "text/javascript", "SwaggerUIBundle"),
        ("/docs/swagger-ui-bundle.js", "text/javascript", "SwaggerUIBundle"),
        ("/docs/swagger-ui.css", "text/css", ".swagger-ui"),
        ("/docs/openapi.json", "application/json", "securityDefinitions"),
    ] {
        let answer = anonymously(&suite, &format!("GET {path}"), &[], "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, Some(kind)),
            "{path}"
        );
        assert!(answer.text().contains(holds), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("script-src 'self';") && !policy.contains("http"),
            "{policy}"
        );
        assert!(answer.header("x-request-id").is_some(), "{path} is in the log");
    }
    let page = anonymously(&suite, "GET /docs", &[], "").await;
    assert!(!page.text().contains("://"), "the page asks others");
    // What is shown is what the API says, and how a token is sent.
    let mut shown = anonymously(&suite, "GET /docs/openapi.json", &[], "")
        .await
        .json();
    let mut said = ask(&suite, "GET /", &[], "").await.json();
    for added in ["securityDefinitions", "security"] {
        assert!(shown.as_object_mut().unwrap().remove(added).is_some());
    }
    for left_out in ["host", "schemes"] {
        said.as_object_mut().unwrap().remove(left_out);
    }
    assert_eq!(shown, said);
    assert_eq!(
        anonymously(&suite, "GET /docs/other", &[], "")
            .await
            .status
            .as_u16(),
        401
    );
}
