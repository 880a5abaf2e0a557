use arrow::datatypes::DataType;
use serde_json::json;

use super::*;
use crate::catalog::CatalogColumn;

fn schema() -> Vec<CatalogColumn> {
    [
        ("email", DataType::Utf8),
        ("age", DataType::Int32),
        ("city", DataType::Utf8),
        ("spend", DataType::Float64),
        ("seen", DataType::Boolean),
        ("tags", DataType::new_list(DataType::Utf8, true)),
    ]
    .map(|(name, data_type)| CatalogColumn::new(name, data_type))
    .to_vec()
}

fn full() -> Value {
    json!({
        "privacy_unit": "email",
        "columns": {
            "age": {"use": ["dimension"]},
            "city": {"use": ["dimension"], "min_units": 50},
            "email": {"use": ["join"], "identity": "email"},
            "spend": {"use": ["measure"], "bounds": [0.0, 10000.0], "scale": 2},
        },
        "joins": {"condition": "not_required", "kinds": ["inner", "semi", "left", "anti"], "with": "other_owners", "fan_out": false},
        "aggregates": ["count", "count_distinct", "sum"],
        "expressions": "conditional",
        "threshold": {"min_units": 30, "max_share": 0.5, "round_to": 5},
        "differential_privacy": {
            "epsilon_per_query": 1.0, "delta_per_query": 1e-6, "max_groups": 3, "max_rows": 10,
            "epsilon_budget": {"tenant": 20.0, "total": 100.0}, "delta_budget": 1e-4, "window": "month",
        },
        "access_budget": {"uses": 100, "window": "day"},
        "budget_scope": "customers of all shops",
        "overlap_list": true,
        "analysts": ["0190c6a2-0000-7000-8000-000000000001"],
        "approval": "approved",
    })
}

/// The fields that a policy is refused for.
fn refused(policy: &Value) -> Vec<String> {
    let policy = Policy::from_json(policy).unwrap();
    policy.validate(&schema()).into_iter().map(|v| v.field).collect()
}

#[test]
fn a_full_policy_is_good_and_comes_back_as_it_was() {
    let policy = Policy::from_json(&full()).unwrap();
    assert_eq!(policy.validate(&schema()), Vec::new());
    assert_eq!(Policy::from_json(&policy.to_json()).unwrap(), policy);
    assert_eq!(policy.to_json(), full());
}

#[test]
fn parts_left_out_have_their_defaults() {
    let policy = Policy::from_json(&json!({"privacy_unit": "email"})).unwrap();
    assert_eq!(
        policy.threshold,
        Threshold {
            min_units: 25,
            max_share: 0.5,
            round_to: 1
        }
    );
    assert_eq!(
        policy.joins.kinds,
        BTreeSet::from([JoinKind::Inner, JoinKind::Semi])
    );
    assert!(policy.joins.fan_out && !policy.overlap_list && policy.analysts.is_empty());
    assert_eq!(policy.aggregates.len(), 6);
    assert_eq!(policy.to_json(), json!({"privacy_unit": "email"}));
}

#[test]
fn a_part_that_is_not_known_is_never_ignored() {
    for policy in [
        json!({"privacy_unit": "email", "treshold": {}}),
        json!({"privacy_unit": "email", "threshold": {"min_unit": 3}}),
        json!({"privacy_unit": "email", "columns": {"age": {"use": ["dimension"], "hidden": true}}}),
        json!({"privacy_unit": {"via": "orders.id", "also": 1}}),
        json!({"privacy_unit": "email", "columns": {"age": {"use": ["group"]}}}),
        json!({"privacy_unit": "email", "joins": {"with": "everybody"}}),
        json!({"privacy_unit": "email", "analysts": "all"}),
    ] {
        assert_eq!(Policy::from_json(&policy).unwrap_err().len(), 1, "{policy}");
    }
}

#[test]
fn every_contradiction_is_told_at_once() {
    let policy = json!({
        "privacy_unit": "ghost",
        "columns": {
            "email": {"use": ["join", "measure"]},
            "age": {"use": [], "identity": "age", "min_units": 1},
            "city": {"use": ["measure"], "bounds": [5.0, 5.0], "scale": 11, "step": 0.0},
            "spend": {"use": ["dimension"], "filter": true, "bins": 10.0},
            "tags": {"use": ["dimension"]},
            "gone": {"use": ["dimension"]},
        },
        "joins": {"condition": "all", "kinds": [], "with": []},
        "aggregates": [],
        "functions": ["sqrt"],
        "threshold": {"min_units": 1, "max_share": 0.0, "round_to": 0},
        "access_budget": {"uses": 0, "window": "day"},
        "budget_scope": " of\nnothing",
        "differential_privacy": {
            "epsilon_per_query": 0.0, "delta_per_query": 1.0, "max_groups": 0, "max_rows": 0,
            "epsilon_budget": {"tenant": -1.0, "total": -2.0}, "delta_budget": 0.5, "window": "ever",
        },
    });
    let mut fields = refused(&policy);
    fields.sort();
    fields.dedup();
    assert_eq!(
        fields,
        [
            "access_budget.uses",
            "aggregates",
            "budget_scope",
            "columns.age.identity",
            "columns.age.min_units",
            "columns.age.use",
            "columns.city.bounds",
            "columns.city.scale",
            "columns.city.step",
            "columns.city.use",
            "columns.email.identity",
            "columns.email.use",
            "columns.gone",
            "columns.spend.bins",
            "columns.spend.filter",
            "columns.tags.use",
            "differential_privacy.delta_budget",
            "differential_privacy.delta_per_query",
            "differential_privacy.epsilon_budget.tenant",
            "differential_privacy.epsilon_budget.total",
            "differential_privacy.epsilon_per_query",
            "differential_privacy.max_groups",
            "differential_privacy.max_rows",
            "functions",
            "joins.kinds",
            "joins.with",
            "privacy_unit",
            "threshold.max_share",
            "threshold.min_units",
            "threshold.round_to",
        ]
    );
}

