//! What a result looks like from outside: column names that are unique, types from a closed list.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

/// A column of a result, as the API tells it and `query_result.schema` keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutputColumn {
    pub name: String,
    #[serde(rename = "type")]
    pub sql_type: String,
    pub nullable: bool,
}

/// Characters of a column's name: an expression without an alias is named by its whole text, and every row of JSON
/// repeats the name.
const NAME_LENGTH: usize = 200;

/// The schema of the result of a plan with this schema.
///
/// A long name is cut, and ends with `…`.
/// A name that comes again gets the first free of `_1`, `_2`, …; engine types without a name in SQL
/// become their plain relatives, and text where they have none.
#[must_use]
pub(crate) fn result_schema(plan: &Schema) -> SchemaRef {
    let given: HashSet<&str> = plan.fields().iter().map(|field| field.name().as_str()).collect();
    let mut taken = HashSet::new();
    let fields = plan.fields().iter().map(|field| {
        let base = shortened(field.name());
        let mut name = base.clone();
        let mut again = 0_usize;
        // A column that is really called so keeps its name.
        while taken.contains(&name) || (again > 0 && given.contains(name.as_str())) {
            again += 1;
            name = format!("{base}_{again}");
        }
        taken.insert(name.clone());
        Field::new(name, plain_type(field.data_type()), field.is_nullable())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_LENGTH) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// The columns of a result schema.
#[must_use]
pub(crate) fn columns(result: &Schema) -> Vec<OutputColumn> {
    let column = |field: &Arc<Field>| OutputColumn {
        name: field.name().clone(),
        sql_type: sql_type(field.data_type()),
        nullable: field.is_nullable(),
    };
    result.fields().iter().map(column).collect()
}

/// Brings batches of a plan into the result schema.
///
/// # Errors
/// A value that the plain type cannot hold.
pub(crate) fn shape(result: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, ArrowError> {
    batches.iter().map(|batch| shape_batch(result, batch)).collect()
}

fn shape_batch(result: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let columns = batch.columns().iter().zip(result.fields());
    let columns = columns.map(|(column, field)| cast_with_options(column, field.data_type(), &options));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(result), columns, &rows)
}

fn plain_type(engine: &DataType) -> DataType {
    match engine {
        DataType::Boolean
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::Utf8
        | DataType::Binary
        | DataType::Date32
        | DataType::Time64(_)
        | DataType::Timestamp(..) => engine.clone(),
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) => DataType::Time64(arrow::datatypes::TimeUnit::Microsecond),
        DataType::Dictionary(_, value) => plain_type(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            let item = Field::new(item.name(), plain_type(item.data_type()), item.is_nullable());
            DataType::List(Arc::new(item))
        }
        DataType::Struct(members) => {
            let member =
                |it: &Arc<Field>| Field::new(it.name(), plain_type(it.data_type()), it.is_nullable());
            DataType::Struct(members.iter().map(member).collect())
        }
        _ => DataType::Utf8,
    }
}

fn sql_type(plain: &DataType) -> String {
    let name = match plain {
        DataType::Boolean => "BOOLEAN",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INTEGER",
        DataType::Int64 => "BIGINT",
        DataType::Float32 => "REAL",
        DataType::Float64 => "DOUBLE",
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            return format!("DECIMAL({precision},{scale})");
        }
        DataType::Binary => "BYTEA",
        DataType::Date32 => "DATE",
        DataType::Time64(_) => "TIME",
        DataType::Timestamp(..) => "TIMESTAMP",
        DataType::List(item) => return format!("{}[]", sql_type(item.data_type())),
        DataType::Struct(members) => {
            let member = |it: &Arc<Field>| format!("{} {}", it.name(), sql_type(it.data_type()));
            return format!(
                "STRUCT({})",
                members.iter().map(member).collect::<Vec<_>>().join(", ")
            );
        }
        _ => "VARCHAR",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, UInt64Array};

    use super::*;

    fn names(given: &[&str]) -> Vec<String> {
        let fields = given.iter().map(|name| Field::new(*name, DataType::Int64, true));
        let schema = result_schema(&Schema::new(fields.collect::<Vec<_>>()));
        schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    #[test]
    fn names_that_come_again_are_numbered() {
        assert_eq!(names(&["x", "y", "x", "x"]), ["x", "y", "x_1", "x_2"]);
        assert_eq!(names(&["x", "x", "x_1"]), ["x", "x_2", "x_1"]);
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let long = "é".repeat(5000);
        let cut = format!("{}…", "é".repeat(NAME_LENGTH));
        assert_eq!(
            names(&[&long, &format!("{long}x")]),
            [cut.clone(), format!("{cut}_1")]
        );
    }

    #[test]
    fn types_have_names_in_sql() {
        let list = DataType::LargeList(Arc::new(Field::new("item", DataType::Utf8View, true)));
        let plan = Schema::new(vec![
            Field::new("n", DataType::UInt64, false),
            Field::new("d", DataType::Decimal128(20, 2), true),
            Field::new("l", list, true),
            Field::new("nothing", DataType::Null, true),
            Field::new(
                "o",
                DataType::Struct(vec![Field::new("a", DataType::Utf8View, true)].into()),
                true,
            ),
        ]);
        let types: Vec<_> = columns(&result_schema(&plan))
            .into_iter()
            .map(|it| it.sql_type)
            .collect();
        assert_eq!(
            types,
            [
                "BIGINT",
                "DECIMAL(20,2)",
                "VARCHAR[]",
                "VARCHAR",
                "STRUCT(a VARCHAR)"
            ]
        );
    }

    #[test]
    fn a_value_too_large_for_its_plain_type_is_an_error_and_no_null() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::UInt64, false)]));
        let batch = |value| {
            RecordBatch::try_new(
                Arc::clone(&schema),
                vec![Arc::new(UInt64Array::from(vec![value]))],
            )
        };
        let result = result_schema(&schema);
        assert_eq!(
            shape(&result, &[batch(7).unwrap()]).unwrap()[0]
                .column(0)
                .as_ref(),
            &Int64Array::from(vec![7])
        );
        assert!(shape(&result, &[batch(u64::MAX).unwrap()]).is_err());
    }
}
