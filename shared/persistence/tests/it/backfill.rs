//! Job and history relations written as plain data: what is free there, and what still holds.

use datacovey_error::Kind;
use datacovey_persistence::DbRole;
use datacovey_testing::Sql;
use datacovey_types::Scopes;
use diesel::sql_query;
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::refusal::{breaks, forbidden, no_parent};
use crate::walls::CONTRACT;
use crate::world::{ROLES, World};

const ROLE: &str = "datacovey_backfill";

/// What is plain data to this role, and a change of each.
const PLAIN: [(&str, &str); 8] = [
    ("query_job", "bigquery_job_id = 'b'"),
    ("import_job", "status = 'failed'"),
    ("export_job", "status = 'failed'"),
    ("dataset_history", "action = 'UPDATE'"),
    ("table_history", "action = 'UPDATE'"),
    ("query_history", "action = 'UPDATE'"),
    ("import_job_history", "action = 'UPDATE'"),
    ("export_job_history", "action = 'UPDATE'"),
];

/// A row of each relation, of one tenant, under what that tenant owns.
fn rows(tenant: Uuid, table: Uuid, query: Uuid) -> [String; 8] {
    let id = Uuid::now_v7();
    let job = |relation: &str| {
        format!(
            "INSERT INTO {relation} (id, tenant_id, table_id, status, created_at)
             VALUES ('{id}', '{tenant}', '{table}', 'completed', '2019-01-01')"
        )
    };
    let history = |relation: &str, columns: &str, values: &str| {
        format!(
            "INSERT INTO {relation} (id, tenant_id, created_at, changed_at, action, {columns})
             VALUES ('{id}', '{tenant}', '2019-01-01', '2019-01-02', 'ARCHIVE', {values})"
        )
    };
    let nowhere = Uuid::nil();
    [
        format!(
            "INSERT INTO query_job (id, tenant_id, query_id, bigquery_job_id, status, total_rows, created_at, updated_at)
             VALUES ('{id}', '{tenant}', '{query}', 'job_1', 'DONE', 7, '2019-01-01', '2019-01-02')"
        ),
        job("import_job"),
        job("export_job"),
        history(
            "dataset_history",
            "project_id, name",
            &format!("'{nowhere}', 'd'"),
        ),
        history(
            "table_history",
            "dataset_id, name, schema",
            &format!("'{nowhere}', 't', '{{}}'"),
        ),
        history(
            "query_history",
            "project_id, query_text",
            &format!("'{nowhere}', 'SELECT 1'"),
        ),
        history(
            "import_job_history",
            "table_id, status",
            &format!("'{nowhere}', 'completed'"),
        ),
        history(
            "export_job_history",
            "table_id, status",
            &format!("'{nowhere}', 'completed'"),
        ),
    ]
}

/// What was done to a relation, as its record says.
async fn recorded(admin: &Sql, relation: &str) -> Vec<String> {
    let story = format!(
        "SELECT concat_ws(' ', tenant_id, user_id, \"before\" IS NOT NULL, \"after\" IS NOT NULL)
         FROM backfill_audit WHERE relation = '{relation}' ORDER BY created_at, id"
    );
    admin.column(&story).await.unwrap()
}

