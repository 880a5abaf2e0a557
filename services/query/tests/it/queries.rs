use datacovey_proto::query::v1 as pb;
use datacovey_proto::query::v1::query_service_client::QueryServiceClient;
use tonic::Code;
use uuid::Uuid;

use crate::clients::{fields, reason};
use crate::fixture::{Bench, MIN_UNITS};

fn new(project_id: Uuid, text: &str) -> pb::CreateQueryRequest {
    let query = pb::Query {
        project_id: project_id.to_string(),
        query_text: text.to_owned(),
        ..pb::Query::default()
    };
    pb::CreateQueryRequest {
        query: Some(query),
        request_id: String::new(),
    }
}

#[tokio::test]
async fn queries_are_kept_as_written_and_listed_page_by_page() {
    let bench = Bench::new().await;
    let mut registry = bench.as_registry().queries;
    let mut made = Vec::new();
    for number in 0..3 {
        let text = format!("SELECT {number} -- kept as written\n");
        let query = registry
            .create_query(new(bench.world.project_id, &text))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(query.query_text, text);
        assert_eq!(query.tenant_id, bench.registry.id.to_string());
        let got = registry
            .get_query(pb::GetQueryRequest { id: query.id.clone() })
            .await
            .unwrap()
            .into_inner();
        assert_eq!(got, query);
        made.push(query.id);
    }
    let mut request = pb::ListQueriesRequest {
        page_size: 2,
        ..pb::ListQueriesRequest::default()
    };
    let first = registry.list_queries(request.clone()).await.unwrap().into_inner();
    request.page_token = first.next_page_token;
    let second = registry.list_queries(request.clone()).await.unwrap().into_inner();
    let listed: Vec<_> = first
        .queries
        .into_iter()
        .chain(second.queries)
        .map(|it| it.id)
        .collect();
    assert_eq!(listed, made);
    assert_eq!(second.next_page_token, "");

    // A token answers only the list that made it.
    request.project_id = Some(bench.world.project_id.to_string());
    let error = registry.list_queries(request).await.unwrap_err();
    assert_eq!(
        (error.code(), reason(&error).as_str()),
        (Code::InvalidArgument, "INVALID_PAGE_TOKEN")
    );
}

