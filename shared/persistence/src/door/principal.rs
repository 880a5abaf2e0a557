use datacovey_error::{Error, Result};
use datacovey_types::{Principal, Role, Scopes};
use diesel::sql_types::{Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::door;
use crate::Database;
use crate::pipeline::answer;

door! {
    ResolvePrincipal { issuer: String => Text, org: String => Text, sub: String => Text }
    "SELECT tenant_id, user_id, role FROM resolve_principal(" .. ")" -> (SqlUuid, SqlUuid, Text)
}

impl Database {
    /// Who signed in, by what the token says; none where tenant or user is not there or archived.
    /// Scopes are the token's and not known here.
    pub async fn principal_resolve(&self, issuer: &str, org: &str, sub: &str) -> Result<Option<Principal>> {
        let door = ResolvePrincipal {
            issuer: issuer.to_owned(),
            org: org.to_owned(),
            sub: sub.to_owned(),
        };
        let rows: Vec<(Uuid, Uuid, String)> = answer(self.fetch_without_tenant(door).await)?;
        rows.into_iter()
            .next()
            .map(|(tenant_id, user_id, role)| principal(tenant_id, user_id, &role))
            .transpose()
    }
}

pub(super) fn principal(tenant_id: Uuid, user_id: Uuid, role: &str) -> Result<Principal> {
    let role = role
        .parse::<Role>()
        .map_err(|_| Error::internal(format!("the role \"{role}\" is none of ours")))?;
    Ok(Principal {
        tenant_id,
        user_id,
        role,
        scopes: Scopes::NONE,
    })
}
