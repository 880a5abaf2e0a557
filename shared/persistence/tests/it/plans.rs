//! At 100,000 rows every statement of the services finds its rows by an index.

use datacovey_testing::{Sql, TestDatabase};
use uuid::Uuid;

/// Ids of the generated rows: the kind, then the number.
fn id(kind: u8, number: u32) -> Uuid {
    Uuid::from_u128(u128::from(kind) << 120 | u128::from(number))
}

const TENANT: u8 = 1;
const PROJECT: u8 = 2;
const DATASET: u8 = 3;
const TABLE: u8 = 4;
const JOB: u8 = 6;

/// 200 tenants; 1,000 projects of three participants each; 10,000 datasets; 100,000 tables, queries
/// and jobs. Triggers are off: what they would do is part of the data.
async fn grown() -> (TestDatabase, Sql) {
    let database = TestDatabase::new().await;
    let sql = database.sql().await;
    let of = |kind: u8| format!("(lpad(to_hex({kind}), 2, '0') || lpad(to_hex((%)::bigint), 30, '0'))::uuid");
    let make = |kind: u8, number: &str| of(kind).replace('%', number);
    let script = format!(
        "SET session_replication_role = replica;
         INSERT INTO tenant (id, name) SELECT {tenant_n}, 'T' || n FROM generate_series(0, 199) n;
         INSERT INTO project (id, tenant_id, name) SELECT {project_n}, {tenant_of_n}, 'P' || n FROM generate_series(0, 999) n;
         INSERT INTO project_participant (project_id, tenant_id, status)
             SELECT {project_n}, {tenant_of_nk}, 'active' FROM generate_series(0, 999) n, generate_series(0, 2) k;
         INSERT INTO dataset (id, tenant_id, project_id, name)
             SELECT {dataset_n}, {tenant_of_n}, {project_of_n}, 'D' || n FROM generate_series(0, 9999) n;
         INSERT INTO \"table\" (id, tenant_id, dataset_id, name, schema)
             SELECT {table_n}, {tenant_of_n}, {dataset_of_n}, 'T' || n, '{{}}' FROM generate_series(0, 99999) n;
         INSERT INTO table_history (id, tenant_id, dataset_id, name, schema, action)
             SELECT id, tenant_id, dataset_id, name, schema, 'INSERT' FROM \"table\";
         INSERT INTO table_policy (table_id, version, tenant_id, policy, created_by)
             SELECT id, 1, tenant_id, '{{}}', id FROM \"table\";
         INSERT INTO table_version (table_id, version, content_version, tenant_id, mode, rows, bytes)
             SELECT id, 1, 1, tenant_id, 'append', 1, 1 FROM \"table\";
         INSERT INTO table_file (table_id, added_in, path, tenant_id, format, rows, bytes, checksum)
             SELECT id, 1, id, tenant_id, 'parquet', 1, 1, '' FROM \"table\";
         INSERT INTO \"query\" (id, tenant_id, project_id, query_text)
             SELECT {query_n}, {tenant_of_n}, {project_of_n}, 'SELECT 1' FROM generate_series(0, 99999) n;
         INSERT INTO query_job (id, tenant_id, query_id, bigquery_job_id, status)
             SELECT {job_n}, {tenant_of_n}, {query_n}, 'j', 'DONE' FROM generate_series(0, 99999) n;
         INSERT INTO query_run (job_id, tenant_id, created_by, ready_at, ended_at)
             SELECT {job_n}, {tenant_of_n}, {job_n}, now(), CASE WHEN n % 1000 <> 0 THEN now() END
             FROM generate_series(0, 99999) n;
         SET session_replication_role = origin;
         ANALYZE",
        tenant_n = make(TENANT, "n"),
        tenant_of_n = make(TENANT, "n % 200"),
        tenant_of_nk = make(TENANT, "(n + k * 7) % 200"),
        project_n = make(PROJECT, "n"),
        project_of_n = make(PROJECT, "n % 1000"),
        dataset_n = make(DATASET, "n"),
        dataset_of_n = make(DATASET, "n % 10000"),
        table_n = make(TABLE, "n"),
        query_n = make(5, "n"),
        job_n = make(JOB, "n"),
    );
    sql.run(&script).await.unwrap();
    (database, sql)
}

