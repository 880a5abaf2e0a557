use serde_json::{Map, Value};

use super::parse::Violations;
use super::{ColumnType, TableSchema, path};

/// `x-pseudonymize`: pseudonyms of the values are stored, and never the values themselves.
pub(super) fn parse(
    keywords: &Map<String, Value>,
    column_type: &ColumnType,
    at: &str,
    depth: usize,
    violations: &mut Violations,
) -> bool {
    let Some(value) = keywords.get("x-pseudonymize") else {
        return false;
    };
    let at = path::member(at, "x-pseudonymize");
    let is_key = matches!(
        column_type,
        ColumnType::Text | ColumnType::Uuid | ColumnType::Integer
    );
    if !is_key || depth > 0 {
        violations.push(
            at,
            "only a column of its own is pseudonymized, an integer, a uuid or a string that stays a text",
        );
        return false;
    }
    match value.as_bool() {
        Some(pseudonymize) => pseudonymize,
        None => {
            violations.push(at, "must be true or false");
            false
        }
    }
}

impl TableSchema {
    /// The places of the columns of which pseudonyms are stored.
    pub(crate) fn pseudonymized(&self) -> impl Iterator<Item = usize> + '_ {
        self.columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.is_pseudonymized())
            .map(|(at, _)| at)
    }

    /// The same table with the values as they are sent, in place of their pseudonyms.
    pub(crate) fn as_given(&self) -> Self {
        let columns = self.columns.iter().cloned().map(|mut column| {
            if let ColumnType::Pseudonym(given) = column.column_type {
                column.column_type = *given;
            }
            column
        });
        Self::new(super::ObjectType {
            columns: columns.collect(),
            closed: self.closed,
        })
    }

    /// Whether an import needs the keys of the project.
    #[must_use]
    pub fn needs_keys(&self) -> bool {
        self.identities().next().is_some() || self.pseudonymized().next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn types(schema: &TableSchema) -> Vec<String> {
        let fields = schema.arrow().fields().clone();
        fields.iter().map(|it| it.data_type().to_string()).collect()
    }

    #[test]
    fn a_pseudonymized_column_is_sent_as_one_type_and_stored_as_another() {
        let schema = TableSchema::parse(&json!({ "type": "object", "properties": {
            "a": { "type": "string", "x-identity": "email", "x-normalize": "email", "x-pseudonymize": true },
            "b": { "type": "integer", "x-pseudonymize": true, "x-unique": true, "minimum": 1 },
            "c": { "type": "string", "format": "uuid", "x-pseudonymize": true },
            "d": { "type": "string", "x-pseudonymize": false },
        } }))
        .unwrap();
        let pseudonym = "FixedSizeBinary(32)";
        assert_eq!(types(&schema), [pseudonym, pseudonym, pseudonym, "Utf8"]);
        assert_eq!(types(&schema.as_given()), ["Utf8", "Int64", "Utf8", "Utf8"]);
        assert_eq!(schema.pseudonymized().collect::<Vec<_>>(), [0, 1, 2]);
        for schema in [&schema, &schema.as_given()] {
            let sensitive: Vec<_> = schema.columns().iter().map(|it| it.is_sensitive()).collect();
            assert_eq!(sensitive, [true, true, true, false]);
        }
        assert!(schema.needs_keys());
        assert!(!schema.select(&["d".to_owned()]).unwrap().needs_keys());
    }
}
