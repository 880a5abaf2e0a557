//! What users of BigQuery write, in the words of the planner: `COUNTIF`, `IF`, `SAFE_DIVIDE`, a calendar unit as the
//! last argument, `INT64`. Only what means the same is rewritten; what is near to it is refused by name.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, ExactNumberInfo, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName, Query, TimezoneInfo, Value,
    VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

/// Characters of an expression that a rewrite names twice. Rewrites within rewrites would double without end.
const REPEATED: usize = 200;

/// Rewrites the functions and types of the dialect.
pub(super) fn translate(query: &mut Query) {
    // The visitor breaks nowhere.
    let _ = query.visit(&mut Translator);
}

/// What to write instead of a function that there is not, where something means the same or nearly.
pub(super) fn instead_of(name: &str) -> Option<&'static str> {
    const KNOWN: [(&str, &str); 24] = [
        ("any_value", "GROUP BY the column"),
        ("approx_count_distinct", "COUNT(DISTINCT …)"),
        ("approx_quantiles", "GROUP BY bins of the column"),
        ("current_datetime", "now() over own tables, or a parameter"),
        ("date_add", "date + INTERVAL '1 day'"),
        (
            "date_diff",
            "DATE_DIFF(later, earlier, DAY, ISOWEEK, MONTH, QUARTER or YEAR) of plain columns",
        ),
        ("date_sub", "date - INTERVAL '1 day'"),
        (
            "datetime_trunc",
            "DATE_TRUNC(moment, ISOWEEK, DAY, MONTH, …); weeks begin on Monday",
        ),
        (
            "timestamp_trunc",
            "DATE_TRUNC(moment, ISOWEEK, DAY, MONTH, …); weeks begin on Monday",
        ),
        (
            "date_trunc",
            "DATE_TRUNC(moment, ISOWEEK, DAY, MONTH, …); weeks begin on Monday",
        ),
        ("countif", "COUNTIF(condition)"),
        ("div", "a / b of whole numbers"),
        ("farm_fingerprint", "the column itself"),
        ("format_date", "date_part('month', date), or DATE_TRUNC"),
        ("generate_uuid", "no function that gives another value each time"),
        ("if", "IF(condition, then, else)"),
        ("logical_and", "COUNT(*) and COUNTIF(…), compared above"),
        ("logical_or", "COUNTIF(…) > 0, compared above"),
        ("parse_date", "CAST(text AS DATE)"),
        ("rand", "no function that gives another value each time"),
        ("regexp_contains", "LIKE"),
        ("safe_divide", "SAFE_DIVIDE(a, b)"),
        (
            "timestamp_diff",
            "TIMESTAMP_DIFF(later, earlier, DAY, HOUR, MINUTE or SECOND)",
        ),
        ("to_json_string", "the columns themselves"),
    ];
    if name.starts_with("safe.") {
        return Some(
            "the function without SAFE.: over other tenants' rows it gives NULL where it would fail",
        );
    }
    KNOWN
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, instead)| *instead)
}

struct Translator;

impl VisitorMut for Translator {
    type Break = ();

    /// Inner calls are rewritten before those around them.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Cast { data_type, .. } => *data_type = type_of(data_type.clone()),
            Expr::Function(function) => {
                if let Some(rewritten) = call(function) {
                    *expr = rewritten;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn type_of(data_type: DataType) -> DataType {
    match data_type {
        DataType::Int64 => DataType::BigInt(None),
        DataType::Float64 => DataType::Double(ExactNumberInfo::None),
        other => other,
    }
}

/// The expression that a plain call means; nothing if it is none of the dialect.
fn call(function: &Function) -> Option<Expr> {
    let [name] = function.name.0.as_slice() else {
        return None;
    };
    let plain = function.filter.is_none()
        && function.over.is_none()
        && function.null_treatment.is_none()
        && function.within_group.is_empty();
    if !plain {
        return None;
    }
    let args = arguments(&function.args)?;
    let name = name.as_ident()?.value.to_lowercase();
    match (name.as_str(), args.as_slice()) {
        ("countif", [condition]) => Some(Expr::Function(Function {
            filter: Some(Box::new(condition.clone())),
            ..function_of("count", vec![FunctionArgExpr::Wildcard])
        })),
        ("if", [condition, then, otherwise]) => Some(Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen {
                condition: condition.clone(),
                result: then.clone(),
            }],
            else_result: Some(Box::new(otherwise.clone())),
        }),
        ("ifnull", [value, otherwise]) => Some(of("coalesce", vec![value.clone(), otherwise.clone()])),
        ("safe_divide", [dividend, divisor]) => {
            let divisor = of("nullif", vec![double(divisor.clone()), number("0.0")]);
            Some(nested(double(dividend.clone()), BinaryOperator::Divide, divisor))
        }
        ("mod", [dividend, divisor]) => {
            Some(nested(dividend.clone(), BinaryOperator::Modulo, divisor.clone()))
        }
        // `date_trunc('week', day)` is standard SQL over a column of that name.
        ("date_trunc" | "timestamp_trunc" | "datetime_trunc", [moment, Expr::Identifier(unit)])
            if !matches!(moment, Expr::Value(_)) =>
        {
            let unit = calendar_unit(unit)?;
            Some(of("date_trunc", vec![text(unit), moment.clone()]))
        }
        ("date_diff" | "datetime_diff", [later, earlier, Expr::Identifier(unit)])
            if calendar_unit(unit).is_some() =>
        {
            boundaries(later, earlier, calendar_unit(unit)?)
        }
        ("date_diff" | "datediff", [unit, earlier, later]) => boundaries(later, earlier, unit_word(unit)?),
        ("timestamp_diff" | "timestampdiff", [later, earlier, Expr::Identifier(unit)])
            if calendar_unit(unit).is_some() =>
        {
            whole_units(later, earlier, calendar_unit(unit)?)
        }
        ("timestampdiff", [Expr::Identifier(unit), earlier, later]) => {
            whole_units(later, earlier, calendar_unit(unit)?)
        }
        _ => None,
    }
}

/// The words of calendar units, unless they mean another calendar: `WEEK` begins on Sunday.
fn calendar_unit(unit: &Ident) -> Option<&'static str> {
    const UNITS: [(&str, &str); 8] = [
        ("year", "year"),
        ("quarter", "quarter"),
        ("month", "month"),
        ("isoweek", "week"),
        ("day", "day"),
        ("hour", "hour"),
        ("minute", "minute"),
        ("second", "second"),
    ];
    let word = unit.value.to_lowercase();
    let known = UNITS
        .iter()
        .find(|(known, _)| *known == word && unit.quote_style.is_none());
    known.map(|(_, unit)| *unit)
}

