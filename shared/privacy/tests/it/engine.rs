//! Runs compiled queries, and plain SQL to compare with.

use std::sync::{Arc, LazyLock};

use datacovey_privacy::{
    CatalogTable, Compiled, Limits, Parameters, ScanKey, Violation, bind, compile, id_column,
};
use datafusion::arrow::array::{Array, ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions, array_value_to_string};
use datafusion::catalog::{MemorySchemaProvider, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use uuid::Uuid;

use crate::world::{World, mix};

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
    static ENGINE: LazyLock<SessionContext> = LazyLock::new(|| session(1));
    &ENGINE
}

/// As the query service sets it, but for the least number of partitions that are grouped where they lie.
fn session(subset_repartition_threshold: usize) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(2);
    config.options_mut().sql_parser.enable_ident_normalization = false;
    let optimizer = &mut config.options_mut().optimizer;
    optimizer.subset_repartition_threshold = subset_repartition_threshold;
    // Such filters find their column by name alone.
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
        let (table, rows) = world.tables.iter().find(|(table, _)| table.id == id)?;
        let rows = stored(table, rows);
        MemTable::try_new(rows.schema(), vec![vec![rows]])
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

/// The rows as an import stores them: with ids beside the columns that have them.
fn stored(table: &CatalogTable, rows: &RecordBatch) -> RecordBatch {
    let schema = rows.schema();
    let mut columns: Vec<(String, ArrayRef)> = schema
        .fields()
        .iter()
        .zip(rows.columns())
        .map(|(field, values)| (field.name().clone(), Arc::clone(values)))
        .collect();
    for column in table.columns.iter().filter(|it| it.id_key.is_some()) {
        let values = rows.column_by_name(&column.name).unwrap();
        let id = |row| (!values.is_null(row)).then(|| id_of(&array_value_to_string(values, row).unwrap()));
        let ids: Int64Array = (0..rows.num_rows()).map(id).collect();
        columns.push((id_column(&column.name), Arc::new(ids)));
    }
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, values)| (name, values, true)))
        .unwrap()
}

fn id_of(value: &str) -> i64 {
    value.bytes().fold(0, |id, byte| mix(id ^ u64::from(byte))) as i64
}

/// The rows of plain SQL over the raw tables.
pub(crate) async fn plain(world: &World, sql: &str) -> Vec<Vec<String>> {
    Plain::new(world).rows(sql).await
}

/// Plain SQL over the raw tables of a world.
pub(crate) struct Plain(SessionContext);

impl Plain {
    pub(crate) fn new(world: &World) -> Self {
        let session = session(usize::MAX);
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
