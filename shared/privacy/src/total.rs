//! Expressions that cannot fail on a row.
//!
//! An expression that fails for some values tells, by failing, that such a value is there; one that wraps silently
//! gives wrong results. Over restricted rows only what is listed here is evaluated, and conversions that could fail
//! give NULL instead. CASE and AND are no barrier: engines reorder and hoist what stands in them.

use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::functions::core::expr_fn::{greatest, least, nullif};
use datafusion::functions::unicode::expr_fn::substring;
use datafusion::logical_expr::{Expr, lit};

/// Bytes of a literal, and characters that a function takes of a text which it could make longer. Engines compile
/// patterns, and hold the texts of a batch, in buffers that have an end.
pub(crate) const TEXT_LENGTH: usize = 1024;

/// Texts that one call of CONCAT takes.
const CONCATENATED: usize = 16;

/// Days since 1970, both excluded.
pub(crate) type Days = (i64, i64);

/// The years 1 to 9999: what calendars compute with, and dates are printed of.
pub(crate) const CALENDAR: Days = (-719_163, 2_932_897);

/// The years 1679 to 2260: what DATE_TRUNC counts nanoseconds of, in every unit.
pub(crate) const NANOSECONDS: Days = (-106_286, 106_286);

/// How the arguments of a function must look for it to be total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// Any that type-check.
    Any,
    /// At most so many texts, of which a longer one is made.
    Growing(usize),
    /// A date or a moment of UTC, after a literal part of it.
    PartOf,
    /// A moment of UTC, after the literal part to which it is cut.
    CutTo,
    /// All but the first literals; those whole numbers, at least these.
    TrailingAtLeast(&'static [i64]),
    /// Floating-point first argument; all others literals.
    Float,
    /// A floating-point number, and at most a literal number of decimals.
    Decimals,
    /// A literal interval, the moment of UTC that is cut to a multiple of it, and at most a literal to count from.
    BinOf,
}

const TOTAL_FUNCTIONS: [(&str, Arguments); 20] = [
    ("btrim", Arguments::Any),
    ("ceil", Arguments::Float),
    ("character_length", Arguments::Any),
    ("coalesce", Arguments::Any),
    ("concat", Arguments::Growing(CONCATENATED)),
    ("date_bin", Arguments::BinOf),
    ("date_part", Arguments::PartOf),
    ("date_trunc", Arguments::CutTo),
    ("ends_with", Arguments::Any),
    ("floor", Arguments::Float),
    ("greatest", Arguments::Any),
    ("least", Arguments::Any),
    ("lower", Arguments::Growing(1)),
    ("ltrim", Arguments::Any),
    ("nullif", Arguments::Any),
    ("round", Arguments::Decimals),
    ("rtrim", Arguments::Any),
    ("starts_with", Arguments::Any),
    ("substr", Arguments::TrailingAtLeast(&[1, 0])),
    ("upper", Arguments::Growing(1)),
];

const PARTS_OF_DAYS: [&str; 10] = [
    "day", "dow", "doy", "epoch", "isodow", "isoyear", "month", "quarter", "week", "year",
];
const PARTS_OF_TIMES: [&str; 5] = ["hour", "microsecond", "millisecond", "minute", "second"];

/// Whether the part can be taken of every value of the type. The engine looks at the word only when it has a row.
pub(crate) fn has_part(data_type: &DataType, part: &str) -> bool {
    PARTS_OF_DAYS.contains(&part) && (*data_type == DataType::Date32 || is_utc(data_type))
        || PARTS_OF_TIMES.contains(&part) && is_utc(data_type)
        || part == "day" && matches!(data_type, DataType::Duration(_))
}

/// The moment, cut to the part, or nothing if it cannot be. NULL where the engine would fail.
pub(crate) fn cuttable(moment: Expr, data_type: &DataType, part: &str) -> Option<Expr> {
    let calendar = ["day", "month", "quarter", "week", "year"].contains(&part);
    let cut = is_utc(data_type) && (calendar || PARTS_OF_TIMES.contains(&part));
    cut.then(|| within(moment, data_type, NANOSECONDS))?
}

/// The moment of which a bin of that literal stride can be taken, or nothing if it cannot be.
pub(crate) fn binnable(moment: Expr, data_type: &DataType, stride: &Expr) -> Option<Expr> {
    let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(stride)), _) = stride else {
        return None;
    };
    let (months, days, nanos) = (stride.months, stride.days, stride.nanoseconds);
    let of_months = (1..=1200).contains(&months) && days == 0 && nanos == 0;
    let of_days = months == 0 && (0..=36_525).contains(&days) && nanos >= 0 && (days > 0 || nanos > 0);
    let good = is_utc(data_type) && (of_months || of_days);
    good.then(|| within(moment, data_type, NANOSECONDS))?
}

