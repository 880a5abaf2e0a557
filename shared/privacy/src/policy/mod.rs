//! A table owner's policy: the stored JSON as types.
//!
//! Reading is strict (`deny_unknown_fields`): a part that this version does not know must not be ignored, because
//! what its owner asked for would silently not hold. [`Policy::validate`] finds parts that contradict each other or
//! the table's schema, all of them at once.

mod columns;
mod noise;
mod validate;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub(crate) use columns::{MAX_SCALE, is_dimension_type, is_key_type, is_measure_type, is_pseudonym_type};
pub use noise::{AccessBudget, DifferentialPrivacy, EpsilonBudget, Window};
pub use validate::PolicyViolation;

/// Who may learn what from a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// No person is in the table: participants read it freely, and nothing else is set.
    #[serde(skip_serializing_if = "is_default")]
    pub reference: bool,
    /// Whose values are the protected individuals.
    #[serde(skip_serializing_if = "is_default")]
    pub privacy_unit: Option<PrivacyUnit>,
    /// What each column may be used for; a column that is not named is hidden.
    #[serde(skip_serializing_if = "is_default")]
    pub columns: BTreeMap<String, ColumnPolicy>,
    /// With whom and how the table may be joined.
    #[serde(skip_serializing_if = "is_default")]
    pub joins: JoinPolicy,
    /// The aggregates that may be released.
    #[serde(skip_serializing_if = "is_all_aggregates")]
    pub aggregates: BTreeSet<AggregateKind>,
    /// What aggregates may take.
    #[serde(skip_serializing_if = "is_default")]
    pub expressions: Expressions,
    /// The scalar functions that may be applied to dimensions; without the field every total one.
    #[serde(skip_serializing_if = "is_default")]
    pub functions: Option<BTreeSet<String>>,
    /// How many units a released value rests on.
    #[serde(skip_serializing_if = "is_default")]
    pub threshold: Threshold,
    /// Noise instead of exact values.
    #[serde(skip_serializing_if = "is_default")]
    pub differential_privacy: Option<DifferentialPrivacy>,
    /// How often a tenant may release from the table.
    #[serde(skip_serializing_if = "is_default")]
    pub access_budget: Option<AccessBudget>,
    /// What budgets are counted under: tables of one owner that name the same share them. Without it the table's name,
    /// as `dataset.table`. A table that is made anew, or is given another name or scope, has what it had.
    #[serde(skip_serializing_if = "is_default")]
    pub budget_scope: Option<String>,
    /// Whether analysts may list the rows of their own that overlap.
    #[serde(skip_serializing_if = "is_default")]
    pub overlap_list: bool,
    /// The tenants that may query the table, each named by the owner.
    #[serde(skip_serializing_if = "is_default")]
    pub analysts: BTreeSet<Uuid>,
    /// Whether every query needs its owner's approval.
    #[serde(skip_serializing_if = "is_default")]
    pub approval: Approval,
}

/// Where the protected individual of a row is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PrivacyUnit {
    /// In a column of the table.
    Column(String),
    /// In the parent row that a key of this table refers to.
    Via(Via),
}

impl PrivacyUnit {
    /// The parent's name and its key, where the unit is found in a parent.
    pub fn parent(&self) -> Option<(&str, &str)> {
        match self {
            Self::Column(_) => None,
            Self::Via(via) => via.split(),
        }
    }
}

/// The parent that a child table takes its unit from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Via {
    /// `table.column` of the same owner and dataset; a column of the same name is in this table.
    pub via: String,
}

impl Via {
    /// The parent's name and its key.
    pub(crate) fn split(&self) -> Option<(&str, &str)> {
        let parts = self.via.split_once('.')?;
        (!parts.0.is_empty() && !parts.1.is_empty()).then_some(parts)
    }
}

/// What one column may be used for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnPolicy {
    /// One or several uses.
    #[serde(rename = "use")]
    pub uses: BTreeSet<ColumnUse>,
    /// The domain of a join column's values, encoding included.
    #[serde(default, skip_serializing_if = "is_default")]
    pub identity: Option<String>,
    /// Whether a measure may be filtered by.
    #[serde(default, skip_serializing_if = "is_default")]
    pub filter: bool,
    /// Width of the bins by which a measure may be grouped.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bins: Option<f64>,
    /// The finest step of a dimension.
    #[serde(default, skip_serializing_if = "is_default")]
    pub step: Option<Step>,
    /// Lower and upper bound of a measure. To queries of others a value beyond them is the bound.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bounds: Option<[f64; 2]>,
    /// Decimals kept of a measure that is stored as a floating-point number; 6 where it is not given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub scale: Option<u8>,
    /// Units that a value needs when it depends on this column; the table's, where it is not given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub min_units: Option<u64>,
}

/// A use of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnUse {
    /// Equality with another table's join column, counting distinct values, set operations.
    Join,
    /// Grouping and filtering.
    Dimension,
    /// The bare argument of an aggregate.
    Measure,
}

