//! Embeddings: what filters, orders and pages of a request belong to, and by which foreign key each
//! relation relates to the one that it is embedded in.

use datacovey_proto::internal::rows::v1::filter::Node;
use datacovey_proto::internal::rows::v1::json_step::Key;
use datacovey_proto::internal::rows::v1::selection::Item as SelectionItem;
use datacovey_proto::internal::rows::v1::{
    Cardinality, ColumnPath, Embedding, Filter, FilterList, Operator, OrderTerm, SelectedColumn, Selection,
    condition::Operand,
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::error::Error;
use crate::fuzzy::closest;
use crate::query::Query;
use crate::query::select::{Embedded, Item};
use crate::relations::{ForeignKey, Relation, Relations};

/// Of a request's own relation: what is selected, which rows, in which order.
#[derive(Debug, Default)]
pub(crate) struct Selected {
    pub(crate) selections: Vec<Selection>,
    pub(crate) filter: Option<Filter>,
    pub(crate) order: Vec<OrderTerm>,
}

/// Puts everything in its place. For a mutation, the filters of the relation itself say which rows are
/// changed and not which are returned, and pages count for nothing.
pub(crate) fn resolve(
    relations: &Relations,
    schema: &str,
    relation: &Relation,
    query: &Query,
    is_mutation: bool,
) -> Result<Selected, Error> {
    let mut root = Embedded {
        target: relation.name.clone(),
        items: query.select.clone(),
        ..Embedded::default()
    };
    if root.items.is_empty() {
        root.items.push(Item::Column {
            alias: None,
            path: ColumnPath {
                column: "*".to_owned(),
                ..ColumnPath::default()
            },
            cast: None,
            is_aggregate: false,
        });
    }
    for (path, filter) in query.filters.iter().chain(&query.logic) {
        place(&mut root, path)?.filters.push(filter.clone());
    }
    for (path, order) in &query.orders {
        place(&mut root, path)?.order.clone_from(order);
    }
    if !is_mutation {
        for (path, page) in query.pages.embedded()? {
            if page.limit.is_some_and(|it| it < 0) {
                let message = "LIMIT must not be negative";
                return Err(Error::new(StatusCode::BAD_REQUEST, "2201W", message));
            }
            place(&mut root, &path)?.page = page;
        }
    }
    let finder = Finder { relations, schema };
    let mut aggregates = false;
    let selections = finder.selections(relation, &root, &mut aggregates)?;
    let order = finder.order(relation, &root)?;
    if aggregates {
        let message = "Use of aggregate functions is not allowed";
        return Err(Error::new(StatusCode::BAD_REQUEST, "PGRST123", message));
    }
    Ok(Selected {
        selections,
        filter: filter(&root),
        order,
    })
}

/// What a path leads to: at each step the first of that name or alias.
fn place<'a>(root: &'a mut Embedded, path: &[String]) -> Result<&'a mut Embedded, Error> {
    let mut at = root;
    for name in path {
        let next = at.items.iter_mut().find_map(|it| match it {
            Item::Embedding(it) if it.target == *name || it.alias.as_deref() == Some(name) => Some(it),
            _ => None,
        });
        at = next.ok_or_else(|| Error::not_embedded(name))?;
    }
    Ok(at)
}

/// All filters of a relation as one; those that ask whether an embedding is null say so.
fn filter(of: &Embedded) -> Option<Filter> {
    let mut filters: Vec<_> = of.filters.clone();
    for filter in &mut filters {
        mark_unrelated(filter, of);
    }
    if filters.len() > 1 {
        return Some(Filter {
            negated: false,
            node: Some(Node::And(FilterList { filters })),
        });
    }
    filters.pop()
}

fn mark_unrelated(filter: &mut Filter, of: &Embedded) {
    let name = match &mut filter.node {
        Some(Node::And(list) | Node::Or(list)) => {
            for filter in &mut list.filters {
                mark_unrelated(filter, of);
            }
            return;
        }
        Some(Node::Condition(it))
            if it.operator() == Operator::Is && it.operand == Some(Operand::Value("null".to_owned())) =>
        {
            match &it.column {
                Some(column) if column.steps.is_empty() => column.column.clone(),
                _ => return,
            }
        }
        _ => return,
    };
    if of.embedded().any(|it| it.name() == name) {
        filter.node = Some(Node::Unrelated(name));
    }
}

/// The name that a column has in the answer, unless there is an alias.
fn output_name(path: &ColumnPath) -> &str {
    let names = path.steps.iter().rev().filter_map(|it| match &it.key {
        Some(Key::Name(name)) => Some(name.as_str()),
        _ => None,
    });
    names.into_iter().next().unwrap_or(&path.column)
}

struct Finder<'a> {
    relations: &'a Relations,
    schema: &'a str,
}

/// One way from a relation to another.
#[derive(Clone, Copy)]
struct Relationship<'a> {
    key: ForeignKey<'a>,
    /// Whether the relation that it begins at has the key.
    is_own: bool,
}

impl<'a> Relationship<'a> {
    fn other(&self) -> &'a Relation {
        if self.is_own { self.key.to } else { self.key.from }
    }

    fn cardinality(&self) -> Cardinality {
        if self.is_own {
            Cardinality::ToOne
        } else {
            Cardinality::ToMany
        }
    }
}

