use chrono::NaiveDateTime;
use diesel::Queryable;
use diesel::sql_types::{Bool, Nullable, Text, Timestamp, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::door;
use crate::Conn;
use crate::failure::Failure;

/// Id and name of a tenant in a project.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct PartnerName {
    pub tenant_id: Uuid,
    pub name: String,
}

/// What an invitation shows to the invited, who does not see the project yet.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct InvitationRow {
    pub project_id: Uuid,
    pub project_name: String,
    pub project_description: Option<String>,
    pub inviter_tenant_id: Uuid,
    pub inviter_tenant_name: String,
    pub can_contribute: bool,
    pub can_query: bool,
    pub invited_at: NaiveDateTime,
}

door! {
    /// The active tenants of a project that the caller takes part in, by id; for its owner all, whatever
    /// their status.
    PartnerNames { project_id: Uuid => SqlUuid }
    "SELECT tenant_id, name FROM partner_names(" .. ") ORDER BY tenant_id" -> (SqlUuid, Text)
}

door! {
    /// The caller's open invitations, by project id.
    Invitations {}
    "SELECT project_id, name, description, inviter_tenant_id, inviter, can_contribute, can_query, invited_at \
     FROM invitations(" .. ") ORDER BY project_id"
    -> (SqlUuid, Text, Nullable<Text>, SqlUuid, Text, Bool, Bool, Timestamp)
}

/// What of the row the answering doors give is read again by its key; here it is that they passed.
macro_rules! answer_door {
    ($name:ident, $before:literal) => {
        door! {
            $name { project_id: Uuid => SqlUuid }
            $before .. ")" -> SqlUuid
        }
    };
}

answer_door!(Accept, "SELECT project_id FROM accept(");
answer_door!(Decline, "SELECT project_id FROM decline(");
answer_door!(Leave, "SELECT project_id FROM leave(");

/// Names of the tenants in a project.
pub(crate) async fn partner_names(
    project_id: Uuid,
    conn: &mut Conn<'_>,
) -> Result<Vec<PartnerName>, Failure> {
    Ok(PartnerNames { project_id }.load(conn).await?)
}

/// The caller's open invitations.
pub(crate) async fn invitations(conn: &mut Conn<'_>) -> Result<Vec<InvitationRow>, Failure> {
    Ok(Invitations {}.load(conn).await?)
}

/// Makes the caller's tenant an active participant. Accepting twice is accepting.
pub(crate) async fn accept(project_id: Uuid, conn: &mut Conn<'_>) -> Result<(), Failure> {
    Accept { project_id }.get_result::<Uuid>(conn).await?;
    Ok(())
}

/// Declines the caller's invitation.
pub(crate) async fn decline(project_id: Uuid, conn: &mut Conn<'_>) -> Result<(), Failure> {
    Decline { project_id }.get_result::<Uuid>(conn).await?;
    Ok(())
}

/// Takes the caller's tenant out of a project, and what it owns there out of the others' sight.
pub(crate) async fn leave(project_id: Uuid, conn: &mut Conn<'_>) -> Result<(), Failure> {
    Leave { project_id }.get_result::<Uuid>(conn).await?;
    Ok(())
}
