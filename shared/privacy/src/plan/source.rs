//! What a plan's scans read.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::logical_expr::TableSource;
use uuid::Uuid;

use crate::catalog::CatalogTable;

/// Prefix of the columns and tables that the compiler adds; no name of a statement begins with two underscores.
pub(crate) const RESERVED: &str = "__";

/// What a scan reads: the only thing by which scans are told apart, whatever they are called in a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScanKey {
    /// The stored table of that id.
    Table(Uuid),
    /// The released rows of the compiled query's release of that number.
    Released(usize),
}

/// A scan's place in a plan, until the query service binds a provider to it.
#[derive(Clone)]
pub(crate) struct ScanSource {
    pub(crate) key: ScanKey,
    pub(crate) schema: SchemaRef,
}

impl fmt::Debug for ScanSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScanSource")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl TableSource for ScanSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// A table's columns as the engine reads them: all but those whose name could be taken for the compiler's own.
pub(crate) fn table_fields(table: &CatalogTable) -> SchemaRef {
    let usable = table.columns.iter().filter(|c| !c.name.starts_with(RESERVED));
    let fields: Vec<Field> = usable
        .map(|c| Field::new(&c.name, c.data_type.clone(), c.nullable))
        .collect();
    Arc::new(Schema::new(fields))
}
