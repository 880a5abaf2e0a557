use std::num::NonZeroUsize;
use std::time::Duration;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datacovey_privacy::{Catalog, CatalogColumn, CatalogTable, Limits, Parameters, ScanKey, compile};
use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use parquet::arrow::ArrowWriter;
use uuid::Uuid;

use super::*;
use crate::engine::PinnedFile;

const LIMITS: EngineLimits = EngineLimits {
    time: Duration::from_secs(60),
    output_rows: 1_000_000,
    output_bytes: 64 << 20,
    hash_joins: true,
};

/// Longer than any test waits.
const ENDLESS: &str = "SELECT count(*) FROM d.t a, d.t b, d.t c WHERE a.x + b.x + c.x = -1";

struct Bench {
    engine: DataFusionEngine,
    objects: Arc<InMemory>,
    _spill: tempfile::TempDir,
}

impl Bench {
    fn with(memory_bytes: usize, spill_bytes: u64) -> Self {
        let spill = tempfile::tempdir().unwrap();
        let config = EngineConfig {
            concurrency: NonZeroUsize::MIN,
            threads: NonZeroUsize::new(2).unwrap(),
            memory_bytes,
            spill_bytes,
            spill_folder: spill.path().to_owned(),
        };
        let objects = Arc::new(InMemory::new());
        let engine = DataFusionEngine::start(config, Arc::clone(&objects) as _).unwrap();
        Self {
            engine,
            objects,
            _spill: spill,
        }
    }

    fn new() -> Self {
        Self::with(256 << 20, 256 << 20)
    }

    async fn put(&self, path: &str, batch: &RecordBatch) -> PinnedFile {
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        let size_bytes = bytes.len() as u64;
        self.objects.put(&path.into(), bytes.into()).await.unwrap();
        PinnedFile {
            path: path.to_owned(),
            size_bytes,
            rows: batch.num_rows() as u64,
        }
    }

    async fn run(&self, job: EngineJob) -> Result<EngineOutput, EngineError> {
        self.engine.run(job, &CancellationToken::new()).await
    }

    fn free_permits(&self) -> usize {
        self.engine.permits.available_permits()
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("x", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
    ]))
}

fn numbers(range: std::ops::Range<i64>) -> RecordBatch {
    let x = Int64Array::from_iter_values(range.clone().map(|i| i * 7919 % 10_007));
    let name = StringArray::from_iter_values(range.map(|i| format!("name of the row {i}")));
    RecordBatch::try_new(schema(), vec![Arc::new(x), Arc::new(name)]).unwrap()
}

const TABLE: Uuid = Uuid::from_u128(1);

/// A statement over the caller's own table `d.t`, compiled.
fn job(sql: &str, schema: SchemaRef, relation: Relation) -> EngineJob {
    let columns = schema
        .fields()
        .iter()
        .map(|it| CatalogColumn::new(it.name(), it.data_type().clone()));
    let table = CatalogTable {
        id: TABLE,
        dataset: "d".to_owned(),
        name: "t".to_owned(),
        owner: Uuid::nil(),
        columns: columns.collect(),
        unique: Vec::new(),
        policy: None,
        policy_version: None,
        rows: None,
    };
    let catalog = Catalog {
        analyst: Uuid::nil(),
        tables: vec![table],
        now: 0,
    };
    let plan = compile(sql, &Parameters::new(), &catalog, &Limits::default())
        .unwrap()
        .top;
    let relations = HashMap::from([(ScanKey::Table(TABLE), relation)]);
    EngineJob {
        id: "test".to_owned(),
        plan,
        relations,
        limits: LIMITS,
    }
}

fn job_over_rows(sql: &str, count: i64) -> EngineJob {
    let starts = (0..count).step_by(BATCH_ROWS);
    let batches = starts
        .map(|start| numbers(start..count.min(start + BATCH_ROWS as i64)))
        .collect();
    job(
        sql,
        schema(),
        Relation::Rows {
            schema: schema(),
            batches,
        },
    )
}

