//! What the compiler knows about tables: a snapshot that the query service takes for one caller.
//!
//! The snapshot holds the tables of the job's project that exist, are not archived and whose owners take part;
//! what is not in it does not exist. Who may read which of them is decided here, by owner and policy.

use arrow::datatypes::{DataType, Field};
use uuid::Uuid;

use crate::policy::Policy;

/// The tables that one caller's statement may name.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// The tenant that asks.
    pub analyst: Uuid,
    /// Every live table of the project.
    pub tables: Vec<CatalogTable>,
    /// The instant that `now()` and its like are, everywhere in the statement: nanoseconds since 1970, UTC.
    pub now: i64,
}

/// One table, at the version that the query will read.
#[derive(Debug, Clone)]
pub struct CatalogTable {
    /// The table's id; the only thing by which a scan is recognized.
    pub id: Uuid,
    /// Name of its dataset.
    pub dataset: String,
    /// Its name within the dataset.
    pub name: String,
    /// The tenant that owns it.
    pub owner: Uuid,
    /// Its columns in stored order.
    pub columns: Vec<CatalogColumn>,
    /// Sets of columns proven unique over the pinned files as a whole, NULLs aside.
    pub unique: Vec<Vec<String>>,
    /// The owner's policy in force; without one only the owner may query the table.
    pub policy: Option<Policy>,
    /// Version of that policy; bound into the result, checked again at the release.
    pub policy_version: Option<i64>,
    /// Public number of rows, for size classes.
    pub rows: Option<u64>,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogColumn {
    /// Its name, as stored; names are case sensitive.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Whether it may hold NULL.
    pub nullable: bool,
    /// The domain of identities that the table's schema says its values belong to (`email`, `tail_number`, …).
    pub identity: Option<String>,
    /// The key under which every pinned file holds ids of its values, as a fingerprint; nothing if one of them lacks
    /// ids. Values of columns of one key are equal where their ids are.
    pub id_key: Option<String>,
}

impl CatalogColumn {
    /// A nullable column without an identity.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            name: name.into(),
            data_type,
            nullable: true,
            identity: None,
            id_key: None,
        }
    }

    /// The column that a table has in Arrow.
    pub fn of_field(field: &Field, identity: Option<String>) -> Self {
        Self {
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            nullable: field.is_nullable(),
            identity,
            id_key: None,
        }
    }

    /// The same column, its values belonging to `identity`.
    #[must_use]
    pub fn with_identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = Some(identity.into());
        self
    }

    /// The same column, with ids of this key beside its values.
    #[must_use]
    pub fn with_ids(mut self, key: impl Into<String>) -> Self {
        self.id_key = Some(key.into());
        self
    }
}

/// How a caller may read a table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Access<'a> {
    /// The caller's own, or no person is in it.
    Open,
    /// Another tenant's, under its policy.
    Restricted(&'a Policy),
    /// As if it did not exist.
    None,
}

impl CatalogTable {
    /// `dataset.table`, as statements name it.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.dataset, self.name)
    }

    pub(crate) fn column(&self, name: &str) -> Option<&CatalogColumn> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The identity of a column: what the owner's policy says, else what the schema says.
    pub(crate) fn identity(&self, column: &str) -> Option<&str> {
        let by_policy = self
            .policy
            .as_ref()
            .and_then(|p| p.columns.get(column))
            .and_then(|c| c.identity.as_deref());
        by_policy.or_else(|| self.column(column)?.identity.as_deref())
    }

    pub(crate) fn access(&self, analyst: Uuid) -> Access<'_> {
        if self.owner == analyst {
            return Access::Open;
        }
        match &self.policy {
            Some(policy) if policy.reference => Access::Open,
            Some(policy) if policy.analysts.contains(&analyst) => Access::Restricted(policy),
            _ => Access::None,
        }
    }
}

impl Catalog {
    /// The table of that name, if the caller may query it.
    pub(crate) fn find(&self, dataset: &str, name: &str) -> Option<&CatalogTable> {
        let table = self
            .tables
            .iter()
            .find(|t| t.dataset == dataset && t.name == name)?;
        (!matches!(table.access(self.analyst), Access::None)).then_some(table)
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<&CatalogTable> {
        self.tables.iter().find(|t| t.id == id)
    }
}
