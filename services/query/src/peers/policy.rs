//! A policy as the catalog sends it, as the compiler takes it.
//!
//! Strict: a word that is not known here makes the whole policy unreadable, and a table with an
//! unreadable policy answers nobody but its owner.

use std::collections::BTreeSet;

use datacovey_privacy::policy::{
    AccessBudget, AggregateKind, Approval, CalendarStep, ColumnPolicy, ColumnUse, DifferentialPrivacy,
    EpsilonBudget, Expressions, JoinCondition, JoinKind, JoinPartners, JoinPolicy, PartnerKind, Policy,
    PrivacyUnit, Step, Threshold, Via, Window,
};
use datacovey_proto::catalog::v1 as pb;
use uuid::Uuid;

/// The policy, or nothing where a part of it is not understood.
pub(super) fn policy(sent: pb::Policy) -> Option<Policy> {
    let columns = sent
        .columns
        .into_iter()
        .map(|(name, sent)| Some((name, column(sent)?)));
    Some(Policy {
        reference: sent.reference.unwrap_or_default(),
        privacy_unit: optional(sent.privacy_unit, unit)?,
        columns: columns.collect::<Option<_>>()?,
        joins: optional(sent.joins, joins)?.unwrap_or_default(),
        aggregates: match sent.aggregates.as_slice() {
            [] => AggregateKind::all(),
            given => given.iter().map(|code| aggregate(*code)).collect::<Option<_>>()?,
        },
        expressions: optional(sent.expressions, expressions)?.unwrap_or_default(),
        functions: (!sent.functions.is_empty()).then(|| sent.functions.into_iter().collect()),
        threshold: optional(sent.threshold, threshold)?.unwrap_or_default(),
        differential_privacy: optional(sent.differential_privacy, differential_privacy)?,
        access_budget: optional(sent.access_budget, access_budget)?,
        budget_scope: sent.budget_scope,
        overlap_list: sent.overlap_list.unwrap_or_default(),
        analysts: ids(&sent.analysts)?,
        approval: optional(sent.approval, approval)?.unwrap_or_default(),
    })
}

/// Absent stays absent; present and not understood is nothing at all.
fn optional<T, U>(sent: Option<T>, read: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    sent.map_or(Some(None), |sent| read(sent).map(Some))
}

fn ids(texts: &[String]) -> Option<BTreeSet<Uuid>> {
    texts.iter().map(|text| Uuid::parse_str(text).ok()).collect()
}

fn unit(sent: pb::PrivacyUnit) -> Option<PrivacyUnit> {
    Some(match sent.unit? {
        pb::privacy_unit::Unit::Column(column) => PrivacyUnit::Column(column),
        pb::privacy_unit::Unit::Via(via) => PrivacyUnit::Via(Via { via }),
    })
}

fn column(sent: pb::ColumnPolicy) -> Option<ColumnPolicy> {
    Some(ColumnPolicy {
        uses: sent
            .uses
            .iter()
            .map(|code| column_use(*code))
            .collect::<Option<_>>()?,
        identity: sent.identity,
        filter: sent.filter.unwrap_or_default(),
        bins: sent.bins,
        step: optional(sent.step, step)?,
        bounds: sent.bounds.map(|bounds| [bounds.min, bounds.max]),
        scale: optional(sent.scale, |scale| u8::try_from(scale).ok())?,
        min_units: optional(sent.min_units, |units| u64::try_from(units).ok())?,
    })
}

fn column_use(code: i32) -> Option<ColumnUse> {
    Some(match pb::ColumnUse::try_from(code).ok()? {
        pb::ColumnUse::Unspecified => return None,
        pb::ColumnUse::Join => ColumnUse::Join,
        pb::ColumnUse::Dimension => ColumnUse::Dimension,
        pb::ColumnUse::Measure => ColumnUse::Measure,
    })
}

fn step(sent: pb::Step) -> Option<Step> {
    let unit = match sent.step? {
        pb::step::Step::Width(width) => return Some(Step::Number(width)),
        pb::step::Step::Unit(code) => pb::CalendarUnit::try_from(code).ok()?,
    };
    Some(Step::Calendar(match unit {
        pb::CalendarUnit::Unspecified => return None,
        pb::CalendarUnit::Hour => CalendarStep::Hour,
        pb::CalendarUnit::Day => CalendarStep::Day,
        pb::CalendarUnit::Week => CalendarStep::Week,
        pb::CalendarUnit::Month => CalendarStep::Month,
        pb::CalendarUnit::Quarter => CalendarStep::Quarter,
        pb::CalendarUnit::Year => CalendarStep::Year,
    }))
}

fn joins(sent: pb::JoinPolicy) -> Option<JoinPolicy> {
    let default = JoinPolicy::default();
    Some(JoinPolicy {
        condition: optional(sent.condition, join_condition)?.unwrap_or_default(),
        kinds: match sent.kinds.as_slice() {
            [] => default.kinds,
            given => given.iter().map(|code| join_kind(*code)).collect::<Option<_>>()?,
        },
        with: optional(sent.with, join_partners)?.unwrap_or_default(),
        fan_out: sent.fan_out.unwrap_or(default.fan_out),
    })
}

fn join_condition(code: i32) -> Option<JoinCondition> {
    Some(match pb::JoinCondition::try_from(code).ok()? {
        pb::JoinCondition::Unspecified | pb::JoinCondition::NotRequired => JoinCondition::NotRequired,
        pb::JoinCondition::Any => JoinCondition::Any,
        pb::JoinCondition::All => JoinCondition::All,
        pb::JoinCondition::Blocked => JoinCondition::Blocked,
    })
}

