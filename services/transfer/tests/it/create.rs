use datacovey_proto::transfer::v1 as pb;
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::suite::{Suite, csv, csv_import};

fn fields(status: &Status) -> Vec<String> {
    let details = status.get_details_bad_request().unwrap();
    details.field_violations.into_iter().map(|it| it.field).collect()
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

#[tokio::test]
async fn an_import_says_what_it_will_do() {
    let suite = Suite::start().await;
    let table = suite.table("planes").await;
    let request = pb::CreateImportJobRequest {
        mode: pb::ImportMode::Replace.into(),
        max_bad_records: 7,
        csv: Some(pb::CsvOptions {
            null_values: vec!["NA".to_owned()],
            ..Default::default()
        }),
        ..csv_import(&table)
    };
    let job = suite.as_editor().create(request).await;
    assert_eq!(
        (job.state(), job.format(), job.mode()),
        (
            pb::JobState::Pending,
            pb::FileFormat::Csv,
            pb::ImportMode::Replace
        )
    );
    assert_eq!((job.max_bad_records, job.table_id.as_str()), (7, table.as_str()));
    assert_eq!(job.csv.unwrap().null_values, ["NA"]);
    assert!(job.upload_expires_at.is_some() && job.version.is_none() && job.ended_at.is_none());
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let request = pb::CreateImportJobRequest {
        table_id: "x".to_owned(),
        format: 99,
        mode: 99,
        max_bad_records: -1,
        csv: Some(pb::CsvOptions {
            delimiter: Some("ab".to_owned()),
            ..Default::default()
        }),
        request_id: "a b".to_owned(),
        ..Default::default()
    };
    let status = editor.imports.create_import_job(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        fields(&status),
        [
            "request_id",
            "table_id",
            "format",
            "mode",
            "max_bad_records",
            "csv.delimiter"
        ]
    );

    let table = suite.table("planes").await;
    let columns = ["tailnum", "ghost", "tailnum"].map(str::to_owned).to_vec();
    let no_header = Some(pb::CsvOptions {
        header: Some(false),
        columns: columns.clone(),
        ..Default::default()
    });
    let request = pb::CreateImportJobRequest {
        csv: no_header,
        ..csv_import(&table)
    };
    let status = editor.imports.create_import_job(request).await.unwrap_err();
    assert_eq!(fields(&status), ["csv.columns[1]", "csv.columns[2]"]);
    let request = pb::CreateExportJobRequest {
        table_id: table,
        format: pb::FileFormat::Csv.into(),
        columns,
        ..Default::default()
    };
    let status = editor.exports.create_export_job(request).await.unwrap_err();
    assert_eq!(fields(&status), ["columns[1]", "columns[2]"]);
}

#[tokio::test]
async fn options_of_other_formats_are_refused() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    for (request, field) in [
        (
            pb::CreateImportJobRequest {
                format: pb::FileFormat::Ndjson.into(),
                csv: Some(pb::CsvOptions::default()),
                ..csv_import(&table)
            },
            "csv",
        ),
        (
            pb::CreateImportJobRequest {
                format: pb::FileFormat::Parquet.into(),
                compression: pb::Compression::Gzip.into(),
                ..csv_import(&table)
            },
            "compression",
        ),
        (
            pb::CreateImportJobRequest {
                csv: Some(pb::CsvOptions {
                    encoding: Some("klingon".to_owned()),
                    ..Default::default()
                }),
                ..csv_import(&table)
            },
            "csv.encoding",
        ),
    ] {
        let status = editor.imports.create_import_job(request).await.unwrap_err();
        assert_eq!(
            (status.code(), fields(&status)),
            (Code::InvalidArgument, vec![field.to_owned()])
        );
    }
}

#[tokio::test]
async fn keywords_that_the_import_does_not_know_are_named_by_their_path() {
    let suite = Suite::start().await;
    let schema = json!({ "type": "object", "properties": {
        "tail number": { "type": "string", "contentMediaType": "text/plain" },
        "year": { "type": "integer", "if": { "minimum": 2 } },
    } });
    let table = suite.table_of(suite.ours, "odd", &schema).await;
    let status = suite
        .as_editor()
        .imports
        .create_import_job(csv_import(&table))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::InvalidArgument, "INVALID_SCHEMA")
    );
    let mut named = fields(&status);
    named.sort();
    assert_eq!(
        named,
        [
            "table.schema.properties.year.if",
            "table.schema.properties[\"tail number\"].contentMediaType"
        ]
    );
}

