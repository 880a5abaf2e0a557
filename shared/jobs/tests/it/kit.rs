use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use datacovey_jobs::{Job, JobFailure, Work, Worker, WorkerOptions};
use datacovey_persistence::{Claim, ClaimedJob, Database, DbRole, JobKind, Listener};
use datacovey_testing::{Sql, Tenant, TestDatabase, schema_of};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longer than anything here takes; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A database with a tenant and its table.
pub(crate) struct World {
    pub(crate) test: TestDatabase,
    pub(crate) sql: Sql,
    pub(crate) tenant: Tenant,
    pub(crate) table_id: Uuid,
    /// As workers see it.
    pub(crate) database: Database,
    pub(crate) listener: Arc<Listener>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let test = TestDatabase::new().await;
        let sql = test.sql().await;
        let tenant = sql.tenant("one").await;
        let project = sql.project(tenant.id, "project").await;
        let dataset = sql.dataset(tenant.id, project, "dataset").await;
        let table_id = sql.table(tenant.id, dataset, "table", &schema_of(&["a"])).await;
        let database = test.open(DbRole::TransferWorker).await;
        let listener = Arc::new(Listener::start(test.url()).unwrap());
        Self {
            test,
            sql,
            tenant,
            table_id,
            database,
            listener,
        }
    }

    pub(crate) async fn export(&self) -> Uuid {
        self.sql.export_job(self.tenant, self.table_id).await
    }

    /// A column of the job's run or of the job.
    pub(crate) async fn value(&self, relation: &str, column: &str, id: Uuid) -> String {
        let key = if relation.ends_with("_run") {
            "job_id"
        } else {
            "id"
        };
        self.sql
            .value(&format!("SELECT {column} FROM {relation} WHERE {key} = '{id}'"))
            .await
            .unwrap()
    }

    /// Waits until a column has a value.
    pub(crate) async fn until(&self, relation: &str, column: &str, id: Uuid, expected: &str) {
        let reached = async {
            while self.value(relation, column, id).await != expected {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, reached).await.is_err() {
            let found = self.value(relation, column, id).await;
            panic!("{relation}.{column} is {found} and not {expected}");
        }
    }

    /// Claims as a worker that will never be heard of again.
    pub(crate) async fn claim_and_die(&self, lease: Duration) -> ClaimedJob {
        let claim = Claim {
            kind: JobKind::Export,
            worker: "dead".to_owned(),
            lease,
            max_running_per_tenant: 100,
        };
        self.database.job_claim(&claim).await.unwrap().unwrap()
    }

    pub(crate) fn work<W: Work>(&self, work: W) -> Working {
        self.work_with(work, options())
    }

    pub(crate) fn work_with<W: Work>(&self, work: W, options: WorkerOptions) -> Working {
        let stop = CancellationToken::new();
        let worker = Worker::new(self.database.clone(), work, options);
        let (listener, stopped) = (Arc::clone(&self.listener), stop.clone());
        let task = tokio::spawn(async move { worker.run(Some(&listener), stopped).await });
        Working { stop, task }
    }
}

pub(crate) fn options() -> WorkerOptions {
    WorkerOptions {
        concurrency: 4,
        max_running_per_tenant: 100,
        heartbeat: Duration::from_millis(100),
        poll: Duration::from_millis(100),
        grace: Duration::from_secs(5),
        ..WorkerOptions::default()
    }
}

/// A worker at work; stopped with the value.
pub(crate) struct Working {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Working {
    /// Drains the worker.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, &mut self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the work saw.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    Began { job_id: Uuid, attempt: i32 },
    Dropped,
    Ended(Uuid),
}

/// Completes each job, or fails it in a given way.
pub(crate) struct Scripted {
    pub(crate) database: Database,
    pub(crate) seen: mpsc::UnboundedSender<Seen>,
    pub(crate) script: Script,
}

#[derive(Clone)]
pub(crate) enum Script {
    /// Takes this long and completes.
    Complete(Duration),
    /// Never ends by itself.
    Hang,
    Fail(JobFailure),
    Panic,
    /// Fails the first time, then completes.
    FailOnce(JobFailure, Arc<AtomicUsize>),
}

impl Scripted {
    pub(crate) fn new(world: &World, script: Script) -> (Self, mpsc::UnboundedReceiver<Seen>) {
        let (seen, receiver) = mpsc::unbounded_channel();
        (
            Self {
                database: world.database.clone(),
                seen,
                script,
            },
            receiver,
        )
    }

    async fn complete(&self, job: &Job) -> Result<(), JobFailure> {
        Ok(self
            .database
            .export_complete(&job.ctx, &job.lease, json!({ "rows_done": 1 }))
            .await?)
    }
}

impl Work for Scripted {
    const KIND: JobKind = JobKind::Export;

    async fn run(&self, job: Job) -> Result<(), JobFailure> {
        let began = Seen::Began {
            job_id: job.lease.job_id,
            attempt: job.lease.attempt,
        };
        self.seen.send(began).unwrap();
        let _dropped = TellWhenDropped(self.seen.clone());
        job.progress.report(json!({ "rows_done": 0 }));
        match &self.script {
            Script::Complete(after) => {
                tokio::time::sleep(*after).await;
                self.complete(&job).await
            }
            Script::Hang => std::future::pending().await,
            Script::Fail(failure) => Err(failure.clone()),
            Script::Panic => panic!("a bug in the work"),
            Script::FailOnce(failure, runs) => {
                if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                    return Err(failure.clone());
                }
                self.complete(&job).await
            }
        }
    }

    async fn ended(&self, job_id: Uuid) {
        // The test may have seen enough.
        let _ = self.seen.send(Seen::Ended(job_id));
    }
}

struct TellWhenDropped(mpsc::UnboundedSender<Seen>);

impl Drop for TellWhenDropped {
    fn drop(&mut self) {
        // The test may have seen enough.
        let _ = self.0.send(Seen::Dropped);
    }
}

pub(crate) async fn next(seen: &mut mpsc::UnboundedReceiver<Seen>) -> Seen {
    tokio::time::timeout(PATIENCE, seen.recv())
        .await
        .unwrap()
        .unwrap()
}
