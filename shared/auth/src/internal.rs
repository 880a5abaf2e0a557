use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datacovey_error::{Error, Violation, Violations};
use datacovey_types::{Principal, Role, Scopes};
use ed25519_dalek::{Signature, VerifyingKey};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::signing_key::parse_public_key;
use crate::verified::VerifiedTokens;
use crate::{CLOCK_SKEW_SECONDS, KeyError, MAX_TOKEN_BYTES, SigningKey, unix_now};

/// How long an internal token is good for. It is used for half of that, so that the one who gets
/// it can pass on what it was given for.
pub const TOKEN_LIFETIME_SECONDS: i64 = 300;

/// `{"alg":"EdDSA","typ":"datacovey-internal+jwt"}` in base64url. Every internal token has exactly
/// this header: there is no algorithm to choose, and no OIDC token begins like this.
const HEADER: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6ImRhdGFjb3ZleS1pbnRlcm5hbCtqd3QifQ";

/// Which packages each service of the suite calls, and so may call. What is not in this table
/// needs an entry of its own in the configuration.
pub const CALLS: [(&str, &[&str]); 5] = [
    (
        "gateway",
        &[
            "datacovey.identity.v1",
            "datacovey.catalog.v1",
            "datacovey.query.v1",
            "datacovey.transfer.v1",
            "datacovey.internal.identity.v1",
            "datacovey.internal.rows.v1",
        ],
    ),
    ("identity", &[]),
    ("catalog", &["datacovey.internal.identity.v1"]),
    (
        "query",
        &[
            "datacovey.internal.identity.v1",
            "datacovey.internal.catalog.v1",
            "datacovey.internal.transfer.v1",
        ],
    ),
    (
        "transfer",
        &["datacovey.internal.identity.v1", "datacovey.internal.catalog.v1"],
    ),
];

/// Whether a bearer token claims to be an internal one. Whether it is, only verifying tells.
#[must_use]
pub fn is_internal_token(token: &str) -> bool {
    token
        .strip_prefix(HEADER)
        .is_some_and(|rest| rest.starts_with('.'))
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(default, skip_serializing_if = "Scopes::is_empty")]
    scopes: Scopes,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<Uuid>,
}

/// What a service calls the others with: its name and its key.
#[derive(Clone, Debug)]
pub struct InternalSigner {
    name: Arc<str>,
    key: SigningKey,
    minted: Cache<Purpose, Arc<str>>,
}

/// What a token is for. Two calls with the same purpose carry the same token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Purpose {
    audience: String,
    principal: Option<Principal>,
    job_id: Option<Uuid>,
}

impl InternalSigner {
    #[must_use]
    pub fn new(name: &str, key: SigningKey) -> Self {
        let half_life = Duration::from_secs(TOKEN_LIFETIME_SECONDS.unsigned_abs() / 2);
        let minted = Cache::builder()
            .max_capacity(10_000)
            .time_to_live(half_life)
            .build();
        Self {
            name: name.into(),
            key,
            minted,
        }
    }

    /// The service's name: the issuer of its tokens.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half of its key, as configuration writes it.
    #[must_use]
    pub fn public_key(&self) -> String {
        self.key.public_key()
    }

    /// A token for calls to the service `audience` on behalf of `principal`, and of a job where a
    /// worker acts. Without a principal it speaks for the service itself, which only
    /// `datacovey.internal.*` accepts.
    #[must_use]
    pub fn token(&self, audience: &str, principal: Option<&Principal>, job_id: Option<Uuid>) -> Arc<str> {
        let purpose = Purpose {
            audience: audience.to_owned(),
            principal: principal.cloned(),
            job_id,
        };
        self.minted
            .get_with_by_ref(&purpose, || self.mint(&purpose, unix_now()).into())
    }

    fn mint(&self, purpose: &Purpose, now: i64) -> String {
        let principal = purpose.principal.as_ref();
        self.sign(&Claims {
            iss: self.name.to_string(),
            aud: purpose.audience.clone(),
            iat: now,
            exp: now + TOKEN_LIFETIME_SECONDS,
            tenant: principal.map(|it| it.tenant_id),
            user: principal.map(|it| it.user_id),
            role: principal.map(|it| it.role),
            scopes: principal.map(|it| it.scopes).unwrap_or_default(),
            job: purpose.job_id,
        })
    }

    fn sign(&self, claims: &Claims) -> String {
        // Nothing in the claims can fail to be JSON; if it did, the token would not verify.
        let json = serde_json::to_vec(claims).unwrap_or_default();
        let mut message = format!("{HEADER}.");
        URL_SAFE_NO_PAD.encode_string(json, &mut message);
        self.key.sign(message)
    }
}

/// A service whose tokens are accepted, and the packages it may call.
#[derive(Clone, Debug)]
pub struct TrustedService {
    name: String,
    key: VerifyingKey,
    packages: Arc<[String]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    public_key: String,
    packages: Option<Vec<String>>,
}

impl TrustedService {
    /// A service by its public key. Without `packages`, those of the table [`CALLS`].
    pub fn new(name: &str, public_key: &str, packages: Option<Vec<String>>) -> Result<Self, KeyError> {
        let of_table = || {
            let row = CALLS.iter().find(|(service, _)| *service == name);
            row.map(|(_, packages)| packages.iter().map(ToString::to_string).collect())
                .unwrap_or_default()
        };
        let packages: Vec<String> = packages.unwrap_or_else(of_table);
        Ok(Self {
            name: name.to_owned(),
            key: parse_public_key(public_key)?,
            packages: packages.into(),
        })
    }

