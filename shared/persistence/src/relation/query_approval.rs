//! Leave of owners to run queries over their tables.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result};
use datacovey_list::{Field, Fields, Kind, Listing, Page, check_etag};
use datacovey_types::{Ctx, new_id};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::idempotency::Replay;
use crate::failure::{Failure, OrNotFound as _};
use crate::pipeline::answer;
use crate::schema::query_approval;
use crate::{Conn, Database, listing};

/// A request for an owner's leave, and what became of it.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Serialize)]
#[diesel(table_name = query_approval, check_for_backend(diesel::pg::Pg))]
pub struct QueryApprovalRow {
    pub id: Uuid,
    /// The owner of the table.
    pub tenant_id: Uuid,
    pub table_id: Uuid,
    pub project_id: Uuid,
    pub policy_version: i64,
    pub requester_tenant_id: Uuid,
    pub requested_by: Uuid,
    pub query_text: String,
    pub parameters: Value,
    pub tables: Value,
    /// Stands for all that the leave binds.
    pub question: String,
    pub state: String,
    pub approver_user_id: Option<Uuid>,
    pub created_at: NaiveDateTime,
    pub changed_at: NaiveDateTime,
}

/// A question that needs the leave of owners.
#[derive(Clone, Debug)]
pub struct NewQueryApprovals {
    pub project_id: Uuid,
    pub query_text: String,
    /// Values of the text's parameters: an object.
    pub parameters: Value,
    pub question: String,
    /// All tables that the query reads.
    pub tables: Value,
    /// Those whose owners are asked.
    pub needed: Vec<NeededApproval>,
}

/// A table whose policy asks for its owner's leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeededApproval {
    pub table_id: Uuid,
    pub owner: Uuid,
    pub policy_version: i64,
}

/// What an owner decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalDecision {
    Approve,
    /// Takes leave back, or refuses it.
    Revoke,
}

/// What lists of approvals are filtered and ordered by.
pub const APPROVAL_FIELDS: Fields = Fields {
    relation: "query_approval",
    all: &[
        ID,
        Field::new("table_id", Kind::Id),
        Field::new("requester_tenant_id", Kind::Id),
        Field::new("state", Kind::Word(STATES)),
        Field::new("created_at", Kind::Time),
    ],
    sortable: &["id", "created_at"],
    key: ID,
};
const ID: Field = Field::new("id", Kind::Id);
const STATES: &[(&str, &str)] = &[
    ("APPROVAL_STATE_REQUESTED", REQUESTED),
    ("APPROVAL_STATE_APPROVED", APPROVED),
    ("APPROVAL_STATE_REVOKED", REVOKED),
];
const REQUESTED: &str = "requested";
const APPROVED: &str = "approved";
const REVOKED: &str = "revoked";

impl Database {
    /// Asks owners for leave; what stands already is not asked for again. Answers one row for each
    /// table, in the order given.
    ///
    /// NOT_FOUND where the caller may not query a table, or its policy is another by now.
    pub async fn query_approval_request(
        &self,
        ctx: &Ctx,
        new: NewQueryApprovals,
        replay: Option<Replay>,
    ) -> Result<Vec<QueryApprovalRow>> {
        self.transaction(ctx, async |conn| {
            let repeated = Replay::begin(replay.as_ref(), ctx, new.project_id, conn)
                .await?
                .is_some();
            let mut rows = Vec::with_capacity(new.needed.len());
            for needed in &new.needed {
                // A repeat answers with what the first run asked for, whatever the owner has said since.
                if !repeated {
                    insert(ctx, &new, needed, conn).await?;
                }
                rows.extend(newest(ctx, &new, needed, conn).await?);
            }
            Ok(rows)
        })
        .await
    }

    /// The tables whose owners allow the caller's tenant this question, with the versions of the
    /// policies that they allow it under.
    pub async fn query_approval_granted(
        &self,
        ctx: &Ctx,
        project_id: Uuid,
        question: &str,
    ) -> Result<Vec<(Uuid, i64)>> {
        let statement = query_approval::table
            .filter(
                query_approval::requester_tenant_id
                    .eq(ctx.tenant_id())
                    .and(query_approval::project_id.eq(project_id))
                    .and(query_approval::question.eq(question.to_owned()))
                    .and(query_approval::state.eq(APPROVED)),
            )
            .select((query_approval::table_id, query_approval::policy_version));
        answer(self.fetch(ctx, statement).await)
    }

