//! Sums, differences and products of measures of one row, as an aggregate takes them.
//!
//! What is summed is a polynomial: literals by products of at most two measures. Its sum tells no more than the sums
//! of those products, each of which is checked as a value of its own: `SUM(a * 1000000 + b)` must not carry a sum of
//! `b` that `SUM(b)` would not have told (H8). A literal alone would add rows and so tell their exact number; nothing
//! is compared, and nothing divided by.
//!
//! Numbers are exact decimals, wide enough for every value of the columns' types: nothing fails, nothing wraps. A
//! floating-point measure is taken with the decimals that its owner's policy gives.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator, TryCast};

use super::decimal::{DIGITS, Exact, Literal};
use super::types::{ColumnType, Component, Lineage, Measure, Product, Scope, SourceId};
use crate::policy::ColumnUse;
use crate::total;

/// Measures that a product may have.
const MAX_DEGREE: usize = 2;
/// A polynomial over measures of one row.
#[derive(Debug)]
pub(super) struct Polynomial {
    pub(super) expr: Expr,
    pub(super) data_type: DataType,
    pub(super) measure: Measure,
    pub(super) lineage: Lineage,
    /// The products in it, without their literals.
    pub(super) products: Vec<Expr>,
}

/// Why an expression is no such polynomial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Something else than `+`, `-` and `*` of measures and literals.
    Other,
    /// More than two measures in a product.
    Degree,
    /// A literal that is added, or nothing but literals.
    Constant,
    /// More digits than there are.
    Digits,
    /// Measures of several tables.
    Tables,
}

impl Unfit {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Other => "only +, - and * of measures and literals are supported",
            Self::Degree => "a product has at most two measures",
            Self::Constant => "a literal may be a factor, not added: it would add the number of rows",
            Self::Digits => "the result needs more digits than there are",
            Self::Tables => "measures of several tables cannot weigh each other",
        }
    }
}

/// Literals by products; a product is the sorted positions of its factors.
type Terms = BTreeMap<Vec<usize>, Literal>;

#[derive(Debug, Default)]
struct Factors<'s> {
    columns: Vec<(Column, &'s ColumnType, DataType)>,
}

/// The polynomial that an expression is.
pub(super) fn polynomial(expr: &Expr, scope: &Scope<'_>) -> Result<Polynomial, Unfit> {
    let mut factors = Factors::default();
    let mut terms = factors.terms(expr, scope)?;
    terms.retain(|_, literal| literal.raw != 0);
    if terms.is_empty() || terms.contains_key(&Vec::new()) {
        return Err(Unfit::Constant);
    }
    let measure = factors.measure(&terms)?;
    let (mut sum, mut products): (Option<Exact>, _) = (None, Vec::new());
    for (product, literal) in &terms {
        let product = product.iter().map(|i| factors.exact(*i));
        let product = product.reduce(|a, b| a?.times(b?)).flatten();
        // What has no room is NULL before it is added, so that it is in the sum as little as in its check.
        let product = product.ok_or(Unfit::Digits)?.narrowed();
        products.push(product.expr.clone());
        let term = if *literal == Literal::ONE {
            product
        } else {
            let (digits, scale) = (literal.digits().max(1), literal.scale);
            let value = ScalarValue::Decimal128(Some(literal.raw), digits, scale.cast_signed());
            let literal = Exact {
                expr: Expr::Literal(value, None),
                digits,
                scale,
            };
            literal.times(product).ok_or(Unfit::Digits)?
        };
        sum = Some(match sum {
            None => term,
            Some(sum) => sum.plus(term).ok_or(Unfit::Digits)?,
        });
    }
    let sum = sum.ok_or(Unfit::Constant)?.narrowed();
    // A factor that is named and falls out is still one: where it is NULL there is no value.
    let there = factors
        .columns
        .iter()
        .map(|(column, _, _)| Expr::Column(column.clone()).is_not_null());
    let expr = match there.reduce(Expr::and) {
        Some(there) if factors.fell_out(&terms) => {
            Expr::Case(Case::new(None, vec![(Box::new(there), Box::new(sum.expr))], None))
        }
        _ => sum.expr,
    };
    let lineage = factors
        .columns
        .iter()
        .flat_map(|(_, c, _)| c.lineage.iter().cloned());
    Ok(Polynomial {
        expr,
        data_type: DataType::Decimal128(sum.digits, sum.scale.cast_signed()),
        lineage: lineage.collect(),
        measure,
        products,
    })
}

