//! The relations of the API contract are in the database exactly as it says.

use datacovey_rest::Relations;
use datacovey_testing::TestDatabase;

/// What there is of a column: name, type, whether it is NOT NULL, default, whether it is the primary key, what it
/// refers to, comment.
type Told = [String; 7];

#[tokio::test]
async fn the_relations_are_those_of_the_contract() {
    let database = TestDatabase::new().await;
    let sql = database.sql().await;
    let contract = Relations::contract();
    assert_eq!(contract.iter().count(), 14);
    for relation in contract.iter() {
        let name = &relation.name;
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
                 WHERE c.oid = '\"{name}\"'::regclass ORDER BY a.attnum"
            ))
            .await
            .unwrap();
        let found: Vec<Told> = rows.into_iter().map(|row| row.try_into().unwrap()).collect();
        let flag = |it: bool| if it { "t" } else { "f" }.to_owned();
        let text = |it: &Option<String>| it.clone().unwrap_or_default();
        let expected = relation.columns.iter().map(|column| {
            [
                column.name.clone(),
                column.kind.sql().to_owned(),
                flag(column.required),
                text(&column.default),
                flag(column.primary),
                text(&column.references),
                text(&column.description),
            ]
        });
        assert_eq!(found, expected.collect::<Vec<Told>>(), "{name}");
        let comment = sql
            .column(&format!("SELECT obj_description('\"{name}\"'::regclass)"))
            .await
            .unwrap();
        assert_eq!(comment, [text(&relation.comment())], "{name}");
    }
}

#[tokio::test]
async fn only_the_contracts_keys_are_there() {
    let database = TestDatabase::new().await;
    let sql = database.sql().await;
    let contract = Relations::contract();
    let references = contract.foreign_keys().count();
    let names = contract
        .iter()
        .map(|it| format!("'{}'", it.name))
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
