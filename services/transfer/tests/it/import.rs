use datacovey_error::ErrorReason;
use datacovey_proto::transfer::v1 as pb;
use datacovey_storage::ObjectPath;
use futures::StreamExt as _;
use serde_json::json;
use tonic::Code;

use crate::suite::{Caller, Suite, csv, csv_import};

async fn rejected(caller: &mut Caller, job_id: &str) -> Vec<pb::RejectedRow> {
    let mut request = pb::ListRejectedRowsRequest {
        import_job_id: job_id.to_owned(),
        page_size: 2,
        ..Default::default()
    };
    let mut rows = Vec::new();
    loop {
        let page = caller
            .imports
            .list_rejected_rows(request.clone())
            .await
            .unwrap()
            .into_inner();
        rows.extend(page.rejected_rows);
        if page.next_page_token.is_empty() {
            return rows;
        }
        request.page_token = page.next_page_token;
    }
}

async fn versions(suite: &Suite, table: &str) -> Vec<Vec<String>> {
    let columns = "version, mode, rows, unique_columns";
    suite
        .sql
        .rows(&format!(
            "SELECT {columns} FROM table_version WHERE table_id = '{table}' ORDER BY 1"
        ))
        .await
        .unwrap()
}

#[tokio::test]
async fn each_import_makes_a_version() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let in_mode = |mode: pb::ImportMode| pb::CreateImportJobRequest {
        mode: mode.into(),
        ..csv_import(&table)
    };

    let content = csv(1, 500);
    let first = editor.import(csv_import(&table), content.as_bytes()).await;
    assert_eq!(
        (
            first.state(),
            first.version,
            first.rows_imported,
            first.rows_rejected
        ),
        (pb::JobState::Completed, Some(1), 500, 0)
    );
    let progress = first.progress.unwrap();
    let all = content.len() as i64;
    assert_eq!(
        (progress.rows_done, progress.bytes_done, progress.bytes_total),
        (500, all, Some(all))
    );
    // An average of so few rows may be of no time at all.
    let rates = progress.rows_per_second.zip(progress.bytes_per_second);
    assert!(
        rates.is_none_or(|(rows, bytes)| 0 < rows && rows < bytes),
        "{rates:?}"
    );
    assert_eq!(
        (first.error, first.upload_expires_at, first.sha256.len()),
        (None, None, 64)
    );

    editor.import(csv_import(&table), csv(501, 100).as_bytes()).await;
    // Tail numbers of the first import come again.
    editor.import(csv_import(&table), csv(600, 100).as_bytes()).await;
    editor.import(csv_import(&table), csv(9_000, 1).as_bytes()).await;
    editor
        .import(in_mode(pb::ImportMode::Replace), csv(7, 10).as_bytes())
        .await;
    let found = versions(&suite, &table).await;
    let expected = [
        ["1", "append", "500", "{tailnum}"],
        ["2", "append", "600", "{tailnum}"],
        ["3", "append", "700", "{}"],
        ["4", "append", "701", "{}"],
        ["5", "replace", "10", "{tailnum}"],
    ];
    assert_eq!(found, expected);

    let status = editor
        .imports
        .create_import_job(in_mode(pb::ImportMode::EmptyOnly))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn two_imports_into_a_table_at_once_both_count() {
    let suite = Suite::with(|limits| limits.worker.concurrency = 4).await;
    let table = suite.table("planes").await;
    let imports = (0..4).map(|n| {
        let (mut editor, request) = (suite.as_editor(), csv_import(&table));
        async move { editor.import(request, csv(n * 1_000, 200).as_bytes()).await }
    });
    let jobs = futures::future::join_all(imports).await;
    let mut made: Vec<i64> = jobs.iter().filter_map(|job| job.version).collect();
    made.sort_unstable();
    assert_eq!(made, [1, 2, 3, 4], "{jobs:?}");
    // Each proved uniqueness over what was there when it was committed.
    assert_eq!(
        versions(&suite, &table).await[3],
        ["4", "append", "800", "{tailnum}"]
    );
}

