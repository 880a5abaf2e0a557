//! What a join compares: pairs of join columns, and conditions over dimensions.

use datafusion::common::{DFSchema, JoinType, NullEquality};
use datafusion::logical_expr::{Expr, ExprSchemable, Join, LogicalPlan};
use std::collections::BTreeSet;

use super::Typer;
use super::expression::{Place, bare_column};
use super::join::Side;
use super::types::{ColumnType, Kind, Lineage, Scope};
use crate::plan::column_position;
use crate::policy::ColumnUse;
use crate::total;
use crate::violation::{Violation, ViolationCode};

/// A join's conditions, checked and total.
#[derive(Debug, Default, Clone)]
pub(super) struct Pairs {
    /// Equalities of join columns of one identity and type: positions on both sides, and the expressions.
    pub(super) identity: Vec<Pair>,
    /// Equalities of dimensions; positions where a side is a bare column.
    pub(super) dimension: Vec<Pair>,
    /// Every other condition.
    pub(super) filter: Option<Expr>,
    /// What decides which rows meet.
    pub(super) lineage: Lineage,
    /// Join columns of restricted tables that are equated.
    pub(super) joined: BTreeSet<(usize, String)>,
}

/// The column that a side of an equality is, and its position.
type Found<'s> = Option<(usize, &'s ColumnType)>;

/// One equality.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) left: (Option<usize>, Expr),
    pub(super) right: (Option<usize>, Expr),
}

impl Pairs {
    pub(super) fn swapped(mut self) -> Self {
        for pair in self.identity.iter_mut().chain(&mut self.dimension) {
            std::mem::swap(&mut pair.left, &mut pair.right);
        }
        self
    }

    pub(super) fn on(&self) -> Vec<(Expr, Expr)> {
        let all = self.identity.iter().chain(&self.dimension);
        all.map(|pair| (pair.left.1.clone(), pair.right.1.clone()))
            .collect()
    }

    /// Positions of the equated join columns.
    pub(super) fn identity_columns(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.identity
            .iter()
            .filter_map(|pair| Some((pair.left.0?, pair.right.0?)))
    }
}

