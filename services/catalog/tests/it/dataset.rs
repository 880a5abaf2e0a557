use datacovey_proto::catalog::v1::{
    ArchiveDatasetRequest, ArchiveProjectRequest, CreateDatasetRequest, Dataset, GetDatasetRequest,
    ListDatasetsRequest, UpdateDatasetRequest,
};
use tonic::Code;
use uuid::Uuid;

use crate::refusal::{denied, failed, not_found, refusal, why};
use crate::suite::{Suite, mask};

#[tokio::test]
async fn a_dataset_lives() {
    let suite = Suite::start().await;
    let (mut admin, mut editor) = (suite.as_admin(), suite.as_editor());
    let project = admin.project("Fleet").await;
    let made = editor
        .datasets
        .create_dataset(CreateDatasetRequest {
            dataset: Some(Dataset {
                project_id: project.clone(),
                name: "shared_2013".to_owned(),
                description: Some("A year".to_owned()),
                ..Dataset::default()
            }),
            request_id: "key".to_owned(),
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (made.tenant_id.as_str(), made.project_id.as_str()),
        (suite.tenant.to_string().as_str(), project.as_str())
    );

    let mut user = suite.as_user();
    let read = user
        .datasets
        .get_dataset(GetDatasetRequest { id: made.id.clone() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read, made);

    let changed = editor
        .datasets
        .update_dataset(UpdateDatasetRequest {
            dataset: Some(Dataset {
                id: made.id.clone(),
                name: "shared".to_owned(),
                etag: made.etag.clone(),
                ..Dataset::default()
            }),
            update_mask: Some(mask(&["name", "description"])),
            request_id: String::new(),
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!((changed.name.as_str(), &changed.description), ("shared", &None));
    let stale = UpdateDatasetRequest {
        dataset: Some(Dataset {
            name: "late".to_owned(),
            ..made.clone()
        }),
        ..Default::default()
    };
    assert_eq!(
        why(editor.datasets.update_dataset(stale).await),
        (Code::Aborted, "ETAG_MISMATCH".to_owned())
    );

    let archive = ArchiveDatasetRequest {
        id: made.id.clone(),
        ..Default::default()
    };
    let archived = editor
        .datasets
        .archive_dataset(archive.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(archived.archived_at.is_some());
    assert_eq!(
        editor
            .datasets
            .archive_dataset(archive)
            .await
            .unwrap()
            .into_inner(),
        archived
    );
    let listed = user
        .datasets
        .list_datasets(ListDatasetsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(listed.datasets.is_empty());
    let request = ListDatasetsRequest {
        show_archived: true,
        project_id: Some(project.clone()),
        ..Default::default()
    };
    let listed = user.datasets.list_datasets(request).await.unwrap().into_inner();
    assert_eq!(listed.datasets, [archived]);
    // It accepts no children, and its name is free.
    assert_eq!(why(editor.try_table(&made.id, "late").await), failed("ARCHIVED"));
    editor.dataset(&project, "shared").await;
}

#[tokio::test]
async fn names_that_sql_addresses_are_unique_in_their_project() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let (one, two) = (admin.project("One").await, admin.project("Two").await);
    admin.dataset(&one, "shared").await;
    admin.dataset(&two, "shared").await;
    let taken = (Code::AlreadyExists, "ALREADY_EXISTS".to_owned());
    assert_eq!(why(admin.try_dataset(&one, "shared").await), taken);
    let other = admin.dataset(&one, "other").await;
    let rename = UpdateDatasetRequest {
        dataset: Some(Dataset {
            id: other,
            name: "shared".to_owned(),
            ..Dataset::default()
        }),
        ..Default::default()
    };
    assert_eq!(why(admin.datasets.update_dataset(rename).await), taken);
}

#[tokio::test]
async fn all_violations_come_at_once() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let request = CreateDatasetRequest {
        dataset: Some(Dataset {
            project_id: "x".to_owned(),
            name: "two words".to_owned(),
            description: Some("\0".to_owned()),
            ..Dataset::default()
        }),
        request_id: "ü".to_owned(),
    };
    let (code, _, fields) = refusal(editor.datasets.create_dataset(request).await);
    assert_eq!(code, Code::InvalidArgument);
    assert_eq!(
        fields,
        [
            "dataset.description",
            "dataset.name",
            "dataset.project_id",
            "request_id"
        ]
    );
    let request = ListDatasetsRequest {
        project_id: Some(String::new()),
        page_size: -5,
        ..Default::default()
    };
    assert_eq!(
        refusal(editor.datasets.list_datasets(request).await).2,
        ["page_size", "project_id"]
    );
}

#[tokio::test]
async fn parents_must_be_seen_and_live() {
    let suite = Suite::start().await;
    let (mut admin, mut other) = (suite.as_admin(), suite.as_other_tenant());
    let project = admin.project("Fleet").await;
    assert_eq!(why(other.try_dataset(&project, "mine").await), not_found());
    assert_eq!(
        why(admin.try_dataset(&Uuid::nil().to_string(), "mine").await),
        not_found()
    );
    assert_eq!(why(suite.as_user().try_dataset(&project, "mine").await), denied());

    // A participant contributes a dataset of its own, which the owner of the project sees and cannot change.
    suite.join(&project, &mut admin, &mut other).await;
    let theirs = other.dataset(&project, "theirs").await;
    let read = admin
        .datasets
        .get_dataset(GetDatasetRequest { id: theirs.clone() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read.tenant_id, suite.other_tenant.to_string());
    let update = UpdateDatasetRequest {
        dataset: Some(Dataset {
            id: theirs.clone(),
            name: "ours".to_owned(),
            ..Dataset::default()
        }),
        ..Default::default()
    };
    assert_eq!(why(admin.datasets.update_dataset(update).await), denied());
    let archive = ArchiveDatasetRequest {
        id: theirs,
        ..Default::default()
    };
    assert_eq!(why(admin.datasets.archive_dataset(archive).await), denied());

    let archive = ArchiveProjectRequest {
        id: project.clone(),
        ..Default::default()
    };
    admin.projects.archive_project(archive).await.unwrap();
    assert_eq!(why(admin.try_dataset(&project, "late").await), failed("ARCHIVED"));
}

#[tokio::test]
async fn a_dataset_moves_while_nothing_depends_on_it() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let (one, two) = (admin.project("One").await, admin.project("Two").await);
    let dataset = admin.dataset(&one, "shared").await;
    let to = |project: &str| UpdateDatasetRequest {
        dataset: Some(Dataset {
            id: dataset.clone(),
            project_id: project.to_owned(),
            ..Dataset::default()
        }),
        ..Default::default()
    };
    let moved = admin
        .datasets
        .update_dataset(to(&two))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(moved.project_id, two);
    assert_eq!(
        why(admin.datasets.update_dataset(to(&Uuid::nil().to_string())).await),
        not_found()
    );
    let table = admin.table(&dataset, "planes").await;
    admin.datasets.update_dataset(to(&one)).await.unwrap();
    admin.set_policy(&table).await;
    assert_eq!(
        why(admin.datasets.update_dataset(to(&two)).await),
        failed("WRONG_STATE")
    );
}
