use std::collections::BTreeSet;
use std::path::PathBuf;

use datacovey_error::{Violation, Violations};
use datacovey_types::Scopes;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use crate::keys::Keys;

/// A party outside whose bearer tokens are accepted, and what it may say of a caller.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The claim `iss`, compared byte by byte.
    pub issuer: String,
    /// What the claim `aud` must name.
    pub audience: String,
    pub keys: KeySource,
    /// The organizations (`org_id`) whose callers it may name.
    pub organizations: Organizations,
    /// The scopes it may give; others in its tokens are passed over.
    pub scopes: Scopes,
}

/// Where an issuer's public keys are, as a JSON Web Key Set.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Fetched and kept; https, or http on a loopback address.
    Url(Url),
    /// Read and kept, and read again when a key is not found.
    File(PathBuf),
    Inline(Value),
}

/// The organizations that an issuer may speak for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Organizations {
    Any,
    Only(BTreeSet<String>),
}

impl Organizations {
    #[must_use]
    pub fn contains(&self, organization: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(organizations) => organizations.contains(organization),
        }
    }
}

/// An issuer as the configuration writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    issuer: String,
    audience: String,
    jwks: Value,
    organizations: Value,
    #[serde(default)]
    scopes: Vec<String>,
}

impl Issuer {
    /// Reads the configuration of all issuers, a JSON array, and names everything that is wrong
    /// with it by paths below `issuers`:
    ///
    /// ```json
    /// [{"issuer": "https://example.eu.auth0.com/", "audience": "https://api.example.com",
    ///   "jwks": "https://example.eu.auth0.com/.well-known/jwks.json",
    ///   "organizations": ["org_1", "org_2"], "scopes": []}]
    /// ```
    ///
    /// `jwks` is a URL, `file:` and a path, or the key set itself; `organizations` is a list or
    /// `"any"`; `scopes` may hold `platform` and `backfill`, and is empty by default.
    pub fn parse_all(json: &str) -> Result<Vec<Self>, Vec<Violation>> {
        let entries: Vec<Value> = serde_json::from_str(json)
            .map_err(|error| vec![Violation::new("issuers", format!("is no JSON array: {error}"))])?;
        let mut violations = Violations::new();
        let mut issuers: Vec<Self> = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let path = format!("issuers[{index}]");
            let Some(written) = violations.take(&path, serde_json::from_value::<Written>(entry)) else {
                continue;
            };
            if issuers.iter().any(|known| known.issuer == written.issuer) {
                violations.add(format!("{path}.issuer"), "is listed twice");
            }
            if let Some(issuer) = written.parse(&path, &mut violations) {
                issuers.push(issuer);
            }
        }
        if violations.is_empty() {
            Ok(issuers)
        } else {
            Err(violations.into_vec())
        }
    }
}

impl Written {
    fn parse(self, path: &str, violations: &mut Violations) -> Option<Issuer> {
        for (field, text) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if text.trim().is_empty() {
                violations.add(format!("{path}.{field}"), "is empty");
            }
        }
        for (index, scope) in self.scopes.iter().enumerate() {
            if !["platform", "backfill"].contains(&scope.as_str()) {
                violations.add(
                    format!("{path}.scopes[{index}]"),
                    "is neither \"platform\" nor \"backfill\"",
                );
            }
        }
        let keys = violations.take(&format!("{path}.jwks"), parse_key_source(self.jwks));
        let organizations = violations.take(
            &format!("{path}.organizations"),
            parse_organizations(self.organizations),
        );
        Some(Issuer {
            issuer: self.issuer,
            audience: self.audience,
            keys: keys?,
            organizations: organizations?,
            scopes: Scopes::from(self.scopes.join(" ")),
        })
    }
}

fn parse_key_source(written: Value) -> Result<KeySource, String> {
    match written {
        Value::String(text) => match text.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(KeySource::File(PathBuf::from(path))),
            Some(_) => Err("names no file".to_owned()),
            None => parse_url(&text).map(KeySource::Url),
        },
        Value::Object(_) => {
            let keys = Keys::parse(&written)?;
            if keys.is_empty() {
                return Err("holds no key that can verify RS256, ES256 or EdDSA".to_owned());
            }
            Ok(KeySource::Inline(written))
        }
        _ => Err("is neither a URL, nor \"file:\" and a path, nor a key set".to_owned()),
    }
}

fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    let loopback = match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback()),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        // Whoever can answer for the keys can be anybody.
        "http" if loopback => Ok(url),
        "http" => Err("must be https: http is for loopback addresses only".to_owned()),
        other => Err(format!("has the scheme \"{other}\"; https is expected")),
    }
}

fn parse_organizations(written: Value) -> Result<Organizations, String> {
    const EXPECTED: &str = "is neither \"any\" nor a list of organization ids";
    match written {
        Value::String(word) if word == "any" => Ok(Organizations::Any),
        Value::Array(ids) => ids
            .into_iter()
            .map(|id| match id {
                Value::String(id) if !id.is_empty() => Ok(id),
                _ => Err(EXPECTED.to_owned()),
            })
            .collect::<Result<_, _>>()
            .map(Organizations::Only),
        _ => Err(EXPECTED.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_asserts_no_scope_unless_told() {
        let issuers = Issuer::parse_all(
            r#"[{"issuer": "https://id.example/", "audience": "api", "jwks": "https://id.example/keys",
                 "organizations": ["org_1"]},
                {"issuer": "local", "audience": "api", "jwks": "http://127.0.0.1:9/keys",
                 "organizations": "any", "scopes": ["platform"]},
                {"issuer": "mounted", "audience": "api", "jwks": "file:/etc/keys.json",
                 "organizations": "any"}]"#,
        )
        .unwrap();
        assert_eq!(issuers[0].scopes, Scopes::NONE);
        assert!(issuers[0].organizations.contains("org_1") && !issuers[0].organizations.contains("org_2"));
        assert!(issuers[1].scopes.platform && issuers[1].organizations.contains("whichever"));
        assert!(matches!(&issuers[2].keys, KeySource::File(path) if path.ends_with("keys.json")));
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let violations = Issuer::parse_all(
            r#"[{"issuer": "", "audience": " ", "jwks": "http://id.example/keys", "organizations": "all",
                 "scopes": ["root"]},
                {"issuer": "a", "audience": "b", "jwks": {"keys": []}, "organizations": [1]},
                {"issuer": "a", "audience": "b", "jwks": "ftp://x/", "organizations": "any", "more": 1},
                {"issuer": "a"}, 5]"#,
        )
        .unwrap_err();
        let fields: Vec<&str> = violations.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "issuers[0].issuer",
                "issuers[0].audience",
                "issuers[0].scopes[0]",
                "issuers[0].jwks",
                "issuers[0].organizations",
                "issuers[1].jwks",
                "issuers[1].organizations",
                "issuers[2]",
                "issuers[3]",
                "issuers[4]",
            ]
        );
        assert_eq!(Issuer::parse_all("{").unwrap_err()[0].field, "issuers");
    }

    #[test]
    fn one_issuer_is_configured_once() {
        let entry = r#"{"issuer": "a", "audience": "b", "jwks": "file:x", "organizations": "any"}"#;
        let violations = Issuer::parse_all(&format!("[{entry},{entry}]")).unwrap_err();
        assert_eq!(violations[0].field, "issuers[1].issuer");
    }
}
