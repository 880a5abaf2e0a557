//! Flights, planes, and the lists that an analyst would bring along.

use serde_json::{Value, json};

use crate::world::*;

/// Tail number, carrier, origin, destination, month, departure and arrival delay, distance.
type Flight = (
    Option<String>,
    &'static str,
    &'static str,
    &'static str,
    i32,
    Option<f64>,
    Option<f64>,
    i64,
);

/// Tail number, manufacturer, year, model, engine, type, seats.
type Plane = (
    String,
    &'static str,
    Option<i32>,
    &'static str,
    &'static str,
    &'static str,
    i64,
);

pub(crate) fn flights_policy() -> Value {
    json!({
        "privacy_unit": "tailnum",
        "columns": {
            "tailnum": {"use": ["join"], "identity": "tail_number"},
            "carrier": uses("dimension"), "origin": uses("dimension"), "month": uses("dimension"),
            "dest": {"use": ["dimension"], "min_units": 6},
            "dep_delay": uses("measure"), "arr_delay": {"use": ["measure"], "bounds": [-100, 300], "scale": 2},
            "distance": {"use": ["measure"], "filter": true},
        },
        "expressions": "conditional",
        "threshold": {"min_units": 3},
        "analysts": [B, C],
    })
}

/// Tail numbers N1 to N40; N41 to N44 fly but are not registered. N900 is alone in every dimension.
pub(crate) fn flights(world: &mut World) {
    let mut rows: Vec<Flight> = Vec::new();
    for i in 0..600_u64 {
        let plane = mix(i) % 44 + 1;
        let carrier = ["UA", "AA", "DL"][usize::try_from(plane % 3).unwrap()];
        let origin = ["EWR", "JFK", "LGA"][usize::try_from(mix(i + 1000) % 3).unwrap()];
        let dest = ["BOS", "SFO", "LAX", "ORD"][usize::try_from(mix(i + 2000) % 4).unwrap()];
        let month = i32::try_from(mix(i + 3000) % 6).unwrap() + 1;
        let delay = (mix(i + 4000) % 600) as f64 / 10.0 - 20.0;
        let late = (!mix(i + 5000).is_multiple_of(11)).then_some(delay);
        let distance = i64::try_from(mix(i + 6000) % 2000).unwrap() + 100;
        rows.push((
            Some(format!("N{plane}")),
            carrier,
            origin,
            dest,
            month,
            late,
            late.map(|d| d + 4.5),
            distance,
        ));
    }
    // Carrier YV: five planes, one of which flies nearly all.
    for i in 0..40 {
        let plane = if i < 36 { 1 } else { i - 34 };
        rows.push((
            Some(format!("N{plane}")),
            "YV",
            "JFK",
            "BOS",
            2,
            Some(10.0),
            Some(10.0),
            200,
        ));
    }
    // Carrier HA: two planes.
    for plane in [5, 6, 5, 6] {
        rows.push((
            Some(format!("N{plane}")),
            "HA",
            "JFK",
            "HNL",
            3,
            Some(7.5),
            None,
            4983,
        ));
    }
    // Rows that no unit could be counted for, and numbers that are none.
    rows.push((None, "UA", "EWR", "SFO", 1, Some(1e9), Some(1e9), 1_000_000));
    rows.push((
        Some("N7".into()),
        "AA",
        "JFK",
        "SFO",
        1,
        Some(f64::NAN),
        Some(f64::INFINITY),
        500,
    ));
    rows.push((
        Some("N8".into()),
        "AA",
        "JFK",
        "SFO",
        1,
        Some(f64::NEG_INFINITY),
        None,
        500,
    ));
    for i in 0..3 {
        rows.push((
            Some("N900".into()),
            "ZZ",
            "ODD",
            "ODD",
            13,
            Some(f64::from(i)),
            Some(1.0),
            77,
        ));
    }
    let secret: Vec<String> = rows
        .iter()
        .map(|r| format!("secret of {}", r.0.as_deref().unwrap_or("none")))
        .collect();
    let columns = vec![
        ("tailnum", text(rows.iter().map(|r| r.0.as_deref()))),
        ("carrier", text(rows.iter().map(|r| Some(r.1)))),
        ("origin", text(rows.iter().map(|r| Some(r.2)))),
        ("dest", text(rows.iter().map(|r| Some(r.3)))),
        ("month", ints(rows.iter().map(|r| Some(r.4)))),
        ("dep_delay", doubles(rows.iter().map(|r| r.5))),
        ("arr_delay", doubles(rows.iter().map(|r| r.6))),
        ("distance", longs(rows.iter().map(|r| Some(r.7)))),
        ("secret", texts(&secret)),
    ];
    world.add(A, "alliance.flights", columns, &[], Some(flights_policy()));
}

