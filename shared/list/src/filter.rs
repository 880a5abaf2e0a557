use crate::field::{Field, Value};

mod parse;
mod tokens;

/// Which rows a list has: one tree, whatever language it was written in.
///
/// NULL is a value that nothing but [`Filter::IsNull`] matches: a comparison with it is false, and
/// [`Filter::Not`] of that is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of them hold; an empty list holds for every row.
    All(Vec<Filter>),
    /// One of them holds; an empty list holds for none.
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Compare(Field, Comparison, Value),
    /// The text matches an SQL `LIKE` pattern whose escape character is the backslash.
    Like(Field, String),
    IsNull(Field),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// Of every row.
    #[must_use]
    pub const fn everything() -> Self {
        Self::All(Vec::new())
    }

    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }

    /// All of them; one alone stands for itself.
    pub(crate) fn all(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 {
            parts.remove(0)
        } else {
            Self::All(parts)
        }
    }

    /// One of them; one alone stands for itself.
    pub(crate) fn any(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 {
            parts.remove(0)
        } else {
            Self::Any(parts)
        }
    }

    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one.is_everything() => other,
            (one, other) if other.is_everything() => one,
            (one, other) => Self::All(vec![one, other]),
        }
    }

    pub(crate) fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}
