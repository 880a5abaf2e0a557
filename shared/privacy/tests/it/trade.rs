//! Visits, orders and what was ordered: what is computed of each individual's own rows. P900 is alone in every
//! dimension.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Date32Array, TimestampMicrosecondArray};
use serde_json::{Value, json};

use crate::world::*;

/// 2024-01-01.
const NEW_YEAR: u64 = 19_723;

fn number(seed: u64, below: u64) -> u64 {
    mix(seed) % below
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap()
}

fn dates(days: impl IntoIterator<Item = u64>) -> ArrayRef {
    let days = days.into_iter().map(|day| i32::try_from(day).unwrap());
    Arc::new(Date32Array::from_iter_values(days))
}

fn moments(seconds: impl IntoIterator<Item = u64>) -> ArrayRef {
    let micros = seconds.into_iter().map(|second| whole(second) * 1_000_000);
    Arc::new(TimestampMicrosecondArray::from_iter_values(micros))
}

fn policy(unit: Value, columns: Value, more: Value) -> Value {
    let mut policy = json!({
        "privacy_unit": unit, "columns": columns, "threshold": {"min_units": 3}, "analysts": [A, B, C],
    });
    for (key, value) in more.as_object().unwrap() {
        policy[key] = value.clone();
    }
    policy
}

fn join(identity: &str) -> Value {
    json!({"use": ["join"], "identity": identity})
}

/// One of P900's three rows, or somebody else's.
fn is_odd(i: u64) -> bool {
    i < 3
}

fn person(i: u64, of: u64) -> String {
    let number = if is_odd(i) { 900 } else { number(i, of) + 1 };
    format!("p{number}@x")
}

fn word<'w>(i: u64, seed: u64, words: &[&'w str], odd: &'w str) -> Option<&'w str> {
    let word = words[usize::try_from(number(i + seed, words.len() as u64)).unwrap()];
    Some(if is_odd(i) { odd } else { word })
}

pub(crate) fn visits(world: &mut World) {
    let rows = 0..400_u64;
    let second = |i: u64| (NEW_YEAR + number(i + 100, 100)) * 86_400 + number(i + 200, 86_400);
    let people: Vec<String> = rows.clone().map(|i| person(i, 40)).collect();
    let columns = vec![
        ("email", texts(&people)),
        (
            "campaign",
            text(
                rows.clone()
                    .map(|i| word(i, 300, &["search", "mail", "video"], "odd")),
            ),
        ),
        (
            "device",
            text(rows.clone().map(|i| word(i, 400, &["phone", "desk"], "odd"))),
        ),
        ("at", moments(rows.clone().map(second))),
        ("day", dates(rows.clone().map(|i| second(i) / 86_400))),
        (
            "pages",
            longs(
                rows.clone()
                    .map(|i| (number(i + 500, 9) > 0).then(|| whole(number(i + 600, 5)))),
            ),
        ),
        (
            "price",
            cents(
                rows.clone()
                    .map(|i| Some(i128::from(number(i + 700, 2_000)) + 100)),
            ),
        ),
        (
            "weight",
            doubles(rows.clone().map(|i| Some(number(i + 800, 1_000) as f64 / 100.0))),
        ),
        // One individual has nearly all of it.
        (
            "gift",
            longs(rows.clone().map(|i| {
                Some(if i == 1 {
                    1_000_000
                } else {
                    whole(number(i + 900, 2))
                })
            })),
        ),
        ("won", longs(rows.map(|i| Some(whole(u64::from(i == 1)))))),
    ];
    let columns_policy = json!({
        "email": join("email"), "campaign": uses("dimension"), "device": uses("dimension"), "at": uses("dimension"),
        "day": uses("dimension"), "pages": {"use": ["measure"], "filter": true},
        "price": {"use": ["measure"], "bins": 5}, "weight": {"use": ["measure"], "scale": 2}, "gift": uses("measure"), "won": uses("measure"),
    });
    let more = json!({"expressions": "arithmetic", "joins": {"kinds": ["inner", "semi"]}});
    world.add(
        A,
        "web.visits",
        columns,
        &[],
        Some(policy(json!("email"), columns_policy, more)),
    );
}