/// Other zones have hours that some days lack.
pub(crate) fn is_utc(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, zone) if zone.as_deref().is_none_or(|zone| ["UTC", "+00:00"].contains(&zone)))
}

/// The beginning of a text; a literal is short already.
pub(crate) fn shortened(text: Expr) -> Expr {
    match text {
        Expr::Literal(_, _) => text,
        _ => substring(
            text,
            lit(1_i64),
            lit(i64::try_from(TEXT_LENGTH).unwrap_or(i64::MAX)),
        ),
    }
}

/// NULL where a date or moment does not lie between the days. Names it once, so that nesting does not multiply it.
pub(crate) fn within(moment: Expr, data_type: &DataType, (first, last): Days) -> Option<Expr> {
    let (first, last) = (start_of_day(first, data_type)?, start_of_day(last, data_type)?);
    let before = nullif(least(vec![moment, last.clone()]), last);
    Some(nullif(greatest(vec![before, first.clone()]), first))
}

fn start_of_day(day: i64, data_type: &DataType) -> Option<Expr> {
    let moment = |a_second: i64| day.checked_mul(86_400)?.checked_mul(a_second);
    let value = match data_type {
        DataType::Date32 => ScalarValue::Date32(Some(i32::try_from(day).ok()?)),
        DataType::Timestamp(unit, zone) => match unit {
            TimeUnit::Second => ScalarValue::TimestampSecond(Some(moment(1)?), zone.clone()),
            TimeUnit::Millisecond => ScalarValue::TimestampMillisecond(Some(moment(1_000)?), zone.clone()),
            TimeUnit::Microsecond => {
                ScalarValue::TimestampMicrosecond(Some(moment(1_000_000)?), zone.clone())
            }
            TimeUnit::Nanosecond => {
                ScalarValue::TimestampNanosecond(Some(moment(1_000_000_000)?), zone.clone())
            }
        },
        _ => return None,
    };
    Some(Expr::Literal(value, None))
}

/// How a total function must be called; nothing for a function that is not total.
pub(crate) fn total_function(name: &str) -> Option<Arguments> {
    TOTAL_FUNCTIONS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, arguments)| *arguments)
}

/// Whether a policy may list this function.
pub(crate) fn is_total_function(name: &str) -> bool {
    total_function(name).is_some()
}

/// The names that a policy may list, for messages.
pub(crate) fn total_function_names() -> String {
    TOTAL_FUNCTIONS.map(|(name, _)| name).join(", ")
}

/// How a conversion is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// Every value converts, and distinct values stay distinct: the expression is still the bare column.
    Lossless,
    /// Values that do not convert give NULL.
    Try,
    /// The same, but that the engine fails on values outside these days.
    Within(Days),
    /// There is no total conversion.
    None,
}

/// How a value of one type becomes another.
pub(crate) fn conversion(from: &DataType, to: &DataType) -> Conversion {
    if from == to || is_lossless(from, to) {
        return Conversion::Lossless;
    }
    let simple = |t: &DataType| {
        t.is_integer()
            || is_string(t)
            || matches!(
                t,
                DataType::Boolean
                    | DataType::Float32
                    | DataType::Float64
                    | DataType::Date32
                    | DataType::Decimal128(_, _)
                    | DataType::Timestamp(_, None)
            )
    };
    let moment = |t: &DataType| matches!(t, DataType::Timestamp(_, _));
    let temporal = |t: &DataType| *t == DataType::Date32 || moment(t);
    if let (DataType::Timestamp(a, _), DataType::Timestamp(b, _)) = (from, to)
        && a != b
        && is_utc(from)
        && is_utc(to)
    {
        return match b {
            TimeUnit::Nanosecond => Conversion::Within(NANOSECONDS),
            _ if b > a => Conversion::Within(CALENDAR),
            _ => Conversion::Try,
        };
    }
    let total = match (from, to) {
        // Parsers and printers of moments are not total.
        (from, to) if moment(from) && is_string(to) || is_string(from) && moment(to) => false,
        (DataType::Timestamp(a, _), DataType::Timestamp(b, _)) => a == b,
        // A number can be a date that no calendar has; what is made of it fails.
        (from, to) if temporal(to) => temporal(from) || is_string(from),
        (from, DataType::Decimal128(_, _)) => !is_string(from),
        _ => true,
    };
    match (from, to) {
        _ if !(total && simple(from) && simple(to) && can_cast_types(from, to)) => Conversion::None,
        (DataType::Date32, to) if is_string(to) => Conversion::Within(CALENDAR),
        (DataType::Timestamp(unit, _), DataType::Date32) if *unit != TimeUnit::Nanosecond => {
            Conversion::Within(CALENDAR)
        }
        _ => Conversion::Try,
    }
}

