//! Expressions that cannot fail on a row.
//!
//! An expression that fails for some values tells, by failing, that such a value is there; one that wraps silently
//! gives wrong results. Over restricted rows only what is listed here is evaluated, and conversions that could fail
//! give NULL instead. CASE and AND are no barrier: engines reorder and hoist what stands in them.

use arrow::datatypes::{DataType, TimeUnit};

/// What a caller is told about every failure after the first read, whatever it was: a text that depended on the
/// failure would depend on rows.
pub const EXECUTION_FAILED: &str = "The query could not be completed.";

/// How the arguments of a function must look for it to be total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// Any that type-check.
    Any,
    /// The first a literal.
    LeadingLiteral,
    /// All but the first literals; those whole numbers, at least these.
    TrailingAtLeast(&'static [i64]),
    /// Floating-point first argument; all others literals.
    Float,
}

const TOTAL_FUNCTIONS: [(&str, Arguments); 18] = [
    ("btrim", Arguments::Any),
    ("ceil", Arguments::Float),
    ("character_length", Arguments::Any),
    ("coalesce", Arguments::Any),
    ("concat", Arguments::Any),
    ("date_part", Arguments::LeadingLiteral),
    ("date_trunc", Arguments::LeadingLiteral),
    ("ends_with", Arguments::Any),
    ("floor", Arguments::Float),
    ("greatest", Arguments::Any),
    ("least", Arguments::Any),
    ("lower", Arguments::Any),
    ("ltrim", Arguments::Any),
    ("nullif", Arguments::Any),
    ("rtrim", Arguments::Any),
    ("starts_with", Arguments::Any),
    ("substr", Arguments::TrailingAtLeast(&[1, 0])),
    ("upper", Arguments::Any),
];

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
    // Text to and from a moment goes through parsers and printers that are not total.
    let temporal = |t: &DataType| matches!(t, DataType::Timestamp(_, _));
    let mixed = (temporal(from) && is_string(to)) || (is_string(from) && temporal(to));
    let same_unit = !matches!((from, to), (DataType::Timestamp(a, _), DataType::Timestamp(b, _)) if a != b);
    if simple(from) && simple(to) && !mixed && same_unit {
        Conversion::Try
    } else {
        Conversion::None
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
        (Int8, Int16 | Int32 | Int64 | Float32 | Float64)
        | (Int16, Int32 | Int64 | Float32 | Float64)
        | (Int32, Int64 | Float64)
        | (UInt8, UInt16 | UInt32 | UInt64 | Int16 | Int32 | Int64 | Float32 | Float64)
        | (UInt16, UInt32 | UInt64 | Int32 | Int64 | Float32 | Float64)
        | (UInt32, UInt64 | Int64 | Float64)
        | (Float32, Float64)
        | (Date32, DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, None)) => true,
        (whole, Decimal128(precision, scale)) if whole.is_integer() => {
            i16::from(*precision) - i16::from(*scale) >= integer_digits(whole)
        }
        (Decimal128(p1, s1), Decimal128(p2, s2)) => {
            s2 >= s1 && i16::from(*p2) - i16::from(*s2) >= i16::from(*p1) - i16::from(*s1)
        }
        _ => false,
    }
}

/// Decimal digits that every value of an integer type fits in.
fn integer_digits(data_type: &DataType) -> i16 {
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
            (millis, nanos, Conversion::None),
            (Utf8, DataType::Binary, Conversion::None),
        ] {
            assert_eq!(conversion(&from, &to), expected, "{from} to {to}");
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