    /// Reads the configuration of all trusted services, a JSON array, and names everything that
    /// is wrong with it by paths below `trusted_services`:
    ///
    /// ```json
    /// [{"name": "gateway", "public_key": "…", "packages": ["datacovey.catalog.v1"]}]
    /// ```
    ///
    /// A name may be there twice, with two keys: that is how a key is replaced.
    pub fn parse_all(json: &str) -> Result<Vec<Self>, Vec<Violation>> {
        const FIELD: &str = "trusted_services";
        let entries: Vec<serde_json::Value> = serde_json::from_str(json)
            .map_err(|error| vec![Violation::new(FIELD, format!("is no JSON array: {error}"))])?;
        let mut violations = Violations::new();
        let mut services = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let path = format!("{FIELD}[{index}]");
            let Some(written) = violations.take(&path, serde_json::from_value::<Written>(entry)) else {
                continue;
            };
            if written.packages.is_none() && !CALLS.iter().any(|(name, _)| *name == written.name) {
                violations.add(
                    format!("{path}.packages"),
                    "is missing; only for services of the suite it is known",
                );
            }
            let service = Self::new(&written.name, &written.public_key, written.packages);
            services.extend(violations.take(&format!("{path}.public_key"), service));
        }
        if violations.is_empty() {
            Ok(services)
        } else {
            Err(violations.into_vec())
        }
    }
}

/// Which service calls, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalCaller {
    pub service: String,
    /// None where the service speaks for itself.
    pub principal: Option<Principal>,
    /// The job that a worker acts for.
    pub job_id: Option<Uuid>,
    packages: Arc<[String]>,
}

impl InternalCaller {
    /// Whether the service that calls may call this package (`datacovey.catalog.v1`).
    #[must_use]
    pub fn may_call(&self, package: &str) -> bool {
        self.packages.iter().any(|it| it == package)
    }
}

/// Verifies the internal tokens that are meant for one service.
#[derive(Debug)]
pub struct InternalVerifier {
    audience: String,
    trusted: Vec<TrustedService>,
    verified: VerifiedTokens<InternalCaller>,
}

impl InternalVerifier {
    /// A verifier for the service `audience`; without trusted services it refuses every token.
    #[must_use]
    pub fn new(audience: &str, trusted: Vec<TrustedService>) -> Self {
        let longest = Duration::from_secs((TOKEN_LIFETIME_SECONDS + CLOCK_SKEW_SECONDS).unsigned_abs());
        Self {
            audience: audience.to_owned(),
            trusted,
            verified: VerifiedTokens::new(10_000, longest),
        }
    }

    /// Who calls. UNAUTHENTICATED says what is wrong with the token.
    pub fn verify(&self, token: &str) -> Result<InternalCaller, Error> {
        self.verify_at(token, unix_now())
    }

    fn verify_at(&self, token: &str, now: i64) -> Result<InternalCaller, Error> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid("the token is too long"));
        }
        if let Some(caller) = self.verified.get(token, now) {
            return Ok(caller);
        }
        let (message, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let payload = message
            .strip_prefix(HEADER)
            .and_then(|rest| rest.strip_prefix('.'))
            .ok_or_else(malformed)?;
        let json = URL_SAFE_NO_PAD.decode(payload).map_err(|_| malformed())?;
        let claims: Claims = serde_json::from_slice(&json).map_err(|_| malformed())?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
        let signature = Signature::from_slice(&signature).map_err(|_| malformed())?;

        let service = self
            .trusted
            .iter()
            .filter(|service| service.name == claims.iss)
            .find(|service| service.key.verify_strict(message.as_bytes(), &signature).is_ok())
            .ok_or_else(|| invalid("the internal token is not signed by a service that is trusted here"))?;
        let (caller, expires_at) = claims.check(&self.audience, service, now)?;
        self.verified.insert(token, expires_at, caller.clone());
        Ok(caller)
    }
}

impl Claims {
    /// What a token with a good signature says, and until when it is good here.
    fn check(
        self,
        audience: &str,
        service: &TrustedService,
        now: i64,
    ) -> Result<(InternalCaller, i64), Error> {
        if self.aud != audience {
            return Err(invalid("the internal token is for another service"));
        }
        // A service that signs longer than all agreed on is not believed longer.
        let expires_at = self
            .exp
            .min(self.iat.saturating_add(TOKEN_LIFETIME_SECONDS))
            .saturating_add(CLOCK_SKEW_SECONDS);
        if now >= expires_at {
            return Err(invalid("the internal token has expired"));
        }
        if self.iat > now.saturating_add(CLOCK_SKEW_SECONDS) {
            return Err(invalid("the internal token is not valid yet"));
        }
        let principal = match (self.tenant, self.user, self.role) {
            (Some(tenant_id), Some(user_id), Some(role)) => Some(Principal {
                tenant_id,
                user_id,
                role,
                scopes: self.scopes,
            }),
            (None, None, None) => None,
            _ => return Err(invalid("the internal token names half a principal")),
        };
        let caller = InternalCaller {
            service: self.iss,
            principal,
            job_id: self.job,
            packages: Arc::clone(&service.packages),
        };
        Ok((caller, expires_at))
    }
}

fn malformed() -> Error {
    invalid("the internal token is malformed")
}

fn invalid(why: &str) -> Error {
    Error::credentials_invalid(why)
}

#[cfg(test)]
#[path = "internal_tests.rs"]
mod tests;