fn is_lossless(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64,
    };
    if is_string(from) && is_string(to) {
        return true;
    }
    match (from, to) {
        (DataType::Duration(_), Int64)
        | (Int8, Int16 | Int32 | Int64 | Float32 | Float64)
        | (Int16, Int32 | Int64 | Float32 | Float64)
        | (Int32, Int64 | Float64)
        | (UInt8, UInt16 | UInt32 | UInt64 | Int16 | Int32 | Int64 | Float32 | Float64)
        | (UInt16, UInt32 | UInt64 | Int32 | Int64 | Float32 | Float64)
        | (UInt32, UInt64 | Int64 | Float64)
        | (Float32, Float64)
        | (Date32, DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, None)) => true,
        (whole, Decimal128(precision, scale)) if whole.is_integer() => {
            i16::from(*precision) - i16::from(*scale) >= i16::from(integer_digits(whole))
        }
        (Decimal128(p1, s1), Decimal128(p2, s2)) => {
            s2 >= s1 && i16::from(*p2) - i16::from(*s2) >= i16::from(*p1) - i16::from(*s1)
        }
        _ => false,
    }
}

/// Decimal digits that every value of an integer type fits in.
pub(crate) fn integer_digits(data_type: &DataType) -> u8 {
    match data_type {
        DataType::Int8 | DataType::UInt8 => 3,
        DataType::Int16 | DataType::UInt16 => 5,
        DataType::Int32 | DataType::UInt32 => 10,
        DataType::Int64 => 19,
        _ => 20,
    }
}

/// The three layouts of text are one type to the rules.
pub(crate) fn is_string(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// Whether values of the two types can be equal only where they are the same value.
pub(crate) fn same_type(left: &DataType, right: &DataType) -> bool {
    left == right || (is_string(left) && is_string(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions() {
        use DataType::{Boolean, Date32, Float64, Int32, Int64, Utf8, Utf8View};
        let nanos = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
        let seconds = DataType::Timestamp(TimeUnit::Second, None);
        for (from, to, expected) in [
            (Int32, Int64, Conversion::Lossless),
            (Int32, Float64, Conversion::Lossless),
            (Int64, Float64, Conversion::Try),
            (Int64, Int32, Conversion::Try),
            (Utf8, Utf8View, Conversion::Lossless),
            (Utf8, Int64, Conversion::Try),
            (Utf8, Boolean, Conversion::Try),
            (Int64, DataType::Decimal128(20, 0), Conversion::Lossless),
            (Int64, DataType::Decimal128(19, 2), Conversion::Try),
            (
                DataType::Decimal128(10, 2),
                DataType::Decimal128(12, 4),
                Conversion::Lossless,
            ),
            (
                DataType::Decimal128(10, 2),
                DataType::Decimal128(11, 4),
                Conversion::Try,
            ),
            (Date32, millis.clone(), Conversion::Lossless),
            (Date32, nanos.clone(), Conversion::Try),
            (Utf8, nanos.clone(), Conversion::None),
            (millis.clone(), nanos.clone(), Conversion::Within(NANOSECONDS)),
            (seconds.clone(), millis.clone(), Conversion::Within(CALENDAR)),
            (nanos, millis, Conversion::Try),
            (Utf8, DataType::Binary, Conversion::None),
            (Utf8, Date32, Conversion::Try),
            (Date32, Utf8, Conversion::Within(CALENDAR)),
            (seconds.clone(), Date32, Conversion::Within(CALENDAR)),
            (Int32, Date32, Conversion::None),
            (Int64, seconds, Conversion::None),
            (Utf8, DataType::Decimal128(10, 2), Conversion::None),
        ] {
            assert_eq!(conversion(&from, &to), expected, "{from} to {to}");
        }
    }

    #[test]
    fn parts_are_those_of_the_type() {
        let moment = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        for (data_type, part, expected) in [
            (DataType::Date32, "month", true),
            (DataType::Date32, "hour", false),
            (moment(None), "hour", true),
            (moment(Some("+00:00")), "isoyear", true),
            (moment(Some("America/Sao_Paulo")), "day", false),
            (moment(None), "century", false),
            (DataType::Utf8, "day", false),
        ] {
            assert_eq!(has_part(&data_type, part), expected, "{part} of {data_type}");
        }
        for (data_type, part, expected) in [
            (moment(None), "quarter", true),
            (moment(None), "dow", false),
            (moment(None), "century", false),
            (moment(Some("America/Sao_Paulo")), "day", false),
            (DataType::Date32, "day", false),
        ] {
            assert_eq!(
                cuttable(lit(1), &data_type, part).is_some(),
                expected,
                "{part} of {data_type}"
            );
        }
    }

    #[test]
    fn functions_that_can_fail_are_not_total() {
        for name in [
            "to_timestamp",
            "repeat",
            "lpad",
            "chr",
            "split_part",
            "abs",
            "sqrt",
            "regexp_replace",
            "random",
        ] {
            assert!(!is_total_function(name), "{name}");
        }
    }
}
