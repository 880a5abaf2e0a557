//! Participants and invitations, between their messages and their rows.

use datacovey_error::{Result, Violations};
use datacovey_list::{Binding, Listing, Mask, Paging, UpdatableFields, etag, list_request};
use datacovey_persistence::{
    InvitationRow, NewParticipant, PARTICIPANT_FIELDS, Participant, ParticipantChange, ParticipantUpdate,
    Replay,
};
use datacovey_proto::catalog::v1 as pb;
use datacovey_types::ParticipantStatus;
use prost::Message;
use uuid::Uuid;

use super::mutation::Target;
use super::{field, mutation};

const FIELDS: UpdatableFields = UpdatableFields {
    mutable: &["can_contribute", "can_query"],
    immutable: &[
        "project_id",
        "tenant_id",
        "tenant_name",
        "status",
        "invited_by",
        "created_at",
        "changed_at",
        "etag",
    ],
};

/// A change of a participant by the owner of the project.
pub(super) struct Update {
    pub(super) change: ParticipantUpdate,
    pub(super) replay: Option<Replay>,
}

/// A request of a tenant about its own part in a project.
pub(super) fn own(
    method: &'static str,
    project_id: &str,
    request_id: &str,
    request: &impl Message,
) -> Result<Target> {
    mutation::target(method, ("project_id", project_id), "", request_id, request)
}

pub(super) fn parse_invite(
    request: pb::InviteParticipantRequest,
) -> Result<(NewParticipant, Option<Replay>)> {
    let mut violations = Violations::new();
    let replay = mutation::replay(
        "InviteParticipant",
        &request.request_id,
        &request,
        &mut violations,
    );
    let project_id = field::id("project_id", &request.project_id, &mut violations);
    let tenant_id = field::id("tenant_id", &request.tenant_id, &mut violations);
    let new = || {
        Some(NewParticipant {
            project_id: project_id?,
            tenant_id: tenant_id?,
            can_contribute: request.can_contribute.unwrap_or(true),
            can_query: request.can_query.unwrap_or(true),
        })
    };
    field::finish(violations, new().map(|new| (new, replay)))
}

pub(super) fn parse_update(request: pb::UpdateParticipantRequest) -> Result<Update> {
    let mut violations = Violations::new();
    let replay = mutation::replay(
        "UpdateParticipant",
        &request.request_id,
        &request,
        &mut violations,
    );
    let given = field::required("participant", request.participant, &mut violations);
    let project_id = field::id("participant.project_id", &given.project_id, &mut violations);
    let tenant_id = field::id("participant.tenant_id", &given.tenant_id, &mut violations);
    // Nothing tells a `false` from a field that was not sent.
    if request
        .update_mask
        .as_ref()
        .is_none_or(|mask| mask.paths.is_empty())
    {
        violations.add(
            "update_mask",
            "is required: name can_contribute, can_query or both",
        );
    }
    let mask = FIELDS.parse(request.update_mask.as_ref(), |_| false, &mut violations);
    let writes = |field| mask.as_ref().is_some_and(|mask: &Mask| mask.contains(field));
    let change = ParticipantChange::Rights {
        can_contribute: writes("can_contribute").then_some(given.can_contribute),
        can_query: writes("can_query").then_some(given.can_query),
    };
    let update = || {
        let change = ParticipantUpdate {
            project_id: project_id?,
            tenant_id: tenant_id?,
            etag: given.etag,
            change,
        };
        Some(Update { change, replay })
    };
    field::finish(violations, update())
}

pub(super) fn parse_remove(request: pb::RemoveParticipantRequest) -> Result<Update> {
    let mut violations = Violations::new();
    let replay = mutation::replay(
        "RemoveParticipant",
        &request.request_id,
        &request,
        &mut violations,
    );
    let project_id = field::id("project_id", &request.project_id, &mut violations);
    let tenant_id = field::id("tenant_id", &request.tenant_id, &mut violations);
    let update = || {
        let change = ParticipantUpdate {
            project_id: project_id?,
            tenant_id: tenant_id?,
            etag: request.etag,
            change: ParticipantChange::Removed,
        };
        Some(Update { change, replay })
    };
    field::finish(violations, update())
}

pub(super) fn parse_list(request: &pb::ListParticipantsRequest) -> Result<(Uuid, Listing)> {
    let mut violations = Violations::new();
    let project_id = field::id("project_id", &request.project_id, &mut violations);
    let binding = Binding::new("ListParticipants").with("project_id", &request.project_id);
    let listing = Listing::parse(
        &PARTICIPANT_FIELDS,
        binding,
        list_request!(request),
        &mut violations,
    );
    field::finish(violations, project_id.zip(listing))
}

pub(super) fn parse_invitations(request: &pb::ListInvitationsRequest) -> Result<Paging<Uuid>> {
    let mut violations = Violations::new();
    let binding = Binding::new("ListInvitations");
    let paging = Paging::parse(binding, request.page_size, &request.page_token, &mut violations);
    field::finish(violations, paging)
}

pub(super) fn reply(participant: Participant) -> Result<pb::Participant> {
    let Participant { row, tenant_name } = participant;
    let status = match row.status()? {
        ParticipantStatus::Invited => pb::ParticipantStatus::Invited,
        ParticipantStatus::Active => pb::ParticipantStatus::Active,
        ParticipantStatus::Declined => pb::ParticipantStatus::Declined,
        ParticipantStatus::Left => pb::ParticipantStatus::Left,
        ParticipantStatus::Removed => pb::ParticipantStatus::Removed,
    };
    Ok(pb::Participant {
        etag: etag(&row)?,
        project_id: row.project_id.to_string(),
        tenant_id: row.tenant_id.to_string(),
        tenant_name,
        status: status.into(),
        can_contribute: row.can_contribute,
        can_query: row.can_query,
        invited_by: row.invited_by.map(|it| it.to_string()).unwrap_or_default(),
        created_at: Some(field::timestamp(row.created_at)),
        changed_at: Some(field::timestamp(row.changed_at)),
    })
}

pub(super) fn reply_invitation(row: InvitationRow) -> pb::Invitation {
    pb::Invitation {
        project_id: row.project_id.to_string(),
        project_name: row.project_name,
        project_description: row.project_description,
        inviter_tenant_id: row.inviter_tenant_id.to_string(),
        inviter_tenant_name: row.inviter_tenant_name,
        can_contribute: row.can_contribute,
        can_query: row.can_query,
        invited_at: Some(field::timestamp(row.invited_at)),
    }
}
