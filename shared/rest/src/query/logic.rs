//! Trees of `and` and `or`.

use datacovey_proto::internal::rows::v1::filter::Node;
use datacovey_proto::internal::rows::v1::{Filter, FilterList};

use super::field::{blanks, comma, delimiter, field, name};
use super::filter::{operation, value_in_tree};
use super::text::{Failed, Parsed, Text};
use crate::error::Error;

/// Most levels of a tree.
pub const MAX_DEPTH: usize = 32;
/// Most conditions and groups of a tree.
pub const MAX_NODES: usize = 10_000;

/// The path and the tree of a parameter such as `a.not.or=(…)`.
pub(crate) fn parameter(key: &str, value: &str) -> Result<(Vec<String>, Filter), Error> {
    let mut path = Text::parse("logic path", key, key, |text| text.separated(name, delimiter))?;
    let word = path.pop().unwrap_or_default();
    let negated = path.iter().any(|it| it == "not");
    path.retain(|it| it != "not");
    // Read as it stands within a tree.
    let not = if negated { "not." } else { "" };
    let whole = format!("{not}{word}{value}");
    let tree = Text::parse("logic tree", value, &whole, |text| tree(text, 1, &mut 0))?;
    Ok((path, tree))
}

fn tree(text: &mut Text<'_>, depth: usize, nodes: &mut usize) -> Parsed<Filter> {
    *nodes += 1;
    if depth > MAX_DEPTH {
        return text.exceeded(format!("a tree is at most {MAX_DEPTH} levels deep"));
    }
    if *nodes > MAX_NODES {
        return text.exceeded(format!("a tree has at most {MAX_NODES} conditions and groups"));
    }
    let condition = |text: &mut Text<'_>| {
        let column = field(text)?;
        delimiter(text)?;
        Ok(operation(text, value_in_tree)?.on(column))
    };
    if let Some(condition) = text.optional(|it| it.attempt(condition))? {
        return Ok(condition);
    }
    let negated = text.labelled("negation operator (not)", |text| {
        text.optional(|it| {
            it.attempt(|it| {
                it.word("not")?;
                delimiter(it)
            })
        })
    })?;
    let is_and = text.labelled("logic operator (and, or)", |text| {
        match text.optional(|it| it.attempt(|it| it.word("and")))? {
            Some(()) => Ok(true),
            None => text.word("or").map(|()| false),
        }
    })?;
    blanks(text);
    text.char('(')?;
    blanks(text);
    let filters = text.separated(|it| tree(it, depth + 1, nodes), comma)?;
    blanks(text);
    text.char(')')?;
    if text.is_exceeded() {
        return Err(Failed);
    }
    blanks(text);
    let list = FilterList { filters };
    Ok(Filter {
        negated: negated.is_some(),
        node: Some(if is_and { Node::And(list) } else { Node::Or(list) }),
    })
}