#[tokio::test]
async fn imports_that_prove_nothing_do_not_wait_for_each_other() {
    const IMPORTS: u32 = 12;
    let suite = Suite::with(|limits| {
        limits.worker.concurrency = IMPORTS as usize;
        limits.worker.max_running_per_tenant = IMPORTS;
    })
    .await;
    let plain = json!({ "type": "object", "properties": {
        "tailnum": { "type": "string" },
        "year": { "type": "integer" },
        "manufacturer": { "type": "string" },
    } });
    let table = suite.table_of(suite.ours, "plain", &plain).await;
    let imports = (0..IMPORTS).map(|_| {
        let (mut editor, request) = (suite.as_editor(), csv_import(&table));
        async move { editor.import(request, csv(1, 50).as_bytes()).await }
    });
    for job in futures::future::join_all(imports).await {
        assert_eq!(job.state(), pb::JobState::Completed, "{job:?}");
    }
    let last = &versions(&suite, &table).await[IMPORTS as usize - 1];
    assert_eq!(last, &["12", "append", "600", "{}"]);
}

#[tokio::test]
async fn an_import_into_an_empty_table_only() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let request = pb::CreateImportJobRequest {
        mode: pb::ImportMode::EmptyOnly.into(),
        ..csv_import(&table)
    };
    let [one, two] = [editor.create(request.clone()).await, editor.create(request).await];
    editor.upload(&one.id, csv(1, 2).as_bytes()).await;
    assert_eq!(editor.ended(&one.id).await.state(), pb::JobState::Completed);
    // The table was empty when this one was created, and is not any more.
    editor.upload(&two.id, csv(5, 2).as_bytes()).await;
    let two = editor.ended(&two.id).await;
    assert_eq!(
        (two.state(), two.error.unwrap().reason()),
        (pb::JobState::Failed, ErrorReason::WrongState)
    );
    assert_eq!(versions(&suite, &table).await.len(), 1);
}

#[tokio::test]
async fn bad_records_are_rejected_up_to_the_limit() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let content = b"tailnum,year,manufacturer\nN1,1999,A\nN2,old,B\n,1800,C\nN4,2001\nN5,,\n";
    let request = pb::CreateImportJobRequest {
        max_bad_records: 3,
        ..csv_import(&table)
    };
    let job = editor.import(request, content).await;
    assert_eq!(
        (job.state(), job.rows_imported, job.rows_rejected),
        (pb::JobState::Completed, 2, 3)
    );
    let told: Vec<_> = rejected(&mut editor, &job.id)
        .await
        .into_iter()
        .map(|row| (row.line, row.field, row.reason, row.value))
        .collect();
    let row = |line, field: &str, reason: &str, value: &str| {
        (line, field.to_owned(), reason.to_owned(), value.to_owned())
    };
    assert_eq!(
        told,
        [
            row(3, "year", "is not an integer", "old"),
            row(4, "year", "must be at least 1900", "1800"),
            row(4, "tailnum", "is required and has no value", ""),
            // What stands there may be an identity.
            row(5, "", "has 2 fields instead of 3", ""),
        ]
    );
    assert_eq!(
        suite
            .as_user()
            .imports
            .list_rejected_rows(pb::ListRejectedRowsRequest {
                import_job_id: job.id.clone(),
                ..Default::default()
            })
            .await
            .unwrap()
            .into_inner()
            .rejected_rows
            .len(),
        4
    );
    let request = pb::ListRejectedRowsRequest {
        import_job_id: job.id,
        ..Default::default()
    };
    let status = suite
        .as_other_tenant()
        .imports
        .list_rejected_rows(request)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn beyond_the_limit_nothing_is_visible() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let content = b"tailnum,year,manufacturer\nN1,1999,A\nN2,old,B\nN3,2000,C\nN4,new,D\n";
    let request = pb::CreateImportJobRequest {
        max_bad_records: 1,
        ..csv_import(&table)
    };
    let job = editor.import(request, content).await;
    let error = job.error.clone().unwrap();
    assert_eq!(
        (job.state(), job.version, job.rows_imported),
        (pb::JobState::Failed, None, 0)
    );
    assert_eq!(
        (error.reason(), error.line, error.field.as_str()),
        (ErrorReason::TransferFailed, Some(3), "year")
    );
    assert_eq!(rejected(&mut editor, &job.id).await.len(), 2);
    assert!(versions(&suite, &table).await.is_empty());
}