#[tokio::test]
async fn every_column_is_theirs_and_every_act_is_recorded() {
    let world = World::new().await;
    let query = world
        .admin
        .query(world.airline.id, world.project, "SELECT 1")
        .await;
    let sql = world.airline_as(ROLE).await;
    let inserts = rows(world.airline.id, world.flights, query);
    for ((relation, change), insert) in PLAIN.into_iter().zip(inserts) {
        assert_eq!(sql.run(&insert).await.unwrap(), 1, "{relation}");
        // A history has rows that the job's own changes left, too.
        let made = match relation.ends_with("_history") {
            true => "changed_at = '2019-01-02'",
            false => "created_at = '2019-01-01'",
        };
        let update = format!("UPDATE {relation} SET {change} WHERE {made}");
        assert_eq!(sql.run(&update).await.unwrap(), 1, "{relation}");
        let delete = format!("DELETE FROM {relation} WHERE {made}");
        assert_eq!(sql.run(&delete).await.unwrap(), 1, "{relation}");
        let who = format!("{} {}", world.airline.id, world.airline.admin);
        let told = recorded(&world.admin, relation).await;
        assert_eq!(
            told,
            ["f t", "t t", "t f"].map(|it| format!("{who} {it}")),
            "{relation}"
        );
    }
    // Times and statistics are kept as they were given, and jobs still have a history.
    let job = rows(world.airline.id, world.flights, query);
    sql.run(&job[0]).await.unwrap();
    let kept = "SELECT concat_ws(' ', status, total_rows, created IS NULL, updated_at) FROM query_job";
    assert_eq!(sql.value(kept).await.unwrap(), "DONE 7 t 2019-01-02 00:00:00");
    let actions = "SELECT action FROM import_job_history ORDER BY changed_at";
    assert_eq!(sql.column(actions).await.unwrap(), ["INSERT", "UPDATE", "DELETE"]);
}

#[tokio::test]
async fn nobody_reaches_the_record() {
    let world = World::new().await;
    let backfill = world.airline_as(ROLE).await;
    let job = &rows(world.airline.id, world.flights, world.query)[1];
    backfill.run(job).await.unwrap();
    for role in ROLES {
        let sql = world.airline_as(role).await;
        forbidden(sql.rows("SELECT * FROM backfill_audit").await);
        forbidden(sql.run("DELETE FROM backfill_audit").await);
        forbidden(sql.run("INSERT INTO backfill_audit DEFAULT VALUES").await);
    }
    // Not even its owner changes what it says.
    breaks(
        world.admin.run("DELETE FROM backfill_audit").await,
        "backfill_audit_only_grows",
    );
    // Who it is that acts is known, or nothing is done.
    backfill.run("SET datacovey.\"user\" = ''").await.unwrap();
    let job = &rows(world.airline.id, world.flights, world.query)[1];
    let refused = backfill.run(job).await.unwrap_err();
    assert!(refused.to_string().contains("db error"), "{refused}");
    assert_eq!(recorded(&world.admin, "import_job").await.len(), 1);
}

#[tokio::test]
async fn tenant_and_keys_hold() {
    let world = World::new().await;
    let sql = world.airline_as(ROLE).await;
    // Rows of another tenant are neither made, changed nor removed, whoever's the table is.
    for insert in rows(world.registry.id, world.planes, world.query) {
        forbidden(sql.run(&insert).await);
    }
    let theirs = world.registry_as(ROLE).await;
    for insert in rows(world.registry.id, world.planes, world.query) {
        theirs.run(&insert).await.unwrap();
    }
    for (relation, change) in PLAIN {
        let of_theirs = format!("tenant_id = '{}'", world.registry.id);
        let update = format!("UPDATE {relation} SET {change} WHERE {of_theirs}");
        assert_eq!(sql.run(&update).await.unwrap(), 0, "{relation}");
        let delete = format!("DELETE FROM {relation} WHERE {of_theirs}");
        assert_eq!(sql.run(&delete).await.unwrap(), 0, "{relation}");
    }
    // Jobs are under what is the tenant's own; in sight is not enough.
    let [query_job, import_job, export_job, ..] = rows(world.airline.id, world.planes, world.query);
    no_parent(sql.run(&query_job).await, "query_job", "query_id");
    no_parent(sql.run(&import_job).await, "import_job", "table_id");
    no_parent(sql.run(&export_job).await, "export_job", "table_id");
    let own = &rows(world.airline.id, world.flights, world.query)[1];
    sql.run(own).await.unwrap();
    let moved = format!("UPDATE import_job SET table_id = '{}'", world.planes);
    no_parent(sql.run(&moved).await, "import_job", "table_id");
    breaks(
        sql.run("UPDATE import_job SET id = gen_random_uuid()").await,
        "import_job_id_kept",
    );
    let given = format!("UPDATE import_job SET tenant_id = '{}'", world.registry.id);
    breaks(sql.run(&given).await, "import_job_tenant_id_kept");

    // Nor is the past of what is another tenant's written, gone or not.
    let forged = |id: Uuid| {
        format!(
            "INSERT INTO table_history (id, tenant_id, dataset_id, name, schema, action)
             VALUES ('{id}', '{}', '{}', 'forged', '{{}}', 'UPDATE')",
            world.airline.id, world.planes_dataset
        )
    };
    forbidden(sql.run(&forged(world.planes)).await);
    world
        .admin
        .run(&format!("DELETE FROM \"table\" WHERE id = '{}'", world.planes))
        .await
        .unwrap_err();
    sql.run(&forged(world.flights)).await.unwrap();
    let taken = format!(
        "UPDATE table_history SET id = '{}' WHERE name = 'forged'",
        world.planes
    );
    forbidden(sql.run(&taken).await);
}

