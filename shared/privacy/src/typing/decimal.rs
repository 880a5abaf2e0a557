//! Exact decimals: literals as they are written, and expressions with room for every value of their columns' types.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, Operator, TryCast};

/// Digits of a measure and of a product, and the decimals of them that are kept. With a sum's 38 digits that leaves
/// 10^10 rows.
pub(super) const DIGITS: u8 = 28;
const DECIMALS: u8 = 12;
/// Digits of the decimals that are computed in.
const NARROW: u8 = 38;
const WIDE: u8 = 76;
/// Decimals of a literal, as far as it is not longer than a floating-point number is exact.
const LITERAL_DIGITS: usize = 15;

/// A decimal literal: `raw / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) raw: i128,
    pub(super) scale: u8,
}

impl Literal {
    pub(super) const ONE: Self = Self { raw: 1, scale: 0 };

    pub(super) fn of(value: &ScalarValue) -> Option<Self> {
        if let ScalarValue::Decimal128(Some(raw), _, scale) = value {
            return Some(Self {
                raw: *raw,
                scale: u8::try_from(*scale).ok()?,
            });
        }
        if !value.data_type().is_numeric() || value.is_null() {
            return None;
        }
        let text = value.to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let fraction = fraction.trim_end_matches('0');
        if whole.len() + fraction.len() > LITERAL_DIGITS + 1 {
            return None;
        }
        Some(Self {
            raw: format!("{whole}{fraction}").parse().ok()?,
            scale: u8::try_from(fraction.len()).ok()?,
        })
    }

    pub(super) fn times(self, other: Self) -> Option<Self> {
        Some(Self {
            raw: self.raw.checked_mul(other.raw)?,
            scale: self.scale.checked_add(other.scale)?,
        })
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let at = |l: Self| {
            l.raw
                .checked_mul(10_i128.checked_pow(u32::from(scale - l.scale))?)
        };
        Some(Self {
            raw: at(self)?.checked_add(at(other)?)?,
            scale,
        })
    }

    pub(super) fn digits(self) -> u8 {
        let digits = self.raw.unsigned_abs().to_string().len();
        u8::try_from(digits).unwrap_or(u8::MAX).max(self.scale)
    }
}

/// An exact number, with room for all values.
#[derive(Debug, Clone)]
pub(super) struct Exact {
    pub(super) expr: Expr,
    pub(super) digits: u8,
    pub(super) scale: u8,
}

impl Exact {
    pub(super) fn times(self, other: Self) -> Option<Self> {
        let digits = self.digits.checked_add(other.digits)?;
        let scale = self.scale.checked_add(other.scale)?;
        let (left, right) = (self.with_room(digits)?, other.with_room(digits)?);
        Some(Self {
            expr: binary(left, Operator::Multiply, right),
            digits,
            scale,
        })
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let whole = (self.digits - self.scale).max(other.digits - other.scale);
        let digits = whole.checked_add(scale)?.checked_add(1)?;
        let (left, right) = (self.with_room(digits)?, other.with_room(digits)?);
        Some(Self {
            expr: binary(left, Operator::Plus, right),
            digits,
            scale,
        })
    }

    /// Of a type in which a result of so many digits can be computed.
    fn with_room(self, digits: u8) -> Option<Expr> {
        if digits <= NARROW {
            return Some(self.expr);
        }
        let to = DataType::Decimal256(self.digits, self.scale.cast_signed());
        (digits <= WIDE).then(|| Expr::Cast(Cast::new(Box::new(self.expr), to)))
    }

    /// With the digits that a sum has room for; NULL where there are more.
    pub(super) fn narrowed(self) -> Self {
        let scale = self.scale.min(DECIMALS);
        let to = DataType::Decimal128(DIGITS, scale.cast_signed());
        Self {
            expr: Expr::TryCast(TryCast::new(Box::new(self.expr), to)),
            digits: DIGITS,
            scale,
        }
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_taken_as_they_are_written() {
        for (value, expected) in [
            (ScalarValue::Int64(Some(-7)), Some((-7, 0))),
            (ScalarValue::Float64(Some(1.19)), Some((119, 2))),
            (ScalarValue::Float64(Some(2.0)), Some((2, 0))),
            (ScalarValue::Decimal128(Some(150), 5, 2), Some((150, 2))),
            (ScalarValue::Float64(Some(1e300)), None),
            (ScalarValue::Float64(Some(1e-300)), None),
            (ScalarValue::Float64(Some(f64::NAN)), None),
            (ScalarValue::Int64(None), None),
            (ScalarValue::Utf8(Some("7".into())), None),
        ] {
            let literal = Literal::of(&value).map(|l| (l.raw, l.scale));
            assert_eq!(literal, expected, "{value}");
        }
    }

    #[test]
    fn what_needs_more_digits_than_there_are_is_no_number() {
        let number = |digits, scale| Exact {
            expr: Expr::Literal(ScalarValue::Int64(Some(1)), None),
            digits,
            scale,
        };
        let product = number(28, 6).times(number(28, 6)).unwrap();
        assert_eq!((product.digits, product.scale), (56, 12));
        assert!(product.times(number(28, 0)).is_none());
        let sum = number(10, 2).plus(number(19, 0)).unwrap();
        assert_eq!((sum.digits, sum.scale), (22, 2));
        assert!(number(76, 2).plus(number(76, 0)).is_none());
        let narrowed = number(56, 20).narrowed();
        assert_eq!((narrowed.digits, narrowed.scale), (28, 12));
    }
}
