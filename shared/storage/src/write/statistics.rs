use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use serde_json::{Map, Value, json};

use super::distinct::DistinctValues;
use crate::schema::{ColumnType, TableSchema};

/// What is known of a file's columns: how many values are missing, how many different ones there are at least and, of
/// numbers and times, the least and the greatest. Texts and identities are left out: the database shall hold nobody's data.
/// Of pseudonyms, and of an identity that has ids beside it, `fingerprint` says what they are keyed with.
pub(super) fn of(
    groups: &[RowGroupMetaData],
    schema: &TableSchema,
    distinct: &DistinctValues,
    fingerprint: Option<&str>,
) -> Value {
    let mut columns = Map::new();
    for (index, column) in groups
        .first()
        .map_or(&[][..], RowGroupMetaData::columns)
        .iter()
        .enumerate()
    {
        // What is within lists and objects may be called like a column.
        let [name] = column.column_descr().path().parts() else {
            continue;
        };
        let chunks = groups.iter().filter_map(|group| group.column(index).statistics());
        let Some(column) = schema.columns().iter().find(|it| it.name == *name) else {
            continue;
        };
        // A decimal is a number of units in the file, which nobody would know.
        let is_decimal = matches!(column.column_type, ColumnType::Decimal { .. });
        let mut known = merge(chunks, !column.is_sensitive() && !is_decimal);
        if let Some(fingerprint) = fingerprint {
            if column.identity.is_some() {
                known["id"] = json!(fingerprint);
            }
            if column.is_pseudonymized() {
                known["pseudonym"] = json!(fingerprint);
            }
        }
        columns.insert(name.clone(), known);
    }
    for (name, count) in distinct.told() {
        if let Some(Value::Object(known)) = columns.get_mut(name) {
            known.insert("distinct".to_owned(), json!(count));
        }
    }
    Value::Object(columns)
}

fn merge<'a>(chunks: impl Iterator<Item = &'a Statistics>, with_range: bool) -> Value {
    let mut nulls = 0;
    let mut range: Option<(Value, Value)> = None;
    for chunk in chunks {
        nulls += chunk.null_count_opt().unwrap_or(0);
        let of_chunk = match chunk {
            Statistics::Int32(it) => it
                .min_opt()
                .zip(it.max_opt())
                .map(|(min, max)| (json!(min), json!(max))),
            Statistics::Int64(it) => it
                .min_opt()
                .zip(it.max_opt())
                .map(|(min, max)| (json!(min), json!(max))),
            Statistics::Double(it) => it
                .min_opt()
                .zip(it.max_opt())
                .map(|(min, max)| (json!(min), json!(max))),
            _ => None,
        };
        let Some((min, max)) = of_chunk else { continue };
        range = Some(match range {
            None => (min, max),
            Some((least, most)) => (
                if before(&min, &least) { min } else { least },
                if before(&most, &max) { max } else { most },
            ),
        });
    }
    match range.filter(|_| with_range) {
        Some((min, max)) => json!({ "nulls": nulls, "min": min, "max": max }),
        None => json!({ "nulls": nulls }),
    }
}

fn before(one: &Value, other: &Value) -> bool {
    match (one.as_i64(), other.as_i64()) {
        (Some(one), Some(other)) => one < other,
        _ => one.as_f64() < other.as_f64(),
    }
}