/// Whether a call cuts to a `WEEK`; as the name of a column it would be none of the dialect.
pub(super) fn cuts_to_sunday(function: &Function) -> bool {
    let args = arguments(&function.args);
    let unit = match args.as_deref() {
        Some([_, Expr::Identifier(unit)]) => unit,
        _ => return false,
    };
    let name = function.name.to_string().to_lowercase();
    name == "date_trunc" && unit.quote_style.is_none() && unit.value == "WEEK"
}

/// A unit that is written before what it is of: as a word, or as a text.
fn unit_word(unit: &Expr) -> Option<&'static str> {
    match unit {
        Expr::Identifier(unit) => calendar_unit(unit),
        Expr::Value(value) => match &value.value {
            // Here a week begins on Monday, as everywhere but in that one dialect.
            Value::SingleQuotedString(text) if text.eq_ignore_ascii_case("week") => Some("week"),
            Value::SingleQuotedString(text) => calendar_unit(&Ident::new(text)),
            _ => None,
        },
        _ => None,
    }
}

/// Microseconds of the units that are all of one length.
const LENGTHS: [(&str, &str); 5] = [
    ("second", "1000000"),
    ("minute", "60000000"),
    ("hour", "3600000000"),
    ("day", "86400000000"),
    ("week", "604800000000"),
];

fn length(unit: &str) -> Option<&'static str> {
    LENGTHS
        .iter()
        .find(|(known, _)| *known == unit)
        .map(|(_, length)| *length)
}

/// How often a unit of the calendar begins between two moments.
fn boundaries(later: &Expr, earlier: &Expr, unit: &str) -> Option<Expr> {
    let part = |unit: &str, of_date: &Expr| of("date_part", vec![text(unit), of_date.clone()]);
    let sum = |year: Expr, per_year: &str, rest: Expr| {
        let years = nested(year, BinaryOperator::Multiply, number(per_year));
        nested(years, BinaryOperator::Plus, rest)
    };
    if unit == "day" {
        let day = |moment: &Expr| cast(moment.clone(), DataType::Date);
        let days = nested(day(later), BinaryOperator::Minus, day(earlier));
        return Some(cast(days, DataType::BigInt(None)));
    }
    if let Some(length) = length(unit) {
        let cut = |moment: &Expr| of("date_trunc", vec![text(unit), moment.clone()]);
        return Some(quotient(&cut(later), &cut(earlier), length));
    }
    let count: Box<dyn Fn(&Expr) -> Expr> = match unit {
        "year" => Box::new(|date| part("year", date)),
        "month" => Box::new(|date| sum(part("year", date), "12", part("month", date))),
        "quarter" => Box::new(|date| sum(part("year", date), "4", part("quarter", date))),
        _ => return None,
    };
    if [later, earlier]
        .into_iter()
        .any(|date| date.to_string().len() > REPEATED)
    {
        return None;
    }
    let difference = nested(count(later), BinaryOperator::Minus, count(earlier));
    Some(cast(difference, DataType::BigInt(None)))
}

/// How many whole units lie between two moments.
fn whole_units(later: &Expr, earlier: &Expr, unit: &str) -> Option<Expr> {
    Some(quotient(later, earlier, length(unit).filter(|_| unit != "week")?))
}

/// Microseconds between two moments, divided without a rest.
fn quotient(later: &Expr, earlier: &Expr, length: &str) -> Expr {
    let moment = |moment: &Expr| {
        let micros = DataType::Timestamp(Some(6), TimezoneInfo::None);
        cast(moment.clone(), micros)
    };
    let difference = nested(moment(later), BinaryOperator::Minus, moment(earlier));
    let micros = cast(difference, DataType::BigInt(None));
    nested(micros, BinaryOperator::Divide, number(length))
}

fn arguments(arguments: &FunctionArguments) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = arguments else {
        return None;
    };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return None;
    }
    let plain = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().map(plain).collect()
}

fn of(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(function_of(
        name,
        args.into_iter().map(FunctionArgExpr::Expr).collect(),
    ))
}

fn function_of(name: &str, args: Vec<FunctionArgExpr>) -> Function {
    Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.into_iter().map(FunctionArg::Unnamed).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}

fn nested(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }))
}

fn double(expr: Expr) -> Expr {
    cast(expr, DataType::Double(ExactNumberInfo::None))
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).with_span(Span::empty()))
}

fn text(text: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.to_owned()).with_span(Span::empty()))
}
