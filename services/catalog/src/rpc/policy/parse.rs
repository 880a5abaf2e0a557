use std::collections::{BTreeMap, BTreeSet};

use datacovey_error::Violations;
use datacovey_privacy::policy::{
    AccessBudget, AggregateKind, Approval, CalendarStep, ColumnPolicy, ColumnUse, DifferentialPrivacy,
    EpsilonBudget, Expressions, JoinCondition, JoinKind, JoinPartners, JoinPolicy, PartnerKind, Policy,
    PrivacyUnit, Step, Threshold, Via, Window,
};
use datacovey_proto::catalog::v1 as pb;
use uuid::Uuid;

use crate::domain::path::Path;
use crate::rpc::field;

/// Reads a policy; notes every part that is no value of its field. Parts that contradict each other
/// or the table are found later, by `Policy::validate`.
pub(crate) fn parse(given: pb::Policy, at: &Path, violations: &mut Violations) -> Policy {
    let mut read = Reader { violations };
    let columns = given
        .columns
        .into_iter()
        .map(|(name, column)| {
            let at = at.key("columns").entry(&name);
            (name, read.column(column, &at))
        })
        .collect::<BTreeMap<_, _>>();
    let aggregates = read.set(&given.aggregates, &at.key("aggregates"), |it| match it {
        pb::AggregateFunction::Unspecified => None,
        pb::AggregateFunction::Count => Some(AggregateKind::Count),
        pb::AggregateFunction::CountDistinct => Some(AggregateKind::CountDistinct),
        pb::AggregateFunction::Sum => Some(AggregateKind::Sum),
        pb::AggregateFunction::Avg => Some(AggregateKind::Avg),
        pb::AggregateFunction::Stddev => Some(AggregateKind::Stddev),
        pb::AggregateFunction::Var => Some(AggregateKind::Var),
    });
    let expressions = read.word(given.expressions, &at.key("expressions"), |it| match it {
        pb::ExpressionLevel::Unspecified | pb::ExpressionLevel::Columns => Some(Expressions::Columns),
        pb::ExpressionLevel::Conditional => Some(Expressions::Conditional),
        pb::ExpressionLevel::Arithmetic => Some(Expressions::Arithmetic),
    });
    let approval = read.word(given.approval, &at.key("approval"), |it| match it {
        pb::Approval::Unspecified | pb::Approval::Open => Some(Approval::Open),
        pb::Approval::Approved => Some(Approval::Approved),
    });
    Policy {
        reference: given.reference.unwrap_or_default(),
        privacy_unit: given
            .privacy_unit
            .and_then(|it| read.unit(it, &at.key("privacy_unit"))),
        columns,
        joins: given
            .joins
            .map_or_else(JoinPolicy::default, |it| read.joins(it, &at.key("joins"))),
        aggregates: if given.aggregates.is_empty() {
            AggregateKind::all()
        } else {
            aggregates
        },
        expressions: expressions.unwrap_or_default(),
        functions: (!given.functions.is_empty()).then(|| given.functions.into_iter().collect()),
        threshold: given
            .threshold
            .map_or_else(Threshold::default, |it| read.threshold(&it, &at.key("threshold"))),
        differential_privacy: given
            .differential_privacy
            .and_then(|it| read.noise(&it, &at.key("differential_privacy"))),
        access_budget: given
            .access_budget
            .and_then(|it| read.uses(&it, &at.key("access_budget"))),
        budget_scope: given.budget_scope,
        overlap_list: given.overlap_list.unwrap_or_default(),
        analysts: read.tenants(&given.analysts, &at.key("analysts")),
        approval: approval.unwrap_or_default(),
    }
}

struct Reader<'a> {
    violations: &'a mut Violations,
}