fn join_kind(code: i32) -> Option<JoinKind> {
    Some(match pb::JoinKind::try_from(code).ok()? {
        pb::JoinKind::Unspecified => return None,
        pb::JoinKind::Inner => JoinKind::Inner,
        pb::JoinKind::Semi => JoinKind::Semi,
        pb::JoinKind::Left => JoinKind::Left,
        pb::JoinKind::Anti => JoinKind::Anti,
    })
}

fn join_partners(sent: pb::JoinPartners) -> Option<JoinPartners> {
    Some(match sent.partners? {
        pb::join_partners::Partners::OtherOwners(_) => JoinPartners::Kind(PartnerKind::OtherOwners),
        pb::join_partners::Partners::Anyone(_) => JoinPartners::Kind(PartnerKind::Anyone),
        pb::join_partners::Partners::Tenants(list) => JoinPartners::Tenants(ids(&list.tenant_ids)?),
    })
}

fn aggregate(code: i32) -> Option<AggregateKind> {
    Some(match pb::AggregateFunction::try_from(code).ok()? {
        pb::AggregateFunction::Unspecified => return None,
        pb::AggregateFunction::Count => AggregateKind::Count,
        pb::AggregateFunction::CountDistinct => AggregateKind::CountDistinct,
        pb::AggregateFunction::Sum => AggregateKind::Sum,
        pb::AggregateFunction::Avg => AggregateKind::Avg,
        pb::AggregateFunction::Stddev => AggregateKind::Stddev,
        pb::AggregateFunction::Var => AggregateKind::Var,
    })
}

fn expressions(code: i32) -> Option<Expressions> {
    Some(match pb::ExpressionLevel::try_from(code).ok()? {
        pb::ExpressionLevel::Unspecified | pb::ExpressionLevel::Columns => Expressions::Columns,
        pb::ExpressionLevel::Conditional => Expressions::Conditional,
        pb::ExpressionLevel::Arithmetic => Expressions::Arithmetic,
    })
}

fn threshold(sent: pb::Threshold) -> Option<Threshold> {
    let default = Threshold::default();
    let count = |sent: Option<i64>, default| sent.map_or(Some(default), |count| u64::try_from(count).ok());
    Some(Threshold {
        min_units: count(sent.min_units, default.min_units)?,
        max_share: sent.max_share.unwrap_or(default.max_share),
        round_to: count(sent.round_to, default.round_to)?,
    })
}

fn differential_privacy(sent: pb::DifferentialPrivacy) -> Option<DifferentialPrivacy> {
    let budget = sent.epsilon_budget?;
    Some(DifferentialPrivacy {
        epsilon_per_query: sent.epsilon_per_query,
        delta_per_query: sent.delta_per_query,
        max_groups: u32::try_from(sent.max_groups).ok()?,
        max_rows: u32::try_from(sent.max_rows).ok()?,
        epsilon_budget: EpsilonBudget {
            tenant: budget.tenant,
            total: budget.total,
        },
        delta_budget: sent.delta_budget,
        window: window(sent.window)?,
    })
}

fn access_budget(sent: pb::AccessBudget) -> Option<AccessBudget> {
    Some(AccessBudget {
        uses: u64::try_from(sent.uses).ok()?,
        window: window(sent.window)?,
    })
}

fn window(code: i32) -> Option<Window> {
    Some(match pb::BudgetWindow::try_from(code).ok()? {
        pb::BudgetWindow::Unspecified => return None,
        pb::BudgetWindow::Day => Window::Day,
        pb::BudgetWindow::Week => Window::Week,
        pb::BudgetWindow::Month => Window::Month,
        pb::BudgetWindow::Ever => Window::Ever,
    })
}

fn approval(code: i32) -> Option<Approval> {
    Some(match pb::Approval::try_from(code).ok()? {
        pb::Approval::Unspecified | pb::Approval::Open => Approval::Open,
        pb::Approval::Approved => Approval::Approved,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> pb::Policy {
        let email = pb::ColumnPolicy {
            uses: vec![pb::ColumnUse::Join.into()],
            identity: Some("email".to_owned()),
            ..pb::ColumnPolicy::default()
        };
        pb::Policy {
            privacy_unit: Some(pb::PrivacyUnit {
                unit: Some(pb::privacy_unit::Unit::Column("email".to_owned())),
            }),
            columns: [("email".to_owned(), email)].into(),
            threshold: Some(pb::Threshold {
                min_units: Some(50),
                ..pb::Threshold::default()
            }),
            analysts: vec![Uuid::nil().to_string()],
            ..pb::Policy::default()
        }
    }

    #[test]
    fn parts_left_out_have_their_defaults() {
        let policy = policy(sent()).unwrap();
        assert_eq!(
            policy.threshold,
            Threshold {
                min_units: 50,
                ..Threshold::default()
            }
        );
        assert_eq!(policy.joins, JoinPolicy::default());
        assert_eq!(policy.aggregates, AggregateKind::all());
        assert_eq!(policy.analysts, BTreeSet::from([Uuid::nil()]));
        assert_eq!(policy.functions, None);
    }

    #[test]
    fn a_part_that_is_not_understood_makes_all_unreadable() {
        let spoilt: [fn(&mut pb::Policy); 5] = [
            |policy| policy.aggregates.push(99),
            |policy| policy.approval = Some(99),
            |policy| policy.analysts.push("everybody".to_owned()),
            |policy| policy.columns.values_mut().for_each(|column| column.uses.push(0)),
            |policy| policy.privacy_unit = Some(pb::PrivacyUnit::default()),
        ];
        for spoil in spoilt {
            let mut sent = sent();
            spoil(&mut sent);
            assert_eq!(policy(sent), None);
        }
    }
}
