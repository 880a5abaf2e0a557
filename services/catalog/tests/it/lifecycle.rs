//! What every resource has in common: archived, restored, removed, and remembered.

use datacovey_proto::catalog::v1::{
    ArchiveDatasetRequest, ArchiveProjectRequest, ArchiveTableRequest, DeleteDatasetRequest,
    DeleteProjectRequest, DeleteTableRequest, GetTableRequest, HistoryAction, ListDatasetHistoryRequest,
    ListTableHistoryRequest, ListTablePolicyVersionsRequest, RestoreDatasetRequest, RestoreProjectRequest,
    RestoreTableRequest, Table, UpdateTableRequest,
};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::refusal::{denied, failed, not_found, why};
use crate::suite::{Caller, Suite};

fn archive(id: &str) -> ArchiveTableRequest {
    ArchiveTableRequest {
        id: id.to_owned(),
        ..Default::default()
    }
}

fn restore(id: &str) -> RestoreTableRequest {
    RestoreTableRequest {
        id: id.to_owned(),
        ..Default::default()
    }
}

fn delete(id: &str, force: bool) -> DeleteTableRequest {
    DeleteTableRequest {
        id: id.to_owned(),
        force,
        ..Default::default()
    }
}

struct Room {
    suite: Suite,
    admin: Caller,
    other: Caller,
    project: String,
    dataset: String,
    table: String,
}

async fn room() -> Room {
    let suite = Suite::start().await;
    let (mut admin, mut other) = (suite.as_admin(), suite.as_other_tenant());
    let project = admin.project("Fleet").await;
    suite.join(&project, &mut admin, &mut other).await;
    let dataset = admin.dataset(&project, "air").await;
    let table = admin.table(&dataset, "planes").await;
    Room {
        suite,
        admin,
        other,
        project,
        dataset,
        table,
    }
}

#[tokio::test]
async fn what_was_archived_is_restored() {
    let mut room = room().await;
    let Room {
        admin,
        table,
        dataset,
        ..
    } = &mut room;
    let archived = admin
        .tables
        .archive_table(archive(table))
        .await
        .unwrap()
        .into_inner();
    assert!(archived.archived_at.is_some());
    let stale = RestoreTableRequest {
        etag: "stale".to_owned(),
        ..restore(table)
    };
    assert_eq!(
        why(admin.tables.restore_table(stale).await),
        (Code::Aborted, "ETAG_MISMATCH".to_owned())
    );
    let request = RestoreTableRequest {
        etag: archived.etag,
        request_id: "key".to_owned(),
        ..restore(table)
    };
    let restored = admin
        .tables
        .restore_table(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(restored.archived_at, None);
    // A repeat by its key, and of what is done already.
    assert_eq!(
        admin.tables.restore_table(request).await.unwrap().into_inner(),
        restored
    );
    assert_eq!(
        admin
            .tables
            .restore_table(restore(table))
            .await
            .unwrap()
            .into_inner(),
        restored
    );

    // A name that was taken meanwhile, and something above that is archived.
    admin.tables.archive_table(archive(table)).await.unwrap();
    let taker = admin.table(dataset, "planes").await;
    assert_eq!(
        why(room.admin.tables.restore_table(restore(&room.table)).await),
        (Code::AlreadyExists, "ALREADY_EXISTS".to_owned())
    );
    room.admin
        .tables
        .delete_table(delete(&taker, false))
        .await
        .unwrap();
    let dataset = ArchiveDatasetRequest {
        id: room.dataset.clone(),
        ..Default::default()
    };
    room.admin.datasets.archive_dataset(dataset).await.unwrap();
    assert_eq!(
        why(room.admin.tables.restore_table(restore(&room.table)).await),
        failed("ARCHIVED")
    );
    let project = ArchiveProjectRequest {
        id: room.project.clone(),
        ..Default::default()
    };
    room.admin.projects.archive_project(project).await.unwrap();
    let dataset = RestoreDatasetRequest {
        id: room.dataset.clone(),
        ..Default::default()
    };
    assert_eq!(
        why(room.admin.datasets.restore_dataset(dataset.clone()).await),
        failed("ARCHIVED")
    );
    let project = RestoreProjectRequest {
        id: room.project.clone(),
        ..Default::default()
    };
    room.admin.projects.restore_project(project).await.unwrap();
    room.admin.datasets.restore_dataset(dataset).await.unwrap();
    room.admin
        .tables
        .restore_table(restore(&room.table))
        .await
        .unwrap();
}

#[tokio::test]
async fn removal_takes_nothing_along_unless_it_is_forced() {
    let mut room = room().await;
    let refused = room
        .admin
        .projects
        .delete_project(DeleteProjectRequest {
            id: room.project.clone(),
            ..Default::default()
        })
        .await
        .unwrap_err();
    assert_eq!(refused.get_details_error_info().unwrap().reason, "HAS_CHILDREN");
    assert_eq!(
        refused.message(),
        "the project still has something below it: 1 datasets, 1 tables; force removes that, too"
    );
    room.admin.set_policy(&room.table).await;
    room.suite.put_data(&room.table).await;
    assert_eq!(
        why(room.admin.tables.delete_table(delete(&room.table, false)).await),
        failed("HAS_CHILDREN")
    );
    let stale = DeleteTableRequest {
        etag: "stale".to_owned(),
        ..delete(&room.table, true)
    };
    assert_eq!(
        why(room.admin.tables.delete_table(stale).await),
        (Code::Aborted, "ETAG_MISMATCH".to_owned())
    );
    let request = DeleteTableRequest {
        request_id: "key".to_owned(),
        ..delete(&room.table, true)
    };
    room.admin.tables.delete_table(request.clone()).await.unwrap();
    // By its key a repeat is done; without, there is nothing left.
    room.admin.tables.delete_table(request).await.unwrap();
    assert_eq!(
        why(room.admin.tables.delete_table(delete(&room.table, true)).await),
        not_found()
    );
    let get = GetTableRequest {
        id: room.table.clone(),
    };
    assert_eq!(why(room.admin.tables.get_table(get).await), not_found());
}

#[tokio::test]
async fn what_others_own_below_stays() {
    let mut room = room().await;
    let theirs = room.other.table(&room.dataset, "seats").await;
    let dataset = DeleteDatasetRequest {
        id: room.dataset.clone(),
        force: true,
        ..Default::default()
    };
    let refused = room
        .admin
        .datasets
        .delete_dataset(dataset.clone())
        .await
        .unwrap_err();
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, "HAS_CHILDREN");
    assert_eq!(info.metadata["owners"], room.suite.other_tenant.to_string());
    assert_eq!(
        why(room.other.tables.delete_table(delete(&room.table, true)).await),
        denied()
    );
    assert_eq!(
        why(room.other.datasets.delete_dataset(dataset.clone()).await),
        denied()
    );
    room.other
        .tables
        .delete_table(delete(&theirs, true))
        .await
        .unwrap();
    room.admin.datasets.delete_dataset(dataset).await.unwrap();
    let project = DeleteProjectRequest {
        id: room.project.clone(),
        ..Default::default()
    };
    room.admin.projects.delete_project(project).await.unwrap();
}

