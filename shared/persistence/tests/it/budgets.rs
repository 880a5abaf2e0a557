//! The door through which runs are charged, and the wall behind it.

use datacovey_error::ErrorReason;
use datacovey_persistence::{BudgetOf, CheckedTable, ClaimedJob, Database, DbRole, JobKind};
use serde_json::json;
use uuid::Uuid;

use crate::leases::claimed;
use crate::refusal::{breaks, forbidden};
use crate::world::World;

/// The registry may release three times a day from the airline's flights.
async fn budgeted() -> (World, Database) {
    let world = World::new().await;
    set_budget(&world, world.flights, 3).await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    (world, worker)
}

async fn set_budget(world: &World, table: Uuid, uses: u64) {
    let policy = json!({"privacy_unit": "tailnum", "access_budget": {"uses": uses, "window": "day"}});
    world.admin.table_policy(world.airline, table, &policy).await;
}

async fn job(world: &World, worker: &Database) -> ClaimedJob {
    world.admin.query_job(world.registry, world.query).await;
    claimed(worker, JobKind::Query).await
}

fn uses(table_id: Uuid, policy_version: i64, uses: i64) -> [CheckedTable; 1] {
    [CheckedTable {
        table_id,
        policy_version: Some(policy_version),
        uses,
    }]
}

async fn used(world: &World) -> String {
    world
        .admin
        .value("SELECT coalesce(sum(amount), 0) FROM budget_ledger")
        .await
        .unwrap()
}

#[tokio::test]
async fn a_job_is_charged_once_however_often_it_is_tried() {
    let (world, worker) = budgeted().await;
    let first = job(&world, &worker).await;
    let charge = async |job: &ClaimedJob, count| {
        worker
            .access_charge(&job.ctx(), &job.lease, &uses(world.flights, 2, count))
            .await
    };
    assert_eq!(charge(&first, 2).await.unwrap(), []);
    assert_eq!(charge(&first, 2).await.unwrap(), []);
    assert_eq!(used(&world).await, "2");
    // Should it need more when it is tried again, it pays the rest.
    assert_eq!(charge(&first, 3).await.unwrap(), []);
    assert_eq!(used(&world).await, "3");

    let second = job(&world, &worker).await;
    let [short] = charge(&second, 1).await.unwrap().try_into().unwrap();
    assert_eq!(
        (short.table.as_str(), short.uses, short.used, short.limit),
        ("air.flights", 1, 3.0, 3)
    );
    assert!(short.resets_at.is_some());
    assert_eq!(used(&world).await, "3");
    // Nothing is charged by who does not hold the job, nor under another policy.
    let mut lost = second.lease.clone();
    lost.attempt += 1;
    let refused = worker
        .access_charge(&second.ctx(), &lost, &uses(world.flights, 2, 1))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::WrongState);
    let refused = worker
        .access_charge(&second.ctx(), &second.lease, &uses(world.flights, 1, 1))
        .await;
    assert_eq!(refused.unwrap_err().reason(), ErrorReason::WorldChanged);
}

#[tokio::test]
async fn a_charge_is_all_or_nothing() {
    let (world, worker) = budgeted().await;
    let schema = datacovey_testing::schema_of(&["tailnum"]);
    let more = world
        .admin
        .table(world.airline.id, world.dataset, "more", &schema)
        .await;
    set_budget(&world, more, 1).await;
    let job = job(&world, &worker).await;
    let tables = [uses(world.flights, 2, 1), uses(more, 1, 2)].concat();
    let short = worker
        .access_charge(&job.ctx(), &job.lease, &tables)
        .await
        .unwrap();
    assert_eq!(
        short.iter().map(|it| it.table.as_str()).collect::<Vec<_>>(),
        ["air.more"]
    );
    assert_eq!(used(&world).await, "0");
}

#[tokio::test]
async fn races_do_not_overdraw() {
    let (world, worker) = budgeted().await;
    let mut jobs = Vec::new();
    for _ in 0..8 {
        jobs.push(job(&world, &worker).await);
    }
    let tables = uses(world.flights, 2, 1);
    let charges = jobs.iter().map(async |job| {
        let short = worker
            .access_charge(&job.ctx(), &job.lease, &tables)
            .await
            .unwrap();
        short.is_empty()
    });
    let charged = futures::future::join_all(charges)
        .await
        .into_iter()
        .filter(|it| *it)
        .count();
    assert_eq!((charged, used(&world).await.as_str()), (3, "3"));
}

