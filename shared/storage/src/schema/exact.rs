//! Numbers as they are written: digits and a power of ten, so that nothing is rounded.

use serde_json::Number;

/// `digits` times ten to the power of `exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exact {
    digits: i128,
    exponent: i32,
}

/// Digits that are read of one number; no double and no decimal has more.
const MAX_DIGITS: u32 = 38;

impl Exact {
    /// A number of JSON: of a double, the fewest digits that name it.
    pub(crate) fn of(number: &Number) -> Option<Self> {
        if let Some(whole) = number.as_i64() {
            return Some(Self {
                digits: whole.into(),
                exponent: 0,
            });
        }
        number
            .as_f64()
            .and_then(|double| Self::parse(&double.to_string()))
    }

    /// A double, by the fewest digits that name it; `text` is room to write them in.
    pub(crate) fn of_double(double: f64, text: &mut String) -> Option<Self> {
        use std::fmt::Write as _;
        text.clear();
        write!(text, "{double:e}").ok()?;
        Self::parse(text)
    }

    /// A text of digits, perhaps with a sign, a point and a power of ten.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, unsigned) = match mantissa.as_bytes().first()? {
            b'-' => (true, &mantissa[1..]),
            b'+' => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        if whole.is_empty() || (fraction.is_empty() && unsigned.contains('.')) {
            return None;
        }
        let mut digits = 0_i128;
        let mut exponent = power;
        // Zeros are held back until a digit follows them: those at the end only move the point.
        let mut zeros = 0;
        for (byte, after_point) in whole
            .bytes()
            .map(|byte| (byte, 0))
            .chain(fraction.bytes().map(|byte| (byte, 1)))
        {
            if !byte.is_ascii_digit() {
                return None;
            }
            exponent = exponent.checked_sub(after_point)?;
            if byte == b'0' {
                zeros += 1;
                continue;
            }
            if digits != 0 || zeros == 0 {
                digits = digits.checked_mul(10_i128.checked_pow(zeros)?)?;
            }
            zeros = 0;
            digits = digits.checked_mul(10)?.checked_add((byte - b'0').into())?;
        }
        if digits == 0 {
            return Some(Self { digits, exponent: 0 });
        }
        let exponent = exponent.checked_add(i32::try_from(zeros).ok()?)?;
        Some(Self {
            digits: if negative { -digits } else { digits },
            exponent,
        })
    }

    /// So many units of ten to the power of `-scale`.
    pub(super) const fn units_of(units: i128, scale: u8) -> Self {
        Self {
            digits: units,
            exponent: -(scale as i32),
        }
    }

    /// In units of ten to the power of `-scale`: the whole ones, and whether something is left below.
    /// None if that is beyond 128 bits.
    fn units(self, scale: u8) -> Option<(i128, bool)> {
        let power = self.exponent.checked_add(scale.into())?;
        if self.digits == 0 {
            return Some((0, false));
        }
        if power >= 0 {
            let factor = 10_i128.checked_pow(power.unsigned_abs())?;
            return Some((self.digits.checked_mul(factor)?, false));
        }
        match 10_i128.checked_pow(power.unsigned_abs()) {
            Some(divisor) => Some((
                self.digits.div_euclid(divisor),
                self.digits.rem_euclid(divisor) != 0,
            )),
            None => Some((if self.digits < 0 { -1 } else { 0 }, true)),
        }
    }

    /// In units of ten to the power of `-scale`, if it is a whole number of them that 128 bits hold.
    pub(crate) fn exact_units(self, scale: u8) -> Option<i128> {
        self.units(scale)
            .and_then(|(units, rest)| (!rest).then_some(units))
    }

    /// Whether nothing but units of ten to the power of `-scale` is in it.
    pub(crate) fn fits_scale(self, scale: u8) -> bool {
        self.digits == 0 || self.exponent >= -i32::from(scale) || self.exact_units(scale).is_some()
    }

    /// The least whole number of units that is at least this (above it if `exclusive`).
    pub(super) fn least_units(self, scale: u8, exclusive: bool) -> i128 {
        match self.units(scale) {
            Some((units, rest)) => units.saturating_add(i128::from(rest || exclusive)),
            None if self.digits < 0 => i128::MIN,
            None => i128::MAX,
        }
    }

    /// The greatest whole number of units that is at most this (below it if `exclusive`).
    pub(super) fn most_units(self, scale: u8, exclusive: bool) -> i128 {
        match self.units(scale) {
            Some((units, rest)) => units.saturating_sub(i128::from(exclusive && !rest)),
            None if self.digits < 0 => i128::MIN,
            None => i128::MAX,
        }
    }

    /// Whether it is a whole number of times the other.
    pub(super) fn is_multiple_of(self, other: Self) -> bool {
        if self.digits == 0 {
            return true;
        }
        let shift = i64::from(self.exponent) - i64::from(other.exponent);
        let (own, others) = (self.digits.unsigned_abs(), other.digits.unsigned_abs());
        if others == 0 {
            return false;
        }
        if shift < 0 {
            // Ten to that power has to be in our digits, and its zeros at the end are in the exponent.
            return u32::try_from(-shift)
                .ok()
                .and_then(|power| others.checked_mul(10_u128.checked_pow(power)?))
                .is_some_and(|divisor| own.is_multiple_of(divisor));
        }
        let mut rest = own % others;
        for _ in 0..shift.min(i64::from(u8::MAX) * 4) {
            if rest == 0 {
                return true;
            }
            // A double has 17 digits, a decimal at most 38: ten times a rest of those may not fit.
            rest = match rest.checked_mul(10) {
                Some(rest) => rest % others,
                None => return false,
            };
        }
        rest == 0
    }
}

/// The largest number of so many digits.
pub(crate) fn largest(precision: u8) -> i128 {
    10_i128.pow(u32::from(precision).min(MAX_DIGITS)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Exact {
        Exact::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_what_is_written() {
        assert_eq!(exact("1200"), exact("1.2e3"));
        assert_eq!(exact("-0.50"), exact("-5e-1"));
        assert_eq!(exact("0.000"), exact("0"));
        assert_eq!(exact("+7"), exact("7"));
        for text in ["", "-", ".5", "5.", "1e", "1,5", "NaN", "1e99999999999", "--1"] {
            assert_eq!(Exact::parse(text), None, "{text}");
        }
    }

    #[test]
    fn bounds_in_units_are_the_nearest_inside() {
        assert_eq!(exact("1.005").least_units(2, false), 101);
        assert_eq!(exact("1.005").most_units(2, false), 100);
        assert_eq!(exact("-1.005").least_units(2, false), -100);
        assert_eq!(exact("-1.005").most_units(2, false), -101);
        assert_eq!(exact("1").least_units(2, true), 101);
        assert_eq!(exact("1").most_units(2, true), 99);
        assert_eq!(exact("1e300").most_units(2, false), i128::MAX);
        assert_eq!(exact("-1e-300").most_units(2, false), -1);
        assert_eq!(exact("1e-300").least_units(0, false), 1);
    }

    #[test]
    fn multiples_are_exact() {
        for (value, of, expected) in [
            ("0.3", "0.1", true),
            ("0.0075", "0.0001", true),
            ("0.35", "0.1", false),
            ("1e300", "3", false),
            ("3e300", "3", true),
            ("1e300", "0.01", true),
            ("5", "2.5", true),
            ("0.5", "2.5", false),
            ("0", "7", true),
        ] {
            assert_eq!(exact(value).is_multiple_of(exact(of)), expected, "{value} {of}");
        }
    }
}
