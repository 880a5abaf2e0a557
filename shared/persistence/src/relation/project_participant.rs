//! Who takes part in a project. The owner of the project writes here; what a participant answers for
//! itself goes through the doors.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result};
use datacovey_list::{Field, Fields, Kind, Listing, Page, Paging, check_etag};
use datacovey_types::{Ctx, ParticipantStatus};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::idempotency::Replay;
use crate::door::participant as door;
use crate::failure::{Failure, OrNotFound as _};
use crate::schema::{project, project_participant, tenant};
use crate::{Conn, Database, InvitationRow, listing};

/// A tenant in a project.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Serialize)]
#[diesel(table_name = project_participant, check_for_backend(diesel::pg::Pg))]
pub struct ParticipantRow {
    pub project_id: Uuid,
    pub tenant_id: Uuid,
    pub status: String,
    pub can_contribute: bool,
    pub can_query: bool,
    /// A user of the tenant that owns the project; none where another tenant asks.
    pub invited_by: Option<Uuid>,
    pub created_at: NaiveDateTime,
    pub changed_at: NaiveDateTime,
    pub tenant_archived: bool,
    pub is_active: bool,
}

/// A participant with its name, which is no column that another tenant may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    pub row: ParticipantRow,
    pub tenant_name: String,
}

/// A tenant to invite.
#[derive(Clone, Debug)]
pub struct NewParticipant {
    pub project_id: Uuid,
    pub tenant_id: Uuid,
    pub can_contribute: bool,
    pub can_query: bool,
}

/// What the owner of a project changes of a participant, by whom it is named.
#[derive(Clone, Debug)]
pub struct ParticipantUpdate {
    pub project_id: Uuid,
    pub tenant_id: Uuid,
    /// Of the state that the caller saw; empty for any.
    pub etag: String,
    pub change: ParticipantChange,
}

#[derive(Clone, Copy, Debug)]
pub enum ParticipantChange {
    /// None leaves a right as it is.
    Rights {
        can_contribute: Option<bool>,
        can_query: Option<bool>,
    },
    Removed,
}

/// What lists of participants are filtered and ordered by.
pub const PARTICIPANT_FIELDS: Fields = Fields {
    relation: "project_participant",
    all: &[
        TENANT_ID,
        Field::new("status", Kind::Word(STATUSES)),
        Field::new("can_contribute", Kind::Bool),
        Field::new("can_query", Kind::Bool),
        Field::new("created_at", Kind::Time),
        Field::new("changed_at", Kind::Time),
    ],
    sortable: &["tenant_id", "status", "created_at", "changed_at"],
    key: TENANT_ID,
};
const TENANT_ID: Field = Field::new("tenant_id", Kind::Id);
const STATUSES: &[(&str, &str)] = &[
    ("PARTICIPANT_STATUS_INVITED", ParticipantStatus::Invited.as_str()),
    ("PARTICIPANT_STATUS_ACTIVE", ParticipantStatus::Active.as_str()),
    (
        "PARTICIPANT_STATUS_DECLINED",
        ParticipantStatus::Declined.as_str(),
    ),
    ("PARTICIPANT_STATUS_LEFT", ParticipantStatus::Left.as_str()),
    ("PARTICIPANT_STATUS_REMOVED", ParticipantStatus::Removed.as_str()),
];

impl ParticipantRow {
    /// The status as a value.
    pub fn status(&self) -> Result<ParticipantStatus> {
        self.status
            .parse()
            .map_err(|_| Error::internal(format!("an unknown status of a participant: {}", self.status)))
    }

    /// As a tenant that does not own the project sees it: users of another tenant are not its to know.
    fn for_partners(self) -> Self {
        Self {
            invited_by: None,
            ..self
        }
    }
}

