//! Text to values, strictly: what a type's text means, and why a text has no meaning in it.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, Timelike as _};

/// Days since 1970-01-01 of a date written `YYYY-MM-DD`.
///
/// # Errors
///
/// Why the text is no date.
pub fn parse_date(text: &str) -> Result<i32, &'static str> {
    date(text)
        .map(|date| date.num_days_from_ce() - UNIX_EPOCH_FROM_CE)
        .ok_or("is not a date as in 2013-01-31")
}

/// 1970-01-01 in days from the beginning of the common era.
const UNIX_EPOCH_FROM_CE: i32 = 719_163;

fn date(text: &str) -> Option<NaiveDate> {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    // Year 0 is no year, neither in SQL nor in the calendar that the format names.
    if !shaped || text.starts_with("0000") {
        return None;
    }
    NaiveDate::from_ymd_opt(
        text[..4].parse().ok()?,
        text[5..7].parse().ok()?,
        text[8..].parse().ok()?,
    )
}

/// Microseconds since 1970-01-01T00:00:00Z of an instant written as in RFC 3339. A blank may stand
/// for the `T`; a time without an offset is UTC.
///
/// # Errors
///
/// Why the text is no instant that a microsecond count can hold.
pub fn parse_date_time(text: &str) -> Result<i64, &'static str> {
    const SHAPE: &str = "is not a date-time as in 2013-01-31T23:59:59Z";
    if !text.is_ascii()
        || text.len() < 19
        || date(&text[..10]).is_none()
        || !matches!(text.as_bytes()[10], b'T' | b't' | b' ')
    {
        return Err(SHAPE);
    }
    let normal = format!("{}T{}", &text[..10], &text[11..]);
    let instant = match DateTime::parse_from_rfc3339(&normal) {
        Ok(instant) => instant.naive_utc(),
        Err(_) => NaiveDateTime::parse_from_str(&normal, "%Y-%m-%dT%H:%M:%S%.f").map_err(|_| SHAPE)?,
    };
    if instant.nanosecond() >= 1_000_000_000 {
        return Err("is a leap second, which has no place of its own in UTC microseconds");
    }
    if instant.nanosecond() % 1_000 != 0 || fraction_digits(&normal) > 9 {
        return Err("is finer than a microsecond");
    }
    Ok(instant.and_utc().timestamp_micros())
}

fn fraction_digits(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, after)| {
        after.bytes().take_while(u8::is_ascii_digit).count()
    })
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
        }

        #[test]
        fn values_read_back_from_their_text(whole: i64, number in proptest::num::f64::NORMAL) {
            prop_assert_eq!(parse_integer(&whole.to_string()), Ok(whole));
            prop_assert_eq!(parse_number(&format!("{number:?}")), Ok(number));
        }
    }
}