#[tokio::test]
async fn a_job_that_runs_is_the_workers() {
    let world = World::new().await;
    let job = world.admin.import_job(world.airline, world.flights).await;
    let sql = world.airline_as(ROLE).await;
    let change = format!("UPDATE import_job SET status = 'completed' WHERE id = '{job}'");
    breaks(sql.run(&change).await, "import_job_is_with_the_workers");
    let delete = format!("DELETE FROM import_job WHERE id = '{job}'");
    breaks(sql.run(&delete).await, "import_job_is_with_the_workers");
    let transfer = world.airline_as("datacovey_transfer").await;
    transfer
        .run(&format!(
            "UPDATE import_job SET status = 'failed' WHERE id = '{job}'"
        ))
        .await
        .unwrap();
    // It has ended; its run still knows what it was.
    assert_eq!(sql.run(&change).await.unwrap(), 1);
    breaks(sql.run(&delete).await, "import_run_job_id_fkey");
    // What was written as data is taken by no worker.
    let worker = world.airline_as("datacovey_transfer_worker").await;
    let pending = format!(
        "INSERT INTO import_job (tenant_id, table_id, status) VALUES ('{}', '{}', 'pending')",
        world.airline.id, world.flights
    );
    sql.run(&pending).await.unwrap();
    let claimed = worker
        .rows("SELECT * FROM claim_job('import', 'w', 60000, 9)")
        .await
        .unwrap();
    assert_eq!(claimed, Vec::<Vec<String>>::new());
}

#[tokio::test]
async fn nothing_else_is_plain_data() {
    let world = World::new().await;
    let sql = world.airline_as(ROLE).await;
    for relation in CONTRACT
        .iter()
        .filter(|it| !PLAIN.iter().any(|(plain, _)| plain == *it))
    {
        forbidden(sql.run(&format!("DELETE FROM {relation}")).await);
        forbidden(sql.run(&format!("UPDATE {relation} SET id = id")).await);
        forbidden(
            sql.run(&format!("INSERT INTO {relation} (id) VALUES (gen_random_uuid())"))
                .await,
        );
    }
    for (relation, _) in PLAIN {
        forbidden(sql.run(&format!("TRUNCATE {relation} CASCADE")).await);
    }
}

#[tokio::test]
async fn the_scope_is_asked_for_before_the_database() {
    let world = World::new().await;
    let database = world.database.open(DbRole::Backfill).await;
    let insert = rows(world.airline.id, world.flights, world.query)[1].clone();
    let mut ctx = world.airline.ctx();
    let run = async |ctx: &datacovey_types::Ctx| {
        database
            .transaction(ctx, async |conn| {
                Ok(sql_query(insert.as_str()).execute(conn).await?)
            })
            .await
    };
    assert_eq!(run(&ctx).await.unwrap_err().kind(), Kind::PermissionDenied);
    ctx.principal.scopes = Scopes::from("backfill");
    assert_eq!(run(&ctx).await.unwrap(), 1);
}
