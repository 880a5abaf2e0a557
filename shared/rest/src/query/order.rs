//! `order`.

use datacovey_proto::internal::rows::v1::{NullOrder, OrderTerm};

use super::field::{blanks, delimiter, field, name};
use super::text::{Failed, Parsed, Text};
use crate::error::Error;

/// Most terms of an order.
pub const MAX_TERMS: usize = 100;

pub(crate) fn parameter(value: &str) -> Result<Vec<OrderTerm>, Error> {
    Text::parse("order", value, value, |text| {
        let mut count = 0;
        text.separated(
            |text| {
                count += 1;
                if count > MAX_TERMS {
                    return text.exceeded(format!("an order has at most {MAX_TERMS} terms"));
                }
                blanks(text);
                let term = match text.optional(|it| it.attempt(related_term))? {
                    Some(term) => term,
                    None => own_term(text)?,
                };
                blanks(text);
                Ok(term)
            },
            |text| text.char(','),
        )
    })
}

fn own_term(text: &mut Text<'_>) -> Parsed<OrderTerm> {
    let column = field(text)?;
    direction(
        text,
        OrderTerm {
            column: Some(column),
            ..OrderTerm::default()
        },
    )
}

fn related_term(text: &mut Text<'_>) -> Parsed<OrderTerm> {
    let relation = name(text)?;
    text.char('(')?;
    let mut column = field(text)?;
    text.char(')')?;
    column.relation = relation;
    direction(
        text,
        OrderTerm {
            column: Some(column),
            ..OrderTerm::default()
        },
    )
}

fn direction(text: &mut Text<'_>, mut term: OrderTerm) -> Parsed<OrderTerm> {
    let is_word = |text: &mut Text<'_>, word: &str| {
        text.attempt(|it| {
            delimiter(it)?;
            it.word(word)
        })
        .is_ok()
    };
    if !is_word(text, "asc") {
        term.descending = is_word(text, "desc");
    }
    if is_word(text, "nullsfirst") {
        term.set_nulls(NullOrder::First);
    } else if is_word(text, "nullslast") {
        term.set_nulls(NullOrder::Last);
    }
    if text.follows(",") || text.ends() {
        Ok(term)
    } else {
        Err(Failed)
    }
}