#[tokio::test]
async fn neither_a_new_table_nor_a_new_name_renews_a_budget() {
    let (world, worker) = budgeted().await;
    let first = job(&world, &worker).await;
    worker
        .access_charge(&first.ctx(), &first.lease, &uses(world.flights, 2, 3))
        .await
        .unwrap();
    let query = world.database.open(DbRole::Query).await;
    let left = async |table_id, name: &str, scope: &str| {
        let budget = BudgetOf {
            table_id,
            owner: world.airline.id,
            name: name.to_owned(),
            scope: scope.to_owned(),
            kind: "access",
            window: "day",
        };
        query
            .budget_state(&world.registry.ctx(), &budget)
            .await
            .unwrap()
            .used
    };
    assert_eq!(left(Uuid::nil(), "air.flights", "air.flights").await, 3.0);
    assert_eq!(left(world.flights, "air.renamed", "air.renamed").await, 3.0);
    assert_eq!(left(Uuid::nil(), "air.others", "air.others").await, 0.0);
    // Nor does a scope, whoever has it.
    assert_eq!(left(world.flights, "air.renamed", "fleet").await, 3.0);
    assert_eq!(left(Uuid::nil(), "air.flights", "fleet").await, 3.0);
    assert_eq!(left(Uuid::nil(), "air.others", "air.flights").await, 3.0);

    world.admin.act_for(world.airline.id, world.airline.admin).await;
    world
        .admin
        .run(&format!(
            "UPDATE \"table\" SET archived_at = now() WHERE id = '{}'",
            world.flights
        ))
        .await
        .unwrap();
    let schema = datacovey_testing::schema_of(&["tailnum"]);
    let anew = world
        .admin
        .table(world.airline.id, world.dataset, "flights", &schema)
        .await;
    set_budget(&world, anew, 3).await;
    let second = job(&world, &worker).await;
    let short = worker
        .access_charge(&second.ctx(), &second.lease, &uses(anew, 1, 1))
        .await
        .unwrap();
    assert_eq!(short.len(), 1);
}

#[tokio::test]
async fn tables_of_one_scope_share_its_budget() {
    let (world, worker) = budgeted().await;
    let schema = datacovey_testing::schema_of(&["tailnum"]);
    let more = world
        .admin
        .table(world.airline.id, world.dataset, "more", &schema)
        .await;
    let scoped = json!({
        "privacy_unit": "tailnum", "access_budget": {"uses": 3, "window": "day"}, "budget_scope": "fleet",
    });
    world
        .admin
        .table_policy(world.airline, world.flights, &scoped)
        .await;
    world.admin.table_policy(world.airline, more, &scoped).await;
    let charge = async |flights: i64, others: i64| {
        let job = job(&world, &worker).await;
        let tables = [uses(world.flights, 3, flights), uses(more, 1, others)].concat();
        worker
            .access_charge(&job.ctx(), &job.lease, &tables)
            .await
            .unwrap()
    };
    // Together they are more than there is, and each is told so.
    let short = charge(2, 2).await;
    let told: Vec<_> = short.iter().map(|it| (it.table.as_str(), it.uses)).collect();
    assert_eq!(told, [("air.flights", 4), ("air.more", 4)]);
    assert_eq!(used(&world).await, "0");
    assert_eq!(charge(1, 1).await, []);
    let names =
        "SELECT string_agg(budget_scope || ' ' || table_name, ', ' ORDER BY table_name) FROM budget_ledger";
    assert_eq!(
        world.admin.value(names).await.unwrap(),
        "fleet air.flights, fleet air.more"
    );
    assert_eq!(
        charge(0, 2).await.len(),
        2,
        "what one has used is used for the other"
    );
    assert_eq!(charge(0, 1).await, []);
    // A scope that is left takes along what was used of it.
    set_budget(&world, world.flights, 1).await;
    let job = job(&world, &worker).await;
    let short = worker
        .access_charge(&job.ctx(), &job.lease, &uses(world.flights, 4, 1))
        .await
        .unwrap();
    assert_eq!((short.len(), short[0].used), (1, 1.0));
}

#[tokio::test]
async fn the_ledger_is_read_by_both_sides_and_written_by_the_door_alone() {
    let (world, worker) = budgeted().await;
    let job = job(&world, &worker).await;
    worker
        .access_charge(&job.ctx(), &job.lease, &uses(world.flights, 2, 1))
        .await
        .unwrap();
    let count = "SELECT count(*) FROM budget_ledger";
    for (sql, seen) in [
        (world.registry_as("datacovey_query").await, "1"),
        (world.airline_as("datacovey_query").await, "1"),
        (world.stranger_as("datacovey_query").await, "0"),
    ] {
        assert_eq!(sql.value(count).await.unwrap(), seen);
        forbidden(sql.run("DELETE FROM budget_ledger").await);
        forbidden(sql.run("UPDATE budget_ledger SET amount = 0.5").await);
        let insert = format!(
            "INSERT INTO budget_ledger (tenant_id, table_id, budget_scope, analyst_tenant_id, query_job_id, kind, amount)
             VALUES ('{0}', '{0}', 'x', '{0}', '{0}', 'access', 1)",
            Uuid::nil()
        );
        forbidden(sql.run(&insert).await);
    }
    breaks(
        world.admin.run("DELETE FROM budget_ledger").await,
        "budget_ledger_only_grows",
    );
}
