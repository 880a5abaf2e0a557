//! Exact numbers of the engine's rows, and the values made of them.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Int64Type, i256};

/// Significant digits of a released floating-point value: fewer than the type holds, so that an engine's order of
/// addition does not show.
const DIGITS: usize = 12;

/// An exact number: `raw / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exact {
    pub(super) raw: i256,
    pub(super) scale: u32,
}

impl Exact {
    pub(super) fn to_f64(self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the nearest number is what is asked for"
        )]
        let raw = match self.raw.to_i128() {
            Some(raw) => raw as f64,
            None => self.raw.to_string().parse().unwrap_or(f64::NAN),
        };
        raw / 10_f64.powi(i32::try_from(self.scale).unwrap_or(i32::MAX))
    }
}

/// The number in a row; nothing for NULL. Errors name the type that a number cannot have.
pub(super) fn read(array: &dyn Array, row: usize) -> Result<Option<Exact>, DataType> {
    let scale = |scale: i8| u32::try_from(scale).map_err(|_| array.data_type().clone());
    if array.is_null(row) {
        return Ok(None);
    }
    let exact = match array.data_type() {
        DataType::Int64 => Exact {
            raw: i256::from_i128(i128::from(array.as_primitive::<Int64Type>().value(row))),
            scale: 0,
        },
        DataType::Decimal128(_, s) => Exact {
            raw: i256::from_i128(array.as_primitive::<Decimal128Type>().value(row)),
            scale: scale(*s)?,
        },
        DataType::Decimal256(_, s) => Exact {
            raw: array.as_primitive::<Decimal256Type>().value(row),
            scale: scale(*s)?,
        },
        other => return Err(other.clone()),
    };
    Ok(Some(exact))
}

/// The same number with other decimals, rounded half away from zero; nothing where it does not fit.
pub(super) fn rescale(number: Exact, scale: u32) -> Option<i256> {
    if scale >= number.scale {
        return number.raw.checked_mul(power(scale - number.scale)?);
    }
    divide(number.raw, power(number.scale - scale)?)
}

/// `number / count` with that many decimals, rounded half away from zero.
pub(super) fn quotient(number: Exact, count: i64, scale: u32) -> Option<i256> {
    let raw = rescale(number, scale.max(number.scale))?;
    let raw = divide(raw, i256::from_i128(i128::from(count)))?;
    rescale(
        Exact {
            raw,
            scale: scale.max(number.scale),
        },
        scale,
    )
}

fn power(exponent: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(exponent)
}

fn divide(number: i256, by: i256) -> Option<i256> {
    let quotient = number.checked_div(by)?;
    let rest = number.checked_rem(by)?;
    let (rest, by_size) = (rest.wrapping_abs(), by.wrapping_abs());
    if rest.checked_mul(i256::from_i128(2))? < by_size {
        return Some(quotient);
    }
    let away = if (number < i256::ZERO) == (by < i256::ZERO) {
        i256::ONE
    } else {
        i256::MINUS_ONE
    };
    quotient.checked_add(away)
}

/// Variance of `count` numbers from their sum and the sum of their squares, which has twice the decimals; exact up to
/// the last division. Nothing where it is not defined.
pub(super) fn variance(squares: Exact, sum: Exact, count: i64, population: bool) -> Option<f64> {
    let freedom = if population { count } else { count - 1 };
    if freedom <= 0 {
        return None;
    }
    let times = i256::from_i128(i128::from(count));
    let exact = sum
        .raw
        .checked_mul(sum.raw)
        .zip(squares.raw.checked_mul(times))
        .and_then(|(s, q)| q.checked_sub(s));
    #[expect(clippy::cast_precision_loss, reason = "counts of rows are far below 2^53")]
    let (n, freedom) = (count as f64, freedom as f64);
    let spread = match exact {
        Some(raw) => Exact {
            raw,
            scale: squares.scale,
        }
        .to_f64(),
        None => squares.to_f64() * n - sum.to_f64() * sum.to_f64(),
    };
    Some((spread / n / freedom).max(0.0))
}

/// A floating-point value as it leaves.
pub(super) fn rounded(value: f64) -> Option<f64> {
    if !value.is_finite() {
        return None;
    }
    format!("{value:.*e}", DIGITS - 1).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(raw: i128, scale: u32) -> Exact {
        Exact {
            raw: i256::from_i128(raw),
            scale,
        }
    }

    #[test]
    fn rescaled_half_away_from_zero() {
        for (raw, scale, to, expected) in [
            (125, 2, 1, 13),
            (-125, 2, 1, -13),
            (124, 2, 1, 12),
            (-124, 2, 1, -12),
            (7, 0, 3, 7000),
            (5, 1, 0, 1),
            (4, 1, 0, 0),
        ] {
            assert_eq!(
                rescale(exact(raw, scale), to),
                Some(i256::from_i128(expected)),
                "{raw} {scale} {to}"
            );
        }
    }

    #[test]
    fn quotients() {
        assert_eq!(quotient(exact(10, 0), 4, 4), Some(i256::from_i128(25_000)));
        assert_eq!(quotient(exact(2, 0), 3, 2), Some(i256::from_i128(67)));
        assert_eq!(quotient(exact(-2, 0), 3, 2), Some(i256::from_i128(-67)));
        assert_eq!(quotient(exact(1, 0), 0, 2), None);
    }

    #[test]
    fn variance_of_a_few_numbers() {
        // 1, 2, 3, 4 with one decimal: 10, 20, 30, 40.
        let (squares, sum) = (exact(3000, 2), exact(100, 1));
        assert_eq!(variance(squares, sum, 4, true), Some(1.25));
        assert_eq!(variance(squares, sum, 4, false), Some(5.0 / 3.0));
        assert_eq!(variance(exact(9, 0), exact(3, 0), 1, false), None);
    }

    #[test]
    fn floating_point_values_leave_with_twelve_digits() {
        assert_eq!(rounded(0.1 + 0.2), Some(0.3));
        assert_eq!(rounded(1.0 / 3.0), Some(0.333_333_333_333));
        assert_eq!(rounded(-123_456_789_012_345.0), Some(-123_456_789_012_000.0));
        assert_eq!(rounded(f64::NAN), None);
        assert_eq!(rounded(0.0), Some(0.0));
    }
}
