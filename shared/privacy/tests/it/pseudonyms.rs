//! Pseudonymized columns: joined with each other, and with nothing else.

use datacovey_privacy::{
    Catalog, CatalogColumn, CatalogTable, Limits, Parameters, Policy, Violation, ViolationCode, compile,
};
use datafusion::arrow::datatypes::DataType;
use serde::Deserialize as _;
use serde_json::json;
use uuid::Uuid;

const US: Uuid = Uuid::from_u128(1);
const THEM: Uuid = Uuid::from_u128(2);

/// Two tables of others and one of ours, each with an e-mail column of the given type.
fn catalog() -> Catalog {
    let pseudonym = DataType::FixedSizeBinary(32);
    let table = |number: u128, name: &str, owner: Uuid, email: &DataType| {
        CatalogTable {
        id: Uuid::from_u128(100 + number),
        dataset: "d".to_owned(),
        name: name.to_owned(),
        owner,
        columns: vec![
            CatalogColumn::new("email", email.clone()).with_identity("email"),
            CatalogColumn::new("city", DataType::Utf8),
        ],
        unique: vec![vec!["email".to_owned()]],
        policy: (owner != US).then(|| {
            Policy::deserialize(&json!({
                "privacy_unit": "email",
                "columns": { "email": { "use": ["join"], "identity": "email" }, "city": { "use": ["dimension"] } },
                "joins": { "with": "anyone" },
                "analysts": [US],
            }))
            .unwrap()
        }),
        policy_version: (owner != US).then_some(1),
        rows: Some(1_000),
    }
    };
    Catalog {
        analyst: US,
        now: 0,
        tables: vec![
            table(1, "hidden", THEM, &pseudonym),
            table(2, "raw", THEM, &DataType::Utf8),
            table(3, "ours_hidden", US, &pseudonym),
            table(4, "ours_raw", US, &DataType::Utf8),
        ],
    }
}

fn asked(sql: &str) -> Result<(), Vec<Violation>> {
    compile(sql, &Parameters::default(), &catalog(), &Limits::default()).map(|_| ())
}

#[test]
fn pseudonyms_join_pseudonyms() {
    for sql in [
        "SELECT COUNT(*) FROM d.hidden h JOIN d.ours_hidden o ON h.email = o.email",
        "SELECT h.city, COUNT(*) FROM d.hidden h JOIN d.ours_hidden o ON h.email = o.email GROUP BY h.city",
        "SELECT COUNT(*) FROM (SELECT email FROM d.hidden INTERSECT SELECT email FROM d.ours_hidden) x",
        "SELECT COUNT(DISTINCT email) FROM d.hidden WHERE email IN (SELECT email FROM d.ours_hidden)",
    ] {
        asked(sql).unwrap_or_else(|it| panic!("{sql}: {it:?}"));
    }
}

#[test]
fn pseudonyms_and_values_are_told_apart_by_name() {
    for (hidden, raw) in [
        ("d.hidden", "d.ours_raw"),
        ("d.ours_hidden", "d.raw"),
        ("d.hidden", "d.raw"),
    ] {
        for sql in [
            format!("SELECT COUNT(*) FROM {hidden} h JOIN {raw} r ON h.email = r.email"),
            format!("SELECT COUNT(*) FROM {raw} r JOIN {hidden} h ON h.email = r.email"),
            format!("SELECT COUNT(*) FROM {raw} r, {hidden} h WHERE h.email = r.email"),
            format!("SELECT COUNT(*) FROM {hidden} h WHERE h.email IN (SELECT r.email FROM {raw} r)"),
            format!(
                "SELECT COUNT(*) FROM {raw} r WHERE EXISTS (SELECT 1 FROM {hidden} h WHERE h.email = r.email)"
            ),
            format!("SELECT COUNT(*) FROM (SELECT email FROM {hidden} INTERSECT SELECT email FROM {raw}) x"),
            format!("SELECT COUNT(*) FROM (SELECT email FROM {raw} UNION ALL SELECT email FROM {hidden}) x"),
        ] {
            let told = asked(&sql).unwrap_err();
            let clear = told.iter().any(|it| it.message.contains("pseudonyms"));
            assert!(clear, "{sql}: {told:?}");
        }
    }
    let told = asked("SELECT COUNT(*) FROM d.hidden h JOIN d.ours_raw r ON h.email = r.email").unwrap_err();
    assert_eq!(told[0].code, ViolationCode::JoinKey);
    assert!(
        told[0]
            .message
            .starts_with("h.email holds pseudonyms and r.email the values themselves"),
        "{told:?}"
    );
    assert!(told[0].rewrite.as_ref().unwrap().contains("x-pseudonymize") && told[0].position.is_some());
}

#[test]
fn a_pseudonym_is_neither_a_dimension_nor_a_measure() {
    for part in [json!({ "use": ["dimension"] }), json!({ "use": ["measure"] })] {
        let policy = json!({
            "privacy_unit": "id", "columns": { "email": part }, "analysts": [US],
        });
        let policy = Policy::deserialize(&policy).unwrap();
        let columns = [
            CatalogColumn::new("id", DataType::FixedSizeBinary(32)),
            CatalogColumn::new("email", DataType::FixedSizeBinary(32)),
        ];
        let refused = policy.validate(&columns);
        assert!(
            refused.iter().any(|it| it.field == "columns.email.use"),
            "{refused:?}"
        );
        assert!(refused.iter().all(|it| it.field != "privacy_unit"), "{refused:?}");
    }
    for sql in [
        "SELECT email, COUNT(*) FROM d.hidden GROUP BY email",
        "SELECT MAX(email) FROM d.hidden",
        "SELECT COUNT(*) FROM d.hidden WHERE email = 'ann@example.com'",
    ] {
        asked(sql).unwrap_err();
    }
}
