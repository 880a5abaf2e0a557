//! What a refused statement is answered with.
//!
//! A violation depends on the statement, the policies and the schemas alone, never on a row, so that refusing
//! tells nothing about data. All violations of a statement are reported together.

use std::fmt;

/// Why a part of a statement was refused. Stable: clients may match on [`ViolationCode::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ViolationCode {
    /// The text is not one SQL statement.
    Syntax,
    /// The statement is larger or deeper than [`crate::Limits`] allows.
    TooLarge,
    /// Something else than one SELECT.
    StatementNotAllowed,
    /// A clause or an expression that is not understood, and would be dropped or misread if it passed.
    ClauseNotSupported,
    /// No such table, or not one that the caller may query; the two are not told apart.
    UnknownTable,
    /// No such column, or a hidden one; the two are not told apart.
    UnknownColumn,
    /// The statement means nothing over these tables (types, ambiguity, grouping).
    InvalidQuery,
    /// A parameter without a value, a value without a place, or one that is not a single value.
    Parameter,
    /// A literal that cannot be read as the type it is compared with.
    InvalidLiteral,
    /// A column is used for something that its owner's policy does not list.
    ColumnUse,
    /// An expression over restricted rows that is not known to be total, or not allowed by policy.
    ExpressionNotAllowed,
    /// A function over restricted rows that is not among the total ones, or not allowed by policy.
    FunctionNotAllowed,
    /// Rows of another tenant's table would leave as rows.
    RowOutput,
    /// A join of a kind, on a condition or with a partner that the rules or a policy do not admit.
    JoinNotAllowed,
    /// A join that does not equate join columns of one identity and one type.
    JoinKey,
    /// The caller's side of a join repeats its key, and would weigh individuals.
    NotUnique,
    /// A number of the caller's own inside an aggregate over others' rows.
    OwnValues,
    /// An aggregate that reveals single values, or that a policy does not list.
    AggregateNotAllowed,
    /// A union or another set operation that mixes restricted rows with others.
    SetOperation,
    /// What is absent from the other side would be revealed.
    Absence,
    /// A subquery over restricted rows in a place where only released or own rows may be read.
    Subquery,
    /// A window function, ORDER BY or LIMIT below the release.
    BelowRelease,
    /// The table answers only queries that its owner approved.
    ApprovalRequired,
    /// The table's policy asks for a mechanism that is not available.
    MechanismNotAvailable,
}

impl ViolationCode {
    /// Every code, for documentation and for tests of completeness.
    pub const ALL: [Self; 24] = [
        Self::Syntax,
        Self::TooLarge,
        Self::StatementNotAllowed,
        Self::ClauseNotSupported,
        Self::UnknownTable,
        Self::UnknownColumn,
        Self::InvalidQuery,
        Self::Parameter,
        Self::InvalidLiteral,
        Self::ColumnUse,
        Self::ExpressionNotAllowed,
        Self::FunctionNotAllowed,
        Self::RowOutput,
        Self::JoinNotAllowed,
        Self::JoinKey,
        Self::NotUnique,
        Self::OwnValues,
        Self::AggregateNotAllowed,
        Self::SetOperation,
        Self::Absence,
        Self::Subquery,
        Self::BelowRelease,
        Self::ApprovalRequired,
        Self::MechanismNotAvailable,
    ];

    /// The code as clients see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "SYNTAX",
            Self::TooLarge => "TOO_LARGE",
            Self::StatementNotAllowed => "STATEMENT_NOT_ALLOWED",
            Self::ClauseNotSupported => "CLAUSE_NOT_SUPPORTED",
            Self::UnknownTable => "UNKNOWN_TABLE",
            Self::UnknownColumn => "UNKNOWN_COLUMN",
            Self::InvalidQuery => "INVALID_QUERY",
            Self::Parameter => "PARAMETER",
            Self::InvalidLiteral => "INVALID_LITERAL",
            Self::ColumnUse => "COLUMN_USE",
            Self::ExpressionNotAllowed => "EXPRESSION_NOT_ALLOWED",
            Self::FunctionNotAllowed => "FUNCTION_NOT_ALLOWED",
            Self::RowOutput => "ROW_OUTPUT",
            Self::JoinNotAllowed => "JOIN_NOT_ALLOWED",
            Self::JoinKey => "JOIN_KEY",
            Self::NotUnique => "NOT_UNIQUE",
            Self::OwnValues => "OWN_VALUES",
            Self::AggregateNotAllowed => "AGGREGATE_NOT_ALLOWED",
            Self::SetOperation => "SET_OPERATION",
            Self::Absence => "ABSENCE",
            Self::Subquery => "SUBQUERY",
            Self::BelowRelease => "BELOW_RELEASE",
            Self::ApprovalRequired => "APPROVAL_REQUIRED",
            Self::MechanismNotAvailable => "MECHANISM_NOT_AVAILABLE",
        }
    }
}

