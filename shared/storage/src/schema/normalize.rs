//! Texts brought to the one form in which equal ones are equal (`x-normalize`), before they are checked and
//! hashed.

mod email;
mod phone;

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, StringBuilder};
use rlibphonenumber::Region;
use serde_json::{Map, Value};

use super::parse::Violations;
use super::walk::Finding;
use super::{ColumnType, path};

/// What is made of a column's texts; nothing of those that no step is named for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normalization(Vec<Step>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// Without white space at its ends.
    Trim,
    /// In lower case, by Unicode's rules.
    Lowercase,
    Email,
    /// In E.164; without a `+`, as it is dialled within the region.
    Phone(Option<Region>),
}

impl Normalization {
    pub(super) const KEYWORDS: [&str; 2] = ["x-normalize", "x-region"];

    /// Reads the steps of a property, in their order.
    pub(super) fn parse(
        keywords: &Map<String, Value>,
        column_type: &ColumnType,
        at: &str,
        depth: usize,
        violations: &mut Violations,
    ) -> Self {
        let region = phone::region(keywords, at, violations);
        let Some(given) = keywords.get("x-normalize") else {
            return Self::default();
        };
        let at = path::member(at, "x-normalize");
        if *column_type != ColumnType::Text || depth > 0 {
            violations.push(
                at,
                "only a column of its own is normalized, a string that stays a text",
            );
            return Self::default();
        }
        let listed = given.as_array();
        let words = listed.map_or(std::slice::from_ref(given), Vec::as_slice);
        if words.is_empty() {
            violations.push(
                &at,
                "names no step: trim, lowercase, email or phone, or a list of them",
            );
        }
        let mut steps = Vec::with_capacity(words.len());
        for (index, word) in words.iter().enumerate() {
            let step = match word.as_str() {
                Some("trim") => Step::Trim,
                Some("lowercase") => Step::Lowercase,
                Some("email") => Step::Email,
                Some("phone") => Step::Phone(region),
                _ => {
                    let at = listed.map_or_else(|| at.clone(), |_| path::element(&at, index));
                    violations.push(at, "must be trim, lowercase, email or phone, or a list of them");
                    continue;
                }
            };
            if steps.contains(&step) {
                violations.push(path::element(&at, index), "is named twice");
            }
            steps.push(step);
        }
        Self(steps)
    }

    /// The values after all steps. One that a step cannot take is told of, and becomes none.
    pub(crate) fn apply(&self, values: ArrayRef, tell: &mut dyn FnMut(Finding)) -> ArrayRef {
        let texts = match values.as_string_opt::<i32>() {
            Some(texts) if !self.0.is_empty() => texts,
            _ => return values,
        };
        let mut normal = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
        let mut buffer = String::new();
        for (row, text) in texts.iter().enumerate() {
            let Some(text) = text else {
                normal.append_null();
                continue;
            };
            buffer.clear();
            buffer.push_str(text);
            match self.0.iter().try_for_each(|step| step.apply(&mut buffer)) {
                Ok(()) => normal.append_value(&buffer),
                Err(reason) => {
                    normal.append_null();
                    tell(Finding {
                        row,
                        within: String::new(),
                        reason: reason.to_owned(),
                        value: text.to_owned(),
                    });
                }
            }
        }
        Arc::new(normal.finish())
    }
}

impl Step {
    fn apply(self, text: &mut String) -> Result<(), &'static str> {
        match self {
            Self::Trim => trim(text),
            Self::Lowercase => lowercase(text),
            Self::Email => return email::normalize(text),
            Self::Phone(region) => return phone::normalize(text, region),
        }
        Ok(())
    }
}

fn trim(text: &mut String) {
    text.truncate(text.trim_end().len());
    let blank = text.len() - text.trim_start().len();
    text.drain(..blank);
}

fn lowercase(text: &mut String) {
    if text.is_ascii() {
        text.make_ascii_lowercase();
    } else {
        *text = text.to_lowercase();
    }
}

#[cfg(test)]
mod tests;
