//! Requests sent again under the same idempotency key.

use datacovey_proto::catalog::v1::{
    CreateProjectRequest, ListProjectsRequest, Project, UpdateProjectRequest,
};

use crate::project::create;
use crate::refusal::{failed, why};
use crate::suite::Suite;

#[tokio::test]
async fn a_repeat_with_the_same_key_changes_nothing() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let request = CreateProjectRequest {
        request_id: "key-1".to_owned(),
        ..create("Fleet")
    };
    let first = admin
        .projects
        .create_project(request.clone())
        .await
        .unwrap()
        .into_inner();
    let second = admin.projects.create_project(request).await.unwrap().into_inner();
    assert_eq!(first, second);
    let listed = admin
        .projects
        .list_projects(ListProjectsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.projects.len(), 1);

    // The key names one request: another one under it is a mistake of the caller.
    let other = CreateProjectRequest {
        request_id: "key-1".to_owned(),
        ..create("Other")
    };
    assert_eq!(
        why(admin.projects.create_project(other).await),
        failed("WRONG_STATE")
    );
    // Another tenant's keys are its own.
    let request = CreateProjectRequest {
        request_id: "key-1".to_owned(),
        ..create("Fleet")
    };
    let mut other = suite.as_other_tenant();
    let theirs = other.projects.create_project(request).await.unwrap().into_inner();
    assert_ne!(theirs.id, first.id);

    // A replay of an update does not fail on the etag that its first run made stale.
    let update = UpdateProjectRequest {
        project: Some(Project {
            id: first.id.clone(),
            name: "Fleets".to_owned(),
            etag: first.etag,
            ..Project::default()
        }),
        update_mask: None,
        request_id: "key-2".to_owned(),
    };
    let first = admin
        .projects
        .update_project(update.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        admin.projects.update_project(update).await.unwrap().into_inner(),
        first
    );
}

#[tokio::test]
async fn repeats_at_the_same_time_make_one() {
    let suite = Suite::start().await;
    let request = CreateProjectRequest {
        request_id: "key".to_owned(),
        ..create("Fleet")
    };
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut admin, request) = (suite.as_admin(), request.clone());
        calls.spawn(async move { admin.projects.create_project(request).await });
    }
    let mut ids: Vec<_> = calls
        .join_all()
        .await
        .into_iter()
        .map(|it| it.unwrap().into_inner().id)
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
}
