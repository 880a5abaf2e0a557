use std::sync::Arc;
use std::time::Duration;

use datacovey_persistence::{Claim, ClaimedJob, Database, JobKind, Listener};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::metrics::LeaseEvent;
use crate::running::{Outlook, run};
use crate::{Lookout, Work, metrics};

/// How often the queue is counted: no less often than Prometheus asks.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Names this process among all others: the holder of its leases.
    pub name: String,
    /// Jobs at a time.
    pub concurrency: usize,
    /// Jobs of one tenant at a time, over all workers.
    pub max_running_per_tenant: u32,
    /// How long a lease lasts without being renewed.
    pub lease: Duration,
    /// How often it is renewed, and progress written.
    pub heartbeat: Duration,
    /// How often to look for jobs that nobody told of.
    pub poll: Duration,
    /// How long running jobs may go on when the worker is to stop.
    pub grace: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            name: format!("worker-{}", datacovey_types::new_id()),
            concurrency: 2,
            max_running_per_tenant: 2,
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(1),
            poll: Duration::from_secs(5),
            grace: Duration::from_secs(20),
        }
    }
}

/// Takes jobs of one kind from the queue and does them.
#[derive(Debug)]
pub struct Worker<W> {
    database: Database,
    work: Arc<W>,
    options: WorkerOptions,
}

impl<W: Work> Worker<W> {
    /// `database` is of the worker's role.
    #[must_use]
    pub fn new(database: Database, work: W, options: WorkerOptions) -> Self {
        Self {
            database,
            work: Arc::new(work),
            options,
        }
    }

    /// Works until `stop`; then lets running jobs end within the grace and hands the others back.
    pub async fn run(self, listener: Option<&Listener>, stop: CancellationToken) {
        metrics::describe();
        let counting = tokio::spawn(count_for_ever(self.database.clone(), W::KIND));
        let _counting = AbortOnDropHandle::new(counting);
        let mut lookout = Lookout::new(listener);
        let slots = Arc::new(Semaphore::new(self.options.concurrency.max(1)));
        let hand_back = CancellationToken::new();
        let mut running = JoinSet::new();
        while let Some(slot) = free_slot(&slots, &stop).await {
            while running.try_join_next().is_some() {}
            match self.claim().await {
                Ok(Some(claimed)) => {
                    metrics::lease(W::KIND, LeaseEvent::Claimed);
                    if claimed.taken_over {
                        metrics::lease(W::KIND, LeaseEvent::TakenOver);
                    }
                    let outlook = Outlook {
                        database: self.database.clone(),
                        lookout: Lookout::new(listener),
                        options: self.options.clone(),
                        hand_back: hand_back.clone(),
                    };
                    let work = Arc::clone(&self.work);
                    running.spawn(async move {
                        run(work, claimed, outlook).await;
                        drop(slot);
                    });
                }
                Ok(None) => {
                    stop.run_until_cancelled(lookout.ready(W::KIND, self.options.poll))
                        .await;
                }
                Err(error) => {
                    metrics::claim_failed(W::KIND);
                    tracing::warn!(kind = W::KIND.as_str(), %error, "cannot ask for jobs");
                    stop.run_until_cancelled(sleep(self.options.heartbeat)).await;
                }
            }
        }
        // Those that are not done within the grace are handed back, which is quick.
        if timeout(self.options.grace, async {
            while running.join_next().await.is_some() {}
        })
        .await
        .is_err()
        {
            hand_back.cancel();
            while running.join_next().await.is_some() {}
        }
    }

    async fn claim(&self) -> Result<Option<ClaimedJob>, datacovey_error::Error> {
        let WorkerOptions {
            name,
            lease,
            max_running_per_tenant,
            ..
        } = &self.options;
        let claim = Claim {
            kind: W::KIND,
            worker: name.clone(),
            lease: *lease,
            max_running_per_tenant: *max_running_per_tenant,
        };
        self.database.job_claim(&claim).await
    }
}

/// A slot for one more job; none when the worker is to stop.
async fn free_slot(
    slots: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<tokio::sync::OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        slot = Arc::clone(slots).acquire_owned() => slot.ok(),
    }
}

/// Tells how many jobs wait, whether or not this worker has room for one: that is what more workers
/// are started by.
async fn count_for_ever(database: Database, kind: JobKind) {
    let mut every = interval(COUNT_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        match database.job_queue(kind).await {
            Ok(queue) => metrics::queue(kind, queue),
            // What was told last stands. That the database is away is told by all the others.
            Err(error) => tracing::debug!(kind = kind.as_str(), %error, "the queue cannot be counted"),
        }
    }
}
