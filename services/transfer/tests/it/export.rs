use std::io::Read as _;
use std::time::Duration;

use datacovey_proto::transfer::v1 as pb;
use datacovey_storage::ObjectPath;
use futures::StreamExt as _;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::suite::{Suite, csv, csv_import};

fn csv_export(table_id: &str) -> pb::CreateExportJobRequest {
    pb::CreateExportJobRequest {
        table_id: table_id.to_owned(),
        format: pb::FileFormat::Csv.into(),
        ..Default::default()
    }
}

/// The schema's columns come in the order that the database keeps them in; lines in that of the files.
fn lines(content: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = String::from_utf8(content.to_vec())
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn what_was_imported_is_exported() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let content = csv(1, 5_000);
    editor.import(csv_import(&table), content.as_bytes()).await;
    let columns = ["tailnum", "year", "manufacturer"].map(str::to_owned).to_vec();
    let job = editor
        .export(pb::CreateExportJobRequest {
            columns: columns.clone(),
            ..csv_export(&table)
        })
        .await;
    assert_eq!(
        (job.state(), job.table_version, job.rows_exported, &job.columns),
        (pb::JobState::Completed, 1, 5_000, &columns)
    );
    let exported = editor.download(&job.id, 0).await.unwrap();
    assert_eq!(lines(&exported), lines(content.as_bytes()));
    assert_eq!(job.size_bytes, Some(exported.len() as i64));
    assert!(job.expires_at.is_some() && job.sha256.len() == 64);

    // A broken download goes on from where it broke.
    let from = exported.len() / 3;
    assert_eq!(
        editor.download(&job.id, from as i64).await.unwrap(),
        exported[from..]
    );
    assert_eq!(
        editor.download(&job.id, exported.len() as i64).await.unwrap(),
        b""
    );
    let status = editor
        .download(&job.id, exported.len() as i64 + 1)
        .await
        .unwrap_err();
    assert_eq!(
        (
            status.code(),
            status.get_details_error_info().unwrap().reason.as_str()
        ),
        (Code::OutOfRange, "WRONG_OFFSET")
    );
    assert_eq!(
        editor.download(&job.id, -1).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn parquet_goes_out_and_comes_back_in() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let [first, second] = [suite.table("first").await, suite.table("second").await];
    editor.import(csv_import(&first), csv(1, 3_000).as_bytes()).await;
    let parquet = pb::FileFormat::Parquet.into();
    let job = editor
        .export(pb::CreateExportJobRequest {
            format: parquet,
            ..csv_export(&first)
        })
        .await;
    let file = editor.download(&job.id, 0).await.unwrap();
    let import = pb::CreateImportJobRequest {
        format: parquet,
        ..csv_import(&second)
    };
    let imported = editor.import(import, &file).await;
    assert_eq!(
        (imported.state(), imported.rows_imported),
        (pb::JobState::Completed, 3_000)
    );
    let jobs = [
        editor.export(csv_export(&first)).await,
        editor.export(csv_export(&second)).await,
    ];
    let [one, two] = [&jobs[0], &jobs[1]];
    assert_eq!(
        lines(&editor.download(&one.id, 0).await.unwrap()),
        lines(&editor.download(&two.id, 0).await.unwrap())
    );
}

#[tokio::test]
async fn text_is_compressed_and_the_rest_is_refused_to_be() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    editor.import(csv_import(&table), csv(1, 3_000).as_bytes()).await;
    let request = |format: pb::FileFormat, compression: pb::Compression| pb::CreateExportJobRequest {
        format: format.into(),
        compression: compression.into(),
        ..csv_export(&table)
    };
    for format in [pb::FileFormat::Csv, pb::FileFormat::Ndjson] {
        let job = editor.export(request(format, pb::Compression::None)).await;
        let plain = editor.download(&job.id, 0).await.unwrap();
        let job = editor.export(request(format, pb::Compression::Gzip)).await;
        assert_eq!(
            (job.state(), job.format(), job.compression(), job.rows_exported),
            (pb::JobState::Completed, format, pb::Compression::Gzip, 3_000)
        );
        let packed = editor.download(&job.id, 0).await.unwrap();
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(lines(&unpacked), lines(&plain));
        let job = editor.export(request(format, pb::Compression::Zstd)).await;
        let packed = editor.download(&job.id, 0).await.unwrap();
        assert!(packed.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) && packed.len() < plain.len());
    }
    let job = editor
        .export(request(pb::FileFormat::Arrow, pb::Compression::None))
        .await;
    let file = editor.download(&job.id, 0).await.unwrap();
    assert!(file.starts_with(b"ARROW1") && file.ends_with(b"ARROW1"));
    for format in [pb::FileFormat::Parquet, pb::FileFormat::Arrow] {
        let refused = request(format, pb::Compression::Gzip);
        let status = editor.exports.create_export_job(refused).await.unwrap_err();
        let fields: Vec<_> = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(
            (status.code(), fields[0].field.as_str()),
            (Code::InvalidArgument, "compression")
        );
    }
}

