use datacovey_proto::query::v1 as pb;
use datacovey_proto::query::v1::QueryJobState;
use prost_types::value::Kind;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::clients::{fields, number, reason, text};
use crate::fixture::Bench;

/// A field of the error of a run that failed.
pub(crate) fn error(job: &pb::QueryJob, key: &str) -> String {
    match &job.error_result.as_ref().unwrap().kind {
        Some(Kind::StructValue(error)) => text(error, key).to_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_overlap_is_counted() {
    let bench = Bench::new().await;
    let overlap = "SELECT count(DISTINCT f.tailnum) AS planes FROM alliance.flights f
                   JOIN registry.planes p ON f.tailnum = p.tailnum";
    let rows = bench.as_registry().rows(overlap).await;
    assert_eq!(number(&rows[0], "planes"), 60.0);
}

#[tokio::test]
async fn groups_below_the_threshold_are_absent() {
    let bench = Bench::new().await;
    let grouped = "SELECT origin, count(*) AS n, avg(delay) AS delay FROM alliance.flights
                   GROUP BY origin ORDER BY n";
    let job = bench.as_registry().run(grouped).await;
    assert_eq!(job.state(), QueryJobState::Done, "{job:?}");
    let sent = bench
        .as_registry()
        .read(&job.id, pb::ResultFormat::Json, 0, None)
        .await
        .unwrap();
    let rows: Vec<_> = sent
        .rows
        .iter()
        .map(|it| (text(it, "origin"), number(it, "n"), number(it, "delay")))
        .collect();
    // LGA, of three planes, is not there.
    assert_eq!(rows, [("JFK", 40.0, 5.0), ("EWR", 120.0, 5.0)]);

    let own = bench
        .as_alliance()
        .rows("SELECT origin, count(*) AS n FROM alliance.flights GROUP BY origin")
        .await;
    assert_eq!(own.len(), 3, "the owner sees its own");

    let audit = "SELECT tenant_id || ' ' || analyst_tenant_id || ' ' || released_groups FROM release_audit";
    let audited = bench.sql.column(audit).await.unwrap();
    assert_eq!(
        audited,
        [format!("{} {} 2", bench.alliance.id, bench.registry.id)]
    );
}

#[tokio::test]
async fn own_groups_select_over_a_unique_table() {
    let bench = Bench::new().await;
    let by_maker = "SELECT p.maker, count(*) AS n FROM alliance.flights f
                    JOIN registry.planes p ON f.tailnum = p.tailnum GROUP BY p.maker ORDER BY p.maker";
    let rows = bench.as_registry().rows(by_maker).await;
    let makers: Vec<_> = rows.iter().map(|it| text(it, "maker")).collect();
    // Of the 60 planes that fly two are Cessnas.
    assert_eq!(makers, ["Airbus", "Boeing"]);
}

#[tokio::test]
async fn parameters_are_kept_with_the_run() {
    use prost_types::value::Kind;
    use prost_types::{ListValue, Struct, Value};

    let bench = Bench::new().await;
    let values = |kind| Struct {
        fields: [("origin".to_owned(), Value { kind: Some(kind) })].into(),
    };
    let asked = "SELECT count(*) AS n FROM alliance.flights WHERE origin = $origin";
    let jfk = values(Kind::StringValue("JFK".to_owned()));
    let caller = bench.as_registry();
    let job = caller.start_with(asked, Some(jfk.clone())).await.unwrap();
    assert_eq!(job.parameters, Some(jfk));
    let job = caller.end(&job.id).await;
    assert_eq!(job.state(), QueryJobState::Done, "{job:?}");
    let sent = caller
        .read(&job.id, pb::ResultFormat::Json, 0, None)
        .await
        .unwrap();
    assert_eq!(number(&sent.rows[0], "n"), 40.0);

    let list = values(Kind::ListValue(ListValue::default()));
    for wrong in [None, Some(list)] {
        let refused = caller.start_with(asked, wrong).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused:?}");
    }
}

#[tokio::test]
async fn the_columns_say_what_an_analyst_may_know() {
    let bench = Bench::new().await;
    let job = bench
        .as_registry()
        .run("SELECT origin, count(*) FROM alliance.flights GROUP BY origin")
        .await;
    assert_eq!(job.total_rows, Some(2));
    // 166 rows are told as 256 of two texts and a number.
    assert_eq!(job.total_bytes_processed, Some(256 * (16 + 16 + 8)));
    assert_eq!(job.total_slot_ms, None, "how long others' rows took is not told");
    assert_eq!(job.cache_hit, Some(false));
    assert!(!job.bigquery_job_id.is_empty());
    assert!(job.created.is_some() && job.started.is_some() && job.ended.is_some());
    assert!(job.query_plan.is_some() && job.timeline.is_some() && job.destination_table.is_some());
    assert!(job.error_result.is_none() && job.dml_stats.is_none());
    assert_eq!(job.created_by, bench.registry.admin.to_string());
    assert_eq!(job.output_schema.len(), 2);
    assert!(job.results_expire_at.is_some());

    let own = bench
        .as_registry()
        .run("SELECT count(*) FROM registry.planes")
        .await;
    assert!(own.total_slot_ms.is_some());
}

#[tokio::test]
async fn what_would_leak_is_refused_before_there_is_a_job() {
    let bench = Bench::new().await;
    let refused = [
        "SELECT tailnum FROM alliance.flights",
        "SELECT origin, max(delay) FROM alliance.flights GROUP BY origin",
        "SELECT count(*) FROM alliance.flights WHERE tailnum = 'N00001'",
        "SELECT sum(1) FROM nowhere.at_all",
        "DELETE FROM alliance.flights",
        "not SQL",
    ];
    for text in refused {
        let error = bench.as_registry().start(text).await.unwrap_err();
        assert_eq!(
            (error.code(), reason(&error).as_str()),
            (Code::InvalidArgument, "QUERY_REFUSED"),
            "{text}"
        );
        assert!(fields(&error).iter().all(|field| field == "query_text"));
        assert!(
            !error
                .get_error_details()
                .bad_request()
                .unwrap()
                .field_violations
                .is_empty()
        );
    }
    assert_eq!(
        bench.sql.value("SELECT count(*) FROM query_job").await.unwrap(),
        "0"
    );
    assert_eq!(bench.sql.value("SELECT count(*) FROM query").await.unwrap(), "0");
}

#[tokio::test]
async fn a_stored_query_runs_as_it_was() {
    let bench = Bench::new().await;
    let caller = bench.as_registry();
    let id = bench
        .sql
        .query(bench.registry.id, bench.world.project_id, "SELECT 7 AS seven")
        .await;
    let request = pb::CreateQueryJobRequest {
        query: Some(pb::create_query_job_request::Query::QueryId(id.to_string())),
        request_id: "once".to_owned(),
        ..pb::CreateQueryJobRequest::default()
    };
    let job = caller
        .jobs
        .clone()
        .create_query_job(request.clone())
        .await
        .unwrap()
        .into_inner();
    let again = caller
        .jobs
        .clone()
        .create_query_job(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (job.id.as_str(), job.query_id),
        (again.id.as_str(), id.to_string())
    );
    let ended = caller.end(&job.id).await;
    assert_eq!(
        (ended.state(), ended.query_text.as_str()),
        (QueryJobState::Done, "SELECT 7 AS seven")
    );

    let request = pb::ListQueryJobsRequest {
        query_id: Some(id.to_string()),
        ..pb::ListQueryJobsRequest::default()
    };
    let listed = caller
        .jobs
        .clone()
        .list_query_jobs(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.query_jobs, [ended]);
}

#[tokio::test]
async fn a_failure_after_the_first_read_says_one_thing() {
    let bench = Bench::new().await;
    // Every tail number begins with a letter.
    let job = bench
        .as_registry()
        .run("SELECT sum(CAST(tailnum AS BIGINT)) FROM registry.planes")
        .await;
    assert_eq!(job.state(), QueryJobState::Error);
    assert_eq!(error(&job, "reason"), "QUERY_FAILED");
    assert!(!format!("{job:?}").contains("N0000"), "a value left: {job:?}");
    let read = bench
        .as_registry()
        .read(&job.id, pb::ResultFormat::Json, 0, None)
        .await
        .unwrap_err();
    assert_eq!(
        (read.code(), reason(&read).as_str()),
        (Code::FailedPrecondition, "WRONG_STATE")
    );
    let details = read.get_error_details();
    assert_eq!(
        details.error_info().unwrap().metadata["job_error"],
        "QUERY_FAILED"
    );
}

#[tokio::test]
async fn a_changed_policy_releases_nothing() {
    let bench = Bench::new().await;
    // The catalog still answers with the version before.
    let flights = bench.world.tables.lock().unwrap()[0].clone();
    let stricter = serde_json::json!({ "privacy_unit": "tailnum", "analysts": [bench.registry.id] });
    bench
        .sql
        .table_policy(bench.alliance, flights.id, &stricter)
        .await;
    let job = bench
        .as_registry()
        .run("SELECT count(*) AS n FROM alliance.flights")
        .await;
    assert_eq!(
        (job.state(), error(&job, "reason").as_str()),
        (QueryJobState::Error, "WORLD_CHANGED")
    );
    assert_eq!(
        bench
            .sql
            .value("SELECT count(*) FROM query_result")
            .await
            .unwrap(),
        "0"
    );
}
