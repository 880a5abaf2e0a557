//! Leave of owners: whose is needed, whose is missing, and how it is asked for.

use datacovey_error::Result;
use datacovey_persistence::{Database, NeededApproval, NewQueryApprovals, QueryApprovalRow, Replay, utc_now};
use datacovey_privacy::policy::Approval;
use datacovey_types::Ctx;
use serde_json::{Map, Value, json};

use super::ask::refused;
use super::planned::{PlannedQuery, ReadTable};
use crate::app::Handles;
use crate::domain::request::Question;
use crate::domain::violation::Violation;

impl PlannedQuery {
    /// The tables whose policies ask for their owners' leave.
    fn needed_approvals(&self) -> impl Iterator<Item = (&ReadTable, NeededApproval)> {
        let needing = self
            .restricted()
            .filter(|(_, policy)| policy.approval == Approval::Approved);
        needing.map(|(read, _)| {
            let needed = NeededApproval {
                table_id: read.table.id,
                owner: read.table.owner,
                policy_version: read.table.policy_version.unwrap_or_default(),
            };
            (read, needed)
        })
    }

    fn approvals(&self, parameters: &Map<String, Value>) -> NewQueryApprovals {
        let tables = self.tables.iter().map(|read| {
            json!({
                "table_id": read.table.id,
                "name": read.name(),
                "owner_tenant_id": read.table.owner,
                "policy_version": read.table.policy_version.filter(|_| !read.own),
            })
        });
        NewQueryApprovals {
            project_id: self.project_id,
            query_text: self.text.clone(),
            // Bound by the question, whose statement has their values.
            parameters: json!(parameters),
            question: self.question(),
            tables: tables.collect(),
            needed: self.needed_approvals().map(|(_, needed)| needed).collect(),
        }
    }
}

/// A violation for each table whose owner has not approved the query as it is now.
///
/// # Errors
/// UNAVAILABLE if the database is away.
pub(crate) async fn missing_approvals(
    database: &Database,
    ctx: &Ctx,
    planned: &PlannedQuery,
) -> Result<Vec<Violation>> {
    let needed: Vec<_> = planned.needed_approvals().collect();
    if needed.is_empty() {
        return Ok(Vec::new());
    }
    let granted = database
        .query_approval_granted(ctx, planned.project_id, &planned.question())
        .await?;
    let missing = needed
        .into_iter()
        .filter(|(_, needed)| !granted.contains(&(needed.table_id, needed.policy_version)));
    Ok(missing.map(|(read, _)| not_approved(&read.name())).collect())
}

fn not_approved(table: &str) -> Violation {
    Violation {
        code: "APPROVAL_REQUIRED".to_owned(),
        rule: "approval".to_owned(),
        message: format!(
            "{table} answers only queries that its owner approved, exactly as they are; RequestApproval asks for it."
        ),
        table: Some(table.to_owned()),
        ..Violation::default()
    }
}

impl Handles {
    /// Asks the owners of the tables that demand it to approve a query.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with every violation where no approval would let it run.
    pub(crate) async fn request_approval(
        &self,
        ctx: &Ctx,
        question: &Question,
        replay: Option<Replay>,
    ) -> Result<Vec<QueryApprovalRow>> {
        let asked = self.asked(ctx, question).await?;
        let planned = self
            .planner
            .plan_query(
                ctx,
                asked.project_id,
                &asked.text,
                &question.parameters,
                utc_now(),
            )
            .await?
            .map_err(refused)?;
        self.database
            .query_approval_request(ctx, planned.approvals(&question.parameters), replay)
            .await
    }
}
