//! The header `Prefer`, and what `Preference-Applied` says of it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use datacovey_proto::internal::rows::v1::{CountMode, MissingColumns, Resolution};
use http::{HeaderMap, StatusCode};

use crate::error::Error;

/// Names of time zones, as IANA has them.
static TIMEZONES: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| include_str!("timezones.txt").lines().collect());

/// What a mutation answers of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// The rows.
    Representation,
    /// Nothing.
    Minimal,
    /// Where the row is, if it is one.
    HeadersOnly,
}

/// Preferences; the first of a kind counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    pub(crate) resolution: Option<Resolution>,
    pub(crate) missing: Option<MissingColumns>,
    pub(crate) returned: Option<Return>,
    pub(crate) count: Option<CountMode>,
    pub(crate) is_strict: Option<bool>,
    pub(crate) timezone: Option<String>,
    pub(crate) max_affected: Option<i64>,
    unknown: Vec<String>,
}

impl Preferences {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for value in headers.get_all("prefer") {
            let value = String::from_utf8_lossy(value.as_bytes());
            for preference in value.split(',').map(str::trim).filter(|it| !it.is_empty()) {
                if !found.note(preference) && !matches!(preference, "tx=commit" | "tx=rollback") {
                    found.unknown.push(preference.to_owned());
                }
            }
        }
        found
    }

    /// Whether it is one.
    fn note(&mut self, preference: &str) -> bool {
        match preference {
            "resolution=merge-duplicates" => {
                self.resolution.get_or_insert(Resolution::MergeDuplicates);
            }
            "resolution=ignore-duplicates" => {
                self.resolution.get_or_insert(Resolution::IgnoreDuplicates);
            }
            "missing=default" => {
                self.missing.get_or_insert(MissingColumns::Default);
            }
            "missing=null" => {
                self.missing.get_or_insert(MissingColumns::Null);
            }
            "return=representation" => {
                self.returned.get_or_insert(Return::Representation);
            }
            "return=minimal" => {
                self.returned.get_or_insert(Return::Minimal);
            }
            "return=headers-only" => {
                self.returned.get_or_insert(Return::HeadersOnly);
            }
            "count=exact" => {
                self.count.get_or_insert(CountMode::Exact);
            }
            "count=planned" => {
                self.count.get_or_insert(CountMode::Planned);
            }
            "count=estimated" => {
                self.count.get_or_insert(CountMode::Estimated);
            }
            "handling=strict" => {
                self.is_strict.get_or_insert(true);
            }
            "handling=lenient" => {
                self.is_strict.get_or_insert(false);
            }
            _ => return self.note_value(preference),
        }
        true
    }

    fn note_value(&mut self, preference: &str) -> bool {
        match preference.split_once('=') {
            Some(("timezone", name)) if TIMEZONES.contains(name) => {
                self.timezone.get_or_insert_with(|| name.to_owned());
                true
            }
            Some(("max-affected", count)) => match count.parse() {
                Ok(count) => {
                    self.max_affected.get_or_insert(count);
                    true
                }
                Err(_) => false,
            },
            _ => false,
        }
    }

    /// Where unknown preferences are not to be passed over, there is none.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_strict != Some(true) || self.unknown.is_empty() {
            return Ok(());
        }
        let message = "Invalid preferences given with handling=strict";
        let details = format!("Invalid preferences: {}", self.unknown.join(", "));
        Err(Error::new(StatusCode::BAD_REQUEST, "PGRST122", message).details(details))
    }

    /// `max-affected` holds only where handling is strict.
    pub(crate) fn most_affected(&self) -> Option<i64> {
        self.max_affected.filter(|_| self.is_strict == Some(true))
    }

    /// Those of the kinds that a method knows, in the order in which they are reported.
    pub(crate) fn applied(&self, kinds: &[Kind]) -> Option<String> {
        let applied: Vec<_> = kinds.iter().filter_map(|it| self.text(*it)).collect();
        (!applied.is_empty()).then(|| applied.join(", "))
    }

    fn text(&self, kind: Kind) -> Option<String> {
        let text = match kind {
            Kind::Resolution => match self.resolution? {
                Resolution::MergeDuplicates => "resolution=merge-duplicates",
                _ => "resolution=ignore-duplicates",
            },
            Kind::Missing => match self.missing? {
                MissingColumns::Default => "missing=default",
                _ => "missing=null",
            },
            Kind::Return => match self.returned? {
                Return::Representation => "return=representation",
                Return::Minimal => "return=minimal",
                Return::HeadersOnly => "return=headers-only",
            },
            Kind::Count => match self.count? {
                CountMode::Planned => "count=planned",
                CountMode::Estimated => "count=estimated",
                _ => "count=exact",
            },
            Kind::Handling if self.is_strict? => "handling=strict",
            Kind::Handling => "handling=lenient",
            Kind::Timezone => return Some(format!("timezone={}", self.timezone.as_ref()?)),
            Kind::MaxAffected => return Some(format!("max-affected={}", self.most_affected()?)),
        };
        Some(text.to_owned())
    }
}

/// Kinds of preferences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Resolution,
    Missing,
    Return,
    Count,
    Handling,
    Timezone,
    MaxAffected,
}
