use datacovey_proto::query::v1 as pb;
use datacovey_proto::query::v1::{ApprovalState, QueryJobState};
use datacovey_types::Role;
use tonic::Code;
use uuid::Uuid;

use crate::clients::{fields, number, reason};
use crate::fixture::Bench;
use crate::jobs::error;

const COUNT: &str = "SELECT count(*) AS n FROM alliance.flights";
const OVERLAP: &str = "SELECT count(DISTINCT f.tailnum) AS planes FROM alliance.flights f
                       JOIN registry.planes p ON f.tailnum = p.tailnum";

async fn waiting() -> (Bench, pb::QueryApproval) {
    let bench = Bench::new().await;
    bench.ask_for_approvals().await;
    let [approval] = bench
        .as_registry()
        .ask(OVERLAP)
        .await
        .unwrap()
        .try_into()
        .unwrap();
    (bench, approval)
}

#[tokio::test]
async fn only_what_is_approved_runs() {
    let (bench, approval) = waiting().await;
    let (analyst, owner) = (bench.as_registry(), bench.as_alliance());
    let checked = analyst.check(OVERLAP).await.unwrap();
    assert!(!checked.allowed);
    assert_eq!(checked.violations[0].code(), pb::ViolationCode::ApprovalMissing);
    assert_eq!(checked.violations[0].table, "alliance.flights");
    assert!(checked.effective_policy.unwrap().approval_required);
    let refused = analyst.start(OVERLAP).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "QUERY_REFUSED")
    );

    // The owner sees what it is asked for, the analyst's own table included.
    let listed = owner
        .queries
        .clone()
        .list_approvals(pb::ListApprovalsRequest::default())
        .await
        .unwrap();
    assert_eq!(listed.into_inner().approvals, std::slice::from_ref(&approval));
    assert_eq!(
        (approval.state(), approval.query_text.as_str()),
        (ApprovalState::Requested, OVERLAP)
    );
    assert_eq!(approval.query_sha256.len(), 64);
    let tables: Vec<_> = approval
        .tables
        .iter()
        .map(|it| (it.name.as_str(), it.policy_version))
        .collect();
    assert_eq!(tables, [("alliance.flights", 2), ("registry.planes", 0)]);
    // To ask again is to ask once.
    assert_eq!(
        analyst.ask(OVERLAP).await.unwrap(),
        std::slice::from_ref(&approval)
    );

    let approved = owner.approve(&approval.id, &approval.etag).await.unwrap();
    assert_eq!(approved.state(), ApprovalState::Approved);
    assert_eq!(approved.approver_user_id, bench.alliance.admin.to_string());
    assert_eq!(
        analyst.ask(OVERLAP).await.unwrap()[0].approver_user_id,
        "",
        "who decided is the owner's own"
    );
    assert!(analyst.check(OVERLAP).await.unwrap().allowed);
    assert_eq!(number(&analyst.rows(OVERLAP).await[0], "planes"), 60.0);
    // Leave is for the exact text.
    for other in [COUNT.to_owned(), format!("{OVERLAP} ")] {
        assert!(!analyst.check(&other).await.unwrap().allowed, "{other}");
    }
    // The owner needs nobody's.
    assert!(owner.check(COUNT).await.unwrap().allowed);

    let revoked = owner.revoke(&approval.id).await.unwrap();
    assert_eq!(revoked.state(), ApprovalState::Revoked);
    assert_eq!(
        owner.revoke(&approval.id).await.unwrap(),
        revoked,
        "once more changes nothing"
    );
    assert_eq!(
        reason(&analyst.start(OVERLAP).await.unwrap_err()),
        "QUERY_REFUSED",
        "not from the cache either"
    );
    let again = owner.approve(&approval.id, "").await.unwrap_err();
    assert_eq!(
        (again.code(), reason(&again).as_str()),
        (Code::FailedPrecondition, "WRONG_STATE")
    );
    // What was refused may be asked for anew.
    let [anew] = analyst.ask(OVERLAP).await.unwrap().try_into().unwrap();
    assert_ne!(anew.id, approval.id);
}