fn single(output: &EngineOutput) -> i64 {
    let column = output.batches[0].column(0);
    column.as_any().downcast_ref::<Int64Array>().unwrap().value(0)
}

#[tokio::test]
async fn reads_the_pinned_files_and_no_other() {
    let bench = Bench::new();
    let batch = numbers(0..1000);
    let pinned = vec![
        bench.put("a.parquet", &batch).await,
        bench.put("b.parquet", &batch).await,
    ];
    bench.put("c.parquet", &batch).await;
    let files = Relation::Files {
        schema: schema(),
        files: pinned,
    };
    let sql = "SELECT count(*) FROM d.t a JOIN d.t b ON a.name = b.name WHERE a.name < 'name of the row 101'";
    let output = bench.run(job(sql, schema(), files)).await.unwrap();
    // The rows 0, 1, 10 and 100, each of two files with each of two files.
    assert_eq!(single(&output), 16);
    assert_eq!(output.statistics.rows, 1);
}

#[test]
fn no_filter_is_pushed_by_the_name_of_its_column() {
    let all = PhysicalOptimizer::new().rules.len();
    assert_eq!(
        physical_rules().len(),
        all - 2,
        "the engine has other rules that push filters"
    );
}

#[tokio::test]
async fn a_filter_skips_no_row_that_it_keeps() {
    let bench = Bench::new();
    let files = vec![
        bench.put("a", &numbers(0..1000)).await,
        bench.put("b", &numbers(1000..2000)).await,
    ];
    let relation = Relation::Files {
        schema: schema(),
        files,
    };
    let sql = "SELECT count(*) FROM d.t a LEFT JOIN d.t b ON a.x = b.x + 1500 WHERE a.x >= 1499 AND (b.x IS NULL OR b.x < 100)";
    let output = bench.run(job(sql, schema(), relation)).await.unwrap();
    // The same by brute force.
    let all: Vec<i64> = (0..2000).map(|i| i * 7919 % 10_007).collect();
    let kept = |a: &&i64| **a >= 1499 && (**a < 1600 || !all.contains(&(**a - 1500)));
    assert_eq!(single(&output), all.iter().filter(kept).count() as i64);
}

#[tokio::test]
async fn a_column_that_a_file_lacks_is_null() {
    let bench = Bench::new();
    let file = bench.put("old.parquet", &numbers(0..10)).await;
    let schema = Arc::new(Schema::new(vec![
        Field::new("added_later", DataType::Float64, true),
        Field::new("x", DataType::Int64, true),
    ]));
    let files = Relation::Files {
        schema: Arc::clone(&schema),
        files: vec![file],
    };
    let sql = "SELECT count(*) FROM d.t WHERE added_later IS NULL";
    assert_eq!(single(&bench.run(job(sql, schema, files)).await.unwrap()), 10);
}

#[tokio::test]
async fn a_table_without_files_is_empty() {
    let files = Relation::Files {
        schema: schema(),
        files: vec![],
    };
    let job = job("SELECT count(*) FROM d.t WHERE x > 0", schema(), files);
    assert_eq!(single(&Bench::new().run(job).await.unwrap()), 0);
}

#[tokio::test]
async fn too_little_memory_spills_and_too_little_disk_fails() {
    let sorted =
        "SELECT CAST(max(n) AS BIGINT) FROM (SELECT row_number() OVER (ORDER BY name, x) AS n FROM d.t)";
    let roomy = Bench::with(24 << 20, 256 << 20);
    let output = roomy.run(job_over_rows(sorted, 600_000)).await.unwrap();
    assert_eq!(single(&output), 600_000);
    assert!(output.statistics.spilled_bytes > 0, "nothing was spilled");

    let cramped = Bench::with(24 << 20, 1 << 10);
    assert_eq!(
        cramped.run(job_over_rows(sorted, 600_000)).await.unwrap_err(),
        EngineError::Failed
    );
}

#[tokio::test]
async fn output_beyond_its_limit_fails() {
    let mut job = job_over_rows("SELECT x FROM d.t", 1000);
    job.limits.output_rows = 999;
    assert_eq!(Bench::new().run(job).await.unwrap_err(), EngineError::Failed);
}

