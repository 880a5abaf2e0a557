//! Parts of a policy that contradict each other or the table's schema.

use std::fmt;

use super::columns::is_key_type;
use super::{
    AggregateKind, ColumnUse, DifferentialPrivacy, JoinCondition, JoinPartners, Policy, PrivacyUnit,
};
use crate::catalog::CatalogColumn;
use crate::total;

/// Characters of the name of a budget's scope: those of a dataset, a dot, and those of a table.
const MAX_SCOPE: usize = 511;

/// A part of a policy that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyViolation {
    /// Path of the part within the policy, such as `columns.email.identity`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl PolicyViolation {
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for PolicyViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

pub(super) struct Check<'a> {
    pub(super) policy: &'a Policy,
    schema: &'a [CatalogColumn],
    found: Vec<PolicyViolation>,
}

impl Policy {
    /// Every part that contradicts another, the table's columns, or its own range. Empty if the policy is good.
    pub fn validate(&self, columns: &[CatalogColumn]) -> Vec<PolicyViolation> {
        let mut check = Check {
            policy: self,
            schema: columns,
            found: Vec::new(),
        };
        if self.reference {
            check.reference();
        } else {
            check.unit();
            check.columns();
            check.joins();
            check.aggregates();
            check.threshold();
            check.budgets();
        }
        check.found
    }
}

