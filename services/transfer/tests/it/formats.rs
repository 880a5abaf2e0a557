//! Files of every format, in and out: said or told from the content, and what nobody should send.

use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use datacovey_proto::transfer::v1 as pb;

use crate::suite::{Caller, Suite, csv, csv_import};

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

async fn rejected(editor: &mut Caller, job: &pb::ImportJob) -> Vec<pb::RejectedRow> {
    let request = pb::ListRejectedRowsRequest {
        import_job_id: job.id.clone(),
        ..Default::default()
    };
    let page = editor.imports.list_rejected_rows(request).await.unwrap();
    page.into_inner().rejected_rows
}

fn planes() -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from(vec!["N1", "N2", "N3"]));
    let years: ArrayRef = Arc::new(Int64Array::from(vec![Some(1999), None, Some(1800)]));
    RecordBatch::try_from_iter([("tailnum", names), ("year", years)]).unwrap()
}

#[tokio::test]
async fn arrow_is_imported_as_file_and_as_stream() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let batch = planes();
    let mut file = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    file.write(&batch).unwrap();
    let file = file.into_inner().unwrap();
    let mut stream = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    stream.write(&batch).unwrap();
    let stream = stream.into_inner().unwrap();
    for (name, content, compression) in [
        ("file", file.clone(), pb::Compression::None),
        ("stream", stream.clone(), pb::Compression::None),
        ("packed", gzip(&stream), pb::Compression::Gzip),
    ] {
        let table = suite.table(name).await;
        let request = pb::CreateImportJobRequest {
            max_bad_records: 1,
            ..unsaid(&table)
        };
        let job = editor.import(request, &content).await;
        assert_eq!(
            (job.rows_imported, job.format(), job.compression()),
            (2, pb::FileFormat::Arrow, compression),
            "{name}: {job:?}"
        );
        let rows = rejected(&mut editor, &job).await;
        assert_eq!((rows[0].line, rows[0].field.as_str()), (3, "year"));
    }
}

#[tokio::test]
async fn text_of_other_encodings_is_taken_where_it_is_said() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let content = b"tailnum,manufacturer\n# nobody\nN1,Caf\xe9\n";
    let request = pb::CreateImportJobRequest {
        csv: Some(pb::CsvOptions {
            encoding: Some("latin1".to_owned()),
            comment: Some("#".to_owned()),
            ..Default::default()
        }),
        ..unsaid(&table)
    };
    let job = editor.import(request, content).await;
    assert_eq!(
        (job.rows_imported, job.format()),
        (1, pb::FileFormat::Csv),
        "{job:?}"
    );
    let export = pb::CreateExportJobRequest {
        table_id: table,
        format: pb::FileFormat::Ndjson.into(),
        columns: vec!["manufacturer".to_owned()],
        ..Default::default()
    };
    let job = suite.as_admin().export(export).await;
    let content = suite.as_admin().download(&job.id, 0).await.unwrap();
    assert_eq!(
        String::from_utf8(content).unwrap(),
        "{\"manufacturer\":\"Café\"}\n"
    );
}

