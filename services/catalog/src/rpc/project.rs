use datacovey_auth::authorize;
use datacovey_error::{Result, Violations};
use datacovey_list::{Binding, Listing, Mask, UpdatableFields, etag, list_request};
use datacovey_persistence::{Database, NewProject, PROJECT_FIELDS, ProjectChanges, ProjectRow, Replay};
use datacovey_proto::catalog::v1 as pb;
use datacovey_proto::catalog::v1::project_service_server::ProjectService;
use datacovey_server::ctx;
use datacovey_types::Permission::{ManageProjects, Read};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{field, mutation, participant};
use crate::domain::text;

/// ProjectService: projects, and who takes part in them.
#[derive(Clone, Debug)]
pub(crate) struct Projects {
    pub(crate) database: Database,
}

const FIELDS: UpdatableFields = UpdatableFields {
    mutable: &["name", "description"],
    immutable: &["id", "tenant_id", "created_at", "archived_at", "etag"],
};

#[tonic::async_trait]
impl ProjectService for Projects {
    async fn create_project(
        &self,
        request: Request<pb::CreateProjectRequest>,
    ) -> Result<Response<pb::Project>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageProjects)?;
        let (new, replay) = parse_create(request.into_inner())?;
        let row = self.database.project_create(&ctx, new, replay).await?;
        Ok(Response::new(reply(row)?))
    }

    async fn get_project(
        &self,
        request: Request<pb::GetProjectRequest>,
    ) -> Result<Response<pb::Project>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let id = field::only_id("id", &request.into_inner().id)?;
        let row = self.database.project_get(&ctx, id).await?;
        Ok(Response::new(reply(row)?))
    }

    async fn list_projects(
        &self,
        request: Request<pb::ListProjectsRequest>,
    ) -> Result<Response<pb::ListProjectsResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let request = request.into_inner();
        let listing = parse_list(&request)?;
        let page = self
            .database
            .project_list(&ctx, request.show_archived, &listing)
            .await?;
        let page = page.try_map(reply)?;
        Ok(Response::new(pb::ListProjectsResponse {
            projects: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_project(
        &self,
        request: Request<pb::UpdateProjectRequest>,
    ) -> Result<Response<pb::Project>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageProjects)?;
        let (id, etag, changes, replay) = parse_update(request.into_inner())?;
        let row = self
            .database
            .project_update(&ctx, id, &etag, changes, replay)
            .await?;
        Ok(Response::new(reply(row)?))
    }

    async fn archive_project(
        &self,
        request: Request<pb::ArchiveProjectRequest>,
    ) -> Result<Response<pb::Project>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageProjects)?;
        let request = request.into_inner();
        let target = mutation::target(
            "ArchiveProject",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        let row = self
            .database
            .project_archive(&ctx, target.id, &target.etag, target.replay)
            .await?;
        Ok(Response::new(reply(row)?))
    }

    async fn restore_project(
        &self,
        request: Request<pb::RestoreProjectRequest>,
    ) -> Result<Response<pb::Project>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageProjects)?;
        let request = request.into_inner();
        let target = mutation::target(
            "RestoreProject",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        let row = self
            .database
            .project_restore(&ctx, target.id, &target.etag, target.replay)
            .await?;
        Ok(Response::new(reply(row)?))
    }

    async fn delete_project(
        &self,
        request: Request<pb::DeleteProjectRequest>,
    ) -> Result<Response<()>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageProjects)?;
        let request = request.into_inner();
        let target = mutation::target(
            "DeleteProject",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        self.database
            .project_delete(&ctx, target.id, &target.etag, request.force, target.replay)
            .await?;
        Ok(Response::new(()))
    }

    async fn invite_participant(
        &self,
        request: Request<pb::InviteParticipantRequest>,
    ) -> Result<Response<pb::Participant>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageProjects)?;
        let (new, replay) = participant::parse_invite(request.into_inner())?;
        let row = self
            .database
            .project_participant_invite(&ctx, new, replay)
            .await?;
        Ok(Response::new(participant::reply(row)?))
    }

    async fn list_invitations(
        &self,
        request: Request<pb::ListInvitationsRequest>,
    ) -> Result<Response<pb::ListInvitationsResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageProjects)?;
        let paging = participant::parse_invitations(&request.into_inner())?;
        let page = self.database.invitation_list(&ctx, &paging).await?;
        let page = page.try_map(|row| Ok(participant::reply_invitation(row)))?;
        Ok(Response::new(pb::ListInvitationsResponse {
            invitations: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn accept_invitation(
        &self,
        request: Request<pb::AcceptInvitationRequest>,
    ) -> Result<Response<pb::Participant>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageProjects)?;
        let request = request.into_inner();
        let own = participant::own(
            "AcceptInvitation",
            &request.project_id,
            &request.request_id,
            &request,
        )?;
        let row = self.database.invitation_accept(&ctx, own.id, own.replay).await?;
        Ok(Response::new(participant::reply(row)?))
    }

    async fn decline_invitation(
        &self,
        request: Request<pb::DeclineInvitationRequest>,
    ) -> Result<Response<pb::Participant>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageProjects)?;
        let request = request.into_inner();
        let own = participant::own(
            "DeclineInvitation",
            &request.project_id,
            &request.request_id,
            &request,
        )?;
        let row = self.database.invitation_decline(&ctx, own.id, own.replay).await?;
        Ok(Response::new(participant::reply(row)?))
    }

    async fn update_participant(
        &self,
        request: Request<pb::UpdateParticipantRequest>,
    ) -> Result<Response<pb::Participant>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageProjects)?;
        let update = participant::parse_update(request.into_inner())?;
        let row = self
            .database
            .project_participant_update(&ctx, update.change, update.replay)
            .await?;
        Ok(Response::new(participant::reply(row)?))
    }

    async fn remove_participant(
        &self,
        request: Request<pb::RemoveParticipantRequest>,
    ) -> Result<Response<pb::Participant>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageProjects)?;
        let update = participant::parse_remove(request.into_inner())?;
        let row = self
            .database
            .project_participant_update(&ctx, update.change, update.replay)
            .await?;
        Ok(Response::new(participant::reply(row)?))
    }

    async fn leave_project(
        &self,
        request: Request<pb::LeaveProjectRequest>,
    ) -> Result<Response<pb::Participant>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageProjects)?;
        let request = request.into_inner();
        let own = participant::own("LeaveProject", &request.project_id, &request.request_id, &request)?;
        let row = self.database.project_leave(&ctx, own.id, own.replay).await?;
        Ok(Response::new(participant::reply(row)?))
    }

    async fn list_participants(
        &self,
        request: Request<pb::ListParticipantsRequest>,
    ) -> Result<Response<pb::ListParticipantsResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let (project_id, listing) = participant::parse_list(&request.into_inner())?;
        let page = self
            .database
            .project_participant_list(&ctx, project_id, &listing)
            .await?;
        let page = page.try_map(participant::reply)?;
        Ok(Response::new(pb::ListParticipantsResponse {
            participants: page.rows,
            next_page_token: page.next_page_token,
        }))
    }
}

