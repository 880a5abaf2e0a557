//! Members of three programs that overlap, and lists to compare them with.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::world::*;

fn emails(ranges: &[RangeInclusive<u64>]) -> Vec<String> {
    ranges
        .iter()
        .cloned()
        .flatten()
        .map(|i| format!("p{i}@x"))
        .collect()
}

fn policy(more: Value) -> Option<Value> {
    let mut policy = json!({
        "privacy_unit": "email",
        "joins": {"kinds": ["inner", "semi", "left", "anti"]},
        "threshold": {"min_units": 3},
        "analysts": [A, B, C],
    });
    for (key, value) in more.as_object().unwrap() {
        policy[key] = value.clone();
    }
    Some(policy)
}

/// Twenty people are members of the airline alone, as many of the hotel and of the cars alone; ten to thirty of each
/// two, ten of all three. Every fifth flies with a card that one of them has, `black`.
pub(crate) fn members(world: &mut World) {
    let email = json!({"use": ["join"], "identity": "email"});
    let people = || 1..=60_u64;
    let columns = vec![
        ("email", texts(&emails(&[people()]))),
        (
            "tier",
            text(people().map(|i| match i {
                1 => Some("black"),
                _ if i % 9 == 0 => None,
                _ => Some(["gold", "blue"][usize::try_from(i % 2).unwrap()]),
            })),
        ),
        (
            "points",
            longs(people().map(|i| (i % 7 != 0).then(|| i64::try_from(mix(i + 31) % 90).unwrap() + 10))),
        ),
    ];
    let columns_policy = json!({"email": email, "tier": uses("dimension"), "points": uses("measure")});
    world.add(
        A,
        "air.members",
        columns,
        &["email"],
        policy(json!({"columns": columns_policy, "expressions": "conditional"})),
    );
    // Two stays each; every eighth guest left no card.
    let stays: Vec<u64> = (31..=90_u64).flat_map(|i| [i, i]).collect();
    let guests: Vec<String> = stays.iter().map(|i| format!("p{i}@x")).collect();
    let cards: Vec<String> = stays.iter().map(|i| format!("c{i}")).collect();
    let columns = vec![
        ("email", texts(&guests)),
        (
            "card",
            text(
                stays
                    .iter()
                    .zip(&cards)
                    .map(|(i, card)| (i % 8 != 0).then_some(card.as_str())),
            ),
        ),
        (
            "country",
            text(
                stays
                    .iter()
                    .map(|i| Some(["FR", "IT", "ES"][usize::try_from(i % 3).unwrap()])),
            ),
        ),
        (
            "nights",
            longs(
                stays
                    .iter()
                    .enumerate()
                    .map(|(n, i)| Some(i64::try_from(mix(i + n as u64) % 6).unwrap())),
            ),
        ),
    ];
    let columns_policy = json!({
        "email": email, "card": {"use": ["join"], "identity": "card"},
        "country": uses("dimension"), "nights": uses("measure"),
    });
    world.add(
        B,
        "hotel.guests",
        columns,
        &[],
        policy(json!({"columns": columns_policy})),
    );
    let renters = || [21..=40_u64, 81..=110].into_iter().flatten();
    let columns = vec![
        ("email", texts(&emails(&[21..=40, 81..=110]))),
        (
            "class",
            text(renters().map(|i| Some(["small", "large"][usize::try_from(i % 2).unwrap()]))),
        ),
        (
            "price",
            longs(renters().map(|i| Some(i64::try_from(mix(i + 51) % 80).unwrap() + 20))),
        ),
    ];
    let columns_policy = json!({"email": email, "class": uses("dimension"), "price": uses("measure")});
    let more = json!({"columns": columns_policy, "overlap_list": true, "threshold": {"min_units": 4}});
    world.add(D, "cars.renters", columns, &["email"], policy(more));
    accounts(world);
    lists(world);
}

/// Accounts of members: two of ten people each, of which one is joint, and one for each other member.
fn accounts(world: &mut World) {
    let people = || 1..=60_u64;
    let accounts: Vec<String> = people()
        .map(|i| {
            if i <= 20 {
                format!("a{}", (i - 1) / 10)
            } else {
                format!("a{i}")
            }
        })
        .collect();
    let columns = vec![
        ("email", texts(&emails(&[people()]))),
        ("account", texts(&accounts)),
        (
            "kind",
            text(people().map(|i| Some(if i <= 10 { "joint" } else { "own" }))),
        ),
        (
            "balance",
            longs(people().map(|i| Some(i64::try_from(mix(i + 61) % 900).unwrap() + 100))),
        ),
    ];
    let columns_policy = json!({
        "email": {"use": ["join"], "identity": "email"},
        "kind": uses("dimension"), "balance": uses("measure"),
    });
    let more = json!({"privacy_unit": "account", "columns": columns_policy, "expressions": "conditional"});
    world.add(D, "bank.accounts", columns, &["email"], policy(more));
}

fn lists(world: &mut World) {
    let all = || 1..=120_u64;
    let columns = vec![
        ("email", texts(&emails(&[all()]))),
        (
            "arm",
            text(all().map(|i| Some(["test", "control"][usize::try_from(i % 2).unwrap()]))),
        ),
        ("weight", longs(all().map(|i| Some(1_i64 << (i % 40))))),
    ];
    world.add(C, "lists.crm", columns, &["email"], None);
    // One person, and inventions around it.
    let mut one = vec!["p5@x".to_owned()];
    one.extend((500..530).map(|i| format!("p{i}@x")));
    world.add(C, "lists.one", vec![("email", texts(&one))], &["email"], None);
    // All members but one.
    world.add(
        C,
        "lists.allbut",
        vec![("email", texts(&emails(&[2..=60])))],
        &["email"],
        None,
    );
    // Some, each three times.
    let thrice = emails(&[11..=30, 11..=30, 11..=30]);
    world.add(C, "lists.thrice", vec![("email", texts(&thrice))], &[], None);
}
