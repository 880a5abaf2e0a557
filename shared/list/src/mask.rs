use datacovey_error::{ErrorReason, Violation, Violations};
use prost_types::FieldMask;

/// The fields of a resource, as its update method sees them.
#[derive(Clone, Copy, Debug)]
pub struct UpdatableFields {
    /// May be changed, each as a whole.
    pub mutable: &'static [&'static str],
    /// Exist and never change, or change by other methods; named in a mask they are a violation.
    pub immutable: &'static [&'static str],
}

/// The fields that an update writes, of those that may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask(Vec<&'static str>);

impl Mask {
    /// Whether the update writes the field.
    #[must_use]
    pub fn contains(&self, field: &str) -> bool {
        self.0.contains(&field)
    }

    /// The value to write: the request's if the field is in the mask, none if it stays as it is.
    pub fn pick<T>(&self, field: &str, value: T) -> Option<T> {
        self.contains(field).then_some(value)
    }

    /// Whether the update writes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl UpdatableFields {
    /// Reads an `update_mask` (AIP-134): empty or absent means the mutable fields that `is_set` says
    /// the request holds, `*` all mutable fields; else each path must be a mutable field. The order
    /// and repetitions of paths do not count.
    ///
    /// What is wrong becomes violations with the reason INVALID_MASK, all of them.
    pub fn parse(
        &self,
        mask: Option<&FieldMask>,
        is_set: impl Fn(&str) -> bool,
        violations: &mut Violations,
    ) -> Option<Mask> {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        let fields: Vec<_> = match paths {
            [] => self
                .mutable
                .iter()
                .copied()
                .filter(|field| is_set(field))
                .collect(),
            [all] if all == "*" => self.mutable.to_vec(),
            _ => {
                let mut refused = false;
                for (index, path) in paths.iter().enumerate() {
                    if let Some(description) = self.refusal(path) {
                        refused = true;
                        violations.push(
                            Violation::new(format!("update_mask.paths[{index}]"), description)
                                .of(ErrorReason::InvalidMask),
                        );
                    }
                }
                if refused {
                    return None;
                }
                self.mutable
                    .iter()
                    .copied()
                    .filter(|field| paths.iter().any(|path| path == field))
                    .collect()
            }
        };
        Some(Mask(fields))
    }

    fn refusal(&self, path: &str) -> Option<String> {
        if self.mutable.contains(&path) {
            None
        } else if path == "*" {
            Some("\"*\" stands alone".to_owned())
        } else if self.immutable.contains(&path) {
            Some(format!("\"{path}\" may not be changed by an update"))
        } else {
            let shown: String = path.chars().take(100).collect();
            Some(format!(
                "there is no field {shown:?}; those that may change are {}",
                self.mutable.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datacovey_error::Result;
    use proptest::prelude::*;

    const FIELDS: UpdatableFields = UpdatableFields {
        mutable: &["name", "description"],
        immutable: &["id", "create_time"],
    };

    fn parse(paths: &[&str], set: &[&str]) -> Result<Mask> {
        let mask = FieldMask {
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
        };
        let mut violations = Violations::new();
        let parsed = FIELDS.parse(Some(&mask), |field| set.contains(&field), &mut violations);
        violations.check()?;
        Ok(parsed.unwrap())
    }

    #[test]
    fn an_empty_mask_is_what_is_set() {
        assert_eq!(parse(&[], &["name", "id"]).unwrap(), Mask(vec!["name"]));
        assert!(parse(&[], &[]).unwrap().is_empty());
        let mut violations = Violations::new();
        let absent = FIELDS.parse(None, |_| true, &mut violations).unwrap();
        assert_eq!(absent, Mask(vec!["name", "description"]));
    }

    #[test]
    fn a_star_is_all_that_may_change() {
        assert_eq!(parse(&["*"], &[]).unwrap(), Mask(vec!["name", "description"]));
    }

    #[test]
    fn a_named_field_is_written_even_if_it_is_not_set() {
        let mask = parse(&["description", "description"], &[]).unwrap();
        assert_eq!(mask, Mask(vec!["description"]));
        assert_eq!(mask.pick("description", ""), Some(""));
        assert_eq!(mask.pick("name", "a"), None);
    }

    #[test]
    fn every_wrong_path_is_named() {
        let error = parse(&["name", "id", "nmae", "*", "name.first"], &[]).unwrap_err();
        let fields: Vec<_> = error.violations().iter().map(|it| it.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "update_mask.paths[1]",
                "update_mask.paths[2]",
                "update_mask.paths[3]",
                "update_mask.paths[4]"
            ]
        );
        assert_eq!(error.reason(), ErrorReason::InvalidMask);
    }

    proptest! {
        #[test]
        fn any_path_is_a_field_or_a_violation(paths in proptest::collection::vec(any::<String>(), 1..5)) {
            let paths: Vec<_> = paths.iter().map(String::as_str).collect();
            let known = paths.iter().all(|path| FIELDS.mutable.contains(path)) || paths == ["*"];
            prop_assert_eq!(parse(&paths, &[]).is_ok(), known);
        }
    }
}
