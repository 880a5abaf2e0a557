//! The data owners' record of releases.

use chrono::NaiveDateTime;
use datacovey_error::Result;
use datacovey_list::{Field, Fields, Kind, Listing, Page};
use datacovey_types::Ctx;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::Serialize;
use uuid::Uuid;

use crate::pipeline::answer;
use crate::schema::release_audit;
use crate::{Database, listing};

/// Who learned what of a table.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Serialize)]
#[diesel(table_name = release_audit, check_for_backend(diesel::pg::Pg))]
pub struct ReleaseAuditRow {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub table_id: Uuid,
    pub project_id: Uuid,
    pub analyst_tenant_id: Uuid,
    pub analyst_user_id: Uuid,
    pub query_job_id: Uuid,
    pub policy_version: i64,
    pub normalized_query: String,
    pub outcome: String,
    pub released_groups: i64,
    pub suppressed_groups: Option<i64>,
    pub created_at: NaiveDateTime,
}

/// What lists of releases are filtered and ordered by.
pub const RELEASE_FIELDS: Fields = Fields {
    relation: "release_audit",
    all: &[
        Field::new("table_id", Kind::Id),
        Field::new("analyst_tenant_id", Kind::Id),
        Field::new("analyst_user_id", Kind::Id),
        Field::new("outcome", Kind::Word(OUTCOMES)),
        Field::new("released_at", Kind::Time).in_column("created_at"),
    ],
    sortable: &["released_at"],
    key: Field::new("id", Kind::Id),
};
const OUTCOMES: &[(&str, &str)] = &[
    ("RELEASE_OUTCOME_RELEASED", "released"),
    ("RELEASE_OUTCOME_CACHED", "cached"),
    ("RELEASE_OUTCOME_FAILED", "failed"),
    ("RELEASE_OUTCOME_REFUSED", "refused"),
    ("RELEASE_OUTCOME_CANCELLED", "cancelled"),
];

impl Database {
    /// What others learned from the tables of the caller's tenant, from one or all.
    pub async fn release_audit_list(
        &self,
        ctx: &Ctx,
        table_id: Option<Uuid>,
        listing: &Listing,
    ) -> Result<Page<ReleaseAuditRow>> {
        let of_all = table_id.is_none().into_sql::<Bool>();
        let statement = release_audit::table
            .filter(release_audit::tenant_id.eq(ctx.tenant_id()))
            .filter(
                release_audit::table_id
                    .eq(table_id.unwrap_or_default())
                    .or(of_all),
            )
            .filter(listing::rows(listing))
            .order(listing::sorting(listing))
            .limit(listing.limit())
            .select(ReleaseAuditRow::as_select());
        listing.page_within(answer(self.fetch(ctx, statement).await)?, |row| {
            row.normalized_query.len()
        })
    }
}
