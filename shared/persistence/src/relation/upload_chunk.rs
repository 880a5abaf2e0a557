//! Committed parts of uploads.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Kind, Result};
use datacovey_types::Ctx;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::import_run::upload_is_over;
use crate::failure::OnConstraint as _;
use crate::pipeline::answer;
use crate::schema::upload_chunk;
use crate::{Conn, Database};

/// A committed part of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Serialize)]
#[diesel(table_name = upload_chunk, check_for_backend(diesel::pg::Pg))]
pub struct UploadChunkRow {
    pub job_id: Uuid,
    pub offset: i64,
    pub tenant_id: Uuid,
    pub bytes: i64,
    pub path: String,
    pub created_at: NaiveDateTime,
}

impl Database {
    /// Commits a part of an upload, which is durable at `path`: from then on it is part of the content.
    ///
    /// OUT_OF_RANGE if `offset` is not where the upload goes on, with the right one;
    /// FAILED_PRECONDITION if it is finished or the import has ended; NOT_FOUND.
    pub async fn upload_chunk_append(
        &self,
        ctx: &Ctx,
        job_id: Uuid,
        offset: i64,
        bytes: i64,
        path: &str,
    ) -> Result<()> {
        let appended = self.transaction(ctx, async |conn: &mut Conn<'_>| {
            diesel::insert_into(upload_chunk::table)
                .values((
                    upload_chunk::job_id.eq(job_id),
                    upload_chunk::offset.eq(offset),
                    upload_chunk::tenant_id.eq(ctx.tenant_id()),
                    upload_chunk::bytes.eq(bytes),
                    upload_chunk::path.eq(path),
                ))
                .execute(conn)
                .await
                .on_constraint("upload_chunk_is_finished", upload_is_over)?;
            Ok(())
        });
        // The database knows the right offset, and we the one that was given.
        appended.await.map_err(
            |error| match error.metadata().get("expected_offset").map(|it| it.parse()) {
                Some(Ok(expected)) if error.kind() == Kind::OutOfRange => {
                    Error::wrong_offset(u64::try_from(offset).unwrap_or_default(), expected)
                }
                _ => error,
            },
        )
    }

    /// The parts of an upload, in order.
    pub async fn upload_chunk_list(&self, ctx: &Ctx, job_id: Uuid) -> Result<Vec<UploadChunkRow>> {
        let chunks = upload_chunk::table
            .filter(upload_chunk::job_id.eq(job_id))
            .order(upload_chunk::offset)
            .select(UploadChunkRow::as_select());
        answer(self.fetch(ctx, chunks).await)
    }
}
