//! Jobs move only forward, and each step is somebody's to take.

use datacovey_persistence::{JobKind, Listener, Notice};

use crate::refusal::{breaks, forbidden};
use crate::world::World;

#[tokio::test]
async fn a_client_creates_a_pending_job_and_may_only_cancel_it() {
    let world = World::new().await;
    let (registry, query_id) = (world.registry.id, world.query);
    let query = world.registry_as("datacovey_query").await;
    for status in ["RUNNING", "DONE", "ERROR"] {
        let insert = format!(
            "INSERT INTO query_job (tenant_id, query_id, bigquery_job_id, status)
             VALUES ('{registry}', '{query_id}', 'x', '{status}')"
        );
        breaks(query.run(&insert).await, "query_job_status_moves");
    }
    let insert = format!(
        "INSERT INTO query_job (tenant_id, query_id, bigquery_job_id, status, created)
         VALUES ('{registry}', '{query_id}', 'x', 'PENDING', now())"
    );
    forbidden(query.run(&insert).await);
    world.admin.query_job(world.registry, query_id).await;
    for status in ["RUNNING", "DONE", "failed"] {
        breaks(
            query
                .run(&format!("UPDATE query_job SET status = '{status}'"))
                .await,
            "query_job_status_moves",
        );
    }

    assert_eq!(
        query.run("UPDATE query_job SET status = 'ERROR'").await.unwrap(),
        1
    );
    let state = "SELECT error_result ->> 'reason', ended IS NOT NULL, created IS NOT NULL, updated_at >= created_at FROM query_job";
    assert_eq!(query.rows(state).await.unwrap(), [["CANCELLED", "t", "t", "t"]]);
    let run = "SELECT cancel_requested, ended_at IS NOT NULL, error ->> 'reason' FROM query_run";
    assert_eq!(query.rows(run).await.unwrap(), [["t", "t", "CANCELLED"]]);
    // Cancelling twice is cancelling; nothing else follows an end.
    assert_eq!(
        query.run("UPDATE query_job SET status = 'ERROR'").await.unwrap(),
        1
    );
    for status in ["PENDING", "RUNNING", "DONE"] {
        breaks(
            query
                .run(&format!("UPDATE query_job SET status = '{status}'"))
                .await,
            "query_job_status_moves",
        );
    }
}

#[tokio::test]
async fn transfer_jobs_move_the_same_way_in_their_own_words() {
    let world = World::new().await;
    let transfer = world.airline_as("datacovey_transfer").await;
    for (kind, job) in [
        (
            "import",
            world.admin.import_job(world.airline, world.flights).await,
        ),
        (
            "export",
            world.admin.export_job(world.airline, world.flights).await,
        ),
    ] {
        let rule = format!("{kind}_job_status_moves");
        for status in ["running", "completed"] {
            breaks(
                transfer
                    .run(&format!("UPDATE {kind}_job SET status = '{status}'"))
                    .await,
                &rule,
            );
        }
        transfer
            .run(&format!(
                "UPDATE {kind}_job SET status = 'failed' WHERE id = '{job}'"
            ))
            .await
            .unwrap();
        breaks(
            transfer
                .run(&format!("UPDATE {kind}_job SET status = 'pending'"))
                .await,
            &rule,
        );
        let run = format!("SELECT error ->> 'reason' FROM {kind}_run WHERE job_id = '{job}'");
        assert_eq!(transfer.value(&run).await.unwrap(), "CANCELLED");
    }
}

#[tokio::test]
async fn a_worker_completes_nothing_but_exports() {
    let world = World::new().await;
    world.admin.query_job(world.registry, world.query).await;
    world.admin.import_job(world.registry, world.planes).await;
    world.admin.export_job(world.registry, world.planes).await;
    let worker = world.registry_as("datacovey_query_worker").await;
    breaks(
        worker.run("UPDATE query_job SET status = 'RUNNING'").await,
        "query_job_status_moves",
    );
    worker
        .run("SELECT job_id FROM claim_job('query', 'w', 60000, 10)")
        .await
        .unwrap();
    breaks(
        worker.run("UPDATE query_job SET status = 'DONE'").await,
        "query_job_status_moves",
    );
    for column in [
        "total_rows = 5",
        "cache_hit = true",
        "destination_table = '{}'",
        "query_id = query_id",
    ] {
        forbidden(worker.run(&format!("UPDATE query_job SET {column}")).await);
    }
    worker
        .run("UPDATE query_job SET status = 'ERROR', error_result = '{}'")
        .await
        .unwrap();

    let worker = world.registry_as("datacovey_transfer_worker").await;
    worker
        .run("SELECT job_id FROM claim_job('import', 'w', 60000, 10)")
        .await
        .unwrap();
    worker
        .run("SELECT job_id FROM claim_job('export', 'w', 60000, 10)")
        .await
        .unwrap();
    breaks(
        worker.run("UPDATE import_job SET status = 'completed'").await,
        "import_job_status_moves",
    );
    worker
        .run("UPDATE export_job SET status = 'completed'")
        .await
        .unwrap();
    let run =
        "SELECT ended_at IS NOT NULL AND lease_expires_at IS NULL AND NOT cancel_requested FROM export_run";
    assert_eq!(worker.value(run).await.unwrap(), "t");
}

