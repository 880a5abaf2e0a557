//! Planted tables of three tenants, small enough to see through.
//!
//! A is an airline alliance and a shop's partner, B an aviation registry and a shop, C an analyst with lists of its
//! own. Thresholds are low, so that groups on either side of them are small.

use std::sync::Arc;

use datacovey_privacy::{Catalog, CatalogColumn, CatalogTable, Policy};
use datafusion::arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{aviation, extremes, loyalty, people, trade};

pub(crate) const A: Uuid = Uuid::from_u128(0xA);
pub(crate) const B: Uuid = Uuid::from_u128(0xB);
pub(crate) const C: Uuid = Uuid::from_u128(0xC);
/// Owns a third table of what A and B have one each of, and asks nothing.
pub(crate) const D: Uuid = Uuid::from_u128(0xD);

/// 2024-03-01 12:00:00 UTC.
pub(crate) const NOW: i64 = 1_709_294_400_000_000_000;

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) tables: Vec<(CatalogTable, RecordBatch)>,
}

impl World {
    pub(crate) fn catalog(&self, analyst: Uuid) -> Catalog {
        Catalog {
            analyst,
            tables: self.tables.iter().map(|(table, _)| table.clone()).collect(),
            now: NOW,
        }
    }

    /// The same world with some rows of some tables left out.
    pub(crate) fn without(&self, keep: impl Fn(&str, &RecordBatch, usize) -> bool) -> Self {
        use datafusion::arrow::array::BooleanArray;
        use datafusion::arrow::compute::filter_record_batch;
        let tables = self.tables.iter().map(|(table, rows)| {
            let kept: BooleanArray = (0..rows.num_rows())
                .map(|row| Some(keep(&table.full_name(), rows, row)))
                .collect();
            (table.clone(), filter_record_batch(rows, &kept).unwrap())
        });
        Self {
            tables: tables.collect(),
        }
    }

    pub(crate) fn add(
        &mut self,
        owner: Uuid,
        name: &str,
        columns: Vec<(&str, ArrayRef)>,
        unique: &[&str],
        policy: Option<Value>,
    ) {
        let (dataset, table) = name.split_once('.').unwrap();
        let policy = policy.map(|p| Policy::from_json(&p).unwrap());
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, values)| Field::new(*name, values.data_type().clone(), true))
            .collect();
        let described: Vec<CatalogColumn> = fields
            .iter()
            .map(|f| {
                let column = CatalogColumn::new(f.name(), f.data_type().clone());
                let identified = |identity: &str| column.clone().with_identity(identity).with_ids("key");
                match (name, f.name().as_str()) {
                    // A list that says of none of its columns what they identify.
                    ("lists.plain", _) => column.clone(),
                    (_, "tailnum") => identified("tail_number"),
                    (_, "email") => identified("email"),
                    (_, "phone") => identified("phone"),
                    (_, "order_id") => identified("order"),
                    (_, "item_id") => identified("item"),
                    _ => column.clone(),
                }
            })
            .collect();
        if let Some(policy) = &policy {
            assert_eq!(policy.validate(&described), Vec::new(), "{name}");
        }
        let batch = RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns.into_iter().map(|(_, v)| v).collect(),
        );
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

pub(crate) fn text<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

pub(crate) fn texts(values: &[String]) -> ArrayRef {
    text(values.iter().map(|v| Some(v.as_str())))
}

pub(crate) fn longs(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

pub(crate) fn ints(values: impl IntoIterator<Item = Option<i32>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int32Array>())
}

pub(crate) fn doubles(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Float64Array>())
}

pub(crate) fn cents(values: impl IntoIterator<Item = Option<i128>>) -> ArrayRef {
    Arc::new(
        values
            .into_iter()
            .collect::<Decimal128Array>()
            .with_precision_and_scale(10, 2)
            .unwrap(),
    )
}

/// A fixed sequence of numbers that look random.
pub(crate) fn mix(seed: u64) -> u64 {
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
    aviation::flights(&mut world);
    aviation::planes(&mut world);
    aviation::lists(&mut world);
    people::customers(&mut world);
    people::locked(&mut world);
    people::bridges(&mut world);
    extremes::visits(&mut world);
    trade::visits(&mut world);
    trade::sales(&mut world);
    trade::orders(&mut world);
    loyalty::members(&mut world);
    world
}

#[test]
fn units_that_are_alone_are_alone() {
    // The neighbour tests rely on it: no other row has any of N900's values.
    let world = world();
    let (_, rows) = world
        .tables
        .iter()
        .find(|(t, _)| t.full_name() == "alliance.flights")
        .unwrap();
    let column = |name: &str| rows.column_by_name(name).unwrap();
    assert_eq!(column("month").data_type(), &DataType::Int32);
    for row in 0..rows.num_rows() {
        let value =
            |name: &str| datafusion::arrow::util::display::array_value_to_string(column(name), row).unwrap();
        let odd = value("tailnum") == "N900";
        assert_eq!(value("carrier") == "ZZ", odd);
        assert_eq!(value("origin") == "ODD", odd);
        assert_eq!(value("month") == "13", odd);
    }
}
