//! Text to values, strictly: what a type's text means, and why a text has no meaning in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::schema::exact::{Exact, largest};

/// 0001-01-01 and the last day of 9999, in days since 1970: what the format `date` can say.
pub(crate) const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;
pub(crate) const MICROS_PER_DAY: i64 = 86_400_000_000;

const YEARS: &str = "is not between the years 1 and 9999";
const FINER: &str = "is finer than a microsecond";

/// Days since 1970-01-01 of a date written `YYYY-MM-DD`.
///
/// # Errors
///
/// Why the text is no date.
pub fn parse_date(text: &str) -> Result<i32, &'static str> {
    <&[u8; 10]>::try_from(text.as_bytes())
        .ok()
        .and_then(date)
        .ok_or("is not a date as in 2013-01-31")
}

fn date(text: &[u8; 10]) -> Option<i32> {
    let [a, b, c, d, b'-', e, f, b'-', g, h] = *text else {
        return None;
    };
    let year = two_digits(a, b)? * 100 + two_digits(c, d)?;
    let (month, day) = (two_digits(e, f)?, two_digits(g, h)?);
    // Year 0 is no year, neither in SQL nor in the calendar that the format names.
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let most = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i32::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || day == 0 || day > most {
        return None;
    }
    // Years that begin in March: a leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    Some(year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - DAYS_TO_1970)
}

/// From the first of March of the year 0 to 1970-01-01.
const DAYS_TO_1970: i32 = 719_468;

fn two_digits(tens: u8, ones: u8) -> Option<i32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i32::from(tens) * 10 + i32::from(ones))
}

/// Microseconds since 1970-01-01T00:00:00Z of an instant written as in RFC 3339. A blank may stand
/// for the `T`; a time without an offset is UTC.
///
/// # Errors
///
/// Why the text is no instant that a microsecond count can hold.
pub fn parse_date_time(text: &str) -> Result<i64, &'static str> {
    const SHAPE: &str = "is not a date-time as in 2013-01-31T23:59:59Z";
    let (day, rest) = text.as_bytes().split_first_chunk::<10>().ok_or(SHAPE)?;
    let day = date(day).ok_or(SHAPE)?;
    let Some((b'T' | b't' | b' ', rest)) = rest.split_first() else {
        return Err(SHAPE);
    };
    let (micros, offset) = time_and_offset(rest, SHAPE)?;
    let instant = i64::from(day) * MICROS_PER_DAY + micros - offset.unwrap_or(0);
    let day = instant.div_euclid(MICROS_PER_DAY);
    if i32::try_from(day).is_ok_and(|day| DAYS.contains(&day)) {
        Ok(instant)
    } else {
        Err(YEARS)
    }
}

/// Microseconds since midnight of a time of day written `HH:MM:SS`, perhaps with a fraction. It is the one
/// of UTC or of no place: what another offset would make of it depends on the day.
///
/// # Errors
///
/// Why the text is no time of day.
pub fn parse_time(text: &str) -> Result<i64, &'static str> {
    match time_and_offset(text.as_bytes(), "is not a time as in 23:59:59")? {
        (micros, None | Some(0)) => Ok(micros),
        _ => Err("has an offset from UTC, which means nothing without a date"),
    }
}

/// Microseconds since midnight, and those that the place is before UTC, where it is said.
fn time_and_offset(text: &[u8], shape: &'static str) -> Result<(i64, Option<i64>), &'static str> {
    let (time, mut rest) = text.split_first_chunk::<8>().ok_or(shape)?;
    let [a, b, b':', c, d, b':', e, f] = *time else {
        return Err(shape);
    };
    let (Some(hour @ ..24), Some(minute @ ..60), Some(second @ ..=60)) =
        (two_digits(a, b), two_digits(c, d), two_digits(e, f))
    else {
        return Err(shape);
    };
    let mut micros = (i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second);
    micros *= 1_000_000;
    let mut finer = false;
    if let Some((b'.', fraction)) = rest.split_first() {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Err(shape);
        }
        let (fraction, after) = fraction.split_at(digits);
        let mut unit = 1_000_000;
        for digit in fraction.iter().map(|byte| i64::from(byte - b'0')) {
            unit /= 10;
            micros += digit * unit;
            finer |= unit == 0 && digit != 0;
        }
        rest = after;
    }
    let offset = match *rest {
        [] => None,
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => match (two_digits(a, b), two_digits(c, d)) {
            (Some(hours @ ..24), Some(minutes @ ..60)) => {
                let micros = i64::from(hours * 60 + minutes) * 60_000_000;
                Some(if sign == b'-' { -micros } else { micros })
            }
            _ => return Err(shape),
        },
        _ => return Err(shape),
    };
    if second == 60 {
        return Err("is a leap second, which has no place of its own in UTC microseconds");
    }
    if finer { Err(FINER) } else { Ok((micros, offset)) }
}