impl fmt::Display for ViolationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in the statement's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

/// One reason why a statement is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What kind of reason it is.
    pub code: ViolationCode,
    /// The compiler's rule behind it (`H1`, `H15`, …; `scan`, `filter`, … for the rules of a plan node).
    pub rule: &'static str,
    /// What is wrong, for the person who wrote the statement.
    pub message: String,
    /// `dataset.table`, where one table is concerned.
    pub table: Option<String>,
    /// The column's name, where one column is concerned.
    pub column: Option<String>,
    /// Where in the text, if known.
    pub position: Option<Position>,
    /// What to write instead, where something would pass.
    pub rewrite: Option<String>,
}

impl Violation {
    pub(crate) fn new(code: ViolationCode, rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            rule,
            message: message.into(),
            table: None,
            column: None,
            position: None,
            rewrite: None,
        }
    }

    pub(crate) fn table(mut self, table: impl Into<String>) -> Self {
        self.table = Some(table.into());
        self
    }

    pub(crate) fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    pub(crate) fn at(mut self, position: Option<Position>) -> Self {
        self.position = position;
        self
    }

    pub(crate) fn rewrite(mut self, rewrite: impl Into<String>) -> Self {
        self.rewrite = Some(rewrite.into());
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "{line}:{column}: ")?;
        }
        write!(f, "{} ({}): {}", self.code, self.rule, self.message)?;
        if let Some(rewrite) = &self.rewrite {
            write!(f, " Write instead: {rewrite}")?;
        }
        Ok(())
    }
}

/// The violations found so far. One and the same thing may be met on two ways through a plan; it is kept once.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<Violation>);

impl Violations {
    pub(crate) fn push(&mut self, violation: Violation) {
        if !self.0.contains(&violation) {
            self.0.push(violation);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, in the order of the text; those without a position come last.
    pub(crate) fn into_sorted(mut self) -> Vec<Violation> {
        self.0.sort_by_key(|v| (v.position.is_none(), v.position));
        self.0
    }
}

impl From<Violation> for Violations {
    fn from(violation: Violation) -> Self {
        Self(vec![violation])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_listed() {
        let mut names: Vec<_> = ViolationCode::ALL.iter().map(|c| c.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ViolationCode::ALL.len());
    }

    #[test]
    fn kept_once_and_in_the_order_of_the_text() {
        let mut all = Violations::default();
        let later =
            Violation::new(ViolationCode::RowOutput, "root", "b").at(Some(Position { line: 2, column: 1 }));
        let first =
            Violation::new(ViolationCode::RowOutput, "root", "a").at(Some(Position { line: 1, column: 9 }));
        let nowhere = Violation::new(ViolationCode::RowOutput, "root", "c");
        for v in [&nowhere, &later, &first, &later] {
            all.push(v.clone());
        }
        assert_eq!(all.into_sorted(), vec![first, later, nowhere]);
    }

    #[test]
    fn reads_as_one_line() {
        let v = Violation::new(ViolationCode::NotUnique, "H1", "f repeats tailnum.")
            .at(Some(Position { line: 1, column: 7 }))
            .rewrite("SELECT DISTINCT tailnum");
        assert_eq!(
            v.to_string(),
            "1:7: NOT_UNIQUE (H1): f repeats tailnum. Write instead: SELECT DISTINCT tailnum"
        );
    }
}
