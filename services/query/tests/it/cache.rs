use datacovey_proto::catalog::v1::BudgetWindow;
use datacovey_proto::query::v1 as pb;
use datacovey_proto::query::v1::QueryJobState;
use serde_json::json;

use crate::clients::Caller;
use crate::fixture::Bench;

const BY_ORIGIN: &str =
    "SELECT origin, count(*) AS n, avg(delay) AS delay FROM alliance.flights GROUP BY origin";

/// Runs a text, and says whether its answer was an earlier one.
async fn is_hit(caller: &Caller, text: &str) -> bool {
    let job = caller.run(text).await;
    assert_eq!(job.state(), QueryJobState::Done, "{job:?}");
    job.cache_hit.unwrap()
}

#[tokio::test]
async fn the_same_question_has_the_same_answer_and_costs_nothing() {
    let bench = Bench::new().await;
    bench.allow_uses(1, BudgetWindow::Ever).await;
    let analyst = bench.as_registry();
    let first = analyst.run(BY_ORIGIN).await;
    assert_eq!(
        (first.state(), first.cache_hit),
        (QueryJobState::Done, Some(false))
    );

    // The layout of a text is no other question.
    let again = BY_ORIGIN.replace(' ', "\n  ");
    let checked = analyst.check(&again).await.unwrap();
    assert!(checked.allowed && checked.costs.is_empty(), "{checked:?}");
    let second = analyst.run(&again).await;
    assert_eq!(
        (second.state(), second.cache_hit),
        (QueryJobState::Done, Some(true))
    );
    assert_eq!(
        (
            second.total_rows,
            second.total_bytes_processed,
            second.total_slot_ms
        ),
        (first.total_rows, Some(0), None)
    );
    assert_eq!(
        second.results_expire_at, first.results_expire_at,
        "it does not live longer than the answer"
    );
    assert_eq!(second.output_schema, first.output_schema);
    let read = async |job: &pb::QueryJob| {
        analyst
            .read(&job.id, pb::ResultFormat::Json, 0, None)
            .await
            .unwrap()
            .rows
    };
    assert_eq!(read(&second).await, read(&first).await);
    assert_eq!(analyst.ledger().await.len(), 1);

    // The copy is its own: what becomes of the first answer is nothing to it.
    bench
        .sql
        .run(&format!("DELETE FROM query_result WHERE job_id = '{}'", first.id))
        .await
        .unwrap();
    assert_eq!(read(&second).await.len(), 2);
    assert!(is_hit(&analyst, BY_ORIGIN).await);
}

#[tokio::test]
async fn whatever_an_answer_depends_on_makes_another_question() {
    let bench = Bench::new().await;
    let analyst = bench.as_registry();
    assert!(!is_hit(&analyst, BY_ORIGIN).await);
    assert!(is_hit(&analyst, BY_ORIGIN).await);

    bench.renew_flights();
    assert!(!is_hit(&analyst, BY_ORIGIN).await, "other rows");
    assert!(is_hit(&analyst, BY_ORIGIN).await);
    bench
        .add_to_policy("threshold", json!({"min_units": 30}), |policy| {
            policy.threshold.as_mut().unwrap().min_units = Some(30);
        })
        .await;
    let job = analyst.run(BY_ORIGIN).await;
    assert_eq!(
        (job.cache_hit, job.total_rows),
        (Some(false), Some(1)),
        "another policy"
    );
    assert!(
        !is_hit(&analyst, &format!("{BY_ORIGIN} LIMIT 1")).await,
        "another statement"
    );

    // The owner asks the same and gets its own answer.
    assert!(!is_hit(&bench.as_alliance(), BY_ORIGIN).await);
    // One whose answer expires at once is computed anew.
    bench
        .sql
        .run("UPDATE query_result SET expires_at = utc_now() + interval '10 seconds'")
        .await
        .unwrap();
    assert!(!is_hit(&analyst, BY_ORIGIN).await);
}

#[tokio::test]
async fn what_depends_on_the_time_is_asked_anew() {
    let bench = Bench::new().await;
    let analyst = bench.as_registry();
    let own = "SELECT count(*) AS n FROM registry.planes";
    assert!(!is_hit(&analyst, own).await);
    assert!(is_hit(&analyst, own).await);
    for text in [
        "SELECT now() AS at, count(*) AS n FROM registry.planes",
        "SELECT random() AS x FROM registry.planes LIMIT 1",
        "SELECT n, now() AS at FROM (SELECT count(*) AS n FROM alliance.flights) released",
        "SELECT count(*) AS n FROM alliance.flights WHERE now() > TIMESTAMP '2000-01-01 00:00:00'",
        // No table, nothing to keep.
        "SELECT 1 AS one",
    ] {
        assert!(!is_hit(&analyst, text).await);
        assert!(!is_hit(&analyst, text).await, "{text}");
    }
}

#[tokio::test]
async fn a_run_has_one_instant_whichever_attempt_and_plan_it_is() {
    let bench = Bench::new().await;
    let analyst = bench.as_registry();
    let text = "SELECT r.at = now() AS same, now() AS at, current_date AS day
                FROM (SELECT now() AS at, count(*) AS n FROM alliance.flights GROUP BY now()) r";
    let job = analyst.run(text).await;
    assert_eq!(job.state(), QueryJobState::Done, "{job:?}");
    let asked = format!(
        "SELECT options ->> 'now' FROM query_run WHERE job_id = '{}'",
        job.id
    );
    let asked = bench.sql.value(&asked).await.unwrap();
    let read = analyst
        .read(&job.id, pb::ResultFormat::Json, 0, None)
        .await
        .unwrap();
    let rows = format!("{:?}", read.rows);
    let (second, day) = (&asked[..19], &asked[..10]);
    assert!(
        rows.contains("true") && rows.contains(second) && rows.contains(&format!("\"{day}\"")),
        "{asked}: {rows}"
    );
}

#[tokio::test]
async fn an_answer_that_is_gone_from_the_store_is_computed_again() {
    let bench = Bench::new().await;
    let analyst = bench.as_registry();
    assert!(!is_hit(&analyst, BY_ORIGIN).await);
    bench
        .sql
        .run("UPDATE query_result SET path = 'result/gone'")
        .await
        .unwrap();
    assert!(!is_hit(&analyst, BY_ORIGIN).await);
}

#[tokio::test]
async fn who_may_not_ask_any_more_is_given_no_earlier_answer() {
    let bench = Bench::new().await;
    let analyst = bench.as_registry();
    assert!(!is_hit(&analyst, BY_ORIGIN).await);
    bench
        .sql
        .run(&format!(
            "SET datacovey.tenant = '{0}'; UPDATE \"table\" SET archived_at = now() WHERE id = '{1}'",
            bench.alliance.id,
            bench.flights().id
        ))
        .await
        .unwrap();
    // The catalog of this test still names the table.
    let job = analyst.run(BY_ORIGIN).await;
    assert_eq!(job.state(), QueryJobState::Error, "{job:?}");
    assert_eq!(crate::jobs::error(&job, "reason"), "WORLD_CHANGED");
}
