use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn schema() -> TableSchema {
    TableSchema::parse(&json!({ "type": "object", "properties": {
        "a": { "type": "string", "x-identity": "tail" },
        "b": { "type": "integer", "x-identity": "number" },
        "c": { "type": "integer" },
    } }))
    .unwrap()
}

fn batch(rows: &[(Option<String>, i64)]) -> RecordBatch {
    let texts: StringArray = rows.iter().map(|(text, _)| text.clone()).collect();
    let wholes: Int64Array = rows.iter().map(|(_, whole)| Some(*whole)).collect();
    RecordBatch::try_new(
        schema().arrow(),
        vec![Arc::new(texts), Arc::new(wholes.clone()), Arc::new(wholes)],
    )
    .unwrap()
}

fn limits(run_rows: usize) -> UniqueLimits {
    UniqueLimits {
        run_rows,
        ..UniqueLimits::default()
    }
}

#[tokio::test]
async fn nulls_repeat_nothing_and_other_columns_are_not_asked() {
    let mut proof = UniqueProof::new(&schema(), &limits(2));
    proof
        .add(&batch(&[(None, 1), (Some("x".to_owned()), 2)]))
        .unwrap();
    proof
        .add(&batch(&[(None, 2), (Some("y".to_owned()), 3)]))
        .unwrap();
    assert_eq!(proof.finish().await.unwrap().unique(), ["a"]);
}

#[tokio::test]
async fn too_many_values_prove_nothing() {
    let mut proof = UniqueProof::new(
        &schema(),
        &UniqueLimits {
            max_rows: 1,
            ..limits(10)
        },
    );
    proof.add(&batch(&[(None, 1), (None, 2)])).unwrap();
    assert_eq!(proof.candidates(), ["a"]);
    proof.keep_only(&[]);
    assert!(proof.finish().await.unwrap().unique().is_empty());
}

#[tokio::test]
async fn a_column_has_one_file_however_many_runs_it_has() {
    let open = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let before = open();
    let mut proof = UniqueProof::new(&schema(), &limits(2));
    let rows: Vec<_> = (0..3_000).map(|n| (Some(n.to_string()), n)).collect();
    proof.add(&batch(&rows)).unwrap();
    assert!(open() < before + 1_000, "{} files", open() - before);
    assert_eq!(proof.finish().await.unwrap().unique(), ["a", "b"]);
    // More than is read of a run at a time.
    let mut proof = UniqueProof::new(&schema(), &limits(2_000));
    proof.add(&batch(&rows)).unwrap();
    proof.add(&batch(&[(Some("2999".to_owned()), 3_000)])).unwrap();
    assert_eq!(proof.finish().await.unwrap().unique(), ["b"]);
}

proptest! {
    #[test]
    fn a_column_is_proven_exactly_if_no_value_repeats(
        values in proptest::collection::vec(0_i64..60, 0..40),
        run_rows in 1_usize..8,
        step in 1_usize..10,
    ) {
        let rows: Vec<(Option<String>, i64)> =
            values.iter().map(|value| (Some(value.to_string()), *value)).collect();
        let mut proof = UniqueProof::new(&schema(), &limits(run_rows));
        for part in rows.chunks(step) {
            proof.add(&batch(part)).unwrap();
        }
        let distinct: std::collections::HashSet<&i64> = values.iter().collect();
        let expected: &[&str] = if distinct.len() == values.len() { &["a", "b"] } else { &[] };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let proven = runtime.block_on(proof.finish()).unwrap();
        prop_assert_eq!(proven.unique(), expected);
    }
}
