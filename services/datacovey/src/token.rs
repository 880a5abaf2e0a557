//! Tokens of a data directory's development issuer, for people and scripts on one machine.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use datacovey_auth::{DevelopmentClaims, DevelopmentIssuer};
use datacovey_persistence::{
    Database, DbRole, FirstAdmin, NewTenant, NewUser, PoolOptions, TenantRow, UserRow,
};
use datacovey_types::{Ctx, Principal, Role, Scopes};
use uuid::Uuid;

use crate::data_dir::DataDir;

/// Who the token is for.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Name of the tenant; created where there is none of that name.
    pub tenant: String,
    pub role: Role,
    /// Email of the user; created where the tenant has none of that email. Made from role and tenant by default.
    pub email: Option<String>,
    pub scopes: Scopes,
    pub lifetime: Duration,
}

/// A token for the user, made with its tenant where they are missing.
pub async fn issue(data: &DataDir, database_url: &str, request: TokenRequest) -> anyhow::Result<String> {
    ensure!(!request.tenant.trim().is_empty(), "the tenant needs a name");
    let options = PoolOptions {
        max_connections: 1,
        ..PoolOptions::default()
    };
    let database = Database::open(database_url, DbRole::Identity, options).await?;
    let ctx = operator();
    let tenant = match database.tenant_find_by_name(&ctx, &request.tenant).await? {
        Some(tenant) => tenant,
        None => create_tenant(&database, &ctx, &request).await?,
    };
    let user = find_or_create_user(&database, &ctx, &tenant, &request).await?;
    let organization = tenant
        .auth0_org_id
        .context("the tenant has no auth0_org_id, so nobody can sign in to it; set one")?;
    Ok(sign(
        &data.issuer()?,
        &organization,
        &user.auth0_id,
        request.scopes,
        request.lifetime,
    ))
}

/// A token that says this and nothing more.
#[must_use]
pub fn sign(
    issuer: &DevelopmentIssuer,
    organization: &str,
    subject: &str,
    scopes: Scopes,
    lifetime: Duration,
) -> String {
    issuer.mint(DevelopmentClaims {
        organization,
        subject,
        scopes,
        lifetime,
    })
}

async fn create_tenant(database: &Database, ctx: &Ctx, request: &TokenRequest) -> anyhow::Result<TenantRow> {
    // Whoever comes first, the tenant has an admin.
    let email = match (&request.email, request.role) {
        (Some(email), Role::OrgAdmin) => email.clone(),
        _ => default_email(Role::OrgAdmin, &request.tenant),
    };
    let new = NewTenant {
        name: request.tenant.clone(),
        auth0_org_id: Some(format!("dev_{}", Uuid::now_v7().simple())),
        first_admin: FirstAdmin {
            auth0_id: auth0_id(&email),
            name: email.clone(),
            email,
        },
    };
    Ok(database.tenant_create(ctx, new, None).await?)
}

async fn find_or_create_user(
    database: &Database,
    ctx: &Ctx,
    tenant: &TenantRow,
    request: &TokenRequest,
) -> anyhow::Result<UserRow> {
    let email = request
        .email
        .clone()
        .unwrap_or_else(|| default_email(request.role, &request.tenant));
    if let Some(user) = database.user_find_by_email(ctx, tenant.id, &email).await? {
        if user.role()? != request.role {
            bail!(
                "{email} is a {} of {}, not a {}; ask for that role, or name another email",
                user.role,
                tenant.name,
                request.role
            );
        }
        return Ok(user);
    }
    let new = NewUser {
        tenant_id: tenant.id,
        auth0_id: auth0_id(&email),
        name: email.clone(),
        email,
        role: request.role,
    };
    Ok(database.user_create(ctx, new, None).await?)
}

/// Who owns the data directory is its operator. No tenant's, so it sees none of their data.
fn operator() -> Ctx {
    let scopes = Scopes {
        platform: true,
        backfill: false,
    };
    let principal = Principal {
        tenant_id: Uuid::nil(),
        user_id: Uuid::nil(),
        role: Role::OrgAdmin,
        scopes,
    };
    Ctx::from_request(principal, "token", None)
}

fn auth0_id(email: &str) -> String {
    format!("dev|{}", email.to_lowercase())
}

/// `org-admin@skyward-alliance.example`
fn default_email(role: Role, tenant: &str) -> String {
    format!("{}@{}.example", slug(role.as_str()), slug(tenant))
}

fn slug(text: &str) -> String {
    let words = text
        .split(|it: char| !it.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let slug = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-");
    if slug.is_empty() {
        "tenant".to_owned()
    } else {
        slug.chars().take(60).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_emails_are_addresses() {
        assert_eq!(
            default_email(Role::OrgAdmin, "Skyward Alliance"),
            "org-admin@skyward-alliance.example"
        );
        assert_eq!(
            default_email(Role::DatasetUser, "Ü"),
            "dataset-user@tenant.example"
        );
    }
}
