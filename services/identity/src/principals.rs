use std::collections::HashMap;
use std::sync::Arc;

use datacovey_auth::{ExternalCaller, Issuer, Organizations};
use datacovey_error::{Error, Result};
use datacovey_persistence::Database;
use datacovey_server::PrincipalResolver;
use datacovey_types::Principal;
use futures::future::BoxFuture;
use uuid::Uuid;

/// Whom a token names, as the database knows it now.
#[derive(Clone, Debug)]
pub struct Principals {
    database: Database,
    /// The organizations that each issuer may speak for.
    bindings: Arc<HashMap<String, Organizations>>,
}

impl Principals {
    /// `issuers` are those of this service's configuration: whoever verified a token, it counts
    /// here only as far as they bind its issuer.
    #[must_use]
    pub fn new(database: Database, issuers: Vec<Issuer>) -> Self {
        let bindings = issuers
            .into_iter()
            .map(|it| (it.issuer, it.organizations))
            .collect();
        Self {
            database,
            bindings: Arc::new(bindings),
        }
    }

    /// The principal of the claims of a verified token, without scopes: those are the token's.
    ///
    /// UNAUTHENTICATED where nobody is known by them.
    pub async fn of_token(&self, issuer: &str, organization: &str, subject: &str) -> Result<Principal> {
        if !self
            .bindings
            .get(issuer)
            .is_some_and(|bound| bound.contains(organization))
        {
            return Err(unknown());
        }
        let principal = self
            .database
            .principal_resolve(issuer, organization, subject)
            .await?;
        principal.ok_or_else(unknown)
    }

    /// The principal of a user.
    ///
    /// UNAUTHENTICATED where there is no such user, or it or its tenant is archived.
    pub async fn of_user(&self, user_id: Uuid) -> Result<Principal> {
        self.database
            .principal_of_user(user_id)
            .await?
            .ok_or_else(unknown)
    }
}

impl PrincipalResolver for Principals {
    fn resolve<'a>(&'a self, caller: &'a ExternalCaller, _: &'a str) -> BoxFuture<'a, Result<Principal>> {
        Box::pin(self.of_token(&caller.issuer, &caller.organization, &caller.subject))
    }
}

/// One answer for all: which part of a name is wrong is nobody's business. The metadata tell the
/// service that asks that it is the subject which is unknown, and not itself.
fn unknown() -> Error {
    let message = "nobody is known by these credentials, or the user or its organization is archived";
    Error::credentials_invalid(message).with("subject", "unknown")
}
