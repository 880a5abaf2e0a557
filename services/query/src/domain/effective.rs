//! To what a query is held: of each part of the policies the strictest, and whose it is.

use std::collections::BTreeSet;

use datacovey_privacy::policy::{AggregateKind, Approval, JoinPolicy, Policy};
use serde::Serialize;
use serde_json::{Value, json};

/// What the tables of others ask of a query together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EffectivePolicy {
    pub min_units: u64,
    pub max_share: f64,
    pub round_to: u64,
    pub approval_required: bool,
    pub parts: Vec<Part>,
}

/// A part, its strictest value, and the tables that ask for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub name: String,
    pub value: Value,
    pub tables: Vec<String>,
}

/// Units below which the compiler goes for nobody.
const LEAST_UNITS: u64 = 2;

/// The strictest of policies, each with the name of its table; none without any.
#[must_use]
pub(crate) fn effective(policies: &[(&str, &Policy)]) -> Option<EffectivePolicy> {
    let units = |policy: &Policy| policy.threshold.min_units.max(LEAST_UNITS);
    let mut parts = Parts {
        policies,
        found: Vec::new(),
    };
    let all = || policies.iter().map(|(_, policy)| *policy);
    let min_units = all().map(units).max()?;
    let max_share = all().map(|it| it.threshold.max_share).fold(1.0, f64::min);
    let round_to = all().map(|it| it.threshold.round_to).max()?;
    parts.of("threshold.min_units", min_units, |it| units(it) == min_units);
    parts.of("threshold.max_share", max_share, |it| {
        it.threshold.max_share <= max_share
    });
    parts.of("threshold.round_to", round_to, |it| {
        it.threshold.round_to == round_to
    });
    parts.columns(units);
    let expressions = all().map(|it| it.expressions).min()?;
    parts.of("expressions", expressions, |it| it.expressions == expressions);
    parts.common("aggregates", |it| {
        (it.aggregates != AggregateKind::all()).then_some(&it.aggregates)
    });
    parts.common("functions", |it| it.functions.as_ref());
    parts.joins();
    let approval_required = all().any(|it| it.approval == Approval::Approved);
    if approval_required {
        parts.of("approval", Approval::Approved, |it| {
            it.approval == Approval::Approved
        });
    }
    parts.each("access_budget", |it| it.access_budget);
    parts.each("budget_scope", |it| it.budget_scope.clone());
    Some(EffectivePolicy {
        min_units,
        max_share,
        round_to,
        approval_required,
        parts: parts.found,
    })
}

struct Parts<'a> {
    policies: &'a [(&'a str, &'a Policy)],
    found: Vec<Part>,
}

impl Parts<'_> {
    fn of(&mut self, name: &str, value: impl Serialize, asks: impl Fn(&Policy) -> bool) {
        let asking = self.policies.iter().filter(|(_, policy)| asks(policy));
        let tables = asking.map(|(table, _)| (*table).to_owned()).collect();
        self.found.push(Part {
            name: name.to_owned(),
            value: json!(value),
            tables,
        });
    }

    /// What each policy asks for itself, and no other can ask more strictly.
    fn each<T: Serialize>(&mut self, name: &str, part: impl Fn(&Policy) -> Option<T>) {
        for (table, policy) in self.policies {
            if let Some(value) = part(policy) {
                self.found.push(Part {
                    name: name.to_owned(),
                    value: json!(value),
                    tables: vec![(*table).to_owned()],
                });
            }
        }
    }

    /// What all policies allow, of those that do not allow everything.
    fn common<T: Ord + Clone + Serialize>(
        &mut self,
        name: &str,
        allowed: impl Fn(&Policy) -> Option<&BTreeSet<T>>,
    ) {
        let sets = self.policies.iter().filter_map(|(_, policy)| allowed(policy));
        let common = sets.cloned().reduce(|a, b| a.intersection(&b).cloned().collect());
        if let Some(common) = common {
            self.of(name, common, |it| allowed(it).is_some());
        }
    }

    /// Columns whose values need more units than their table asks for.
    fn columns(&mut self, units: impl Fn(&Policy) -> u64) {
        for (table, policy) in self.policies {
            for (column, part) in &policy.columns {
                if let Some(min_units) = part.min_units.filter(|min| *min > units(policy)) {
                    self.found.push(Part {
                        name: format!("columns.{column}.min_units"),
                        value: json!(min_units),
                        tables: vec![(*table).to_owned()],
                    });
                }
            }
        }
    }

    fn joins(&mut self) {
        let default = JoinPolicy::default();
        self.each("joins.condition", |it| {
            (it.joins.condition != default.condition).then_some(it.joins.condition)
        });
        let kinds = self.policies.iter().flat_map(|(_, it)| it.joins.kinds.clone());
        let kinds: BTreeSet<_> = kinds.collect();
        self.common("joins.kinds", |it| {
            (it.joins.kinds != kinds).then_some(&it.joins.kinds)
        });
        self.each("joins.with", |it| {
            (it.joins.with != default.with).then(|| it.joins.with.clone())
        });
        self.each("joins.fan_out", |it| (!it.joins.fan_out).then_some(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(stored: Value) -> Policy {
        Policy::from_json(&stored).unwrap()
    }

    fn part<'a>(of: &'a EffectivePolicy, name: &str) -> Vec<&'a Part> {
        of.parts.iter().filter(|part| part.name == name).collect()
    }

    #[test]
    fn each_part_is_the_strictest_and_says_whose_it_is() {
        let strict = policy(json!({
            "threshold": {"min_units": 50, "max_share": 0.5, "round_to": 1},
            "aggregates": ["count", "sum"],
            "columns": {"city": {"use": ["dimension"], "min_units": 80}},
            "access_budget": {"uses": 3, "window": "day"},
        }));
        let lax = policy(json!({
            "threshold": {"min_units": 1, "max_share": 0.25, "round_to": 10},
            "aggregates": ["count", "avg"],
            "functions": ["lower"],
            "approval": "approved",
        }));
        let effective = effective(&[("a.strict", &strict), ("b.lax", &lax)]).unwrap();
        assert_eq!(
            (effective.min_units, effective.max_share, effective.round_to),
            (50, 0.25, 10)
        );
        assert!(effective.approval_required);
        let told = |name: &str| {
            let parts = part(&effective, name);
            assert_eq!(parts.len(), 1, "{name}");
            (parts[0].value.clone(), parts[0].tables.join(" "))
        };
        assert_eq!(told("threshold.min_units"), (json!(50), "a.strict".to_owned()));
        assert_eq!(told("threshold.max_share"), (json!(0.25), "b.lax".to_owned()));
        assert_eq!(
            told("aggregates"),
            (json!(["count"]), "a.strict b.lax".to_owned())
        );
        assert_eq!(told("functions"), (json!(["lower"]), "b.lax".to_owned()));
        assert_eq!(
            told("expressions"),
            (json!("columns"), "a.strict b.lax".to_owned())
        );
        assert_eq!(told("columns.city.min_units"), (json!(80), "a.strict".to_owned()));
        assert_eq!(told("approval"), (json!("approved"), "b.lax".to_owned()));
        assert_eq!(
            told("access_budget"),
            (json!({"uses": 3, "window": "day"}), "a.strict".to_owned())
        );
        assert!(part(&effective, "joins.kinds").is_empty(), "all allow the same");
    }

    #[test]
    fn nobody_asks_nothing_and_two_units_are_the_least() {
        assert_eq!(effective(&[]), None);
        let lax = policy(json!({"threshold": {"min_units": 1}}));
        assert_eq!(effective(&[("a.b", &lax)]).unwrap().min_units, 2);
    }
}
