use chrono::NaiveDateTime;
use datacovey_error::Result;
use datacovey_types::Ctx;
use diesel::Queryable;
use diesel::sql_types::{BigInt, Double, Integer, Jsonb, Nullable, Text, Timestamp, Uuid as SqlUuid};
use serde_json::{Value, json};
use uuid::Uuid;

use super::release::CheckedTable;
use super::{Lease, door};
use crate::Database;
use crate::pipeline::answer;

/// An access budget that does not suffice for a query.
#[derive(Clone, Debug, PartialEq, Queryable)]
pub struct ShortBudget {
    pub table_id: Uuid,
    /// The table as `dataset.table`.
    pub table: String,
    /// What the query would use.
    pub uses: i64,
    /// What the tenant has used in this window.
    pub used: f64,
    /// Of how much.
    pub limit: i64,
    /// When the next window begins; never, if none.
    pub resets_at: Option<NaiveDateTime>,
}

door! {
    ChargeAccess {
        job_id: Uuid => SqlUuid, worker: String => Text, attempt: i32 => Integer, tables: Value => Jsonb,
    }
    "SELECT table_id, scope, uses, used, budget_limit, resets_at FROM charge_access(" .. ")"
    -> (SqlUuid, Text, BigInt, Double, BigInt, Nullable<Timestamp>)
}

impl Database {
    /// Charges a job for what it is about to read, once however often it is tried. Answers the budgets
    /// that do not suffice: then nothing is charged.
    ///
    /// FAILED_PRECONDITION where the job has ended or is held by another, and with the reason
    /// WORLD_CHANGED where participants, policies or tables are not as they were checked.
    pub async fn access_charge(
        &self,
        ctx: &Ctx,
        lease: &Lease,
        tables: &[CheckedTable],
    ) -> Result<Vec<ShortBudget>> {
        let door = ChargeAccess {
            job_id: lease.job_id,
            worker: lease.holder.clone(),
            attempt: lease.attempt,
            tables: json!(tables),
        };
        answer(self.fetch(ctx, door).await)
    }
}
