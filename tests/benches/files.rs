//! Files in and out through the service, against DuckDB's COPY between the same formats on the same machine.
//!
//! ```sh
//! pip install duckdb
//! DATACOVEY_BENCH_ROWS=5000000 DATACOVEY_BENCH_PYTHON=python3 cargo bench --bench suite -- files
//! ```

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use datacovey::client::{Client, ImportOptions, to_struct};
use datacovey_proto::catalog::v1::{
    CreateDatasetRequest, CreateProjectRequest, CreateTableRequest, Dataset, Project, Table,
};
use datacovey_proto::transfer::v1::{
    CreateExportJobRequest, CreateImportJobRequest, ExportJob, FileFormat, ImportJob, ImportMode, JobState,
    WatchExportJobRequest, WatchImportJobRequest, create_export_job_request, create_import_job_request,
};
use serde_json::{Value, json};

use crate::house::House;
use crate::peer::DuckDb;
use crate::say;

const ROUNDS: usize = 3;

pub(crate) async fn run(house: &House) {
    let Some(duckdb) = DuckDb::find(house.files()).await else {
        return;
    };
    let rows = std::env::var("DATACOVEY_BENCH_ROWS").ok();
    let rows: usize = rows.and_then(|it| it.parse().ok()).unwrap_or(5_000_000);
    duckdb.make("people", &[rows.to_string()]).await;
    let place = Place::make(house).await;

    let table = place.table("people", schema()).await;
    for (what, file, format, to_ours) in [
        ("CSV in, by URI", "people.csv", FileFormat::Csv, COPY_CSV),
        (
            "NDJSON in, by URI",
            "people.ndjson",
            FileFormat::Ndjson,
            COPY_NDJSON,
        ),
        (
            "Parquet in, by URI",
            "people.parquet",
            FileFormat::Parquet,
            COPY_PARQUET,
        ),
    ] {
        let theirs = duckdb.time(to_ours, ROUNDS).await.took;
        house.forget_peak();
        let mut all = Vec::new();
        for _ in 0..ROUNDS {
            let since = Instant::now();
            let job = place.import(&table, file, format).await;
            all.push(since.elapsed());
            assert_eq!(job.rows_imported, rows as i64);
        }
        told(what, theirs, all);
        say(
            "  the suite's peak memory",
            format!("{} MiB", house.peak_bytes() >> 20),
            None,
        );
    }

    let theirs = duckdb.time(COPY_CSV, ROUNDS).await.took;
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        let since = Instant::now();
        place.upload(&table, "people.csv").await;
        all.push(since.elapsed());
    }
    told("CSV in, uploaded through the gateway", theirs, all);

    let hidden = place.table("hidden", pseudonymized()).await;
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        let since = Instant::now();
        place.import(&hidden, "people.csv", FileFormat::Csv).await;
        all.push(since.elapsed());
    }
    told("CSV in, e-mails normalized and pseudonymized", theirs, all);

    for (what, file, format, to_theirs) in [
        ("CSV out", "out.csv", FileFormat::Csv, COPY_TO_CSV),
        (
            "Parquet out, unchanged",
            "out.parquet",
            FileFormat::Parquet,
            COPY_PARQUET,
        ),
    ] {
        let theirs = duckdb.time(to_theirs, ROUNDS).await.took;
        let mut all = Vec::new();
        for _ in 0..ROUNDS {
            let since = Instant::now();
            let job = place.export(&table, file, format).await;
            all.push(since.elapsed());
            assert_eq!(job.rows_exported, rows as i64);
        }
        told(what, theirs, all);
    }
}

const COPY_CSV: &str =
    "COPY (SELECT * FROM read_csv('people.csv')) TO 'theirs.parquet' (FORMAT parquet, COMPRESSION zstd)";
const COPY_NDJSON: &str =
    "COPY (SELECT * FROM read_json('people.ndjson')) TO 'theirs.parquet' (FORMAT parquet, COMPRESSION zstd)";
const COPY_PARQUET: &str =
    "COPY (SELECT * FROM 'people.parquet') TO 'theirs.parquet' (FORMAT parquet, COMPRESSION zstd)";
const COPY_TO_CSV: &str = "COPY (SELECT * FROM 'people.parquet') TO 'theirs.csv' (FORMAT csv, HEADER)";

fn told(what: &str, theirs: Duration, mut ours: Vec<Duration>) {
    ours.sort();
    let median = ours[ours.len() / 2];
    say(&format!("{what}: DuckDB"), seconds(theirs), Some(1.0));
    let ratio = median.as_secs_f64() / theirs.as_secs_f64();
    say("  ours", seconds(median), Some(ratio));
}

