//! Who may ask for leave and who may give it, in raw SQL.

use datacovey_error::ErrorReason;
use datacovey_persistence::{
    ApprovalDecision, DbRole, JobKind, NeededApproval, NewQueryApprovals, QueryApprovalRow,
};
use serde_json::json;
use uuid::Uuid;

use crate::leases::claimed;
use crate::refusal::{breaks, forbidden};
use crate::releases::flights_release;
use crate::world::World;

/// The question of [`flights_release`].
fn question() -> String {
    "0".repeat(64)
}

async fn asked() -> (World, QueryApprovalRow) {
    let world = World::new().await;
    let policy = json!({"privacy_unit": "tailnum", "approval": "approved"});
    world
        .admin
        .table_policy(world.airline, world.flights, &policy)
        .await;
    let row = ask(&world, 2).await;
    (world, row)
}

async fn ask(world: &World, policy_version: i64) -> QueryApprovalRow {
    let query = world.database.open(DbRole::Query).await;
    let new = NewQueryApprovals {
        project_id: world.project,
        query_text: "SELECT count(*) FROM air.flights".to_owned(),
        parameters: json!({}),
        question: question(),
        tables: json!([]),
        needed: vec![NeededApproval {
            table_id: world.flights,
            owner: world.airline.id,
            policy_version,
        }],
    };
    let mut rows = query
        .query_approval_request(&world.registry.ctx(), new, None)
        .await
        .unwrap();
    rows.remove(0)
}

fn insert(world: &World, tenant: Uuid, requester: Uuid, user: Uuid) -> String {
    format!(
        "INSERT INTO query_approval (tenant_id, table_id, project_id, policy_version, requester_tenant_id, requested_by,
             query_text, tables, question)
         VALUES ('{tenant}', '{}', '{}', 2, '{requester}', '{user}', 'SELECT 1', '[]', '{}')",
        world.flights,
        world.project,
        "1".repeat(64)
    )
}

#[tokio::test]
async fn leave_is_asked_by_who_may_query_and_given_by_who_owns() {
    let (world, row) = asked().await;
    let approve = format!(
        "UPDATE query_approval SET state = 'approved' WHERE id = '{}' RETURNING id",
        row.id
    );
    let (analyst, owner) = (
        world.registry_as("datacovey_query").await,
        world.airline_as("datacovey_query").await,
    );
    let stranger = world.stranger_as("datacovey_query").await;
    // Nobody asks in the name of another, or of a table that it does not see, or of which another is the owner.
    let (registry, airline) = (world.registry, world.airline);
    forbidden(
        owner
            .run(&insert(&world, airline.id, registry.id, registry.admin))
            .await,
    );
    forbidden(
        analyst
            .run(&insert(&world, airline.id, registry.id, airline.admin))
            .await,
    );
    breaks(
        analyst
            .run(&insert(&world, registry.id, registry.id, registry.admin))
            .await,
        "query_approval_table_id_fkey",
    );
    let strange = insert(&world, airline.id, world.stranger.id, world.stranger.admin);
    breaks(stranger.run(&strange).await, "project_is_seen");
    let given = "INSERT INTO query_approval (state) VALUES ('approved')";
    forbidden(analyst.run(given).await);

    // The one that asks sees what it asked, and changes nothing.
    for sql in [&analyst, &stranger] {
        assert!(sql.rows(&approve).await.unwrap().is_empty());
        forbidden(sql.run("UPDATE query_approval SET question = ''").await);
        forbidden(sql.run("DELETE FROM query_approval").await);
    }
    let count = "SELECT count(*) FROM query_approval";
    assert_eq!(analyst.value(count).await.unwrap(), "1");
    assert_eq!(stranger.value(count).await.unwrap(), "0");

    assert_eq!(owner.rows(&approve).await.unwrap().len(), 1);
    let decided = "SELECT approver_user_id, changed_at > created_at FROM query_approval";
    assert_eq!(
        owner.rows(decided).await.unwrap(),
        [[airline.admin.to_string(), "t".to_owned()]]
    );
    breaks(owner.rows(&approve).await, "query_approval_state_moves");
    owner
        .run("UPDATE query_approval SET state = 'revoked'")
        .await
        .unwrap();
    breaks(
        owner.run("UPDATE query_approval SET state = 'requested'").await,
        "query_approval_state_moves",
    );
}

#[tokio::test]
async fn nothing_is_released_without_leave_for_this_very_question() {
    let (world, row) = asked().await;
    let (query, worker) = (
        world.database.open(DbRole::Query).await,
        world.database.open(DbRole::QueryWorker).await,
    );
    world.admin.query_job(world.registry, world.query).await;
    let job = claimed(&worker, JobKind::Query).await;
    let release = async |question: String| {
        let mut release = flights_release(&world, Some(2));
        release.question = question;
        worker.query_release(&job.ctx(), &job.lease, release).await
    };
    let decide = async |id, decision| {
        query
            .query_approval_decide(&world.airline.ctx(), id, "", decision, None)
            .await
    };
    let refused = release(question()).await.unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::WorldChanged, "only asked for");
    decide(row.id, ApprovalDecision::Approve).await.unwrap();
    let refused = release("1".repeat(64)).await.unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::WorldChanged, "another question");
    decide(row.id, ApprovalDecision::Revoke).await.unwrap();
    let refused = release(question()).await.unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::WorldChanged, "taken back");
    let again = ask(&world, 2).await;
    decide(again.id, ApprovalDecision::Approve).await.unwrap();
    release(question()).await.unwrap();
}

#[tokio::test]
async fn leave_taken_back_during_a_release_comes_before_it_or_after_it() {
    let (world, row) = asked().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    world.admin.query_job(world.registry, world.query).await;
    let job = claimed(&worker, JobKind::Query).await;
    let owner = world.airline_as("datacovey_query").await;
    owner
        .run("UPDATE query_approval SET state = 'approved'")
        .await
        .unwrap();
    let revoke = format!(
        "BEGIN; UPDATE query_approval SET state = 'revoked' WHERE id = '{}'",
        row.id
    );
    owner.run(&revoke).await.unwrap();
    let ctx = job.ctx();
    let (released, ()) = tokio::join!(
        worker.query_release(&ctx, &job.lease, flights_release(&world, Some(2))),
        async {
            world.wait_for_a_lock().await;
            owner.run("COMMIT").await.unwrap();
        }
    );
    assert_eq!(released.unwrap_err().reason(), ErrorReason::WorldChanged);
}
