//! A query that may run, as of the tables and policies that it was compiled over.

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datacovey_persistence::CheckedTable;
use datacovey_privacy::{Compiled, ID_TYPE, Policy, Release, ScanKey, TableUse, id_column, scans};
use datacovey_storage::schema::Column;
use serde_json::json;
use uuid::Uuid;

use crate::domain::figures::{TableSize, row_width_bytes};
use crate::domain::question::{AskedTable, question};
use crate::engine::Relation;
use crate::peers::{PinnedVersion, ProjectTable};

/// A query that may run, and the tables that it reads.
#[derive(Debug)]
pub(crate) struct PlannedQuery {
    pub project_id: Uuid,
    pub text: String,
    pub compiled: Compiled,
    /// In the order of the compiled tables.
    pub tables: Vec<ReadTable>,
}

/// A table that a query reads, at the version that it reads.
#[derive(Debug)]
pub(crate) struct ReadTable {
    pub table: ProjectTable,
    pub version: PinnedVersion,
    pub own: bool,
}

impl PlannedQuery {
    /// Its tables as they were checked, each with the number of releases that read it.
    #[must_use]
    pub(crate) fn checked_tables(&self) -> Vec<CheckedTable> {
        let releases: Vec<_> = self.compiled.releases.iter().map(tables_of).collect();
        let checked = |used: &TableUse| CheckedTable {
            table_id: used.table_id,
            policy_version: used.policy_version,
            uses: releases
                .iter()
                .filter(|read| read.contains(&used.table_id))
                .count() as i64,
        };
        self.compiled.tables.iter().map(checked).collect()
    }

    /// Its tables as a question has them.
    #[must_use]
    pub(crate) fn asked_tables(&self) -> Vec<AskedTable> {
        self.tables.iter().map(ReadTable::asked).collect()
    }

    /// Stands for what an approval binds.
    #[must_use]
    pub(crate) fn question(&self) -> String {
        question(
            self.project_id,
            &self.text,
            &self.compiled.normalized,
            &self.asked_tables(),
        )
    }

    /// Its tables of others that hold persons, each with its policy.
    pub(crate) fn restricted(&self) -> impl Iterator<Item = (&ReadTable, &Policy)> {
        let others = self.tables.iter().filter(|read| !read.own);
        others.filter_map(|read| Some((read, read.table.policy.as_ref().filter(|it| !it.reference)?)))
    }

    /// What is public of the sizes of its tables.
    #[must_use]
    pub(crate) fn sizes(&self) -> Vec<TableSize> {
        let size = |it: &ReadTable| TableSize {
            name: it.name(),
            own: it.own,
            rows: it.version.rows,
            size_bytes: it.version.size_bytes,
            row_width_bytes: row_width_bytes(&it.schema()),
        };
        self.tables.iter().map(size).collect()
    }

    /// What an engine reads for these scans of its plans.
    #[must_use]
    pub(crate) fn relation(&self, key: ScanKey) -> Option<Relation> {
        let ScanKey::Table(id) = key else { return None };
        let read = self.tables.iter().find(|it| it.table.id == id)?;
        Some(Relation::Files {
            schema: read.schema_with_ids(),
            files: read.version.files.clone(),
        })
    }
}

impl ReadTable {
    /// `dataset.table`.
    #[must_use]
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.table.dataset, self.table.name)
    }

    fn asked(&self) -> AskedTable {
        let columns = self.table.schema.iter().flat_map(|schema| schema.columns());
        let column = |it: &Column| {
            json!([
                it.name,
                it.column_type.arrow().to_string(),
                it.nullable,
                it.identity
            ])
        };
        AskedTable {
            id: self.table.id,
            policy_version: self.table.policy_version.filter(|_| !self.own),
            columns: columns.map(column).collect(),
            content_version: self.version.content_version,
        }
    }

    /// The columns, and those of the ids beside them.
    fn schema_with_ids(&self) -> SchemaRef {
        let schema = self.schema();
        let ids = self.version.identity_columns.iter();
        let ids = ids.map(|(column, _)| Field::new(id_column(column), ID_TYPE, true).into());
        let fields: Vec<FieldRef> = schema.fields().iter().cloned().chain(ids).collect();
        Schema::new(fields).into()
    }

    fn schema(&self) -> SchemaRef {
        self.table
            .schema
            .as_ref()
            .map_or_else(|| Schema::empty().into(), |schema| schema.arrow())
    }
}

/// The stored tables that a release reads.
#[must_use]
pub(crate) fn tables_of(release: &Release) -> Vec<Uuid> {
    let table = |key| match key {
        ScanKey::Table(id) => Some(id),
        ScanKey::Released(_) => None,
    };
    scans(release.engine_plan())
        .into_iter()
        .filter_map(table)
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn imports_write_ids_where_the_compiler_reads_them() {
        assert_eq!(
            super::id_column("email"),
            datacovey_storage::schema::id_column("email")
        );
    }
}
