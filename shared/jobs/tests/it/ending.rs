use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use datacovey_error::ErrorReason;
use datacovey_jobs::{JobFailure, WorkerOptions};
use datacovey_persistence::DbRole;

use crate::kit::{Script, Scripted, Seen, World, next, options};

#[tokio::test]
async fn a_job_is_done_and_its_progress_written() {
    let world = World::new().await;
    let job = world.export().await;
    let (work, _seen) = Scripted::new(&world, Script::Complete(Duration::from_millis(400)));
    let working = world.work(work);
    world
        .until("export_run", "progress", job, "{\"rows_done\": 0}")
        .await;
    world.until("export_job", "status", job, "completed").await;
    assert_eq!(
        world.value("export_run", "progress", job).await,
        "{\"rows_done\": 1}"
    );
    working.stop().await;
}

#[tokio::test]
async fn a_job_that_comes_while_the_worker_waits_wakes_it() {
    let world = World::new().await;
    let (work, mut seen) = Scripted::new(&world, Script::Complete(Duration::ZERO));
    // It would not look by itself within the patience of the test.
    let working = world.work_with(
        work,
        WorkerOptions {
            poll: Duration::from_secs(3600),
            ..options()
        },
    );
    let first = world.export().await;
    assert_eq!(
        next(&mut seen).await,
        Seen::Began {
            job_id: first,
            attempt: 1
        }
    );
    world.until("export_job", "status", first, "completed").await;
    let second = world.export().await;
    world.until("export_job", "status", second, "completed").await;
    working.stop().await;
}

#[tokio::test]
async fn a_failure_ends_the_job_and_is_kept() {
    let world = World::new().await;
    let job = world.export().await;
    let failure = JobFailure::new(ErrorReason::TransferFailed, "line 3 is odd").at(Some(3), None);
    let (work, mut seen) = Scripted::new(&world, Script::Fail(failure));
    let working = world.work(work);
    world.until("export_job", "status", job, "failed").await;
    let error = world.value("export_run", "error", job).await;
    assert_eq!(
        error,
        "{\"line\": 3, \"reason\": \"TRANSFER_FAILED\", \"message\": \"line 3 is odd\"}"
    );
    working.stop().await;
    assert_eq!(
        next(&mut seen).await,
        Seen::Began {
            job_id: job,
            attempt: 1
        }
    );
    assert_eq!(next(&mut seen).await, Seen::Dropped);
    assert_eq!(next(&mut seen).await, Seen::Ended(job));
    assert!(seen.recv().await.is_none(), "it was not tried again");
}

#[tokio::test]
async fn a_transient_failure_is_tried_again() {
    let world = World::new().await;
    let job = world.export().await;
    let failure = JobFailure::new(ErrorReason::Unavailable, "away").transient();
    let (work, mut seen) = Scripted::new(&world, Script::FailOnce(failure, Arc::new(AtomicUsize::new(0))));
    let working = world.work(work);
    world.until("export_job", "status", job, "completed").await;
    assert_eq!(world.value("export_run", "attempt", job).await, "2");
    working.stop().await;
    // What is kept for the job is let go of once, when no attempt needs it any more.
    for expected in [
        Seen::Began {
            job_id: job,
            attempt: 1,
        },
        Seen::Dropped,
        Seen::Began {
            job_id: job,
            attempt: 2,
        },
        Seen::Dropped,
        Seen::Ended(job),
    ] {
        assert_eq!(next(&mut seen).await, expected);
    }
    assert!(seen.recv().await.is_none());
}

#[tokio::test]
async fn attempts_are_bounded() {
    let world = World::new().await;
    let job = world.export().await;
    world
        .sql
        .run(&format!(
            "UPDATE export_run SET max_attempts = 2 WHERE job_id = '{job}'"
        ))
        .await
        .unwrap();
    let failure = JobFailure::new(ErrorReason::Unavailable, "away").transient();
    let (work, _seen) = Scripted::new(&world, Script::Fail(failure));
    let working = world.work(work);
    world.until("export_job", "status", job, "failed").await;
    assert_eq!(world.value("export_run", "attempt", job).await, "2");
    assert!(
        world
            .value("export_run", "error", job)
            .await
            .contains("UNAVAILABLE")
    );
    working.stop().await;
}

#[tokio::test]
async fn work_that_panics_fails_its_job_and_not_the_worker() {
    let world = World::new().await;
    let job = world.export().await;
    let (work, _seen) = Scripted::new(&world, Script::Panic);
    let working = world.work(work);
    world.until("export_job", "status", job, "failed").await;
    let error = world.value("export_run", "error", job).await;
    assert!(error.contains("INTERNAL") && !error.contains("bug"), "{error}");
    let next = world.export().await;
    world.until("export_job", "status", next, "failed").await;
    working.stop().await;
}

#[tokio::test]
async fn a_cancel_reaches_the_work_within_a_second() {
    let world = World::new().await;
    let job = world.export().await;
    let (work, mut seen) = Scripted::new(&world, Script::Hang);
    // The notice alone is quick enough; renewals would come too late.
    let working = world.work_with(
        work,
        WorkerOptions {
            heartbeat: Duration::from_secs(10),
            ..options()
        },
    );
    assert_eq!(
        next(&mut seen).await,
        Seen::Began {
            job_id: job,
            attempt: 1
        }
    );
    let callers = world.test.open(DbRole::Transfer).await;
    let cancelled = Instant::now();
    callers
        .export_job_cancel(&world.tenant.ctx(), job, None)
        .await
        .unwrap();
    assert_eq!(next(&mut seen).await, Seen::Dropped);
    assert!(
        cancelled.elapsed() < Duration::from_secs(1),
        "{:?}",
        cancelled.elapsed()
    );
    assert!(
        world
            .value("export_run", "error", job)
            .await
            .contains("CANCELLED")
    );
    working.stop().await;
}

#[tokio::test]
async fn a_cancel_that_nobody_told_of_is_found_by_the_next_renewal() {
    let mut world = World::new().await;
    let job = world.export().await;
    // A listener of another database hears nothing of this one.
    let deaf = datacovey_testing::TestDatabase::new().await;
    world.listener = Arc::new(datacovey_persistence::Listener::start(deaf.url()).unwrap());
    let (work, mut seen) = Scripted::new(&world, Script::Hang);
    let working = world.work(work);
    next(&mut seen).await;
    let callers = world.test.open(DbRole::Transfer).await;
    callers
        .export_job_cancel(&world.tenant.ctx(), job, None)
        .await
        .unwrap();
    assert_eq!(next(&mut seen).await, Seen::Dropped);
    working.stop().await;
}