fn parse_create(request: pb::CreateProjectRequest) -> Result<(NewProject, Option<Replay>)> {
    let mut violations = Violations::new();
    let replay = mutation::replay("CreateProject", &request.request_id, &request, &mut violations);
    let project = field::required("project", request.project, &mut violations);
    let name = violations.take("project.name", text::display_name(&project.name));
    let description = field::description("project.description", project.description, &mut violations);
    let new = || {
        Some((
            NewProject {
                name: name?,
                description: description?,
            },
            replay,
        ))
    };
    field::finish(violations, new())
}

fn parse_list(request: &pb::ListProjectsRequest) -> Result<Listing> {
    let mut violations = Violations::new();
    let binding = Binding::new("ListProjects").with("show_archived", request.show_archived);
    let listing = Listing::parse(&PROJECT_FIELDS, binding, list_request!(request), &mut violations);
    field::finish(violations, listing)
}

fn parse_update(request: pb::UpdateProjectRequest) -> Result<(Uuid, String, ProjectChanges, Option<Replay>)> {
    let mut violations = Violations::new();
    let replay = mutation::replay("UpdateProject", &request.request_id, &request, &mut violations);
    let project = field::required("project", request.project, &mut violations);
    let id = field::id("project.id", &project.id, &mut violations);
    let is_set = |field: &str| match field {
        "name" => !project.name.is_empty(),
        _ => project.description.is_some(),
    };
    let mask = FIELDS.parse(request.update_mask.as_ref(), is_set, &mut violations);
    let writes = |field| mask.as_ref().is_some_and(|mask: &Mask| mask.contains(field));
    let mut changes = ProjectChanges::default();
    if writes("name") {
        changes.name = violations.take("project.name", text::display_name(&project.name));
    }
    if writes("description") {
        changes.description = field::description("project.description", project.description, &mut violations);
    }
    field::finish(violations, id.map(|id| (id, project.etag, changes, replay)))
}

fn reply(row: ProjectRow) -> Result<pb::Project> {
    Ok(pb::Project {
        etag: etag(&row)?,
        id: row.id.to_string(),
        tenant_id: row.tenant_id.to_string(),
        name: row.name,
        description: row.description,
        created_at: row.created_at.map(field::timestamp),
        archived_at: row.archived_at.map(field::timestamp),
    })
}
