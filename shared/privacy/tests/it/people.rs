//! People, and tables that do not answer.

use serde_json::{Value, json};

use crate::world::*;

/// People: a table with two join columns, and one whose unit is not its join column.
pub(crate) fn customers(world: &mut World) {
    let people = 1..=60_u64;
    let emails: Vec<String> = people.clone().map(|i| format!("p{i}@x")).collect();
    let phones: Vec<String> = people.clone().map(|i| format!("+{i}")).collect();
    let city = |i: u64| {
        ["Rome", "Oslo", "Bern", "Lima"][usize::try_from(if i <= 2 { 3 } else { mix(i) % 3 }).unwrap()]
    };
    let columns = vec![
        ("email", texts(&emails)),
        ("phone", texts(&phones)),
        ("city", text(people.clone().map(|i| Some(city(i))))),
        (
            "age",
            ints(
                people
                    .clone()
                    .map(|i| (i % 9 != 0).then(|| 20 + i32::try_from(mix(i + 9) % 4).unwrap() * 10)),
            ),
        ),
        (
            "spend",
            cents(people.clone().map(|i| Some(i128::from(mix(i + 11) % 10_000)))),
        ),
        (
            "clicks",
            longs(people.clone().map(|i| Some(if i == 40 { 1 } else { 0 }))),
        ),
        (
            "fee",
            longs(people.clone().map(|i| Some(if i == 30 { 1_000_000 } else { 1 }))),
        ),
    ];
    let policy = json!({
        "privacy_unit": "email",
        "columns": {
            "email": {"use": ["join"], "identity": "email"}, "phone": {"use": ["join"], "identity": "phone"},
            "city": uses("dimension"), "age": {"use": ["dimension", "measure"]},
            "spend": uses("measure"), "clicks": uses("measure"), "fee": uses("measure"),
        },
        "joins": {"kinds": ["inner", "semi", "left", "anti"]},
        "threshold": {"min_units": 3, "round_to": 1},
        "functions": ["upper", "lower", "coalesce"],
        "analysts": [B, C],
    });
    world.add(A, "acme.customers", columns, &["email"], Some(policy));
    let sales = 0..200_u64;
    let buyers: Vec<Option<String>> = sales
        .clone()
        .map(|i| (!mix(i).is_multiple_of(13)).then(|| format!("p{}@x", mix(i + 1) % 70 + 1)))
        .collect();
    let households: Vec<String> = sales
        .clone()
        .map(|i| format!("h{}", mix(i + 1) % 70 / 3))
        .collect();
    let columns = vec![
        ("household", texts(&households)),
        ("email", text(buyers.iter().map(|b| b.as_deref()))),
        (
            "product",
            text(
                sales
                    .clone()
                    .map(|i| Some(["pen", "cup", "hat"][usize::try_from(mix(i + 2) % 3).unwrap()])),
            ),
        ),
        (
            "amount",
            longs(sales.map(|i| Some(i64::try_from(mix(i + 3) % 50).unwrap() + 1))),
        ),
    ];
    let policy = json!({
        "privacy_unit": "household",
        "columns": {
            "email": {"use": ["join"], "identity": "email"},
            "product": uses("dimension"), "amount": uses("measure"),
        },
        "joins": {"fan_out": false},
        "threshold": {"min_units": 3},
        "analysts": [A, C],
    });
    world.add(B, "shop.sales", columns, &[], Some(policy));
}

