use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::WriteError;
use crate::keys::ProjectKeys;
use crate::schema::{TableSchema, id_column};

/// Makes of values as they were sent what is stored: pseudonyms, and the hidden columns of ids behind those of
/// the table.
pub(super) struct Keyed {
    keys: Option<ProjectKeys>,
    /// The columns that are pseudonymized, by place.
    pseudonymized: Vec<usize>,
    /// The schema without what is hidden.
    visible: SchemaRef,
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
        let columns = schema.columns().iter().enumerate();
        let pseudonymized = columns.filter(|(_, column)| column.is_pseudonymized());
        Self {
            keys,
            pseudonymized: pseudonymized.map(|(at, _)| at).collect(),
            visible,
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

    /// The batch with pseudonyms in place of values.
    pub(super) fn stored(&self, batch: &RecordBatch) -> Result<RecordBatch, WriteError> {
        if self.pseudonymized.is_empty() {
            return Ok(batch.clone());
        }
        let mut columns = batch.columns().to_vec();
        for at in &self.pseudonymized {
            let pseudonyms = self.keys.as_ref().and_then(|keys| keys.pseudonyms(&columns[*at]));
            let pseudonyms = pseudonyms
                .ok_or_else(|| WriteError::Encode("a column cannot be pseudonymized without keys".into()))?;
            columns[*at] = Arc::new(pseudonyms);
        }
        RecordBatch::try_new(Arc::clone(&self.visible), columns)
            .map_err(|error| WriteError::Encode(error.into()))
    }

    /// What is stored, with ids beside it.
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
