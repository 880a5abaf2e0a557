use datacovey_proto::catalog::v1::{
    ArchiveProjectRequest, CreateProjectRequest, GetProjectRequest, ListParticipantsRequest,
    ListProjectsRequest, Project, UpdateProjectRequest,
};
use prost_types::FieldMask;
use tonic::Code;

use crate::refusal::{denied, not_found, refusal, why};
use crate::suite::{Suite, mask};

pub(crate) fn create(name: &str) -> CreateProjectRequest {
    CreateProjectRequest {
        project: Some(Project {
            name: name.to_owned(),
            ..Project::default()
        }),
        request_id: String::new(),
    }
}

#[tokio::test]
async fn a_project_lives() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let made = admin
        .projects
        .create_project(CreateProjectRequest {
            project: Some(Project {
                name: "Fleet".to_owned(),
                description: Some("Who flies what".to_owned()),
                // What is the service's to say is passed over.
                id: "mine".to_owned(),
                tenant_id: suite.other_tenant.to_string(),
                ..Project::default()
            }),
            request_id: String::new(),
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(made.tenant_id, suite.tenant.to_string());
    assert_eq!(made.description.as_deref(), Some("Who flies what"));
    assert!(made.created_at.is_some() && made.archived_at.is_none() && !made.etag.is_empty());

    // Its owner takes part from the start.
    let request = ListParticipantsRequest {
        project_id: made.id.clone(),
        ..Default::default()
    };
    let participants = admin
        .projects
        .list_participants(request)
        .await
        .unwrap()
        .into_inner()
        .participants;
    assert_eq!(participants.len(), 1);
    assert_eq!(participants[0].tenant_id, made.tenant_id);
    assert!(participants[0].can_contribute && participants[0].can_query);

    // Everybody of the tenant reads it.
    let mut user = suite.as_user();
    let read = user
        .projects
        .get_project(GetProjectRequest { id: made.id.clone() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read, made);

    let renamed = admin
        .projects
        .update_project(UpdateProjectRequest {
            project: Some(Project {
                id: made.id.clone(),
                name: "Fleets".to_owned(),
                etag: made.etag.clone(),
                ..Project::default()
            }),
            update_mask: None,
            request_id: String::new(),
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (renamed.name.as_str(), &renamed.description),
        ("Fleets", &made.description)
    );
    assert_ne!(renamed.etag, made.etag);

    let archive = ArchiveProjectRequest {
        id: made.id.clone(),
        ..Default::default()
    };
    let archived = admin
        .projects
        .archive_project(archive.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(archived.archived_at.is_some());
    let again = admin
        .projects
        .archive_project(archive)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, archived);
    // It is read by its id, and listed on request only.
    let read = user
        .projects
        .get_project(GetProjectRequest { id: made.id.clone() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read, archived);
    let listed = user
        .projects
        .list_projects(ListProjectsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(listed.projects.is_empty());
    let request = ListProjectsRequest {
        show_archived: true,
        ..Default::default()
    };
    let listed = user.projects.list_projects(request).await.unwrap().into_inner();
    assert_eq!(listed.projects, [archived]);
}

#[tokio::test]
async fn a_mask_says_what_changes() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let project = Project {
        name: "Fleet".to_owned(),
        description: Some("Who flies what".to_owned()),
        ..Project::default()
    };
    let request = CreateProjectRequest {
        project: Some(project.clone()),
        request_id: String::new(),
    };
    let id = admin
        .projects
        .create_project(request)
        .await
        .unwrap()
        .into_inner()
        .id;
    let update = |paths: &[&str]| UpdateProjectRequest {
        project: Some(Project {
            id: id.clone(),
            name: "New".to_owned(),
            ..Project::default()
        }),
        update_mask: Some(mask(paths)),
        request_id: String::new(),
    };

    let only_description = admin
        .projects
        .update_project(update(&["description"]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (only_description.name.as_str(), only_description.description),
        ("Fleet", None)
    );
    let all = admin
        .projects
        .update_project(update(&["*"]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((all.name.as_str(), all.description), ("New", None));

    let refused = refusal(
        admin
            .projects
            .update_project(update(&["tenant_id", "name", "nmae"]))
            .await,
    );
    let fields = vec![
        "update_mask.paths[0]".to_owned(),
        "update_mask.paths[2]".to_owned(),
    ];
    assert_eq!(
        refused,
        (Code::InvalidArgument, "INVALID_MASK".to_owned(), fields)
    );
    // An empty update changes nothing and is no error.
    let request = UpdateProjectRequest {
        project: Some(Project {
            id: id.clone(),
            ..Project::default()
        }),
        update_mask: Some(FieldMask { paths: vec![] }),
        request_id: String::new(),
    };
    assert_eq!(
        admin.projects.update_project(request).await.unwrap().into_inner(),
        all_again(&mut admin, &id).await
    );
}

async fn all_again(admin: &mut crate::suite::Caller, id: &str) -> Project {
    admin
        .projects
        .get_project(GetProjectRequest { id: id.to_owned() })
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test]
async fn all_violations_come_at_once() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let request = CreateProjectRequest {
        project: Some(Project {
            name: " ".to_owned(),
            description: Some("x".repeat(4001)),
            ..Project::default()
        }),
        request_id: "a b".to_owned(),
    };
    let (code, reason, fields) = refusal(admin.projects.create_project(request).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
    assert_eq!(fields, ["project.description", "project.name", "request_id"]);

    let (_, _, fields) = refusal(
        admin
            .projects
            .create_project(CreateProjectRequest::default())
            .await,
    );
    assert_eq!(fields, ["project", "project.name"]);
    let request = UpdateProjectRequest {
        project: Some(Project {
            id: "7".to_owned(),
            ..Project::default()
        }),
        update_mask: Some(mask(&["name"])),
        request_id: String::new(),
    };
    let (_, _, fields) = refusal(admin.projects.update_project(request).await);
    assert_eq!(fields, ["project.id", "project.name"]);
    let (_, _, fields) = refusal(
        admin
            .projects
            .get_project(GetProjectRequest { id: "7".to_owned() })
            .await,
    );
    assert_eq!(fields, ["id"]);
    let request = ListProjectsRequest {
        page_size: -1,
        page_token: "x".to_owned(),
        ..Default::default()
    };
    let (_, _, fields) = refusal(admin.projects.list_projects(request).await);
    assert_eq!(fields, ["page_size", "page_token"]);
}

#[tokio::test]
async fn a_stale_etag_changes_nothing() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let made = admin
        .projects
        .create_project(create("Fleet"))
        .await
        .unwrap()
        .into_inner();
    let update = |etag: &str| UpdateProjectRequest {
        project: Some(Project {
            id: made.id.clone(),
            name: "Fleets".to_owned(),
            etag: etag.to_owned(),
            ..Project::default()
        }),
        ..Default::default()
    };
    admin.projects.update_project(update(&made.etag)).await.unwrap();
    let refused = why(admin.projects.update_project(update(&made.etag)).await);
    assert_eq!(refused, (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let archive = ArchiveProjectRequest {
        id: made.id.clone(),
        etag: made.etag.clone(),
        ..Default::default()
    };
    let refused = why(admin.projects.archive_project(archive).await);
    assert_eq!(refused, (Code::Aborted, "ETAG_MISMATCH".to_owned()));
}

#[tokio::test]
async fn another_tenants_project_does_not_exist() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let id = admin
        .projects
        .create_project(create("Fleet"))
        .await
        .unwrap()
        .into_inner()
        .id;
    let mut other = suite.as_other_tenant();
    assert_eq!(
        why(other
            .projects
            .get_project(GetProjectRequest { id: id.clone() })
            .await),
        not_found()
    );
    let update = UpdateProjectRequest {
        project: Some(Project {
            id: id.clone(),
            name: "Mine".to_owned(),
            ..Project::default()
        }),
        ..Default::default()
    };
    assert_eq!(why(other.projects.update_project(update).await), not_found());
    let archive = ArchiveProjectRequest {
        id: id.clone(),
        ..Default::default()
    };
    assert_eq!(why(other.projects.archive_project(archive).await), not_found());
    let participants = ListParticipantsRequest {
        project_id: id,
        ..Default::default()
    };
    assert_eq!(
        why(other.projects.list_participants(participants).await),
        not_found()
    );
    let listed = other
        .projects
        .list_projects(ListProjectsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(listed.projects.is_empty());
}

#[tokio::test]
async fn only_admins_change_projects() {
    let suite = Suite::start().await;
    let made = suite
        .as_admin()
        .projects
        .create_project(create("Fleet"))
        .await
        .unwrap()
        .into_inner();
    for mut caller in [suite.as_editor(), suite.as_user()] {
        assert_eq!(
            why(caller.projects.create_project(create("Other")).await),
            denied()
        );
        let update = UpdateProjectRequest {
            project: Some(made.clone()),
            ..Default::default()
        };
        assert_eq!(why(caller.projects.update_project(update).await), denied());
        let archive = ArchiveProjectRequest {
            id: made.id.clone(),
            ..Default::default()
        };
        assert_eq!(why(caller.projects.archive_project(archive).await), denied());
    }
}
