use std::cmp::Ordering;

use datacovey_error::{Violation, Violations};

use crate::field::{Field, Fields, Value, shortened};
use crate::filter::{Comparison, Filter};

/// In which order a list has its rows: by each field in turn. The last is the key, so that no two rows
/// are alike. Texts are ordered by code point; rows without a value come last, whatever the direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order(Vec<(Field, Direction)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// The values of the ordering fields of a row, in JSON: where a page ends.
pub(crate) type Cursor = Vec<serde_json::Value>;

impl Order {
    /// Reads an `order_by` (AIP-132): fields with commas between, each with ` desc` or ` asc` behind it or
    /// not. An empty text orders by the key. Notes what is wrong under the field `order_by`.
    pub fn parse(text: &str, fields: &Fields, violations: &mut Violations) -> Option<Self> {
        let mut refuse = |why: String| violations.push(Violation::new("order_by", why));
        let mut order: Vec<(Field, Direction)> = Vec::new();
        let mut good = true;
        let parts = text.split(',').filter(|_| !text.trim().is_empty());
        // Every field once, and one that is there twice: what comes after is no order of this list.
        for part in parts.take(fields.all.len() + 1) {
            match term(part, fields) {
                Ok((field, _)) if order.iter().any(|(other, _)| *other == field) => {
                    refuse(format!("{} is there twice", field.name));
                    good = false;
                }
                Ok(term) => order.push(term),
                Err(why) => {
                    refuse(why);
                    good = false;
                }
            }
        }
        if !order.iter().any(|(field, _)| *field == fields.key) {
            order.push((fields.key, Direction::Ascending));
        }
        good.then_some(Self(order))
    }

    /// By the key alone.
    #[must_use]
    pub fn by_key(fields: &Fields) -> Self {
        Self(vec![(fields.key, Direction::Ascending)])
    }

    /// By the key, the latest first.
    #[must_use]
    pub fn newest_first(fields: &Fields) -> Self {
        Self(vec![(fields.key, Direction::Descending)])
    }

    #[must_use]
    pub fn terms(&self) -> &[(Field, Direction)] {
        &self.0
    }

    /// The cursor of a row; a row says its columns as members of an object.
    pub(crate) fn cursor(&self, row: &serde_json::Value) -> Cursor {
        let column = |(field, _): &(Field, Direction)| row.get(field.column).cloned().unwrap_or_default();
        self.0.iter().map(column).collect()
    }

    /// Which of two rows comes first, by their cursors.
    pub(crate) fn compare(&self, one: &Cursor, other: &Cursor) -> Ordering {
        use serde_json::Value as Json;
        let columns = self.0.iter().zip(one.iter().zip(other));
        let orders = columns.map(|((_, direction), (one, other))| {
            let ascending = match (one, other) {
                (Json::Null, Json::Null) => return Ordering::Equal,
                (Json::Null, _) => return Ordering::Greater,
                (_, Json::Null) => return Ordering::Less,
                (Json::Bool(one), Json::Bool(other)) => one.cmp(other),
                // Ids and times, too, are ordered as their texts are.
                (Json::String(one), Json::String(other)) => one.cmp(other),
                _ => Ordering::Equal,
            };
            match direction {
                Direction::Ascending => ascending,
                Direction::Descending => ascending.reverse(),
            }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    }

    /// The rows after the one with this cursor; none where it is no cursor of this order.
    pub(crate) fn after(&self, cursor: &Cursor) -> Option<Filter> {
        if cursor.len() != self.0.len() {
            return None;
        }
        let mut alternatives = Vec::new();
        let mut equal = Vec::new();
        for ((field, direction), stored) in self.0.iter().zip(cursor) {
            let value = field.restore(stored)?;
            if let Some(value) = value.clone() {
                let mut parts = equal.clone();
                parts.push(beyond(*field, *direction, value));
                alternatives.push(Filter::all(parts));
            }
            equal.push(match value {
                Some(value) => Filter::Compare(*field, Comparison::Equal, value),
                None => Filter::IsNull(*field),
            });
        }
        Some(Filter::any(alternatives))
    }
}

/// What comes after a value of one field: what is beyond it, and NULL.
fn beyond(field: Field, direction: Direction, value: Value) -> Filter {
    let comparison = match direction {
        Direction::Ascending => Comparison::Greater,
        Direction::Descending => Comparison::Less,
    };
    let beyond = Filter::Compare(field, comparison, value);
    if field.is_always_set {
        beyond
    } else {
        Filter::Any(vec![beyond, Filter::IsNull(field)])
    }
}

fn term(text: &str, fields: &Fields) -> Result<(Field, Direction), String> {
    let mut words = text.split_whitespace();
    let (name, direction) = (words.next().unwrap_or_default(), words.next());
    let direction = match direction {
        None | Some("asc") => Direction::Ascending,
        Some("desc") => Direction::Descending,
        Some(_) => return Err(format!("{:?} is neither asc nor desc", shortened(text))),
    };
    if words.next().is_some() {
        return Err(format!(
            "{:?} is more than a field and a direction",
            shortened(text)
        ));
    }
    let sortable = |field: &&Field| field.name == name && fields.sortable.contains(&name);
    match fields.all.iter().find(sortable) {
        Some(field) => Ok((*field, direction)),
        None => Err(format!(
            "there is no field {:?} to order by; those that there are: {}",
            shortened(name),
            fields.sortable.join(", ")
        )),
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