#[test]
fn single_contradictions() {
    let unit = |more: Value| {
        let mut policy = json!({"privacy_unit": "email"});
        policy
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        policy
    };
    for (policy, field) in [
        (json!({}), "privacy_unit"),
        (json!({"privacy_unit": "spend"}), "privacy_unit"),
        (json!({"privacy_unit": "seen"}), "privacy_unit"),
        (json!({"privacy_unit": {"via": "orders"}}), "privacy_unit.via"),
        (json!({"privacy_unit": {"via": "orders.id"}}), "privacy_unit.via"),
        (
            unit(json!({"columns": {"email": {"use": ["dimension"]}}})),
            "columns.email.use",
        ),
        (
            unit(json!({"columns": {"city": {"use": ["join"]}}})),
            "columns.city.identity",
        ),
        (
            unit(json!({"columns": {"city": {"use": ["join"], "identity": "City"}}})),
            "columns.city.identity",
        ),
        (unit(json!({"overlap_list": true})), "overlap_list"),
        (unit(json!({"aggregates": ["count_distinct"]})), "aggregates"),
        (
            json!({"reference": true, "privacy_unit": "email"}),
            "privacy_unit",
        ),
        (
            json!({"reference": true, "analysts": ["0190c6a2-0000-7000-8000-000000000001"]}),
            "analysts",
        ),
        (json!({"reference": true, "approval": "approved"}), "approval"),
    ] {
        assert_eq!(refused(&policy), [field], "{policy}");
    }
    assert_eq!(refused(&json!({"reference": true})), Vec::<String>::new());
    let via = json!({"privacy_unit": {"via": "orders.age"}});
    assert_eq!(refused(&via), Vec::<String>::new());
}

#[test]
fn steps_are_those_of_the_columns_type() {
    let schema = [
        ("email", DataType::Utf8),
        ("day", DataType::Date32),
        (
            "at",
            DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None),
        ),
        ("size", DataType::Int64),
        ("city", DataType::Utf8),
    ]
    .map(|(name, data_type)| CatalogColumn::new(name, data_type));
    for (column, uses, step, good) in [
        ("at", json!(["dimension"]), json!("hour"), true),
        ("day", json!(["dimension"]), json!("week"), true),
        ("size", json!(["dimension"]), json!(10), true),
        ("day", json!(["dimension"]), json!("day"), false),
        ("day", json!(["dimension"]), json!(7), false),
        ("size", json!(["dimension"]), json!("month"), false),
        ("size", json!(["dimension"]), json!(-1), false),
        ("size", json!(["dimension", "measure"]), json!(10), true),
        ("city", json!(["dimension"]), json!(10), false),
        ("city", json!(["dimension"]), json!("year"), false),
    ] {
        let policy = json!({"privacy_unit": "email", "columns": {column: {"use": uses, "step": step}}});
        let found = Policy::from_json(&policy).unwrap().validate(&schema);
        let fields: Vec<_> = found.iter().map(|v| v.field.as_str()).collect();
        let expected = [format!("columns.{column}.step")];
        assert_eq!(fields, if good { &[][..] } else { &expected[..] }, "{policy}");
    }
}

#[test]
fn a_parent_is_named_by_its_table_and_a_key_that_this_table_has() {
    for (via, message) in [
        ("orders.age", None),
        ("orders", Some("give table.column")),
        (".age", Some("give table.column")),
        ("orders.order_id", Some("the table has no column order_id")),
        ("orders.seen", Some("seen is of type Boolean, which is no key")),
    ] {
        let policy = Policy::from_json(&json!({"privacy_unit": {"via": via}})).unwrap();
        let found: Vec<_> = policy
            .validate(&schema())
            .into_iter()
            .map(|v| v.message)
            .collect();
        assert_eq!(
            found,
            message.map(str::to_owned).into_iter().collect::<Vec<_>>(),
            "{via}"
        );
        let parts = policy.privacy_unit.as_ref().and_then(PrivacyUnit::parent);
        assert_eq!(parts.is_some(), message != Some("give table.column"), "{via}");
    }
}

#[test]
fn a_scope_is_of_a_budget() {
    let mut policy = json!({
        "privacy_unit": "email", "columns": {"email": {"use": ["join"], "identity": "email"}},
        "budget_scope": "fleet",
    });
    assert_eq!(refused(&policy), ["budget_scope"]);
    policy["access_budget"] = json!({"uses": 1, "window": "day"});
    assert!(refused(&policy).is_empty());
    policy["budget_scope"] = json!("x".repeat(512));
    assert_eq!(refused(&policy), ["budget_scope"]);
    assert_eq!(
        refused(&json!({"reference": true, "budget_scope": "fleet"})),
        ["budget_scope"]
    );
}

#[test]
fn bounds_of_whole_numbers_hold_one() {
    let bounds = |bounds: [f64; 2]| {
        refused(&json!({
            "privacy_unit": "email",
            "columns": {
                "email": {"use": ["join"], "identity": "email"},
                "age": {"use": ["measure"], "bounds": bounds},
            },
        }))
    };
    assert_eq!(bounds([0.2, 0.8]), ["columns.age.bounds"]);
    assert!(bounds([0.2, 1.0]).is_empty());
}