/// Tables that do not answer, each for its own reason.
pub(crate) fn locked(world: &mut World) {
    let column = || vec![("email", text([Some("p1@x")])), ("city", text([Some("Rome")]))];
    let base = |more: Value| {
        let mut policy = json!({
            "privacy_unit": "email",
            "columns": {"email": {"use": ["join"], "identity": "email"}, "city": uses("dimension")},
            "analysts": [C],
        });
        for (key, value) in more.as_object().unwrap() {
            policy[key] = value.clone();
        }
        Some(policy)
    };
    let noise = json!({"differential_privacy": {
        "epsilon_per_query": 1.0, "delta_per_query": 1e-6, "max_groups": 3, "max_rows": 10,
        "epsilon_budget": {"tenant": 20.0, "total": 100.0}, "delta_budget": 1e-4, "window": "month",
    }});
    world.add(A, "locked.private", column(), &["email"], None);
    world.add(
        A,
        "locked.others",
        column(),
        &["email"],
        base(json!({"analysts": [B]})),
    );
    world.add(A, "locked.noisy", column(), &["email"], base(noise));
    world.add(
        A,
        "locked.approved",
        column(),
        &["email"],
        base(json!({"approval": "approved"})),
    );
    world.add(
        A,
        "locked.budget",
        column(),
        &["email"],
        base(json!({"access_budget": {"uses": 5, "window": "day"}})),
    );
    world.add(
        A,
        "locked.blocked",
        column(),
        &["email"],
        base(json!({"joins": {"condition": "blocked"}})),
    );
    world.add(
        A,
        "locked.joined",
        column(),
        &["email"],
        base(json!({"joins": {"condition": "any"}})),
    );
    world.add(
        A,
        "locked.partners",
        column(),
        &["email"],
        base(json!({"joins": {"with": [B]}})),
    );
    world.add(
        A,
        "locked.inner",
        column(),
        &["email"],
        base(json!({"joins": {"kinds": ["inner"]}})),
    );
    world.add(
        A,
        "locked.counts",
        column(),
        &["email"],
        base(json!({"aggregates": ["count"]})),
    );
}

/// What an analyst could lead from one table to another with, and a table at the other end.
pub(crate) fn bridges(world: &mut World) {
    let people = 1..=60_u64;
    let emails: Vec<String> = people.clone().map(|i| format!("p{i}@x")).collect();
    // Three people to a phone.
    let phones: Vec<String> = people.clone().map(|i| format!("+{}", i / 3 + 1)).collect();
    let columns = vec![
        ("email", texts(&emails)),
        ("phone", texts(&phones)),
        // NULL throughout, so no value of it is there twice.
        ("device", text(people.clone().map(|_| None))),
        (
            "n",
            longs(people.clone().map(|i| Some(i64::try_from(i % 4).unwrap()))),
        ),
    ];
    world.add(C, "lists.people", columns, &["email", "device"], None);
    let lines: Vec<String> = people.clone().map(|i| format!("+{i}")).collect();
    let columns = vec![
        ("phone", texts(&lines)),
        (
            "plan",
            text(
                people
                    .clone()
                    .map(|i| Some(["flat", "prepaid"][usize::try_from(i % 2).unwrap()])),
            ),
        ),
        (
            "minutes",
            longs(people.map(|i| Some(i64::try_from(mix(i + 21) % 90).unwrap() + 10))),
        ),
    ];
    let policy = json!({
        "privacy_unit": "phone",
        "columns": {
            "phone": {"use": ["join"], "identity": "phone"},
            "plan": uses("dimension"), "minutes": uses("measure"),
        },
        "threshold": {"min_units": 3},
        "analysts": [C],
    });
    world.add(B, "telco.lines", columns, &["phone"], Some(policy));
    // Counts are rounded, so is what would tell them.
    let emails: Vec<String> = (1..=43).map(|i| format!("p{i}@x")).collect();
    let columns = vec![("email", texts(&emails)), ("points", longs((1..=43).map(Some)))];
    let policy = json!({
        "privacy_unit": "email",
        "columns": {"email": {"use": ["join"], "identity": "email"}, "points": uses("measure")},
        "threshold": {"min_units": 3, "round_to": 10},
        "analysts": [C],
    });
    let mut computed = policy.clone();
    computed["expressions"] = json!("arithmetic");
    world.add(B, "telco.points", columns.clone(), &["email"], Some(computed));
    world.add(B, "shop.members", columns, &["email"], Some(policy));
}
