//! Values at the ends of their types, all of one individual: what fails on them would tell that it is there.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Date32Array, TimestampMicrosecondArray, TimestampSecondArray, UInt64Array,
};
use serde_json::json;

use crate::engine::{check, run};
use crate::world::*;

/// Visits of forty people, two each. The last one's are in no calendar.
pub(crate) fn visits(world: &mut World) {
    let visits = 0..80_i64;
    let is_odd = |i: i64| i >= 78;
    let ends = |i: i64| if i % 2 == 0 { i64::MIN + 1 } else { i64::MAX };
    let day = |i: i64| {
        if is_odd(i) {
            i32::try_from(ends(i) >> 32).unwrap()
        } else {
            15_000 + i32::try_from(i % 5).unwrap() * 20
        }
    };
    let seconds = |i: i64| {
        if is_odd(i) {
            ends(i)
        } else {
            1_300_000_000 + i % 5 * 5_000_000
        }
    };
    let emails: Vec<String> = visits.clone().map(|i| format!("p{}@x", i / 2 + 1)).collect();
    let long = "\u{390}".repeat(5000);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("email", texts(&emails)),
        (
            "day",
            Arc::new(Date32Array::from_iter_values(visits.clone().map(day))),
        ),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(
                    visits.clone().map(|i| seconds(i).saturating_mul(1_000_000)),
                )
                .with_timezone("+00:00"),
            ),
        ),
        (
            "seen",
            Arc::new(TimestampSecondArray::from_iter_values(
                visits.clone().map(seconds),
            )),
        ),
        (
            "doses",
            Arc::new(UInt64Array::from_iter_values(visits.clone().map(|i| {
                if is_odd(i) {
                    u64::MAX
                } else {
                    u64::try_from(i % 3).unwrap()
                }
            }))),
        ),
        (
            "number",
            longs(
                visits
                    .clone()
                    .map(|i| Some(if is_odd(i) { ends(i) } else { i % 4 })),
            ),
        ),
        (
            "note",
            text(visits.map(|i| Some(if is_odd(i) { long.as_str() } else { "fine" }))),
        ),
    ];
    let policy = json!({
        "privacy_unit": "email",
        "columns": {
            "email": {"use": ["join"], "identity": "email"},
            "day": uses("dimension"), "at": uses("dimension"), "seen": uses("dimension"),
            "doses": {"use": ["dimension", "measure"]}, "number": {"use": ["dimension", "measure"]}, "note": uses("dimension"),
        },
        "expressions": "arithmetic",
        "threshold": {"min_units": 3},
        "analysts": [A, C],
    });
    world.add(B, "clinic.visits", columns, &[], Some(policy));
}

