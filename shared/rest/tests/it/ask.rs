//! Asks as a client does, and shows the answer as one sees it.

use bytes::Bytes;
use datacovey_proto::internal::rows::v1::filter::Node;
use datacovey_proto::internal::rows::v1::json_step::Key;
use datacovey_proto::internal::rows::v1::selection::Item;
use datacovey_proto::internal::rows::v1::{
    ColumnPath, DeleteRequest, Filter, InsertRequest, NullOrder, OrderTerm, Quantifier, SelectRequest,
    Selection, UpdateRequest, condition::Operand,
};
use datacovey_rest::{Answer, Call, Error, Head, Outcome, Plan, Relations, Request, Rows, Settings};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

pub(crate) fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    headers
}

/// `line` is a method and a target.
pub(crate) fn ask_with(line: &str, with: &[(&str, &str)], body: &str) -> Result<Plan<'static>, Error> {
    let (method, target) = line.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let head = Head::read(
        Request {
            method: &Method::from_bytes(method.as_bytes()).unwrap(),
            path,
            query,
            headers: &headers(with),
        },
        &Settings::default(),
    )?;
    head.plan(Relations::contract(), &Bytes::copy_from_slice(body.as_bytes()))
}

pub(crate) fn ask(line: &str) -> Result<Plan<'static>, Error> {
    let body = if line.starts_with('P') { "{}" } else { "" };
    ask_with(line, &[], body)
}

pub(crate) fn refused(line: &str) -> Error {
    ask(line).map(|it| it.call).expect_err(line)
}

/// Status and code, which is all that most tables compare.
pub(crate) fn fault(error: &Error) -> (u16, &str) {
    (error.status.as_u16(), error.code.as_str())
}

pub(crate) fn details(error: &Error) -> &str {
    error
        .details
        .as_ref()
        .and_then(|it| it.as_str())
        .unwrap_or_default()
}

pub(crate) fn rows(line: &str, with: &[(&str, &str)], body: &str) -> Rows {
    match ask_with(line, with, body)
        .unwrap_or_else(|it| panic!("{line}: {it:?}"))
        .call
    {
        Call::Rows(_, rows) => *rows,
        other => panic!("{line}: {other:?}"),
    }
}

pub(crate) fn select(line: &str) -> SelectRequest {
    match rows(&format!("GET {line}"), &[], "") {
        Rows::Select(it) => it,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn insert(line: &str, with: &[(&str, &str)], body: &str) -> InsertRequest {
    match rows(line, with, body) {
        Rows::Insert(it) => it,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn update(line: &str, with: &[(&str, &str)], body: &str) -> UpdateRequest {
    match rows(line, with, body) {
        Rows::Update(it) => it,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn delete(line: &str, with: &[(&str, &str)]) -> DeleteRequest {
    match rows(line, with, "") {
        Rows::Delete(it) => it,
        other => panic!("{other:?}"),
    }
}

/// What a request that became this answers.
pub(crate) fn answer(line: &str, with: &[(&str, &str)], body: &str, outcome: &Outcome) -> Answer {
    let plan = ask_with(line, with, body).unwrap_or_else(|it| panic!("{line}: {it:?}"));
    plan.answering
        .answer_rows(outcome)
        .unwrap_or_else(|it| it.answer(plan.answering.is_head()))
}

pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    Some(answer.headers.get(name)?.to_str().unwrap())
}

pub(crate) fn show_path(path: &ColumnPath) -> String {
    let mut text = path.column.clone();
    for step in &path.steps {
        let arrow = if step.as_text { "->>" } else { "->" };
        match step.key.as_ref().unwrap() {
            Key::Name(name) => text += &format!("{arrow}{name}"),
            Key::Index(index) => text += &format!("{arrow}[{index}]"),
        }
    }
    if path.relation.is_empty() {
        text
    } else {
        format!("{}({text})", path.relation)
    }
}

/// A filter in one line, with its values between angle brackets.
pub(crate) fn show(filter: &Filter) -> String {
    let not = if filter.negated { "not " } else { "" };
    let list = |it: &[Filter]| it.iter().map(show).collect::<Vec<_>>().join(", ");
    match filter.node.as_ref().unwrap() {
        Node::And(it) => format!("{not}and({})", list(&it.filters)),
        Node::Or(it) => format!("{not}or({})", list(&it.filters)),
        Node::Unrelated(name) => format!("{not}unrelated {name}"),
        Node::Condition(it) => {
            let name = it
                .operator()
                .as_str_name()
                .trim_start_matches("OPERATOR_")
                .to_lowercase();
            let quantifier = match it.quantifier() {
                Quantifier::Unspecified => "",
                Quantifier::Any => "(any)",
                Quantifier::All => "(all)",
            };
            let config = it
                .text_search_config
                .as_ref()
                .map(|it| format!("({it})"))
                .unwrap_or_default();
            let operand = match it.operand.as_ref().unwrap() {
                Operand::Value(value) => format!("<{value}>"),
                Operand::Values(list) => format!("{:?}", list.values),
            };
            format!(
                "{not}{} {name}{quantifier}{config} {operand}",
                show_path(it.column.as_ref().unwrap())
            )
        }
    }
}

pub(crate) fn show_order(order: &[OrderTerm]) -> String {
    let terms = order.iter().map(|it| {
        let direction = if it.descending { " desc" } else { "" };
        let nulls = match it.nulls() {
            NullOrder::Unspecified => "",
            NullOrder::First => " nullsfirst",
            NullOrder::Last => " nullslast",
        };
        format!("{}{direction}{nulls}", show_path(it.column.as_ref().unwrap()))
    });
    terms.collect::<Vec<_>>().join(", ")
}

/// Columns as `name=path::cast`, embeddings as `name=relation by key(…)`.
pub(crate) fn show_selections(selections: &[Selection]) -> String {
    let items = selections.iter().map(|it| match it.item.as_ref().unwrap() {
        Item::Column(it) => {
            let path = show_path(it.path.as_ref().unwrap());
            let cast = if it.cast.is_empty() {
                String::new()
            } else {
                format!("::{}", it.cast)
            };
            if it.alias == path || it.alias.is_empty() {
                format!("{path}{cast}")
            } else {
                format!("{}={path}{cast}", it.alias)
            }
        }
        Item::Embedding(it) => {
            let spread = if it.spread { "..." } else { "" };
            let inner = if it.inner { " inner" } else { "" };
            let mut more = String::new();
            if let Some(filter) = &it.filter {
                more += &format!(" where {}", show(filter));
            }
            if !it.order.is_empty() {
                more += &format!(" order {}", show_order(&it.order));
            }
            if let Some(limit) = it.limit {
                more += &format!(" limit {limit}");
            }
            if it.offset > 0 {
                more += &format!(" offset {}", it.offset);
            }
            let kind = it
                .cardinality()
                .as_str_name()
                .trim_start_matches("CARDINALITY_")
                .to_lowercase();
            format!(
                "{spread}{}={} {kind} {}{inner}({}){more}",
                it.name,
                it.relation,
                it.foreign_key,
                show_selections(&it.selections)
            )
        }
    });
    items.collect::<Vec<_>>().join(", ")
}

/// The filter of a GET of `table`.
pub(crate) fn filter(query: &str) -> String {
    let request = select(&format!("/table?{query}"));
    request.filter.map(|it| show(&it)).unwrap_or_default()
}