#[tokio::test]
async fn whatever_leave_binds_needs_another_when_it_changes() {
    let (bench, approval) = waiting().await;
    let (analyst, owner) = (bench.as_registry(), bench.as_alliance());
    owner.approve(&approval.id, "").await.unwrap();
    assert!(analyst.check(OVERLAP).await.unwrap().allowed);
    // New rows of the owner's do not change what was asked.
    bench.renew_flights();
    assert!(analyst.check(OVERLAP).await.unwrap().allowed);

    let schema = bench.world.tables.lock().unwrap()[1].schema.clone();
    let mut wider = schema.clone();
    wider["properties"]["seats"] = serde_json::json!({ "type": ["integer", "null"] });
    bench.world.tables.lock().unwrap()[1].schema = wider;
    assert!(
        !analyst.check(OVERLAP).await.unwrap().allowed,
        "other columns of the analyst's own table"
    );
    bench.world.tables.lock().unwrap()[1].schema = schema;
    assert!(analyst.check(OVERLAP).await.unwrap().allowed);

    bench
        .allow_uses(100, datacovey_proto::catalog::v1::BudgetWindow::Day)
        .await;
    assert!(
        !analyst.check(OVERLAP).await.unwrap().allowed,
        "another version of the policy"
    );
    let [anew] = analyst.ask(OVERLAP).await.unwrap().try_into().unwrap();
    assert_ne!(anew.id, approval.id);
    assert_eq!(anew.tables[0].policy_version, 3);
}

#[tokio::test]
async fn the_owner_decides_and_nobody_else() {
    let (bench, approval) = waiting().await;
    let denied = bench.as_registry().approve(&approval.id, "").await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert_eq!(
        bench.as_registry().revoke(&approval.id).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    assert_eq!(
        bench
            .as_stranger()
            .approve(&approval.id, "")
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    let mut listed = bench.as_stranger().queries;
    let listed = listed
        .list_approvals(pb::ListApprovalsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.approvals, []);
    for role in [Role::DatasetEditor, Role::DatasetUser] {
        let mut ctx = bench.alliance.ctx();
        ctx.principal.role = role;
        let denied = bench.client(&ctx).approve(&approval.id, "").await.unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied, "{role}");
    }
    let owner = bench.as_alliance();
    let stale = owner.approve(&approval.id, "stale").await.unwrap_err();
    assert_eq!(
        (stale.code(), reason(&stale).as_str()),
        (Code::Aborted, "ETAG_MISMATCH")
    );
    assert_eq!(
        owner
            .approve(&Uuid::nil().to_string(), "")
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    assert_eq!(fields(&owner.approve("x", "").await.unwrap_err()), ["id"]);
    // Refused without having been approved.
    assert_eq!(
        owner.revoke(&approval.id).await.unwrap().state(),
        ApprovalState::Revoked
    );
    assert!(!bench.as_registry().check(OVERLAP).await.unwrap().allowed);
}

#[tokio::test]
async fn bad_requests_for_approval_say_what_is_wrong() {
    let (bench, _) = waiting().await;
    let analyst = bench.as_registry();
    // What no approval would let run is not asked for.
    let refused = analyst
        .ask("SELECT tailnum FROM alliance.flights")
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "QUERY_REFUSED")
    );
    assert_eq!(
        analyst.ask("SELECT count(*) FROM registry.planes").await.unwrap(),
        [],
        "nobody's is needed"
    );
    assert_eq!(
        bench.as_stranger().ask(COUNT).await.unwrap_err().code(),
        Code::NotFound
    );
    let request = pb::RequestApprovalRequest {
        project_id: "x".to_owned(),
        request_id: "a b".to_owned(),
        ..Default::default()
    };
    let wrong = analyst
        .queries
        .clone()
        .request_approval(request)
        .await
        .unwrap_err();
    assert_eq!(fields(&wrong), ["request_id", "project_id", "query"]);
    let list = pb::ListApprovalsRequest {
        project_id: Some("x".to_owned()),
        filter: "state = approved".to_owned(),
        order_by: "state".to_owned(),
        ..Default::default()
    };
    let wrong = analyst.queries.clone().list_approvals(list).await.unwrap_err();
    assert_eq!(fields(&wrong), ["project_id", "filter", "order_by"]);
    let list = pb::ListApprovalsRequest {
        project_id: Some(bench.world.project_id.to_string()),
        filter: "state = APPROVAL_STATE_APPROVED".to_owned(),
        ..Default::default()
    };
    let approved = analyst
        .queries
        .clone()
        .list_approvals(list)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(approved.approvals, []);
}

