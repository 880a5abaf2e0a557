//! What import keeps beside identities: ids that are equal in all tables of a project, whosever they are.

use arrow::array::AsArray as _;
use arrow::datatypes::{self, Int64Type};
use bytes::Bytes;
use datacovey_proto::internal::transfer::v1::{ResolveVersionsRequest, ResolvedVersion};
use datacovey_proto::transfer::v1 as pb;
use datacovey_storage::ObjectPath;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

use crate::suite::{Caller, Suite, csv, csv_import, planes};

async fn resolve(caller: &mut Caller, table: &str) -> ResolvedVersion {
    let table_ids = vec![table.to_owned()];
    let request = ResolveVersionsRequest { table_ids };
    let answer = caller.resolver.resolve_versions(request).await.unwrap();
    answer.into_inner().versions.remove(0)
}

/// The columns that have ids, and of what key.
fn identities(version: &ResolvedVersion) -> Vec<(&str, &str)> {
    let told = version.identity_columns.iter();
    told.map(|it| (it.column.as_str(), it.key_fingerprint.as_str()))
        .collect()
}

/// A hidden column of a table's files, row by row.
async fn hidden(suite: &Suite, version: &ResolvedVersion, column: &str) -> Vec<i64> {
    let mut values = Vec::new();
    for file in &version.files {
        let path = ObjectPath::from(file.path.as_str());
        let size = u64::try_from(file.size_bytes).unwrap();
        let bytes = suite.transfer.store.get_range(&path, 0..size).await.unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
            .unwrap()
            .build()
            .unwrap();
        for batch in reader {
            let batch = batch.unwrap();
            let column = batch.column_by_name(&format!("__id_{column}")).unwrap();
            values.extend(column.as_primitive::<Int64Type>().values());
        }
    }
    values
}

#[tokio::test]
async fn equal_identities_of_two_tenants_have_equal_ids_and_of_two_projects_others() {
    let suite = Suite::start().await;
    let ours = suite.table("ours").await;
    let theirs = suite.table_of(suite.theirs, "theirs", &planes()).await;
    let project = suite.sql.project(suite.ours.id, "Another").await;
    let dataset = suite.sql.dataset(suite.ours.id, project, "fleet").await;
    let elsewhere = suite
        .sql
        .table(suite.ours.id, dataset, "planes", &planes())
        .await
        .to_string();
    let (mut editor, mut other) = (suite.as_editor(), suite.as_other_tenant());
    // Two of one project at once, of which none has a secret yet.
    let (first, second) = (csv(1, 50), csv(1, 50));
    let (left, right) = tokio::join!(
        editor.import(csv_import(&ours), first.as_bytes()),
        other.import(csv_import(&theirs), second.as_bytes()),
    );
    assert_eq!(
        (left.version, right.version),
        (Some(1), Some(1)),
        "{left:?} {right:?}"
    );
    editor.import(csv_import(&elsewhere), csv(1, 50).as_bytes()).await;

    let [ours, elsewhere] = [
        resolve(&mut editor, &ours).await,
        resolve(&mut editor, &elsewhere).await,
    ];
    let theirs = resolve(&mut other, &theirs).await;
    let [(column, fingerprint)] = identities(&ours)[..] else {
        panic!("{ours:?}")
    };
    assert_eq!((column, fingerprint.len()), ("tailnum", 16));
    assert_eq!(identities(&theirs), [("tailnum", fingerprint)]);
    assert_ne!(identities(&elsewhere), [("tailnum", fingerprint)]);
    let ids = hidden(&suite, &ours, "tailnum").await;
    assert_eq!(hidden(&suite, &theirs, "tailnum").await, ids);
    let others = hidden(&suite, &elsewhere, "tailnum").await;
    assert!(ids.len() == 50 && others.iter().all(|id| !ids.contains(id)));

    let secrets = suite
        .sql
        .value("SELECT count(*) FROM project_secret")
        .await
        .unwrap();
    assert_eq!(secrets, "2");
    let sealed = "SELECT bool_and(octet_length(sealed) = 73) FROM project_secret";
    assert_eq!(suite.sql.value(sealed).await.unwrap(), "t");
}