#[tokio::test]
async fn a_version_is_exported_as_it_was() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    for first in [1, 1_001, 2_001] {
        editor.import(csv_import(&table), csv(first, 10).as_bytes()).await;
    }
    let replace = pb::CreateImportJobRequest {
        mode: pb::ImportMode::Replace.into(),
        ..csv_import(&table)
    };
    editor.import(replace, csv(9_000, 3).as_bytes()).await;
    for (version, rows) in [
        (None, 3),
        (Some(4), 3),
        (Some(3), 30),
        (Some(1), 10),
        (Some(0), 0),
    ] {
        let job = editor
            .export(pb::CreateExportJobRequest {
                table_version: version,
                ..csv_export(&table)
            })
            .await;
        assert_eq!(
            (job.rows_exported, job.table_version),
            (rows, version.unwrap_or(4)),
            "{version:?}"
        );
    }
    let missing = pb::CreateExportJobRequest {
        table_version: Some(5),
        ..csv_export(&table)
    };
    assert_eq!(
        editor
            .exports
            .create_export_job(missing)
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    let negative = pb::CreateExportJobRequest {
        table_version: Some(-1),
        ..csv_export(&table)
    };
    assert_eq!(
        editor
            .exports
            .create_export_job(negative)
            .await
            .unwrap_err()
            .code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_table_that_never_held_data_is_a_header() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let columns = vec!["year".to_owned()];
    let job = editor
        .export(pb::CreateExportJobRequest {
            columns,
            ..csv_export(&table)
        })
        .await;
    assert_eq!((job.table_version, job.rows_exported), (0, 0));
    assert_eq!(editor.download(&job.id, 0).await.unwrap(), b"year\r\n");
}

#[tokio::test]
async fn files_are_had_while_they_last_and_once_they_are_there() {
    let suite = Suite::with(|limits| limits.export_lifetime = Duration::ZERO).await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let job = editor.export(csv_export(&table)).await;
    let expired = editor.download(&job.id, 0).await.unwrap_err();
    assert_eq!(expired.code(), Code::FailedPrecondition);

    let waiting = suite
        .sql
        .export_job(suite.ours, table.parse().unwrap())
        .await
        .to_string();
    let request = pb::CancelExportJobRequest {
        id: waiting.clone(),
        request_id: String::new(),
    };
    let cancelled = editor
        .exports
        .cancel_export_job(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(cancelled.state(), pb::JobState::Failed);
    assert_eq!(
        editor.download(&waiting, 0).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn exports_of_others_do_not_exist() {
    let suite = Suite::start().await;
    let table = suite.table("planes").await;
    let job = suite.as_editor().export(csv_export(&table)).await;
    let mut other = suite.as_other_tenant();
    let id = job.id;
    let codes = [
        other
            .exports
            .get_export_job(pb::GetExportJobRequest { id: id.clone() })
            .await
            .unwrap_err()
            .code(),
        other
            .exports
            .watch_export_job(pb::WatchExportJobRequest { id: id.clone() })
            .await
            .unwrap_err()
            .code(),
        other
            .exports
            .wait_export_job(pb::WaitExportJobRequest {
                id: id.clone(),
                timeout: None,
            })
            .await
            .unwrap_err()
            .code(),
        other.download(&id, 0).await.unwrap_err().code(),
    ];
    assert_eq!(codes, [Code::NotFound; 4]);
    let listed = other
        .exports
        .list_export_jobs(pb::ListExportJobsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(listed.export_jobs.is_empty());
    // Of the own tenant, who may not export still sees that others did.
    let mut user = suite.as_user();
    let seen = user
        .exports
        .get_export_job(pb::GetExportJobRequest { id: id.clone() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(seen.state(), pb::JobState::Completed);
    assert_eq!(
        user.download(&id, 0).await.unwrap_err().code(),
        Code::PermissionDenied
    );
}

#[tokio::test]
async fn a_file_goes_when_it_has_expired_and_not_before() {
    for (lifetime, expires) in [(Duration::ZERO, true), (Duration::from_secs(3600), false)] {
        let suite = Suite::with(|limits| {
            limits.sweep_every = Duration::from_millis(100);
            limits.sweep_grace = Duration::ZERO;
            limits.export_lifetime = lifetime;
        })
        .await;
        let mut editor = suite.as_editor();
        let table = suite.table("planes").await;
        editor.import(csv_import(&table), csv(1, 10).as_bytes()).await;
        let job = editor.export(csv_export(&table)).await;
        let left = async |folder: &str| suite.transfer.store.list(&ObjectPath::from(folder)).count().await;
        // What was staged for a later import is swept after the export could have been.
        editor.import(csv_import(&table), csv(11, 10).as_bytes()).await;
        let swept = async {
            while left("staging").await > 0 || (expires && left("result").await > 0) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(crate::suite::PATIENCE, swept).await.unwrap();
        assert_eq!(editor.download(&job.id, 0).await.is_err(), expires);
    }
}
