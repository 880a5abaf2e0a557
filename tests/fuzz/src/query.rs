//! Statements over other tenants' tables.

use datacovey_privacy::{
    Catalog, CatalogColumn, CatalogTable, Compiled, Limits, Parameters, Policy, Violation, compile,
};
use datafusion::arrow::datatypes::DataType;
use serde_json::{Value, json};
use uuid::Uuid;

const ANALYST: Uuid = Uuid::from_u128(1);
const SHOP: Uuid = Uuid::from_u128(2);
const MEDIA: Uuid = Uuid::from_u128(3);

/// Words of the planner, the engine and the columns' library: none of them is ours to say.
const OTHERS_WORDS: [&str; 12] = [
    "DataFusion",
    "datafusion",
    "Arrow",
    "arrow error",
    "sqlparser",
    "ParserError",
    "SchemaError",
    "panicked",
    "unwrap",
    "Internal error",
    "LogicalPlan",
    "backtrace",
];

/// A shop, a publisher, and a list of the analyst's own.
fn catalog() -> Catalog {
    let email = || CatalogColumn::new("email", DataType::Utf8).with_identity("email");
    let customers = vec![
        email(),
        CatalogColumn::new("city", DataType::Utf8),
        CatalogColumn::new("age", DataType::Int64),
        CatalogColumn::new("since", DataType::Date32),
        CatalogColumn::new("spend", DataType::Float64),
        CatalogColumn::new("secret", DataType::Utf8),
    ];
    let impressions = vec![email(), CatalogColumn::new("campaign", DataType::Utf8)];
    let list = vec![email(), CatalogColumn::new("weight", DataType::Int64)];
    let dimension = json!({"use": ["dimension"]});
    let join = json!({"use": ["join"], "identity": "email"});
    let policy = |columns: Value| {
        json!({
            "privacy_unit": "email",
            "columns": columns,
            "joins": {"kinds": ["inner", "semi", "left", "anti"]},
            "expressions": "arithmetic",
            "analysts": [ANALYST],
        })
    };
    let of_customers = policy(json!({
        "email": join, "city": dimension, "age": dimension, "since": dimension,
        "spend": {"use": ["measure"], "bins": 100.0},
    }));
    let of_impressions = policy(json!({"email": join, "campaign": dimension}));
    let table = |id, (dataset, name): (&str, &str), owner, columns, policy: Option<Value>| CatalogTable {
        id: Uuid::from_u128(id),
        dataset: dataset.to_owned(),
        name: name.to_owned(),
        owner,
        columns,
        unique: vec![vec!["email".to_owned()]],
        policy_version: policy.as_ref().map(|_| 1),
        policy: policy.map(|it| Policy::from_json(&it).expect("a policy")),
        rows: None,
    };
    Catalog {
        analyst: ANALYST,
        tables: vec![
            table(10, ("shop", "customers"), SHOP, customers, Some(of_customers)),
            table(
                11,
                ("media", "impressions"),
                MEDIA,
                impressions,
                Some(of_impressions),
            ),
            table(12, ("mine", "list"), ANALYST, list, None),
        ],
        now: 1_709_294_400_000_000_000,
    }
}

fn asked(text: &str) -> Result<Compiled, Vec<Violation>> {
    compile(text, &Parameters::default(), &catalog(), &Limits::default())
}

/// Whatever the text is: a plan, or violations in our own words, each at a place of the text; the same each time;
/// and what passes reads another's table through a release alone.
pub fn query(text: &str) {
    match (asked(text), asked(text)) {
        (Ok(first), Ok(second)) => {
            assert_eq!(first.normalized, second.normalized, "{text:?}");
            let restricted = first.tables.iter().any(|table| table.is_restricted());
            assert!(!restricted || !first.releases.is_empty(), "unreleased: {text:?}");
            // What it was understood as is understood as that.
            assert!(
                asked(&first.normalized).is_ok(),
                "{text:?} as {:?}",
                first.normalized
            );
        }
        (Err(first), Err(second)) => {
            assert!(!first.is_empty(), "refused without a reason: {text:?}");
            assert_eq!(told(&first), told(&second), "{text:?}");
            first.iter().for_each(|violation| is_ours(violation, text));
        }
        _ => panic!("one answer and another: {text:?}"),
    }
}

fn told(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(ToString::to_string).collect()
}

fn is_ours(violation: &Violation, text: &str) {
    let said = violation.to_string();
    // A caller's own words may come back.
    let theirs = OTHERS_WORDS
        .iter()
        .find(|word| said.contains(**word) && !text.contains(**word));
    assert!(theirs.is_none(), "{said:?} says {theirs:?} of {text:?}");
    assert!(
        !violation.message.is_empty() && said.len() < 4096,
        "{said:?} of {text:?}"
    );
    if let Some(at) = &violation.position {
        let lines = text.split('\n').count() as u64;
        assert!((1..=lines).contains(&at.line), "{at:?} is not in {text:?}");
    }
}