#[tokio::test]
async fn content_that_cannot_be_read_fails_with_a_reason() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let parquet = pb::CreateImportJobRequest {
        format: pb::FileFormat::Parquet.into(),
        ..csv_import(&table)
    };
    for (request, content, expected) in [
        (csv_import(&table), &b""[..], "empty"),
        (csv_import(&table), b"tailnum,tailnum,ghost\n", "ghost"),
        (csv_import(&table), b"year\n1999\n", "\"tailnum\" is missing"),
        (csv_import(&table), b"tailnum\n\"N1\n", "never closed"),
        (parquet.clone(), b"PAR1 is not all it takes PAR1", "Parquet"),
        (parquet, b"", "Parquet"),
    ] {
        let job = editor.import(request, content).await;
        let error = job.error.unwrap();
        assert!(error.message.contains(expected), "{}", error.message);
        assert_eq!(error.reason(), ErrorReason::TransferFailed);
    }
    assert!(versions(&suite, &table).await.is_empty());
}

#[tokio::test]
async fn rows_are_limited() {
    let suite = Suite::with(|limits| limits.max_import_rows = 100).await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let error = editor
        .import(csv_import(&table), csv(1, 101).as_bytes())
        .await
        .error
        .unwrap();
    assert_eq!(error.reason(), ErrorReason::TooLarge);
    let job = editor.import(csv_import(&table), csv(1, 100).as_bytes()).await;
    assert_eq!(job.version, Some(1));
}

#[tokio::test]
async fn a_header_alone_makes_a_version_without_rows() {
    let suite = Suite::start().await;
    let table = suite.table("planes").await;
    let job = suite
        .as_editor()
        .import(csv_import(&table), b"tailnum,year,manufacturer\n")
        .await;
    assert_eq!(
        (job.state(), job.version, job.rows_imported),
        (pb::JobState::Completed, Some(1), 0)
    );
}

#[tokio::test]
async fn csv_as_others_write_it() {
    let suite = Suite::start().await;
    let table = suite.table("planes").await;
    let request = pb::CreateImportJobRequest {
        csv: Some(pb::CsvOptions {
            delimiter: Some(";".to_owned()),
            quote: Some("'".to_owned()),
            header: Some(false),
            columns: vec!["year".to_owned(), "tailnum".to_owned()],
            null_values: vec!["NA".to_owned(), "-".to_owned()],
            ..Default::default()
        }),
        ..csv_import(&table)
    };
    let job = suite
        .as_editor()
        .import(request, b"NA;'N1'\r\n1999;N2\r\n-;'N;3'\r\n")
        .await;
    assert_eq!(
        (job.state(), job.rows_imported),
        (pb::JobState::Completed, 3),
        "{job:?}"
    );
}

#[tokio::test]
async fn the_schema_counts_as_it_is_when_the_import_runs() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let job = editor.create(csv_import(&table)).await;
    let schema = json!({ "type": "object", "properties": { "tailnum": { "type": "string", "contentMediaType": "text/plain" } } });
    let change = format!(
        "SET ROLE datacovey_owner; SET datacovey.tenant = '{}'; UPDATE \"table\" SET schema = '{schema}' WHERE id = '{table}'",
        suite.ours.id
    );
    suite.sql.run(&change).await.unwrap();
    editor.upload(&job.id, b"tailnum\nN1\n").await;
    let error = editor.ended(&job.id).await.error.unwrap();
    assert_eq!(error.reason(), ErrorReason::InvalidSchema);
    assert!(
        error.message.contains("$.properties.tailnum.contentMediaType"),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn one_who_may_not_import_any_more_imports_nothing() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let job = editor.create(csv_import(&table)).await;
    let demote = format!(
        "SET ROLE datacovey_owner; SET datacovey.tenant = '{}'; UPDATE \"user\" SET role = 'Dataset user' WHERE id = '{}'",
        suite.ours.id, job.created_by
    );
    suite.sql.run(&demote).await.unwrap();
    editor.upload(&job.id, csv(1, 1).as_bytes()).await;
    let job = editor.ended(&job.id).await;
    assert_eq!(
        (job.state(), job.error.unwrap().reason()),
        (pb::JobState::Failed, ErrorReason::PermissionDenied)
    );
}

