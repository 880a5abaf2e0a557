use datacovey_proto::catalog::v1::BudgetWindow;
use datacovey_proto::query::v1 as pb;
use datacovey_proto::query::v1::QueryJobState;
use tonic::Code;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::clients::{fields, reason};
use crate::fixture::Bench;
use crate::jobs::error;

const COUNT: &str = "SELECT count(*) AS n FROM alliance.flights";
const BY_ORIGIN: &str = "SELECT origin, count(*) AS n FROM alliance.flights GROUP BY origin";
/// Two releases read the flights.
const TWICE: &str = "SELECT a.n, b.n AS m FROM (SELECT count(*) AS n FROM alliance.flights) a,
                     (SELECT count(delay) AS n FROM alliance.flights) b";

#[tokio::test]
async fn a_use_is_a_release_and_is_charged_before_it() {
    let bench = Bench::new().await;
    bench.allow_uses(3, BudgetWindow::Ever).await;
    let analyst = bench.as_registry();
    let flights = bench.flights().id;

    let checked = analyst.check(TWICE).await.unwrap();
    assert!(checked.allowed, "{:?}", checked.violations);
    let cost = &checked.costs[0];
    assert_eq!(
        (cost.table_id.as_str(), cost.amount, cost.remaining),
        (flights.to_string().as_str(), 2.0, 3.0)
    );
    assert_eq!(cost.resets_at, None);
    assert!(analyst.ledger().await.is_empty(), "a check charges nothing");

    assert_eq!(analyst.run(TWICE).await.state(), QueryJobState::Done);
    let [budget] = analyst.budget(flights).await.try_into().unwrap();
    assert_eq!(
        (budget.kind(), budget.limit, budget.used),
        (pb::BudgetKind::Access, 3.0, 2.0)
    );

    // What does not fit is refused as a whole, and what fits is not.
    let other = TWICE.replace("count(delay)", "sum(delay)");
    let checked = analyst.check(&other).await.unwrap();
    assert!(!checked.allowed);
    assert_eq!(checked.violations[0].code(), pb::ViolationCode::BudgetSpent);
    assert_eq!(checked.violations[0].table, "alliance.flights");
    assert_eq!((checked.costs[0].amount, checked.costs[0].remaining), (2.0, 1.0));
    let refused = analyst.start(&other).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "BUDGET_SPENT")
    );
    assert!(
        refused.message().contains("alliance.flights 2 times"),
        "{refused}"
    );
    assert!(refused.message().contains("never renewed"), "{refused}");
    assert!(refused.get_error_details().retry_info().is_none());
    assert_eq!(analyst.run(COUNT).await.state(), QueryJobState::Done);
    let refused = analyst.start(BY_ORIGIN).await.unwrap_err();
    assert_eq!(reason(&refused), "BUDGET_SPENT");
    assert_eq!(
        bench.sql.value("SELECT count(*) FROM query_job").await.unwrap(),
        "2"
    );
}

#[tokio::test]
async fn a_spent_budget_says_when_it_is_full_again() {
    let bench = Bench::new().await;
    bench.allow_uses(1, BudgetWindow::Day).await;
    let analyst = bench.as_registry();
    analyst.rows(COUNT).await;
    let refused = analyst.start(BY_ORIGIN).await.unwrap_err();
    let details = refused.get_error_details();
    let wait = details.retry_info().unwrap().retry_delay.unwrap();
    assert!(wait.as_secs() <= 24 * 3600, "{wait:?}");
    assert!(details.error_info().unwrap().metadata["resets_at"].contains("T00:00:00"));
    let [budget] = analyst.budget(bench.flights().id).await.try_into().unwrap();
    assert!(budget.resets_at.is_some());

    // A window later it is.
    bench
        .sql
        .run("SET session_replication_role = replica; UPDATE budget_ledger SET created_at = created_at - interval '1 day'")
        .await
        .unwrap();
    assert_eq!(analyst.budget(bench.flights().id).await[0].used, 0.0);
    analyst.rows(BY_ORIGIN).await;
}