impl Reader<'_> {
    fn refuse(&mut self, at: &Path, why: &str) {
        self.violations.add(at.to_string(), why);
    }

    /// A word of an enum; `known` answers none for the words that no request may use.
    fn word<E: TryFrom<i32>, T>(
        &mut self,
        given: Option<i32>,
        at: &Path,
        known: impl Fn(E) -> Option<T>,
    ) -> Option<T> {
        let read = E::try_from(given?).ok().and_then(known);
        if read.is_none() {
            self.refuse(at, "is not among the values of its enum, or the unspecified one");
        }
        read
    }

    /// Words of an enum, each once.
    fn set<E: TryFrom<i32>, T: Ord>(
        &mut self,
        given: &[i32],
        at: &Path,
        known: impl Fn(E) -> Option<T> + Copy,
    ) -> BTreeSet<T> {
        let mut set = BTreeSet::new();
        for (index, word) in given.iter().enumerate() {
            let at = at.index(index);
            if let Some(word) = self.word(Some(*word), &at, known)
                && !set.insert(word)
            {
                self.refuse(&at, "is there twice");
            }
        }
        set
    }

    /// A count; the policy's own rules know no negative ones.
    fn count<T: TryFrom<i64>>(&mut self, given: i64, at: &Path) -> Option<T> {
        let count = T::try_from(given).ok();
        if count.is_none() {
            self.refuse(
                at,
                if given < 0 {
                    "must not be negative"
                } else {
                    "is too large"
                },
            );
        }
        count
    }

    fn tenants(&mut self, given: &[String], at: &Path) -> BTreeSet<Uuid> {
        let mut set = BTreeSet::new();
        for (index, text) in given.iter().enumerate() {
            let at = at.index(index);
            if let Some(id) = field::id(&at.to_string(), text, self.violations)
                && !set.insert(id)
            {
                self.refuse(&at, "is there twice");
            }
        }
        set
    }

    fn unit(&mut self, given: pb::PrivacyUnit, at: &Path) -> Option<PrivacyUnit> {
        match given.unit {
            Some(pb::privacy_unit::Unit::Column(column)) => Some(PrivacyUnit::Column(column)),
            Some(pb::privacy_unit::Unit::Via(via)) => Some(PrivacyUnit::Via(Via { via })),
            None => {
                self.refuse(at, "must say column or via");
                None
            }
        }
    }

    fn column(&mut self, given: pb::ColumnPolicy, at: &Path) -> ColumnPolicy {
        ColumnPolicy {
            uses: self.set(&given.uses, &at.key("uses"), |it| match it {
                pb::ColumnUse::Unspecified => None,
                pb::ColumnUse::Join => Some(ColumnUse::Join),
                pb::ColumnUse::Dimension => Some(ColumnUse::Dimension),
                pb::ColumnUse::Measure => Some(ColumnUse::Measure),
            }),
            identity: given.identity,
            filter: given.filter.unwrap_or_default(),
            bins: given.bins,
            step: given.step.and_then(|it| self.step(it, &at.key("step"))),
            bounds: given.bounds.map(|it| [it.min, it.max]),
            scale: given.scale.and_then(|it| self.count(it.into(), &at.key("scale"))),
            min_units: given
                .min_units
                .and_then(|it| self.count(it, &at.key("min_units"))),
        }
    }

    fn step(&mut self, given: pb::Step, at: &Path) -> Option<Step> {
        match given.step {
            Some(pb::step::Step::Width(width)) => Some(Step::Number(width)),
            Some(pb::step::Step::Unit(unit)) => self
                .word(Some(unit), &at.key("unit"), |it| match it {
                    pb::CalendarUnit::Unspecified => None,
                    pb::CalendarUnit::Hour => Some(CalendarStep::Hour),
                    pb::CalendarUnit::Day => Some(CalendarStep::Day),
                    pb::CalendarUnit::Week => Some(CalendarStep::Week),
                    pb::CalendarUnit::Month => Some(CalendarStep::Month),
                    pb::CalendarUnit::Quarter => Some(CalendarStep::Quarter),
                    pb::CalendarUnit::Year => Some(CalendarStep::Year),
                })
                .map(Step::Calendar),
            None => {
                self.refuse(at, "must say width or unit");
                None
            }
        }
    }

    fn joins(&mut self, given: pb::JoinPolicy, at: &Path) -> JoinPolicy {
        let default = JoinPolicy::default();
        let condition = self.word(given.condition, &at.key("condition"), |it| match it {
            pb::JoinCondition::Unspecified | pb::JoinCondition::NotRequired => {
                Some(JoinCondition::NotRequired)
            }
            pb::JoinCondition::Any => Some(JoinCondition::Any),
            pb::JoinCondition::All => Some(JoinCondition::All),
            pb::JoinCondition::Blocked => Some(JoinCondition::Blocked),
        });
        let kinds = self.set(&given.kinds, &at.key("kinds"), |it| match it {
            pb::JoinKind::Unspecified => None,
            pb::JoinKind::Inner => Some(JoinKind::Inner),
            pb::JoinKind::Semi => Some(JoinKind::Semi),
            pb::JoinKind::Left => Some(JoinKind::Left),
            pb::JoinKind::Anti => Some(JoinKind::Anti),
        });
        JoinPolicy {
            condition: condition.unwrap_or(default.condition),
            kinds: if given.kinds.is_empty() {
                default.kinds
            } else {
                kinds
            },
            with: given
                .with
                .map_or(default.with, |it| self.partners(it, &at.key("with"))),
            fan_out: given.fan_out.unwrap_or(default.fan_out),
        }
    }

    fn partners(&mut self, given: pb::JoinPartners, at: &Path) -> JoinPartners {
        use pb::join_partners::Partners;
        match given.partners {
            Some(Partners::OtherOwners(_)) => JoinPartners::Kind(PartnerKind::OtherOwners),
            Some(Partners::Anyone(_)) => JoinPartners::Kind(PartnerKind::Anyone),
            Some(Partners::Tenants(list)) => {
                JoinPartners::Tenants(self.tenants(&list.tenant_ids, &at.key("tenants").key("tenant_ids")))
            }
            None => {
                self.refuse(at, "must say other_owners, anyone or tenants");
                JoinPartners::default()
            }
        }
    }

    fn threshold(&mut self, given: &pb::Threshold, at: &Path) -> Threshold {
        let default = Threshold::default();
        let mut count = |given: Option<i64>, name: &str, default: u64| {
            given.map_or(default, |it| self.count(it, &at.key(name)).unwrap_or(default))
        };
        Threshold {
            min_units: count(given.min_units, "min_units", default.min_units),
            round_to: count(given.round_to, "round_to", default.round_to),
            max_share: given.max_share.unwrap_or(default.max_share),
        }
    }

    fn noise(&mut self, given: &pb::DifferentialPrivacy, at: &Path) -> Option<DifferentialPrivacy> {
        let max_groups = self.count(given.max_groups.into(), &at.key("max_groups"));
        let max_rows = self.count(given.max_rows.into(), &at.key("max_rows"));
        let window = self.window(given.window, &at.key("window"));
        if given.epsilon_budget.is_none() {
            self.refuse(&at.key("epsilon_budget"), "is required");
        }
        let budget = given.epsilon_budget?;
        Some(DifferentialPrivacy {
            epsilon_per_query: given.epsilon_per_query,
            delta_per_query: given.delta_per_query,
            max_groups: max_groups?,
            max_rows: max_rows?,
            epsilon_budget: EpsilonBudget {
                tenant: budget.tenant,
                total: budget.total,
            },
            delta_budget: given.delta_budget,
            window: window?,
        })
    }

    fn uses(&mut self, given: &pb::AccessBudget, at: &Path) -> Option<AccessBudget> {
        let uses = self.count(given.uses, &at.key("uses"));
        let window = self.window(given.window, &at.key("window"));
        Some(AccessBudget {
            uses: uses?,
            window: window?,
        })
    }

    fn window(&mut self, given: i32, at: &Path) -> Option<Window> {
        self.word(Some(given), at, |it| match it {
            pb::BudgetWindow::Unspecified => None,
            pb::BudgetWindow::Day => Some(Window::Day),
            pb::BudgetWindow::Week => Some(Window::Week),
            pb::BudgetWindow::Month => Some(Window::Month),
            pb::BudgetWindow::Ever => Some(Window::Ever),
        })
    }
}
