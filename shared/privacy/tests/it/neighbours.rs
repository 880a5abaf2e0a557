//! Two worlds that differ in one individual, alone in each of its groups, give the same answers.

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