#[tokio::test]
async fn runs_at_once_share_the_last_uses() {
    let bench = Bench::new().await;
    bench.allow_uses(3, BudgetWindow::Month).await;
    let analyst = bench.as_registry();
    let texts: Vec<String> = (0..8)
        .map(|n| format!("SELECT count(*) + {n} AS n FROM alliance.flights"))
        .collect();
    let started = futures::future::join_all(texts.iter().map(|text| analyst.start(text))).await;
    let (mut done, mut refused_runs) = (0, 0);
    for job in started {
        match job {
            Ok(job) => {
                let job = analyst.end(&job.id).await;
                if job.state() == QueryJobState::Done {
                    done += 1;
                } else {
                    assert_eq!(error(&job, "reason"), "BUDGET_SPENT");
                    assert_eq!(job.violations[0].code(), pb::ViolationCode::BudgetSpent);
                    refused_runs += 1;
                }
            }
            Err(refused) => assert_eq!(reason(&refused), "BUDGET_SPENT"),
        }
    }
    assert_eq!(done, 3);
    // The owner is told of each run, and of what was refused before there was one of nothing.
    let told = bench.as_alliance().releases().await;
    let of = |outcome| told.iter().filter(|it| it.outcome() == outcome).count();
    assert_eq!(of(pb::ReleaseOutcome::Released), 3);
    assert_eq!(of(pb::ReleaseOutcome::Refused), refused_runs);
    assert_eq!(told.len(), 3 + refused_runs);
    assert!(analyst.releases().await.is_empty());
    assert_eq!(
        bench
            .sql
            .value("SELECT sum(amount) FROM budget_ledger")
            .await
            .unwrap(),
        "3"
    );
}

#[tokio::test]
async fn a_run_that_fails_has_paid_and_a_repeat_is_no_second_run() {
    let bench = Bench::new().await;
    bench.allow_uses(2, BudgetWindow::Week).await;
    let analyst = bench.as_registry();
    // An airport is no number.
    let fails = format!("SELECT CAST(origin AS BIGINT) AS n FROM ({BY_ORIGIN}) released");
    assert_eq!(analyst.run(&fails).await.state(), QueryJobState::Error);
    assert_eq!(analyst.budget(bench.flights().id).await[0].used, 1.0);

    let request = pb::CreateQueryJobRequest {
        project_id: bench.world.project_id.to_string(),
        query: Some(pb::create_query_job_request::Query::QueryText(COUNT.to_owned())),
        request_id: "once".to_owned(),
        ..Default::default()
    };
    let first = analyst
        .jobs
        .clone()
        .create_query_job(request.clone())
        .await
        .unwrap()
        .into_inner();
    analyst.end(&first.id).await;
    assert_eq!(
        reason(&analyst.start(BY_ORIGIN).await.unwrap_err()),
        "BUDGET_SPENT"
    );
    let again = analyst
        .jobs
        .clone()
        .create_query_job(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        again.id, first.id,
        "what the first run used does not keep a repeat from its answer"
    );
    assert_eq!(analyst.ledger().await.len(), 2);
}

