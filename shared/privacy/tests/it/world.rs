//! Planted tables of three tenants, small enough to see through.
//!
//! A is an airline alliance and a shop's partner, B an aviation registry and a shop, C an analyst with lists of its
//! own. Thresholds are low, so that groups on either side of them are small.

use std::sync::Arc;

use datacovey_privacy::{Catalog, CatalogColumn, CatalogTable, Policy};
use datafusion::arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const A: Uuid = Uuid::from_u128(0xA);
pub(crate) const B: Uuid = Uuid::from_u128(0xB);
pub(crate) const C: Uuid = Uuid::from_u128(0xC);

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) tables: Vec<(CatalogTable, RecordBatch)>,
}

impl World {
    pub(crate) fn catalog(&self, analyst: Uuid) -> Catalog {
        Catalog { analyst, tables: self.tables.iter().map(|(table, _)| table.clone()).collect() }
    }

    /// The same world with some rows of some tables left out.
    pub(crate) fn without(&self, keep: impl Fn(&str, &RecordBatch, usize) -> bool) -> Self {
        use datafusion::arrow::array::BooleanArray;
        use datafusion::arrow::compute::filter_record_batch;
        let tables = self.tables.iter().map(|(table, rows)| {
            let kept: BooleanArray =
                (0..rows.num_rows()).map(|row| Some(keep(&table.full_name(), rows, row))).collect();
            (table.clone(), filter_record_batch(rows, &kept).unwrap())
        });
        Self { tables: tables.collect() }
    }

    fn add(&mut self, owner: Uuid, name: &str, columns: Vec<(&str, ArrayRef)>, unique: &[&str], policy: Option<Value>) {
        let (dataset, table) = name.split_once('.').unwrap();
        let policy = policy.map(|p| Policy::from_json(&p).unwrap());
        let fields: Vec<Field> =
            columns.iter().map(|(name, values)| Field::new(*name, values.data_type().clone(), true)).collect();
        let described: Vec<CatalogColumn> = fields
            .iter()
            .map(|f| {
                let column = CatalogColumn::new(f.name(), f.data_type().clone());
                match (name, f.name().as_str()) {
                    // A list that says of none of its columns what they identify.
                    ("lists.plain", _) => column,
                    (_, "tailnum") => column.with_identity("tail_number"),
                    (_, "email") => column.with_identity("email"),
                    (_, "phone") => column.with_identity("phone"),
                    _ => column,
                }
            })
            .collect();
        if let Some(policy) = &policy {
            assert_eq!(policy.validate(&described), Vec::new(), "{name}");
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, v)| v).collect());
        let id = Uuid::from_u128(0x1000 + self.tables.len() as u128);
        let table = CatalogTable {
            id,
            dataset: dataset.to_owned(),
            name: table.to_owned(),
            owner,
            columns: described,
            unique: unique.iter().map(|name| vec![(*name).to_owned()]).collect(),
            policy_version: policy.as_ref().map(|_| 7),
            policy,
            rows: None,
        };
        self.tables.push((table, batch.unwrap()));
    }
}

fn text<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

fn texts(values: &[String]) -> ArrayRef {
    text(values.iter().map(|v| Some(v.as_str())))
}

fn longs(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

fn ints(values: impl IntoIterator<Item = Option<i32>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int32Array>())
}

fn doubles(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Float64Array>())
}

fn cents(values: impl IntoIterator<Item = Option<i128>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Decimal128Array>().with_precision_and_scale(10, 2).unwrap())
}

