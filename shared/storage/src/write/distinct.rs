//! How many different values a file's columns have, at least.
//!
//! What the database decides by it (whether enough individuals differ between two versions of a table)
//! needs a lower bound and small numbers: so few values are looked at and fewer are kept. Two values of one
//! hash count as one, which errs on the same side.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;

use crate::schema::TableSchema;

/// Different values of a column that are counted.
const MOST_VALUES: usize = 1_024;
/// Rows of a file that are looked at.
const MOST_ROWS: usize = 65_536;

/// Counts the values of the columns that can name individuals: texts, whole numbers and pseudonyms.
#[derive(Debug)]
pub(super) struct DistinctValues {
    columns: Vec<(String, HashSet<u64>)>,
    rows: usize,
    hashes: RandomState,
}

impl DistinctValues {
    pub(super) fn new(schema: &TableSchema) -> Self {
        let column = |it: &crate::schema::Column| (it.name.clone(), HashSet::new());
        Self {
            columns: schema.columns().iter().map(column).collect(),
            rows: 0,
            hashes: RandomState::new(),
        }
    }

    pub(super) fn add(&mut self, batch: &RecordBatch) {
        let rows = batch.num_rows().min(MOST_ROWS.saturating_sub(self.rows));
        self.rows += rows;
        if rows == 0 {
            return;
        }
        for (name, seen) in &mut self.columns {
            if let Some(values) = batch.column_by_name(name) {
                count(&values.slice(0, rows), seen, &self.hashes);
            }
        }
    }

    /// By column; a column of another type has none.
    pub(super) fn told(&self) -> impl Iterator<Item = (&str, usize)> {
        let counted = self.columns.iter().filter(|(_, seen)| !seen.is_empty());
        counted.map(|(name, seen)| (name.as_str(), seen.len()))
    }
}

fn count(values: &ArrayRef, seen: &mut HashSet<u64>, hashes: &RandomState) {
    // What is missing names nobody.
    if let Some(texts) = values.as_string_opt::<i32>() {
        fill(seen, texts.iter().flatten().map(|text| hashes.hash_one(text)));
    } else if let Some(wholes) = values.as_primitive_opt::<Int64Type>() {
        fill(seen, wholes.iter().flatten().map(|whole| hashes.hash_one(whole)));
    } else if let Some(pseudonyms) = values.as_fixed_size_binary_opt() {
        fill(seen, pseudonyms.iter().flatten().map(|it| hashes.hash_one(it)));
    }
}

fn fill(seen: &mut HashSet<u64>, mut values: impl Iterator<Item = u64>) {
    while seen.len() < MOST_VALUES {
        let Some(value) = values.next() else { return };
        seen.insert(value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringArray};
    use serde_json::json;

    use super::*;

    fn schema() -> TableSchema {
        TableSchema::parse(&json!({ "type": "object", "properties": {
            "name": { "type": ["string", "null"] },
            "number": { "type": ["integer", "null"] },
            "share": { "type": ["number", "null"] },
        } }))
        .unwrap()
    }

    fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
        let names = numbers
            .clone()
            .map(|n| (n % 3 > 0).then(|| format!("n{}", n % 3)));
        let shares = numbers.clone().map(|n| n as f64);
        RecordBatch::try_from_iter([
            ("name", Arc::new(names.collect::<StringArray>()) as ArrayRef),
            ("number", Arc::new(Int64Array::from_iter_values(numbers))),
            ("share", Arc::new(Float64Array::from_iter_values(shares))),
        ])
        .unwrap()
    }

    fn told(values: &DistinctValues) -> Vec<(&str, usize)> {
        let mut told: Vec<_> = values.told().collect();
        told.sort_unstable();
        told
    }

    #[test]
    fn values_are_counted_once_and_missing_ones_never() {
        let mut values = DistinctValues::new(&schema());
        values.add(&batch(0..30));
        values.add(&batch(20..40));
        assert_eq!(told(&values), [("name", 2), ("number", 40)]);
    }

    #[test]
    fn no_more_is_looked_at_than_is_needed() {
        let mut values = DistinctValues::new(&schema());
        values.add(&batch(0..100_000));
        assert_eq!(told(&values), [("name", 2), ("number", MOST_VALUES)]);
        assert_eq!(values.rows, MOST_ROWS);
        let mut late = DistinctValues::new(&schema());
        for _ in 0..MOST_ROWS {
            late.add(&batch(1..2));
        }
        late.add(&batch(2..1_000));
        assert_eq!(told(&late), [("name", 1), ("number", 1)]);
    }
}
