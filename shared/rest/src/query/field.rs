//! Names of fields, and paths into their JSON.

use datacovey_proto::internal::rows::v1::{ColumnPath, JsonStep, json_step::Key};

use super::text::{Parsed, Text};

/// Most steps into the JSON of a column.
pub const MAX_STEPS: usize = 32;

pub(crate) fn is_identifier(it: char) -> bool {
    it.is_alphabetic() || it.is_ascii_digit() || matches!(it, '_' | ' ' | '$')
}

pub(crate) fn blanks(text: &mut Text<'_>) {
    if matches!(text.peek(), Some(' ' | '\t')) {
        text.take_while(|it| matches!(it, ' ' | '\t'));
    }
}

pub(crate) fn comma(text: &mut Text<'_>) -> Parsed<()> {
    text.attempt(|text| {
        blanks(text);
        text.char(',')
    })?;
    blanks(text);
    Ok(())
}

pub(crate) fn delimiter(text: &mut Text<'_>) -> Parsed<()> {
    text.labelled("delimiter (.)", |text| text.char('.'))
}

/// One or more letters, digits, `_`, `$` and blanks; outer blanks do not count.
pub(crate) fn identifier(text: &mut Text<'_>) -> Parsed<String> {
    if !text.peek().is_some_and(is_identifier) {
        let _ = text.expected::<()>("letter");
        return text.expected("digit");
    }
    let found = text.take_while(is_identifier);
    let _ = text.expected::<()>("letter");
    let _ = text.expected::<()>("digit");
    Ok(found.trim().to_owned())
}

fn dash(text: &mut Text<'_>) -> Parsed<()> {
    text.attempt(|text| {
        text.char('-')?;
        text.not_followed_by(|it| it == '>')
    })
}

pub(crate) fn name(text: &mut Text<'_>) -> Parsed<String> {
    text.labelled("field name (* or [a..z0..9_$])", |text| {
        match text.optional(quoted)? {
            Some(name) => Ok(name),
            None => Ok(text.separated(identifier, dash)?.join("-")),
        }
    })
}

/// What is between double quotes; a backslash makes the next character stand for itself.
pub(crate) fn quoted(text: &mut Text<'_>) -> Parsed<String> {
    text.char('"')?;
    let mut value = String::new();
    loop {
        value.push_str(text.take_while(|it| !matches!(it, '"' | '\\')));
        if text.peek() != Some('\\') {
            text.char('"')?;
            return Ok(value);
        }
        text.any();
        match text.any() {
            Some(it) => value.push(it),
            None => return text.char('"').map(|()| value),
        }
    }
}

/// A name and a path, blanks round them.
pub(crate) fn field(text: &mut Text<'_>) -> Parsed<ColumnPath> {
    blanks(text);
    let column = name(text)?;
    let steps = steps(text)?;
    blanks(text);
    Ok(ColumnPath {
        relation: String::new(),
        column,
        steps,
    })
}

pub(crate) fn steps(text: &mut Text<'_>) -> Parsed<Vec<JsonStep>> {
    let mut steps = Vec::new();
    loop {
        let as_text = if text.optional(|it| it.attempt(|it| it.word("->>")))?.is_some() {
            true
        } else if text.optional(|it| it.attempt(|it| it.word("->")))?.is_some() {
            false
        } else {
            return Ok(steps);
        };
        if steps.len() == MAX_STEPS {
            return text.exceeded(format!("a path has at most {MAX_STEPS} steps"));
        }
        let key = match text.optional(|it| it.attempt(index))? {
            Some(index) => Key::Index(index),
            None => Key::Name(text.attempt(key)?),
        };
        steps.push(JsonStep {
            key: Some(key),
            as_text,
        });
    }
}

fn index(text: &mut Text<'_>) -> Parsed<i32> {
    let sign = if text.optional(|it| it.char('-'))?.is_some() {
        "-"
    } else {
        ""
    };
    let digits = text.take_while(|it| it.is_ascii_digit());
    if digits.is_empty() {
        return text.expected("digit");
    }
    let _ = text.expected::<()>("digit");
    let ends =
        ["->", "::", ".", ","].iter().any(|it| text.follows(it)) || text.peek() == Some(')') || text.ends();
    match format!("{sign}{digits}").parse() {
        Ok(index) if ends => Ok(index),
        _ => Err(super::text::Failed),
    }
}

fn key(text: &mut Text<'_>) -> Parsed<String> {
    let part = |text: &mut Text<'_>| {
        let found = text.take_while(|it| !matches!(it, '(' | '-' | ':' | '.' | ',' | '>' | ')'));
        if found.is_empty() {
            return Err(super::text::Failed);
        }
        Ok(found.trim().to_owned())
    };
    text.labelled(
        "any non reserved character different from: .,>()",
        |text| match text.optional(quoted)? {
            Some(key) => Ok(key),
            None => Ok(text.separated(part, dash)?.join("-")),
        },
    )
}

/// A key of the query string: names with dots between, of which the last may have a path.
pub(crate) fn tree_path(key: &str) -> Result<(Vec<String>, ColumnPath), crate::Error> {
    Text::parse("tree path", key, key, |text| {
        let mut path = text.separated(name, delimiter)?;
        let steps = steps(text)?;
        let column = path.pop().unwrap_or_default();
        let column = ColumnPath {
            relation: String::new(),
            column,
            steps,
        };
        Ok((path, column))
    })
}

pub(crate) fn columns(what: &str, value: &str) -> Result<Vec<String>, crate::Error> {
    Text::parse(what, value, value, |text| text.separated(name, comma))
}