impl Database {
    /// Invites a tenant into a project of the caller's; one that declined, left or was removed again.
    ///
    /// ALREADY_EXISTS where it is invited or active, NOT_FOUND where there is no such tenant.
    pub async fn project_participant_invite(
        &self,
        ctx: &Ctx,
        new: NewParticipant,
        replay: Option<Replay>,
    ) -> Result<Participant> {
        let key = (new.project_id, new.tenant_id);
        let invited = ParticipantStatus::Invited.as_str();
        self.transaction(ctx, async |conn| {
            if Replay::begin(replay.as_ref(), ctx, new.project_id, conn)
                .await?
                .is_some()
            {
                let row = find(key, conn).await?;
                return named(ctx, row, conn).await;
            }
            require_owner(ctx, new.project_id, conn).await?;
            let known = lock(key, conn).await?;
            let values = (
                project_participant::status.eq(invited),
                project_participant::can_contribute.eq(new.can_contribute),
                project_participant::can_query.eq(new.can_query),
                project_participant::invited_by.eq(ctx.user_id()),
            );
            let row = match known {
                None => {
                    diesel::insert_into(project_participant::table)
                        .values((
                            project_participant::project_id.eq(new.project_id),
                            project_participant::tenant_id.eq(new.tenant_id),
                            values,
                        ))
                        .returning(ParticipantRow::as_returning())
                        .get_result(conn)
                        .await?
                }
                Some(row)
                    if matches!(
                        row.status()?,
                        ParticipantStatus::Invited | ParticipantStatus::Active
                    ) =>
                {
                    let message = format!("the tenant is {} already", row.status);
                    return Err(Error::already_exists("participant", new.tenant_id, message).into());
                }
                Some(_) => {
                    diesel::update(project_participant::table.find(key))
                        .set(values)
                        .returning(ParticipantRow::as_returning())
                        .get_result(conn)
                        .await?
                }
            };
            named(ctx, row, conn).await
        })
        .await
    }

    /// Changes what a participant of the caller's project may do, or removes it.
    ///
    /// NOT_FOUND where the tenant was never invited, WRONG_STATE for the owner of the project itself.
    pub async fn project_participant_update(
        &self,
        ctx: &Ctx,
        update: ParticipantUpdate,
        replay: Option<Replay>,
    ) -> Result<Participant> {
        let key = (update.project_id, update.tenant_id);
        self.transaction(ctx, async |conn| {
            if Replay::begin(replay.as_ref(), ctx, update.project_id, conn)
                .await?
                .is_some()
            {
                let row = find(key, conn).await?;
                return named(ctx, row, conn).await;
            }
            require_owner(ctx, update.project_id, conn).await?;
            let row = lock(key, conn)
                .await?
                .ok_or_else(|| Error::not_found("participant", update.tenant_id))?;
            check_etag(&update.etag, &row, "participant", update.tenant_id)?;
            let (status, can_contribute, can_query) = match update.change {
                ParticipantChange::Rights {
                    can_contribute,
                    can_query,
                } => {
                    let contribute = can_contribute.unwrap_or(row.can_contribute);
                    (row.status, contribute, can_query.unwrap_or(row.can_query))
                }
                ParticipantChange::Removed => (
                    ParticipantStatus::Removed.as_str().to_owned(),
                    row.can_contribute,
                    row.can_query,
                ),
            };
            let row = diesel::update(project_participant::table.find(key))
                .set((
                    project_participant::status.eq(status),
                    project_participant::can_contribute.eq(can_contribute),
                    project_participant::can_query.eq(can_query),
                ))
                .returning(ParticipantRow::as_returning())
                .get_result(conn)
                .await?;
            named(ctx, row, conn).await
        })
        .await
    }

    /// Who takes part in a project that the caller sees; for its owner, who was ever invited.
    pub async fn project_participant_list(
        &self,
        ctx: &Ctx,
        project_id: Uuid,
        listing: &Listing,
    ) -> Result<Page<Participant>> {
        let rows = self.transaction(ctx, async |conn| {
            let owner = find_project(project_id, conn).await?;
            let rows = project_participant::table
                .filter(project_participant::project_id.eq(project_id))
                .filter(listing::rows(listing))
                .order(listing::sorting(listing))
                .limit(listing.limit())
                .select(ParticipantRow::as_select())
                .load::<ParticipantRow>(conn)
                .await?;
            // After the rows, so that each has a name.
            let names = door::partner_names(project_id, conn).await?;
            let name_of = |row: &ParticipantRow| names.iter().find(|it| it.tenant_id == row.tenant_id);
            let with_name = |row| {
                let tenant_name = name_of(&row).map(|it| it.name.clone()).unwrap_or_default();
                let row = if owner == ctx.tenant_id() {
                    row
                } else {
                    row.for_partners()
                };
                Participant { row, tenant_name }
            };
            Ok(rows.into_iter().map(with_name).collect::<Vec<_>>())
        });
        listing.page_of(rows.await?, |it| &it.row)
    }

