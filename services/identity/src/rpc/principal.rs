use datacovey_error::{Error, Result, Violations};
use datacovey_proto::internal::identity::v1 as pb;
use datacovey_proto::internal::identity::v1::principal_service_server::PrincipalService;
use datacovey_proto::internal::identity::v1::resolve_principal_request::Subject;
use datacovey_server::{field, internal_caller};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::role;
use crate::Principals;

/// PrincipalService: whom a token or a job names. Only services call it.
#[derive(Clone, Debug)]
pub(crate) struct PrincipalRpc {
    pub(crate) principals: Principals,
}

#[tonic::async_trait]
impl PrincipalService for PrincipalRpc {
    async fn resolve_principal(
        &self,
        request: Request<pb::ResolvePrincipalRequest>,
    ) -> Result<Response<pb::ResolvePrincipalResponse>, Status> {
        internal_caller(&request)?;
        let principal = match parse(request.into_inner())? {
            Named::ByToken(token) => {
                self.principals
                    .of_token(&token.issuer, &token.org_id, &token.sub)
                    .await?
            }
            Named::ById(user_id) => self.principals.of_user(user_id).await?,
        };
        Ok(Response::new(pb::ResolvePrincipalResponse {
            tenant_id: principal.tenant_id.to_string(),
            user_id: principal.user_id.to_string(),
            role: role::reply(principal.role).into(),
        }))
    }
}

enum Named {
    ByToken(pb::TokenSubject),
    ById(Uuid),
}

fn parse(request: pb::ResolvePrincipalRequest) -> Result<Named> {
    let mut violations = Violations::new();
    let named = match request.subject {
        None => return Err(Error::invalid_field("subject", "is required: token or user_id")),
        Some(Subject::UserId(id)) => field::id("user_id", &id, &mut violations).map(Named::ById),
        Some(Subject::Token(token)) => {
            for (name, claim) in [
                ("issuer", &token.issuer),
                ("org_id", &token.org_id),
                ("sub", &token.sub),
            ] {
                if claim.is_empty() {
                    violations.add(format!("token.{name}"), "is required");
                } else if claim.contains(char::is_control) {
                    violations.add(format!("token.{name}"), "must not contain control characters");
                }
            }
            Some(Named::ByToken(token))
        }
    };
    field::finish(violations, named)
}
