use datacovey_privacy::policy::{
    AccessBudget, AggregateKind, Approval, CalendarStep, ColumnPolicy, ColumnUse, DifferentialPrivacy,
    Expressions, JoinCondition, JoinKind, JoinPartners, JoinPolicy, PartnerKind, Policy, PrivacyUnit, Step,
    Threshold, Window,
};
use datacovey_proto::catalog::v1 as pb;

/// A policy as a message. Every part is given, defaults included, so that a reader sees what holds;
/// of a reference table, where nothing else may be set, only that.
pub(crate) fn reply(policy: &Policy) -> pb::Policy {
    if policy.reference {
        return pb::Policy {
            reference: Some(true),
            ..pb::Policy::default()
        };
    }
    pb::Policy {
        reference: Some(false),
        privacy_unit: policy.privacy_unit.as_ref().map(unit),
        columns: policy
            .columns
            .iter()
            .map(|(name, it)| (name.clone(), column(it)))
            .collect(),
        joins: Some(joins(&policy.joins)),
        aggregates: policy.aggregates.iter().map(|it| aggregate(*it).into()).collect(),
        expressions: Some(expressions(policy.expressions).into()),
        functions: policy.functions.iter().flatten().cloned().collect(),
        threshold: Some(threshold(&policy.threshold)),
        differential_privacy: policy.differential_privacy.as_ref().map(noise),
        access_budget: policy.access_budget.as_ref().map(uses),
        budget_scope: policy.budget_scope.clone(),
        overlap_list: Some(policy.overlap_list),
        analysts: policy.analysts.iter().map(ToString::to_string).collect(),
        approval: Some(match policy.approval {
            Approval::Open => pb::Approval::Open.into(),
            Approval::Approved => pb::Approval::Approved.into(),
        }),
    }
}

fn unit(unit: &PrivacyUnit) -> pb::PrivacyUnit {
    use pb::privacy_unit::Unit;
    pb::PrivacyUnit {
        unit: Some(match unit {
            PrivacyUnit::Column(column) => Unit::Column(column.clone()),
            PrivacyUnit::Via(via) => Unit::Via(via.via.clone()),
        }),
    }
}

fn column(column: &ColumnPolicy) -> pb::ColumnPolicy {
    let each_use = |it: &ColumnUse| match it {
        ColumnUse::Join => pb::ColumnUse::Join.into(),
        ColumnUse::Dimension => pb::ColumnUse::Dimension.into(),
        ColumnUse::Measure => pb::ColumnUse::Measure.into(),
    };
    pb::ColumnPolicy {
        uses: column.uses.iter().map(each_use).collect(),
        identity: column.identity.clone(),
        filter: column.filter.then_some(true),
        bins: column.bins,
        step: column.step.as_ref().map(step),
        bounds: column.bounds.map(|[min, max]| pb::Bounds { min, max }),
        scale: column.scale.map(i32::from),
        min_units: column.min_units.map(count),
    }
}

fn step(step: &Step) -> pb::Step {
    let unit = |it: &CalendarStep| match it {
        CalendarStep::Hour => pb::CalendarUnit::Hour,
        CalendarStep::Day => pb::CalendarUnit::Day,
        CalendarStep::Week => pb::CalendarUnit::Week,
        CalendarStep::Month => pb::CalendarUnit::Month,
        CalendarStep::Quarter => pb::CalendarUnit::Quarter,
        CalendarStep::Year => pb::CalendarUnit::Year,
    };
    pb::Step {
        step: Some(match step {
            Step::Number(width) => pb::step::Step::Width(*width),
            Step::Calendar(it) => pb::step::Step::Unit(unit(it).into()),
        }),
    }
}

fn joins(joins: &JoinPolicy) -> pb::JoinPolicy {
    let condition = match joins.condition {
        JoinCondition::NotRequired => pb::JoinCondition::NotRequired,
        JoinCondition::Any => pb::JoinCondition::Any,
        JoinCondition::All => pb::JoinCondition::All,
        JoinCondition::Blocked => pb::JoinCondition::Blocked,
    };
    let kind = |it: &JoinKind| match it {
        JoinKind::Inner => pb::JoinKind::Inner.into(),
        JoinKind::Semi => pb::JoinKind::Semi.into(),
        JoinKind::Left => pb::JoinKind::Left.into(),
        JoinKind::Anti => pb::JoinKind::Anti.into(),
    };
    use pb::join_partners::Partners;
    let partners = match &joins.with {
        JoinPartners::Kind(PartnerKind::OtherOwners) => Partners::OtherOwners(pb::OtherOwners {}),
        JoinPartners::Kind(PartnerKind::Anyone) => Partners::Anyone(pb::Anyone {}),
        JoinPartners::Tenants(ids) => Partners::Tenants(pb::TenantList {
            tenant_ids: ids.iter().map(ToString::to_string).collect(),
        }),
    };
    pb::JoinPolicy {
        condition: Some(condition.into()),
        kinds: joins.kinds.iter().map(kind).collect(),
        with: Some(pb::JoinPartners {
            partners: Some(partners),
        }),
        fan_out: Some(joins.fan_out),
    }
}

const fn aggregate(kind: AggregateKind) -> pb::AggregateFunction {
    match kind {
        AggregateKind::Count => pb::AggregateFunction::Count,
        AggregateKind::CountDistinct => pb::AggregateFunction::CountDistinct,
        AggregateKind::Sum => pb::AggregateFunction::Sum,
        AggregateKind::Avg => pb::AggregateFunction::Avg,
        AggregateKind::Stddev => pb::AggregateFunction::Stddev,
        AggregateKind::Var => pb::AggregateFunction::Var,
    }
}

const fn expressions(level: Expressions) -> pb::ExpressionLevel {
    match level {
        Expressions::Columns => pb::ExpressionLevel::Columns,
        Expressions::Conditional => pb::ExpressionLevel::Conditional,
        Expressions::Arithmetic => pb::ExpressionLevel::Arithmetic,
    }
}

fn threshold(threshold: &Threshold) -> pb::Threshold {
    pb::Threshold {
        min_units: Some(count(threshold.min_units)),
        max_share: Some(threshold.max_share),
        round_to: Some(count(threshold.round_to)),
    }
}

fn noise(noise: &DifferentialPrivacy) -> pb::DifferentialPrivacy {
    pb::DifferentialPrivacy {
        epsilon_per_query: noise.epsilon_per_query,
        delta_per_query: noise.delta_per_query,
        max_groups: i32::try_from(noise.max_groups).unwrap_or(i32::MAX),
        max_rows: i32::try_from(noise.max_rows).unwrap_or(i32::MAX),
        epsilon_budget: Some(pb::EpsilonBudget {
            tenant: noise.epsilon_budget.tenant,
            total: noise.epsilon_budget.total,
        }),
        delta_budget: noise.delta_budget,
        window: window(noise.window).into(),
    }
}

fn uses(budget: &AccessBudget) -> pb::AccessBudget {
    pb::AccessBudget {
        uses: count(budget.uses),
        window: window(budget.window).into(),
    }
}

const fn window(window: Window) -> pb::BudgetWindow {
    match window {
        Window::Day => pb::BudgetWindow::Day,
        Window::Week => pb::BudgetWindow::Week,
        Window::Month => pb::BudgetWindow::Month,
        Window::Ever => pb::BudgetWindow::Ever,
    }
}

/// Counts are bounded by the message they came in.
fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