#[tokio::test]
async fn changes_are_remembered_the_latest_first() {
    let mut room = room().await;
    let id = room.table.clone();
    let rename = UpdateTableRequest {
        table: Some(Table {
            id: id.clone(),
            name: "aircraft".to_owned(),
            ..Table::default()
        }),
        ..Default::default()
    };
    room.admin.tables.update_table(rename).await.unwrap();
    room.admin.tables.archive_table(archive(&id)).await.unwrap();
    room.admin.tables.restore_table(restore(&id)).await.unwrap();
    let history = |filter: &str| ListTableHistoryRequest {
        table_id: id.clone(),
        filter: filter.to_owned(),
        page_size: 3,
        ..Default::default()
    };
    let page = room
        .other
        .tables
        .list_table_history(history(""))
        .await
        .unwrap()
        .into_inner();
    let actions: Vec<_> = page.entries.iter().map(|it| it.action()).collect();
    assert_eq!(
        actions,
        [
            HistoryAction::Restore,
            HistoryAction::Archive,
            HistoryAction::Update
        ]
    );
    assert_eq!(page.entries[2].name, "aircraft");
    let next = ListTableHistoryRequest {
        page_token: page.next_page_token,
        ..history("")
    };
    let page = room
        .admin
        .tables
        .list_table_history(next)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((page.entries.len(), page.entries[0].name.as_str()), (1, "planes"));
    assert_eq!(page.next_page_token, "");
    let archived = history("action = HISTORY_ACTION_ARCHIVE");
    assert_eq!(
        room.admin
            .tables
            .list_table_history(archived)
            .await
            .unwrap()
            .into_inner()
            .entries
            .len(),
        1
    );

    // The owner's memory outlives the table.
    room.admin.tables.delete_table(delete(&id, true)).await.unwrap();
    let page = room
        .admin
        .tables
        .list_table_history(history(""))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.entries[0].action(), HistoryAction::Delete);
    let dataset = ListDatasetHistoryRequest {
        dataset_id: room.dataset.clone(),
        ..Default::default()
    };
    let page = room
        .other
        .datasets
        .list_dataset_history(dataset)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.entries.len(), 1);
    let nobodys = ListDatasetHistoryRequest {
        dataset_id: id.clone(),
        ..Default::default()
    };
    assert_eq!(
        why(room.admin.datasets.list_dataset_history(nobodys).await),
        not_found()
    );
}

#[tokio::test]
async fn versions_of_a_policy_are_listed_the_newest_first() {
    let mut room = room().await;
    let list = ListTablePolicyVersionsRequest {
        table_id: room.table.clone(),
        page_size: 2,
        ..Default::default()
    };
    let none = room
        .admin
        .tables
        .list_table_policy_versions(list.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(none.policies, []);
    for _ in 0..3 {
        room.admin.set_policy(&room.table).await;
    }
    let page = room
        .other
        .tables
        .list_table_policy_versions(list.clone())
        .await
        .unwrap()
        .into_inner();
    let versions: Vec<_> = page.policies.iter().map(|it| it.version).collect();
    assert_eq!(versions, [3, 2]);
    // Who set them is the owner's own affair.
    assert_eq!(page.policies[0].created_by, "");
    let next = ListTablePolicyVersionsRequest {
        page_token: page.next_page_token,
        ..list
    };
    let page = room
        .admin
        .tables
        .list_table_policy_versions(next)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((page.policies[0].version, page.next_page_token.as_str()), (1, ""));
    assert_ne!(page.policies[0].created_by, "");
    let nobodys = ListTablePolicyVersionsRequest {
        table_id: room.dataset.clone(),
        ..Default::default()
    };
    assert_eq!(
        why(room.admin.tables.list_table_policy_versions(nobodys).await),
        not_found()
    );
}
