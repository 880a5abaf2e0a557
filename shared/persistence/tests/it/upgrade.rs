//! Each migration runs over the data of those before it, and the database refuses to go on by halves.

use datacovey_persistence::{known_versions, migrate, migrate_to};
use datacovey_testing::TestDatabase;

/// What a database may hold once the first migration has run.
const FIRST_DATA: &str = "
    INSERT INTO tenant (id, name, auth0_org_id) VALUES
        ('10000000-0000-0000-0000-000000000001', 'A', 'org_a'), ('10000000-0000-0000-0000-000000000002', 'B', NULL);
    INSERT INTO \"user\" (tenant_id, auth0_id, email, name, role)
        SELECT id, 'sub', 'a@example.com', 'A', 'Org admin' FROM tenant;
    INSERT INTO project (id, tenant_id, name) VALUES
        ('20000000-0000-0000-0000-000000000001', '10000000-0000-0000-0000-000000000001', 'P');
    INSERT INTO dataset (id, tenant_id, project_id, name) VALUES
        ('30000000-0000-0000-0000-000000000001', '10000000-0000-0000-0000-000000000001',
         '20000000-0000-0000-0000-000000000001', 'd');
    INSERT INTO \"table\" (id, tenant_id, dataset_id, name, schema) VALUES
        ('40000000-0000-0000-0000-000000000001', '10000000-0000-0000-0000-000000000001',
         '30000000-0000-0000-0000-000000000001', 't', '{}');
    INSERT INTO import_job (tenant_id, table_id, status) VALUES
        ('10000000-0000-0000-0000-000000000001', '40000000-0000-0000-0000-000000000001', 'completed');";

#[tokio::test]
async fn each_migration_runs_over_the_data_of_those_before() {
    let database = TestDatabase::empty().await;
    let sql = database.sql().await;
    let count = "SELECT (SELECT count(*) FROM tenant) || ' ' || (SELECT count(*) FROM \"table\") || ' ' ||
                 (SELECT count(*) FROM import_job WHERE status = 'completed')";
    for (number, version) in known_versions().unwrap().into_iter().enumerate() {
        let ran = migrate_to(database.admin_url(), Some(&version)).await.unwrap();
        assert_eq!(ran, std::slice::from_ref(&version));
        if number == 0 {
            sql.run(FIRST_DATA).await.unwrap();
        }
        assert_eq!(sql.value(count).await.unwrap(), "2 1 1", "after {version}");
    }
    assert_eq!(migrate(database.admin_url()).await.unwrap(), Vec::<String>::new());
    // The owner of the old project takes part in it, as the owners of new ones do.
    let project =
        "SELECT status FROM project_participant WHERE project_id = '20000000-0000-0000-0000-000000000001'";
    assert_eq!(sql.value(project).await.unwrap(), "active");
}

#[tokio::test]
async fn migrating_at_once_from_several_places_runs_each_migration_once() {
    let database = TestDatabase::empty().await;
    let runs = futures::future::try_join_all((0..4).map(|_| migrate(database.admin_url())))
        .await
        .unwrap();
    assert_eq!(runs.concat(), known_versions().unwrap());
}

#[tokio::test]
async fn roles_are_made_once_and_not_touched_again() {
    let database = TestDatabase::new().await;
    let sql = database.sql().await;
    for _ in 0..2 {
        sql.run(datacovey_persistence::BOOTSTRAP).await.unwrap();
    }
    let roles = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'datacovey\\_%' AND NOT rolcanlogin";
    assert_eq!(sql.value(roles).await.unwrap(), "8");
}