    /// The open invitations of the caller's tenant, by project.
    pub async fn invitation_list(&self, ctx: &Ctx, paging: &Paging<Uuid>) -> Result<Page<InvitationRow>> {
        let rows = self.transaction(ctx, async |conn| {
            // The door gives them in order; nobody has so many that they would be worth a statement a page.
            let mut rows = door::invitations(conn).await?;
            rows.retain(|row| paging.after.is_none_or(|after| row.project_id > after));
            Ok(rows)
        });
        paging.page(rows.await?, |row| row.project_id)
    }

    /// Makes the caller's tenant an active participant. NOT_FOUND where nobody has invited it, ARCHIVED
    /// where the project is.
    pub async fn invitation_accept(
        &self,
        ctx: &Ctx,
        project_id: Uuid,
        replay: Option<Replay>,
    ) -> Result<Participant> {
        self.transaction(ctx, async |conn| {
            if Replay::begin(replay.as_ref(), ctx, project_id, conn)
                .await?
                .is_none()
            {
                door::accept(project_id, conn).await?;
            }
            own(ctx, project_id, conn).await
        })
        .await
    }

    /// Declines the invitation of the caller's tenant. NOT_FOUND where there is none, WRONG_STATE where
    /// it was accepted.
    pub async fn invitation_decline(
        &self,
        ctx: &Ctx,
        project_id: Uuid,
        replay: Option<Replay>,
    ) -> Result<Participant> {
        self.transaction(ctx, async |conn| {
            if Replay::begin(replay.as_ref(), ctx, project_id, conn)
                .await?
                .is_none()
            {
                door::decline(project_id, conn).await?;
            }
            own(ctx, project_id, conn).await
        })
        .await
    }

    /// Takes the caller's tenant out of a project, and what it owns there out of the others' sight.
    /// NOT_FOUND where it takes no part, WRONG_STATE for the owner and for the invited.
    pub async fn project_leave(
        &self,
        ctx: &Ctx,
        project_id: Uuid,
        replay: Option<Replay>,
    ) -> Result<Participant> {
        self.transaction(ctx, async |conn| {
            if Replay::begin(replay.as_ref(), ctx, project_id, conn)
                .await?
                .is_none()
            {
                door::leave(project_id, conn).await?;
            }
            own(ctx, project_id, conn).await
        })
        .await
    }
}

/// The caller's own row in a project of another tenant: an owner neither accepts, declines nor leaves.
async fn own(ctx: &Ctx, project_id: Uuid, conn: &mut Conn<'_>) -> Result<Participant, Failure> {
    let row = find((project_id, ctx.tenant_id()), conn).await?;
    named(ctx, row.for_partners(), conn).await
}

/// Who left does not see the names of the others any more, and its own always.
async fn named(ctx: &Ctx, row: ParticipantRow, conn: &mut Conn<'_>) -> Result<Participant, Failure> {
    let tenant_name = if row.tenant_id == ctx.tenant_id() {
        tenant::table
            .find(row.tenant_id)
            .select(tenant::name)
            .first(conn)
            .await?
    } else {
        let names = door::partner_names(row.project_id, conn).await?;
        names
            .into_iter()
            .find(|it| it.tenant_id == row.tenant_id)
            .map(|it| it.name)
            .unwrap_or_default()
    };
    Ok(Participant { row, tenant_name })
}

async fn find((project_id, tenant_id): (Uuid, Uuid), conn: &mut Conn<'_>) -> Result<ParticipantRow, Failure> {
    let row = project_participant::table
        .find((project_id, tenant_id))
        .select(ParticipantRow::as_select());
    row.first(conn).await.or_not_found("participant", tenant_id)
}

/// The row of a participant, locked; none where the tenant was never invited.
async fn lock(key: (Uuid, Uuid), conn: &mut Conn<'_>) -> Result<Option<ParticipantRow>, Failure> {
    let row = project_participant::table
        .find(key)
        .select(ParticipantRow::as_select())
        .for_no_key_update();
    Ok(row.first(conn).await.optional()?)
}

async fn find_project(id: Uuid, conn: &mut Conn<'_>) -> Result<Uuid, Failure> {
    project::table
        .find(id)
        .select(project::tenant_id)
        .first(conn)
        .await
        .or_not_found("project", id)
}

async fn require_owner(ctx: &Ctx, project_id: Uuid, conn: &mut Conn<'_>) -> Result<(), Failure> {
    if find_project(project_id, conn).await? == ctx.tenant_id() {
        return Ok(());
    }
    Err(Error::permission_denied("only the owner of the project manages its participants").into())
}
