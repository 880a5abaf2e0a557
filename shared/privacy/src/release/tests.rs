use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray, Decimal128Array, Int64Array, StringArray};
use arrow::datatypes::{Field, Float64Type, Int64Type, Schema};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::logical_plan::table_scan;

use super::*;

/// A release of one key, the checks given, over columns `key, units, largest, total, sum`.
fn release(checks: Vec<Check>, values: Vec<Output>, types: &[DataType], round_to: i64) -> Release {
    let mut fields = vec![Field::new("c0", DataType::Utf8, true)];
    fields.extend(
        types
            .iter()
            .enumerate()
            .map(|(i, t)| Field::new(format!("c{}", i + 1), t.clone(), true)),
    );
    let plan = table_scan(Some("t"), rows().schema().as_ref(), None)
        .and_then(LogicalPlanBuilder::build)
        .unwrap();
    Release {
        number: 0,
        plan,
        schema: Arc::new(Schema::new(fields)),
        keys: 1,
        checks,
        values,
        round_to,
    }
}

fn rows() -> RecordBatch {
    let sums = Decimal128Array::from(vec![Some(1234), Some(-500), Some(100), None]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "key",
            Arc::new(StringArray::from(vec![Some("b"), Some("a"), None, Some("c")])),
        ),
        (
            "units",
            Arc::new(Int64Array::from(vec![Some(5), Some(3), Some(3), Some(2)])),
        ),
        (
            "largest",
            Arc::new(Int64Array::from(vec![Some(2), Some(6), Some(5), None])),
        ),
        (
            "total",
            Arc::new(Int64Array::from(vec![Some(7), Some(11), Some(10), None])),
        ),
        ("sum", Arc::new(sums.with_precision_and_scale(38, 2).unwrap())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
}

fn keys(released: &RecordBatch) -> Vec<Option<String>> {
    released
        .column(0)
        .as_string::<i32>()
        .iter()
        .map(|k| k.map(str::to_owned))
        .collect()
}

#[test]
fn groups_that_fail_a_check_are_absent_and_the_rest_is_ordered() {
    let none = release(Vec::new(), Vec::new(), &[], 1).apply(&[rows()]).unwrap();
    assert_eq!(
        keys(&none),
        [None, Some("a".into()), Some("b".into()), Some("c".into())]
    );
    let three = release(vec![Check::AtLeast { column: 1, min: 3 }], Vec::new(), &[], 1)
        .apply(&[rows()])
        .unwrap();
    assert_eq!(keys(&three), [None, Some("a".into()), Some("b".into())]);
    // Half of it is not more than half of it; a number that is missing is zero.
    let share = release(
        vec![Check::Share {
            largest: 2,
            total: 3,
            max: 0.5,
        }],
        Vec::new(),
        &[],
        1,
    )
    .apply(&[rows()])
    .unwrap();
    assert_eq!(keys(&share), [None, Some("b".into()), Some("c".into())]);
    let apart = release(
        vec![Check::NoneOrAtLeast { column: 2, min: 5 }],
        Vec::new(),
        &[],
        1,
    )
    .apply(&[rows()])
    .unwrap();
    assert_eq!(keys(&apart), [None, Some("a".into()), Some("c".into())]);
}

#[test]
fn values_have_the_types_of_plain_sql() {
    let values = vec![
        Output::Count { count: 3 },
        Output::Sum {
            sum: 4,
            to: DataType::Float64,
        },
        Output::Avg {
            sum: 4,
            count: 1,
            to: DataType::Decimal128(14, 6),
        },
        Output::Sum {
            sum: 4,
            to: DataType::Decimal128(3, 2),
        },
    ];
    let types = [
        DataType::Int64,
        DataType::Float64,
        DataType::Decimal128(14, 6),
        DataType::Decimal128(3, 2),
    ];
    let released = release(vec![Check::AtLeast { column: 1, min: 4 }], values, &types, 5)
        .apply(&[rows()])
        .unwrap();
    assert_eq!(released.num_rows(), 1);
    // Seven is nearer to five than to ten.
    assert_eq!(released.column(1).as_primitive::<Int64Type>().value(0), 5);
    assert!((released.column(2).as_primitive::<Float64Type>().value(0) - 12.34).abs() < f64::EPSILON);
    let mean = released
        .column(3)
        .as_primitive::<arrow::datatypes::Decimal128Type>()
        .value(0);
    assert_eq!(mean, 2_468_000);
    assert!(released.column(4).is_null(0), "12.34 does not fit three digits");
}

#[test]
fn a_mean_tells_no_more_than_the_rounded_count() {
    let mean = |round_to| {
        let values = vec![Output::Avg {
            sum: 4,
            count: 3,
            to: DataType::Float64,
        }];
        let checks = vec![Check::AtLeast { column: 1, min: 4 }];
        let released = release(checks, values, &[DataType::Float64], round_to);
        let released = released.apply(&[rows()]).unwrap();
        let column = released.column(1).as_primitive::<Float64Type>();
        (!column.is_null(0)).then(|| column.value(0))
    };
    assert_eq!(mean(1), Some(1.762_857_142_86), "12.34 over seven");
    assert_eq!(mean(5), Some(2.468));
    assert_eq!(mean(20), None, "seven is nearest to none");
}

#[test]
fn batches_that_are_not_the_plans_are_an_error() {
    let one = release(Vec::new(), Vec::new(), &[], 1);
    let narrow = rows().project(&[0, 1]).unwrap();
    assert!(matches!(
        one.apply(&[narrow]),
        Err(ReleaseError::Columns {
            expected: 5,
            found: 2
        })
    ));
    let wrong = release(vec![Check::AtLeast { column: 0, min: 1 }], Vec::new(), &[], 1);
    assert!(matches!(
        wrong.apply(&[rows()]),
        Err(ReleaseError::Type(DataType::Utf8))
    ));
    assert_eq!(one.apply(&[]).unwrap().num_rows(), 0);
}
