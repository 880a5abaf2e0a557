//! Values that stand beside the text.

use datacovey_privacy::{
    Compiled, Limits, Parameter, Parameters, Violation, ViolationCode, compile, parameters_from_json,
};
use serde_json::{Value, json};

use crate::engine::{plain, run, same};
use crate::world::{C, World, world};

fn ask(world: &World, sql: &str, values: &Value) -> Result<Compiled, Vec<Violation>> {
    let values = values.as_object().unwrap().clone();
    compile(
        sql,
        &parameters_from_json(values)?,
        &world.catalog(C),
        &Limits::default(),
    )
}

fn told(sql: &str, values: &Value) -> Vec<(ViolationCode, String)> {
    let violations = ask(&world(), sql, values).unwrap_err();
    violations.into_iter().map(|v| (v.code, v.message)).collect()
}

#[tokio::test]
async fn parameters_are_literals() {
    let world = world();
    let cases = [
        (
            "SELECT COUNT(*) FROM air.members WHERE tier = $tier",
            json!({"tier": "gold"}),
            "SELECT COUNT(*) FROM air.members WHERE tier = 'gold'",
        ),
        (
            "SELECT COUNT(*) FROM air.members WHERE tier = @tier OR tier = $other",
            json!({"tier": "gold", "other": "blue"}),
            "SELECT COUNT(*) FROM air.members WHERE tier IN ('gold', 'blue')",
        ),
        (
            "SELECT CASE WHEN $flag THEN $n * month - $x ELSE -1 END AS k, COUNT(*) FROM alliance.flights WHERE month <= $last GROUP BY 1",
            json!({"flag": true, "n": -2, "x": 3, "last": 6}),
            "SELECT -2 * month - 3, COUNT(*) FROM alliance.flights WHERE month <= 6 AND tailnum IS NOT NULL GROUP BY 1",
        ),
        (
            "SELECT COUNT(*) AS n FROM clinic.visits WHERE day >= @from AND note = 'fine'",
            json!({"from": "2011-02-01"}),
            "SELECT COUNT(*) FROM clinic.visits WHERE day >= DATE '2011-02-01' AND note = 'fine'",
        ),
        (
            "SELECT manufacturer, AVG(seats) * $factor AS s FROM registry.planes GROUP BY manufacturer ORDER BY s LIMIT $most",
            json!({"factor": 1.5, "most": 2}),
            "SELECT manufacturer, AVG(seats) * 1.5 AS s FROM registry.planes GROUP BY manufacturer HAVING COUNT(*) >= 4 ORDER BY s LIMIT 2",
        ),
        (
            "SELECT COUNT(*) FROM air.members WHERE coalesce(tier, $none) = 'none'",
            json!({"none": "none"}),
            "SELECT COUNT(*) FROM air.members WHERE tier IS NULL",
        ),
    ];
    for (sql, values, expected) in cases {
        let compiled = ask(&world, sql, &values).unwrap_or_else(|v| panic!("{sql}\n{v:?}"));
        let (mut rows, mut expected) = (
            run(&world, &compiled).await.unwrap(),
            plain(&world, expected).await,
        );
        rows.sort();
        expected.sort();
        assert!(same(&rows, &expected), "{rows:?} instead of {expected:?}\n{sql}");
    }
    let compiled = ask(
        &world,
        "SELECT $a AS a, $b AS b, $c AS c",
        &json!({"a": null, "b": "it's", "c": 1e300}),
    );
    assert_eq!(
        run(&world, &compiled.unwrap()).await.unwrap(),
        [["NULL", "it's", "1e300"]]
    );
}

#[test]
fn all_that_is_wrong_with_parameters_is_told_at_once() {
    let sql = "SELECT COUNT(*) FROM air.members\nWHERE tier = $tier AND tier <> @other";
    let violations = ask(&world(), sql, &json!({"another": 1, "more": 2})).unwrap_err();
    let seen: Vec<_> = violations
        .iter()
        .map(|v| (v.code, v.position.map(|p| (p.line, p.column)), v.message.as_str()))
        .collect();
    let code = ViolationCode::Parameter;
    assert_eq!(
        seen,
        [
            (code, Some((2, 14)), "The parameter tier has no value."),
            (code, Some((2, 32)), "The parameter other has no value."),
            (
                code,
                None,
                "The parameter another has a value, but the text does not name it."
            ),
            (
                code,
                None,
                "The parameter more has a value, but the text does not name it."
            ),
        ]
    );
    let several = told("SELECT $a, $b", &json!({"a": [1, 2], "b": {"c": 1}}));
    assert_eq!(
        several.iter().map(|(code, _)| *code).collect::<Vec<_>>(),
        [code, code]
    );
}

#[test]
fn a_value_is_never_a_name_or_a_list() {
    let one = |sql: &str, value: &Value| told(sql, &json!({ "p": value }))[0].0;
    for (sql, value, code) in [
        (
            "SELECT COUNT(*) FROM $p",
            json!("air.members"),
            ViolationCode::Syntax,
        ),
        (
            "SELECT COUNT(*) FROM @p",
            json!("air.members"),
            ViolationCode::Parameter,
        ),
        (
            "SELECT tier, COUNT(*) FROM air.members GROUP BY $p",
            json!(1),
            ViolationCode::Parameter,
        ),
        (
            "SELECT tier, COUNT(*) FROM air.members GROUP BY tier ORDER BY @p",
            json!(2),
            ViolationCode::Parameter,
        ),
        (
            "SELECT COUNT(*) FROM air.members WHERE email = $p",
            json!("p1@x"),
            ViolationCode::ColumnUse,
        ),
        (
            "SELECT COUNT(*) FROM air.members WHERE email IN ($p)",
            json!("p1@x"),
            ViolationCode::ColumnUse,
        ),
        (
            "SELECT COUNT(*) FROM registry.planes WHERE year = $p",
            json!("x"),
            ViolationCode::InvalidLiteral,
        ),
        (
            "SELECT tier, COUNT(*) FROM air.members GROUP BY tier LIMIT $p",
            json!("2"),
            ViolationCode::ClauseNotSupported,
        ),
        (
            "SELECT tier, COUNT(*) FROM air.members GROUP BY tier LIMIT $p",
            json!(-2),
            ViolationCode::ClauseNotSupported,
        ),
    ] {
        assert_eq!(one(sql, &value), code, "{sql}");
    }
    let injected = ask(
        &world(),
        "SELECT COUNT(*) AS n FROM air.members WHERE tier = $p",
        &json!({"p": "' OR email = 'p1@x"}),
    );
    assert!(injected.unwrap().normalized.contains("'' OR email = ''p1@x'"));
}

#[test]
fn values_count_as_part_of_the_text() {
    let long = "x".repeat(Limits::default().text_bytes);
    let codes = told("SELECT $p", &json!({ "p": long }));
    assert_eq!(codes[0].0, ViolationCode::TooLarge);
    let values = Parameters::from([("p".to_owned(), Parameter::Float(f64::NAN))]);
    let refused = compile("SELECT $p", &values, &world().catalog(C), &Limits::default()).unwrap_err();
    assert_eq!(refused[0].code, ViolationCode::Parameter);
}
