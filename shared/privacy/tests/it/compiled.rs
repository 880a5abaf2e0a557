//! What a compiled query tells about itself, and violations about theirs.

use std::sync::Arc;

use datacovey_privacy::{
    BindError, Limits, Parameters, Policy, ScanKey, ViolationCode, bind, compile, scans,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::LogicalPlan;

use crate::engine::{check, run};
use crate::world::{A, B, C, World, world};

const DELAYS: &str = "SELECT p.manufacturer, COUNT(*) AS n, AVG(f.dep_delay) AS d FROM alliance.flights f \
                      JOIN registry.planes p ON f.tailnum = p.tailnum GROUP BY p.manufacturer";

#[test]
fn tables_schema_and_thresholds_are_told() {
    let world = world();
    let compiled = check(&world, B, DELAYS).unwrap();
    let tables: Vec<_> = compiled
        .tables
        .iter()
        .map(|t| {
            (
                t.name.as_str(),
                t.policy_version,
                t.threshold.map(|k| k.min_units),
            )
        })
        .collect();
    assert_eq!(
        tables,
        vec![
            ("alliance.flights", Some(7), Some(3)),
            ("registry.planes", Some(7), None)
        ]
    );
    assert!(compiled.tables[0].is_restricted() && !compiled.tables[1].is_restricted());
    let fields: Vec<_> = compiled
        .output_schema
        .fields()
        .iter()
        .map(|f| (f.name().as_str(), f.data_type().clone()))
        .collect();
    assert_eq!(
        fields,
        vec![
            ("manufacturer", DataType::Utf8),
            ("n", DataType::Int64),
            ("d", DataType::Float64)
        ]
    );
    assert_eq!(compiled.releases.len(), 1);
    assert_eq!(scans(compiled.releases[0].engine_plan()).len(), 2);
    assert_eq!(
        scans(&compiled.top).into_iter().collect::<Vec<_>>(),
        vec![ScanKey::Released(0)]
    );
}

#[test]
fn parents_are_among_the_tables_and_their_thresholds_hold() {
    let told = |table: &str| {
        let compiled = check(&world(), C, &format!("SELECT COUNT(*) FROM trade.{table}")).unwrap();
        compiled
            .tables
            .iter()
            .map(|t| (t.name.clone(), t.policy_version, t.threshold.map(|k| k.min_units)))
            .collect::<Vec<_>>()
    };
    let table = |name: &str, min_units| (format!("trade.{name}"), Some(7), Some(min_units));
    assert_eq!(
        told("notes"),
        [table("items", 3), table("notes", 3), table("orders", 3)]
    );
    assert_eq!(
        told("ruled"),
        ["items", "orders", "ruled", "strict"].map(|name| table(name, 1000))
    );
    // Whoever runs it looks for the approvals and budgets of all of these.
    let names: Vec<String> = told("waiting").into_iter().map(|(name, ..)| name).collect();
    assert_eq!(
        names,
        ["asked", "items", "orders", "waiting"].map(|name| format!("trade.{name}"))
    );
}

#[test]
fn a_query_over_own_tables_releases_nothing() {
    let compiled = check(&world(), A, "SELECT * FROM alliance.flights").unwrap();
    assert!(compiled.releases.is_empty());
    assert_eq!(
        compiled.tables.iter().map(|t| t.threshold).collect::<Vec<_>>(),
        vec![None]
    );
    assert_eq!(compiled.output_schema.fields().len(), 9);
}

#[test]
fn layout_does_not_change_the_normalized_text() {
    let world = world();
    let one = check(&world, B, DELAYS).unwrap().normalized;
    let other = check(&world, B, &format!("{} -- a remark", DELAYS.replace(' ', "\n  ")))
        .unwrap()
        .normalized;
    assert_eq!(one, other);
}

#[test]
fn a_violation_names_its_place_and_what_would_pass() {
    let sql = "SELECT COUNT(*)\nFROM alliance.flights f\nJOIN registry.planes p ON f.tailnum = p.tailnum";
    let violations = check(&world(), A, sql).unwrap_err();
    let [violation] = violations.as_slice() else {
        panic!("{violations:?}")
    };
    assert_eq!((violation.code, violation.rule), (ViolationCode::NotUnique, "H1"));
    assert_eq!(violation.table.as_deref(), Some("alliance.flights"));
    assert_eq!(
        violation.rewrite.as_deref(),
        Some("JOIN (SELECT DISTINCT tailnum FROM alliance.flights) f ON …")
    );

    let sql = "SELECT COUNT(*) FROM registry.planes p\nWHERE p.tailnum = 'N1'\n  AND p.seats > 3";
    let violations = check(&world(), C, sql).unwrap_err();
    let places: Vec<_> = violations
        .iter()
        .map(|v| (v.column.clone().unwrap(), v.position.map(|p| (p.line, p.column))))
        .collect();
    assert_eq!(
        places,
        vec![("tailnum".into(), Some((2, 7))), ("seats".into(), Some((3, 7)))]
    );
}

#[test]
fn hidden_and_unknown_columns_are_told_alike() {
    let told = |column: &str| {
        let sql = format!("SELECT COUNT({column}) FROM registry.planes");
        check(&world(), C, &sql)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(told("owner").replace("owner", "ghost"), told("ghost"));
}

#[test]
fn invisible_and_unknown_tables_are_told_alike() {
    let told = |table: &str| {
        let sql = format!("SELECT COUNT(*) FROM locked.{table}");
        check(&world(), C, &sql)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let unknown = told("ghost");
    for table in ["private", "others"] {
        assert_eq!(told(table).replace(table, "ghost"), unknown);
    }
}

#[test]
fn a_provider_with_other_columns_is_not_bound() {
    let compiled = check(&world(), C, "SELECT COUNT(*) FROM registry.planes").unwrap();
    let plan = || compiled.releases[0].engine_plan().clone();
    assert!(matches!(bind(plan(), |_| None), Err(BindError::Missing(_))));
    let schema = Arc::new(Schema::new(vec![Field::new("tailnum", DataType::Int64, true)]));
    let other = bind(plan(), |_| Some(Arc::new(EmptyTable::new(Arc::clone(&schema)))));
    assert!(matches!(other, Err(BindError::Columns(_, _))));
}

#[test]
fn statements_that_expand_without_end_are_refused() {
    // Each WITH query names the one before twice.
    let mut sql = "WITH a0 AS (SELECT 1 AS x)".to_owned();
    for i in 1..14 {
        sql += &format!(
            ", a{i} AS (SELECT l.x FROM a{} l JOIN a{} r ON l.x = r.x)",
            i - 1,
            i - 1
        );
    }
    sql += " SELECT * FROM a13";
    let violations = compile(&sql, &Parameters::new(), &world().catalog(C), &Limits::default()).unwrap_err();
    assert_eq!(
        violations.iter().map(|v| v.code).collect::<Vec<_>>(),
        vec![ViolationCode::TooLarge]
    );
}

/// A query of named queries, each over the one before.
fn steps(table: &str, count: usize) -> String {
    let mut sql = format!("WITH q0 AS (SELECT weight AS x FROM {table})");
    for i in 1..count {
        sql += &format!(
            ", q{i} AS (SELECT MAX(x) AS x FROM q{} WHERE x > {i} GROUP BY x ORDER BY x LIMIT 100)",
            i - 1
        );
    }
    format!("{sql} SELECT x FROM q{}", count - 1)
}

#[test]
fn the_largest_statements_that_pass_need_no_larger_stack() {
    let limits = Limits::default();
    let chain = vec!["year = 1"; limits.depth - 6].join(" OR ");
    let nested = format!("{}1{}", "(".repeat(20), ")".repeat(20));
    let mut tables = "registry.planes p0".to_owned();
    for i in 1..limits.relations {
        tables += &format!(" JOIN lists.suspects p{i} ON p0.tailnum = p{i}.tailnum");
    }
    let statements = [
        format!("SELECT COUNT(*) FROM registry.planes WHERE {chain}"),
        format!("SELECT COUNT(*) FROM registry.planes WHERE year = {nested}"),
        format!("SELECT COUNT(*) FROM {tables}"),
        format!("SELECT {}", vec!["1"; 1900].join(" + ")),
        format!("SELECT {}", vec!["by"; 1900].join("+")),
        steps("lists.suspects", limits.relations - 1),
    ];
    let run = move || {
        for sql in statements {
            let compiled = compile(&sql, &Parameters::new(), &world().catalog(C), &limits);
            if let Ok(compiled) = &compiled {
                // What callers do with a plan recurses, too.
                for plan in compiled
                    .releases
                    .iter()
                    .map(|r| r.engine_plan())
                    .chain([&compiled.top])
                {
                    assert!(!scans(plan).is_empty(), "{sql}");
                    assert!(bind(plan.clone(), |_| None).is_err(), "{sql}");
                }
            }
            let codes: Vec<_> = compiled
                .err()
                .unwrap_or_default()
                .into_iter()
                .map(|v| v.code)
                .collect();
            assert!(
                codes.is_empty() || codes == [ViolationCode::TooLarge],
                "{codes:?} {sql}"
            );
        }
    };
    std::thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}
#[test]
fn another_instant_is_another_question() {
    let sql = "SELECT COUNT(*) AS n, current_date AS day FROM registry.planes WHERE year < date_part('year', now())";
    let plans = |now: i64| {
        let mut catalog = world().catalog(C);
        catalog.now = now;
        let compiled = compile(sql, &Parameters::new(), &catalog, &Limits::default());
        let compiled = compiled.unwrap_or_else(|violations| panic!("{violations:?}"));
        let release = compiled.releases[0].engine_plan().display_indent().to_string();
        (
            compiled.normalized,
            release,
            compiled.top.display_indent().to_string(),
        )
    };
    let (first, again, later) = (plans(0), plans(0), plans(400 * 86_400_000_000_000));
    assert_eq!(first, again);
    assert_eq!(first.0, later.0, "what an owner approves is the text");
    assert_ne!(first.1, later.1);
    assert_ne!(first.2, later.2);
}

/// Own rows that are among the customers of items, which are those of the items' orders.
const LISTED: &str = "SELECT c.email FROM lists.crm c WHERE c.email IN
    (SELECT o.email FROM trade.items i JOIN trade.orders o ON i.order_id = o.order_id)";

fn listing(change: impl Fn(&str, &mut Policy)) -> World {
    let mut world = world();
    for (table, _) in &mut world.tables {
        let name = table.full_name();
        if let Some(policy) = table.policy.as_mut() {
            change(&name, policy);
        }
    }
    world
}

#[test]
fn a_list_asks_the_leave_of_parents_as_well() {
    for (allowing, asked) in [
        (vec!["trade.items"], vec!["trade.orders"]),
        (vec!["trade.orders"], vec!["trade.items"]),
        (vec![], vec!["trade.items", "trade.orders"]),
        (vec!["trade.items", "trade.orders"], vec![]),
    ] {
        let world = listing(|name, policy| policy.overlap_list = allowing.contains(&name));
        let told = check(&world, C, LISTED).err().unwrap_or_default();
        assert!(told.iter().all(|violation| violation.rule == "H23"), "{told:?}");
        let mut tables: Vec<_> = told.into_iter().filter_map(|violation| violation.table).collect();
        tables.sort();
        tables.dedup();
        assert_eq!(tables, asked);
    }
}

#[tokio::test]
async fn a_list_is_held_to_the_thresholds_of_parents() {
    for (orders, listed) in [(3, true), (1000, false)] {
        let world = listing(|name, policy| {
            policy.overlap_list = true;
            if name == "trade.orders" {
                policy.threshold.min_units = orders;
            }
        });
        let compiled = check(&world, C, LISTED).unwrap();
        let of_items = compiled.tables.iter().find(|table| table.name == "trade.items");
        assert_eq!(of_items.unwrap().threshold.unwrap().min_units, orders);
        let rows = run(&world, &compiled).await.unwrap();
        assert_eq!(!rows.is_empty(), listed, "{rows:?}");
    }
}

#[test]
fn what_is_the_same_for_each_individual_is_aggregated_once() {
    // A plane has one row, so that the rows, the planes, and the planes with rows are one sum.
    let sql = "SELECT manufacturer, COUNT(*) AS n FROM registry.planes GROUP BY manufacturer";
    let compiled = check(&world(), C, sql).unwrap();
    let mut aggregates = Vec::new();
    let noted = compiled.releases[0].engine_plan().apply(|node| {
        if let LogicalPlan::Aggregate(aggregate) = node {
            let exprs = aggregate.aggr_expr.iter();
            aggregates.extend(exprs.map(|expr| expr.clone().unalias().to_string()));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    noted.unwrap();
    assert_eq!(aggregates, ["sum(Int64(1))", "max(Int64(1))"]);
}
