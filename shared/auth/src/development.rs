use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datacovey_types::Scopes;
use serde_json::json;

use crate::{Issuer, KeyError, KeySource, Organizations, SigningKey, unix_now};

/// The audience of the tokens of every development issuer.
const AUDIENCE: &str = "datacovey";

/// The issuer of one data directory: it signs tokens for whomever the owner of the directory
/// wants to be.
///
/// Its name carries the fingerprint of its key, and its key set is handed over in memory, so that
/// only who reads the same directory trusts it.
#[derive(Debug)]
pub struct DevelopmentIssuer {
    key: SigningKey,
}

/// What a token of a [`DevelopmentIssuer`] says.
#[derive(Clone, Copy, Debug)]
pub struct DevelopmentClaims<'a> {
    /// `tenant.auth0_org_id`
    pub organization: &'a str,
    /// `user.auth0_id`
    pub subject: &'a str,
    pub scopes: Scopes,
    pub lifetime: Duration,
}

impl DevelopmentIssuer {
    /// The issuer of a data directory; its key is made where it is missing, readable for its
    /// owner only.
    pub fn open(data_dir: &Path) -> Result<Self, KeyError> {
        SigningKey::from_file_or_new(&data_dir.join("development-issuer.pem")).map(Self::with_key)
    }

    /// An issuer with a key of the caller's, for tests.
    #[must_use]
    pub const fn with_key(key: SigningKey) -> Self {
        Self { key }
    }

    /// The issuer's name: the claim `iss`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("datacovey-development/{}", self.key.fingerprint())
    }

    /// What the configuration of the services must hold to trust this issuer with everything.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        let key = json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
            "kid": self.key.fingerprint(), "x": self.key.public_key(),
        });
        Issuer {
            issuer: self.name(),
            audience: AUDIENCE.to_owned(),
            keys: KeySource::Inline(json!({ "keys": [key] })),
            organizations: Organizations::Any,
            scopes: Scopes {
                platform: true,
                backfill: true,
            },
        }
    }

    /// A bearer token that says this from now on.
    #[must_use]
    pub fn mint(&self, claims: DevelopmentClaims<'_>) -> String {
        let now = unix_now();
        let lifetime = i64::try_from(claims.lifetime.as_secs()).unwrap_or(i64::MAX);
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.key.fingerprint() });
        let payload = json!({
            "iss": self.name(),
            "aud": AUDIENCE,
            "iat": now,
            "exp": now.saturating_add(lifetime),
            "org_id": claims.organization,
            "sub": claims.subject,
            "scope": String::from(claims.scopes),
        });
        let mut message = URL_SAFE_NO_PAD.encode(header.to_string());
        message.push('.');
        URL_SAFE_NO_PAD.encode_string(payload.to_string(), &mut message);
        self.key.sign(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OidcVerifier;

    fn claims() -> DevelopmentClaims<'static> {
        DevelopmentClaims {
            organization: "org_1",
            subject: "user_1",
            scopes: Scopes::from("platform"),
            lifetime: Duration::from_secs(60),
        }
    }

    #[tokio::test]
    async fn its_own_directory_trusts_it_and_no_other_does() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let token = DevelopmentIssuer::open(here.path()).unwrap().mint(claims());

        let reopened = DevelopmentIssuer::open(here.path()).unwrap();
        let verifier = OidcVerifier::new(vec![reopened.issuer()]).unwrap();
        let caller = verifier.verify(&token).await.unwrap();
        assert_eq!(
            (caller.organization.as_str(), caller.subject.as_str()),
            ("org_1", "user_1")
        );
        assert_eq!(caller.scopes, Scopes::from("platform"));

        let other = DevelopmentIssuer::open(there.path()).unwrap();
        let verifier = OidcVerifier::new(vec![other.issuer()]).unwrap();
        let error = verifier.verify(&token).await.unwrap_err();
        assert_eq!(error.message(), "the token's issuer is not trusted here");
    }

    #[tokio::test]
    async fn the_name_of_an_issuer_is_not_enough() {
        let trusted = DevelopmentIssuer::with_key(SigningKey::generate().unwrap());
        let forger = SigningKey::generate().unwrap();
        let forged = {
            let token = trusted.mint(claims());
            let (message, _) = token.rsplit_once('.').unwrap();
            forger.sign(message.to_owned())
        };
        let verifier = OidcVerifier::new(vec![trusted.issuer()]).unwrap();
        let error = verifier.verify(&forged).await.unwrap_err();
        assert_eq!(error.message(), "the token's signature does not verify");
    }
}
