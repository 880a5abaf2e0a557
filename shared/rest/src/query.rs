//! The query string: what its parameters say, before any name in it is looked up.

pub(crate) mod field;
pub(crate) mod filter;
pub(crate) mod logic;
pub(crate) mod order;
pub(crate) mod page;
pub(crate) mod select;
pub(crate) mod text;

use std::borrow::Cow;

use datacovey_proto::internal::rows::v1::{Filter, OrderTerm};
use percent_encoding::percent_decode;

use crate::error::Error;
use page::Pages;
use select::Item;

/// Most parameters of a query string.
pub const MAX_PARAMETERS: usize = 1000;

/// Where a parameter belongs: the names of the embeddings from the outside in.
pub(crate) type Path = Vec<String>;

/// What a query string says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query {
    pub(crate) select: Vec<Item>,
    pub(crate) filters: Vec<(Path, Filter)>,
    /// Keys of the filters as they stand.
    pub(crate) filter_keys: Vec<String>,
    pub(crate) logic: Vec<(Path, Filter)>,
    pub(crate) orders: Vec<(Path, Vec<OrderTerm>)>,
    pub(crate) pages: Pages,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) on_conflict: Option<Vec<String>>,
    /// The parameters sorted by name, as `Content-Location` has them.
    pub(crate) canonical: String,
}

impl Query {
    /// Reads a query string without its question mark.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let all = decode(text)?;
        let parameters = || {
            all.iter()
                .filter_map(|(key, value)| Some((&**key, &**value.as_ref()?)))
        };
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let ending = |words: &'static [&'static str]| {
            parameters().filter(move |(key, _)| words.contains(&last(key).as_str()))
        };
        let first = |name: &str| parameters().find(|(key, _)| *key == name).map(|(_, value)| value);

        let mut query = Self {
            canonical: canonical(&all),
            pages: Pages::read(ending(&["limit"]), ending(&["offset"])),
            ..Self::default()
        };
        for (key, value) in ending(&["order"]) {
            let (path, _) = field::tree_path(key)?;
            let order = order::parameter(value)?;
            if !query.orders.iter().any(|(other, _)| *other == path) {
                query.orders.push((path, order));
            }
        }
        for (key, value) in ending(&["and", "or"]) {
            query.logic.push(logic::parameter(key, value)?);
        }
        if let Some(value) = first("columns") {
            query.columns = Some(field::columns("columns parameter", value)?);
        }
        query.select = select::parameter(first("select").unwrap_or("*"))?;
        let is_filter = |key: &str| {
            !matches!(key, "select" | "columns" | "on_conflict")
                && !matches!(last(key).as_str(), "order" | "limit" | "offset" | "and" | "or")
        };
        for (key, value) in parameters().filter(|(key, _)| is_filter(key)) {
            let (path, column) = field::tree_path(key)?;
            let operation = filter::parameter(value)?;
            query.filters.push((path, operation.on(column)));
            query.filter_keys.push(key.to_owned());
        }
        if let Some(value) = first("on_conflict") {
            query.on_conflict = Some(field::columns("on_conflict parameter", value)?);
        }
        Ok(query)
    }
}

type Parameter<'a> = (Cow<'a, str>, Option<Cow<'a, str>>);

fn decode(text: &str) -> Result<Vec<Parameter<'_>>, Error> {
    let parts = text.split('&').filter(|it| !it.is_empty());
    let mut all = Vec::new();
    for part in parts {
        if all.len() == MAX_PARAMETERS {
            return Err(Error::parse(
                "failed to parse the query string".to_owned(),
                format!("there are at most {MAX_PARAMETERS} parameters"),
            ));
        }
        let (key, value) = match part.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (part, None),
        };
        all.push((decoded(key)?, value.map(decoded).transpose()?));
    }
    Ok(all)
}

fn decoded(text: &str) -> Result<Cow<'_, str>, Error> {
    let invalid = |_| {
        Error::parse(
            "failed to parse the query string".to_owned(),
            "a parameter is not UTF-8 once it is percent-decoded".to_owned(),
        )
    };
    if text.contains('+') {
        let blanks = text.replace('+', " ");
        let decoded = percent_decode(blanks.as_bytes()).decode_utf8().map_err(invalid)?;
        return Ok(Cow::Owned(decoded.into_owned()));
    }
    percent_decode(text.as_bytes()).decode_utf8().map_err(invalid)
}

fn canonical(all: &[Parameter<'_>]) -> String {
    let mut sorted: Vec<_> = all.iter().collect();
    sorted.sort_by(|one, other| one.0.cmp(&other.0));
    let mut text = String::new();
    let mut before: Option<&str> = None;
    for (key, value) in sorted {
        let value = encoded(value.as_deref().unwrap_or_default());
        if before == Some(key) {
            text.push(',');
        } else {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(&encoded(key));
            text.push('=');
            before = Some(key);
        }
        text.push_str(&value);
    }
    text
}

/// Percent-encoded but for letters, digits and `-_.~`.
pub(crate) fn encoded(text: &str) -> String {
    const PLAIN: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    percent_encoding::utf8_percent_encode(text, PLAIN).to_string()
}