impl Typer<'_> {
    pub(super) fn pairs(&mut self, join: &Join, left: &Side<'_>, right: &Side<'_>) -> Option<Pairs> {
        let left_scope = Scope {
            schema: join.left.schema(),
            columns: &left.columns,
        };
        let right_scope = Scope {
            schema: join.right.schema(),
            columns: &right.columns,
        };
        // Joined as if it were `=`, it would mean something else than it says.
        if join.null_equality == NullEquality::NullEqualsNull && !is_set_operation(join) {
            let (l, r) = join.on.first()?;
            return self.refuse_key(
                "IS NOT DISTINCT FROM cannot join other tenants' rows: NULL matches nothing.",
                (l, r),
            );
        }
        let mut pairs = Pairs::default();
        let mut good = true;
        let open = (left.is_open(), right.is_open());
        for (l, r) in &join.on {
            let found = (
                self.side_column(l, &left_scope),
                self.side_column(r, &right_scope),
            );
            let identifies =
                |c: &Option<(usize, &ColumnType)>| c.is_some_and(|(_, column)| column.is(ColumnUse::Join));
            let pair = if identifies(&found.0) || identifies(&found.1) {
                self.identity_pair((l, &left_scope), (r, &right_scope), found, open, &mut pairs)
            } else {
                self.dimension_pair((l, &left_scope), (r, &right_scope), found, &mut pairs)
            };
            good &= pair.is_some();
        }
        if let Some(filter) = &join.filter {
            let schema = self.built(join.left.schema().join(join.right.schema()))?;
            good &= self.residual(filter, &schema, left, right, &mut pairs).is_some();
        }
        let selects = join.on.first().map(|(l, _)| l).or(join.filter.as_ref());
        good &= !selects.is_some_and(|condition| self.refuse_selection(&pairs.lineage, condition));
        good.then_some(pairs)
    }

    fn side_column<'s>(&self, expr: &Expr, scope: &Scope<'s>) -> Option<(usize, &'s ColumnType)> {
        let column = bare_column(expr, scope)?;
        let index = scope.schema.maybe_index_of_column(column)?;
        Some((index, scope.columns.get(index)?))
    }

    /// Identities of different domains meet by accident or by design of the caller, and types that need a
    /// conversion make the engine fail on single values (H14).
    fn identity_pair(
        &mut self,
        (l, left_scope): (&Expr, &Scope<'_>),
        (r, right_scope): (&Expr, &Scope<'_>),
        found: (Found<'_>, Found<'_>),
        open: (bool, bool),
        pairs: &mut Pairs,
    ) -> Option<()> {
        let (Some((li, lc)), Some((ri, rc))) = found else {
            return self.refuse_key(
                "A join column must be compared with a bare join column, not with an expression.",
                (l, r),
            );
        };
        // A column of a list that was joined before is unique no more: as a bridge to a third table it would select
        // and weigh the rows that it reaches, and neither owner would have admitted the other (H1).
        let usable = |c: &ColumnType, open: bool| c.is(ColumnUse::Join) || open && c.kind == Kind::Open;
        if !usable(lc, open.0) || !usable(rc, open.1) {
            let message =
                "A join column must be compared with a join column, of a table of its own or not joined yet.";
            return self.refuse_key(message, (l, r));
        }
        match (&lc.identity, &rc.identity) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => {
                return self.refuse_key(
                    &format!("The join columns hold different identities: {a} and {b}."),
                    (l, r),
                );
            }
            _ => {
                let message = "One of the compared columns is not known to hold the identity of the other: it must be a \
                               column as it is stored, whose table's schema or policy names the identity.";
                return self.refuse_key(message, (l, r));
            }
        }
        // Types of the columns themselves, before the casts that made them comparable.
        let stored = |e: &Expr, scope: &Scope<'_>| {
            bare_column(e, scope).map(|c| Expr::Column(c.clone()).get_type(scope.schema))
        };
        let types = (stored(l, left_scope)?.ok()?, stored(r, right_scope)?.ok()?);
        if !total::same_type(&types.0, &types.1) {
            let message = format!(
                "The join columns have different types: {} and {}.",
                types.0, types.1
            );
            return self.refuse_key(&message, (l, r));
        }
        for column in [lc, rc] {
            pairs.lineage.extend(column.lineage.iter().cloned());
            if let Kind::Stored(source, name) = &column.kind {
                pairs.joined.insert((*source, name.clone()));
            }
        }
        let bare = |e: &Expr| e.clone().unalias();
        pairs.identity.push(Pair {
            left: (Some(li), bare(l)),
            right: (Some(ri), bare(r)),
        });
        Some(())
    }

    fn dimension_pair(
        &mut self,
        (l, left_scope): (&Expr, &Scope<'_>),
        (r, right_scope): (&Expr, &Scope<'_>),
        found: (Found<'_>, Found<'_>),
        pairs: &mut Pairs,
    ) -> Option<()> {
        let (left, right) = (
            self.total(l, left_scope, Place::On),
            self.total(r, right_scope, Place::On),
        );
        let (left, right) = (left?, right?);
        pairs.lineage.extend(left.lineage);
        pairs.lineage.extend(right.lineage);
        pairs.dimension.push(Pair {
            left: (found.0.map(|(i, _)| i), left.expr),
            right: (found.1.map(|(i, _)| i), right.expr),
        });
        Some(())
    }

    fn residual(
        &mut self,
        filter: &Expr,
        schema: &DFSchema,
        left: &Side<'_>,
        right: &Side<'_>,
        pairs: &mut Pairs,
    ) -> Option<()> {
        let columns: Vec<ColumnType> = left.columns.iter().chain(&right.columns).cloned().collect();
        let total = self.total(
            filter,
            &Scope {
                schema,
                columns: &columns,
            },
            Place::On,
        )?;
        pairs.lineage.extend(total.lineage);
        pairs.filter = Some(total.expr);
        Some(())
    }

    fn refuse_key<T>(&mut self, message: &str, (l, r): (&Expr, &Expr)) -> Option<T> {
        let columns: Vec<_> = l.column_refs().into_iter().chain(r.column_refs()).collect();
        let at = columns.iter().filter_map(|c| column_position(c)).min();
        let violation = Violation::new(ViolationCode::JoinKey, "join", message).at(at);
        self.violations
            .push(violation.rewrite("an equality of two bare join columns of one identity and one type"));
        None
    }

    pub(super) fn refuse_without_key<T>(&mut self, left: &Side<'_>, right: &Side<'_>) -> Option<T> {
        let sources = left.sources.keys().chain(right.sources.keys());
        let tables: BTreeSet<String> = sources.map(|s| self.source(*s).table.full_name()).collect();
        let tables: Vec<String> = tables.into_iter().collect();
        let message = format!(
            "Rows of {} may only be joined by an equality of join columns, or looked up by a dimension in a table that \
             is unique on it.",
            tables.join(" and ")
        );
        let violation = Violation::new(ViolationCode::JoinKey, "join", message);
        self.violations.push(violation.rewrite("JOIN … ON a.key = b.key"));
        None
    }
}

/// INTERSECT or EXCEPT: a semi or anti join of distinct rows by all columns. Rows of another such join are distinct.
fn is_set_operation(join: &Join) -> bool {
    let mut left = join.left.as_ref();
    while let LogicalPlan::SubqueryAlias(alias) = left {
        left = &alias.input;
    }
    let distinct = match left {
        LogicalPlan::Aggregate(aggregate) => aggregate.aggr_expr.is_empty(),
        LogicalPlan::Join(inner) => is_set_operation(inner),
        _ => false,
    };
    let sides = [join.left.schema(), join.right.schema()];
    let by_all = sides.iter().all(|side| side.fields().len() == join.on.len());
    let kind = matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti);
    let nulls = join.null_equality == NullEquality::NullEqualsNull;
    distinct && nulls && by_all && join.filter.is_none() && kind
}
