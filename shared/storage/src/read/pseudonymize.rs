use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::{CheckedBatch, ReadError};
use crate::StoreError;
use crate::keys::ProjectKeys;
use crate::schema::TableSchema;

/// Puts pseudonyms in place of values that passed their checks, before anyone but the reader sees them.
pub(super) struct Pseudonymizer {
    /// None if there is nothing to do.
    keys: Option<ProjectKeys>,
    /// The columns, by place.
    places: Vec<usize>,
    stored: SchemaRef,
}

impl Pseudonymizer {
    pub(super) fn new(schema: &TableSchema, keys: Option<ProjectKeys>) -> Result<Self, ReadError> {
        let places: Vec<usize> = schema.pseudonymized().collect();
        if keys.is_none() && !places.is_empty() {
            return Err(ours("there are no keys for the pseudonyms of the table"));
        }
        Ok(Self {
            keys: keys.filter(|_| !places.is_empty()),
            places,
            stored: schema.arrow(),
        })
    }

    pub(super) fn apply(&self, mut checked: CheckedBatch) -> Result<CheckedBatch, ReadError> {
        if let Some(keys) = &self.keys {
            let mut columns = checked.batch.columns().to_vec();
            for at in &self.places {
                let pseudonyms = keys.pseudonyms(&columns[*at]);
                columns[*at] = Arc::new(pseudonyms.ok_or_else(|| ours("a value has no pseudonym"))?);
            }
            checked.batch = RecordBatch::try_new(Arc::clone(&self.stored), columns).map_err(ours)?;
        }
        Ok(checked)
    }
}

/// No fault of the file.
fn ours(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ReadError {
    StoreError::Io(std::io::Error::other(cause)).into()
}