impl<'s> Factors<'s> {
    fn terms(&mut self, expr: &Expr, scope: &Scope<'s>) -> Result<Terms, Unfit> {
        match expr {
            Expr::Alias(alias) => self.terms(&alias.expr, scope),
            Expr::Literal(value, _) => {
                let literal = Literal::of(value).ok_or(Unfit::Other)?;
                Ok(BTreeMap::from([(Vec::new(), literal)]))
            }
            Expr::Column(column) => {
                let found = scope.column(column).ok_or(Unfit::Other)?;
                if !found.is(ColumnUse::Measure) {
                    return Err(Unfit::Other);
                }
                let data_type = expr.get_type(scope.schema).map_err(|_| Unfit::Other)?;
                Ok(BTreeMap::from([(
                    vec![self.position(column, found, data_type)],
                    Literal::ONE,
                )]))
            }
            // The planner computes in floating-point numbers, or wider ones; here the columns themselves are.
            Expr::Cast(Cast { expr: inner, field }) => {
                let from = inner.get_type(scope.schema).map_err(|_| Unfit::Other)?;
                let to = field.data_type();
                let same = from.is_numeric()
                    && (total::conversion(&from, to) == total::Conversion::Lossless
                        || *to == DataType::Float64);
                if same {
                    self.terms(inner, scope)
                } else {
                    Err(Unfit::Other)
                }
            }
            Expr::Negative(inner) => {
                let minus = Literal { raw: -1, scale: 0 };
                scaled(self.terms(inner, scope)?, minus)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let (l, r) = (self.terms(left, scope)?, self.terms(right, scope)?);
                match op {
                    Operator::Plus => sum(l, r),
                    Operator::Minus => sum(l, scaled(r, Literal { raw: -1, scale: 0 })?),
                    Operator::Multiply => self.product(&l, &r),
                    _ => Err(Unfit::Other),
                }
            }
            _ => Err(Unfit::Other),
        }
    }

    fn position(&mut self, column: &Column, found: &'s ColumnType, data_type: DataType) -> usize {
        let known = self.columns.iter().position(|(c, _, _)| c == column);
        known.unwrap_or_else(|| {
            self.columns.push((column.clone(), found, data_type));
            self.columns.len() - 1
        })
    }

    fn product(&self, left: &Terms, right: &Terms) -> Result<Terms, Unfit> {
        let mut all = Terms::new();
        for (l, a) in left {
            for (r, b) in right {
                let mut product: Vec<usize> = l.iter().chain(r).copied().collect();
                product.sort_unstable();
                let degree: usize = product.iter().map(|i| self.degree(*i)).sum();
                if degree > MAX_DEGREE {
                    return Err(Unfit::Degree);
                }
                let literal = a.times(*b).ok_or(Unfit::Digits)?;
                all = sum(all, Terms::from([(product, literal)]))?;
            }
        }
        Ok(all)
    }

    fn degree(&self, factor: usize) -> usize {
        self.columns[factor].1.measure.as_ref().map_or(1, |m| m.degree)
    }

    fn fell_out(&self, terms: &Terms) -> bool {
        (0..self.columns.len()).any(|i| !terms.keys().any(|product| product.contains(&i)))
    }

    /// A measure as a decimal.
    fn exact(&self, index: usize) -> Option<Exact> {
        let (column, found, data_type) = self.columns.get(index)?;
        let column = Box::new(Expr::Column(column.clone()));
        let (digits, scale) = match data_type {
            DataType::Decimal128(digits, scale) => (*digits, u8::try_from(*scale).ok()?),
            whole if whole.is_integer() => (total::integer_digits(whole), 0),
            _ => (DIGITS, found.measure.as_ref()?.scale),
        };
        let to = DataType::Decimal128(digits, scale.cast_signed());
        let expr = match data_type {
            same if *same == to => *column,
            float if float.is_floating() => Expr::TryCast(TryCast::new(column, to)),
            _ => Expr::Cast(Cast::new(column, to)),
        };
        Some(Exact { expr, digits, scale })
    }

    /// The products of stored measures that a product of columns adds up.
    fn products(&self, factors: &[usize]) -> BTreeSet<Product> {
        let mut all = BTreeSet::from([Product::new()]);
        for factor in factors {
            let Some(Component::Measures(more)) =
                self.columns[*factor].1.measure.as_ref().map(|m| &m.component)
            else {
                continue;
            };
            let longer = |one: &Product| {
                let one = one.clone();
                more.iter().map(move |other| {
                    let mut product: Product = one.iter().chain(other).cloned().collect();
                    product.sort();
                    product
                })
            };
            all = all.iter().flat_map(longer).collect();
        }
        all
    }

    /// The polynomial as a measure itself.
    fn measure(&self, terms: &Terms) -> Result<Measure, Unfit> {
        let known = || {
            self.columns
                .iter()
                .filter_map(|(_, column, _)| column.measure.as_ref())
        };
        let added = terms.keys().flat_map(|product| self.products(product)).collect();
        let component = if known().all(|m| m.component == Component::Rows) {
            Component::Rows
        } else {
            Component::Measures(added)
        };
        let sources: BTreeSet<SourceId> = known().flat_map(|m| m.sources.iter().copied()).collect();
        if self.columns.len() > 1 && sources.len() > 1 {
            return Err(Unfit::Tables);
        }
        let degree = |product: &Vec<usize>| product.iter().map(|i| self.degree(*i)).sum();
        Ok(Measure {
            sources,
            scale: known().map(|m| m.scale).max().unwrap_or_default(),
            bounds: None,
            filter: false,
            bins: None,
            degree: terms.keys().map(degree).max().unwrap_or(1),
            component,
            conditional: known().any(|m| m.conditional),
            zero_is_none: known().any(|m| m.zero_is_none),
        })
    }
}

fn sum(mut all: Terms, more: Terms) -> Result<Terms, Unfit> {
    for (product, literal) in more {
        let before = all.get(&product).copied().unwrap_or(Literal { raw: 0, scale: 0 });
        all.insert(product, before.plus(literal).ok_or(Unfit::Digits)?);
    }
    Ok(all)
}

fn scaled(terms: Terms, by: Literal) -> Result<Terms, Unfit> {
    terms
        .into_iter()
        .map(|(product, literal)| Ok((product, literal.times(by).ok_or(Unfit::Digits)?)))
        .collect()
}