pub(crate) fn sales(world: &mut World) {
    let rows = 0..160_u64;
    let second = |i: u64| (NEW_YEAR + 20 + number(i + 1100, 100)) * 86_400 + number(i + 1200, 86_400);
    let people: Vec<String> = rows.clone().map(|i| person(i, 50)).collect();
    let columns = vec![
        ("email", texts(&people)),
        (
            "product",
            text(rows.clone().map(|i| word(i, 1300, &["pen", "cup"], "odd"))),
        ),
        ("at", moments(rows.clone().map(second))),
        ("day", dates(rows.clone().map(|i| second(i) / 86_400))),
        (
            "price",
            cents(rows.map(|i| Some(i128::from(number(i + 1400, 5_000)) + 100))),
        ),
    ];
    let columns_policy = json!({
        "email": join("email"), "product": uses("dimension"), "at": uses("dimension"), "day": uses("dimension"),
        "price": uses("measure"),
    });
    let more = json!({"expressions": "conditional"});
    world.add(
        B,
        "web.sales",
        columns,
        &[],
        Some(policy(json!("email"), columns_policy, more)),
    );
    // Moments that are told by the month only, and amounts by steps of ten.
    let rows = 0..200_u64;
    let people: Vec<String> = rows.clone().map(|i| person(i, 45)).collect();
    let second = |i: u64| (NEW_YEAR + number(i + 1500, 300)) * 86_400 + number(i + 1600, 86_400);
    let columns = vec![
        ("email", texts(&people)),
        ("at", moments(rows.clone().map(second))),
        ("day", dates(rows.clone().map(|i| second(i) / 86_400))),
        (
            "size",
            longs(rows.clone().map(|i| Some(whole(number(i + 1700, 60))))),
        ),
        (
            "shop",
            text(rows.clone().map(|i| word(i, 1800, &["north", "south"], "odd"))),
        ),
        // Measures within bounds, and without.
        (
            "cost",
            doubles(
                rows.clone()
                    .map(|i| (i % 11 != 0).then(|| number(i + 1900, 200) as f64 - 49.75)),
            ),
        ),
        (
            "nights",
            longs(rows.clone().map(|i| Some(whole(number(i + 1950, 12))))),
        ),
        (
            "paid",
            cents(rows.map(|i| (i % 7 != 0).then(|| i128::from(number(i + 1980, 20_000))))),
        ),
    ];
    let columns_policy = json!({
        "cost": {"use": ["measure"], "bounds": [0, 100.5], "scale": 1, "filter": true},
        "nights": {"use": ["measure"], "bounds": [1.5, 7.2], "bins": 2},
        "paid": {"use": ["measure"], "bounds": [10, 99.995]},
        "email": join("email"), "at": {"use": ["dimension"], "step": "month"},
        "day": {"use": ["dimension"], "step": "week"}, "size": {"use": ["dimension"], "step": 10}, "shop": uses("dimension"),
    });
    world.add(
        B,
        "web.stays",
        columns,
        &[],
        Some(policy(json!("email"), columns_policy, json!({}))),
    );
}

/// Items of orders, whose individuals are the orders' customers; and notes on items.
pub(crate) fn orders(world: &mut World) {
    let anyone = || json!({"expressions": "arithmetic", "joins": {"with": "anyone"}});
    // The last orders have one number, and two customers.
    let number_of = |i: u64| format!("o{}", i.min(117));
    let rows = 0..120_u64;
    let customers: Vec<Option<String>> = rows
        .clone()
        .map(|i| match i {
            117 => Some("p1@x".to_owned()),
            119 => Some("p2@x".to_owned()),
            _ => (i % 17 != 16).then(|| person(i, 30)),
        })
        .collect();
    let columns = vec![
        (
            "order_id",
            texts(&rows.clone().map(number_of).collect::<Vec<_>>()),
        ),
        ("email", text(customers.iter().map(Option::as_deref))),
        (
            "shop",
            text(rows.map(|i| word(i, 2000, &["north", "south"], "odd"))),
        ),
    ];
    let columns_policy =
        json!({"order_id": join("order"), "email": join("email"), "shop": uses("dimension")});
    world.add(
        A,
        "trade.orders",
        columns,
        &[],
        Some(policy(json!("email"), columns_policy, anyone())),
    );
    let rows = 0..360_u64;
    let columns = vec![
        (
            "item_id",
            texts(&rows.clone().map(|i| format!("i{i}")).collect::<Vec<_>>()),
        ),
        (
            "order_id",
            texts(&rows.clone().map(|i| number_of(i / 3)).collect::<Vec<_>>()),
        ),
        (
            "product",
            text(
                rows.clone()
                    .map(|i| word(i / 3, 2100 + i % 3, &["pen", "cup", "hat"], "odd")),
            ),
        ),
        (
            "quantity",
            longs(rows.clone().map(|i| Some(whole(number(i + 2200, 4)) + 1))),
        ),
        (
            "price",
            cents(
                rows.clone()
                    .map(|i| Some(i128::from(number(i + 2300, 900)) + 100)),
            ),
        ),
    ];
    let columns_policy = json!({
        "item_id": join("item"), "order_id": join("order"), "product": uses("dimension"),
        "quantity": uses("measure"), "price": uses("measure"),
    });
    let via = |key: &str| json!({"via": key});
    let items = policy(via("orders.order_id"), columns_policy, anyone());
    world.add(A, "trade.items", columns, &["item_id"], Some(items));
    let notes = || {
        vec![
            (
                "item_id",
                texts(&rows.clone().map(|i| format!("i{i}")).collect::<Vec<_>>()),
            ),
            (
                "note",
                text(
                    rows.clone()
                        .map(|i| word(i / 3, 2400 + i % 3, &["late", "broken"], "odd")),
                ),
            ),
        ]
    };
    let columns_policy = || json!({"item_id": join("item"), "note": uses("dimension")});
    let add = |world: &mut World, name: &str, key: &str, more: Value| {
        world.add(
            A,
            name,
            notes(),
            &[],
            Some(policy(via(key), columns_policy(), more)),
        );
    };
    add(world, "trade.notes", "items.item_id", json!({}));
    // Parents that are not there, are the table itself, or do not answer.
    add(world, "trade.lost", "nowhere.item_id", json!({}));
    add(world, "trade.circle", "ring.item_id", json!({}));
    add(world, "trade.ring", "circle.item_id", json!({}));
    add(world, "trade.closed", "quiet.item_id", json!({}));
    add(world, "trade.quiet", "items.item_id", json!({"analysts": [B]}));
    add(world, "trade.ruled", "strict.item_id", json!({}));
    add(
        world,
        "trade.strict",
        "items.item_id",
        json!({"threshold": {"min_units": 1000}}),
    );
    add(world, "trade.waiting", "asked.item_id", json!({}));
    add(
        world,
        "trade.asked",
        "items.item_id",
        json!({"approval": "approved"}),
    );
}