#[tokio::test]
async fn charges_are_seen_by_who_paid_and_by_who_owns() {
    let bench = Bench::new().await;
    bench.allow_uses(5, BudgetWindow::Day).await;
    let analyst = bench.as_registry();
    let job = analyst.run(COUNT).await;
    let [mine] = analyst.ledger().await.try_into().unwrap();
    assert_eq!((mine.query_job_id.as_str(), mine.amount), (job.id.as_str(), 1.0));
    assert_eq!(mine.kind(), pb::BudgetKind::Access);
    let [owners] = bench.as_alliance().ledger().await.try_into().unwrap();
    assert_eq!(
        (owners.query_job_id.as_str(), &owners.analyst_tenant_id),
        ("", &mine.analyst_tenant_id)
    );
    assert!(bench.as_stranger().ledger().await.is_empty());
    // Own share only: the owner has used nothing of its own, and costs itself nothing.
    assert_eq!(bench.as_alliance().budget(bench.flights().id).await[0].used, 0.0);
    assert_eq!(bench.as_alliance().check(COUNT).await.unwrap().costs, []);

    let request = |table_id: &str| pb::GetBudgetRequest {
        table_id: table_id.to_owned(),
    };
    let flights = bench.flights().id.to_string();
    let mut strange = bench.as_stranger().budgets;
    assert_eq!(
        strange.get_budget(request(&flights)).await.unwrap_err().code(),
        Code::NotFound
    );
    let mut budgets = analyst.budgets.clone();
    assert_eq!(
        budgets
            .get_budget(request(&Uuid::nil().to_string()))
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    let wrong = budgets.get_budget(request("x")).await.unwrap_err();
    assert_eq!(fields(&wrong), ["table_id"]);
    let list = pb::ListLedgerRequest {
        table_id: Some("x".to_owned()),
        filter: "amount = 1".to_owned(),
        order_by: "amount".to_owned(),
        page_size: -1,
        ..Default::default()
    };
    let wrong = budgets.list_ledger(list).await.unwrap_err();
    assert_eq!(fields(&wrong), ["table_id", "filter", "order_by", "page_size"]);
    let list = pb::ListLedgerRequest {
        table_id: Some(Uuid::nil().to_string()),
        filter: "kind = BUDGET_KIND_ACCESS".to_owned(),
        order_by: "charged_at desc".to_owned(),
        ..Default::default()
    };
    assert_eq!(budgets.list_ledger(list).await.unwrap().into_inner().entries, []);
    // A table without a budget has none.
    let planes = bench.world.tables.lock().unwrap()[1].id;
    assert_eq!(analyst.budget(planes).await, []);
}

#[tokio::test]
async fn a_ledger_comes_page_by_page() {
    let bench = Bench::new().await;
    bench.allow_uses(9, BudgetWindow::Day).await;
    let analyst = bench.as_registry();
    for n in 0..3 {
        analyst
            .rows(&format!("SELECT count(*) + {n} AS n FROM alliance.flights"))
            .await;
    }
    let mut list = pb::ListLedgerRequest {
        page_size: 2,
        ..Default::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = analyst
            .budgets
            .clone()
            .list_ledger(list.clone())
            .await
            .unwrap()
            .into_inner();
        seen.extend(page.entries.into_iter().map(|it| it.query_job_id));
        list.page_token = page.next_page_token;
        if list.page_token.is_empty() {
            break;
        }
    }
    let all: Vec<_> = analyst
        .ledger()
        .await
        .into_iter()
        .map(|it| it.query_job_id)
        .collect();
    assert_eq!((seen.len(), seen), (3, all));
}

#[tokio::test]
async fn a_scope_is_charged_and_another_renews_nothing() {
    let bench = Bench::new().await;
    bench.allow_uses(3, BudgetWindow::Ever).await;
    bench.scope_uses("fleet").await;
    let analyst = bench.as_registry();
    let checked = analyst.check(COUNT).await.unwrap();
    let parts = checked.effective_policy.unwrap().parts;
    let scope = parts.iter().find(|part| part.part == "budget_scope");
    assert_eq!(scope.unwrap().tables, ["alliance.flights"]);
    analyst.rows(COUNT).await;
    let charged = "SELECT budget_scope || ' ' || table_name FROM budget_ledger";
    assert_eq!(bench.sql.value(charged).await.unwrap(), "fleet alliance.flights");
    bench.scope_uses("another").await;
    let [budget] = analyst.budget(bench.flights().id).await.try_into().unwrap();
    assert_eq!((budget.limit, budget.used), (3.0, 1.0));
    let checked = analyst.check(TWICE).await.unwrap();
    assert_eq!((checked.costs[0].amount, checked.costs[0].remaining), (2.0, 2.0));
}
