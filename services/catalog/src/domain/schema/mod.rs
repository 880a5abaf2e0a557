//! The schema of a table: any JSON Schema of draft 2020-12 that can be kept, read again and applied
//! in bounded time. Whether data can be imported by it is for the import to say.

mod change;
mod walk;

use std::collections::HashSet;

use datacovey_error::{Error, ErrorReason, Result, Violation, Violations};
use jsonschema::paths::LocationSegment;
use jsonschema::{PatternOptions, ValidationOptions};
use serde_json::{Value, json};

use datacovey_persistence::SchemaChange;

use super::json::check_storable;
use super::path::{Path, shortened};
use super::policy;

/// Largest schema, in bytes of its compact JSON text.
pub(crate) const MAX_BYTES: usize = 256 * 1024;

/// The one draft.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Bounds the memory that one compiled pattern may take, in bytes.
const MAX_PATTERN_BYTES: usize = 1024 * 1024;

/// Different patterns of one schema, all of which are compiled at once.
const MAX_PATTERNS: usize = 64;

/// Notes everything that keeps the value from being a table's schema, each with its path below `at`.
pub(crate) fn check(schema: &Value, at: &Path, violations: &mut Violations) {
    let mut found = Violations::new();
    check_all(schema, at, &mut found);
    violations.extend(
        found
            .into_vec()
            .into_iter()
            .map(|it| it.of(ErrorReason::InvalidSchema)),
    );
}

/// Whether the schema of a table may change so, in sight of what depends on it.
///
/// WRONG_STATE where the table holds data that the change is not compatible with, INVALID_SCHEMA with
/// all violations where the table's policy would no longer fit.
pub(crate) fn check_change(change: &SchemaChange<'_>) -> Result<()> {
    if change.holds_data
        && let Some(why) = change::incompatible(change.before, change.after)
    {
        let rule = "the table holds data, so that its schema may only be loosened";
        return Err(Error::wrong_state(format!("{rule}: {why}")));
    }
    let mut violations = Violations::new();
    if let Some(stored) = change.policy {
        policy::check(
            &policy::stored(stored)?,
            change.after,
            &Path::new("policy"),
            &mut violations,
        );
    }
    let broken = violations.into_vec().into_iter().map(|it| {
        let why = format!(
            "the table's policy would not fit any more: {}: {}",
            it.field, it.description
        );
        Violation::new("table.schema", why).of(ErrorReason::InvalidSchema)
    });
    let mut violations = Violations::new();
    violations.extend(broken);
    violations.check()
}

fn check_all(schema: &Value, at: &Path, violations: &mut Violations) {
    if !schema.is_object() {
        return violations.add(at.to_string(), "must be a JSON object");
    }
    let size = schema.to_string().len();
    if size > MAX_BYTES {
        // Nothing below is bounded in time for a schema of any size.
        return violations.add(
            at.to_string(),
            format!("has {size} bytes as JSON; at most {MAX_BYTES} are allowed"),
        );
    }
    let mut found = Violations::new();
    check_storable(schema, at, &mut found);
    let mut named = HashSet::new();
    for error in jsonschema::draft202012::meta::validator().iter_errors(schema) {
        let path = error
            .instance_path()
            .iter()
            .fold(at.clone(), |path, segment| match segment {
                LocationSegment::Property(name) => path.key(&name),
                LocationSegment::Index(index) => path.index(index),
            });
        // Each vocabulary of the draft says again what is no schema at all.
        if named.insert(path.to_string()) {
            let why = shortened(&error.masked().to_string());
            found.add(path, format!("breaks draft 2020-12: {why}"));
        }
    }
    // Subschemas stand where the meta-schema says only in a schema that is one.
    if found.is_empty() {
        let mut patterns = HashSet::new();
        walk::each_subschema(schema, at, &mut |subschema, path| {
            check_subschema(subschema, path, &mut patterns, &mut found)
        });
        if patterns.len() > MAX_PATTERNS {
            found.add(
                at.clone(),
                format!(
                    "has {} different patterns; at most {MAX_PATTERNS} are allowed",
                    patterns.len()
                ),
            );
        }
    }
    if found.is_empty()
        && let Err(error) = options().build(schema)
    {
        let why = shortened(&error.masked().to_string());
        found.push(Violation::new(
            at.to_string(),
            format!("cannot be applied; no $ref is ever fetched: {why}"),
        ));
    }
    violations.extend(found.into_vec());
}

/// What the meta-schema leaves open and is decided keyword by keyword.
/// Collects the patterns.
fn check_subschema(
    subschema: &serde_json::Map<String, Value>,
    at: &Path,
    seen: &mut HashSet<String>,
    violations: &mut Violations,
) {
    if let Some(draft) = subschema.get("$schema").and_then(Value::as_str)
        && draft.trim_end_matches('#') != DRAFT
    {
        violations.add(
            at.key("$schema"),
            format!("must be \"{DRAFT}\" where it is given"),
        );
    }
    let patterns = subschema.get("patternProperties").and_then(Value::as_object);
    let named = patterns
        .into_iter()
        .flat_map(|it| it.keys())
        .map(|it| (it, at.key("patternProperties").key(it)));
    let own = subschema
        .get("pattern")
        .and_then(Value::as_str)
        .map(|it| (it, at.key("pattern")));
    for (pattern, path) in named.map(|(it, path)| (it.as_str(), path)).chain(own) {
        // One that was seen has been checked; those beyond the limit are counted alone.
        if !seen.insert(pattern.to_owned()) || seen.len() > MAX_PATTERNS {
            continue;
        }
        // Alone, so that each bad pattern is named with its own path.
        if options().build(&json!({ "pattern": pattern })).is_err() {
            violations.add(
                path,
                "is no pattern that runs in linear time: look-around and back references are not allowed",
            );
        }
    }
}

/// A build that fetches nothing and whose patterns run in linear time.
fn options() -> ValidationOptions<'static> {
    jsonschema::draft202012::options()
        .offline()
        .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
}

#[cfg(test)]
mod tests;