/// What was uploaded, as long as a sweep would leave it alone.
#[tokio::test]
async fn what_was_uploaded_goes_when_the_import_ends() {
    let suite = Suite::with(|limits| limits.sweep_grace = std::time::Duration::from_secs(24 * 3600)).await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let staged = async |job: &pb::ImportJob| {
        let folder = ObjectPath::from(format!("staging/{}", job.id));
        suite.transfer.store.list(&folder).count().await
    };
    let gone = async |job: &pb::ImportJob| {
        let gone = async {
            while staged(job).await > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(crate::suite::PATIENCE, gone).await.unwrap();
    };
    for (content, state) in [
        (csv(1, 500), pb::JobState::Completed),
        (csv(1, 500).replace("1960", "x"), pb::JobState::Failed),
    ] {
        let job = editor.create(csv_import(&table)).await;
        editor.send(&job.id, 0, content.as_bytes(), None).await.unwrap();
        assert!(staged(&job).await > 1);
        let finish = crate::suite::finish(content.len());
        editor
            .send(&job.id, content.len(), b"", Some(finish))
            .await
            .unwrap();
        let job = editor.ended(&job.id).await;
        assert_eq!(job.state(), state);
        gone(&job).await;
    }
    // Of one whose upload is cancelled half-way, it is gone when the answer comes.
    let job = editor.create(csv_import(&table)).await;
    editor
        .send(&job.id, 0, csv(1, 500).as_bytes(), None)
        .await
        .unwrap();
    assert!(staged(&job).await > 1);
    let request = pb::CancelImportJobRequest {
        id: job.id.clone(),
        request_id: String::new(),
    };
    editor.imports.cancel_import_job(request).await.unwrap();
    gone(&job).await;
}

#[tokio::test]
async fn what_is_left_behind_is_swept() {
    let suite = Suite::with(|limits| {
        limits.sweep_every = std::time::Duration::from_millis(100);
        limits.sweep_grace = std::time::Duration::ZERO;
    })
    .await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let completed = editor.import(csv_import(&table), csv(1, 500).as_bytes()).await;
    let failed = editor
        .import(csv_import(&table), csv(1, 500).replace("1960", "x").as_bytes())
        .await;
    assert_eq!(
        (completed.state(), failed.state()),
        (pb::JobState::Completed, pb::JobState::Failed)
    );
    let left = async |folder: &str| suite.transfer.store.list(&ObjectPath::from(folder)).count().await;
    let swept = async {
        while left("staging").await > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::suite::PATIENCE, swept).await.unwrap();
    // The file of the version is all that stays.
    assert_eq!(left("tenant").await, 1);
}

fn readings() -> serde_json::Value {
    json!({ "type": "object", "required": ["id"], "additionalProperties": true, "properties": {
        "id": { "type": "string", "format": "uuid", "x-unique": true },
        "price": { "type": "string", "format": "decimal", "x-precision": 9, "x-scale": 2, "minimum": 0 },
        "at": { "type": "string", "format": "time" },
        "tags": { "type": "array", "items": { "type": "string", "maxLength": 3 }, "uniqueItems": true },
    } })
}

fn reading(n: u32) -> String {
    format!("0190C6A2-7b1e-7000-8000-{n:012}")
}

#[tokio::test]
async fn every_type_is_checked_and_reads_back() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table_of(suite.ours, "readings", &readings()).await;
    let content = format!(
        "notes,id,price,at,tags\nx,{},1.5,10:00:00,\"[\"\"a\"\",\"\"b\"\"]\"\nx,{},-1,10:00,\"[\"\"a\"\",\"\"a\"\"]\"\nx,{},1.005,,\"[\"\"long\"\"]\"\n",
        reading(1),
        reading(2),
        reading(3)
    );
    let request = pb::CreateImportJobRequest {
        max_bad_records: 2,
        ..csv_import(&table)
    };
    let job = editor.import(request, content.as_bytes()).await;
    assert_eq!(
        (job.state(), job.rows_imported),
        (pb::JobState::Completed, 1),
        "{job:?}"
    );
    assert_eq!(job.ignored_columns, ["notes"]);
    let mut told: Vec<_> = rejected(&mut editor, &job.id)
        .await
        .into_iter()
        .map(|row| (row.line, row.field, row.reason))
        .collect();
    told.sort();
    let row = |line, field: &str, reason: &str| (line, field.to_owned(), reason.to_owned());
    assert_eq!(
        told,
        [
            row(3, "at", "is not a time as in 23:59:59"),
            row(3, "price", "must be at least 0.00"),
            row(3, "tags", "holds an item twice"),
            row(4, "price", "has more digits after the point than the column"),
            row(4, "tags[0]", "has 4 characters, may have at most 3"),
        ]
    );
    let export = pb::CreateExportJobRequest {
        table_id: table,
        format: pb::FileFormat::Csv.into(),
        ..Default::default()
    };
    let job = editor.export(export).await;
    let exported = String::from_utf8(editor.download(&job.id, 0).await.unwrap()).unwrap();
    // In the order in which the database keeps the members of a schema.
    let expected = format!(
        "at,id,tags,price\r\n10:00:00,{},\"[\"\"a\"\",\"\"b\"\"]\",1.50\r\n",
        reading(1).to_lowercase()
    );
    assert_eq!(exported, expected);
}

