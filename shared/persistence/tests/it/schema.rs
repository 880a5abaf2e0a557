//! Invariants of the schema as a whole.

use std::collections::{BTreeMap, BTreeSet};

use datacovey_persistence::{DOORS, DbRole};
use datacovey_testing::TestDatabase;

/// `schema.rs` as text: diesel keeps no list of its relations to ask.
const SCHEMA: &str = include_str!("../../src/schema.rs");

fn declared() -> BTreeMap<String, Vec<(String, String)>> {
    let mut relations = BTreeMap::new();
    for block in SCHEMA.split("diesel::table! {").skip(1) {
        let block = block.split("\n}\n").next().unwrap();
        let renamed = block
            .split("#[sql_name = \"")
            .nth(1)
            .map(|it| it.split('"').next().unwrap());
        let head = block
            .lines()
            .find(|it| it.trim_end().ends_with(") {"))
            .unwrap()
            .trim();
        let name = renamed.unwrap_or_else(|| head.split(' ').next().unwrap());
        let columns = block
            .lines()
            .filter_map(|it| it.trim().trim_end_matches(',').split_once(" -> "));
        let columns = columns.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
        relations.insert(name.to_owned(), columns.collect());
    }
    relations
}

fn diesel_type(sql: &str) -> &'static str {
    match sql {
        "uuid" => "Uuid",
        "text" => "Text",
        "timestamp without time zone" => "Timestamp",
        "jsonb" => "Jsonb",
        "bigint" => "BigInt",
        "integer" => "Integer",
        "boolean" => "Bool",
        "double precision" => "Double",
        "bytea" => "Binary",
        "text[]" => "Array<Text>",
        other => panic!("no column is of type {other} yet"),
    }
}

#[tokio::test]
async fn diesel_knows_each_column_of_each_relation() {
    let database = TestDatabase::new().await;
    let rows = database
        .sql()
        .await
        .rows(
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
               AND c.relname <> '__diesel_schema_migrations'
             ORDER BY c.relname, a.attnum",
        )
        .await
        .unwrap();
    let mut found = BTreeMap::<String, Vec<(String, String)>>::new();
    for row in rows {
        let [relation, column, kind, required] = row.try_into().unwrap();
        let kind = diesel_type(&kind).to_owned();
        let kind = if required == "t" {
            kind
        } else {
            format!("Nullable<{kind}>")
        };
        found.entry(relation).or_default().push((column, kind));
    }
    assert_eq!(declared(), found);
}

#[tokio::test]
async fn row_level_security_is_forced_on_every_relation() {
    let database = TestDatabase::new().await;
    let open = database
        .sql()
        .await
        .column(
            "SELECT relname FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
               AND NOT (relrowsecurity AND relforcerowsecurity)",
        )
        .await
        .unwrap();
    assert_eq!(open, ["__diesel_schema_migrations"]);
}

#[tokio::test]
async fn every_foreign_key_is_indexed_and_cascades_nowhere() {
    let database = TestDatabase::new().await;
    let sql = database.sql().await;
    let bare = sql
        .column(
            "SELECT k.conname FROM pg_constraint k
             WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace
               AND NOT EXISTS (
                   SELECT FROM pg_index i
                   WHERE i.indrelid = k.conrelid AND i.indpred IS NULL
                     AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
               )",
        )
        .await
        .unwrap();
    assert_eq!(bare, Vec::<String>::new());
    let cascading = "SELECT conname FROM pg_constraint WHERE contype = 'f' AND (confdeltype <> 'a' OR confupdtype <> 'a')";
    assert_eq!(sql.column(cascading).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn everything_is_the_owners_and_no_role_has_more_than_grants() {
    let database = TestDatabase::new().await;
    let sql = database.sql().await;
    let others = "SELECT relname::text FROM pg_class c WHERE relnamespace = 'public'::regnamespace
                      AND relowner <> 'datacovey_owner'::regrole
                  UNION ALL
                  SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                      AND proowner <> 'datacovey_owner'::regrole";
    assert_eq!(sql.column(others).await.unwrap(), Vec::<String>::new());

    // A server of our own has a login that services use, and it may be their roles and nothing else.
    let strong = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'datacovey\\_%' AND rolname <> 'datacovey_admin'
                  AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolinherit
                       OR rolcanlogin AND rolname <> 'datacovey_services')";
    assert_eq!(sql.column(strong).await.unwrap(), Vec::<String>::new());
    let members = "SELECT member::regrole FROM pg_auth_members WHERE roleid = 'datacovey_owner'::regrole";
    assert_eq!(sql.column(members).await.unwrap(), Vec::<String>::new());

    for role in DbRole::ALL {
        let may_create = format!("SELECT has_schema_privilege('{role}', 'public', 'CREATE')");
        assert_eq!(sql.value(&may_create).await.unwrap(), "f", "{role}");
    }
}

/// Definer functions that a service may call, triggers apart: the doors, and what policies read.
#[tokio::test]
async fn the_doors_are_those_that_are_listed() {
    let database = TestDatabase::new().await;
    let sql = database.sql().await;
    let roles = DbRole::ALL.map(|it| format!("'{it}'")).join(", ");
    let found = sql
        .rows(&format!(
            "SELECT p.proname, string_agg(r.rolname, ' ' ORDER BY r.rolname)
             FROM pg_proc p JOIN pg_roles r ON has_function_privilege(r.oid, p.oid, 'EXECUTE')
             WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
               AND r.rolname IN ({roles}) AND p.prorettype <> 'trigger'::regtype
             GROUP BY p.proname ORDER BY p.proname"
        ))
        .await
        .unwrap();
    let found = found
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect::<BTreeSet<_>>();
    let mut expected = DOORS
        .iter()
        .map(|(name, roles)| {
            let mut roles = roles.iter().map(ToString::to_string).collect::<Vec<_>>();
            roles.sort();
            ((*name).to_owned(), roles.join(" "))
        })
        .collect::<BTreeSet<_>>();
    let mut everyone = DbRole::ALL.map(|it| it.to_string());
    everyone.sort();
    expected.insert(("project_standing".to_owned(), everyone.join(" ")));
    assert_eq!(found, expected);

    // Nobody else may, and none of them can be led astray by a search path.
    let careless = sql
        .column(
            "SELECT p.proname FROM pg_proc p
             WHERE p.pronamespace = 'public'::regnamespace
               AND (has_function_privilege('public', p.oid, 'EXECUTE')
                    OR p.prosecdef AND NOT coalesce('search_path=pg_catalog, public, pg_temp' = ANY (p.proconfig), false))",
        )
        .await
        .unwrap();
    assert_eq!(careless, Vec::<String>::new());
}

#[tokio::test]
async fn relations_beside_the_contracts_say_what_they_are() {
    let database = TestDatabase::new().await;
    let silent = database
        .sql()
        .await
        .column(
            "SELECT relname FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT LIKE '%\\_history'
               AND relname <> '__diesel_schema_migrations' AND obj_description(oid) IS NULL",
        )
        .await
        .unwrap();
    assert_eq!(silent, Vec::<String>::new());
}