#[tokio::test]
async fn what_nobody_should_send_fails_with_a_reason_and_changes_nothing() {
    let suite = Suite::with(|limits| {
        limits.max_upload_bytes = 100_000;
        limits.max_line_bytes = 2_000;
    })
    .await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let many: Vec<String> = (0..10_000).map(|at| format!("c{at}")).collect();
    let long = "x".repeat(3_000);
    for (content, reason) in [
        (Vec::new(), "the file is empty"),
        (gzip(b""), "the file is empty"),
        (gzip(&vec![b'\n'; 4_000_000]), "unpacks to more than 100000 bytes"),
        (gzip(csv(1, 500).as_bytes())[..900].to_vec(), "cut short"),
        (
            [&[0x28, 0xb5, 0x2f, 0xfd], &[0x11; 50][..]].concat(),
            "the Zstandard content is damaged",
        ),
        (b"PAR1PAR1".to_vec(), "not readable as Parquet"),
        (b"ARROW1\0\0 and more".to_vec(), "not readable as Arrow"),
        (
            format!("tailnum\nN1\n\"{long}\"\n").into_bytes(),
            "the record at line 3 has more than 2000 bytes",
        ),
        (
            format!("{{\"tailnum\": \"N1\"}}\n{{\"tailnum\": \"{long}\"}}\n").into_bytes(),
            "line 2 has more than 2000 bytes",
        ),
        (b"tailnum,\xff\n".to_vec(), "the name of column 2 is not UTF-8"),
        (b"tailnum,tailnum\nN1,N2\n".to_vec(), "\"tailnum\" occurs twice"),
        (
            format!("{}\n", many.join(",")).into_bytes(),
            "the record at line 1 has more than 2000 bytes",
        ),
        (b"tailnum,\"year\nN1,1\n".to_vec(), "is never closed"),
    ] {
        let job = editor.import(unsaid(&table), &content).await;
        let error = job.error.clone().unwrap_or_default();
        assert!(error.message.contains(reason), "{reason} in {job:?}");
        assert_eq!((job.state(), job.version), (pb::JobState::Failed, None));
    }
    // Values that are none are rejected, and the rest is taken.
    for content in [
        "tailnum,year\n\u{feff}N1,99999999999999999999\nN2,1e999\nN3,99999-01-01\nN4,2000\n",
        "{\"tailnum\": \"N1\", \"year\": 99999999999999999999}\n{\"tailnum\": 1}\n[]\n{\"tailnum\": \"N5\"}\n",
    ] {
        let request = pb::CreateImportJobRequest {
            max_bad_records: 3,
            ..unsaid(&table)
        };
        let job = editor.import(request, content.as_bytes()).await;
        assert_eq!((job.rows_imported, job.rows_rejected), (1, 3), "{job:?}");
        assert_eq!(rejected(&mut editor, &job).await.len(), 3);
    }
    let request = pb::CreateImportJobRequest {
        max_bad_records: 1,
        ..unsaid(&table)
    };
    let job = editor.import(request, b"tailnum\nN6\nN\xff\n").await;
    assert_eq!(rejected(&mut editor, &job).await[0].reason, "is not UTF-8");
    // Of a header alone nothing comes, and nothing is wrong with it.
    let job = editor.import(unsaid(&table), b"tailnum\n").await;
    assert_eq!((job.state(), job.rows_imported), (pb::JobState::Completed, 0));
}

#[tokio::test]
async fn every_format_and_compression_goes_out_and_comes_back_in() {
    let suite = Suite::start().await;
    let (mut editor, mut admin) = (suite.as_editor(), suite.as_admin());
    let table = suite.table("planes").await;
    let rows = csv(1, 500) + "N501,,\"a \"\"b\"\"\r\nc, d\"\nN502,,\"\"\nN503,,\n";
    let job = editor.import(csv_import(&table), rows.as_bytes()).await;
    assert_eq!(job.rows_imported, 503, "{job:?}");
    let export =
        |table_id: &str, format: pb::FileFormat, compression: pb::Compression| pb::CreateExportJobRequest {
            table_id: table_id.to_owned(),
            format: format.into(),
            compression: compression.into(),
            ..Default::default()
        };
    let as_csv = |table: &str| export(table, pb::FileFormat::Csv, pb::Compression::None);
    let job = admin.export(as_csv(&table)).await;
    let expected = admin.download(&job.id, 0).await.unwrap();
    for (at, (format, compression)) in [
        (pb::FileFormat::Csv, pb::Compression::Gzip),
        (pb::FileFormat::Csv, pb::Compression::Zstd),
        (pb::FileFormat::Ndjson, pb::Compression::None),
        (pb::FileFormat::Ndjson, pb::Compression::Gzip),
        (pb::FileFormat::Ndjson, pb::Compression::Zstd),
        (pb::FileFormat::Parquet, pb::Compression::None),
        (pb::FileFormat::Arrow, pb::Compression::None),
    ]
    .into_iter()
    .enumerate()
    {
        let job = admin.export(export(&table, format, compression)).await;
        assert_eq!(
            (job.state(), job.rows_exported, job.compression()),
            (pb::JobState::Completed, 503, compression),
            "{job:?}"
        );
        let content = admin.download(&job.id, 0).await.unwrap();
        let other = suite.table(&format!("planes {at}")).await;
        let job = editor.import(unsaid(&other), &content).await;
        assert_eq!(
            (job.rows_imported, job.format(), job.compression()),
            (503, format, compression),
            "{job:?}"
        );
        let job = admin.export(as_csv(&other)).await;
        assert_eq!(admin.download(&job.id, 0).await.unwrap(), expected, "{format:?}");
    }
}
