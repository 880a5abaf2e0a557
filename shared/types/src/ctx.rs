use std::time::Instant;

use uuid::Uuid;

use crate::{Principal, Role, Scopes};

/// What every call carries from its edge to the database: who acts, for which request, until when.
///
/// A database connection cannot be had without one.
#[derive(Clone, Debug)]
pub struct Ctx {
    pub principal: Principal,
    /// Names the request in logs, traces and INTERNAL errors.
    pub request_id: String,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
    /// The job that a worker acts for.
    pub job_id: Option<Uuid>,
}

impl Ctx {
    /// The context of a request whose caller is known.
    #[must_use]
    pub fn from_request(
        principal: Principal,
        request_id: impl Into<String>,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            principal,
            request_id: request_id.into(),
            deadline,
            job_id: None,
        }
    }

    /// The context of a worker: it acts as the creator of the job.
    #[must_use]
    pub fn for_job(creator: Principal, job_id: Uuid) -> Self {
        Self {
            principal: creator,
            request_id: format!("job-{job_id}"),
            deadline: None,
            job_id: Some(job_id),
        }
    }

    /// A context of a test: an `Org admin` of the tenant.
    #[must_use]
    pub fn for_tests(tenant_id: Uuid, user_id: Uuid) -> Self {
        let principal = Principal {
            tenant_id,
            user_id,
            role: Role::OrgAdmin,
            scopes: Scopes::NONE,
        };
        Self {
            principal,
            request_id: "test".to_owned(),
            deadline: None,
            job_id: None,
        }
    }

    #[must_use]
    pub const fn tenant_id(&self) -> Uuid {
        self.principal.tenant_id
    }

    #[must_use]
    pub const fn user_id(&self) -> Uuid {
        self.principal.user_id
    }
}
