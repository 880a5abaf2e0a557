//! The relations of the API contract are in the database exactly as it says.

use std::collections::BTreeMap;

use datacovey_testing::TestDatabase;
use serde_json::{Map, Value, json};

const CONTRACT: &str = include_str!("contract.json");

#[tokio::test]
async fn the_relations_are_those_of_the_contract() {
    let database = TestDatabase::new().await;
    let sql = database.sql().await;
    let contract: Map<String, Value> = serde_json::from_str(CONTRACT).unwrap();
    assert_eq!(contract.len(), 14);
    for (relation, expected) in contract {
        let rows = sql
            .rows(&format!(
                "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                        coalesce(pg_get_expr(d.adbin, d.adrelid), ''),
                        EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p'
                                AND k.conkey = ARRAY[a.attnum]),
                        coalesce((SELECT r.relname FROM pg_constraint k JOIN pg_class r ON r.oid = k.confrelid
                                  JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = k.confkey[1]
                                  WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conkey = ARRAY[a.attnum]
                                    AND b.attname = 'id' AND k.confdeltype = 'a' AND k.confupdtype = 'a'), ''),
                        coalesce(col_description(c.oid, a.attnum), '')
                 FROM pg_class c
                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                 LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
                 WHERE c.oid = '\"{relation}\"'::regclass ORDER BY a.attnum"
            ))
            .await
            .unwrap();
        let columns = rows.into_iter().map(|row| {
            let [name, kind, required, default, primary, references, comment] = row.try_into().unwrap();
            let mut column = json!({"name": name, "type": kind, "required": required == "t"});
            if primary == "t" {
                column["primary"] = true.into();
            }
            for (key, text) in [
                ("default", default),
                ("references", references),
                ("comment", comment),
            ] {
                if !text.is_empty() {
                    column[key] = text.into();
                }
            }
            column
        });
        let mut found = json!({"columns": columns.collect::<Vec<_>>()});
        let comment = sql
            .column(&format!("SELECT obj_description('\"{relation}\"'::regclass)"))
            .await
            .unwrap();
        if !comment[0].is_empty() {
            found["comment"] = comment[0].clone().into();
        }
        assert_eq!(sorted(&found), sorted(&expected), "{relation}");
    }
}

/// The order of keys says nothing.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, it)| (key.clone(), sorted(it)))
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect(),
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn only_the_contracts_keys_are_there() {
    let database = TestDatabase::new().await;
    let sql = database.sql().await;
    let contract: Map<String, Value> = serde_json::from_str(CONTRACT).unwrap();
    let references = contract.values().flat_map(|it| it["columns"].as_array().unwrap());
    let references = references.filter(|it| it.get("references").is_some()).count();
    let names = contract
        .keys()
        .map(|it| format!("'{it}'"))
        .collect::<Vec<_>>()
        .join(", ");
    let count = |kind: &str| {
        format!(
            "SELECT count(*) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
             WHERE c.relname IN ({names}) AND c.relnamespace = 'public'::regnamespace AND k.contype = '{kind}'"
        )
    };
    assert_eq!(sql.value(&count("f")).await.unwrap(), references.to_string());
    assert_eq!(sql.value(&count("p")).await.unwrap(), "9");
    assert_eq!(sql.value(&count("u")).await.unwrap(), "0");
}
