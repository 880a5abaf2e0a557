//! To what queries over a project are held, before one is asked.

use std::collections::BTreeSet;

use datacovey_error::{Error, Result};
use datacovey_privacy::Policy;
use datacovey_types::Ctx;
use uuid::Uuid;

use super::ask::NamedTable;
use crate::app::Handles;
use crate::domain::effective::{EffectivePolicy, effective};
use crate::peers::ProjectTable;

/// What the tables of others ask together, and which these are.
#[derive(Debug)]
pub(crate) struct ProjectPolicy {
    pub policy: Option<EffectivePolicy>,
    /// By name.
    pub tables: Vec<NamedTable>,
}

impl Handles {
    /// What a query is held to that touches these tables of others; or all that hold persons and answer the caller.
    ///
    /// # Errors
    /// NOT_FOUND for the project, or a table that is not among those; PERMISSION_DENIED or FAILED_PRECONDITION where
    /// the project cannot be queried.
    pub(crate) async fn effective_policy(
        &self,
        ctx: &Ctx,
        project_id: Uuid,
        table_ids: &BTreeSet<Uuid>,
    ) -> Result<ProjectPolicy> {
        let project = self.planner.project(ctx, project_id).await?;
        let mut held: Vec<(String, &ProjectTable, &Policy)> = Vec::new();
        for table in &project.tables {
            let asked = table_ids.is_empty() || table_ids.contains(&table.id);
            if let Some(policy) = answers(table, ctx.tenant_id()).filter(|_| asked) {
                held.push((format!("{}.{}", table.dataset, table.name), table, policy));
            }
        }
        let missing = |id: &&Uuid| !held.iter().any(|(_, table, _)| table.id == **id);
        if let Some(missing) = table_ids.iter().find(missing) {
            return Err(Error::not_found("table", missing));
        }
        held.sort_by(|a, b| a.0.cmp(&b.0));
        let policies: Vec<(&str, &Policy)> = held
            .iter()
            .map(|(name, _, policy)| (name.as_str(), *policy))
            .collect();
        let policy = effective(&policies);
        let named = |(name, table, _): (String, &ProjectTable, &Policy)| NamedTable {
            id: table.id,
            name,
            owner: table.owner,
        };
        Ok(ProjectPolicy {
            policy,
            tables: held.into_iter().map(named).collect(),
        })
    }
}

/// The policy of another's table that holds persons and answers the analyst.
fn answers(table: &ProjectTable, analyst: Uuid) -> Option<&Policy> {
    let policy = table.policy.as_ref().filter(|policy| !policy.reference)?;
    (table.owner != analyst && policy.analysts.contains(&analyst)).then_some(policy)
}
