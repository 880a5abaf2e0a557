//! Records that imports did not take.

use datacovey_error::{Error, Result};
use datacovey_list::{Page, Paging};
use datacovey_types::Ctx;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use crate::failure::{Failure, OrNotFound as _};
use crate::schema::{import_job, import_run, rejected_row};
use crate::{Conn, Database, Lease};

/// A record that an import did not take.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Serialize)]
#[diesel(table_name = rejected_row, check_for_backend(diesel::pg::Pg))]
pub struct RejectedRowRow {
    pub id: i64,
    pub job_id: Uuid,
    pub tenant_id: Uuid,
    pub line: i64,
    pub field: Option<String>,
    pub reason: String,
    pub value: Option<String>,
    /// The file that the line is of; none of an upload.
    pub file: Option<String>,
}

/// One thing that is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRejectedRow {
    pub line: i64,
    pub field: Option<String>,
    pub reason: String,
    /// At most 200 characters.
    pub value: Option<String>,
    pub file: Option<String>,
}

impl Database {
    /// Adds what an import rejected. For its worker: FAILED_PRECONDITION if the job has ended or is
    /// held by another one.
    pub async fn rejected_row_add(&self, ctx: &Ctx, lease: &Lease, rows: &[NewRejectedRow]) -> Result<()> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            hold(lease, conn).await?;
            let values: Vec<_> = rows
                .iter()
                .map(|row| {
                    (
                        rejected_row::job_id.eq(lease.job_id),
                        rejected_row::tenant_id.eq(ctx.tenant_id()),
                        rejected_row::line.eq(row.line),
                        rejected_row::field.eq(row.field.as_deref()),
                        rejected_row::reason.eq(row.reason.as_str()),
                        rejected_row::value.eq(row.value.as_deref()),
                        rejected_row::file.eq(row.file.as_deref()),
                    )
                })
                .collect();
            diesel::insert_into(rejected_row::table)
                .values(values)
                .execute(conn)
                .await?;
            Ok(())
        })
        .await
    }

    /// Forgets what an earlier attempt rejected. For the worker, as [`Self::rejected_row_add`].
    pub async fn rejected_row_clear(&self, ctx: &Ctx, lease: &Lease) -> Result<()> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            hold(lease, conn).await?;
            let all = rejected_row::table.filter(rejected_row::job_id.eq(lease.job_id));
            diesel::delete(all).execute(conn).await?;
            Ok(())
        })
        .await
    }

    /// What an import rejected, in the order of the content.
    ///
    /// NOT_FOUND.
    pub async fn rejected_row_list(
        &self,
        ctx: &Ctx,
        job_id: Uuid,
        paging: &Paging<i64>,
    ) -> Result<Page<RejectedRowRow>> {
        let rows = self
            .transaction(ctx, async |conn: &mut Conn<'_>| {
                let job = import_job::table.find(job_id).select(import_job::id);
                job.first::<Uuid>(conn).await.or_not_found("import_job", job_id)?;
                Ok(rejected_row::table
                    .filter(
                        rejected_row::job_id
                            .eq(job_id)
                            .and(rejected_row::id.gt(paging.after.unwrap_or(0))),
                    )
                    .order(rejected_row::id)
                    .limit(paging.limit())
                    .select(RejectedRowRow::as_select())
                    .load(conn)
                    .await?)
            })
            .await?;
        paging.page(rows, |last| last.id)
    }
}

/// Makes sure that the lease still holds, and does until the transaction ends.
async fn hold(lease: &Lease, conn: &mut Conn<'_>) -> Result<(), Failure> {
    let held = import_run::table.find(lease.job_id).filter(
        import_run::holder
            .eq(&lease.holder)
            .and(import_run::attempt.eq(lease.attempt))
            .and(import_run::ended_at.is_null()),
    );
    match held
        .select(import_run::job_id)
        .for_share()
        .first::<Uuid>(conn)
        .await
        .optional()?
    {
        Some(_) => Ok(()),
        None => Err(Error::wrong_state("the job has ended or is held by another worker").into()),
    }
}