#[tokio::test]
async fn a_repeat_answers_with_the_same_query() {
    let bench = Bench::new().await;
    let mut registry = bench.as_registry().queries;
    let mut request = new(bench.world.project_id, "SELECT 1");
    request.request_id = "once".to_owned();
    let first = registry.create_query(request.clone()).await.unwrap().into_inner();
    let again = registry.create_query(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, again);
    request.query.as_mut().unwrap().query_text = "SELECT 2".to_owned();
    let error = registry.create_query(request).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn bad_requests_name_every_field() {
    let bench = Bench::new().await;
    let mut registry = bench.as_registry().queries;
    let mut request = new(Uuid::nil(), "\0");
    request.query.as_mut().unwrap().project_id = "no uuid".to_owned();
    request.request_id = "a b".to_owned();
    let error = registry.create_query(request).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(
        fields(&error),
        ["request_id", "query.project_id", "query.query_text"]
    );

    let error = registry
        .create_query(new(bench.world.project_id, &"x".repeat(100_001)))
        .await
        .unwrap_err();
    assert_eq!(fields(&error), ["query.query_text"]);
    let error = registry
        .create_query(pb::CreateQueryRequest::default())
        .await
        .unwrap_err();
    assert_eq!(fields(&error), ["query"]);
    let error = registry
        .check_query(pb::CheckQueryRequest::default())
        .await
        .unwrap_err();
    assert_eq!(fields(&error), ["query"]);
}

#[tokio::test]
async fn what_others_have_is_not_there() {
    let bench = Bench::new().await;
    let (mut registry, mut stranger) = (bench.as_registry().queries, bench.as_stranger().queries);
    let query = registry
        .create_query(new(bench.world.project_id, "SELECT 1"))
        .await
        .unwrap()
        .into_inner();

    let error = stranger
        .get_query(pb::GetQueryRequest { id: query.id.clone() })
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), reason(&error).as_str()),
        (Code::NotFound, "NOT_FOUND")
    );
    let error = stranger
        .create_query(new(bench.world.project_id, "SELECT 1"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let listed = stranger
        .list_queries(pb::ListQueriesRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(listed.queries.is_empty());
    let request = pb::CheckQueryRequest {
        query: Some(pb::check_query_request::Query::QueryId(query.id)),
        ..pb::CheckQueryRequest::default()
    };
    assert_eq!(
        stranger.check_query(request).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        bench.as_stranger().check("SELECT 1").await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn a_check_tells_what_a_run_would_meet() {
    let bench = Bench::new().await;
    let text = "SELECT f.origin, count(*) AS n, avg(f.delay) FROM alliance.flights f
                JOIN registry.planes p ON f.tailnum = p.tailnum GROUP BY f.origin";
    let checked = bench.as_registry().check(text).await.unwrap();
    assert!(checked.allowed, "{:?}", checked.violations);
    let columns: Vec<_> = checked
        .output_schema
        .iter()
        .map(|it| (it.name.as_str(), it.r#type.as_str()))
        .collect();
    assert_eq!(columns[..2], [("origin", "VARCHAR"), ("n", "BIGINT")]);
    let tables: Vec<_> = checked.tables.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(tables, ["alliance.flights", "registry.planes"]);
    assert_eq!(checked.tables[0].owner_tenant_id, bench.alliance.id.to_string());
    let policy = checked.effective_policy.unwrap();
    assert_eq!(policy.min_units, MIN_UNITS);
    let part = policy
        .parts
        .iter()
        .find(|it| it.part == "threshold.min_units")
        .unwrap();
    assert_eq!(part.tables, ["alliance.flights"]);
    assert_eq!(
        part.value.as_ref().unwrap().kind,
        Some(prost_types::value::Kind::NumberValue(MIN_UNITS as f64))
    );
    assert_eq!(checked.size_class_bytes.count_ones(), 1, "a power of two");

    let jobs = bench.sql.value("SELECT count(*) FROM query_job").await.unwrap();
    assert_eq!(jobs, "0", "a check keeps nothing");
}

#[tokio::test]
async fn a_refusal_lists_every_violation_with_its_place() {
    let bench = Bench::new().await;
    let text = "SELECT count(*), median(delay)\nFROM alliance.flights TABLESAMPLE BERNOULLI (10)\nGROUP BY nothing FOR UPDATE";
    let checked = bench.as_registry().check(text).await.unwrap();
    assert!(!checked.allowed);
    assert!(checked.output_schema.is_empty() && checked.effective_policy.is_none());
    assert_eq!(checked.size_class_bytes, 0);
    for violation in &checked.violations {
        assert_ne!(violation.code(), pb::ViolationCode::Unspecified, "{violation:?}");
        assert!(!violation.message.is_empty() && !violation.rule.is_empty());
    }
    let places = checked.violations.iter().filter_map(|it| it.position);
    assert!(places.clone().count() > 0, "{:?}", checked.violations);
    for place in places {
        let line: usize = text
            .lines()
            .take(place.line as usize - 1)
            .map(|it| it.chars().count() + 1)
            .sum();
        assert_eq!(place.offset as usize, line + place.column as usize - 1);
    }
    assert!(checked.violations.len() > 1, "{:?}", checked.violations);
    // The owner asks of its own rows what others may not.
    let text = "SELECT tailnum, max(delay) FROM alliance.flights GROUP BY tailnum";
    assert!(!bench.as_registry().check(text).await.unwrap().allowed);
    assert!(bench.as_alliance().check(text).await.unwrap().allowed);
}

#[tokio::test]
async fn nobody_is_no_caller() {
    let bench = Bench::new().await;
    let mut anonymous = QueryServiceClient::new(bench.anonymous());
    let error = anonymous
        .list_queries(pb::ListQueriesRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), reason(&error).as_str()),
        (Code::Unauthenticated, "CREDENTIALS_MISSING")
    );
}

#[tokio::test]
async fn a_query_is_changed_archived_restored_removed_and_remembered() {
    let bench = Bench::new().await;
    let mut registry = bench.as_registry().queries;
    let made = registry
        .create_query(new(bench.world.project_id, "SELECT 1"))
        .await
        .unwrap()
        .into_inner();
    let id = made.id.clone();
    let update = |text: &str, etag: &str| pb::UpdateQueryRequest {
        query: Some(pb::Query {
            id: made.id.clone(),
            query_text: text.to_owned(),
            etag: etag.to_owned(),
            ..pb::Query::default()
        }),
        ..Default::default()
    };
    let changed = registry
        .update_query(update("SELECT 2", &made.etag))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(changed.query_text, "SELECT 2");
    let stale = registry
        .update_query(update("SELECT 3", &made.etag))
        .await
        .unwrap_err();
    assert_eq!(
        (stale.code(), reason(&stale).as_str()),
        (Code::Aborted, "ETAG_MISMATCH")
    );
    let wrong = pb::UpdateQueryRequest {
        query: Some(pb::Query {
            id: "x".to_owned(),
            ..pb::Query::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["query_text".to_owned(), "project_id".to_owned()],
        }),
        ..Default::default()
    };
    let wrong = registry.update_query(wrong).await.unwrap_err();
    assert_eq!(fields(&wrong), ["query.id", "update_mask.paths[1]"]);

    let archive = pb::ArchiveQueryRequest {
        id: id.clone(),
        ..Default::default()
    };
    let archived = registry.archive_query(archive).await.unwrap().into_inner();
    assert!(archived.archived_at.is_some());
    let run = pb::CreateQueryJobRequest {
        query: Some(pb::create_query_job_request::Query::QueryId(id.clone())),
        ..Default::default()
    };
    let refused = bench.as_registry().jobs.create_query_job(run).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    let restore = pb::RestoreQueryRequest {
        id: id.clone(),
        etag: archived.etag,
        ..Default::default()
    };
    assert_eq!(
        registry
            .restore_query(restore)
            .await
            .unwrap()
            .into_inner()
            .archived_at,
        None
    );

    let delete = pb::DeleteQueryRequest {
        id: id.clone(),
        ..Default::default()
    };
    // Of another tenant it is not there.
    let hidden = bench
        .as_alliance()
        .queries
        .delete_query(delete.clone())
        .await
        .unwrap_err();
    assert_eq!(
        (hidden.code(), reason(&hidden).as_str()),
        (Code::NotFound, "NOT_FOUND")
    );
    registry.delete_query(delete.clone()).await.unwrap();
    let gone = registry.delete_query(delete).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);

    let history = pb::ListQueryHistoryRequest {
        query_id: id,
        ..Default::default()
    };
    let entries = registry
        .list_query_history(history.clone())
        .await
        .unwrap()
        .into_inner()
        .entries;
    let actions: Vec<_> = entries.iter().map(|it| it.action().as_str_name()).collect();
    let expected =
        ["DELETE", "RESTORE", "ARCHIVE", "UPDATE", "INSERT"].map(|it| format!("HISTORY_ACTION_{it}"));
    assert_eq!(actions, expected);
    assert_eq!(
        (entries[0].query_text.as_str(), entries[4].query_text.as_str()),
        ("SELECT 2", "SELECT 1")
    );
    let hidden = bench
        .as_alliance()
        .queries
        .list_query_history(history)
        .await
        .unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
}

#[tokio::test]
async fn lists_of_queries_are_filtered_and_ordered() {
    let bench = Bench::new().await;
    let mut registry = bench.as_registry().queries;
    for number in 0..3 {
        let text = format!("SELECT {number}");
        registry
            .create_query(new(bench.world.project_id, &text))
            .await
            .unwrap();
    }
    let list = pb::ListQueriesRequest {
        filter: "query_text:SELECT AND NOT query_text = \"* 1\"".to_owned(),
        order_by: "created_at desc".to_owned(),
        ..Default::default()
    };
    let found = registry.list_queries(list).await.unwrap().into_inner().queries;
    let texts: Vec<_> = found.iter().map(|it| it.query_text.as_str()).collect();
    assert_eq!(texts, ["SELECT 2", "SELECT 0"]);
    let jobs = pb::ListQueryJobsRequest {
        filter: "state = QUERY_JOB_STATE_DONE OR cache_hit = true".to_owned(),
        order_by: "updated_at desc, id".to_owned(),
        ..Default::default()
    };
    let found = bench
        .as_registry()
        .jobs
        .list_query_jobs(jobs)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.query_jobs, []);
    let wrong = pb::ListQueryJobsRequest {
        filter: "state = DONE".to_owned(),
        order_by: "started".to_owned(),
        page_size: -1,
        ..Default::default()
    };
    let wrong = bench.as_registry().jobs.list_query_jobs(wrong).await.unwrap_err();
    assert_eq!(fields(&wrong), ["filter", "order_by", "page_size"]);
}

#[tokio::test]
async fn what_a_project_asks_is_told_part_by_part() {
    let bench = Bench::new().await;
    bench.ask_for_approvals().await;
    let ask = async |caller: &crate::clients::Caller, table_ids: Vec<String>| {
        let request = pb::GetEffectivePolicyRequest {
            project_id: bench.world.project_id.to_string(),
            table_ids,
        };
        let mut queries = caller.queries.clone();
        queries
            .get_effective_policy(request)
            .await
            .map(tonic::Response::into_inner)
    };
    let flights = bench.flights().id.to_string();
    let analyst = bench.as_registry();
    let held = ask(&analyst, vec![]).await.unwrap();
    let names: Vec<_> = held.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(
        names,
        ["alliance.flights"],
        "own tables ask nothing of their owner"
    );
    let policy = held.effective_policy.clone().unwrap();
    assert_eq!((policy.min_units, policy.approval_required), (MIN_UNITS, true));
    let part = policy
        .parts
        .iter()
        .find(|part| part.part == "threshold.min_units");
    assert_eq!(part.unwrap().tables, ["alliance.flights"]);
    assert_eq!(ask(&analyst, vec![flights.clone()]).await.unwrap(), held);

    // To its owner the table is its own, and nobody else's answers it; others are told of nothing.
    let owner = bench.as_alliance();
    assert_eq!(
        ask(&owner, vec![]).await.unwrap(),
        pb::GetEffectivePolicyResponse::default()
    );
    assert_eq!(
        ask(&owner, vec![flights.clone()]).await.unwrap_err().code(),
        Code::NotFound
    );
    let stranger = ask(&bench.as_stranger(), vec![]).await.unwrap_err();
    assert_eq!(stranger.code(), Code::NotFound);
    let wrong = ask(&analyst, vec![flights.clone(), flights, "x".to_owned()])
        .await
        .unwrap_err();
    assert_eq!(fields(&wrong), ["table_ids[1]", "table_ids[2]"]);
}
