use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};

use uuid::Uuid;

use super::ExternalError;
use super::location::{Location, Pattern, Scheme};
use super::place::Place;
use crate::store::StoreOptions;

/// Whoever the prefixes under this name are for.
const EVERYBODY: &str = "*";

/// The prefixes below which tenants may import from and export to; none by default.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    of_all: Vec<Place>,
    of_tenant: BTreeMap<Uuid, Vec<Place>>,
}

/// A prefix that cannot be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPrefix {
    /// Where it stands; empty if it is about the whole.
    pub field: String,
    pub reason: String,
}

impl Allowed {
    /// Reads `{"<id of a tenant>": ["s3://bucket/path", "file:///folder", …], "*": […]}`, where `*` stands
    /// for all tenants.
    ///
    /// # Errors
    ///
    /// All that is wrong: what is no prefix, no folder that is there, or holds `store`, the location of
    /// the suite's own store, or is in it.
    pub fn parse(json: &str, store: &str, options: &StoreOptions) -> Result<Self, Vec<BadPrefix>> {
        let bad = |field: String, reason: String| BadPrefix { field, reason };
        let entries: BTreeMap<String, Vec<String>> = serde_json::from_str(json).map_err(|error| {
            let form = r#"is not of the form {"<tenant id>": ["s3://bucket/path"], "*": []}"#;
            vec![bad(String::new(), format!("{form}: {error}"))]
        })?;
        let (mut allowed, mut wrong) = (Self::default(), Vec::new());
        for (name, prefixes) in &entries {
            let mut places = Vec::new();
            for (index, prefix) in prefixes.iter().enumerate() {
                let opened = Location::parse(prefix)
                    .and_then(|location| Place::open(location, options))
                    .and_then(|place| clear_of(store, place));
                match opened {
                    Ok(place) => places.push(place),
                    Err(reason) => wrong.push(bad(format!("{name}[{index}]"), format!("{prefix}: {reason}"))),
                }
            }
            match Uuid::try_parse(name) {
                _ if name == EVERYBODY => allowed.of_all = places,
                Ok(tenant_id) => allowed.of_tenant.entry(tenant_id).or_default().extend(places),
                Err(_) => wrong.push(bad(
                    name.clone(),
                    "is neither the id of a tenant nor *".to_owned(),
                )),
            }
        }
        if wrong.is_empty() { Ok(allowed) } else { Err(wrong) }
    }

    fn of(&self, tenant_id: Uuid) -> impl Iterator<Item = &Place> {
        let own = self.of_tenant.get(&tenant_id).into_iter().flatten();
        own.chain(&self.of_all)
    }

    /// The place that a URI is in, and what it names there.
    pub(super) fn find(&self, tenant_id: Uuid, uri: &str) -> Result<(&Place, Pattern), ExternalError> {
        let refused = |why: &str| ExternalError::Refused(format!("{} {why}", shortened(uri)));
        let location = Location::parse(uri).map_err(|why| refused(&why))?;
        if location.is_folder() {
            return Err(refused("names a folder; name files in it, as with *.csv"));
        }
        let mut places = self.of(tenant_id);
        let found = places.find_map(|place| {
            let pattern = place.prefix().within(&location)?;
            (!pattern.parts().is_empty()).then_some((place, pattern))
        });
        found.ok_or_else(|| {
            let known: Vec<_> = self
                .of(tenant_id)
                .take(10)
                .map(|it| it.prefix().to_string())
                .collect();
            refused(&match known.as_slice() {
                [] => "is not allowed: the operator allows the tenant no URIs".to_owned(),
                known => format!("is not allowed; what is below {} is", known.join(", ")),
            })
        })
    }
}

/// The place, unless it has to do with the suite's own store.
fn clear_of(store: &str, place: Place) -> Result<Place, String> {
    let same = "holds the suite's own store, or is in it".to_owned();
    if let Some(folder) = place.folder() {
        let path = store.strip_prefix("file://").unwrap_or(store);
        if path.contains("://") {
            return Ok(place);
        }
        let own = resolved(FilePath::new(path));
        let overlaps = own.starts_with(folder) || folder.starts_with(&own);
        return if overlaps { Err(same) } else { Ok(place) };
    }
    match Location::parse(store) {
        Ok(own) if own.scheme() != Scheme::File => {
            let overlaps = own.within(place.prefix()).is_some() || place.prefix().within(&own).is_some();
            if overlaps { Err(same) } else { Ok(place) }
        }
        _ => Ok(place),
    }
}

