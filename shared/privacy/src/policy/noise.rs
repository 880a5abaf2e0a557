//! Parts of a policy that are charged for: noise and uses.
//!
//! A table whose policy asks for noise answers nobody but its owner until there is a mechanism that adds it; uses are
//! charged by who runs a compiled query.

use serde::{Deserialize, Serialize};

/// Noise instead of exact values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DifferentialPrivacy {
    /// Privacy loss of one query; above 0.
    pub epsilon_per_query: f64,
    /// Probability of exceeding it; at least 0, below 1.
    pub delta_per_query: f64,
    /// Groups that one unit contributes to; 1 at least.
    pub max_groups: u32,
    /// Rows that one unit contributes; 1 at least.
    pub max_rows: u32,
    /// Privacy loss until the window ends.
    pub epsilon_budget: EpsilonBudget,
    /// Delta until the window ends.
    pub delta_budget: f64,
    /// When budgets are new again.
    pub window: Window,
}

/// Privacy loss that may be spent within a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpsilonBudget {
    /// By one tenant.
    pub tenant: f64,
    /// By all tenants together.
    pub total: f64,
}

/// How often a tenant may release from a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessBudget {
    /// Releases within a window; 1 at least.
    pub uses: u64,
    /// When uses are new again.
    pub window: Window,
}

/// A budget's period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// A calendar day.
    Day,
    /// A calendar week.
    Week,
    /// A calendar month.
    Month,
    /// Never renewed.
    Ever,
}
