use datacovey_proto::catalog::v1::{
    AcceptInvitationRequest, ArchiveProjectRequest, DeclineInvitationRequest, GetDatasetRequest,
    GetProjectRequest, GetTableRequest, InviteParticipantRequest, LeaveProjectRequest,
    ListInvitationsRequest, ListParticipantsRequest, ListTablesRequest, Participant, ParticipantStatus,
    RemoveParticipantRequest, UpdateParticipantRequest,
};
use tonic::Code;
use uuid::Uuid;

use crate::refusal::{denied, failed, not_found, refusal, why};
use crate::suite::{Caller, OURS, Suite, THEIRS, mask};

fn invite(project: &str, tenant: Uuid) -> InviteParticipantRequest {
    InviteParticipantRequest {
        project_id: project.to_owned(),
        tenant_id: tenant.to_string(),
        ..Default::default()
    }
}

async fn statuses(caller: &mut Caller, project: &str) -> Vec<(String, ParticipantStatus)> {
    let request = ListParticipantsRequest {
        project_id: project.to_owned(),
        ..Default::default()
    };
    let listed = caller
        .projects
        .list_participants(request)
        .await
        .unwrap()
        .into_inner()
        .participants;
    let mut statuses: Vec<_> = listed
        .iter()
        .map(|it| (it.tenant_name.clone(), it.status()))
        .collect();
    statuses.sort();
    statuses
}

async fn invitations(caller: &mut Caller) -> Vec<String> {
    let listed = caller
        .projects
        .list_invitations(ListInvitationsRequest::default())
        .await
        .unwrap()
        .into_inner();
    listed.invitations.into_iter().map(|it| it.project_name).collect()
}