/// The path without links, as far as it is there.
fn resolved(path: &FilePath) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for above in path.ancestors() {
        if let Ok(there) = above.canonicalize() {
            let rest = path.strip_prefix(above).unwrap_or(FilePath::new(""));
            return there.join(rest);
        }
    }
    path
}

/// A URI as it can be quoted.
fn shortened(uri: &str) -> String {
    const MOST: usize = 200;
    let mut characters = uri
        .chars()
        .map(|it| if it.is_control() { '\u{fffd}' } else { it });
    let mut short: String = characters.by_ref().take(MOST).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Uuid = Uuid::from_u128(1);

    fn options() -> StoreOptions {
        StoreOptions {
            environment: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
                .map(|name| (name.to_owned(), "secret".to_owned()))
                .into(),
            ..StoreOptions::default()
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        std::fs::create_dir_all(folder.path().join("store/in")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("store"), folder.path().join("link")).unwrap();
        let json = serde_json::json!({
            "*": ["s3://in/x", "http://in", format!("file://{root}/none"), format!("file://{root}")],
            "Alliance": [],
            OURS.to_string(): [format!("file://{root}/link/in"), "s3://in/*"],
        });
        let store = folder.path().join("store");
        let wrong = Allowed::parse(&json.to_string(), store.to_str().unwrap(), &options()).unwrap_err();
        let fields: Vec<_> = wrong.iter().map(|it| it.field.clone()).collect();
        let [first, second] = [0, 1].map(|index| format!("{OURS}[{index}]"));
        assert_eq!(
            fields,
            [
                "*[1]",
                "*[2]",
                "*[3]",
                first.as_str(),
                second.as_str(),
                "Alliance"
            ],
            "{wrong:?}"
        );
        assert!(wrong[2].reason.contains("own store") && wrong[3].reason.contains("own store"));
        for json in ["", "[]", r#"{"*": "s3://in"}"#] {
            assert_eq!(
                Allowed::parse(json, "/x", &options()).unwrap_err().len(),
                1,
                "{json}"
            );
        }
    }

    #[test]
    fn a_bucket_that_holds_the_store_is_no_prefix() {
        let allow = |prefix: &str, store: &str| {
            let json = serde_json::json!({ "*": [prefix] }).to_string();
            Allowed::parse(&json, store, &options()).is_ok()
        };
        assert!(!allow("s3://b", "s3://b/datacovey"));
        assert!(!allow("s3://b/datacovey/in", "s3://b/datacovey"));
        assert!(!allow("s3://b/datacovey", "s3://b/datacovey/"));
        assert!(allow("s3://b/in", "s3://b/datacovey"));
        assert!(allow("s3://b/datacovey2", "s3://b/datacovey"));
        assert!(allow("s3://c", "s3://b/datacovey"));
        assert!(allow("s3://c", "/var/lib/datacovey"));
    }

    #[test]
    fn a_tenant_has_its_own_prefixes_and_those_of_all() {
        let json = serde_json::json!({ "*": ["s3://all/a"], OURS.to_string(): ["s3://ours/"] });
        let allowed = Allowed::parse(&json.to_string(), "/x", &options()).unwrap();
        let may = |tenant: Uuid, uri: &str| allowed.find(tenant, uri).is_ok();
        assert!(may(OURS, "s3://all/a/x.csv") && may(OURS, "s3://ours/*/x.csv"));
        let other = Uuid::from_u128(2);
        assert!(may(other, "s3://all/a/x.csv") && !may(other, "s3://ours/x.csv"));
        for uri in [
            "s3://all/ab",
            "s3://all/a",
            "s3://all/a/",
            "s3://all/x",
            "s3://all/*/x",
            "gs://all/a/x",
        ] {
            assert!(!may(OURS, uri), "{uri}");
        }
        let why = allowed.find(other, "s3://ours/x").unwrap_err().to_string();
        assert_eq!(why, "s3://ours/x is not allowed; what is below s3://all/a is");
        let why = Allowed::default().find(OURS, "s3://x/y").unwrap_err().to_string();
        assert!(why.ends_with("the operator allows the tenant no URIs"), "{why}");
    }
}
