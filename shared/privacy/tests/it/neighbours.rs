//! Two worlds that differ in one individual. Where it is alone in each of its groups, they give the same answers;
//! where it is one of many, it is in one group, and counts there as often as its table has it.

use std::collections::BTreeMap;

use crate::engine::{check, run};
use crate::random::{Grammar, Numbers};
use crate::world::{B, C, World, world};

/// The world without N900, whose every dimension is its own.
fn neighbour(world: &World) -> World {
    world.without(|table, rows, row| {
        let Some(column) = rows.column_by_name("tailnum") else {
            return true;
        };
        let tailnum = datafusion::arrow::util::display::array_value_to_string(column, row).unwrap();
        !(matches!(table, "alliance.flights" | "registry.planes") && tailnum == "N900")
    })
}

#[tokio::test]
async fn an_individual_below_the_threshold_changes_nothing() {
    let (one, other) = (world(), neighbour(&world()));
    let mut answered = 0;
    let mut rows_seen = 0;
    for seed in 0..160 {
        let mut numbers = Numbers::new(seed);
        let analyst = if numbers.chance(1, 3) { B } else { C };
        // Grouped by bare dimensions, so that the one individual is in groups of its own.
        let sql = Grammar::grouped(analyst == C).query(&mut numbers);
        let Ok(compiled) = check(&one, analyst, &sql) else {
            continue;
        };
        let again = check(&other, analyst, &sql).unwrap();
        let rows = run(&one, &compiled)
            .await
            .unwrap_or_else(|e| panic!("{sql}\n{e}"));
        assert_eq!(rows, run(&other, &again).await.unwrap(), "{sql}");
        answered += 1;
        rows_seen += rows.len();
    }
    assert!(answered >= 60, "only {answered} queries were answered");
    assert!(rows_seen >= 150, "only {rows_seen} rows were released");
}

/// A list of the analyst's own, as cunning as the grammar can make it, joined with one table or two of one row a unit.
fn bridged(numbers: &mut Numbers) -> String {
    let own = match numbers.below(6) {
        0 => "lists.people".to_owned(),
        1 => "(SELECT email, MIN(phone) AS phone, MIN(n) AS n FROM lists.people GROUP BY email)".to_owned(),
        2 => "(SELECT DISTINCT email, phone, n FROM lists.people)".to_owned(),
        _ => {
            let kind = numbers.pick(&["JOIN", "LEFT JOIN"]);
            let left = numbers.pick(&["device", "email", "phone"]);
            let equal = numbers.pick(&["=", "IS NOT DISTINCT FROM"]);
            let but = numbers.pick(&["", " AND (b.n <> 1 OR a.email <> 'p5@x')", " AND a.n <> b.n"]);
            format!(
                "(SELECT a.email, {}.phone, b.n FROM lists.people a {kind} lists.people b ON (a.{left} {equal} b.{left}){but})",
                numbers.pick(&["a", "b"])
            )
        }
    };
    let mut tables = format!("acme.customers c JOIN {own} m ON c.email = m.email");
    let mut keys = vec!["m.n", "c.city", "m.phone"];
    if numbers.chance(1, 2) {
        tables += &format!(
            " JOIN telco.lines t ON {}.phone = t.phone",
            numbers.pick(&["m", "c"])
        );
        keys.push("t.plan");
    }
    let key = numbers.pick(&keys);
    format!("SELECT {key}, COUNT(*) FROM {tables} GROUP BY {key}")
}

#[tokio::test]
async fn an_individual_among_many_is_in_one_group_and_counts_once() {
    let one = world();
    let (mut answered, mut changed) = (0, 0);
    for seed in 0..120 {
        let mut numbers = Numbers::new(seed);
        let sql = bridged(&mut numbers);
        let Ok(compiled) = check(&one, C, &sql) else {
            continue;
        };
        answered += 1;
        let groups = |rows: Vec<Vec<String>>| -> BTreeMap<String, i64> {
            rows.into_iter()
                .map(|row| (row[0].clone(), row[1].parse().unwrap()))
                .collect()
        };
        let before = groups(run(&one, &compiled).await.unwrap());
        for (table, column, unit) in [
            ("acme.customers", "email", "p5@x"),
            ("telco.lines", "phone", "+2"),
        ] {
            let other = one.without(|name, rows, row| {
                let value = || {
                    datafusion::arrow::util::display::array_value_to_string(
                        rows.column_by_name(column).unwrap(),
                        row,
                    )
                };
                name != table || value().unwrap() != unit
            });
            let after = groups(run(&other, &check(&other, C, &sql).unwrap()).await.unwrap());
            let differing: Vec<_> = before
                .iter()
                .filter(|(key, n)| after.get(*key) != Some(*n))
                .collect();
            assert!(differing.len() <= 1, "{unit} is in {differing:?} of\n{sql}");
            for (key, n) in differing {
                changed += 1;
                assert!(
                    after.get(key).is_none_or(|after| n - after == 1),
                    "{unit} counts more than once in\n{sql}"
                );
            }
        }
    }
    assert!(answered >= 25, "only {answered} queries were answered");
    assert!(changed >= 15, "only {changed} answers were changed");
}