#[tokio::test]
async fn ids_are_in_no_export() {
    let suite = Suite::start().await;
    let table = suite.table("planes").await;
    let mut editor = suite.as_editor();
    editor.import(csv_import(&table), csv(1, 3).as_bytes()).await;
    for format in [pb::FileFormat::Csv, pb::FileFormat::Parquet] {
        let request = pb::CreateExportJobRequest {
            table_id: table.clone(),
            format: format.into(),
            ..Default::default()
        };
        let job = editor.export(request).await;
        let content = editor.download(&job.id, 0).await.unwrap();
        let names = match format {
            pb::FileFormat::Csv => {
                let text = String::from_utf8(content).unwrap();
                text.lines()
                    .next()
                    .unwrap()
                    .split(',')
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            }
            _ => {
                let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(content)).unwrap();
                let schema: &datatypes::Schema = reader.schema();
                schema.fields().iter().map(|it| it.name().clone()).collect()
            }
        };
        assert_eq!(names, ["year", "tailnum", "manufacturer"]);
    }
    let wanted = pb::CreateExportJobRequest {
        table_id: table,
        format: pb::FileFormat::Csv.into(),
        columns: vec!["__id_tailnum".to_owned()],
        ..Default::default()
    };
    let status = editor.exports.create_export_job(wanted).await.unwrap_err();
    assert!(status.message().contains("no column"), "{status:?}");
}

#[tokio::test]
async fn a_version_has_ids_once_all_of_its_files_have() {
    let suite = Suite::start().await;
    let table = suite.table("planes").await;
    let mut editor = suite.as_editor();
    editor.import(csv_import(&table), csv(1, 5).as_bytes()).await;
    assert_eq!(identities(&resolve(&mut editor, &table).await).len(), 1);
    // As a file of before there were ids is noted.
    let age = "ALTER TABLE table_file DISABLE TRIGGER only_grows;
               UPDATE table_file SET statistics = statistics #- '{tailnum,id}';
               ALTER TABLE table_file ENABLE TRIGGER only_grows";
    suite.sql.run(age).await.unwrap();
    editor.import(csv_import(&table), csv(6, 5).as_bytes()).await;
    let both = resolve(&mut editor, &table).await;
    assert_eq!((both.files.len(), identities(&both)), (2, vec![]));
    let replace = pb::CreateImportJobRequest {
        mode: pb::ImportMode::Replace.into(),
        ..csv_import(&table)
    };
    editor.import(replace, csv(1, 5).as_bytes()).await;
    assert_eq!(identities(&resolve(&mut editor, &table).await).len(), 1);
}

#[tokio::test]
async fn under_another_key_of_the_operator_nothing_is_imported() {
    let suite = Suite::start().await;
    let table = suite.table("planes").await;
    let mut editor = suite.as_editor();
    let secret = "INSERT INTO project_secret (project_id, sealed, fingerprint)
                  SELECT project_id, decode(repeat('01', 73), 'hex'), '0123456789abcdef' FROM dataset";
    suite.sql.run(secret).await.unwrap();
    let job = editor.import(csv_import(&table), csv(1, 5).as_bytes()).await;
    assert_eq!((job.state(), job.version), (pb::JobState::Failed, None));
    // What is wrong is the operator's, who finds it in the log.
    assert!(!job.error.unwrap().message.contains("sealed"));
    // What has no identity needs no secret.
    let plain = json!({ "type": "object", "properties": { "n": { "type": "integer" } } });
    let plain = suite.table_of(suite.ours, "plain", &plain).await;
    let job = editor.import(csv_import(&plain), b"n\n1\n").await;
    assert_eq!(job.version, Some(1));
}

#[tokio::test]
async fn who_left_the_project_imports_no_identities_into_it() {
    let suite = Suite::start().await;
    let table = suite.table_of(suite.theirs, "theirs", &planes()).await;
    let mut other = suite.as_other_tenant();
    let job = other.create(csv_import(&table)).await;
    let left = format!(
        "UPDATE project_participant SET status = 'removed' WHERE tenant_id = '{}'",
        suite.theirs.id
    );
    suite.sql.run(&left).await.unwrap();
    other.upload(&job.id, csv(1, 5).as_bytes()).await;
    let job = other.ended(&job.id).await;
    assert!(job.error.unwrap().message.contains("takes no part any more"));
    assert_eq!(
        suite
            .sql
            .value("SELECT count(*) FROM project_secret")
            .await
            .unwrap(),
        "0"
    );
}
