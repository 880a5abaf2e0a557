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

/// The world without P900, who is alone in every campaign, device, product, shop and note.
fn without_p900(world: &World) -> World {
    world.without(|_, rows, row| {
        let Some(column) = rows.column_by_name("email") else {
            return true;
        };
        datafusion::arrow::util::display::array_value_to_string(column, row).unwrap() != "p900@x"
    })
}

/// What is computed of each individual, grouped so that P900 is in a group of its own; or of rows, with arithmetic.
fn of_each(numbers: &mut Numbers) -> String {
    let several = |numbers: &mut Numbers, words: &[&str], most: usize| -> Vec<String> {
        let mut chosen: Vec<&str> = (0..=numbers.below(most)).map(|_| numbers.pick(words)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen.into_iter().map(str::to_owned).collect()
    };
    match numbers.below(6) {
        0 => {
            let key = numbers.pick(&["campaign", "device", "upper(campaign)", "campaign || device"]);
            let more = numbers.pick(&["", ", floor(price / 5) * 5", ", date_part('month', day)"]);
            let values = [
                "SUM(price * pages)",
                "SUM(price - weight)",
                "AVG(price * 0.5)",
                "SUM(gift)",
                "SUM(CASE WHEN device = 'desk' THEN 1 ELSE 0 END)",
                "COUNT(*)",
                "SUM(price * 100000 + won)",
                "AVG(weight * weight)",
                "COUNT(DISTINCT CASE WHEN pages IS NULL THEN email END)",
                "SUM(pages) FILTER (WHERE campaign <> 'mail')",
            ];
            let values = several(numbers, &values, 3);
            let values: Vec<String> = values
                .iter()
                .enumerate()
                .map(|(i, v)| format!("{v} AS v{i}"))
                .collect();
            let condition = numbers.pick(&[
                "",
                " WHERE pages > 1",
                " WHERE device <> 'phone'",
                " WHERE floor(price / 10) = 1",
            ]);
            format!(
                "SELECT {key}{more}, {} FROM web.visits{condition} GROUP BY {key}{more}",
                values.join(", ")
            )
        }
        1 => {
            let table = numbers.pick(&[
                "trade.items i JOIN trade.orders o ON i.order_id = o.order_id",
                "trade.items i",
            ]);
            let key = numbers.pick(&[
                "i.product",
                "CASE WHEN i.product = 'odd' THEN 'odd' ELSE 'other' END",
            ]);
            let values = several(
                numbers,
                &[
                    "COUNT(*)",
                    "SUM(i.price * i.quantity)",
                    "AVG(i.price)",
                    "SUM(i.quantity)",
                ],
                2,
            );
            let values: Vec<String> = values
                .iter()
                .enumerate()
                .map(|(i, v)| format!("{v} AS v{i}"))
                .collect();
            format!("SELECT {key}, {} FROM {table} GROUP BY {key}", values.join(", "))
        }
        2 => "SELECT note, COUNT(*) AS n FROM trade.notes GROUP BY note".to_owned(),
        _ => {
            let condition = numbers.pick(&["", " WHERE pages > 0", " WHERE day < DATE '2024-03-01'"]);
            let having = numbers.pick(&[
                "",
                " HAVING COUNT(*) > 3",
                " HAVING SUM(pages) > 6",
                " HAVING MAX(device) <> 'desk'",
            ]);
            let inner = format!(
                "SELECT email, MIN(campaign) AS c, MAX(device) AS d, COUNT(*) AS n, COUNT(DISTINCT device) AS k, SUM(price) AS s, \
                 SUM(pages) AS p, MAX(pages) AS m, AVG(weight) AS w, COUNT(*) FILTER (WHERE campaign = 'mail') AS q, \
                 bool_or(campaign = 'odd') AS o, last_value(campaign ORDER BY at) AS l, SUM(CASE WHEN device = 'odd' THEN price END) AS x \
                 FROM web.visits{condition} GROUP BY email{having}"
            );
            let key = numbers.pick(&["c", "d", "l", "o", "c || l"]);
            let more = numbers.pick(&["", ", LEAST(n, 9)", ", k", ", n / 4"]);
            let values = [
                "COUNT(*)",
                "SUM(n)",
                "AVG(n)",
                "SUM(s)",
                "AVG(s)",
                "SUM(p)",
                "SUM(m)",
                "STDDEV(s)",
                "SUM(s - p)",
                "SUM(q)",
                "AVG(w)",
                "SUM(x)",
                "COUNT(x)",
                "COUNT(DISTINCT email)",
                "SUM(CASE WHEN d = 'phone' THEN s END)",
                "COUNT(CASE WHEN l = 'mail' THEN 1 END)",
                "SUM(n * s)",
                "SUM(k)",
            ];
            let values = several(numbers, &values, 3);
            let values: Vec<String> = values
                .iter()
                .enumerate()
                .map(|(i, v)| format!("{v} AS v{i}"))
                .collect();
            let above = numbers.pick(&["", " WHERE n > 2", " WHERE d <> 'x' AND k < 3"]);
            format!(
                "SELECT {key}{more}, {} FROM ({inner}) t{above} GROUP BY {key}{more}",
                values.join(", ")
            )
        }
    }
}

#[tokio::test]
async fn what_is_computed_of_an_individual_below_the_threshold_changes_nothing() {
    let one = world();
    let other = without_p900(&one);
    let (mut answered, mut rows_seen) = (0, 0);
    for seed in 0..140 {
        let mut numbers = Numbers::new(seed);
        let sql = of_each(&mut numbers);
        let Ok(compiled) = check(&one, C, &sql) else {
            continue;
        };
        let again = check(&other, C, &sql).unwrap();
        let rows = run(&one, &compiled)
            .await
            .unwrap_or_else(|e| panic!("{sql}\n{e}"));
        assert_eq!(rows, run(&other, &again).await.unwrap(), "{sql}");
        answered += 1;
        rows_seen += rows.len();
    }
    assert!(answered >= 90, "only {answered} queries were answered");
    assert!(rows_seen >= 150, "only {rows_seen} rows were released");
}