#[tokio::test]
async fn tables_of_others_do_not_exist() {
    let suite = Suite::start().await;
    let ours = suite.table("planes").await;
    let theirs = suite
        .table_of(suite.theirs, "registered", &crate::suite::planes())
        .await;
    let nobodys = uuid::Uuid::from_u128(7).to_string();
    for (mut caller, table) in [
        (suite.as_other_tenant(), &ours),
        // A partner's table is seen in the catalog, and here it is none.
        (suite.as_editor(), &theirs),
        (suite.as_editor(), &nobodys),
    ] {
        let status = caller
            .imports
            .create_import_job(csv_import(table))
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::NotFound, "NOT_FOUND")
        );
        let request = pb::CreateExportJobRequest {
            table_id: table.clone(),
            format: pb::FileFormat::Csv.into(),
            ..Default::default()
        };
        assert_eq!(
            caller
                .exports
                .create_export_job(request)
                .await
                .unwrap_err()
                .code(),
            Code::NotFound
        );
    }
}

#[tokio::test]
async fn archived_tables_take_no_import() {
    let suite = Suite::start().await;
    let table = suite.table("planes").await;
    let archive = format!(
        "SET ROLE datacovey_owner; SET datacovey.tenant = '{}'; UPDATE \"table\" SET archived_at = utc_now() WHERE id = '{table}'",
        suite.ours.id
    );
    suite.sql.run(&archive).await.unwrap();
    for validate_only in [false, true] {
        let request = pb::CreateImportJobRequest {
            validate_only,
            ..csv_import(&table)
        };
        let status = suite
            .as_editor()
            .imports
            .create_import_job(request)
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::FailedPrecondition, "ARCHIVED")
        );
    }
}

#[tokio::test]
async fn validate_only_creates_nothing() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let request = pb::CreateImportJobRequest {
        validate_only: true,
        ..csv_import(&table)
    };
    let job = editor.create(request).await;
    assert_eq!((job.id.as_str(), job.table_id.as_str()), ("", table.as_str()));
    let jobs = editor
        .imports
        .list_import_jobs(pb::ListImportJobsRequest::default())
        .await
        .unwrap();
    assert!(jobs.into_inner().import_jobs.is_empty());
}

#[tokio::test]
async fn a_check_sees_what_is_archived_above_the_table() {
    for relation in ["dataset", "project"] {
        let suite = Suite::start().await;
        let mut editor = suite.as_editor();
        let table = suite.table("planes").await;
        let archive = format!(
            "SET ROLE datacovey_owner; SET datacovey.tenant = '{}'; UPDATE {relation} SET archived_at = now()",
            suite.ours.id
        );
        suite.sql.run(&archive).await.unwrap();
        for validate_only in [true, false] {
            let request = pb::CreateImportJobRequest {
                validate_only,
                ..csv_import(&table)
            };
            let status = editor.imports.create_import_job(request).await.unwrap_err();
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (Code::FailedPrecondition, "ARCHIVED"),
                "{relation}, {validate_only}"
            );
        }
    }
}

#[tokio::test]
async fn a_repeat_answers_with_the_same_import() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let request = pb::CreateImportJobRequest {
        request_id: "once".to_owned(),
        ..csv_import(&table)
    };
    let first = editor.create(request.clone()).await;
    assert_eq!(editor.create(request.clone()).await.id, first.id);
    let other = pb::CreateImportJobRequest {
        max_bad_records: 1,
        ..request
    };
    assert_eq!(
        editor.imports.create_import_job(other).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn a_tenant_has_a_number_of_open_jobs() {
    let suite = Suite::with(|limits| limits.open_per_tenant = 2).await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let first = editor.create(csv_import(&table)).await;
    editor.create(csv_import(&table)).await;
    let status = editor
        .imports
        .create_import_job(csv_import(&table))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "QUOTA_EXCEEDED")
    );
    // One that has ended counts no more, and other tenants never did.
    editor.upload(&first.id, csv(1, 1).as_bytes()).await;
    editor.ended(&first.id).await;
    editor.create(csv_import(&table)).await;
    let theirs = suite
        .table_of(suite.theirs, "registered", &crate::suite::planes())
        .await;
    suite.as_other_tenant().create(csv_import(&theirs)).await;
}
