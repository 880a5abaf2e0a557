//! Which columns are not worth a dictionary: it would outgrow its page, and be given up after much work.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use arrow::array::{Array, AsArray as _};
use arrow::record_batch::RecordBatch;

use super::GROUP_ROWS;

/// Fewer rows say nothing.
const LEAST_ROWS: usize = 1_024;
/// Of so many, most are different.
const SHARE: f64 = 0.9;
/// The size of a dictionary at which the Parquet writer gives it up.
const MOST_BYTES: f64 = 1_048_576.0;

/// The names of such columns, as the first rows of a file tell.
pub(super) fn not_worth_a_dictionary(batch: &RecordBatch) -> Vec<String> {
    if batch.num_rows() < LEAST_ROWS {
        return Vec::new();
    }
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    columns
        .filter(|(_, values)| outgrows(values.as_ref()))
        .map(|(field, _)| field.name().clone())
        .collect()
}

fn outgrows(values: &dyn Array) -> bool {
    if let Some(texts) = values.as_string_opt::<i32>() {
        is_too_large(texts.iter().flatten().map(str::as_bytes), values.len())
    } else if let Some(pseudonyms) = values.as_fixed_size_binary_opt() {
        is_too_large(pseudonyms.iter().flatten(), values.len())
    } else {
        false
    }
}

fn is_too_large<'a>(values: impl Iterator<Item = &'a [u8]>, rows: usize) -> bool {
    let hashes = RandomState::new();
    let (mut seen, mut bytes) = (HashSet::with_capacity(rows), 0);
    for value in values {
        if seen.insert(hashes.hash_one(value)) {
            // With its length.
            bytes += value.len() + 4;
        }
    }
    let groups = GROUP_ROWS as f64 / rows as f64;
    seen.len() as f64 > SHARE * rows as f64 && bytes as f64 * groups > MOST_BYTES
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[test]
    fn long_texts_that_all_differ_get_none() {
        let rows = 0..8_192;
        let texts =
            |text: &dyn Fn(i64) -> String| Arc::new(StringArray::from_iter_values(rows.clone().map(text)));
        let batch = RecordBatch::try_from_iter([
            ("email", texts(&|n| format!("person-{n}@example.com")) as ArrayRef),
            (
                "city",
                texts(&|n| format!("a city with a long name: {}", n % 450)),
            ),
            ("code", texts(&|n| format!("{:x}", n % 7_800))),
            ("age", Arc::new(Int64Array::from_iter_values(rows.clone()))),
        ])
        .unwrap();
        assert_eq!(not_worth_a_dictionary(&batch), ["email"]);
        assert!(not_worth_a_dictionary(&batch.slice(0, 100)).is_empty());
    }
}
