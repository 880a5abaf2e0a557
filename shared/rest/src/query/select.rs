//! `select`: a tree of columns and embeddings.

use datacovey_proto::internal::rows::v1::{ColumnPath, Filter, OrderTerm};

use super::field::{blanks, comma, field, identifier, name};
use super::page::Page;
use super::text::{Failed, Parsed, Text};
use crate::error::Error;

/// Most levels of embeddings.
pub const MAX_EMBEDDINGS: usize = 12;
/// Most columns and embeddings, on all levels.
pub const MAX_ITEMS: usize = 1000;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Column {
        alias: Option<String>,
        path: ColumnPath,
        cast: Option<String>,
        is_aggregate: bool,
    },
    Embedding(Embedded),
}

/// A relation to embed, before it is known which.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Embedded {
    pub(crate) alias: Option<String>,
    pub(crate) target: String,
    pub(crate) hint: Option<String>,
    pub(crate) inner: bool,
    pub(crate) spread: bool,
    pub(crate) items: Vec<Item>,
    /// What other parameters say of it.
    pub(crate) filters: Vec<Filter>,
    pub(crate) order: Vec<OrderTerm>,
    pub(crate) page: Page,
}

impl Embedded {
    /// What it is called in the answer.
    pub(crate) fn name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.target)
    }

    pub(crate) fn embedded(&self) -> impl Iterator<Item = &Self> {
        self.items.iter().filter_map(|it| match it {
            Item::Embedding(it) => Some(it),
            Item::Column { .. } => None,
        })
    }
}

pub(crate) fn parameter(value: &str) -> Result<Vec<Item>, Error> {
    Text::parse("select parameter", value, value, |text| {
        let mut count = 0;
        let items = forest(text, 0, &mut count)?;
        // A comma that were right had been taken.
        text.follows(",");
        if text.ends() { Ok(items) } else { Err(Failed) }
    })
}

fn forest(text: &mut Text<'_>, depth: usize, count: &mut usize) -> Parsed<Vec<Item>> {
    let Some(first) = text.optional(|it| item(it, depth, count))? else {
        return Ok(Vec::new());
    };
    let mut items = vec![first];
    while text.optional(comma)?.is_some() {
        items.push(item(text, depth, count)?);
    }
    Ok(items)
}

fn item(text: &mut Text<'_>, depth: usize, count: &mut usize) -> Parsed<Item> {
    *count += 1;
    if *count > MAX_ITEMS {
        return text.exceeded(format!("a selection has at most {MAX_ITEMS} items"));
    }
    let embedded = match text.optional(|it| it.attempt(spread))? {
        Some(it) => Some(it),
        None => text.optional(|it| it.attempt(related))?,
    };
    let Some(mut embedded) = embedded else {
        return column(text);
    };
    if depth == MAX_EMBEDDINGS {
        return text.exceeded(format!("embeddings are at most {MAX_EMBEDDINGS} levels deep"));
    }
    text.char('(')?;
    embedded.items = forest(text, depth + 1, count)?;
    text.char(')')?;
    Ok(Item::Embedding(embedded))
}

fn spread(text: &mut Text<'_>) -> Parsed<Embedded> {
    blanks(text);
    text.word("...")?;
    let mut embedded = target(text)?;
    embedded.spread = true;
    Ok(embedded)
}

fn related(text: &mut Text<'_>) -> Parsed<Embedded> {
    blanks(text);
    let alias = alias(text)?;
    let mut embedded = target(text)?;
    if embedded.target == "count" {
        return Err(Failed);
    }
    embedded.alias = alias;
    Ok(embedded)
}

fn alias(text: &mut Text<'_>) -> Parsed<Option<String>> {
    text.optional(|text| {
        text.attempt(|text| {
            let name = name(text)?;
            text.char(':')?;
            text.not_followed_by(|it| it == ':')?;
            Ok(name)
        })
    })
}

fn target(text: &mut Text<'_>) -> Parsed<Embedded> {
    let mut embedded = Embedded {
        target: name(text)?,
        ..Embedded::default()
    };
    let (mut has_join, mut count) = (false, 0);
    while count < 2 && text.optional(|it| it.char('!'))?.is_some() {
        count += 1;
        let hint = name(text)?;
        match hint.as_str() {
            "left" | "inner" if has_join => {}
            "left" | "inner" => {
                embedded.inner = hint == "inner";
                has_join = true;
            }
            _ => embedded.hint = embedded.hint.or(Some(hint)),
        }
    }
    blanks(text);
    if text.follows("(") {
        Ok(embedded)
    } else {
        Err(Failed)
    }
}

fn column(text: &mut Text<'_>) -> Parsed<Item> {
    blanks(text);
    let item = match text.optional(|it| it.attempt(star))? {
        Some(item) => item,
        None => match text.optional(|it| it.attempt(count))? {
            Some(item) => item,
            None => named_column(text)?,
        },
    };
    blanks(text);
    Ok(item)
}

fn ends(text: &mut Text<'_>) -> Parsed<()> {
    if text.follows(")") || text.follows(",") || text.ends() {
        Ok(())
    } else {
        Err(Failed)
    }
}

fn all(alias: Option<String>, is_aggregate: bool) -> Item {
    Item::Column {
        alias,
        path: ColumnPath {
            column: "*".to_owned(),
            ..ColumnPath::default()
        },
        cast: None,
        is_aggregate,
    }
}

fn star(text: &mut Text<'_>) -> Parsed<Item> {
    text.word("*")?;
    blanks(text);
    ends(text)?;
    Ok(all(None, false))
}

fn count(text: &mut Text<'_>) -> Parsed<Item> {
    let alias = alias(text)?;
    text.word("count()")?;
    cast(text)?;
    ends(text)?;
    Ok(all(alias, true))
}

fn cast(text: &mut Text<'_>) -> Parsed<Option<String>> {
    match text.optional(|it| it.attempt(|it| it.word("::")))? {
        Some(()) => identifier(text).map(Some),
        None => Ok(None),
    }
}

fn named_column(text: &mut Text<'_>) -> Parsed<Item> {
    let alias = alias(text)?;
    let path = field(text)?;
    let to = cast(text)?;
    let aggregate = text.optional(|it| it.attempt(aggregate))?;
    if aggregate.is_some() {
        cast(text)?;
    }
    ends(text)?;
    Ok(Item::Column {
        alias,
        path,
        cast: to,
        is_aggregate: aggregate.is_some(),
    })
}

fn aggregate(text: &mut Text<'_>) -> Parsed<()> {
    text.char('.')?;
    for word in ["sum", "avg", "count", "max", "min"] {
        if text.attempt(|it| it.word(word)).is_ok() {
            return text.word("()");
        }
    }
    Err(Failed)
}