/// Everything that is let pass is asked of the extreme rows, in a group key and in a filter.
#[tokio::test]
async fn what_is_let_pass_fails_on_no_row() {
    let world = world();
    let mut expressions = Vec::new();
    for moment in [
        "day",
        "at",
        "seen",
        "CAST(day AS TIMESTAMP)",
        "date_trunc('week', seen)",
    ] {
        for part in [
            "YEAR",
            "quarter",
            "month",
            "week",
            "day",
            "hour",
            "minute",
            "second",
            "millisecond",
            "microsecond",
        ] {
            expressions.push(format!("date_trunc('{part}', {moment})"));
            expressions.push(format!("date_part('{part}', {moment})"));
        }
        for part in ["doy", "dow", "isodow", "isoyear", "epoch", "century", "nonsense"] {
            expressions.push(format!("date_part('{part}', {moment})"));
        }
        for to in [
            "VARCHAR",
            "DATE",
            "TIMESTAMP",
            "BIGINT",
            "INT",
            "DOUBLE",
            "DECIMAL(10, 2)",
            "BOOLEAN",
        ] {
            expressions.push(format!("CAST({moment} AS {to})"));
        }
    }
    for interval in ["1 month", "99 years", "-300 days", "1 second"] {
        for moment in ["day", "at", "seen", "CAST(seen AS TIMESTAMP)"] {
            expressions.push(format!("{moment} + INTERVAL '{interval}'"));
            expressions.push(format!("date_trunc('week', {moment} - INTERVAL '{interval}')"));
            expressions.push(format!("date_bin(INTERVAL '{interval}', {moment})"));
            expressions.push(format!("day - CAST({moment} AS DATE)"));
        }
    }
    for number in ["number", "doses", "CAST(number AS DOUBLE)"] {
        for operator in ["+", "-", "*", "/", "%"] {
            expressions.push(format!("{number} {operator} {number}"));
            expressions.push(format!("{number} {operator} 3"));
        }
        for to in [
            "VARCHAR",
            "DATE",
            "TIMESTAMP",
            "INT",
            "SMALLINT",
            "DOUBLE",
            "DECIMAL(10, 2)",
            "DECIMAL(38, 0)",
            "BOOLEAN",
        ] {
            expressions.push(format!("CAST({number} AS {to})"));
        }
        expressions.push(format!("-{number}"));
        expressions.push(format!("round(CAST({number} AS DOUBLE), 15)"));
        expressions.push(format!(
            "CAST({number} AS DECIMAL(38, 0)) * 7 - CAST({number} AS DECIMAL(20, 2))"
        ));
        expressions.push(format!("nullif(greatest({number}, 1), least({number}, 2))"));
    }
    for function in ["upper", "lower", "btrim", "ltrim", "rtrim", "character_length"] {
        expressions.push(format!("{function}(note)"));
    }
    for to in [
        "DATE",
        "TIMESTAMP",
        "BIGINT",
        "DOUBLE",
        "DECIMAL(10, 2)",
        "BOOLEAN",
    ] {
        expressions.push(format!("CAST(note AS {to})"));
    }
    expressions.extend(
        [
            "note || note || CAST(number AS VARCHAR)",
            "concat(note, CAST(day AS VARCHAR), note)",
            "substr(note, 9223372036854775807, 9223372036854775807)",
            "substr(note, 3, 0)",
            "starts_with(note, note)",
            "coalesce(CAST(note AS INT), 3)",
        ]
        .map(str::to_owned),
    );
    expressions.push(format!("note LIKE '{}%'", "_".repeat(1000)));
    let mut passed = 0;
    for expression in expressions {
        let sql = format!(
            "SELECT {expression} AS k, COUNT(*) AS n FROM clinic.visits WHERE ({expression}) IS NOT NULL GROUP BY 1"
        );
        if let Ok(compiled) = check(&world, C, &sql) {
            passed += 1;
            run(&world, &compiled)
                .await
                .unwrap_or_else(|e| panic!("{sql}\n{e}"));
        }
    }
    assert!(passed >= 80, "only {passed} were let pass");
}

/// The same of what is aggregated, over all rows and for each individual.
#[tokio::test]
async fn what_is_aggregated_fails_on_no_row() {
    let world = world();
    let mut passed = 0;
    for aggregate in [
        "SUM(number)",
        "SUM(doses)",
        "AVG(number)",
        "AVG(doses)",
        "SUM(number * number)",
        "SUM(number * doses)",
        "SUM(doses * doses)",
        "SUM(number * 999999999999999 - doses)",
        "SUM(-number)",
        "AVG(number * 0.000001)",
        "VAR_POP(number)",
        "STDDEV(doses)",
        "COUNT(DISTINCT note)",
        "MIN(number)",
        "MAX(doses)",
        "MIN(day)",
        "MAX(at)",
        "last_value(note ORDER BY seen, day)",
        "bool_and(number > 0)",
    ] {
        for sql in [
            format!("SELECT {aggregate} AS v, COUNT(*) AS n FROM clinic.visits"),
            format!(
                "SELECT COUNT(v) AS n FROM (SELECT email, {aggregate} AS v FROM clinic.visits GROUP BY email) t"
            ),
            format!(
                "SELECT v, COUNT(*) AS n FROM (SELECT email, {aggregate} AS v FROM clinic.visits GROUP BY email) t GROUP BY v"
            ),
            format!(
                "SELECT SUM(v) AS s FROM (SELECT email, {aggregate} AS v FROM clinic.visits GROUP BY email) t"
            ),
            format!(
                "SELECT AVG(v) AS s FROM (SELECT email, {aggregate} AS v FROM clinic.visits GROUP BY email) t"
            ),
            format!(
                "SELECT SUM(v * v) AS s FROM (SELECT email, {aggregate} AS v FROM clinic.visits GROUP BY email) t"
            ),
        ] {
            if let Ok(compiled) = check(&world, C, &sql) {
                passed += 1;
                run(&world, &compiled)
                    .await
                    .unwrap_or_else(|e| panic!("{sql}\n{e}"));
            }
        }
    }
    assert!(passed >= 50, "only {passed} were let pass");
}