/// The plan of a statement, with what it really read.
async fn plan(sql: &Sql, statement: &str) -> String {
    let lines = sql
        .column(&format!(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {statement}"
        ))
        .await;
    lines
        .unwrap_or_else(|it| panic!("{statement}: {it:?}"))
        .join("\n")
}

#[tokio::test]
async fn statements_find_their_rows_by_an_index() {
    let (database, admin) = grown().await;
    assert_eq!(
        admin.value("SELECT count(*) FROM \"table\"").await.unwrap(),
        "100000"
    );
    // Tenant 0 owns projects 0, 200, …; in project 193 it is a guest, and table 193 is of tenant 193.
    let me = id(TENANT, 0);
    let (own, shared, hidden) = (id(TABLE, 200), id(TABLE, 193), id(TABLE, 5));
    let (own_project, shared_project) = (id(PROJECT, 0), id(PROJECT, 193));
    let shared_dataset = id(DATASET, 193);
    let job = id(JOB, 200);
    let lists = "ORDER BY id LIMIT 51";
    let cases = [
        (
            "datacovey_catalog",
            format!("SELECT * FROM \"table\" WHERE id = '{own}'"),
            1,
        ),
        (
            "datacovey_catalog",
            format!("SELECT * FROM \"table\" WHERE id = '{shared}'"),
            1,
        ),
        (
            "datacovey_catalog",
            format!("SELECT * FROM \"table\" WHERE id = '{hidden}'"),
            0,
        ),
        (
            "datacovey_catalog",
            format!("SELECT * FROM dataset WHERE id = '{shared_dataset}'"),
            1,
        ),
        (
            "datacovey_catalog",
            format!("SELECT * FROM project WHERE id = '{shared_project}'"),
            1,
        ),
        (
            "datacovey_catalog",
            format!("SELECT * FROM \"table\" WHERE dataset_id = '{shared_dataset}' {lists}"),
            10,
        ),
        (
            "datacovey_catalog",
            format!("SELECT * FROM dataset WHERE project_id = '{own_project}' {lists}"),
            10,
        ),
        (
            "datacovey_catalog",
            format!("SELECT * FROM \"table\" WHERE tenant_id = '{me}' AND id > '{own}' {lists}"),
            51,
        ),
        (
            "datacovey_catalog",
            format!(
                "SELECT * FROM \"table\"
                 WHERE dataset_id IN (SELECT id FROM dataset WHERE project_id = '{own_project}') {lists}"
            ),
            51,
        ),
        // What others share with the tenant: 30 of 45 projects' datasets, found from its participations.
        (
            "datacovey_catalog",
            format!(
                "SELECT * FROM dataset WHERE tenant_id <> '{me}' AND project_id IN (
                     SELECT project_id FROM project_participant WHERE tenant_id = '{me}' AND is_active) {lists}"
            ),
            51,
        ),
        (
            "datacovey_catalog",
            format!(
                "SELECT p.* FROM project_participant me JOIN project p ON p.id = me.project_id
                 WHERE me.tenant_id = '{me}' AND me.is_active ORDER BY me.project_id LIMIT 51"
            ),
            15,
        ),
        (
            "datacovey_catalog",
            format!("SELECT * FROM table_policy WHERE table_id = '{shared}' ORDER BY version DESC LIMIT 1"),
            1,
        ),
        (
            "datacovey_catalog",
            format!("SELECT * FROM table_history WHERE id = '{shared}' ORDER BY changed_at LIMIT 51"),
            1,
        ),
        (
            "datacovey_query",
            format!("SELECT * FROM query_job WHERE id = '{job}'"),
            1,
        ),
        (
            "datacovey_query",
            format!("SELECT * FROM query_job WHERE tenant_id = '{me}' AND id > '{job}' {lists}"),
            51,
        ),
        (
            "datacovey_query",
            format!("SELECT * FROM \"query\" WHERE tenant_id = '{me}' {lists}"),
            51,
        ),
        (
            "datacovey_query",
            format!("SELECT * FROM query_run WHERE tenant_id = '{me}' AND ended_at IS NULL"),
            100,
        ),
        (
            "datacovey_transfer",
            format!("SELECT * FROM table_file WHERE table_id = '{own}'"),
            1,
        ),
        (
            "datacovey_transfer",
            format!("SELECT * FROM table_version WHERE table_id = '{own}' ORDER BY version DESC LIMIT 1"),
            1,
        ),
    ];
    for (role, statement, rows) in cases {
        let sql = database.sql_for(role, me, me).await;
        let plan = plan(&sql, &statement).await;
        assert!(!plan.contains("Seq Scan"), "{statement}\n{plan}");
        assert!(plan.contains("Index"), "{statement}\n{plan}");
        assert!(
            plan.lines().next().unwrap().contains(&format!("rows={rows} ")),
            "{statement}\n{plan}"
        );
    }
}

