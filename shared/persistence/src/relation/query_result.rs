//! Results of query jobs, until they expire.

use chrono::NaiveDateTime;
use datacovey_error::Result;
use datacovey_types::Ctx;
use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::Database;
use crate::pipeline::answer;
use crate::schema::query_result;

/// Where the released rows of a query job are.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Serialize)]
#[diesel(table_name = query_result, check_for_backend(diesel::pg::Pg))]
pub struct QueryResultRow {
    pub job_id: Uuid,
    pub tenant_id: Uuid,
    pub path: String,
    pub rows: i64,
    pub bytes: i64,
    pub schema: Value,
    pub cache_key: Option<String>,
    pub created_at: NaiveDateTime,
    pub expires_at: NaiveDateTime,
}

impl Database {
    /// The newest answer of the caller's tenant to a question, if one lasts until then.
    pub async fn query_result_cached(
        &self,
        ctx: &Ctx,
        cache_key: &str,
        lasts_until: NaiveDateTime,
    ) -> Result<Option<QueryResultRow>> {
        let statement = query_result::table
            .filter(
                query_result::tenant_id
                    .eq(ctx.tenant_id())
                    .and(query_result::cache_key.eq(cache_key.to_owned()))
                    .and(query_result::expires_at.gt(lasts_until)),
            )
            .order(query_result::created_at.desc())
            .limit(1)
            .select(QueryResultRow::as_select());
        Ok(answer(self.fetch(ctx, statement).await)?.into_iter().next())
    }
}
