use std::time::Duration;

use datacovey_error::{Error, Kind, Result};
use datacovey_persistence::Compaction;
use datacovey_storage::ObjectPath;
use datacovey_storage::merge::{Mergeable, Merged, merge_files};
use datacovey_storage::read::Piece;
use datacovey_storage::schema::TableSchema;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::import::new_file;
use crate::Transfer;
use crate::domain::compaction::worth_merging;
use crate::observed::{self, Compacted};

/// A table of which nothing could be made now is left alone for so long.
const PAUSE: Duration = Duration::from_secs(60);

/// Makes many small files of a table few, in the background.
///
/// It works under a lease of its own and never in the way of imports: what they add meanwhile stays, and where
/// one takes a file away, what was written is dropped and becomes garbage.
#[derive(Debug)]
pub(crate) struct Compactor(Transfer);

impl Compactor {
    pub(crate) fn new(transfer: &Transfer) -> Self {
        Self(transfer.clone())
    }

    /// Compacts from time to time until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                match self.next().await {
                    // There may be more.
                    Ok(true) => {}
                    Ok(false) => sleep(self.0.limits.compact_every).await,
                    Err(error) => {
                        tracing::warn!(cause = ?error, "cannot compact now");
                        sleep(self.0.limits.compact_every).await;
                    }
                }
            }
        })
        .await;
    }

    /// Compacts the table that needs it most; false where none does.
    async fn next(&self) -> Result<bool> {
        let limits = &self.0.limits;
        let claimed = self
            .0
            .worker_database
            .compaction_claim(
                &limits.worker.name,
                limits.compact_lease,
                limits.compact_from_files,
            )
            .await?;
        let Some(held) = claimed else { return Ok(false) };
        // What is not committed within the lease never is.
        let ended = timeout(limits.compact_lease.mul_f64(0.9), self.compact(&held)).await;
        let failed = match ended {
            Ok(Ok(merged)) if merged > 0 => {
                observed::compacted(Compacted::Committed, merged);
                return Ok(true);
            }
            Ok(Ok(_)) => Compacted::NothingToDo,
            Ok(Err(error)) if error.kind() == Kind::Aborted => Compacted::Overtaken,
            Ok(Err(error)) => {
                tracing::warn!(table_id = %held.table_id, cause = ?error, "the table is not compacted");
                Compacted::Failed
            }
            Err(_) => Compacted::OutOfTime,
        };
        observed::compacted(failed, 0);
        let pause = match failed {
            Compacted::Overtaken => Duration::ZERO,
            _ => PAUSE,
        };
        self.0.worker_database.compaction_release(&held, pause).await?;
        Ok(true)
    }

    /// How many files were replaced.
    async fn compact(&self, held: &Compaction) -> Result<usize> {
        let schema = TableSchema::parse(&held.schema)
            .map_err(|_| Error::internal("the schema of a table with files is unreadable"))?;
        let bytes: Vec<u64> = held.files.iter().map(|file| file.bytes).collect();
        let files: Vec<Mergeable> = worth_merging(&bytes)
            .into_iter()
            .map(|at| {
                let file = &held.files[at];
                Mergeable {
                    piece: Piece {
                        path: ObjectPath::from(file.path.as_str()),
                        size_bytes: file.bytes,
                    },
                    rows: file.rows,
                    sha256: file.checksum.clone(),
                    statistics: file.statistics.clone(),
                }
            })
            .collect();
        if files.is_empty() {
            return Ok(0);
        }
        let folder = ObjectPath::from(held.folder.as_str());
        let store = self.0.store.clone();
        let Merged { merged, files } =
            merge_files(store, folder, files, schema, self.0.limits.write.file_bytes).await?;
        if merged.len() <= files.len() {
            return Ok(0);
        }
        let replaced = merged.len();
        let merged = merged.into_iter().map(String::from).collect();
        let files: Vec<_> = files.iter().map(new_file).collect();
        let version = self
            .0
            .worker_database
            .compaction_commit(held, merged, &files)
            .await?;
        tracing::debug!(table_id = %held.table_id, version, replaced, into = files.len(), "compacted");
        Ok(replaced)
    }
}