impl<'a> Finder<'a> {
    fn selections(
        &self,
        relation: &'a Relation,
        of: &Embedded,
        aggregates: &mut bool,
    ) -> Result<Vec<Selection>, Error> {
        let mut selections = Vec::with_capacity(of.items.len());
        for item in &of.items {
            let item = match item {
                Item::Column {
                    alias,
                    path,
                    cast,
                    is_aggregate,
                } => {
                    *aggregates |= is_aggregate;
                    let name = match alias {
                        Some(alias) => alias.clone(),
                        None if path.column == "*" => String::new(),
                        None => output_name(path).to_owned(),
                    };
                    SelectionItem::Column(SelectedColumn {
                        path: Some(path.clone()),
                        alias: name,
                        cast: cast.clone().unwrap_or_default(),
                    })
                }
                Item::Embedding(it) => {
                    let found = self.find(relation, it)?;
                    let other = found.other();
                    let embedding = Embedding {
                        relation: other.name.clone(),
                        name: it.name().to_owned(),
                        foreign_key: found.key.name(),
                        cardinality: found.cardinality().into(),
                        inner: it.inner,
                        spread: it.spread,
                        selections: self.selections(other, it, aggregates)?,
                        filter: filter(it),
                        order: self.order(other, it)?,
                        limit: it.page.limit,
                        offset: it.page.offset,
                    };
                    SelectionItem::Embedding(embedding)
                }
            };
            selections.push(Selection { item: Some(item) });
        }
        Ok(selections)
    }

    /// Orders by columns of an embedding are possible where there is one row of it.
    fn order(&self, relation: &'a Relation, of: &Embedded) -> Result<Vec<OrderTerm>, Error> {
        for term in &of.order {
            let name = term.column.as_ref().map_or("", |it| it.relation.as_str());
            if name.is_empty() {
                continue;
            }
            let embedded = of.embedded().find(|it| it.name() == name);
            let embedded = embedded.ok_or_else(|| Error::not_embedded(name))?;
            if !self.find(relation, embedded)?.is_own {
                let message = format!("A related order on '{name}' is not possible");
                let details = format!(
                    "'{}' and '{name}' do not form a many-to-one or one-to-one relationship",
                    relation.name
                );
                return Err(Error::new(StatusCode::BAD_REQUEST, "PGRST118", message).details(details));
            }
        }
        Ok(of.order.clone())
    }

    fn of(&self, relation: &'a Relation) -> impl Iterator<Item = Relationship<'a>> {
        self.relations.foreign_keys().flat_map(move |key| {
            let own = (key.from.name == relation.name).then_some(Relationship { key, is_own: true });
            let others = (key.to.name == relation.name).then_some(Relationship { key, is_own: false });
            [own, others].into_iter().flatten()
        })
    }

    fn find(&self, origin: &'a Relation, embedded: &Embedded) -> Result<Relationship<'a>, Error> {
        let target = embedded.target.as_str();
        let fits = |it: &Relationship<'_>| match &embedded.hint {
            None => {
                target == it.other().name
                    || target == it.key.name()
                    || it.is_own && target == it.key.column.name
            }
            // Keys refer to `id` alone.
            Some(hint) => {
                target == it.other().name
                    && (*hint == it.key.name() || *hint == it.key.column.name || hint == "id")
            }
        };
        let found: Vec<_> = self.of(origin).filter(fits).collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(self.none(origin, embedded)),
            several => Err(ambiguous(origin, target, several)),
        }
    }

    fn none(&self, origin: &'a Relation, embedded: &Embedded) -> Error {
        let (from, to) = (&origin.name, &embedded.target);
        let message =
            format!("Could not find a relationship between '{from}' and '{to}' in the schema cache");
        let using = match &embedded.hint {
            Some(hint) => format!(" using the hint '{hint}'"),
            None => String::new(),
        };
        let details = format!(
            "Searched for a foreign key relationship between '{from}' and '{to}'{using} in the schema '{}', but no \
             matches were found.",
            self.schema
        );
        let related: Vec<_> = self.of(origin).map(|it| it.other().name.as_str()).collect();
        let (meant, instead) = if related.is_empty() {
            let parents = self.relations.iter().filter(|it| self.of(it).next().is_some());
            (closest(from, parents.map(|it| it.name.as_str())), from)
        } else {
            // The right name itself is no suggestion: something else is wrong.
            (closest(to, related).filter(|it| it.0 < 1.0), to)
        };
        let hint = meant.map(|(_, name)| format!("Perhaps you meant '{name}' instead of '{instead}'."));
        Error::new(StatusCode::BAD_REQUEST, "PGRST200", message)
            .details(details)
            .hint(hint)
    }
}

fn ambiguous(origin: &Relation, target: &str, several: &[Relationship<'_>]) -> Error {
    let message = format!(
        "Could not embed because more than one relationship was found for '{}' and '{target}'",
        origin.name
    );
    let described = several.iter().map(|it| {
        let (from, to) = (&origin.name, &it.other().name);
        let column = &it.key.column.name;
        let key = it.key.name();
        let (cardinality, relationship) = if it.is_own {
            (
                "many-to-one",
                format!("{key} using {from}({column}) and {to}(id)"),
            )
        } else {
            (
                "one-to-many",
                format!("{key} using {from}(id) and {to}({column})"),
            )
        };
        json!({
            "cardinality": cardinality,
            "embedding": format!("{from} with {to}"),
            "relationship": relationship,
        })
    });
    let ways = several
        .iter()
        .map(|it| format!("'{}!{}'", it.other().name, it.key.name()));
    let hint = format!(
        "Try changing '{target}' to one of the following: {}. Find the desired relationship in the 'details' key.",
        ways.collect::<Vec<_>>().join(", ")
    );
    Error::new(StatusCode::MULTIPLE_CHOICES, "PGRST201", message)
        .details(described.collect::<Vec<Value>>())
        .hint(Some(hint))
}
