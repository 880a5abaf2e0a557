use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Role;

/// Who acts: a user of a tenant, in a role, with the scopes its token carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Principal {
    pub tenant_id: Uuid,
    pub user_id: Uuid,
    pub role: Role,
    #[serde(default, skip_serializing_if = "Scopes::is_empty")]
    pub scopes: Scopes,
}

/// A right that comes with the token and is in no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Platform,
    Backfill,
}

/// A set of [`Scope`]s, written as OAuth does: words separated by spaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Scopes {
    pub platform: bool,
    pub backfill: bool,
}

impl Scopes {
    pub const NONE: Self = Self {
        platform: false,
        backfill: false,
    };

    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        match scope {
            Scope::Platform => self.platform,
            Scope::Backfill => self.backfill,
        }
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        !self.platform && !self.backfill
    }

    /// The scopes in both sets: what a token claims, cut to what its issuer may assert.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self {
            platform: self.platform && other.platform,
            backfill: self.backfill && other.backfill,
        }
    }
}

impl From<String> for Scopes {
    fn from(words: String) -> Self {
        Self::from(words.as_str())
    }
}

/// Words that are no scope of ours are passed over: a token may carry scopes of other systems.
impl From<&str> for Scopes {
    fn from(words: &str) -> Self {
        let has = |word| words.split([' ', ',']).any(|it| it == word);
        Self {
            platform: has("platform"),
            backfill: has("backfill"),
        }
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        [(scopes.platform, "platform"), (scopes.backfill, "backfill")]
            .into_iter()
            .filter_map(|(held, word)| held.then_some(word))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_as_they_are_written() {
        let both = Scopes {
            platform: true,
            backfill: true,
        };
        assert_eq!(String::from(both), "platform backfill");
        assert_eq!(Scopes::from("platform backfill"), both);
        assert_eq!(Scopes::from("openid backfills"), Scopes::NONE);
        assert_eq!(
            both.intersection(Scopes::from("backfill")),
            Scopes::from("backfill")
        );
    }
}
