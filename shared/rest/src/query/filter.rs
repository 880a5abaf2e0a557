//! Operators and their operands.

use datacovey_proto::internal::rows::v1::filter::Node;
use datacovey_proto::internal::rows::v1::{
    ColumnPath, Condition, Filter, Operator, Quantifier, ValueList, condition::Operand,
};

use super::field::{blanks, delimiter, identifier, quoted};
use super::text::{Parsed, Text};

/// Most values of an `in`.
pub const MAX_VALUES: usize = 1_000_000;

const SIMPLE: [(&str, Operator); 9] = [
    ("neq", Operator::Neq),
    ("cs", Operator::Contains),
    ("cd", Operator::Contained),
    ("ov", Operator::Overlaps),
    ("sl", Operator::StrictlyLeft),
    ("sr", Operator::StrictlyRight),
    ("nxr", Operator::NotExtendsRight),
    ("nxl", Operator::NotExtendsLeft),
    ("adj", Operator::Adjacent),
];
const QUANTIFIABLE: [(&str, Operator); 9] = [
    ("eq", Operator::Eq),
    ("gte", Operator::Gte),
    ("gt", Operator::Gt),
    ("lte", Operator::Lte),
    ("lt", Operator::Lt),
    ("like", Operator::Like),
    ("ilike", Operator::Ilike),
    ("match", Operator::Match),
    ("imatch", Operator::Imatch),
];
const TEXT_SEARCH: [(&str, Operator); 4] = [
    ("fts", Operator::Fts),
    ("plfts", Operator::Plfts),
    ("phfts", Operator::Phfts),
    ("wfts", Operator::Wfts),
];
const STATES: [&str; 5] = ["null", "not_null", "true", "false", "unknown"];

type Reader = fn(&mut Text<'_>) -> Parsed<String>;

/// An operator and an operand, applied to a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Operation {
    negated: bool,
    condition: Condition,
}

impl Operation {
    pub(crate) fn on(self, column: ColumnPath) -> Filter {
        Filter {
            negated: self.negated,
            node: Some(Node::Condition(Condition {
                column: Some(column),
                ..self.condition
            })),
        }
    }
}

/// What a parameter is to a column.
pub(crate) fn parameter(value: &str) -> Result<Operation, crate::Error> {
    Text::parse("filter", value, value, |text| operation(text, whole))
}

fn whole(text: &mut Text<'_>) -> Parsed<String> {
    Ok(text.take_while(|_| true).to_owned())
}

pub(crate) fn operation(text: &mut Text<'_>, value: Reader) -> Parsed<Operation> {
    let negated = text
        .optional(|it| {
            it.attempt(|it| {
                it.word("not")?;
                delimiter(it)
            })
        })?
        .is_some();
    let condition = text.labelled("operator (eq, gt, ...)", |text| condition(text, value))?;
    Ok(Operation { negated, condition })
}

fn condition(text: &mut Text<'_>, value: Reader) -> Parsed<Condition> {
    if text.optional(|it| word_and_dot(it, "in"))?.is_some() {
        return Ok(new(
            Operator::In,
            Operand::Values(ValueList { values: list(text)? }),
        ));
    }
    if text.optional(|it| word_and_dot(it, "is"))?.is_some() {
        return Ok(new(Operator::Is, Operand::Value(state(text)?.to_owned())));
    }
    if text.optional(|it| word_and_dot(it, "isdistinct"))?.is_some() {
        return Ok(new(Operator::IsDistinct, Operand::Value(value(text)?)));
    }
    let search = |text: &mut Text<'_>| {
        let operator = one_of(text, &TEXT_SEARCH)?;
        let config = text.optional(|it| it.attempt(|it| in_parentheses(it, identifier)))?;
        delimiter(text)?;
        Ok((operator, config))
    };
    if let Some((operator, config)) = text.optional(|it| it.attempt(search))? {
        let mut condition = new(operator, Operand::Value(value(text)?));
        condition.text_search_config = config;
        return Ok(condition);
    }
    let simple = |text: &mut Text<'_>| {
        let operator = one_of(text, &SIMPLE)?;
        delimiter(text)?;
        Ok(operator)
    };
    if let Some(operator) = text.optional(|it| it.attempt(simple))? {
        return Ok(new(operator, Operand::Value(value(text)?)));
    }
    let (operator, quantifier) = text.attempt(|text| {
        let operator = one_of(text, &QUANTIFIABLE)?;
        let quantifier = text.optional(|it| it.attempt(|it| in_parentheses(it, quantifier)))?;
        delimiter(text)?;
        Ok((operator, quantifier))
    })?;
    let mut operand = value(text)?;
    if matches!(operator, Operator::Like | Operator::Ilike) {
        operand = operand.replace('*', "%");
    }
    let mut condition = new(operator, Operand::Value(operand));
    condition.set_quantifier(quantifier.unwrap_or_default());
    Ok(condition)
}

