use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::WriteError;
use crate::keys::ProjectKeys;
use crate::schema::{TableSchema, id_column};

/// Puts the hidden columns of ids behind those of the table.
pub(super) struct Keyed {
    keys: Option<ProjectKeys>,
    /// The columns that have ids, by place.
    identities: Vec<usize>,
    arrow: SchemaRef,
}

impl Keyed {
    /// Without keys there are no hidden columns.
    pub(super) fn new(schema: &TableSchema, keys: Option<ProjectKeys>) -> Self {
        let identities: Vec<usize> = match keys {
            Some(_) => schema.identities().collect(),
            None => Vec::new(),
        };
        let hidden = identities.iter().map(|at| {
            let name = id_column(&schema.columns()[*at].name);
            Arc::new(Field::new(name, DataType::Int64, true))
        });
        let visible = schema.arrow();
        let fields: Vec<_> = visible.fields().iter().cloned().chain(hidden).collect();
        Self {
            keys,
            identities,
            arrow: Arc::new(Schema::new(fields)),
        }
    }

    /// The schema of the files.
    pub(super) fn arrow(&self) -> SchemaRef {
        Arc::clone(&self.arrow)
    }

    /// The names of the hidden columns.
    pub(super) fn hidden(&self) -> impl Iterator<Item = &str> {
        let hidden = self.arrow.fields().len() - self.identities.len();
        self.arrow.fields()[hidden..]
            .iter()
            .map(|field| field.name().as_str())
    }

    /// What the ids are keyed with.
    pub(super) fn fingerprint(&self) -> Option<&str> {
        self.keys.as_ref().map(ProjectKeys::fingerprint)
    }

    pub(super) fn add(&self, batch: &RecordBatch) -> Result<RecordBatch, WriteError> {
        let mut columns = batch.columns().to_vec();
        if let Some(keys) = &self.keys {
            for at in &self.identities {
                let ids = keys.ids(batch.column(*at));
                let ids = ids.ok_or_else(|| WriteError::Encode("an identity has no bytes".into()))?;
                columns.push(Arc::new(ids) as ArrayRef);
            }
        }
        RecordBatch::try_new(self.arrow(), columns).map_err(|error| WriteError::Encode(error.into()))
    }
}