/// A fixed sequence of numbers that look random.
fn mix(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

pub(crate) fn uses(column_use: &str) -> Value {
    json!({"use": [column_use]})
}

pub(crate) fn world() -> World {
    let mut world = World { tables: Vec::new() };
    flights(&mut world);
    planes(&mut world);
    lists(&mut world);
    customers(&mut world);
    locked(&mut world);
    world
}

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
fn flights(world: &mut World) {
    let mut rows: Vec<(Option<String>, &str, &str, &str, i32, Option<f64>, Option<f64>, i64)> = Vec::new();
    for i in 0..600_u64 {
        let plane = mix(i) % 44 + 1;
        let carrier = ["UA", "AA", "DL"][usize::try_from(plane % 3).unwrap()];
        let origin = ["EWR", "JFK", "LGA"][usize::try_from(mix(i + 1000) % 3).unwrap()];
        let dest = ["BOS", "SFO", "LAX", "ORD"][usize::try_from(mix(i + 2000) % 4).unwrap()];
        let month = i32::try_from(mix(i + 3000) % 6).unwrap() + 1;
        let delay = (mix(i + 4000) % 600) as f64 / 10.0 - 20.0;
        let late = (mix(i + 5000) % 11 != 0).then_some(delay);
        let distance = i64::try_from(mix(i + 6000) % 2000).unwrap() + 100;
        rows.push((Some(format!("N{plane}")), carrier, origin, dest, month, late, late.map(|d| d + 4.5), distance));
    }
    // Carrier YV: five planes, one of which flies nearly all.
    for i in 0..40 {
        let plane = if i < 36 { 1 } else { i - 34 };
        rows.push((Some(format!("N{plane}")), "YV", "JFK", "BOS", 2, Some(10.0), Some(10.0), 200));
    }
    // Carrier HA: two planes.
    for plane in [5, 6, 5, 6] {
        rows.push((Some(format!("N{plane}")), "HA", "JFK", "HNL", 3, Some(7.5), None, 4983));
    }
    // Rows that no unit could be counted for, and numbers that are none.
    rows.push((None, "UA", "EWR", "SFO", 1, Some(1e9), Some(1e9), 1_000_000));
    rows.push((Some("N7".into()), "AA", "JFK", "SFO", 1, Some(f64::NAN), Some(f64::INFINITY), 500));
    rows.push((Some("N8".into()), "AA", "JFK", "SFO", 1, Some(f64::NEG_INFINITY), None, 500));
    for i in 0..3 {
        rows.push((Some("N900".into()), "ZZ", "ODD", "ODD", 13, Some(f64::from(i)), Some(1.0), 77));
    }
    let secret: Vec<String> = rows.iter().map(|r| format!("secret of {}", r.0.as_deref().unwrap_or("none"))).collect();
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

fn planes(world: &mut World) {
    let mut rows: Vec<(String, &str, Option<i32>, &str, &str, &str, i64)> = Vec::new();
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
        rows.push((format!("N{i}"), maker, year, model, engine, "Fixed wing", 50 + i64::try_from(i).unwrap() * 3));
    }
    // Registered, but not flying.
    for i in 60..64 {
        rows.push((format!("N{i}"), "BOEING", Some(1999), "737", "Turbo-fan", "Fixed wing", 140));
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
        ("faa", text(["EWR", "JFK", "LGA", "BOS", "SFO", "LAX", "ORD", "HNL", "ODD"].map(Some))),
        ("region", text(["east", "east", "east", "east", "west", "west", "middle", "west", "odd"].map(Some))),
    ];
    world.add(B, "public.airports", columns, &["faa"], Some(json!({"reference": true})));
}

/// What an analyst would bring along.
fn lists(world: &mut World) {
    let suspects: Vec<String> = (1..=12).map(|i| format!("N{i}")).collect();
    let weights = (0..12).map(|i| Some((1_i64 << 44) + (1_i64 << i)));
    let tags = (0..12).map(|i| Some(["x", "y"][i % 2]));
    let columns = vec![("tailnum", texts(&suspects)), ("tag", text(tags)), ("weight", longs(weights))];
    world.add(C, "lists.suspects", columns, &["tailnum"], None);
    // Everybody twice, the first of them only once.
    let repeated: Vec<String> = (2..=12).chain(1..=12).map(|i| format!("N{i}")).collect();
    let tags: Vec<&str> = repeated.iter().enumerate().map(|(i, _)| if i < 11 { "without" } else { "all" }).collect();
    let columns = vec![("tailnum", texts(&repeated)), ("tag", text(tags.into_iter().map(Some)))];
    world.add(C, "lists.buckets", columns, &[], None);
    let columns = vec![
        ("carrier", text(["UA", "AA", "DL", "YV", "HA"].map(Some))),
        ("name", text(["United", "American", "Delta", "Mesa", "Hawaiian"].map(Some))),
        ("fleet", longs([900, 800, 700, 60, 50].map(Some))),
    ];
    world.add(C, "lists.carriers", columns, &["carrier"], None);
    let columns = vec![("tailnum", texts(&suspects)), ("number", longs((1..=12).map(Some)))];
    world.add(C, "lists.plain", columns, &["tailnum", "number"], None);
    let columns = vec![
        ("email", text(["p1@x", "p2@x", "p3@x", "p4@x", "p5@x", "p6@x", "p7@x"].map(Some))),
        ("arm", text(["t", "t", "c", "c", "t", "c", "t"].map(Some))),
    ];
    world.add(C, "lists.arms", columns, &["email"], None);
}

/// People: a table with two join columns, and one whose unit is not its join column.
fn customers(world: &mut World) {
    let people = 1..=60_u64;
    let emails: Vec<String> = people.clone().map(|i| format!("p{i}@x")).collect();
    let phones: Vec<String> = people.clone().map(|i| format!("+{i}")).collect();
    let city = |i: u64| ["Rome", "Oslo", "Bern", "Lima"][usize::try_from(if i <= 2 { 3 } else { mix(i) % 3 }).unwrap()];
    let columns = vec![
        ("email", texts(&emails)),
        ("phone", texts(&phones)),
        ("city", text(people.clone().map(|i| Some(city(i))))),
        ("age", ints(people.clone().map(|i| (i % 9 != 0).then(|| 20 + i32::try_from(mix(i + 9) % 4).unwrap() * 10)))),
        ("spend", cents(people.clone().map(|i| Some(i128::from(mix(i + 11) % 10_000))))),
        ("clicks", longs(people.clone().map(|i| Some(if i == 40 { 1 } else { 0 })))),
        ("fee", longs(people.clone().map(|i| Some(if i == 30 { 1_000_000 } else { 1 })))),
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
    let buyers: Vec<Option<String>> =
        sales.clone().map(|i| (mix(i) % 13 != 0).then(|| format!("p{}@x", mix(i + 1) % 70 + 1))).collect();
    let households: Vec<String> = sales.clone().map(|i| format!("h{}", mix(i + 1) % 70 / 3)).collect();
    let columns = vec![
        ("household", texts(&households)),
        ("email", text(buyers.iter().map(|b| b.as_deref()))),
        ("product", text(sales.clone().map(|i| Some(["pen", "cup", "hat"][usize::try_from(mix(i + 2) % 3).unwrap()])))),
        ("amount", longs(sales.map(|i| Some(i64::try_from(mix(i + 3) % 50).unwrap() + 1)))),
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
fn locked(world: &mut World) {
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
    world.add(A, "locked.others", column(), &["email"], base(json!({"analysts": [B]})));
    world.add(A, "locked.noisy", column(), &["email"], base(noise));
    world.add(A, "locked.approved", column(), &["email"], base(json!({"approval": "approved"})));
    world.add(A, "locked.budget", column(), &["email"], base(json!({"access_budget": {"uses": 5, "window": "day"}})));
    world.add(A, "locked.blocked", column(), &["email"], base(json!({"joins": {"condition": "blocked"}})));
    world.add(A, "locked.joined", column(), &["email"], base(json!({"joins": {"condition": "any"}})));
    world.add(A, "locked.partners", column(), &["email"], base(json!({"joins": {"with": [B]}})));
    world.add(A, "locked.inner", column(), &["email"], base(json!({"joins": {"kinds": ["inner"]}})));
    world.add(A, "locked.counts", column(), &["email"], base(json!({"aggregates": ["count"]})));
    let stepped = json!({"columns": {"email": {"use": ["join"], "identity": "email"}, "city": {"use": ["dimension"], "step": 5.0}}});
    world.add(A, "locked.stepped", column(), &["email"], base(stepped));
}

#[test]
fn units_that_are_alone_are_alone() {
    // The neighbour tests rely on it: no other row has any of N900's values.
    let world = world();
    let (_, rows) = world.tables.iter().find(|(t, _)| t.full_name() == "alliance.flights").unwrap();
    let column = |name: &str| rows.column_by_name(name).unwrap();
    assert_eq!(column("month").data_type(), &DataType::Int32);
    for row in 0..rows.num_rows() {
        let value = |name: &str| datafusion::arrow::util::display::array_value_to_string(column(name), row).unwrap();
        let odd = value("tailnum") == "N900";
        assert_eq!(value("carrier") == "ZZ", odd);
        assert_eq!(value("origin") == "ODD", odd);
        assert_eq!(value("month") == "13", odd);
    }
}
