use std::collections::HashMap;
use std::time::Duration;

use datacovey_error::Kind;
use datacovey_jobs::WorkerOptions;
use datacovey_persistence::LeaseState;
use serde_json::json;

use crate::kit::{Script, Scripted, Seen, World, next, options};

#[tokio::test]
async fn a_dead_workers_job_is_taken_over_and_the_dead_can_end_nothing() {
    let world = World::new().await;
    let job = world.export().await;
    let dead = world.claim_and_die(Duration::from_millis(300)).await;
    let (work, mut seen) = Scripted::new(&world, Script::Complete(Duration::from_millis(300)));
    let working = world.work(work);
    assert_eq!(
        next(&mut seen).await,
        Seen::Began {
            job_id: job,
            attempt: 2
        }
    );

    // It comes back to life while the other one works.
    let (ctx, lease) = (dead.ctx(), &dead.lease);
    let renewed = world
        .database
        .lease_renew(&ctx, lease, Duration::from_secs(30), None)
        .await
        .unwrap();
    assert_eq!(renewed, LeaseState::Lost);
    assert_eq!(
        world.database.lease_hand_back(&ctx, lease).await.unwrap(),
        LeaseState::Lost
    );
    let retried = world
        .database
        .lease_retry(&ctx, lease, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(retried, LeaseState::Lost);
    let completed = world
        .database
        .export_complete(&ctx, lease, json!({}))
        .await
        .unwrap_err();
    let failed = world
        .database
        .job_fail(&ctx, lease, json!({}), None)
        .await
        .unwrap_err();
    assert_eq!([completed.kind(), failed.kind()], [Kind::FailedPrecondition; 2]);

    world.until("export_job", "status", job, "completed").await;
    assert_eq!(
        world.value("export_run", "progress", job).await,
        "{\"rows_done\": 1}"
    );
    working.stop().await;
}

#[tokio::test]
async fn many_workers_do_each_job_once() {
    let world = World::new().await;
    let (work, mut seen) = Scripted::new(&world, Script::Complete(Duration::from_millis(5)));
    let work_again = |script: Script| Scripted {
        database: world.database.clone(),
        seen: work.seen.clone(),
        script,
    };
    let workers: Vec<_> = (0..3)
        .map(|_| world.work(work_again(Script::Complete(Duration::from_millis(5)))))
        .collect();
    drop(work);
    let mut jobs = Vec::new();
    for _ in 0..20 {
        jobs.push(world.export().await);
    }
    for job in &jobs {
        world.until("export_job", "status", *job, "completed").await;
    }
    for worker in workers {
        worker.stop().await;
    }
    let mut runs = HashMap::new();
    while let Some(seen) = seen.recv().await {
        if let Seen::Began { job_id, .. } = seen {
            *runs.entry(job_id).or_insert(0) += 1;
        }
    }
    assert_eq!(runs.len(), jobs.len());
    assert!(runs.values().all(|count| *count == 1), "{runs:?}");
}

#[tokio::test]
async fn a_lease_is_renewed_while_the_work_goes_on() {
    let world = World::new().await;
    let job = world.export().await;
    let lease = WorkerOptions {
        lease: Duration::from_millis(600),
        ..options()
    };
    let (work, mut seen) = Scripted::new(&world, Script::Complete(Duration::from_millis(2_000)));
    let first = world.work_with(work, lease.clone());
    next(&mut seen).await;
    // Another worker looks all the time and finds nothing to take over.
    let (idle, mut idle_seen) = Scripted::new(&world, Script::Complete(Duration::ZERO));
    let second = world.work_with(idle, lease);
    world.until("export_job", "status", job, "completed").await;
    assert_eq!(world.value("export_run", "attempt", job).await, "1");
    first.stop().await;
    second.stop().await;
    assert!(idle_seen.recv().await.is_none());
}

#[tokio::test]
async fn a_worker_that_stops_hands_back_what_it_cannot_end() {
    let world = World::new().await;
    let job = world.export().await;
    let (work, mut seen) = Scripted::new(&world, Script::Hang);
    let working = world.work_with(
        work,
        WorkerOptions {
            grace: Duration::from_millis(50),
            ..options()
        },
    );
    next(&mut seen).await;
    working.stop().await;
    assert_eq!(next(&mut seen).await, Seen::Dropped);
    assert_eq!(world.value("export_run", "holder", job).await, "");
    // That attempt does not count.
    assert_eq!(
        world.value("export_run", "max_attempts - attempt", job).await,
        "3"
    );

    let (work, _seen) = Scripted::new(&world, Script::Complete(Duration::ZERO));
    let other = world.work(work);
    world.until("export_job", "status", job, "completed").await;
    other.stop().await;
}

#[tokio::test]
async fn a_worker_that_stops_lets_short_work_end() {
    let world = World::new().await;
    let job = world.export().await;
    let (work, mut seen) = Scripted::new(&world, Script::Complete(Duration::from_millis(300)));
    let working = world.work(work);
    next(&mut seen).await;
    working.stop().await;
    assert_eq!(world.value("export_job", "status", job).await, "completed");
}

#[tokio::test]
async fn a_job_that_ends_makes_room_for_the_next_of_its_tenant() {
    let world = World::new().await;
    let (work, _seen) = Scripted::new(&world, Script::Complete(Duration::from_millis(50)));
    let alone = WorkerOptions {
        max_running_per_tenant: 1,
        poll: Duration::from_secs(3600),
        ..options()
    };
    let working = world.work_with(work, alone);
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(world.export().await);
    }
    for job in jobs {
        world.until("export_job", "status", job, "completed").await;
    }
    working.stop().await;
}

#[tokio::test]
async fn a_tenants_jobs_do_not_all_run_at_once() {
    let world = World::new().await;
    for _ in 0..3 {
        world.export().await;
    }
    let (work, mut seen) = Scripted::new(&world, Script::Hang);
    let working = world.work_with(
        work,
        WorkerOptions {
            max_running_per_tenant: 2,
            grace: Duration::ZERO,
            ..options()
        },
    );
    for _ in 0..2 {
        assert!(matches!(next(&mut seen).await, Seen::Began { .. }));
    }
    // The worker has slots left and looks again and again; the third begins only when one has ended.
    let third = tokio::time::timeout(Duration::from_millis(500), seen.recv()).await;
    assert!(third.is_err(), "{third:?}");
    working.stop().await;
}
