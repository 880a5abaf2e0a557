//! Imports from URIs and exports to them.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use datacovey_error::ErrorReason;
use datacovey_proto::transfer::v1 as pb;
use datacovey_storage::external::Allowed;
use datacovey_storage::{Store, StoreOptions};
use datacovey_transfer::Limits;
use http::Method;
use serde_json::json;
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::s3::{Fault, S3};
use crate::suite::{Suite, csv, csv_import};

/// A suite with a folder that everybody may reach, `in`, and a bucket that only one tenant may.
struct World {
    suite: Suite,
    s3: S3,
    folder: TempDir,
}

impl World {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With other limits than those of the tests.
    async fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let s3 = S3::start(&["lake", "other"]).await;
        let folder = tempfile::tempdir().unwrap();
        for name in ["in", "store", "out"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let store = folder.path().join("store");
        let store = store.to_str().unwrap();
        let prefixes = json!({ "*": [format!("file://{}/in", folder.path().display()), "s3://lake/planes"] });
        let allowed = Allowed::parse(&prefixes.to_string(), store, &s3.options()).unwrap();
        let suite = Suite::over(Store::open(store).unwrap(), allowed, change).await;
        Self { suite, s3, folder }
    }

    fn file(&self, path: &str) -> String {
        format!("file://{}/{path}", self.folder.path().display())
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

fn import_from(table: &str, uri: impl Into<String>) -> pb::CreateImportJobRequest {
    pb::CreateImportJobRequest {
        source: Some(pb::create_import_job_request::Source::Uri(uri.into())),
        ..csv_import(table)
    }
}

fn export_to(table: &str, uri: impl Into<String>) -> pb::CreateExportJobRequest {
    pb::CreateExportJobRequest {
        table_id: table.to_owned(),
        format: pb::FileFormat::Csv.into(),
        columns: ["tailnum", "year", "manufacturer"].map(str::to_owned).into(),
        target: Some(pb::create_export_job_request::Target::Uri(uri.into())),
        ..Default::default()
    }
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

#[tokio::test]
async fn files_of_a_folder_and_of_a_bucket_are_one_import_each() {
    let world = World::start().await;
    let mut editor = world.suite.as_editor();
    let all = [1, 101, 201]
        .map(|first| csv(first, 100).len() as i64)
        .iter()
        .sum::<i64>();
    for (number, first) in [(1, 1), (2, 101), (10, 201)] {
        let content = csv(first, 100);
        world.put(&format!("in/part-{number}/planes.csv"), &content);
        world
            .s3
            .put(&format!("lake/planes/part-{number}/planes.csv"), &content);
    }
    world.s3.put("lake/planes/part-1/other.txt", "?");
    for uri in [
        world.file("in/part-*/*.csv"),
        "s3://lake/planes/part-*/planes.csv".to_owned(),
    ] {
        let table = world.suite.table(&format!("planes {uri}")).await;
        let job = editor.create(import_from(&table, &uri)).await;
        assert_eq!(job.source, Some(pb::import_job::Source::Uri(uri.clone())));
        let job = editor.ended(&job.id).await;
        assert_eq!(
            (job.state(), job.rows_imported, job.version),
            (pb::JobState::Completed, 300, Some(1)),
            "{job:?}"
        );
        let progress = job.progress.unwrap();
        assert_eq!(Some(progress.bytes_done), progress.bytes_total);
        assert_eq!(progress.bytes_done, all);
        // Nothing is awaited of it.
        let status = editor.send(&job.id, 0, b"x", None).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
    }
}

#[tokio::test]
async fn a_rejected_record_names_its_file() {
    let world = World::start().await;
    let mut editor = world.suite.as_editor();
    world.put("in/a.csv", "tailnum,year,manufacturer\nN1,1950,x\n");
    world.put("in/b.csv", "year,tailnum,manufacturer\n1950,N2,x\nold,N3,x\n");
    let table = world.suite.table("planes").await;
    let request = pb::CreateImportJobRequest {
        max_bad_records: 1,
        ..import_from(&table, world.file("in/*.csv"))
    };
    let job = editor.create(request.clone()).await;
    let job = editor.ended(&job.id).await;
    assert_eq!(
        (job.state(), job.rows_imported, job.rows_rejected),
        (pb::JobState::Completed, 2, 1)
    );
    let rows = pb::ListRejectedRowsRequest {
        import_job_id: job.id,
        ..Default::default()
    };
    let rows = editor
        .imports
        .list_rejected_rows(rows)
        .await
        .unwrap()
        .into_inner();
    let row = &rows.rejected_rows[0];
    assert_eq!(
        (row.line, row.field.as_str(), row.file.as_str()),
        (3, "year", world.file("in/b.csv").as_str())
    );
    world.put("in/b.csv", "tailnum,year,manufacturer\nN2,1950,x\n");
    let bad = "tailnum,year,manufacturer\nN4,old,x\nN5,old,x\n";
    for (content, place) in [(bad, "line 2 of "), ("tailnum,tailnum\n", "")] {
        world.put("in/c.csv", content);
        let job = editor.create(request.clone()).await;
        let message = editor.ended(&job.id).await.error.unwrap().message;
        let place = format!("{place}{}", world.file("in/c.csv"));
        assert!(message.contains(&place), "{message}");
    }
}

#[tokio::test]
async fn nothing_else_is_reachable() {
    let world = World::start().await;
    let mut editor = world.suite.as_editor();
    let table = world.suite.table("planes").await;
    world.put("out/secret.csv", "secret");
    world.put("in/plain.csv", &csv(1, 1));
    world.s3.put("other/planes/a.csv", &csv(1, 1));
    world.s3.put("lake/planes2/a.csv", &csv(1, 1));
    std::os::unix::fs::symlink(
        world.folder.path().join("out"),
        world.folder.path().join("in/link"),
    )
    .unwrap();
    std::os::unix::fs::symlink("../out/secret.csv", world.folder.path().join("in/link.csv")).unwrap();
    for uri in [
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "https://lake.s3.amazonaws.com/planes/a.csv".to_owned(),
        "s3://169.254.169.254/planes/a.csv".to_owned(),
        format!("s3://{}/lake/planes/a.csv", world.s3.address),
        "s3://lake@169.254.169.254/planes/a.csv".to_owned(),
        "s3://lake/planes/a.csv?endpoint=http://169.254.169.254".to_owned(),
        "s3://lake/planes/../planes2/a.csv".to_owned(),
        "s3://lake/planes/%2e%2e/planes2/a.csv".to_owned(),
        "s3://lake/planes%2f..%2fplanes2/a.csv".to_owned(),
        "s3://lake/planes2/a.csv".to_owned(),
        "s3://lake/planes*/a.csv".to_owned(),
        "s3://other/planes/a.csv".to_owned(),
        "file:///etc/passwd".to_owned(),
        "file://localhost/etc/passwd".to_owned(),
        world.file("out/secret.csv"),
        world.file("in/../out/secret.csv"),
        world.file("in/%2e%2e/out/secret.csv"),
        world.file("in/link/secret.csv"),
        world.file("in/link/*"),
        world.file("in/link.csv"),
        world.file("in/l*.csv"),
        world.file("store/x"),
        world.file("in/"),
        world.file("in/none.csv"),
        String::new(),
    ] {
        let request = pb::CreateImportJobRequest {
            validate_only: true,
            ..import_from(&table, &uri)
        };
        let status = editor.imports.create_import_job(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{uri}: {status:?}");
        let details = status.get_details_bad_request().unwrap();
        assert_eq!(details.field_violations[0].field, "uri", "{uri}");
        assert!(!status.message().contains("secret\n"), "{status:?}");
    }
    for uri in [
        world.file("out/new.csv"),
        world.file("in/link/new.csv"),
        world.file("store/new.csv"),
        world.file("in/*.csv"),
        "s3://lake/planes2/new.csv".to_owned(),
        "http://127.0.0.1/new.csv".to_owned(),
    ] {
        let status = editor
            .exports
            .create_export_job(export_to(&table, &uri))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{uri}: {status:?}");
    }
    assert_eq!(fs::read_dir(world.folder.path().join("out")).unwrap().count(), 1);
    // Another tenant's table is none, whatever the URI.
    let mut other = world.suite.as_other_tenant();
    let request = import_from(&table, world.file("in/plain.csv"));
    assert_eq!(
        other.imports.create_import_job(request).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn an_export_appears_at_its_uri_whole_and_once() {
    let world = World::start().await;
    let mut editor = world.suite.as_editor();
    let table = world.suite.table("planes").await;
    // Two parts of an object.
    let content = csv(1, 400_000);
    world.put("in/all.csv", &content);
    let job = editor.create(import_from(&table, world.file("in/all.csv"))).await;
    assert_eq!(editor.ended(&job.id).await.rows_imported, 400_000);
    let at = [
        (
            world.file("in/deep/a%20b.csv"),
            world.folder.path().join("in/deep/a b.csv"),
        ),
        (
            "s3://lake/planes/deep/a%20b.csv".to_owned(),
            world.s3.path("lake/planes/deep/a b.csv"),
        ),
    ];
    for (uri, path) in at {
        let job = editor.export(export_to(&table, &uri)).await;
        assert_eq!(
            (job.state(), job.rows_exported),
            (pb::JobState::Completed, 400_000),
            "{job:?}"
        );
        assert_eq!(job.target, Some(pb::export_job::Target::Uri(uri.clone())));
        let written = fs::read(&path).unwrap();
        assert!(written.len() > 8 << 20);
        assert_eq!(
            (job.size_bytes, job.expires_at),
            (Some(written.len() as i64), None)
        );
        assert_eq!(written.iter().filter(|it| **it == b'\n').count(), 400_001);
        let status = editor.download(&job.id, 0).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);

        let status = editor
            .exports
            .create_export_job(export_to(&table, &uri))
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::AlreadyExists, "ALREADY_EXISTS")
        );
        assert!(fs::read(&path).unwrap() == written);
        let one = pb::CreateExportJobRequest {
            overwrite: true,
            columns: vec!["tailnum".to_owned()],
            ..export_to(&table, &uri)
        };
        assert_eq!(editor.export(one).await.state(), pb::JobState::Completed);
        assert!(fs::read(&path).unwrap().len() < written.len());
    }
    let hidden = fs::read_dir(world.folder.path().join("in/deep")).unwrap().count();
    assert_eq!(hidden, 1);
}

#[tokio::test]
async fn whatever_came_between_is_not_overwritten() {
    let world = World::start().await;
    let mut editor = world.suite.as_editor();
    let table = world.suite.table("planes").await;
    world.put("in/all.csv", &csv(1, 10));
    let job = editor.create(import_from(&table, world.file("in/all.csv"))).await;
    editor.ended(&job.id).await;
    // It comes when the worker has looked, and before the object is written.
    let path = world.s3.path("lake/planes/new.csv");
    let theirs = path.clone();
    world.s3.fail(move |method, _| {
        if method == Method::PUT {
            fs::create_dir_all(theirs.parent().unwrap()).unwrap();
            fs::write(&theirs, "theirs").unwrap();
        }
        Fault::None
    });
    let job = editor.export(export_to(&table, "s3://lake/planes/new.csv")).await;
    let error = job.error.unwrap();
    assert_eq!(error.reason(), ErrorReason::AlreadyExists, "{error:?}");
    assert_eq!(fs::read_to_string(path).unwrap(), "theirs");
}

#[tokio::test]
async fn a_source_that_changes_fails_its_import() {
    let world = World::start().await;
    let mut editor = world.suite.as_editor();
    let table = world.suite.table("planes").await;
    // Longer than what is read at a time.
    let content = csv(1, 150_000);
    world.s3.put("lake/planes/a.csv", &content);
    let path = world.s3.path("lake/planes/a.csv");
    let mut gets = 0;
    world.s3.fail(move |method, _| {
        gets += usize::from(method == Method::GET);
        if gets == 2 {
            fs::write(&path, content.replace("Maker", "Faker")).unwrap();
        }
        Fault::None
    });
    let job = editor.create(import_from(&table, "s3://lake/planes/a.csv")).await;
    let job = editor.ended(&job.id).await;
    let error = job.error.clone().unwrap();
    assert!(
        error.message.starts_with("s3://lake/planes/a.csv has changed"),
        "{error:?}"
    );
    assert_eq!((job.rows_imported, job.version), (0, None));
}

#[tokio::test]
async fn a_store_that_is_away_fails_jobs_and_leaves_nothing() {
    let world = World::start().await;
    let mut editor = world.suite.as_editor();
    let table = world.suite.table("planes").await;
    world.s3.put("lake/planes/a.csv", &csv(1, 10));
    for fault in [Fault::Answer(500), Fault::Hang] {
        world
            .s3
            .fail(move |method, _| if method == Method::GET { fault } else { Fault::None });
        let job = editor.create(import_from(&table, "s3://lake/planes/a.csv")).await;
        let job = editor.ended(&job.id).await;
        let error = job.error.unwrap();
        assert_eq!(error.reason(), ErrorReason::Unavailable, "{error:?}");
        assert!(error.message.contains("s3://lake/planes/a.csv"), "{error:?}");

        world
            .s3
            .fail(move |method, _| if method == Method::PUT { fault } else { Fault::None });
        let job = editor.export(export_to(&table, "s3://lake/planes/b.csv")).await;
        assert_eq!(job.error.unwrap().reason(), ErrorReason::Unavailable);
        assert!(!world.s3.path("lake/planes/b.csv").exists());
    }
    // Before a job is created, whoever asks is told.
    world.s3.fail(|_, _| Fault::Answer(503));
    let request = import_from(&table, "s3://lake/planes/*.csv");
    let status = editor.imports.create_import_job(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    world.s3.fail(|_, _| Fault::Answer(403));
    let request = import_from(&table, "s3://lake/planes/a.csv");
    let status = editor.imports.create_import_job(request).await.unwrap_err();
    assert!(status.message().contains("refuses access"), "{status:?}");
    // What passes is no failure.
    let mut left = 2;
    world.s3.fail(move |_, _| {
        left -= i32::from(left > 0);
        if left > 0 { Fault::Answer(500) } else { Fault::None }
    });
    let job = editor.create(import_from(&table, "s3://lake/planes/a.csv")).await;
    assert_eq!(editor.ended(&job.id).await.state(), pb::JobState::Completed);
}

/// A file system of a mebibyte, as root may make one.
struct Small(TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
        let mounted = mount.arg(folder.path()).stderr(Stdio::null()).status();
        mounted.is_ok_and(|it| it.success()).then_some(Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_fails_an_export_and_leaves_nothing() {
    let Some(small) = Small::mount() else {
        eprintln!("SKIPPED: only root can make a small file system");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let prefixes = json!({ "*": [format!("file://{}", small.0.path().display())] });
    let allowed = Allowed::parse(&prefixes.to_string(), &path("store"), &StoreOptions::default()).unwrap();
    let suite = Suite::over(Store::open(&path("store")).unwrap(), allowed, |_| {}).await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    editor.import(csv_import(&table), csv(1, 60_000).as_bytes()).await;
    let job = editor
        .export(export_to(
            &table,
            format!("file://{}/a.csv", small.0.path().display()),
        ))
        .await;
    assert_eq!(job.error.unwrap().reason(), ErrorReason::Unavailable);
    assert_eq!(fs::read_dir(small.0.path()).unwrap().count(), 0);
}

/// A worker that died between making a file appear and saying so left it to nobody.
#[tokio::test]
async fn the_file_of_an_export_that_then_failed_is_taken_back() {
    let world = World::with(|limits| {
        limits.sweep_every = Duration::from_millis(50);
        limits.sweep_grace = Duration::ZERO;
    })
    .await;
    let mut editor = world.suite.as_editor();
    let table = world.suite.table("planes").await;
    editor.import(csv_import(&table), csv(1, 10).as_bytes()).await;
    let whole = editor.export(export_to(&table, world.file("in/whole.csv"))).await;
    assert_eq!(whole.state(), pb::JobState::Completed, "{whole:?}");
    let content = fs::read_to_string(world.folder.path().join("in/whole.csv")).unwrap();

    let sql = &world.suite.sql;
    sql.act_for(world.suite.ours.id, world.suite.ours.admin).await;
    let mut left = Vec::new();
    for (name, found) in [
        ("left", Some(&*content)),
        ("changed", Some("else")),
        ("whole", None),
        ("gone", None),
    ] {
        if let Some(found) = found {
            world.put(&format!("in/{name}.csv"), found);
        }
        let id = uuid::Uuid::now_v7();
        let of = &whole.id;
        sql.run(&format!(
            "INSERT INTO export_job (id, tenant_id, table_id, status)
                SELECT '{id}', tenant_id, table_id, 'pending' FROM export_job WHERE id = '{of}';
             INSERT INTO export_run (job_id, tenant_id, created_by, options, progress, ready_at, holder,
                                     lease_expires_at, attempt)
                SELECT '{id}', tenant_id, created_by, options || '{{\"uri\": \"{}\"}}', progress, utc_now(), 'dead',
                       utc_now() + interval '1 hour', 1
                FROM export_run WHERE job_id = '{of}'",
            world.file(&format!("in/{name}.csv"))
        ))
        .await
        .unwrap();
        left.push(id.to_string());
    }
    for id in &left {
        let request = pb::CancelExportJobRequest {
            id: id.clone(),
            ..Default::default()
        };
        editor.exports.cancel_export_job(request).await.unwrap();
    }
    let unswept = format!(
        "SELECT count(*)::text FROM export_run WHERE swept_at IS NULL AND job_id IN ('{}')",
        left.join("', '")
    );
    let swept = async {
        while sql.value(&unswept).await.unwrap() != "0" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::suite::PATIENCE, swept).await.unwrap();
    let there = |name: &str| fs::read_to_string(world.folder.path().join(format!("in/{name}.csv"))).ok();
    assert_eq!(there("left"), None, "it was taken away");
    assert_eq!(
        there("changed").as_deref(),
        Some("else"),
        "it is somebody else's by now"
    );
    assert_eq!(
        there("whole"),
        Some(content),
        "an export that completed has written it"
    );
}
