//! The released rows as the plan above reads them.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use crate::plan::{RESERVED, ScanKey, ScanSource};

/// Keys, then values, in the statement's order and of the types that plain SQL would give them.
pub(super) fn schema(original: &DFSchema) -> SchemaRef {
    let fields = original.fields().iter().enumerate();
    let fields: Vec<Field> = fields
        .map(|(i, f)| Field::new(format!("c{i}"), f.data_type().clone(), true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// A scan of the released rows, under the names that the original's columns have in the plan.
pub(super) fn placeholder(original: &DFSchema, number: usize, schema: &SchemaRef) -> Result<LogicalPlan> {
    let name = TableReference::bare(format!("{RESERVED}released_{number}"));
    let source = ScanSource {
        key: ScanKey::Released(number),
        schema: Arc::clone(schema),
    };
    let columns: Vec<Expr> = original
        .iter()
        .zip(schema.fields())
        .map(|((qualifier, field), stored)| {
            let column = Expr::Column(Column::new(Some(name.clone()), stored.name()));
            column.alias_qualified(qualifier.cloned(), field.name())
        })
        .collect();
    LogicalPlanBuilder::scan(name, Arc::new(source), None)?
        .project(columns)?
        .build()
}