fn seconds(it: Duration) -> String {
    format!("{:.2} s", it.as_secs_f64())
}

/// Each column with something to check.
fn schema() -> Value {
    json!({"type": "object", "required": ["email", "city", "age"], "properties": {
        "email": {"type": "string", "minLength": 3, "maxLength": 254},
        "city": {"type": "string", "pattern": "^city-[0-9]+$"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "spend": {"type": "number", "minimum": 0},
        "day": {"type": "string", "format": "date"},
    }})
}

fn pseudonymized() -> Value {
    let mut schema = schema();
    schema["properties"]["email"] = json!({
        "type": "string", "x-identity": "email", "x-normalize": ["email"], "x-pseudonymize": true,
    });
    schema
}

struct Place {
    owner: Client,
    dataset_id: String,
    folder: PathBuf,
}

impl Place {
    async fn make(house: &House) -> Self {
        let owner = Client::connect(&house.gateway, &house.token_of("Mover").await)
            .await
            .unwrap();
        let project = Project {
            name: "Files".to_owned(),
            ..Project::default()
        };
        let request = CreateProjectRequest {
            project: Some(project),
            ..Default::default()
        };
        let project = owner.projects().create_project(request).await.unwrap();
        let dataset = Dataset {
            project_id: project.into_inner().id,
            name: "files".to_owned(),
            ..Dataset::default()
        };
        let request = CreateDatasetRequest {
            dataset: Some(dataset),
            ..Default::default()
        };
        let dataset = owner.datasets().create_dataset(request).await.unwrap();
        Self {
            owner,
            dataset_id: dataset.into_inner().id,
            folder: house.files(),
        }
    }

    async fn table(&self, name: &str, schema: Value) -> String {
        let table = Table {
            dataset_id: self.dataset_id.clone(),
            name: name.to_owned(),
            schema: Some(to_struct(schema)),
            ..Table::default()
        };
        let request = CreateTableRequest {
            table: Some(table),
            ..Default::default()
        };
        let table = self.owner.tables().create_table(request).await.unwrap();
        table.into_inner().id
    }

    fn uri(&self, file: &str) -> String {
        format!("file://{}", self.folder.join(file).display())
    }

    /// Replaces what the table holds, so that each round is the same work.
    async fn import(&self, table_id: &str, file: &str, format: FileFormat) -> ImportJob {
        let request = CreateImportJobRequest {
            table_id: table_id.to_owned(),
            source: Some(create_import_job_request::Source::Uri(self.uri(file))),
            format: format.into(),
            mode: ImportMode::Replace.into(),
            ..CreateImportJobRequest::default()
        };
        let job = self.owner.imports().create_import_job(request).await.unwrap();
        let request = WatchImportJobRequest {
            id: job.into_inner().id,
        };
        let mut states = self
            .owner
            .imports()
            .watch_import_job(request)
            .await
            .unwrap()
            .into_inner();
        while let Some(job) = states.message().await.unwrap() {
            match job.state() {
                JobState::Completed => return job,
                JobState::Failed => panic!("{:?}", job.error),
                _ => {}
            }
        }
        panic!("the import does not end")
    }

    async fn upload(&self, table_id: &str, file: &str) {
        let options = ImportOptions {
            mode: ImportMode::Replace,
            ..ImportOptions::default()
        };
        let file = self.folder.join(file);
        self.owner
            .import_file(table_id, Path::new(&file), &options, &|_, _| (), &|_, _| ())
            .await
            .unwrap();
    }

    async fn export(&self, table_id: &str, file: &str, format: FileFormat) -> ExportJob {
        let request = CreateExportJobRequest {
            table_id: table_id.to_owned(),
            format: format.into(),
            target: Some(create_export_job_request::Target::Uri(self.uri(file))),
            overwrite: true,
            ..CreateExportJobRequest::default()
        };
        let job = self.owner.exports().create_export_job(request).await.unwrap();
        let request = WatchExportJobRequest {
            id: job.into_inner().id,
        };
        let mut states = self
            .owner
            .exports()
            .watch_export_job(request)
            .await
            .unwrap()
            .into_inner();
        while let Some(job) = states.message().await.unwrap() {
            match job.state() {
                JobState::Completed => return job,
                JobState::Failed => panic!("{:?}", job.error),
                _ => {}
            }
        }
        panic!("the export does not end")
    }
}
