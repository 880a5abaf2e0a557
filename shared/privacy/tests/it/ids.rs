//! Which columns a release's plan reads as ids. That the answers stay the same is held by all other tests: their tables
//! have ids wherever a column has an identity.

use datacovey_privacy::{ID_TYPE, id_column};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;
use uuid::Uuid;

use crate::engine::{check, plain, run, same};
use crate::world::{B, C, World, world};

/// Columns that the releases of a statement read, as `table.column`.
fn read(world: &World, analyst: Uuid, sql: &str) -> Vec<String> {
    let compiled = check(world, analyst, sql).unwrap();
    let mut read = Vec::new();
    for release in &compiled.releases {
        let noted = release.engine_plan().apply(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                let columns = scan.projected_schema.fields().iter();
                read.extend(columns.map(|it| (scan.table_name.table().to_owned(), it.name().clone())));
            }
            Ok(TreeNodeRecursion::Continue)
        });
        noted.unwrap();
    }
    read.into_iter()
        .map(|(table, column)| format!("{table}.{column}"))
        .collect()
}

fn reads_id(world: &World, analyst: Uuid, sql: &str, table: &str, column: &str) -> bool {
    let read = read(world, analyst, sql);
    let [value, id] =
        [column.to_owned(), id_column(column)].map(|name| read.contains(&format!("{table}.{name}")));
    assert_ne!(value, id, "{read:?}");
    id
}

const OVERLAP: &str = "SELECT COUNT(*) FROM (SELECT tailnum FROM alliance.flights INTERSECT SELECT tailnum FROM registry.planes)";
const JOINED: &str = "SELECT p.manufacturer, COUNT(DISTINCT f.tailnum), SUM(f.distance) FROM alliance.flights f \
                      JOIN registry.planes p ON f.tailnum = p.tailnum GROUP BY p.manufacturer";

#[tokio::test]
async fn what_is_only_compared_is_read_as_ids() {
    let world = world();
    for sql in [OVERLAP, JOINED] {
        assert!(reads_id(&world, C, sql, "flights", "tailnum"), "{sql}");
        assert!(reads_id(&world, C, sql, "planes", "tailnum"), "{sql}");
    }
    let alone = "SELECT origin, COUNT(*) FROM alliance.flights GROUP BY origin";
    assert!(reads_id(&world, C, alone, "flights", "tailnum"));
}

#[test]
fn ids_have_one_type_whatever_they_stand_for() {
    let compiled = check(&world(), C, OVERLAP).unwrap();
    let plan = compiled.releases[0].engine_plan();
    let mut joins = 0;
    let noted = plan.apply(|node| {
        if let LogicalPlan::Join(join) = node {
            for (left, _) in &join.on {
                use datafusion::logical_expr::ExprSchemable;
                assert_eq!(left.get_type(join.left.schema()).unwrap(), ID_TYPE);
                joins += 1;
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    noted.unwrap();
    assert!(joins > 0);
}

/// The table's columns as if their ids were of this key, or as if there were none.
fn with_key(world: &mut World, table: &str, key: Option<&str>) {
    let found = world.tables.iter_mut().find(|(it, _)| it.full_name() == table);
    for column in &mut found.unwrap().0.columns {
        column.id_key = key.map(ToOwned::to_owned);
    }
}

#[tokio::test]
async fn a_class_changes_as_a_whole_or_not_at_all() {
    for key in [None, Some("another key")] {
        let mut world = world();
        with_key(&mut world, "registry.planes", key);
        for sql in [OVERLAP, JOINED] {
            assert!(!reads_id(&world, C, sql, "flights", "tailnum"), "{sql}");
            assert!(!reads_id(&world, C, sql, "planes", "tailnum"), "{sql}");
        }
        let compiled = check(&world, C, OVERLAP).unwrap();
        let rows = run(&world, &compiled).await.unwrap();
        assert!(same(&rows, &plain(&world, OVERLAP).await), "{rows:?}");
    }
}

#[test]
fn own_columns_that_are_needed_as_values_stay_values() {
    // Own rows may be filtered by any of their columns.
    let sql = "SELECT COUNT(*) FROM (SELECT tailnum FROM registry.planes WHERE tailnum LIKE 'N%') p \
               JOIN alliance.flights f ON p.tailnum = f.tailnum";
    assert!(!reads_id(&world(), B, sql, "flights", "tailnum"));
    let unfiltered = sql.replace(" WHERE tailnum LIKE 'N%'", "");
    assert!(reads_id(&world(), B, &unfiltered, "flights", "tailnum"));
}
