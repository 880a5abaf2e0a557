use std::time::Duration;

use datacovey_proto::transfer::v1 as pb;
use datacovey_storage::ObjectPath;
use serde_json::json;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::suite::{Caller, PATIENCE, Suite, csv, csv_import};

fn wanted(table_id: &str, version: i64) -> pb::RestoreTableVersionRequest {
    pb::RestoreTableVersionRequest {
        table_id: table_id.to_owned(),
        version,
        request_id: String::new(),
    }
}

impl Caller {
    async fn restore(&mut self, request: pb::RestoreTableVersionRequest) -> Result<pb::TableVersion, Status> {
        Ok(self.versions.restore_table_version(request).await?.into_inner())
    }

    pub(crate) async fn list_versions(&mut self, table_id: &str) -> Vec<pb::TableVersion> {
        let request = pb::ListTableVersionsRequest {
            table_id: table_id.to_owned(),
            page_size: 1_000,
            ..Default::default()
        };
        let answer = self.versions.list_table_versions(request).await.unwrap();
        answer.into_inner().table_versions
    }

    pub(crate) async fn exported(&mut self, table_id: &str, version: Option<i64>) -> String {
        let request = pb::CreateExportJobRequest {
            table_id: table_id.to_owned(),
            table_version: version,
            format: pb::FileFormat::Csv.into(),
            ..Default::default()
        };
        let job = self.export(request).await;
        assert_eq!(job.state(), pb::JobState::Completed, "{job:?}");
        String::from_utf8(self.download(&job.id, 0).await.unwrap()).unwrap()
    }
}

pub(crate) fn replace(table: &str) -> pb::CreateImportJobRequest {
    pb::CreateImportJobRequest {
        mode: pb::ImportMode::Replace.into(),
        ..csv_import(table)
    }
}

#[tokio::test]
async fn a_bad_import_is_undone() {
    let suite = Suite::start().await;
    let (mut editor, table) = (suite.as_editor(), suite.table("planes").await);
    editor.import(csv_import(&table), csv(1, 100).as_bytes()).await;
    let before = editor.exported(&table, None).await;
    editor.import(replace(&table), csv(500, 7).as_bytes()).await;
    let restored = editor.restore(wanted(&table, 1)).await.unwrap();
    assert_eq!(
        (
            restored.version,
            restored.content_version,
            restored.rows,
            restored.origin()
        ),
        (3, 1, 100, pb::VersionOrigin::Restore)
    );
    assert_eq!(restored.restored_from, Some(1));
    assert!(!restored.created_by.is_empty() && restored.import_job_id.is_empty());
    assert_eq!(editor.exported(&table, None).await, before);
    // Planes are unique in it, and stay so with others.
    editor.import(csv_import(&table), csv(101, 5).as_bytes()).await;
    let unique =
        format!("SELECT unique_columns FROM table_version WHERE table_id = '{table}' AND version = 4");
    assert_eq!(suite.sql.value(&unique).await.unwrap(), "{tailnum}");

    let told: Vec<_> = editor
        .list_versions(&table)
        .await
        .into_iter()
        .map(|it| {
            (
                it.version,
                it.restorable,
                it.kept_until.is_some(),
                it.swept_at.is_some(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (4, false, false, false),
            (3, true, true, false),
            (2, true, true, false),
            (1, true, true, false)
        ]
    );
}

#[tokio::test]
async fn who_may_not_restore_and_what_cannot_be_is_told() {
    let suite = Suite::start().await;
    let (mut editor, table) = (suite.as_editor(), suite.table("planes").await);
    editor.import(csv_import(&table), csv(1, 100).as_bytes()).await;
    editor.import(replace(&table), csv(1, 7).as_bytes()).await;
    for (mut caller, request, expected) in [
        (suite.anonymous(), wanted(&table, 1), Code::Unauthenticated),
        (suite.as_user(), wanted(&table, 1), Code::PermissionDenied),
        (suite.as_other_tenant(), wanted(&table, 1), Code::NotFound),
        (
            suite.as_editor(),
            wanted(&Uuid::nil().to_string(), 1),
            Code::NotFound,
        ),
        (suite.as_editor(), wanted(&table, 3), Code::NotFound),
        (suite.as_editor(), wanted(&table, 2), Code::FailedPrecondition),
        (suite.as_editor(), wanted("x", 0), Code::InvalidArgument),
    ] {
        let status = caller.restore(request.clone()).await.unwrap_err();
        assert_eq!(status.code(), expected, "{request:?}: {status:?}");
    }
    // Two violations are two.
    let status = editor.restore(wanted("x", 0)).await.unwrap_err();
    assert!(status.message().contains("2 violations"), "{status:?}");

    // A schema that came by another way than the catalog's.
    let set =
        |schema: &serde_json::Value| format!("UPDATE \"table\" SET schema = '{schema}' WHERE id = '{table}'");
    let narrow = json!({ "type": "object", "properties": { "tailnum": { "type": "string" } } });
    suite.sql.run(&set(&narrow)).await.unwrap();
    let status = editor.restore(wanted(&table, 1)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("manufacturer, year"), "{status:?}");
    assert_eq!(editor.list_versions(&table).await.len(), 2);
}

#[tokio::test]
async fn a_repeat_answers_with_the_same_version() {
    let suite = Suite::start().await;
    let (mut editor, table) = (suite.as_editor(), suite.table("planes").await);
    editor.import(csv_import(&table), csv(1, 100).as_bytes()).await;
    editor.import(replace(&table), csv(1, 7).as_bytes()).await;
    let once = pb::RestoreTableVersionRequest {
        request_id: "once".to_owned(),
        ..wanted(&table, 1)
    };
    let first = editor.restore(once.clone()).await.unwrap();
    assert_eq!(editor.restore(once.clone()).await.unwrap(), first);
    let other = pb::RestoreTableVersionRequest { version: 2, ..once };
    assert_eq!(
        editor.restore(other).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    assert_eq!(editor.list_versions(&table).await.len(), 3);
}

#[tokio::test]
async fn versions_that_nobody_needs_go_with_their_objects() {
    let suite = Suite::with(|limits| {
        limits.version_lifetime = Duration::ZERO;
        limits.sweep_every = Duration::from_millis(50);
    })
    .await;
    let (mut editor, table) = (suite.as_editor(), suite.table("planes").await);
    editor.import(csv_import(&table), csv(1, 100).as_bytes()).await;
    let path = format!("SELECT path FROM table_file WHERE table_id = '{table}'");
    let first = suite.sql.value(&path).await.unwrap();
    editor.import(replace(&table), csv(1, 7).as_bytes()).await;
    let gone = async {
        while suite
            .transfer
            .store
            .size_bytes(&ObjectPath::from(first.as_str()))
            .await
            .is_ok()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    let versions = editor.list_versions(&table).await;
    let told: Vec<_> = versions
        .iter()
        .map(|it| {
            (
                it.version,
                it.restorable,
                it.kept_until.is_some(),
                it.swept_at.is_some(),
            )
        })
        .collect();
    assert_eq!(told, [(2, false, false, false), (1, false, false, true)]);
    let status = editor.restore(wanted(&table, 1)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    let export = pb::CreateExportJobRequest {
        table_id: table.clone(),
        table_version: Some(1),
        format: pb::FileFormat::Csv.into(),
        ..Default::default()
    };
    let status = editor.exports.create_export_job(export).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(editor.exported(&table, None).await.lines().count(), 8);
}
