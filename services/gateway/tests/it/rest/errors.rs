//! What goes wrong behind the gateway (section 18).

use std::time::Duration;

use datacovey_error::{Error, Violation};

use super::{INSERT, SELECT, ask, refused_by_database};
use crate::fake;
use crate::suite::{Suite, soon};

#[tokio::test]
async fn what_the_database_says_is_said_by_its_status() {
    let suite = Suite::start().await;
    for (code, message, status) in [
        ("22P02", "invalid input syntax for type uuid: \"x\"", 400),
        ("23505", "duplicate key value", 409),
        ("23503", "is not present in table", 409),
        ("42501", "new row violates row-level security policy", 403),
        ("42883", "operator does not exist", 404),
        ("42703", "column does not exist", 400),
        ("57014", "canceling statement due to statement timeout", 500),
        ("53300", "too many connections", 503),
        (
            "21000",
            "ON CONFLICT DO UPDATE command cannot affect row a second time",
            500,
        ),
        (
            "PGRST115",
            "Payload values do not match URL in primary key column(s)",
            400,
        ),
        (
            "PGRST116",
            "Cannot coerce the result to a single JSON object",
            406,
        ),
        (
            "PGRST124",
            "Query result exceeds max-affected preference constraint",
            400,
        ),
    ] {
        for (method, path) in [("GET", SELECT), ("POST", INSERT)] {
            suite.catalog.answer(path, move |_| {
                Box::pin(async move { refused_by_database(code, message) })
            });
            let answer = ask(&suite, &format!("{method} /project"), &[], "{}").await;
            assert_eq!(answer.refused(), (status, code.to_owned()));
            let body = answer.json();
            assert_eq!(
                (&body["message"], &body["details"]),
                (&message.into(), &"in detail".into())
            );
            assert!(body["hint"].is_null());
            assert_eq!(
                answer.header("retry-after"),
                (status == 503).then_some("1"),
                "{code}"
            );
        }
    }
}

#[tokio::test]
async fn rules_of_the_suite_say_all_that_is_wrong() {
    let suite = Suite::start().await;
    suite.catalog.answer(INSERT, |_| {
        Box::pin(async {
            fake::refused(Error::invalid(vec![
                Violation::new("schema.type", "must be \"object\""),
                Violation::new("name", "is empty"),
            ]))
        })
    });
    let answer = ask(&suite, "POST /table", &[], "{}").await;
    assert_eq!(answer.refused(), (400, "INVALID_FIELD".to_owned()));
    assert_eq!(
        answer.json()["details"],
        "schema.type: must be \"object\"\nname: is empty"
    );

    suite.catalog.answer(INSERT, |_| {
        Box::pin(async { fake::refused(Error::permission_denied("the role may not do this")) })
    });
    let answer = ask(&suite, "POST /table", &[], "{}").await;
    assert_eq!(answer.refused(), (403, "42501".to_owned()));
    assert_eq!(answer.json()["message"], "the role may not do this");
}

#[tokio::test]
async fn who_is_away_is_asked_again_later() {
    let suite = Suite::start().await;
    suite.catalog.answer(SELECT, |_| {
        Box::pin(async { fake::refused(Error::unavailable("the database at db.internal")) })
    });
    let answer = ask(&suite, "GET /project", &[], "").await;
    assert_eq!(answer.refused(), (503, "PGRST000".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(!answer.text().contains("db.internal"));
    suite.transfer.stop().await;
    let gone = ask(&suite, "GET /import_job", &[], "").await;
    assert_eq!(gone.refused(), (503, "PGRST000".to_owned()));
    // Without identity, nobody can be told from somebody.
    let other = Suite::start().await;
    other.identity.stop().await;
    assert_eq!(ask(&other, "GET /project", &[], "").await.refused().0, 503);
}

#[tokio::test]
async fn a_fault_is_masked_and_names_its_request() {
    let suite = Suite::start().await;
    for answer in [
        || fake::refused(Error::internal("relation secret does not exist")),
        || fake::messages(&[super::batch(["no header"])]),
    ] {
        suite
            .catalog
            .answer(SELECT, move |_| Box::pin(async move { answer() }));
        let answer = ask(&suite, "GET /project", &[("x-request-id", "request-1")], "").await;
        assert_eq!(answer.refused(), (500, "XX000".to_owned()));
        assert!(!answer.text().contains("secret"));
        assert_eq!(answer.json()["details"], "the request is request-1");
        let head = ask(&suite, "HEAD /project", &[], "").await;
        assert_eq!((head.status.as_u16(), head.body.len()), (500, 0));
    }
}

#[tokio::test]
async fn a_request_ends_in_time_and_within_what_its_tenant_may() {
    let suite = Suite::configured(&[], |it| it.server.limits.max_call = Duration::from_millis(300)).await;
    suite.catalog.answer(SELECT, |_| Box::pin(std::future::pending()));
    let late = ask(&suite, "GET /project", &[], "").await;
    assert_eq!(late.refused(), (504, "PGRST003".to_owned()));

    let suite = Suite::configured(&[], |it| it.server.limits.tenant.concurrent_calls = 1).await;
    let (sender, mut begun) = tokio::sync::mpsc::unbounded_channel();
    suite.catalog.answer(SELECT, move |_| {
        sender.send(()).unwrap();
        Box::pin(std::future::pending())
    });
    let first = ask(&suite, "GET /project", &[], "");
    let mut first = std::pin::pin!(first);
    tokio::select! {
        _ = &mut first => panic!("nothing was answered"),
        it = soon(begun.recv()) => it.unwrap(),
    }
    let second = ask(&suite, "GET /project", &[], "").await;
    assert_eq!(second.refused(), (429, "RATE_LIMITED".to_owned()));
    assert_eq!(second.header("retry-after"), Some("1"));
}