    /// What the caller's tenant asked for and what it is asked for, in one project or all.
    pub async fn query_approval_list(
        &self,
        ctx: &Ctx,
        project_id: Option<Uuid>,
        listing: &Listing,
    ) -> Result<Page<QueryApprovalRow>> {
        let of_all = project_id.is_none().into_sql::<Bool>();
        let statement = query_approval::table
            .filter(
                query_approval::tenant_id
                    .eq(ctx.tenant_id())
                    .or(query_approval::requester_tenant_id.eq(ctx.tenant_id())),
            )
            .filter(
                query_approval::project_id
                    .eq(project_id.unwrap_or_default())
                    .or(of_all),
            )
            .filter(listing::rows(listing))
            .order(listing::sorting(listing))
            .limit(listing.limit())
            .select(QueryApprovalRow::as_select());
        listing.page_within(answer(self.fetch(ctx, statement).await)?, |row| {
            row.query_text.len() + row.parameters.to_string().len() + row.tables.to_string().len()
        })
    }

    /// Approves or refuses a request over a table of the caller's tenant, or takes its leave back.
    /// Revoking what is revoked changes nothing.
    ///
    /// NOT_FOUND where the caller may not see it, PERMISSION_DENIED where the table is another's,
    /// ABORTED where `etag` is not that of its present state, FAILED_PRECONDITION where it is not
    /// waiting to be approved.
    pub async fn query_approval_decide(
        &self,
        ctx: &Ctx,
        id: Uuid,
        etag: &str,
        decision: ApprovalDecision,
        replay: Option<Replay>,
    ) -> Result<QueryApprovalRow> {
        self.transaction(ctx, async |conn| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return find(first, conn).await;
            }
            if find(id, conn).await?.tenant_id != ctx.tenant_id() {
                let message = "the owner of the table decides; the caller's tenant asks";
                return Err(Error::permission_denied(message).into());
            }
            let row = query_approval::table
                .find(id)
                .select(QueryApprovalRow::as_select())
                .for_no_key_update()
                .first(conn)
                .await
                .or_not_found("query_approval", id)?;
            check_etag(etag, &row, "query_approval", id)?;
            let state = match (decision, row.state.as_str()) {
                (ApprovalDecision::Approve, REQUESTED) => APPROVED,
                (ApprovalDecision::Approve, state) => {
                    let message =
                        format!("the approval is {state}, and only what is requested can be approved");
                    return Err(Error::wrong_state(message).into());
                }
                (ApprovalDecision::Revoke, REVOKED) => return Ok(row),
                (ApprovalDecision::Revoke, _) => REVOKED,
            };
            let row = diesel::update(query_approval::table.find(id))
                .set(query_approval::state.eq(state))
                .returning(QueryApprovalRow::as_returning())
                .get_result(conn)
                .await?;
            Ok(row)
        })
        .await
    }
}

async fn insert(
    ctx: &Ctx,
    new: &NewQueryApprovals,
    needed: &NeededApproval,
    conn: &mut Conn<'_>,
) -> Result<(), Failure> {
    diesel::insert_into(query_approval::table)
        .values((
            query_approval::id.eq(new_id()),
            query_approval::tenant_id.eq(needed.owner),
            query_approval::table_id.eq(needed.table_id),
            query_approval::project_id.eq(new.project_id),
            query_approval::policy_version.eq(needed.policy_version),
            query_approval::requester_tenant_id.eq(ctx.tenant_id()),
            query_approval::requested_by.eq(ctx.user_id()),
            query_approval::query_text.eq(&new.query_text),
            query_approval::parameters.eq(&new.parameters),
            query_approval::tables.eq(&new.tables),
            query_approval::question.eq(&new.question),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}

async fn newest(
    ctx: &Ctx,
    new: &NewQueryApprovals,
    needed: &NeededApproval,
    conn: &mut Conn<'_>,
) -> Result<Option<QueryApprovalRow>, Failure> {
    let row = query_approval::table
        .filter(
            query_approval::table_id
                .eq(needed.table_id)
                .and(query_approval::requester_tenant_id.eq(ctx.tenant_id()))
                .and(query_approval::question.eq(&new.question)),
        )
        .order(query_approval::id.desc())
        .select(QueryApprovalRow::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(row)
}

async fn find(id: Uuid, conn: &mut Conn<'_>) -> Result<QueryApprovalRow, Failure> {
    query_approval::table
        .find(id)
        .select(QueryApprovalRow::as_select())
        .first(conn)
        .await
        .or_not_found("query_approval", id)
}
