//! What keeps tables small and quick: the files of versions that nobody needs go, and many small files become
//! few of the same content.

use std::time::Duration;

use datacovey_error::{Error, Result};
use diesel::sql_types::{Array, BigInt, Bool, Jsonb, Text, Uuid as SqlUuid};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::door;
use super::job::{NewFile, millis};
use crate::Database;
use crate::pipeline::answer;

/// A table whose small files the caller may make few until its lease ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Compaction {
    pub table_id: Uuid,
    pub tenant_id: Uuid,
    pub holder: String,
    pub attempt: i64,
    /// Where to write. It is garbage once the lease has ended, unless the commit comes before.
    pub folder: String,
    /// The schema of the table.
    pub schema: Value,
    /// The small files of its newest version, in order.
    pub files: Vec<SmallFile>,
}

/// A file that may go into a larger one.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SmallFile {
    pub path: String,
    pub rows: u64,
    pub bytes: u64,
    /// SHA-256, 64 hexadecimal digits.
    pub checksum: String,
    pub statistics: Value,
}

/// How much a sweep of versions did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweptVersions {
    pub versions: u64,
    /// Objects that are garbage now.
    pub objects: u64,
}

door! {
    SweepVersions { retention_ms: i64 => BigInt }
    "SELECT versions, objects FROM sweep_versions(" .. ")" -> (BigInt, BigInt)
}

door! {
    ClaimCompaction { worker: String => Text, lease_ms: i64 => BigInt, min_files: i64 => BigInt }
    "SELECT table_id, tenant_id, attempt, folder, schema, files FROM claim_compaction(" .. ")"
    -> (SqlUuid, SqlUuid, BigInt, Text, Jsonb, Jsonb)
}

door! {
    CommitCompaction {
        table_id: Uuid => SqlUuid, worker: String => Text, attempt: i64 => BigInt, merged: Vec<String> => Array<Text>,
        files: Value => Jsonb,
    }
    "SELECT version FROM commit_compaction(" .. ") AS version" -> BigInt
}

door! {
    ReleaseCompaction {
        table_id: Uuid => SqlUuid, worker: String => Text, attempt: i64 => BigInt, pause_ms: i64 => BigInt,
    }
    "SELECT held FROM release_compaction(" .. ") AS held" -> Bool
}

impl Database {
    /// Sweeps versions that have been neither the newest nor seen by others for `retention`, of some tables:
    /// to be called until it answers none.
    pub async fn versions_sweep(&self, retention: Duration) -> Result<SweptVersions> {
        let door = SweepVersions {
            retention_ms: millis(retention),
        };
        let rows: Vec<(i64, i64)> = answer(self.fetch_without_tenant(door).await)?;
        Ok(rows
            .first()
            .map(|(versions, objects)| SweptVersions {
                versions: versions.unsigned_abs(),
                objects: objects.unsigned_abs(),
            })
            .unwrap_or_default())
    }

    /// Leases the table with the most small files, if one has at least `min_files`.
    pub async fn compaction_claim(
        &self,
        worker: &str,
        lease: Duration,
        min_files: u32,
    ) -> Result<Option<Compaction>> {
        let door = ClaimCompaction {
            worker: worker.to_owned(),
            lease_ms: millis(lease),
            min_files: min_files.into(),
        };
        let rows: Vec<(Uuid, Uuid, i64, String, Value, Value)> =
            answer(self.fetch_without_tenant(door).await)?;
        let Some((table_id, tenant_id, attempt, folder, schema, files)) = rows.into_iter().next() else {
            return Ok(None);
        };
        Ok(Some(Compaction {
            table_id,
            tenant_id,
            holder: worker.to_owned(),
            attempt,
            folder,
            schema,
            files: Vec::deserialize(files).map_err(Error::internal)?,
        }))
    }

    /// Puts files in the place of others with the same rows: a new version of the same content. Answers it.
    ///
    /// ABORTED where an import has taken one of the others away, FAILED_PRECONDITION where the lease has ended.
    pub async fn compaction_commit(
        &self,
        held: &Compaction,
        merged: Vec<String>,
        files: &[NewFile],
    ) -> Result<i64> {
        let door = CommitCompaction {
            table_id: held.table_id,
            worker: held.holder.clone(),
            attempt: held.attempt,
            merged,
            files: serde_json::to_value(files).map_err(Error::internal)?,
        };
        let rows: Vec<i64> = answer(self.fetch_without_tenant(door).await)?;
        rows.into_iter()
            .next()
            .ok_or_else(|| Error::internal("commit_compaction answers nothing"))
    }

    /// Gives a table back that was not compacted, not to be leased again for `pause`.
    pub async fn compaction_release(&self, held: &Compaction, pause: Duration) -> Result<()> {
        let door = ReleaseCompaction {
            table_id: held.table_id,
            worker: held.holder.clone(),
            attempt: held.attempt,
            pause_ms: millis(pause),
        };
        // Where the lease has ended, there is nothing to give back.
        let _held: Vec<bool> = answer(self.fetch_without_tenant(door).await)?;
        Ok(())
    }
}
