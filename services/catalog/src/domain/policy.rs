//! Whether a policy fits its table: what the compiler says of it, in paths of the request.

use datacovey_error::{Error, ErrorReason, Result, Violation, Violations};
use datacovey_privacy::CatalogColumn;
use datacovey_privacy::policy::{Policy, PolicyViolation, PrivacyUnit};
use datacovey_storage::schema::{Column, TableSchema};
use serde_json::Value;

use super::path::Path;

/// A policy as it was read, with what is wrong with it before its table is known.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) policy: Policy,
    pub(crate) at: Path,
    pub(crate) violations: Vec<Violation>,
}

impl Draft {
    /// Whether the policy can stand for a table of this schema, and of a parent of that one, if it names
    /// one: an error with all violations if not.
    pub(crate) fn fits(&self, schema: &Value, parent: Option<&Value>) -> Result<()> {
        let mut found = Violations::new();
        check(&self.policy, schema, &self.at, &mut found);
        check_parent(&self.policy, schema, parent, &self.at, &mut found);
        // A part that could not be read is missing, and whatever follows from that is no news.
        let known = |it: &Violation| {
            let either = |one: &str, other: &str| one.starts_with(other) || other.starts_with(one);
            self.violations
                .iter()
                .any(|known| either(&known.field, &it.field))
        };
        let mut violations = Violations::new();
        violations.extend(self.violations.iter().cloned());
        violations.extend(found.into_vec().into_iter().filter(|it| !known(it)));
        violations.check()
    }
}

/// The policy as it is stored. Whatever was stored can be read.
pub(crate) fn stored(policy: &Value) -> Result<Policy> {
    Policy::from_json(policy).map_err(|violations| {
        let why: Vec<_> = violations.iter().map(ToString::to_string).collect();
        Error::internal(format!("a stored policy is not understood: {}", why.join("; ")))
    })
}

/// Notes everything by which the policy contradicts itself or the table's schema.
pub(crate) fn check(policy: &Policy, schema: &Value, at: &Path, violations: &mut Violations) {
    let mut add = |path: Path, why: String| {
        violations.push(Violation::new(path, why).of(ErrorReason::InvalidPolicy));
    };
    if policy.reference && policy.columns.is_empty() {
        // Speaks of no column, so that any schema will do.
        policy
            .validate(&[])
            .into_iter()
            .for_each(|it| add(request_path(policy, &it, at), it.message));
        return;
    }
    let columns = match columns(schema) {
        Ok(columns) => columns,
        Err(why) => return add(at.clone(), why),
    };
    for found in policy.validate(&columns) {
        add(request_path(policy, &found, at), found.message);
    }
    for column in &columns {
        let of_policy = policy
            .columns
            .get(&column.name)
            .and_then(|it| it.identity.as_deref());
        if let (Some(said), Some(stored)) = (of_policy, column.identity.as_deref())
            && said != stored
        {
            let path = at.key("columns").entry(&column.name).key("identity");
            add(path, format!("the table's schema says {stored:?} (x-identity)"));
        }
    }
}

/// Notes what stands against the parent through which the policy finds its units. Whether the parent has a policy
/// is asked when a query reads it: owners set policies in any order.
fn check_parent(
    policy: &Policy,
    schema: &Value,
    parent: Option<&Value>,
    at: &Path,
    violations: &mut Violations,
) {
    let Some((name, key)) = policy.privacy_unit.as_ref().and_then(PrivacyUnit::parent) else {
        return;
    };
    let type_of = |schema: &Value| {
        let columns = columns(schema).unwrap_or_default();
        columns
            .into_iter()
            .find(|it| it.name == key)
            .map(|it| it.data_type)
    };
    // A key that this table does not have is told already.
    let Some(own) = type_of(schema) else { return };
    let why = match parent.map(type_of) {
        None => format!("you have no other table {name} in this dataset"),
        Some(None) => format!("the table {name} has no column {key}"),
        Some(Some(other)) if other != own => {
            format!("{key} is of type {own} here and of type {other} in {name}")
        }
        Some(Some(_)) => return,
    };
    let path = at.key("privacy_unit").key("via");
    violations.push(Violation::new(path, why).of(ErrorReason::InvalidPolicy));
}

/// The columns of a table, as an import by its schema will make them.
fn columns(schema: &Value) -> std::result::Result<Vec<CatalogColumn>, String> {
    let schema = TableSchema::parse(schema).map_err(|violations| {
        let first = violations
            .first()
            .map(|it| format!("{}: {}", it.path, it.reason))
            .unwrap_or_default();
        format!("the table's schema describes no columns yet, as data cannot be imported by it ({first})")
    })?;
    let column = |it: &Column| CatalogColumn::of_field(&it.field(), it.identity.clone());
    Ok(schema.columns().iter().map(column).collect())
}

