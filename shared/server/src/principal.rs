use std::str::FromStr as _;
use std::time::Duration;

use datacovey_auth::ExternalCaller;
use datacovey_error::Error;
use datacovey_proto::identity::v1::UserRole;
use datacovey_proto::internal::identity::v1::principal_service_client::PrincipalServiceClient;
use datacovey_proto::internal::identity::v1::resolve_principal_request::Subject;
use datacovey_proto::internal::identity::v1::{
    ResolvePrincipalRequest, ResolvePrincipalResponse, TokenSubject,
};
use datacovey_types::{Principal, Role, Scopes};
use futures::future::BoxFuture;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::peer::{Peer, error_of_peer};

/// Everybody's calls wait for identity; one that does not answer within this is away.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Says which user of ours a verified token names.
pub trait PrincipalResolver: Send + Sync + 'static {
    /// The principal, without scopes: those come with the token.
    ///
    /// UNAUTHENTICATED where nobody is known by that name, or the user or its tenant is archived.
    fn resolve<'a>(
        &'a self,
        caller: &'a ExternalCaller,
        request_id: &'a str,
    ) -> BoxFuture<'a, Result<Principal, Error>>;
}

/// Asks the identity service.
#[derive(Clone, Debug)]
pub struct RemotePrincipals {
    identity: Peer,
}

impl RemotePrincipals {
    #[must_use]
    pub const fn new(identity: Peer) -> Self {
        Self { identity }
    }

    /// The principal of a user as of now: a worker asks for the creator of its job.
    ///
    /// UNAUTHENTICATED where the user or its tenant does not exist any more or is archived.
    pub async fn of_user(&self, user_id: Uuid, request_id: &str) -> Result<Principal, Error> {
        self.ask(Subject::UserId(user_id.to_string()), request_id).await
    }

    async fn ask(&self, subject: Subject, request_id: &str) -> Result<Principal, Error> {
        let mut client = PrincipalServiceClient::new(self.identity.as_service(request_id));
        let request = ResolvePrincipalRequest {
            subject: Some(subject),
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, client.resolve_principal(request)).await;
        let answer = answer.map_err(|late| Error::unavailable("the identity service").caused_by(late))?;
        let answer = answer.map_err(error_of_answer)?;
        parse(&answer.into_inner()).ok_or_else(|| Error::internal("identity answered with no principal"))
    }
}

impl PrincipalResolver for RemotePrincipals {
    fn resolve<'a>(
        &'a self,
        caller: &'a ExternalCaller,
        request_id: &'a str,
    ) -> BoxFuture<'a, Result<Principal, Error>> {
        let subject = Subject::Token(TokenSubject {
            issuer: caller.issuer.clone(),
            org_id: caller.organization.clone(),
            sub: caller.subject.clone(),
        });
        Box::pin(self.ask(subject, request_id))
    }
}

/// What identity says about its subject is for the caller; what it says about us is not.
fn error_of_answer(status: Status) -> Error {
    use tonic_types::StatusExt as _;
    let of_subject = status
        .get_details_error_info()
        .is_some_and(|info| info.metadata.contains_key("subject"));
    if status.code() == Code::Unauthenticated && of_subject {
        return Error::credentials_invalid(status.message());
    }
    error_of_peer("the identity service", status)
}

fn parse(answer: &ResolvePrincipalResponse) -> Option<Principal> {
    let role = match answer.role() {
        UserRole::OrgAdmin => Role::OrgAdmin,
        UserRole::DatasetEditor => Role::DatasetEditor,
        UserRole::DatasetUser => Role::DatasetUser,
        UserRole::Unspecified => return None,
    };
    Some(Principal {
        tenant_id: Uuid::from_str(&answer.tenant_id).ok()?,
        user_id: Uuid::from_str(&answer.user_id).ok()?,
        role,
        scopes: Scopes::NONE,
    })
}
