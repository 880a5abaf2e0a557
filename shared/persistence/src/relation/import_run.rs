//! The queue of import jobs.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result};
use datacovey_types::Ctx;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::import_job::utc_now;
use crate::failure::{Failure, OrNotFound as _};
use crate::schema::{import_run, upload_chunk};
use crate::{Conn, Database};

/// What the queue knows of an import job.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Serialize)]
#[diesel(table_name = import_run, check_for_backend(diesel::pg::Pg))]
pub struct ImportRunRow {
    pub job_id: Uuid,
    pub tenant_id: Uuid,
    pub created_by: Uuid,
    pub options: Value,
    pub progress: Option<Value>,
    pub error: Option<Value>,
    pub ready_at: Option<NaiveDateTime>,
    pub holder: Option<String>,
    pub lease_expires_at: Option<NaiveDateTime>,
    pub attempt: i32,
    pub max_attempts: i32,
    pub cancel_requested: bool,
    pub traceparent: Option<String>,
    pub created_at: NaiveDateTime,
    pub ended_at: Option<NaiveDateTime>,
    pub swept_at: Option<NaiveDateTime>,
}

/// How far an upload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadState {
    /// Bytes that are committed: the offset to go on from.
    pub committed_bytes: i64,
    /// Whether the content is complete.
    pub finished: bool,
    /// Whether the import has ended, a cancel included.
    pub ended: bool,
    /// Since when the content is awaited, UTC.
    pub created_at: NaiveDateTime,
}

impl Database {
    /// How far the upload of an import is.
    ///
    /// NOT_FOUND.
    pub async fn import_run_upload_state(&self, ctx: &Ctx, job_id: Uuid) -> Result<UploadState> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            let run = import_run::table
                .find(job_id)
                .select(ImportRunRow::as_select())
                .first(conn)
                .await
                .or_not_found("import_job", job_id)?;
            Ok(UploadState {
                committed_bytes: committed_bytes(job_id, conn).await?,
                finished: run.ready_at.is_some(),
                ended: run.ended_at.is_some(),
                created_at: run.created_at,
            })
        })
        .await
    }

    /// Ends the upload: the content is `total_bytes` long, and a worker may take the job. `options`
    /// replace those of the job.
    ///
    /// OUT_OF_RANGE if another length is committed, FAILED_PRECONDITION if the upload is finished
    /// already or the import has ended.
    pub async fn import_run_finish_upload(
        &self,
        ctx: &Ctx,
        job_id: Uuid,
        total_bytes: i64,
        options: Value,
    ) -> Result<()> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            // The run's row is the lock that chunks are added under.
            let awaited = import_run::table
                .find(job_id)
                .filter(import_run::ready_at.is_null().and(import_run::ended_at.is_null()));
            let locked = awaited
                .select(import_run::job_id)
                .for_update()
                .first::<Uuid>(conn)
                .await
                .optional()?;
            if locked.is_none() {
                return Err(upload_is_over().into());
            }
            let committed = committed_bytes(job_id, conn).await?;
            if committed != total_bytes {
                let [given, expected] =
                    [total_bytes, committed].map(|it| u64::try_from(it).unwrap_or_default());
                return Err(Error::wrong_offset(given, expected).into());
            }
            diesel::update(import_run::table.find(job_id))
                .set((
                    import_run::options.eq(&options),
                    import_run::ready_at.eq(utc_now()),
                ))
                .execute(conn)
                .await?;
            Ok(())
        })
        .await
    }
}

/// Nothing more is awaited of the upload.
pub(super) fn upload_is_over() -> Error {
    Error::wrong_state("the upload is finished, or the import has ended")
}

/// Chunks follow each other without a gap, so the end of the last is the length of all.
async fn committed_bytes(job_id: Uuid, conn: &mut Conn<'_>) -> Result<i64, Failure> {
    let last = upload_chunk::table
        .filter(upload_chunk::job_id.eq(job_id))
        .order(upload_chunk::offset.desc())
        .select((upload_chunk::offset, upload_chunk::bytes))
        .first::<(i64, i64)>(conn)
        .await
        .optional()?;
    Ok(last.map_or(0, |(offset, bytes)| offset + bytes))
}