#[tokio::test]
async fn an_invited_tenant_accepts_contributes_and_leaves() {
    let suite = Suite::start().await;
    let (mut admin, mut other) = (suite.as_admin(), suite.as_other_tenant());
    let project = admin.project("Fleet").await;
    let dataset = admin.dataset(&project, "shared").await;

    let invited = admin
        .projects
        .invite_participant(invite(&project, suite.other_tenant))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(invited.status(), ParticipantStatus::Invited);
    assert_eq!(invited.invited_by, admin.user_id.to_string());
    assert!(invited.can_contribute && invited.can_query);

    // The invited sees the invitation, and nothing of the project yet.
    let listed = other
        .projects
        .list_invitations(ListInvitationsRequest::default())
        .await
        .unwrap()
        .into_inner();
    let [invitation] = listed.invitations.as_slice() else {
        panic!("{listed:?}")
    };
    assert_eq!(
        (invitation.project_id.as_str(), invitation.project_name.as_str()),
        (project.as_str(), "Fleet")
    );
    assert_eq!(invitation.inviter_tenant_id, suite.tenant.to_string());
    assert_eq!(invitation.inviter_tenant_name, OURS);
    assert_eq!(
        why(other
            .projects
            .get_project(GetProjectRequest { id: project.clone() })
            .await),
        not_found()
    );
    assert_eq!(
        why(other
            .datasets
            .get_dataset(GetDatasetRequest { id: dataset.clone() })
            .await),
        not_found()
    );
    assert_eq!(invitations(&mut admin).await, Vec::<String>::new());

    let accept = AcceptInvitationRequest {
        project_id: project.clone(),
        request_id: "key".to_owned(),
    };
    let accepted = other
        .projects
        .accept_invitation(accept.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(accepted.status(), ParticipantStatus::Active);
    assert_eq!(
        other
            .projects
            .accept_invitation(accept)
            .await
            .unwrap()
            .into_inner(),
        accepted
    );
    assert_eq!(invitations(&mut other).await, Vec::<String>::new());
    let both = [
        (OURS.to_owned(), ParticipantStatus::Active),
        (THEIRS.to_owned(), ParticipantStatus::Active),
    ];
    assert_eq!(statuses(&mut other, &project).await, both);

    // It contributes a table to a dataset of the owner, which the owner's tenant sees.
    let table = other.table(&dataset, "planes").await;
    let seen = admin
        .tables
        .get_table(GetTableRequest { id: table.clone() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(seen.tenant_id, suite.other_tenant.to_string());

    let leave = LeaveProjectRequest {
        project_id: project.clone(),
        request_id: String::new(),
    };
    let left = other.projects.leave_project(leave).await.unwrap().into_inner();
    assert_eq!(left.status(), ParticipantStatus::Left);
    // Its table is out of the others' sight at once, and the project out of its own.
    assert_eq!(
        why(admin
            .tables
            .get_table(GetTableRequest { id: table.clone() })
            .await),
        not_found()
    );
    let listed = admin
        .tables
        .list_tables(ListTablesRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(listed.tables.is_empty());
    assert_eq!(
        why(other
            .projects
            .get_project(GetProjectRequest { id: project.clone() })
            .await),
        not_found()
    );
    assert_eq!(
        why(other
            .datasets
            .get_dataset(GetDatasetRequest { id: dataset })
            .await),
        not_found()
    );
    // What is its own stays its own.
    other
        .tables
        .get_table(GetTableRequest { id: table.clone() })
        .await
        .unwrap();

    // Who left may come back, and brings its table.
    admin
        .projects
        .invite_participant(invite(&project, suite.other_tenant))
        .await
        .unwrap();
    let accept = AcceptInvitationRequest {
        project_id: project,
        request_id: String::new(),
    };
    other.projects.accept_invitation(accept).await.unwrap();
    admin
        .tables
        .get_table(GetTableRequest { id: table })
        .await
        .unwrap();
}

#[tokio::test]
async fn an_invitation_is_declined() {
    let suite = Suite::start().await;
    let (mut admin, mut other) = (suite.as_admin(), suite.as_other_tenant());
    let project = admin.project("Fleet").await;
    admin
        .projects
        .invite_participant(invite(&project, suite.other_tenant))
        .await
        .unwrap();
    let decline = DeclineInvitationRequest {
        project_id: project.clone(),
        request_id: String::new(),
    };
    let declined = other
        .projects
        .decline_invitation(decline)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(declined.status(), ParticipantStatus::Declined);
    let accept = AcceptInvitationRequest {
        project_id: project.clone(),
        request_id: String::new(),
    };
    assert_eq!(why(other.projects.accept_invitation(accept).await), not_found());
    assert_eq!(
        why(other
            .projects
            .get_project(GetProjectRequest { id: project.clone() })
            .await),
        not_found()
    );
    admin
        .projects
        .invite_participant(invite(&project, suite.other_tenant))
        .await
        .unwrap();
    assert_eq!(invitations(&mut other).await, ["Fleet"]);
}

#[tokio::test]
async fn nobody_answers_what_is_not_asked() {
    let suite = Suite::start().await;
    let (mut admin, mut other) = (suite.as_admin(), suite.as_other_tenant());
    let project = admin.project("Fleet").await;
    let accept = AcceptInvitationRequest {
        project_id: project.clone(),
        request_id: String::new(),
    };
    assert_eq!(why(other.projects.accept_invitation(accept).await), not_found());
    let decline = DeclineInvitationRequest {
        project_id: project.clone(),
        request_id: String::new(),
    };
    assert_eq!(why(other.projects.decline_invitation(decline).await), not_found());
    let leave = LeaveProjectRequest {
        project_id: project.clone(),
        request_id: String::new(),
    };
    assert_eq!(
        why(other.projects.leave_project(leave.clone()).await),
        not_found()
    );
    // The owner cannot leave its own project.
    assert_eq!(
        why(admin.projects.leave_project(leave).await),
        failed("WRONG_STATE")
    );
    let (_, _, fields) = refusal(
        other
            .projects
            .accept_invitation(AcceptInvitationRequest::default())
            .await,
    );
    assert_eq!(fields, ["project_id"]);
}

#[tokio::test]
async fn only_the_owner_of_a_project_invites() {
    let suite = Suite::start().await;
    let (mut admin, mut other) = (suite.as_admin(), suite.as_other_tenant());
    let project = admin.project("Fleet").await;
    assert_eq!(
        why(other
            .projects
            .invite_participant(invite(&project, suite.third_tenant))
            .await),
        not_found()
    );
    suite.join(&project, &mut admin, &mut other).await;
    assert_eq!(
        why(other
            .projects
            .invite_participant(invite(&project, suite.third_tenant))
            .await),
        denied()
    );
    for mut caller in [suite.as_editor(), suite.as_user()] {
        assert_eq!(
            why(caller
                .projects
                .invite_participant(invite(&project, suite.third_tenant))
                .await),
            denied()
        );
    }

    let again = why(admin
        .projects
        .invite_participant(invite(&project, suite.other_tenant))
        .await);
    assert_eq!(again, (Code::AlreadyExists, "ALREADY_EXISTS".to_owned()));
    let itself = why(admin
        .projects
        .invite_participant(invite(&project, suite.tenant))
        .await);
    assert_eq!(itself, (Code::AlreadyExists, "ALREADY_EXISTS".to_owned()));
    assert_eq!(
        why(admin
            .projects
            .invite_participant(invite(&project, Uuid::nil()))
            .await),
        not_found()
    );
    let (_, _, fields) = refusal(
        admin
            .projects
            .invite_participant(InviteParticipantRequest::default())
            .await,
    );
    assert_eq!(fields, ["project_id", "tenant_id"]);

    let archive = ArchiveProjectRequest {
        id: project.clone(),
        ..Default::default()
    };
    admin.projects.archive_project(archive).await.unwrap();
    let late = why(admin
        .projects
        .invite_participant(invite(&project, suite.third_tenant))
        .await);
    assert_eq!(late, failed("ARCHIVED"));
}

#[tokio::test]
async fn the_owner_changes_rights_and_removes() {
    let suite = Suite::start().await;
    let (mut admin, mut other) = (suite.as_admin(), suite.as_other_tenant());
    let project = admin.project("Fleet").await;
    let dataset = admin.dataset(&project, "shared").await;
    suite.join(&project, &mut admin, &mut other).await;

    let update = |tenant: Uuid, etag: &str| UpdateParticipantRequest {
        participant: Some(Participant {
            project_id: project.clone(),
            tenant_id: tenant.to_string(),
            etag: etag.to_owned(),
            ..Participant::default()
        }),
        update_mask: Some(mask(&["can_contribute"])),
        request_id: String::new(),
    };
    let changed = admin
        .projects
        .update_participant(update(suite.other_tenant, ""))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((changed.can_contribute, changed.can_query), (false, true));
    assert_eq!(changed.tenant_name, THEIRS);
    // What may not contribute makes no dataset and no table.
    assert_eq!(why(other.try_dataset(&project, "mine").await), denied());
    assert_eq!(why(other.try_table(&dataset, "mine").await), denied());

    let stale = why(admin
        .projects
        .update_participant(update(suite.other_tenant, "stale"))
        .await);
    assert_eq!(stale, (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    assert_eq!(
        why(admin.projects.update_participant(update(suite.tenant, "")).await),
        failed("WRONG_STATE")
    );
    assert_eq!(
        why(admin
            .projects
            .update_participant(update(suite.third_tenant, ""))
            .await),
        not_found()
    );
    assert_eq!(
        why(other
            .projects
            .update_participant(update(suite.other_tenant, ""))
            .await),
        denied()
    );
    let unmasked = UpdateParticipantRequest {
        update_mask: None,
        ..update(suite.other_tenant, "")
    };
    assert_eq!(
        refusal(admin.projects.update_participant(unmasked).await).2,
        ["update_mask"]
    );

    let remove = RemoveParticipantRequest {
        project_id: project.clone(),
        tenant_id: suite.other_tenant.to_string(),
        ..Default::default()
    };
    let removed = admin
        .projects
        .remove_participant(remove.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(removed.status(), ParticipantStatus::Removed);
    assert_eq!(
        why(other
            .projects
            .get_project(GetProjectRequest { id: project.clone() })
            .await),
        not_found()
    );
    let owner = RemoveParticipantRequest {
        tenant_id: suite.tenant.to_string(),
        ..remove
    };
    assert_eq!(
        why(admin.projects.remove_participant(owner).await),
        failed("WRONG_STATE")
    );
}

#[tokio::test]
async fn partners_see_who_is_active_and_not_who_invited_them() {
    let suite = Suite::start().await;
    let (mut admin, mut other) = (suite.as_admin(), suite.as_other_tenant());
    let project = admin.project("Fleet").await;
    let invited = admin
        .projects
        .invite_participant(invite(&project, suite.other_tenant))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(invited.invited_by, admin.user_id.to_string());
    let list = async |caller: &mut Caller, filter: &str| {
        let request = ListParticipantsRequest {
            project_id: project.clone(),
            filter: filter.to_owned(),
            ..Default::default()
        };
        let listed = caller.projects.list_participants(request).await;
        listed.map(|it| it.map(|it| it.participants))
    };
    // Invited, it takes no part yet.
    assert_eq!(why(list(&mut other, "").await), not_found());

    let accept = AcceptInvitationRequest {
        project_id: project.clone(),
        request_id: "accept".to_owned(),
    };
    for _ in 0..2 {
        let accepted = other.projects.accept_invitation(accept.clone()).await.unwrap();
        assert_eq!(accepted.into_inner().invited_by, "");
    }
    admin
        .projects
        .invite_participant(invite(&project, suite.third_tenant))
        .await
        .unwrap();
    let active = [
        (OURS, ParticipantStatus::Active),
        (THEIRS, ParticipantStatus::Active),
    ];
    let active = active.map(|(name, status)| (name.to_owned(), status));
    assert_eq!(statuses(&mut other, &project).await, active);
    assert_eq!(statuses(&mut admin, &project).await.len(), 3);
    let remove = RemoveParticipantRequest {
        project_id: project.clone(),
        tenant_id: suite.third_tenant.to_string(),
        ..Default::default()
    };
    admin.projects.remove_participant(remove).await.unwrap();
    assert_eq!(statuses(&mut other, &project).await, active);
    // Nor does a filter find what a list does not show.
    let removed = "status = PARTICIPANT_STATUS_REMOVED";
    assert_eq!(list(&mut other, removed).await.unwrap().into_inner(), []);
    assert_eq!(list(&mut admin, removed).await.unwrap().into_inner().len(), 1);

    // The owner sees who of its users invited; the invited does not, nor an etag that would depend on it.
    let of_other = |listed: Vec<Participant>| {
        let mut all = listed.into_iter();
        all.find(|it| it.tenant_id == suite.other_tenant.to_string())
            .unwrap()
    };
    let (by_owner, by_itself) = (
        of_other(list(&mut admin, "").await.unwrap().into_inner()),
        of_other(list(&mut other, "").await.unwrap().into_inner()),
    );
    assert_eq!(by_owner.invited_by, admin.user_id.to_string());
    assert_eq!(by_itself.invited_by, "");
    assert_ne!(by_owner.etag, by_itself.etag);
    assert_eq!(by_owner.status, by_itself.status);

    let leave = LeaveProjectRequest {
        project_id: project.clone(),
        request_id: String::new(),
    };
    let left = other.projects.leave_project(leave).await.unwrap().into_inner();
    assert_eq!(
        (left.status(), left.invited_by.as_str()),
        (ParticipantStatus::Left, "")
    );
    assert_eq!(why(list(&mut other, "").await), not_found());
}
