//! Which check comes first, and which service is asked.

use datacovey_proto::internal::rows::v1::SelectRequest;

use super::{affects, anonymously, ask, finds};
use crate::suite::Suite;

#[tokio::test]
async fn the_first_check_that_fails_is_the_answer() {
    let suite = Suite::start().await;
    let asked = finds(&suite.catalog, None, &[]);
    for (line, headers, body, expected) in [
        ("GET /a/b?x", &[][..], "", (404, "PGRST125")),
        ("GET /project/", &[], "", (404, "PGRST125")),
        ("GET //project", &[], "", (404, "PGRST125")),
        ("GET /a%FFb", &[], "", (404, "PGRST125")),
        (
            "PATCH /a/b/c/d",
            &[("accept-profile", "x")],
            "",
            (404, "PGRST125"),
        ),
        (
            "TRACE /nope?id=x",
            &[("accept-profile", "other")],
            "",
            (406, "PGRST106"),
        ),
        ("TRACE /project", &[], "", (405, "PGRST117")),
        ("POST /", &[], "{}", (405, "PGRST117")),
        ("PATCH /rpc/x", &[], "{}", (405, "PGRST101")),
        ("GET /rpc/x", &[], "", (404, "PGRST202")),
        ("POST /rpc/x", &[], "{\"a\":1}", (404, "PGRST202")),
        ("GET /rpc", &[], "", (404, "PGRST205")),
        ("GET /nope?id=x", &[], "", (400, "PGRST100")),
        ("GET /nope?limit=-1", &[], "", (416, "PGRST103")),
        ("POST /nope", &[], "{", (400, "PGRST102")),
        ("GET /nope", &[("accept", "image/png")], "", (404, "PGRST205")),
        (
            "GET /project?nope.id=eq.1",
            &[("accept", "image/png")],
            "",
            (400, "PGRST108"),
        ),
        ("GET /project?select=table(*)", &[], "", (400, "PGRST200")),
        ("GET /project?select=count()", &[], "", (400, "PGRST123")),
        ("POST /project", &[], "{\"nope\":1}", (400, "PGRST204")),
        ("PUT /project?name=eq.x", &[], "{}", (405, "PGRST105")),
        (
            "GET /project",
            &[("accept", "image/png"), ("prefer", "handling=strict, x=y")],
            "",
            (406, "PGRST107"),
        ),
        (
            "POST /project",
            &[("accept", "image/png"), ("prefer", "handling=strict, x=y")],
            "{}",
            (400, "PGRST122"),
        ),
    ] {
        let refused = ask(&suite, line, headers, body).await.refused();
        assert_eq!((refused.0, refused.1.as_str()), expected, "{line}");
        // Whoever is nobody learns nothing of this.
        let nobody = anonymously(&suite, line, headers, body).await.refused();
        assert_eq!(nobody, (401, "PGRST302".to_owned()), "{line}");
    }
    assert_eq!(asked.lock().unwrap().len(), 0, "what is wrong goes to no service");
}

#[tokio::test]
async fn each_relation_is_of_the_service_that_owns_it() {
    let suite = Suite::start().await;
    let services = [&suite.identity, &suite.catalog, &suite.query, &suite.transfer];
    let asked = services.map(|it| finds(it, None, &[r#"{"id": 1}"#]));
    for (index, relations) in [
        &["tenant", "user"][..],
        &["project", "dataset", "table", "dataset_history", "table_history"],
        &["query", "query_job", "query_history"],
        &[
            "import_job",
            "export_job",
            "import_job_history",
            "export_job_history",
        ],
    ]
    .into_iter()
    .enumerate()
    {
        for relation in relations {
            let answer = ask(&suite, &format!("GET /{relation}"), &[], "").await;
            assert_eq!((answer.status.as_u16(), answer.text()), (200, r#"[{"id": 1}]"#));
            let sent: SelectRequest = asked[index].lock().unwrap().pop().unwrap();
            assert_eq!(sent.relation, **relation);
        }
    }
    assert!(asked.iter().all(|it| it.lock().unwrap().is_empty()));
}

#[tokio::test]
async fn a_service_is_called_for_the_caller_by_an_internal_token() {
    let suite = Suite::start().await;
    let (sender, mut heads) = tokio::sync::mpsc::unbounded_channel();
    suite.query.answer(super::SELECT, move |request| {
        sender.send(request.headers().clone()).unwrap();
        Box::pin(async { crate::fake::messages(&[super::header(&[], None, None)]) })
    });
    let answer = ask(&suite, "GET /query", &[("x-request-id", "mine")], "").await;
    assert_eq!(answer.header("x-request-id"), Some("mine"));
    let head = heads.recv().await.unwrap();
    assert_eq!(head["x-request-id"], "mine");
    let caller = suite.verify("query", &head);
    assert_eq!(caller.service, "gateway");
    assert_eq!(caller.principal.unwrap().user_id, suite.user_id);
}

#[tokio::test]
async fn a_body_that_no_method_takes_is_not_looked_at() {
    let suite = Suite::start().await;
    finds(&suite.catalog, None, &[]);
    affects(&suite.catalog, &[], 0);
    for (line, status) in [("GET /project", 200), ("DELETE /project?id=is.null", 204)] {
        let answer = ask(&suite, line, &[("content-type", "image/png")], "{{{").await;
        assert_eq!(answer.status.as_u16(), status, "{line}");
    }
}