#[tokio::test]
async fn values_that_must_be_unique_repeat_nowhere() {
    let suite = Suite::with(|limits| {
        limits.worker.concurrency = 3;
        limits.write.unique.run_rows = 7;
    })
    .await;
    let mut editor = suite.as_editor();
    let table = suite.table_of(suite.ours, "readings", &readings()).await;
    let content = |ids: &[u32]| {
        let rows: String = ids.iter().map(|n| format!("{}\n", reading(*n))).collect();
        format!("id\n{rows}").into_bytes()
    };
    let all: Vec<u32> = (0..50).collect();
    let first = editor.import(csv_import(&table), &content(&all)).await;
    assert_eq!(first.state(), pb::JobState::Completed, "{first:?}");
    let job = editor
        .import(csv_import(&table), &content(&[70, 71, 7, 72, 70]))
        .await;
    assert_eq!(job.state(), pb::JobState::Failed);
    let error = job.error.unwrap();
    assert_eq!((error.line, error.field.as_str()), (Some(4), "id"));
    let told: Vec<_> = rejected(&mut editor, &job.id)
        .await
        .into_iter()
        .map(|row| (row.line, row.field, row.reason, row.value))
        .collect();
    let row = |line, reason: &str| (line, "id".to_owned(), reason.to_owned(), String::new());
    assert_eq!(
        told,
        [
            row(4, "must be unique and repeats a value that the table holds"),
            row(6, "must be unique and repeats the value of line 2"),
        ]
    );
    assert_eq!(versions(&suite, &table).await, [["1", "append", "50", "{id}"]]);

    // Of imports at once that bring the same value, one comes first and the others are told.
    let imports = (0..3).map(|n| {
        let (mut editor, request, content) =
            (suite.as_editor(), csv_import(&table), content(&[100, 200 + n]));
        async move { editor.import(request, &content).await }
    });
    let jobs = futures::future::join_all(imports).await;
    let completed = jobs.iter().filter(|job| job.state() == pb::JobState::Completed);
    assert_eq!(completed.count(), 1, "{jobs:?}");
    assert_eq!(versions(&suite, &table).await.len(), 2);
}
