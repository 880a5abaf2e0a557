//! What operators see of queues and leases.

use std::time::Duration;

use datacovey_jobs::WorkerOptions;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::kit::{PATIENCE, Script, Scripted, World, next, options};

async fn shows(metrics: &PrometheusHandle, line: &str) {
    let shown = async {
        while !metrics.render().lines().any(|it| it.starts_with(line)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, shown).await.is_err() {
        panic!("{line} is not in {}", metrics.render());
    }
}

#[tokio::test]
async fn a_worker_tells_of_the_queue_and_of_its_leases() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    // For this thread, on which this test's worker runs, too.
    let _guard = metrics::set_default_local_recorder(&recorder);
    let world = World::new().await;
    world.export().await;
    world.claim_and_die(Duration::from_secs(3600)).await;
    let (work, mut seen) = Scripted::new(&world, Script::Hang);
    let options = WorkerOptions {
        grace: Duration::from_millis(100),
        ..options()
    };
    let working = world.work_with(work, options);
    // Counted when the worker begins: the one job is held, by somebody else.
    shows(&metrics, "datacovey_jobs_leased{kind=\"export\"} 1").await;
    shows(&metrics, "datacovey_jobs_ready{kind=\"export\"} 0").await;
    shows(&metrics, "datacovey_jobs_oldest_ready_seconds{kind=\"export\"} 0").await;
    let leases = |event: &str| format!("datacovey_job_leases_total{{kind=\"export\",event=\"{event}\"}}");
    assert!(!metrics.render().contains(&leases("claimed")));

    let expire = "UPDATE export_run SET lease_expires_at = utc_now() - interval '1 second'";
    world.sql.run(expire).await.unwrap();
    next(&mut seen).await;
    for event in ["claimed", "taken_over"] {
        shows(&metrics, &format!("{} 1", leases(event))).await;
    }
    shows(&metrics, &leases("renewed")).await;
    working.stop().await;
    shows(&metrics, &format!("{} 1", leases("handed_back"))).await;
    assert!(
        metrics
            .render()
            .contains("# HELP datacovey_jobs_ready Jobs that any worker")
    );
}