/// The 36 characters of a UUID, in lower case.
///
/// # Errors
///
/// Why the text is none.
pub fn parse_uuid(text: &str) -> Result<[u8; 36], &'static str> {
    const SHAPE: &str = "is not a UUID as in 0190c6a2-7b1e-7000-8000-0123456789ab";
    let mut uuid = <[u8; 36]>::try_from(text.as_bytes()).map_err(|_| SHAPE)?;
    let mut fits = true;
    for (at, byte) in uuid.iter_mut().enumerate() {
        fits &= match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        byte.make_ascii_lowercase();
    }
    fits.then_some(uuid).ok_or(SHAPE)
}

/// Bytes written in Base64 with padding (RFC 4648), added to `bytes`.
///
/// # Errors
///
/// Why the text is no Base64; then `bytes` holds anything.
pub fn parse_bytes(text: &str, bytes: &mut Vec<u8>) -> Result<(), &'static str> {
    STANDARD
        .decode_vec(text, bytes)
        .map_err(|_| "is not Base64 with padding")
}

/// A decimal of so many digits, so many of them after the point, in units of its last digit. Nothing is
/// rounded.
///
/// # Errors
///
/// Why the text is none.
pub fn parse_decimal(text: &str, precision: u8, scale: u8) -> Result<i128, &'static str> {
    const LARGE: &str = "has more digits than the column";
    if let Some(units) = short_decimal(text.as_bytes(), scale)
        && units.unsigned_abs() <= largest(precision).unsigned_abs()
    {
        return Ok(units);
    }
    let Some(exact) = Exact::parse(text) else {
        let numeric = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        let long = text.len() > 38 && text.bytes().all(numeric);
        return Err(if long {
            LARGE
        } else {
            "is not a decimal as in 1234.50"
        });
    };
    if !exact.fits_scale(scale) {
        return Err("has more digits after the point than the column");
    }
    exact
        .exact_units(scale)
        .filter(|units| units.unsigned_abs() <= largest(precision).unsigned_abs())
        .ok_or(LARGE)
}

/// Most decimals: up to 18 digits, no power of ten, and not more of them after the point than the scale.
fn short_decimal(text: &[u8], scale: u8) -> Option<i128> {
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, text),
    };
    if digits.len() > 18 || !digits.first()?.is_ascii_digit() {
        return None;
    }
    let (mut units, mut after) = (0_i64, None);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                units = units * 10 + i64::from(byte - b'0');
                after = after.map(|count: u8| count + 1);
            }
            b'.' if after.is_none() => after = Some(0),
            _ => return None,
        }
    }
    let missing = match after {
        None => scale,
        Some(0) => return None,
        Some(count) => scale.checked_sub(count)?,
    };
    let units = i128::from(if negative { -units } else { units });
    units.checked_mul(10_i128.checked_pow(missing.into())?)
}

/// A whole number of 64 bits; `17.0` is one, too.
///
/// # Errors
///
/// Why the text is none.
pub fn parse_integer(text: &str) -> Result<i64, &'static str> {
    let digits = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    };
    digits.parse().map_err(|_| {
        let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
        if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
            "is out of the range of a 64-bit integer"
        } else {
            "is not an integer"
        }
    })
}

/// A finite double.
///
/// # Errors
///
/// Why the text is none.
pub fn parse_number(text: &str) -> Result<f64, &'static str> {
    // What the standard library takes beyond digits is the names of infinity and of no number.
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err("is not a number");
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err("is out of the range of a double"),
        Err(_) => Err("is not a number"),
    }
}

