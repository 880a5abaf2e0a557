//! Imports of other formats than CSV, said or told from the content.

use std::io::Write as _;

use datacovey_proto::transfer::v1 as pb;

use crate::suite::{Suite, csv, csv_import};

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn unsaid(table_id: &str) -> pb::CreateImportJobRequest {
    pb::CreateImportJobRequest {
        table_id: table_id.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn the_job_shows_what_its_content_was_found_to_be() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let job = editor.create(unsaid(&table)).await;
    assert_eq!(
        (job.format(), job.compression()),
        (pb::FileFormat::Unspecified, pb::Compression::Unspecified)
    );
    let lines: String = (0..500)
        .map(|n| format!("{{\"tailnum\": \"N{n}\", \"year\": {}}}\n", 1950 + n % 70))
        .collect();
    let content = gzip(lines.as_bytes());
    editor.upload(&job.id, &content).await;
    let job = editor.ended(&job.id).await;
    assert_eq!(
        (job.state(), job.rows_imported, job.format(), job.compression()),
        (
            pb::JobState::Completed,
            500,
            pb::FileFormat::Ndjson,
            pb::Compression::Gzip
        ),
        "{job:?}"
    );
    let progress = job.progress.unwrap();
    let all = content.len() as i64;
    assert_eq!((progress.bytes_done, progress.bytes_total), (all, Some(all)));

    let job = editor.import(unsaid(&table), csv(1_000, 10).as_bytes()).await;
    assert_eq!(
        (job.rows_imported, job.format(), job.compression()),
        (10, pb::FileFormat::Csv, pb::Compression::None)
    );
}

#[tokio::test]
async fn content_that_is_not_what_was_said_fails_and_leaves_nothing() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    for (content, part) in [
        (
            b"PAR1 and more".to_vec(),
            "said to be CSV, and its first bytes say that it is Parquet",
        ),
        (gzip(csv(1, 500).as_bytes())[..900].to_vec(), "cut short"),
    ] {
        let job = editor.import(csv_import(&table), &content).await;
        let error = job.error.clone().unwrap();
        assert_eq!((job.state(), job.version), (pb::JobState::Failed, None));
        assert!(error.message.contains(part), "{}", error.message);
    }
}

#[tokio::test]
async fn lines_that_are_no_objects_are_rejected_with_line_and_field() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let request = pb::CreateImportJobRequest {
        max_bad_records: 2,
        format: pb::FileFormat::Ndjson.into(),
        ..csv_import(&table)
    };
    let content = b"{\"tailnum\": \"N1\"}\n[]\n{\"tailnum\": \"N2\", \"year\": 1.5}\n";
    let job = editor.import(request, content).await;
    assert_eq!((job.rows_imported, job.rows_rejected), (1, 2), "{job:?}");
    let request = pb::ListRejectedRowsRequest {
        import_job_id: job.id,
        ..Default::default()
    };
    let rows = editor
        .imports
        .list_rejected_rows(request)
        .await
        .unwrap()
        .into_inner()
        .rejected_rows;
    let told: Vec<_> = rows.iter().map(|row| (row.line, row.field.as_str())).collect();
    assert_eq!(told, [(2, ""), (3, "year")]);
}
