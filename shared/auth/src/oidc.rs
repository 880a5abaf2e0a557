use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datacovey_error::{Error, Violation};
use datacovey_types::Scopes;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fault::TokenFault;
use crate::issuer::Issuer;
use crate::jwks::{KeySet, NoKey, Timing};
use crate::keys::ALGORITHMS;
use crate::verified::VerifiedTokens;
use crate::{CLOCK_SKEW_SECONDS, MAX_TOKEN_BYTES, is_internal_token, unix_now};

/// How long a verified token is believed without looking at its signature again. A key that its
/// issuer withdraws therefore counts for at most this long.
const BELIEVED_FOR: Duration = Duration::from_secs(30);

/// Ids longer than this are not stored anywhere, so no caller has one.
const MAX_ID_BYTES: usize = 256;

/// Whom a bearer token names: a user of an organization, in its issuer's words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternalCaller {
    pub issuer: String,
    /// The claim `org_id`: `tenant.auth0_org_id`.
    pub organization: String,
    /// The claim `sub`: `user.auth0_id`.
    pub subject: String,
    /// What the token claims and its issuer may give.
    pub scopes: Scopes,
    /// When the token is no longer good, the skew included, in seconds since 1970.
    pub expires_at: i64,
}

/// Verifies OIDC bearer tokens of the configured issuers.
#[derive(Debug)]
pub struct OidcVerifier {
    issuers: HashMap<String, (Issuer, Arc<KeySet>)>,
    verified: VerifiedTokens<ExternalCaller>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    /// Numbers in the sense of JSON: seconds, perhaps with a fraction.
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    sub: Option<String>,
    org_id: Option<String>,
    scope: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

impl OidcVerifier {
    /// A verifier of these issuers; without any it refuses every token.
    pub fn new(issuers: Vec<Issuer>) -> Result<Self, Violation> {
        Self::with_timing(issuers, Timing::default())
    }

    pub(crate) fn with_timing(issuers: Vec<Issuer>, timing: Timing) -> Result<Self, Violation> {
        let mut known = HashMap::new();
        for (index, issuer) in issuers.into_iter().enumerate() {
            let keys = KeySet::new(&issuer.keys, timing)
                .map_err(|error| Violation::new(format!("issuers[{index}].jwks"), error))?;
            known.insert(issuer.issuer.clone(), (issuer, Arc::new(keys)));
        }
        Ok(Self {
            issuers: known,
            verified: VerifiedTokens::new(10_000, BELIEVED_FOR),
        })
    }

    /// Asks every issuer for its keys, so that the first call need not wait for them. An issuer
    /// that is away is a warning in the log.
    pub async fn load_keys(&self) {
        for (_, keys) in self.issuers.values() {
            keys.ask_unless_recent().await;
        }
    }

    /// Whom the token names.
    ///
    /// UNAUTHENTICATED says what is wrong with the token; UNAVAILABLE that the issuer's keys
    /// cannot be had, so that the token may be good.
    pub async fn verify(&self, token: &str) -> Result<ExternalCaller, Error> {
        self.verify_at(token, unix_now()).await
    }

    async fn verify_at(&self, token: &str, now: i64) -> Result<ExternalCaller, Error> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid("the token is too long"));
        }
        if let Some(caller) = self.verified.get(token, now) {
            return Ok(caller);
        }
        if is_internal_token(token) {
            return Err(invalid("the token is not a bearer token of a configured issuer"));
        }
        let [header, payload, signature] = parts(token)?;
        let message = &token[..token.len() - signature.len() - 1];
        let header: Header = decode(header)?.ok_or_else(malformed)?;
        let claims: Option<Value> = decode(payload)?;
        let algorithm = header.algorithm()?;
        let claims = Claims::read(claims.unwrap_or_default())?;

        let Some((issuer, keys)) = self.issuers.get(&claims.iss) else {
            return Err(TokenFault::Key.error("the token's issuer is not trusted here"));
        };
        let key =
            keys.key(header.kid.as_deref(), algorithm)
                .await
                .map_err(|why| match why {
                    NoKey::Unknown => TokenFault::Key
                        .error("the token is signed with a key that its issuer does not publish"),
                    NoKey::Away => Error::unavailable("the key set of the token's issuer"),
                })?;
        let verified =
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key.decoding, key.algorithm);
        if !verified.unwrap_or(false) {
            return Err(TokenFault::Signature.error("the token's signature does not verify"));
        }
        let caller = claims.check(issuer, now)?;
        self.verified.insert(token, caller.expires_at, caller.clone());
        Ok(caller)
    }
}