pub(crate) fn planes(world: &mut World) {
    let mut rows: Vec<Plane> = Vec::new();
    for i in 1..=40_u64 {
        // CESSNA has two planes.
        let maker = match i {
            1..=18 => "BOEING",
            19..=32 => "AIRBUS",
            33..=38 => "EMBRAER",
            _ => "CESSNA",
        };
        let year = (i % 7 != 0).then(|| 2000 + i32::try_from(mix(i + 70) % 5).unwrap());
        let model = ["737", "A320", "ERJ"][usize::try_from(mix(i + 80) % 3).unwrap()];
        let engine = ["Turbo-fan", "Turbo-jet"][usize::try_from(i % 2).unwrap()];
        rows.push((
            format!("N{i}"),
            maker,
            year,
            model,
            engine,
            "Fixed wing",
            50 + i64::try_from(i).unwrap() * 3,
        ));
    }
    // Registered, but not flying.
    for i in 60..64 {
        rows.push((
            format!("N{i}"),
            "BOEING",
            Some(1999),
            "737",
            "Turbo-fan",
            "Fixed wing",
            140,
        ));
    }
    rows.push(("N900".into(), "ODD", Some(1903), "ODD", "ODD", "ODD", 1));
    let owners: Vec<String> = rows.iter().map(|r| format!("owner of {}", r.0)).collect();
    let columns = vec![
        ("tailnum", text(rows.iter().map(|r| Some(r.0.as_str())))),
        ("manufacturer", text(rows.iter().map(|r| Some(r.1)))),
        ("year", ints(rows.iter().map(|r| r.2))),
        ("model", text(rows.iter().map(|r| Some(r.3)))),
        ("engine", text(rows.iter().map(|r| Some(r.4)))),
        ("type", text(rows.iter().map(|r| Some(r.5)))),
        ("seats", longs(rows.iter().map(|r| Some(r.6)))),
        ("owner", texts(&owners)),
    ];
    let policy = json!({
        "privacy_unit": "tailnum",
        "columns": {
            "tailnum": {"use": ["join"], "identity": "tail_number"},
            "manufacturer": uses("dimension"), "year": uses("dimension"), "model": uses("dimension"),
            "engine": uses("dimension"), "type": uses("dimension"), "seats": uses("measure"),
        },
        "threshold": {"min_units": 4},
        "analysts": [A, C],
    });
    world.add(B, "registry.planes", columns, &["tailnum"], Some(policy));
    let columns = vec![
        (
            "faa",
            text(["EWR", "JFK", "LGA", "BOS", "SFO", "LAX", "ORD", "HNL", "ODD"].map(Some)),
        ),
        (
            "region",
            text(
                [
                    "east", "east", "east", "east", "west", "west", "middle", "west", "odd",
                ]
                .map(Some),
            ),
        ),
    ];
    world.add(
        B,
        "public.airports",
        columns,
        &["faa"],
        Some(json!({"reference": true})),
    );
}

/// What an analyst would bring along.
pub(crate) fn lists(world: &mut World) {
    let suspects: Vec<String> = (1..=12).map(|i| format!("N{i}")).collect();
    let weights = (0..12).map(|i| Some((1_i64 << 44) + (1_i64 << i)));
    let tags = (0..12).map(|i| Some(["x", "y"][i % 2]));
    let columns = vec![
        ("tailnum", texts(&suspects)),
        ("tag", text(tags)),
        ("weight", longs(weights)),
    ];
    world.add(C, "lists.suspects", columns, &["tailnum"], None);
    // Everybody twice, the first of them only once.
    let repeated: Vec<String> = (2..=12).chain(1..=12).map(|i| format!("N{i}")).collect();
    let tags: Vec<&str> = repeated
        .iter()
        .enumerate()
        .map(|(i, _)| if i < 11 { "without" } else { "all" })
        .collect();
    let columns = vec![
        ("tailnum", texts(&repeated)),
        ("tag", text(tags.into_iter().map(Some))),
    ];
    world.add(C, "lists.buckets", columns, &[], None);
    let columns = vec![
        ("carrier", text(["UA", "AA", "DL", "YV", "HA"].map(Some))),
        (
            "name",
            text(["United", "American", "Delta", "Mesa", "Hawaiian"].map(Some)),
        ),
        ("fleet", longs([900, 800, 700, 60, 50].map(Some))),
    ];
    world.add(C, "lists.carriers", columns, &["carrier"], None);
    let columns = vec![
        ("tailnum", texts(&suspects)),
        ("number", longs((1..=12).map(Some))),
    ];
    world.add(C, "lists.plain", columns, &["tailnum", "number"], None);
    let columns = vec![
        (
            "email",
            text(["p1@x", "p2@x", "p3@x", "p4@x", "p5@x", "p6@x", "p7@x"].map(Some)),
        ),
        ("arm", text(["t", "t", "c", "c", "t", "c", "t"].map(Some))),
    ];
    world.add(C, "lists.arms", columns, &["email"], None);
}
