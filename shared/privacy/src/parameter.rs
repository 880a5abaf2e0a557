//! Parameters: values that stand beside a text, for the places that it names `$name` or `@name`.
//!
//! They are bound as literals of the syntax tree before anything looks at it, so every rule about literals is one
//! about parameters, and no value can become a name, a list or a piece of syntax.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::violation::{Violation, ViolationCode};

/// The values of a statement's parameters by name, without the sign before it.
pub type Parameters = BTreeMap<String, Parameter>;

/// One value. Dates, times and decimals are texts, as they are in literals.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    /// NULL.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number that is not NaN and not infinite.
    Float(f64),
    /// A text.
    Text(String),
}

impl Parameter {
    /// Bytes that the value takes, as part of the statement.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => std::mem::size_of::<u64>(),
        }
    }
}

/// Reads the values of parameters.
///
/// # Errors
/// A violation for each that is not a single value.
pub fn parameters_from_json(
    values: impl IntoIterator<Item = (String, Json)>,
) -> Result<Parameters, Vec<Violation>> {
    let (mut parameters, mut violations) = (Parameters::new(), Vec::new());
    for (name, value) in values {
        let read = match &value {
            Json::Null => Some(Parameter::Null),
            Json::Bool(truth) => Some(Parameter::Boolean(*truth)),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Some(Parameter::Integer(whole)),
                None => number.as_f64().map(float),
            },
            Json::String(text) => Some(Parameter::Text(text.clone())),
            Json::Array(_) | Json::Object(_) => None,
        };
        match read {
            Some(read) => {
                parameters.insert(name, read);
            }
            None => violations.push(
                refused(format!(
                    "The parameter {name} has several values: a parameter is one."
                ))
                .rewrite("a parameter for each value, IN ($first, $second)"),
            ),
        }
    }
    if violations.is_empty() {
        Ok(parameters)
    } else {
        Err(violations)
    }
}

/// Other formats have one type of numbers.
fn float(number: f64) -> Parameter {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "only numbers that i64 holds are taken"
    )]
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        return Parameter::Integer(number as i64);
    }
    Parameter::Float(number)
}

pub(crate) fn refused(message: String) -> Violation {
    Violation::new(ViolationCode::Parameter, "parameter", message)
}

/// Values that no place in the text names, and values that are no literal.
pub(crate) fn superfluous(parameters: &Parameters, named: &BTreeSet<String>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, value) in parameters {
        if !named.contains(name) {
            violations.push(refused(format!(
                "The parameter {name} has a value, but the text does not name it."
            )));
        } else if matches!(value, Parameter::Float(number) if !number.is_finite()) {
            violations.push(refused(format!(
                "The parameter {name} is not a number that can be written."
            )));
        }
    }
    violations
}

/// Whether a word can be the name of a parameter.
pub(crate) fn is_name(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
