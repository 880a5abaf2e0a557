//! What runs while everything is killed: every kind of job, and what keeps tables small meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use datacovey::client::{Client, ImportOptions};
use datacovey_proto::transfer::v1::{
    ImportMode, ListTableVersionsRequest, RestoreTableVersionRequest, TableVersion,
};

use crate::load::{ROWS, write_people, write_some_people};
use crate::process::Process;
use crate::world::World;

/// Rows of the file that is added often.
pub(crate) const FEW: u64 = 10;
/// After what failed: the suite may be away for a moment.
const PAUSE: Duration = Duration::from_millis(50);

/// What a client was told that it is done.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) imports: AtomicU64,
    pub(crate) small_imports: AtomicU64,
    pub(crate) replacements: AtomicU64,
    pub(crate) restores: AtomicU64,
    pub(crate) exports: AtomicU64,
    pub(crate) queries: AtomicU64,
}

/// The files that are imported.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) many: PathBuf,
    pub(crate) few: PathBuf,
    exports: PathBuf,
}

impl Files {
    pub(crate) fn write(folder: &Path) -> Self {
        let files = Self {
            many: folder.join("people.csv"),
            few: folder.join("few.csv"),
            exports: folder.to_owned(),
        };
        write_people(&files.many);
        write_some_people(&files.few, FEW);
        files
    }
}

/// All kinds of jobs as fast as they go, for as long as it is not aborted.
///
/// `turned` is a table of the first client's whose content is replaced and restored.
pub(crate) async fn work(
    clients: [Client; 2],
    world: Arc<World>,
    turned: String,
    files: Files,
    told: Arc<Told>,
) {
    let [left, right] = &clients;
    let [many, few] = &world.tables;
    let importing = forever(
        async || import(left, many, &files.many, ImportMode::Append).await,
        &told.imports,
    );
    let add = || {
        forever(
            async || import(right, few, &files.few, ImportMode::Append).await,
            &told.small_imports,
        )
    };
    // Enough at once for many small files.
    let adding = async { tokio::join!(add(), add(), add(), add()) };
    let turning = forever(
        async || {
            import(left, &turned, &files.few, ImportMode::Replace).await?;
            told.replacements.fetch_add(1, Ordering::SeqCst);
            restore_one(left, &turned).await
        },
        &told.restores,
    );
    let exporting = forever(async || export(left, many, &files.exports).await, &told.exports);
    let querying = forever(
        async || {
            let sql = "SELECT city, COUNT(*) AS n FROM north.people GROUP BY city";
            right.run(&world.project_id, sql).await.map(drop)
        },
        &told.queries,
    );
    tokio::join!(importing, adding, turning, exporting, querying);
}

async fn forever(act: impl AsyncFn() -> anyhow::Result<()>, told: &AtomicU64) {
    loop {
        match act().await {
            Ok(()) => {
                told.fetch_add(1, Ordering::SeqCst);
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn import(client: &Client, table: &str, file: &Path, mode: ImportMode) -> anyhow::Result<()> {
    let options = ImportOptions {
        mode,
        ..ImportOptions::default()
    };
    client
        .import_file(table, file, &options, &|_, _| {}, &|_, _| {})
        .await
        .map(drop)
}

/// An export has the rows of whole imports, whatever else goes on.
async fn export(client: &Client, table: &str, folder: &Path) -> anyhow::Result<()> {
    let path = folder.join("exported.csv");
    client.export_file(table, &path, &|_, _| {}).await?;
    let lines = std::fs::read_to_string(&path)?.lines().count() as u64;
    assert_eq!(lines.saturating_sub(1) % ROWS, 0, "{lines} lines");
    Ok(())
}

/// The newest version that can be restored.
async fn restore_one(client: &Client, table: &str) -> anyhow::Result<()> {
    let versions = versions(client, table).await?;
    let version = versions.iter().find(|it| it.restorable);
    let version = version.context("none can be restored")?;
    let request = RestoreTableVersionRequest {
        table_id: table.to_owned(),
        version: version.version,
        ..Default::default()
    };
    client.versions().restore_table_version(request).await?;
    Ok(())
}

pub(crate) async fn versions(client: &Client, table: &str) -> anyhow::Result<Vec<TableVersion>> {
    let request = ListTableVersionsRequest {
        table_id: table.to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    let answer = client.versions().list_table_versions(request).await?;
    Ok(answer.into_inner().table_versions)
}

/// Makes all that may be swept some day due now, as if weeks had passed.
pub(crate) async fn age(process: &Process) {
    process
        .sql(
            "SET session_replication_role = replica;
             UPDATE table_version SET superseded_at = superseded_at - interval '30 days'
                 WHERE superseded_at IS NOT NULL AND swept_at IS NULL;
             UPDATE visible_version SET created_at = created_at - interval '30 days';
             UPDATE table_compaction SET lease_expires_at = utc_now() - interval '1 second' WHERE holder IS NOT NULL;
             UPDATE object_garbage SET since = since - interval '1 day';
             UPDATE import_run SET ended_at = ended_at - interval '30 days' WHERE swept_at IS NULL;
             UPDATE export_run SET ended_at = ended_at - interval '30 days' WHERE swept_at IS NULL;
             UPDATE import_run SET created_at = created_at - interval '30 days' WHERE ready_at IS NULL",
        )
        .await;
}