impl Header {
    /// The algorithm, if it is one we accept: the token chooses from our list, never beyond it.
    fn algorithm(&self) -> Result<Algorithm, Error> {
        if self.crit.is_some() {
            let message = "the token demands an extension that is not understood (crit)";
            return Err(TokenFault::Signature.error(message));
        }
        let is_jwt = |typ: &str| {
            ["JWT", "at+jwt", "application/at+jwt"]
                .iter()
                .any(|it| typ.eq_ignore_ascii_case(it))
        };
        if self.typ.as_deref().is_some_and(|typ| !is_jwt(typ)) {
            return Err(TokenFault::Signature.error("the token is of a type that is not accepted (typ)"));
        }
        ALGORITHMS
            .into_iter()
            .find(|it| format!("{it:?}") == self.alg)
            .ok_or_else(|| {
                TokenFault::Algorithm
                    .error("the token's algorithm is not accepted; RS256, ES256 and EdDSA are")
            })
    }
}

impl Claims {
    /// The claims, if they are those that every access token has, of the right types.
    fn read(claims: Value) -> Result<Self, Error> {
        let fault = Self::fault(&claims);
        serde_json::from_value(claims)
            .map_err(|_| fault.error("the token's claims are not those of an access token (iss, aud, exp)"))
    }

    /// The first that is wrong of claims that cannot be read.
    fn fault(claims: &Value) -> TokenFault {
        let Some(claims) = claims.as_object() else {
            return TokenFault::Claims;
        };
        let is_given = |name: &str| claims.get(name).is_some_and(|it| !it.is_null());
        if !is_given("iss") {
            return TokenFault::Key;
        }
        for name in ["exp", "nbf", "iat"] {
            let is_needed = name == "exp" || is_given(name);
            if is_needed && !claims.get(name).is_some_and(Value::is_number) {
                return TokenFault::NotANumber(name);
            }
        }
        match claims.get("aud") {
            None | Some(Value::Null) => TokenFault::Audience,
            Some(Value::String(_)) => TokenFault::Claims,
            Some(Value::Array(all)) if all.iter().all(Value::is_string) => TokenFault::Claims,
            Some(_) => TokenFault::AudienceType,
        }
    }

    /// What a token with a good signature says, as far as its issuer may say it.
    fn check(self, issuer: &Issuer, now: i64) -> Result<ExternalCaller, Error> {
        // A float too large for an integer becomes the largest one, and NaN is no JSON.
        let expires = self.exp.floor() as i64;
        let ends_at = expires.saturating_add(CLOCK_SKEW_SECONDS);
        if now >= ends_at {
            return Err(TokenFault::Expired.error("the token has expired"));
        }
        // One that is yet to be issued is no less wrong than one that is yet to begin.
        let is_yet_to_come = |claim: f64| (claim.ceil() as i64).saturating_sub(CLOCK_SKEW_SECONDS) > now;
        for (claim, fault) in [
            (self.nbf, TokenFault::NotYetValid),
            (self.iat, TokenFault::IssuedInFuture),
        ] {
            if claim.is_some_and(is_yet_to_come) {
                return Err(fault.error("the token is not valid yet"));
            }
        }
        if !self.aud.names(&issuer.audience) {
            return Err(TokenFault::Audience.error("the token is for another audience"));
        }
        let id = |claim: Option<String>, missing| match claim {
            Some(id) if !id.is_empty() && id.len() <= MAX_ID_BYTES && !id.contains(char::is_control) => {
                Ok(id)
            }
            _ => Err(invalid(missing)),
        };
        let subject = id(self.sub, "the token names no user (claim sub)")?;
        let organization = id(self.org_id, "the token names no organization (claim org_id)")?;
        if !issuer.organizations.contains(&organization) {
            return Err(invalid("the token's issuer may not speak for its organization"));
        }
        Ok(ExternalCaller {
            issuer: self.iss,
            organization,
            subject,
            scopes: Scopes::from(self.scope.unwrap_or_default()).intersection(issuer.scopes),
            expires_at: ends_at,
        })
    }
}

/// A part of a token; None where it is not of the shape `T`.
fn decode<T: DeserializeOwned>(part: &str) -> Result<Option<T>, Error> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed())?;
    Ok(serde_json::from_slice(&json).ok())
}

/// Header, claims and signature, each as it is written.
fn parts(token: &str) -> Result<[&str; 3], Error> {
    let parts: Vec<_> = token.split('.').collect();
    let count = parts.len();
    parts
        .try_into()
        .map_err(|_| TokenFault::Parts(count).error(MALFORMED))
}

const MALFORMED: &str = "the token is not a well-formed JSON Web Token";

fn malformed() -> Error {
    TokenFault::Signature.error(MALFORMED)
}

fn invalid(why: &str) -> Error {
    Error::credentials_invalid(why)
}

#[cfg(test)]
#[path = "oidc_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "oidc_keys_tests.rs"]
mod keys_tests;