#[tokio::test]
async fn a_run_is_its_creators_and_of_an_own_job() {
    let world = World::new().await;
    let query = world.registry_as("datacovey_query").await;
    let (registry, query_id) = (world.registry.id, world.query);
    let job = query
        .value(&format!(
            "INSERT INTO query_job (tenant_id, query_id, bigquery_job_id, status)
             VALUES ('{registry}', '{query_id}', 'x', 'PENDING') RETURNING id"
        ))
        .await
        .unwrap();
    let run = |tenant, creator| {
        format!(
            "INSERT INTO query_run (job_id, tenant_id, created_by) VALUES ('{job}', '{tenant}', '{creator}')"
        )
    };
    forbidden(query.run(&run(registry, world.airline.admin)).await);
    let airline = world.airline_as("datacovey_query").await;
    forbidden(airline.run(&run(world.airline.id, world.airline.admin)).await);
    query.run(&run(registry, world.registry.admin)).await.unwrap();
}

#[tokio::test]
async fn an_upload_grows_without_gaps_until_it_is_finished() {
    let world = World::new().await;
    let transfer = world.airline_as("datacovey_transfer").await;
    let (airline, flights) = (world.airline.id, world.flights);
    let job = transfer
        .value(&format!(
            "INSERT INTO import_job (tenant_id, table_id, status) VALUES ('{airline}', '{flights}', 'pending') RETURNING id"
        ))
        .await
        .unwrap();
    let chunk = |offset: u64, bytes: u64| {
        format!(
            "INSERT INTO upload_chunk (job_id, \"offset\", tenant_id, bytes, path)
             VALUES ('{job}', {offset}, '{airline}', {bytes}, 'p{offset}')"
        )
    };
    breaks(transfer.run(&chunk(0, 10)).await, "upload_chunk_job_id_fkey");
    transfer
        .run(&format!(
            "INSERT INTO import_run (job_id, tenant_id, created_by) VALUES ('{job}', '{airline}', '{}')",
            world.airline.admin
        ))
        .await
        .unwrap();
    breaks(transfer.run(&chunk(5, 10)).await, "upload_chunk_follows");
    transfer.run(&chunk(0, 10)).await.unwrap();
    for wrong in [0, 9, 11] {
        breaks(transfer.run(&chunk(wrong, 1)).await, "upload_chunk_follows");
    }
    transfer.run(&chunk(10, 5)).await.unwrap();
    forbidden(transfer.run("UPDATE upload_chunk SET bytes = 1").await);
    // Somebody else's upload does not exist.
    let stranger = world.stranger_as("datacovey_transfer").await;
    let foreign = chunk(15, 1).replace(&airline.to_string(), &world.stranger.id.to_string());
    breaks(stranger.run(&foreign).await, "upload_chunk_job_id_fkey");

    transfer
        .run("UPDATE import_run SET ready_at = now(), progress = '{}'")
        .await
        .unwrap();
    breaks(transfer.run(&chunk(15, 1)).await, "upload_chunk_is_finished");
    breaks(
        transfer
            .run("UPDATE import_run SET options = '{\"mode\": \"replace\"}'")
            .await,
        "import_run_is_ready",
    );
    transfer
        .run("UPDATE import_job SET status = 'failed'")
        .await
        .unwrap();
    breaks(transfer.run(&chunk(15, 1)).await, "upload_chunk_is_finished");
}

#[tokio::test]
async fn states_are_told_to_who_listens() {
    let world = World::new().await;
    let listener = Listener::start(world.database.url()).unwrap();
    let mut notices = listener.subscribe();
    assert_eq!(notices.recv().await.unwrap(), Notice::Missed);
    let job_id = world.admin.query_job(world.registry, world.query).await;
    let kind = JobKind::Query;
    let status = |status: &str| Notice::Status {
        kind,
        job_id,
        status: status.to_owned(),
    };
    assert_eq!(notices.recv().await.unwrap(), status("PENDING"));
    assert_eq!(notices.recv().await.unwrap(), Notice::Ready { kind, job_id });
    let query = world.registry_as("datacovey_query").await;
    query.run("UPDATE query_job SET status = 'ERROR'").await.unwrap();
    assert_eq!(notices.recv().await.unwrap(), status("ERROR"));
    // The connection comes back by itself and says that it was away.
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'datacovey_listener'";
    assert_eq!(world.admin.value(kill).await.unwrap(), "t");
    assert_eq!(notices.recv().await.unwrap(), Notice::Missed);
}
