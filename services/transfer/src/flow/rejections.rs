use datacovey_error::Result;
use datacovey_jobs::{Job, JobFailure};
use datacovey_persistence::{Database, NewRejectedRow};
use datacovey_storage::read::Rejected;

use crate::domain::failure::{RejectedOf, too_many_rejected};

/// Faults written by one statement.
const TOGETHER: usize = 500;

/// What an import rejected: counted, and written down.
pub(super) struct Rejections<'a> {
    database: &'a Database,
    job: &'a Job,
    max_bad_records: u64,
    records: u64,
    first: Option<RejectedOf>,
    pending: Vec<NewRejectedRow>,
}

impl<'a> Rejections<'a> {
    /// Begins with none: what an earlier attempt rejected is forgotten.
    pub(super) async fn start(database: &'a Database, job: &'a Job, max_bad_records: u64) -> Result<Self> {
        if job.lease.attempt > 1 {
            database.rejected_row_clear(&job.ctx, &job.lease).await?;
        }
        Ok(Self {
            database,
            job,
            max_bad_records,
            records: 0,
            first: None,
            pending: Vec::new(),
        })
    }

    /// Writes down records that were found to be bad when all were read.
    pub(super) async fn note(database: &Database, job: &Job, rejected: &[RejectedOf]) -> Result<()> {
        let rows: Vec<NewRejectedRow> = rejected
            .iter()
            .flat_map(|(file, it)| rows(file.as_deref(), it))
            .collect();
        database.rejected_row_add(&job.ctx, &job.lease, &rows).await
    }

    /// Adds records of a file; fails when there are more than may be, with all up to there written down.
    pub(super) async fn add(
        &mut self,
        file: Option<&str>,
        rejected: Vec<Rejected>,
    ) -> Result<(), JobFailure> {
        for record in rejected {
            self.records += 1;
            self.pending.extend(rows(file, &record));
            self.first
                .get_or_insert_with(|| (file.map(str::to_owned), record));
            if self.records > self.max_bad_records {
                self.flush().await?;
                return Err(too_many_rejected(self.max_bad_records, self.first.as_ref()));
            }
            if self.pending.len() >= TOGETHER {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Writes down what is not yet.
    pub(super) async fn flush(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.database
            .rejected_row_add(&self.job.ctx, &self.job.lease, &self.pending)
            .await?;
        self.pending.clear();
        Ok(())
    }

    /// Records rejected so far.
    pub(super) const fn records(&self) -> u64 {
        self.records
    }
}

/// A row for each fault.
fn rows(file: Option<&str>, record: &Rejected) -> impl Iterator<Item = NewRejectedRow> {
    record.faults.iter().map(move |fault| NewRejectedRow {
        line: i64::try_from(record.line).unwrap_or(i64::MAX),
        field: fault.field.clone(),
        reason: fault.reason.clone(),
        value: Some(fault.value.clone()),
        file: file.map(str::to_owned),
    })
}