#[tokio::test]
async fn an_error_that_depends_on_rows_says_nothing() {
    let job = job_over_rows("SELECT CAST(name AS BIGINT) FROM d.t", 10);
    let error = Bench::new().run(job).await.unwrap_err();
    assert_eq!(error, EngineError::Failed);
    assert!(!error.to_string().contains("row 0"));
}

#[tokio::test]
async fn the_time_limit_ends_a_run() {
    let mut job = job_over_rows(ENDLESS, 20_000);
    job.limits.time = Duration::from_millis(100);
    assert_eq!(Bench::new().run(job).await.unwrap_err(), EngineError::Failed);
}

#[tokio::test]
async fn a_cancel_ends_a_run_and_frees_its_place_for_who_waits() {
    let bench = Bench::new();
    let (cancel, waiting_cancel) = (CancellationToken::new(), CancellationToken::new());
    let first = bench.engine.run(job_over_rows(ENDLESS, 20_000), &cancel);
    let while_it_runs = async {
        while bench.free_permits() > 0 {
            tokio::task::yield_now().await;
        }
        // The only place is taken: the second waits, and can be cancelled as it waits.
        let second = bench
            .engine
            .run(job_over_rows("SELECT x FROM d.t", 10), &waiting_cancel);
        waiting_cancel.cancel();
        assert_eq!(second.await.unwrap_err(), EngineError::Cancelled);
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(first, while_it_runs);
    assert_eq!(ended.unwrap_err(), EngineError::Cancelled);
    let third = bench
        .run(job_over_rows("SELECT count(*) FROM d.t", 10))
        .await
        .unwrap();
    assert_eq!(single(&third), 10);
}

#[tokio::test]
async fn a_join_without_matches_stops_and_starves_nobody() {
    let mut bench = Bench::new();
    bench.engine.permits = Arc::new(Semaphore::new(2));
    let no_match = "SELECT count(*) FROM d.t a, d.t b, d.t c WHERE a.name || b.name || c.name = 'none'";
    let cancel = CancellationToken::new();
    let endless = bench.engine.run(job_over_rows(no_match, 20_000), &cancel);
    let beside = async {
        while bench.free_permits() > 1 {
            tokio::task::yield_now().await;
        }
        // Several, so that the join is in the midst of its rows when it is stopped.
        for _ in 0..20 {
            let other = bench
                .run(job_over_rows("SELECT count(*) FROM d.t", 10))
                .await
                .unwrap();
            assert_eq!(single(&other), 10);
        }
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(endless, beside);
    assert_eq!(ended.unwrap_err(), EngineError::Cancelled);
    // The place is free only when the work has really stopped.
    let both = bench.engine.permits.acquire_many(2).await.unwrap();
    drop(both);
}

#[tokio::test]
async fn a_scan_of_another_relation_fails() {
    let mut job = job_over_rows("SELECT x FROM d.t", 10);
    job.relations.clear();
    assert_eq!(Bench::new().run(job).await.unwrap_err(), EngineError::Failed);
}

#[tokio::test]
async fn the_file_system_of_the_machine_is_out_of_reach() {
    let bench = Bench::new();
    let environment = bench.engine.runtime_env().unwrap();
    assert!(
        environment
            .object_store(ObjectStoreUrl::local_filesystem())
            .is_err()
    );
    assert!(
        environment
            .object_store(ObjectStoreUrl::parse("http://localhost").unwrap())
            .is_err()
    );
    assert!(environment.object_store(&bench.engine.store).is_ok());
}

#[tokio::test]
async fn what_a_killed_engine_spilled_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (spill, other) = (folder.path().join("datafusion-x1"), folder.path().join("kept"));
    std::fs::create_dir(&spill).unwrap();
    std::fs::create_dir(&other).unwrap();
    remove_left_over_spills(folder.path()).unwrap();
    assert!(!spill.exists() && other.exists());
}