fn new(operator: Operator, operand: Operand) -> Condition {
    Condition {
        operator: operator.into(),
        operand: Some(operand),
        ..Condition::default()
    }
}

fn word_and_dot(text: &mut Text<'_>, word: &str) -> Parsed<()> {
    text.attempt(|text| {
        text.word(word)?;
        delimiter(text)
    })
}

fn one_of(text: &mut Text<'_>, words: &[(&str, Operator)]) -> Parsed<Operator> {
    for (word, operator) in words {
        if text.attempt(|it| it.word(word)).is_ok() {
            return Ok(*operator);
        }
    }
    Err(super::text::Failed)
}

fn in_parentheses<T>(text: &mut Text<'_>, inner: impl FnOnce(&mut Text<'_>) -> Parsed<T>) -> Parsed<T> {
    text.char('(')?;
    let it = inner(text)?;
    text.char(')')?;
    Ok(it)
}

fn quantifier(text: &mut Text<'_>) -> Parsed<Quantifier> {
    match text.optional(|it| it.attempt(|it| it.word("any")))? {
        Some(()) => Ok(Quantifier::Any),
        None => text.word("all").map(|()| Quantifier::All),
    }
}

fn state(text: &mut Text<'_>) -> Parsed<&'static str> {
    text.labelled("isVal: (null, not_null, true, false, unknown)", |text| {
        for state in STATES {
            if text.attempt(|it| it.word_of_any_case(state)).is_ok() {
                return Ok(state);
            }
        }
        Err(super::text::Failed)
    })
}

/// `(a,"b,c")`; nothing, and a single empty element, are no values.
fn list(text: &mut Text<'_>) -> Parsed<Vec<String>> {
    blanks(text);
    text.char('(')?;
    blanks(text);
    let mut count = 0;
    let values = text.separated(
        |text| {
            count += 1;
            if count > MAX_VALUES {
                return text.exceeded(format!("a list has at most {MAX_VALUES} values"));
            }
            element(text)
        },
        |text| text.char(','),
    )?;
    blanks(text);
    text.char(')')?;
    blanks(text);
    Ok(if values == [""] { Vec::new() } else { values })
}

fn ends_element(it: char) -> bool {
    matches!(it, ',' | ')')
}

fn quoted_element(text: &mut Text<'_>) -> Parsed<String> {
    let value = quoted(text)?;
    text.not_followed_by(|it| !ends_element(it))?;
    Ok(value)
}

fn element(text: &mut Text<'_>) -> Parsed<String> {
    match text.optional(|it| it.attempt(quoted_element))? {
        Some(value) => Ok(value),
        None => Ok(text.take_while(|it| !ends_element(it)).to_owned()),
    }
}

/// A value within a logic tree.
pub(crate) fn value_in_tree(text: &mut Text<'_>) -> Parsed<String> {
    let array = |text: &mut Text<'_>| {
        text.word("{")?;
        let inner = text.take_while(|it| !matches!(it, '{' | '}'));
        text.word("}")?;
        Ok(format!("{{{inner}}}"))
    };
    if let Some(value) = text.optional(|it| it.attempt(quoted_element))? {
        return Ok(value);
    }
    match text.optional(|it| it.attempt(array))? {
        Some(value) => Ok(value),
        None => Ok(text.take_while(|it| !ends_element(it)).to_owned()),
    }
}
