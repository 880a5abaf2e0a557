use datacovey_proto::catalog::v1::{
    ArchiveDatasetRequest, ArchiveProjectRequest, ArchiveTableRequest, LeaveProjectRequest, Participant,
    SetTablePolicyRequest, UpdateParticipantRequest,
};
use datacovey_proto::internal::catalog::v1::{ProjectState, ResolveProjectRequest, ResolveProjectResponse};

use crate::policy::by_tail_number;
use crate::refusal::{denied, failed, not_found, refusal, why};
use crate::suite::{Caller, Suite, mask, planes, strukt};

async fn resolve(caller: &mut Caller, project: &str) -> ResolveProjectResponse {
    let request = ResolveProjectRequest {
        project_id: project.to_owned(),
    };
    caller
        .resolver
        .resolve_project(request)
        .await
        .unwrap()
        .into_inner()
}

fn names(resolved: &ResolveProjectResponse) -> Vec<(String, bool)> {
    let name = |dataset: &str, table: &str| format!("{dataset}.{table}");
    resolved
        .tables
        .iter()
        .map(|it| (name(&it.dataset_name, &it.table_name), it.owned_by_caller))
        .collect()
}

#[tokio::test]
async fn a_project_is_resolved_for_its_caller() {
    let suite = Suite::start().await;
    let (mut admin, mut other) = (suite.as_admin(), suite.as_other_tenant());
    let project = admin.project("Fleet").await;
    let shared = admin.dataset(&project, "shared").await;
    let ours = admin.table(&shared, "flights").await;
    let why_not = |caller: &mut Caller, project: &str| {
        let request = ResolveProjectRequest {
            project_id: project.to_owned(),
        };
        let mut resolver = caller.resolver.clone();
        async move { why(resolver.resolve_project(request).await) }
    };
    assert_eq!(why_not(&mut other, &project).await, not_found());

    suite.join(&project, &mut admin, &mut other).await;
    let theirs = other.table(&shared, "planes").await;
    let policy = SetTablePolicyRequest {
        table_id: theirs.clone(),
        policy: Some(by_tail_number()),
        ..Default::default()
    };
    other.tables.set_table_policy(policy).await.unwrap();

    // The weakest role queries, too.
    let mut user = suite.as_user();
    let resolved = resolve(&mut user, &project).await;
    assert_eq!(resolved.state(), ProjectState::Active);
    assert_eq!(resolved.owner_tenant_id, suite.tenant.to_string());
    assert_eq!(
        names(&resolved),
        [
            ("shared.flights".to_owned(), true),
            ("shared.planes".to_owned(), false)
        ]
    );
    let [flights, seen] = resolved.tables.as_slice() else {
        panic!("{resolved:?}")
    };
    assert_eq!(
        (flights.table_id.as_str(), &flights.policy, flights.policy_version),
        (ours.as_str(), &None, 0)
    );
    assert_eq!(
        (seen.table_id.as_str(), seen.policy_version),
        (theirs.as_str(), 1)
    );
    assert_eq!(seen.owner_tenant_id, suite.other_tenant.to_string());
    assert_eq!(seen.schema, Some(strukt(&planes())));
    assert_eq!(seen.policy.as_ref().unwrap().columns, by_tail_number().columns);
    let from_there = resolve(&mut other, &project).await;
    assert_eq!(
        names(&from_there),
        [
            ("shared.flights".to_owned(), false),
            ("shared.planes".to_owned(), true)
        ]
    );

    // Who may not query resolves nothing; who leaves takes its tables along.
    let rights = UpdateParticipantRequest {
        participant: Some(Participant {
            project_id: project.clone(),
            tenant_id: suite.other_tenant.to_string(),
            ..Participant::default()
        }),
        update_mask: Some(mask(&["can_query"])),
        request_id: String::new(),
    };
    admin.projects.update_participant(rights).await.unwrap();
    assert_eq!(why_not(&mut other, &project).await, denied());
    let leave = LeaveProjectRequest {
        project_id: project.clone(),
        request_id: String::new(),
    };
    other.projects.leave_project(leave).await.unwrap();
    assert_eq!(
        names(&resolve(&mut user, &project).await),
        [("shared.flights".to_owned(), true)]
    );
}

#[tokio::test]
async fn nothing_archived_is_resolved() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let project = admin.project("Fleet").await;
    let (one, two) = (
        admin.dataset(&project, "one").await,
        admin.dataset(&project, "two").await,
    );
    let table = admin.table(&one, "a").await;
    admin.table(&one, "b").await;
    admin.table(&two, "c").await;
    let archive = ArchiveTableRequest {
        id: table,
        ..Default::default()
    };
    admin.tables.archive_table(archive).await.unwrap();
    let archive = ArchiveDatasetRequest {
        id: two,
        ..Default::default()
    };
    admin.datasets.archive_dataset(archive).await.unwrap();
    assert_eq!(
        names(&resolve(&mut admin, &project).await),
        [("one.b".to_owned(), true)]
    );
    let archive = ArchiveProjectRequest {
        id: project.clone(),
        ..Default::default()
    };
    admin.projects.archive_project(archive).await.unwrap();
    let request = ResolveProjectRequest { project_id: project };
    assert_eq!(
        why(admin.resolver.resolve_project(request).await),
        failed("ARCHIVED")
    );
}

#[tokio::test]
async fn only_services_resolve() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let project = admin.project("Fleet").await;
    let refused = admin.resolve_with_users_token(&project).await;
    assert!(["UNAUTHENTICATED", "PERMISSION_DENIED"].contains(&code_name(refusal(refused).0)));
    let (_, _, fields) = refusal(
        admin
            .resolver
            .resolve_project(ResolveProjectRequest::default())
            .await,
    );
    assert_eq!(fields, ["project_id"]);
}

fn code_name(code: tonic::Code) -> &'static str {
    match code {
        tonic::Code::Unauthenticated => "UNAUTHENTICATED",
        tonic::Code::PermissionDenied => "PERMISSION_DENIED",
        _ => "other",
    }
}
