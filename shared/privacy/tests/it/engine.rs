//! Runs compiled queries, and plain SQL to compare with.

use std::sync::{Arc, LazyLock};

use datacovey_privacy::{Compiled, Limits, Parameters, ScanKey, Violation, bind, compile};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::{MemorySchemaProvider, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use uuid::Uuid;

use crate::world::World;

pub(crate) fn check(world: &World, analyst: Uuid, sql: &str) -> Result<Compiled, Vec<Violation>> {
    compile(
        sql,
        &Parameters::new(),
        &world.catalog(analyst),
        &Limits::default(),
    )
}

/// Engines are costly to set up; this one has no tables.
fn engine() -> &'static SessionContext {
    static ENGINE: LazyLock<SessionContext> = LazyLock::new(session);
    &ENGINE
}

fn session() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(2);
    config.options_mut().sql_parser.enable_ident_normalization = false;
    // As the query service sets them: such filters find their column by name alone.
    let optimizer = &mut config.options_mut().optimizer;
    optimizer.enable_dynamic_filter_pushdown = false;
    optimizer.enable_join_dynamic_filter_pushdown = false;
    optimizer.enable_topk_dynamic_filter_pushdown = false;
    optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    SessionContext::new_with_config(config)
}

async fn execute(session: &SessionContext, plan: LogicalPlan) -> Result<Vec<RecordBatch>, DataFusionError> {
    session.execute_logical_plan(plan).await?.collect().await
}

/// The rows of a compiled query, as text.
pub(crate) async fn run(world: &World, compiled: &Compiled) -> Result<Vec<Vec<String>>, DataFusionError> {
    let session = engine();
    let table = |id: Uuid| {
        let (_, rows) = world.tables.iter().find(|(table, _)| table.id == id)?;
        MemTable::try_new(rows.schema(), vec![vec![rows.clone()]])
            .ok()
            .map(|t| Arc::new(t) as Arc<dyn TableProvider>)
    };
    let mut released: Vec<Arc<dyn TableProvider>> = Vec::new();
    for release in &compiled.releases {
        let plan = bind(release.engine_plan().clone(), |key| match key {
            ScanKey::Table(id) => table(id),
            ScanKey::Released(_) => None,
        });
        let rows = execute(session, plan.unwrap()).await?;
        let rows = release.apply(&rows).unwrap();
        released.push(Arc::new(MemTable::try_new(release.schema(), vec![vec![rows]])?));
    }
    let top = bind(compiled.top.clone(), |key| match key {
        ScanKey::Table(id) => table(id),
        ScanKey::Released(number) => released.get(number).cloned(),
    });
    Ok(lines(&execute(session, top.unwrap()).await?))
}

/// The rows of plain SQL over the raw tables.
pub(crate) async fn plain(world: &World, sql: &str) -> Vec<Vec<String>> {
    Plain::new(world).rows(sql).await
}

/// Plain SQL over the raw tables of a world.
pub(crate) struct Plain(SessionContext);

impl Plain {
    pub(crate) fn new(world: &World) -> Self {
        let session = session();
        register(&session, world);
        Self(session)
    }

    pub(crate) async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        lines(&self.0.sql(sql).await.unwrap().collect().await.unwrap())
    }
}

fn register(session: &SessionContext, world: &World) {
    for (table, rows) in &world.tables {
        let catalog = session.catalog("datafusion").unwrap();
        if catalog.schema(&table.dataset).is_none() {
            catalog
                .register_schema(&table.dataset, Arc::new(MemorySchemaProvider::new()))
                .unwrap();
        }
        let provider = MemTable::try_new(rows.schema(), vec![vec![rows.clone()]]).unwrap();
        let schema = catalog.schema(&table.dataset).unwrap();
        schema
            .register_table(table.name.clone(), Arc::new(provider))
            .unwrap();
    }
}

fn lines(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|c| ArrayFormatter::try_new(c, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            lines.push(columns.iter().map(|c| c.value(row).to_string()).collect());
        }
    }
    lines
}

/// Whether two tables of text are the same, numbers up to their ninth digit.
pub(crate) fn same(left: &[Vec<String>], right: &[Vec<String>]) -> bool {
    let close = |a: &String, b: &String| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0),
        _ => a == b,
    };
    let row =
        |a: &Vec<String>, b: &Vec<String>| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b));
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| row(a, b))
}
