//! The rules that a service keeps for its relations, and how what they say is told.

use std::collections::HashMap;

use datacovey_error::{Error, Kind, Violation, Violations};
use datacovey_rest::Relation;
use datacovey_types::{Ctx, Scope};
use serde_json::Value;

use super::error::RowsError;
use super::jobs::JobRules;
use super::link::Transaction;
use super::sql::Sql;
use super::write::Found;
use crate::relation::{SchemaChange, SchemaRule};
use crate::{Database, DbRole};

/// What is done to rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Insert,
    Update,
    Delete,
}

/// The rules that a service keeps for its relations, beside those that the database does.
pub trait RowRules: Send + Sync {
    /// Whether the caller may do this at all; PERMISSION_DENIED if not.
    fn authorize(&self, ctx: &Ctx, relation: &Relation, change: Change) -> Result<(), Error>;

    /// Notes everything that keeps a row from being written so: `after` as it stands in its relation, and
    /// `before`, if it was there. Fields are columns.
    fn check(&self, relation: &Relation, before: Option<&Value>, after: &Value, violations: &mut Violations);

    /// Judges a changed schema of a table together with what depends on it.
    fn schema(&self) -> Option<SchemaRule> {
        None
    }

    /// What becomes of new jobs. None where nobody works on them.
    fn jobs(&self) -> Option<&dyn JobRules> {
        None
    }
}

/// No rules but those of the database: rows as plain data.
#[derive(Clone, Copy, Debug)]
pub struct Unruled;

impl RowRules for Unruled {
    fn authorize(&self, _: &Ctx, _: &Relation, _: Change) -> Result<(), Error> {
        Ok(())
    }

    fn check(&self, _: &Relation, _: Option<&Value>, _: &Value, _: &mut Violations) {}
}

/// As which role a caller writes rows, and by which rules. Who moves in from another system brings jobs and
/// histories along as plain data: nothing runs, and every column is theirs.
pub(super) fn writer<'a>(
    database: &Database,
    ctx: &Ctx,
    relation: &Relation,
    rules: &'a dyn RowRules,
) -> (DbRole, &'a dyn RowRules) {
    if relation.is_record() && ctx.principal.scopes.contains(Scope::Backfill) {
        return (DbRole::Backfill, &Unruled);
    }
    (database.role(), rules)
}

/// The caller's role in the words of the database.
pub(super) fn authorize(
    rules: &dyn RowRules,
    ctx: &Ctx,
    relation: &Relation,
    change: Change,
) -> Result<(), RowsError> {
    rules.authorize(ctx, relation, change).map_err(refused)
}

/// An error of a rule as the database says the like.
pub(super) fn refused(error: Error) -> RowsError {
    match error.kind() {
        Kind::PermissionDenied => RowsError::new("42501", error.message()),
        Kind::InvalidArgument | Kind::FailedPrecondition => RowsError::new("23514", error.message()),
        _ => RowsError::Suite(error),
    }
}

/// All that is wrong with rows, which is one error.
pub(super) struct Told<'a> {
    relation: &'a Relation,
    rows: usize,
    all: Vec<String>,
}

impl<'a> Told<'a> {
    /// Of so many rows of a relation.
    pub(super) fn of(relation: &'a Relation, rows: usize) -> Self {
        Self {
            relation,
            rows,
            all: Vec::new(),
        }
    }

    /// Notes what is wrong with the row at a place, counted from 0.
    pub(super) fn add(&mut self, place: usize, violations: impl IntoIterator<Item = Violation>) {
        let at = if self.rows == 1 {
            String::new()
        } else {
            format!("row {}, ", place + 1)
        };
        let told = violations.into_iter();
        self.all
            .extend(told.map(|it| format!("{at}{}: {}", it.field, it.description)));
    }

    /// Fails with all of it, if there is any.
    pub(super) fn done(self) -> Result<(), RowsError> {
        let name = &self.relation.name;
        match self.all.as_slice() {
            [] => Ok(()),
            [one] => {
                let message = format!("new row for relation \"{name}\" violates a rule: {one}");
                Err(RowsError::new("23514", message))
            }
            several => {
                let message = format!(
                    "new rows for relation \"{name}\" violate {} rules; the details list them",
                    several.len()
                );
                let mut listed = several[..several.len().min(MAX_LISTED)].join("\n");
                if several.len() > MAX_LISTED {
                    listed.push_str(&format!("\nand {} more", several.len() - MAX_LISTED));
                }
                Err(RowsError::new("23514", message).details(listed))
            }
        }
    }
}

/// What an error travels in is bounded.
const MAX_LISTED: usize = 20;

/// Shows rows to the rules of their service; all violations are one error.
pub(super) async fn check(
    transaction: &Transaction,
    rules: &dyn RowRules,
    relation: &Relation,
    after: &[Found],
    before: &[Found],
) -> Result<(), RowsError> {
    let before: HashMap<_, _> = before.iter().map(|it| (it.id(), &it.row)).collect();
    let mut told = Told::of(relation, after.len());
    for (place, row) in after.iter().enumerate() {
        let before = before.get(&row.id()).copied();
        let mut violations = Violations::new();
        rules.check(relation, before, &row.row, &mut violations);
        told.add(place, violations.into_vec());
        if let (Some(rule), Some(before)) = (rules.schema(), before)
            && relation.name == "table"
            && before.get("schema") != row.row.get("schema")
        {
            transaction.check_schema(rule, before, &row.row).await?;
        }
    }
    told.done()
}

impl Transaction {
    /// Whether a table may have its new schema, in sight of its data and its policy.
    async fn check_schema(&self, rule: SchemaRule, before: &Value, after: &Value) -> Result<(), RowsError> {
        let id = after.get("id").and_then(Value::as_str).unwrap_or_default();
        let mut sql = Sql::new("SELECT EXISTS (SELECT FROM table_version WHERE table_id = ");
        sql.value(id).push(")");
        let holds_data: bool = self.value(&sql).await?;
        let mut sql = Sql::new("SELECT (SELECT policy FROM table_policy WHERE table_id = ");
        sql.value(id).push(" ORDER BY version DESC LIMIT 1)");
        let policy: Option<Value> = self.value(&sql).await?;
        rule(&SchemaChange {
            before: before.get("schema").unwrap_or(&Value::Null),
            after: after.get("schema").unwrap_or(&Value::Null),
            holds_data,
            policy: policy.as_ref(),
        })
        .map_err(refused)
    }
}