#[tokio::test]
async fn doors_find_their_rows_by_an_index() {
    let (_database, admin) = grown().await;
    let me = id(TENANT, 0);
    admin.act_for(me, me).await;
    // What a door runs inside is planned apart, so it is the door's statement that is explained.
    for (statement, rows) in [
        (format!("SELECT * FROM queryable_tables('{}')", id(PROJECT, 193)), 100),
        ("SELECT job_id FROM query_run WHERE ended_at IS NULL AND ready_at <= utc_now() ORDER BY ready_at, job_id LIMIT 1".to_owned(), 1),
    ] {
        let plan = plan(&admin, &statement).await;
        assert!(!plan.contains("Seq Scan"), "{statement}\n{plan}");
        assert!(plan.lines().next().unwrap().contains(&format!("rows={rows} ")), "{statement}\n{plan}");
    }
}

#[tokio::test]
async fn a_large_dataset_does_not_slow_the_projects_beside_it() {
    let database = TestDatabase::new().await;
    let admin = database.sql().await;
    let (me, large, small) = (id(TENANT, 0), id(PROJECT, 0), id(PROJECT, 1));
    // Only the relation that grew has been looked at; the others are as small as new.
    let script = format!(
        "SET session_replication_role = replica;
         INSERT INTO tenant (id, name) VALUES ('{me}', 'T');
         INSERT INTO project (id, tenant_id, name) VALUES ('{large}', '{me}', 'large'), ('{small}', '{me}', 'small');
         INSERT INTO project_participant (project_id, tenant_id, status) SELECT id, tenant_id, 'active' FROM project;
         INSERT INTO dataset (id, tenant_id, project_id, name) SELECT id, tenant_id, id, 'D' FROM project;
         INSERT INTO \"table\" (id, tenant_id, dataset_id, name, schema)
             SELECT gen_random_uuid(), '{me}', '{large}', 'T' || n, '{{}}' FROM generate_series(1, 20000) n;
         ANALYZE \"table\";
         INSERT INTO \"table\" (id, tenant_id, dataset_id, name, schema)
             SELECT gen_random_uuid(), '{me}', '{small}', 'T' || n, '{{}}' FROM generate_series(1, 2) n;
         SET session_replication_role = origin"
    );
    admin.run(&script).await.unwrap();
    admin.act_for(me, me).await;
    let plan = plan(&admin, &format!("SELECT * FROM queryable_tables('{small}')")).await;
    assert!(plan.lines().next().unwrap().contains("rows=2 "), "{plan}");
    assert!(
        !plan.contains("rows=20002") && !plan.contains("Rows Removed by Filter: 2000"),
        "{plan}"
    );
}
