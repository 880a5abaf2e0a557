use std::time::Duration;

use datacovey_error::{Error, Result};
use diesel::sql_types::{BigInt, Double, Text};

use super::{JobKind, door};
use crate::Database;
use crate::pipeline::answer;

/// The jobs of a kind that have not ended, of all tenants, in numbers alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JobQueue {
    /// Jobs that a worker may take now.
    pub ready: u64,
    /// How long the first of these has waited; zero where there is none.
    pub oldest_ready: Duration,
    /// Jobs that a worker holds.
    pub leased: u64,
}

door! {
    QueueOfJobs { kind: String => Text }
    "SELECT ready, oldest_ready_seconds, leased FROM job_queue(" .. ")" -> (BigInt, Double, BigInt)
}

impl Database {
    /// How many jobs of a kind wait and are held; for workers of that kind.
    pub async fn job_queue(&self, kind: JobKind) -> Result<JobQueue> {
        let door = QueueOfJobs {
            kind: kind.to_string(),
        };
        let rows: Vec<(i64, f64, i64)> = answer(self.fetch_without_tenant(door).await)?;
        let (ready, seconds, leased) = rows
            .into_iter()
            .next()
            .ok_or_else(|| Error::internal("job_queue answers nothing"))?;
        Ok(JobQueue {
            ready: ready.unsigned_abs(),
            // Below zero only where the clock of the database was set back.
            oldest_ready: Duration::try_from_secs_f64(seconds).unwrap_or_default(),
            leased: leased.unsigned_abs(),
        })
    }
}