/// The finest granularity of a dimension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// Multiples of a number.
    Number(f64),
    /// A calendar unit.
    Calendar(CalendarStep),
}

/// A calendar unit for [`Step::Calendar`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalendarStep {
    /// Full hours.
    Hour,
    /// Days.
    Day,
    /// Weeks from Monday.
    Week,
    /// Months.
    Month,
    /// Quarters.
    Quarter,
    /// Years.
    Year,
}

/// With whom and how a table may be joined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JoinPolicy {
    /// Whether a query must, may or must not join the table by its join columns.
    pub condition: JoinCondition,
    /// The kinds of join.
    pub kinds: BTreeSet<JoinKind>,
    /// Whose tables the other side may be.
    pub with: JoinPartners,
    /// Whether another restricted table may multiply this one's rows.
    pub fan_out: bool,
}

impl Default for JoinPolicy {
    fn default() -> Self {
        Self {
            condition: JoinCondition::default(),
            kinds: BTreeSet::from([JoinKind::Inner, JoinKind::Semi]),
            with: JoinPartners::default(),
            fan_out: true,
        }
    }
}

/// Whether a query joins the table by its join columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinCondition {
    /// It may.
    #[default]
    NotRequired,
    /// By one of them at least.
    Any,
    /// By every one of them.
    All,
    /// It must not.
    Blocked,
}

/// A kind of join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinKind {
    /// Matching pairs.
    Inner,
    /// Rows that have a match; set intersection too.
    Semi,
    /// All rows, with their matches.
    Left,
    /// Rows that have none.
    Anti,
}

/// Whose tables may be on the other side of a join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum JoinPartners {
    /// One of the two words.
    Kind(PartnerKind),
    /// These tenants.
    Tenants(BTreeSet<Uuid>),
}

impl Default for JoinPartners {
    fn default() -> Self {
        Self::Kind(PartnerKind::OtherOwners)
    }
}

/// The words that [`JoinPartners`] knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartnerKind {
    /// Every tenant but the table's own owner.
    OtherOwners,
    /// Every tenant.
    Anyone,
}

/// An aggregate that a policy may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AggregateKind {
    /// COUNT(*) and COUNT(column).
    Count,
    /// COUNT(DISTINCT join column).
    CountDistinct,
    /// SUM.
    Sum,
    /// AVG.
    Avg,
    /// Standard deviation, of sample or population.
    Stddev,
    /// Variance, of sample or population.
    Var,
}

impl AggregateKind {
    /// Every kind.
    pub fn all() -> BTreeSet<Self> {
        BTreeSet::from([
            Self::Count,
            Self::CountDistinct,
            Self::Sum,
            Self::Avg,
            Self::Stddev,
            Self::Var,
        ])
    }
}

/// What aggregates may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expressions {
    /// Bare columns.
    #[default]
    Columns,
    /// Also a FILTER over dimensions.
    Conditional,
    /// Also sums and products of measures of one row.
    Arithmetic,
}

/// How many units a released value rests on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Threshold {
    /// Distinct units that each value needs; 2 at least.
    pub min_units: u64,
    /// The largest share of a value that one unit may have; above 0, at most 1.
    pub max_share: f64,
    /// Counts are rounded to multiples of this.
    pub round_to: u64,
}

impl Default for Threshold {
    fn default() -> Self {
        Self {
            min_units: 25,
            max_share: 0.5,
            round_to: 1,
        }
    }
}

/// Whether every query needs its owner's approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Analysts query freely.
    #[default]
    Open,
    /// Only approved queries run.
    Approved,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            reference: false,
            privacy_unit: None,
            columns: BTreeMap::new(),
            joins: JoinPolicy::default(),
            aggregates: AggregateKind::all(),
            expressions: Expressions::default(),
            functions: None,
            threshold: Threshold::default(),
            differential_privacy: None,
            access_budget: None,
            budget_scope: None,
            overlap_list: false,
            analysts: BTreeSet::new(),
            approval: Approval::default(),
        }
    }
}

impl Policy {
    /// Reads a stored policy.
    ///
    /// # Errors
    /// One violation that names the part which is not understood.
    pub fn from_json(value: &Value) -> Result<Self, Vec<PolicyViolation>> {
        Self::deserialize(value).map_err(|error| vec![PolicyViolation::new("policy", error.to_string())])
    }

    /// The policy as it is stored: parts that have their default are left out.
    pub fn to_json(&self) -> Value {
        // Every key of a policy is a string and every number finite or null, so there is nothing to fail.
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

/// Decimals kept of a floating-point measure whose policy does not say.
pub const DEFAULT_SCALE: u8 = 6;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_all_aggregates(value: &BTreeSet<AggregateKind>) -> bool {
    *value == AggregateKind::all()
}

#[cfg(test)]
mod tests;