/// The compiler names parts as the stored JSON does; a request has the map of columns and `uses`.
fn request_path(policy: &Policy, found: &PolicyViolation, at: &Path) -> Path {
    let Some(of_columns) = found.field.strip_prefix("columns.") else {
        return found
            .field
            .split('.')
            .fold(at.clone(), |path, part| path.key(part));
    };
    // Names may hold dots themselves: the longest one that fits is meant.
    let fits = |name: &&String| {
        of_columns
            .strip_prefix(name.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let name = policy.columns.keys().filter(fits).max_by_key(|name| name.len());
    let (name, rest) = name.map_or((of_columns, ""), |name| {
        (name.as_str(), &of_columns[name.len()..])
    });
    let column = at.key("columns").entry(name);
    let parts = rest.split('.').filter(|part| !part.is_empty());
    parts.fold(column, |path, part| {
        path.key(if part == "use" { "uses" } else { part })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields_of(policy: Value, schema: Value) -> Vec<String> {
        let policy = Policy::from_json(&policy).unwrap();
        let mut violations = Violations::new();
        check(&policy, &schema, &Path::new("policy"), &mut violations);
        let mut fields: Vec<_> = violations.into_vec().into_iter().map(|it| it.field).collect();
        fields.sort();
        fields
    }

    fn planes() -> Value {
        json!({"type": "object", "properties": {
            "tailnum": {"type": "string", "x-identity": "tail_number"},
            "year": {"type": "integer"},
            "a": {"type": "string"},
            "a.identity": {"type": "string"},
        }})
    }

    #[test]
    fn a_fitting_policy_passes() {
        let policy = json!({
            "privacy_unit": "tailnum",
            "columns": {"tailnum": {"use": ["join"], "identity": "tail_number"}, "year": {"use": ["dimension"]}},
        });
        assert_eq!(fields_of(policy, planes()), Vec::<String>::new());
        assert_eq!(
            fields_of(json!({"reference": true}), json!({})),
            Vec::<String>::new()
        );
    }

    #[test]
    fn violations_have_paths_of_the_request() {
        let policy = json!({
            "privacy_unit": "tailnum",
            "columns": {
                "tailnum": {"use": ["join"], "identity": "tail"},
                "year": {"use": []},
                "a.identity": {"use": ["join"]},
                "nowhere": {"use": ["dimension"]},
            },
            "threshold": {"min_units": 1},
        });
        assert_eq!(
            fields_of(policy, planes()),
            [
                "policy.columns[\"a.identity\"].identity",
                "policy.columns[\"nowhere\"]",
                "policy.columns[\"tailnum\"].identity",
                "policy.columns[\"year\"].uses",
                "policy.threshold.min_units",
            ]
        );
    }

    #[test]
    fn a_parent_is_there_and_has_the_key() {
        let policy = Policy::from_json(&json!({"privacy_unit": {"via": "fleets.year"}})).unwrap();
        let with = |parent: Option<&Value>| {
            let draft = Draft {
                policy: policy.clone(),
                at: Path::new("policy"),
                violations: Vec::new(),
            };
            draft.fits(&planes(), parent).err().map(|error| {
                let violations = error.violations();
                let told: Vec<_> = violations
                    .iter()
                    .map(|it| (it.field.as_str(), it.description.as_str()))
                    .collect();
                format!("{told:?}")
            })
        };
        let told = |why: &str| Some(format!("[(\"policy.privacy_unit.via\", \"{why}\")]"));
        assert_eq!(with(Some(&planes())), None);
        assert_eq!(with(None), told("you have no other table fleets in this dataset"));
        let other = |year: Value| json!({"type": "object", "properties": year});
        assert_eq!(
            with(Some(&other(json!({"age": {"type": "integer"}})))),
            told("the table fleets has no column year")
        );
        assert_eq!(
            with(Some(&other(json!({"year": {"type": "string"}})))),
            told("year is of type Int64 here and of type Utf8 in fleets")
        );
    }

    #[test]
    fn a_schema_without_columns_has_no_policy() {
        assert_eq!(
            fields_of(json!({"privacy_unit": "a"}), json!({"type": "array"})),
            ["policy"]
        );
        assert_eq!(
            fields_of(
                json!({"reference": true, "analysts": [uuid::Uuid::nil()]}),
                json!({})
            ),
            ["policy.analysts"]
        );
    }
}
