//! A schema from types that a file has: those that the import takes without loss.

use arrow::datatypes::{DataType, Field, Fields, Schema};
use serde_json::{Map, Value, json};

/// Decimals of more digits are no column's.
const MAX_PRECISION: u8 = 38;

/// The schema of columns of these types. Those whose types no column has are left out, and rows are imported
/// without them.
#[must_use]
pub fn infer_arrow(schema: &Schema) -> Value {
    object(schema.fields())
}

fn object(fields: &Fields) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        let Some(property) = property(field) else {
            continue;
        };
        properties.insert(field.name().clone(), property);
        if !field.is_nullable() {
            required.push(field.name().clone());
        }
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

fn property(field: &Field) -> Option<Value> {
    let mut property = of_type(field.data_type())?;
    if field.is_nullable() {
        property["type"] = json!([property["type"], "null"]);
    }
    Some(property)
}

fn of_type(data_type: &DataType) -> Option<Value> {
    let of_format = |format: &str| json!({ "type": "string", "format": format });
    Some(match data_type {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            json!({ "type": "string" })
        }
        DataType::Boolean => json!({ "type": "boolean" }),
        integer if integer.is_integer() => json!({ "type": "integer" }),
        double if double.is_floating() => json!({ "type": "number" }),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            let scale = u8::try_from(*scale)
                .ok()
                .filter(|_| *precision <= MAX_PRECISION)?;
            json!({ "type": "number", "format": "decimal", "x-precision": precision, "x-scale": scale })
        }
        DataType::Date32 => of_format("date"),
        DataType::Timestamp(_, _) => of_format("date-time"),
        DataType::Time32(_) | DataType::Time64(_) => of_format("time"),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            of_format("byte")
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            json!({ "type": "array", "items": property(item)? })
        }
        DataType::Struct(fields) => Some(object(fields)).filter(|it| it["properties"] != json!({}))?,
        DataType::Dictionary(_, values) => of_type(values)?,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{IntervalUnit, TimeUnit};

    use super::*;
    use crate::schema::TableSchema;

    #[test]
    fn types_of_files_are_types_of_columns() {
        let field = |name: &str, data_type| Field::new(name, data_type, true);
        let members = Fields::from(vec![
            field("a", DataType::Int8),
            field("b", DataType::Decimal128(10, 2)),
        ]);
        let schema = Schema::new(vec![
            Field::new("id", DataType::UInt64, false),
            field(
                "word",
                DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
            ),
            field("at", DataType::Timestamp(TimeUnit::Nanosecond, None)),
            field("raw", DataType::FixedSizeBinary(4)),
            field("none", DataType::Null),
            field("age", DataType::Interval(IntervalUnit::DayTime)),
            field(
                "list",
                DataType::List(Arc::new(Field::new_list_field(DataType::Struct(members), true))),
            ),
        ]);
        let inferred = infer_arrow(&schema);
        assert_eq!(inferred["required"], json!(["id"]));
        let table = TableSchema::parse(&inferred).unwrap();
        let types: Vec<_> = table
            .columns()
            .iter()
            .map(|it| (it.name.as_str(), it.column_type.name()))
            .collect();
        assert_eq!(types.len(), 6, "{types:?}");
        let item = &inferred["properties"]["list"]["items"];
        assert_eq!(item["type"], json!(["object", "null"]));
        assert_eq!(item["properties"]["b"]["x-scale"], 2);
    }
}