#[tokio::test]
async fn a_repeat_of_a_request_asks_nobody_again() {
    let bench = Bench::new().await;
    bench.ask_for_approvals().await;
    let request = pb::RequestApprovalRequest {
        project_id: bench.world.project_id.to_string(),
        query: Some(pb::request_approval_request::Query::QueryText(COUNT.to_owned())),
        request_id: "once".to_owned(),
        ..Default::default()
    };
    let mut analyst = bench.as_registry().queries;
    let first = analyst
        .request_approval(request.clone())
        .await
        .unwrap()
        .into_inner()
        .approvals;
    bench.as_alliance().revoke(&first[0].id).await.unwrap();
    let again = analyst
        .request_approval(request)
        .await
        .unwrap()
        .into_inner()
        .approvals;
    assert_eq!(
        (again[0].id.as_str(), again[0].state()),
        (first[0].id.as_str(), ApprovalState::Revoked)
    );
    assert_eq!(
        bench
            .sql
            .value("SELECT count(*) FROM query_approval")
            .await
            .unwrap(),
        "1"
    );
    // A run that waits for nothing else ends as it was refused.
    assert_eq!(bench.as_alliance().run(COUNT).await.state(), QueryJobState::Done);
}

#[tokio::test]
async fn leave_is_looked_for_again_when_a_worker_takes_the_run() {
    let (bench, approval) = waiting().await;
    // Queued past the service, as a run would be whose leave was taken back while it waited.
    let query = bench
        .sql
        .query(bench.registry.id, bench.world.project_id, OVERLAP)
        .await;
    let job = bench.sql.query_job(bench.registry, query).await.to_string();
    let job = bench.as_registry().end(&job).await;
    assert_eq!(error(&job, "reason"), "QUERY_REFUSED");
    assert_eq!(job.violations[0].code(), pb::ViolationCode::ApprovalMissing);

    bench.as_alliance().approve(&approval.id, "").await.unwrap();
    let job = bench.sql.query_job(bench.registry, query).await.to_string();
    assert_eq!(bench.as_registry().end(&job).await.state(), QueryJobState::Done);
}

#[tokio::test]
async fn leave_is_for_the_values_of_parameters_too() {
    let bench = Bench::new().await;
    bench.ask_for_approvals().await;
    let (analyst, owner) = (bench.as_registry(), bench.as_alliance());
    let text = "SELECT count(*) AS n FROM alliance.flights WHERE origin = $origin";
    let of = |origin: &str| {
        let value = prost_types::Value {
            kind: Some(prost_types::value::Kind::StringValue(origin.to_owned())),
        };
        Some(prost_types::Struct {
            fields: [("origin".to_owned(), value)].into(),
        })
    };
    let request = |origin: &str| pb::RequestApprovalRequest {
        project_id: bench.world.project_id.to_string(),
        query: Some(pb::request_approval_request::Query::QueryText(text.to_owned())),
        parameters: of(origin),
        ..pb::RequestApprovalRequest::default()
    };
    let ask = async |origin: &str| {
        let mut queries = analyst.queries.clone();
        let answer = queries.request_approval(request(origin)).await.unwrap();
        let [approval] = answer.into_inner().approvals.try_into().unwrap();
        approval
    };
    let jfk = ask("JFK").await;
    assert_eq!((&jfk.parameters, jfk.query_text.as_str()), (&of("JFK"), text));
    assert_eq!(ask("JFK").await.id, jfk.id, "to ask again is to ask once");
    let ewr = ask("EWR").await;
    assert_ne!(ewr.id, jfk.id);
    owner.approve(&jfk.id, &jfk.etag).await.unwrap();

    let job = analyst.start_with(text, of("JFK")).await.unwrap();
    assert_eq!(analyst.end(&job.id).await.state(), QueryJobState::Done);
    for other in [of("EWR"), of("jfk"), of("JFK ")] {
        let refused = analyst.start_with(text, other).await.unwrap_err();
        assert_eq!(reason(&refused), "QUERY_REFUSED", "{refused:?}");
    }
    // The value in its place is another text.
    let literal = text.replace("$origin", "'JFK'");
    assert!(!analyst.check(&literal).await.unwrap().allowed);
}
