use datacovey_error::Violations;
use datacovey_privacy::policy::Policy;
use datacovey_proto::catalog::v1 as pb;
use serde_json::json;

use super::{parse, reply};
use crate::domain::path::Path;

fn parsed(given: pb::Policy) -> (Policy, Vec<String>) {
    let mut violations = Violations::new();
    let policy = parse(given, &Path::new("policy"), &mut violations);
    let mut fields: Vec<_> = violations.into_vec().into_iter().map(|it| it.field).collect();
    fields.sort();
    (policy, fields)
}

#[test]
fn an_answer_reads_back_as_the_policy_it_answers() {
    for stored in [
        json!({}),
        json!({"reference": true}),
        json!({"privacy_unit": {"via": "orders.order_id"}, "joins": {"with": "anyone", "kinds": ["anti"], "condition": "all"}}),
        json!({
            "privacy_unit": "email",
            "columns": {
                "email": {"use": ["join"], "identity": "email"},
                "age": {"use": ["dimension", "measure"], "step": 5.0, "filter": true, "bins": 10.0},
                "on": {"use": ["dimension"], "step": "week", "min_units": 50},
                "spend": {"use": ["measure"], "bounds": [0.0, 10000.0], "scale": 2},
            },
            "joins": {"condition": "any", "with": ["0190c6a2-0000-7000-8000-000000000001"], "fan_out": false},
            "aggregates": ["count", "avg"],
            "expressions": "conditional",
            "functions": ["lower"],
            "threshold": {"min_units": 40, "max_share": 0.25, "round_to": 10},
            "differential_privacy": {
                "epsilon_per_query": 1.0, "delta_per_query": 1e-6, "max_groups": 3, "max_rows": 10,
                "epsilon_budget": {"tenant": 20.0, "total": 100.0}, "delta_budget": 1e-4, "window": "month",
            },
            "access_budget": {"uses": 100, "window": "ever"},
            "budget_scope": "customers",
            "overlap_list": true,
            "analysts": ["0190c6a2-0000-7000-8000-000000000001"],
            "approval": "approved",
        }),
    ] {
        let policy = Policy::from_json(&stored).unwrap();
        assert_eq!(parsed(reply(&policy)), (policy, vec![]), "{stored}");
    }
}

#[test]
fn an_empty_message_is_the_default_policy() {
    assert_eq!(parsed(pb::Policy::default()), (Policy::default(), vec![]));
}

#[test]
fn every_part_that_is_no_value_is_named() {
    let column = pb::ColumnPolicy {
        uses: vec![1, 1, 0, 99],
        scale: Some(-1),
        min_units: Some(-5),
        step: Some(pb::Step { step: None }),
        ..pb::ColumnPolicy::default()
    };
    let given = pb::Policy {
        privacy_unit: Some(pb::PrivacyUnit { unit: None }),
        columns: [("tail no".to_owned(), column)].into(),
        joins: Some(pb::JoinPolicy {
            condition: Some(99),
            kinds: vec![0],
            with: Some(pb::JoinPartners { partners: None }),
            fan_out: None,
        }),
        aggregates: vec![7],
        threshold: Some(pb::Threshold {
            min_units: Some(-1),
            max_share: None,
            round_to: Some(-1),
        }),
        differential_privacy: Some(pb::DifferentialPrivacy {
            max_groups: -1,
            ..Default::default()
        }),
        access_budget: Some(pb::AccessBudget { uses: -1, window: 0 }),
        analysts: vec![
            "acme".to_owned(),
            "0190c6a2-0000-7000-8000-000000000001".to_owned(),
        ],
        ..pb::Policy::default()
    };
    assert_eq!(
        parsed(given).1,
        [
            "policy.access_budget.uses",
            "policy.access_budget.window",
            "policy.aggregates[0]",
            "policy.analysts[0]",
            "policy.columns[\"tail no\"].min_units",
            "policy.columns[\"tail no\"].scale",
            "policy.columns[\"tail no\"].step",
            "policy.columns[\"tail no\"].uses[1]",
            "policy.columns[\"tail no\"].uses[2]",
            "policy.columns[\"tail no\"].uses[3]",
            "policy.differential_privacy.epsilon_budget",
            "policy.differential_privacy.max_groups",
            "policy.differential_privacy.window",
            "policy.joins.condition",
            "policy.joins.kinds[0]",
            "policy.joins.with",
            "policy.privacy_unit",
            "policy.threshold.min_units",
            "policy.threshold.round_to",
        ]
    );
}