/// `true` or `false`, in any case.
///
/// # Errors
///
/// Why the text is neither.
pub fn parse_boolean(text: &str) -> Result<bool, &'static str> {
    if text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err("is neither true nor false")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(parse_date("1970-01-01"), Ok(0));
        assert_eq!(parse_date("2024-02-29"), Ok(19_782));
        for text in [
            "2023-02-29",
            "2013-1-01",
            "0000-01-01",
            "+013-01-01",
            "2013-01-01 ",
            "",
            "20130101",
        ] {
            assert!(parse_date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn instants_are_utc_whatever_their_offset() {
        let expected = Ok(1_357_034_400_000_000);
        for text in [
            "2013-01-01T10:00:00Z",
            "2013-01-01 10:00:00",
            "2013-01-01t12:00:00+02:00",
            "2013-01-01T10:00:00.000",
        ] {
            assert_eq!(parse_date_time(text), expected, "{text}");
        }
        assert_eq!(parse_date_time("1970-01-01T00:00:00.000001Z"), Ok(1));
        for text in [
            "2013-01-01",
            "2013-01-01T25:00:00Z",
            "2013-01-01T10:00:00.0000001Z",
            "2013-01-01T10:00:00.0000000000001Z",
            "2013-12-31T23:59:60Z",
            "2013-01-01T10:00:00Zzz",
            "2013-01-01Té0:00:00",
        ] {
            assert!(parse_date_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn dates_are_those_that_chrono_has() {
        for day in DAYS.step_by(19) {
            let date = chrono::NaiveDate::default() + chrono::Duration::days(day.into());
            assert_eq!(parse_date(&date.format("%Y-%m-%d").to_string()), Ok(day));
        }
    }

    #[test]
    fn instants_stay_within_the_years_of_dates() {
        assert_eq!(parse_date_time("0001-01-01T00:00:00+00:01"), Err(YEARS));
        assert_eq!(parse_date_time("9999-12-31T23:59:59-00:01"), Err(YEARS));
        assert!(parse_date_time("9999-12-31T23:59:59.999999").is_ok());
    }

    #[test]
    fn times_of_day_have_no_offset() {
        assert_eq!(parse_time("00:00:00"), Ok(0));
        assert_eq!(parse_time("23:59:59.999999Z"), Ok(MICROS_PER_DAY - 1));
        assert_eq!(parse_time("10:00:00.5+00:00"), Ok(36_000_500_000));
        for text in [
            "10:00",
            "24:00:00",
            "10:60:00",
            "10:00:00+01:00",
            "10:00:60",
            "10:00:00.",
            "1:00:00",
            "",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn uuids_are_lower_case() {
        let uuid = parse_uuid("0190C6A2-7b1e-7000-8000-0123456789aB").unwrap();
        assert_eq!(&uuid, b"0190c6a2-7b1e-7000-8000-0123456789ab");
        for text in [
            "0190c6a27b1e700080000123456789ab",
            "0190c6a2-7b1e-7000-8000-0123456789ag",
            "",
        ] {
            assert!(parse_uuid(text).is_err(), "{text}");
        }
    }

    #[test]
    fn decimals_are_never_rounded() {
        assert_eq!(parse_decimal("1234.5", 6, 2), Ok(123_450));
        assert_eq!(parse_decimal("-0.10000", 6, 2), Ok(-10));
        assert_eq!(parse_decimal("1.2e3", 6, 2), Ok(120_000));
        assert_eq!(parse_decimal("9999.99", 6, 2), Ok(999_999));
        assert_eq!(
            parse_decimal("10000", 6, 2),
            Err("has more digits than the column")
        );
        assert_eq!(
            parse_decimal("0.001", 6, 2),
            Err("has more digits after the point than the column")
        );
        assert_eq!(parse_decimal(&"9".repeat(38), 38, 0), Ok(largest(38)));
        assert_eq!(
            parse_decimal(&"9".repeat(39), 38, 0),
            Err("has more digits than the column")
        );
        for text in ["", "x", "1,5", "1.", ".5", "1 "] {
            assert_eq!(
                parse_decimal(text, 6, 2),
                Err("is not a decimal as in 1234.50"),
                "{text}"
            );
        }
    }

    #[test]
    fn numbers_out_of_range_say_so() {
        assert_eq!(parse_integer("-17.00"), Ok(-17));
        assert_eq!(
            parse_integer("9223372036854775808"),
            Err("is out of the range of a 64-bit integer")
        );
        assert_eq!(parse_integer("1e3"), Err("is not an integer"));
        assert_eq!(parse_integer("."), Err("is not an integer"));
        assert_eq!(parse_number("1e999"), Err("is out of the range of a double"));
        assert_eq!(parse_number("NaN"), Err("is not a number"));
        assert_eq!(parse_number("inf"), Err("is not a number"));
        assert_eq!(parse_number("1,5"), Err("is not a number"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,30}") {
            let _ = (parse_date(&text), parse_date_time(&text), parse_integer(&text), parse_number(&text));
            let _ = (parse_time(&text), parse_uuid(&text), parse_decimal(&text, 10, 2));
            let _ = parse_bytes(&text, &mut Vec::new());
        }

        #[test]
        fn values_read_back_from_their_text(whole: i64, number in proptest::num::f64::NORMAL) {
            prop_assert_eq!(parse_integer(&whole.to_string()), Ok(whole));
            prop_assert_eq!(parse_decimal(&whole.to_string(), 38, 3), Ok(i128::from(whole) * 1_000));
            prop_assert_eq!(parse_number(&format!("{number:?}")), Ok(number));
        }
    }
}