impl Check<'_> {
    pub(super) fn refuse(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.found.push(PolicyViolation::new(field, message));
    }

    pub(super) fn require(&mut self, holds: bool, field: impl Into<String>, message: impl Into<String>) {
        if !holds {
            self.refuse(field, message);
        }
    }

    fn reference(&mut self) {
        let bare = Policy {
            reference: true,
            ..Policy::default()
        };
        let p = self.policy;
        let parts = [
            ("privacy_unit", p.privacy_unit.is_none()),
            ("columns", p.columns.is_empty()),
            ("joins", p.joins == bare.joins),
            ("aggregates", p.aggregates == bare.aggregates),
            ("expressions", p.expressions == bare.expressions),
            ("functions", p.functions.is_none()),
            ("threshold", p.threshold == bare.threshold),
            ("differential_privacy", p.differential_privacy.is_none()),
            ("access_budget", p.access_budget.is_none()),
            ("budget_scope", p.budget_scope.is_none()),
            ("overlap_list", !p.overlap_list),
            ("analysts", p.analysts.is_empty()),
            ("approval", p.approval == bare.approval),
        ];
        for (field, unset) in parts {
            self.require(
                unset,
                field,
                "a reference table is open to every participant: nothing else can be set",
            );
        }
    }

    pub(super) fn column(&self, name: &str) -> Option<&CatalogColumn> {
        self.schema.iter().find(|c| c.name == name)
    }

    fn unit(&mut self) {
        match &self.policy.privacy_unit {
            None => self.refuse(
                "privacy_unit",
                "name the column whose values are the protected individuals, or set reference for a table without any",
            ),
            Some(PrivacyUnit::Column(name)) => self.unit_column(name),
            Some(PrivacyUnit::Via(via)) => {
                let field = "privacy_unit.via";
                match via.split().map(|(_, key)| (key, self.column(key))) {
                    None => self.refuse(field, "give table.column"),
                    Some((key, None)) => self.refuse(field, format!("the table has no column {key}")),
                    Some((key, Some(column))) => {
                        let message = format!("{key} is of type {}, which is no key", column.data_type);
                        self.require(is_key_type(&column.data_type), field, message);
                    }
                }
            }
        }
    }

    fn unit_column(&mut self, name: &str) {
        let Some(column) = self.column(name) else {
            return self.refuse("privacy_unit", format!("the table has no column {name}"));
        };
        if !is_key_type(&column.data_type) {
            let message = format!(
                "{name} is of type {}, which does not identify individuals",
                column.data_type
            );
            return self.refuse("privacy_unit", message);
        }
        let uses = self
            .policy
            .columns
            .get(name)
            .map(|c| c.uses.clone())
            .unwrap_or_default();
        let field = format!("columns.{name}.use");
        let alone = !uses.contains(&ColumnUse::Dimension) && !uses.contains(&ColumnUse::Measure);
        self.require(
            alone,
            field,
            "the privacy unit may be a join column or hidden, never a dimension or a measure",
        );
    }

    fn joins(&mut self) {
        let joins = &self.policy.joins;
        let any_join_column = self
            .policy
            .columns
            .values()
            .any(|c| c.uses.contains(&ColumnUse::Join));
        if matches!(joins.condition, JoinCondition::Any | JoinCondition::All) {
            self.require(
                any_join_column,
                "joins.condition",
                "asks for a join, but no column is a join column",
            );
            self.require(
                !joins.kinds.is_empty(),
                "joins.kinds",
                "a join is asked for, but no kind of join is allowed",
            );
        }
        if let JoinPartners::Tenants(tenants) = &joins.with {
            self.require(
                !tenants.is_empty(),
                "joins.with",
                "name at least one tenant; to forbid joins, block them",
            );
        }
        if self.policy.overlap_list {
            self.require(any_join_column, "overlap_list", "an overlap needs a join column");
            let blocked = joins.condition == JoinCondition::Blocked;
            self.require(
                !blocked,
                "overlap_list",
                "joins are blocked, so there is no overlap to list",
            );
        }
    }

    fn aggregates(&mut self) {
        self.require(
            !self.policy.aggregates.is_empty(),
            "aggregates",
            "name at least one aggregate",
        );
        let join = self
            .policy
            .columns
            .values()
            .any(|c| c.uses.contains(&ColumnUse::Join));
        let only_distinct = self
            .policy
            .aggregates
            .iter()
            .all(|a| *a == AggregateKind::CountDistinct);
        let useless = !self.policy.aggregates.is_empty() && only_distinct && !join;
        self.require(
            !useless,
            "aggregates",
            "count_distinct counts join columns, and no column is one",
        );
        for name in self.policy.functions.iter().flatten() {
            let known = total::is_total_function(name);
            self.require(
                known,
                "functions",
                format!("{name} is not among the functions that never fail on a row"),
            );
        }
    }

    fn threshold(&mut self) {
        let threshold = self.policy.threshold;
        self.require(
            threshold.min_units >= 2,
            "threshold.min_units",
            "must be 2 or more",
        );
        let share = threshold.max_share;
        self.require(
            share > 0.0 && share <= 1.0,
            "threshold.max_share",
            "must be above 0 and at most 1",
        );
        self.require(threshold.round_to >= 1, "threshold.round_to", "must be 1 or more");
        let representable =
            i64::try_from(threshold.round_to).is_ok() && i64::try_from(threshold.min_units).is_ok();
        self.require(
            representable,
            "threshold",
            "numbers beyond 2^63 are not supported",
        );
    }

    fn budgets(&mut self) {
        if let Some(budget) = self.policy.access_budget {
            self.require(budget.uses >= 1, "access_budget.uses", "must be 1 or more");
        }
        if let Some(scope) = &self.policy.budget_scope {
            let good = (1..=MAX_SCOPE).contains(&scope.chars().count())
                && scope.trim() == scope
                && !scope.chars().any(char::is_control);
            self.require(
                good,
                "budget_scope",
                format!(
                    "must be 1 to {MAX_SCOPE} characters, without spaces around them or control characters"
                ),
            );
            let counted = self.policy.access_budget.is_some() || self.policy.differential_privacy.is_some();
            self.require(
                counted,
                "budget_scope",
                "is what a budget is counted under, and the policy sets none",
            );
        }
        let Some(DifferentialPrivacy {
            epsilon_per_query,
            delta_per_query,
            max_groups,
            max_rows,
            epsilon_budget,
            delta_budget,
            window: _,
        }) = self.policy.differential_privacy
        else {
            return;
        };
        let at = |field: &str| format!("differential_privacy.{field}");
        let loss = |x: f64| x.is_finite() && x > 0.0;
        let chance = |x: f64| (0.0..1.0).contains(&x);
        self.require(
            loss(epsilon_per_query),
            at("epsilon_per_query"),
            "must be above 0",
        );
        self.require(
            chance(delta_per_query),
            at("delta_per_query"),
            "must be at least 0 and below 1",
        );
        self.require(max_groups >= 1, at("max_groups"), "must be 1 or more");
        self.require(max_rows >= 1, at("max_rows"), "must be 1 or more");
        self.require(
            loss(epsilon_budget.tenant) && epsilon_budget.tenant >= epsilon_per_query,
            at("epsilon_budget.tenant"),
            "must be enough for one query",
        );
        self.require(
            loss(epsilon_budget.total) && epsilon_budget.total >= epsilon_budget.tenant,
            at("epsilon_budget.total"),
            "must be enough for one tenant",
        );
        let enough = chance(delta_budget) && delta_budget >= delta_per_query;
        self.require(
            enough,
            at("delta_budget"),
            "must be enough for one query, and below 1",
        );
    }
}
