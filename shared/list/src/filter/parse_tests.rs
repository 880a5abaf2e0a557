use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::field::Value;

const FIELDS: Fields = Fields {
    relation: "thing",
    all: &[
        Field::new("id", Kind::Id),
        Field::new("name", Kind::Text),
        Field::optional("note", Kind::Text),
        Field::new("at", Kind::Time),
        Field::new("on", Kind::Bool),
        Field::new("role", Kind::Word(&[("ADMIN", "Org admin"), ("USER", "User")])),
    ],
    sortable: &["id", "name"],
    key: Field::new("id", Kind::Id),
};

fn read(text: &str) -> Result<Filter, Vec<String>> {
    let mut violations = Violations::new();
    let filter = Filter::parse(text, &FIELDS, &mut violations);
    let wrong: Vec<_> = violations
        .into_vec()
        .into_iter()
        .map(|it| it.description)
        .collect();
    assert_eq!(filter.is_some(), wrong.is_empty());
    filter.ok_or(wrong)
}

/// A filter in short: what reads alike is alike.
fn short(text: &str) -> String {
    fn of(filter: &Filter) -> String {
        let list = |parts: &[Filter], between: &str| {
            let parts: Vec<_> = parts.iter().map(of).collect();
            format!("({})", parts.join(between))
        };
        match filter {
            Filter::All(parts) => list(parts, " & "),
            Filter::Any(parts) => list(parts, " | "),
            Filter::Not(inner) => format!("!{}", of(inner)),
            Filter::Compare(field, comparison, value) => {
                let sign = match comparison {
                    Comparison::Equal => "=",
                    Comparison::Less => "<",
                    Comparison::LessOrEqual => "<=",
                    Comparison::Greater => ">",
                    Comparison::GreaterOrEqual => ">=",
                };
                let value = match value {
                    Value::Id(it) => it.to_string(),
                    Value::Text(it) => it.clone(),
                    Value::Time(it) => it.to_string(),
                    Value::Bool(it) => it.to_string(),
                };
                format!("{}{sign}{value}", field.name)
            }
            Filter::Like(field, pattern) => format!("{}~{pattern}", field.name),
            Filter::IsNull(field) => format!("{} null", field.name),
        }
    }
    of(&read(text).unwrap())
}

#[test]
fn terms() {
    for (text, meaning) in [
        ("", "()"),
        ("  ", "()"),
        ("name = a", "name=a"),
        ("name=\"a b\"", "name=a b"),
        ("name='a \"b\"'", "name=a \"b\""),
        (r#"name="a\"b""#, "name=a\"b"),
        ("name != a", "!name=a"),
        ("name > a", "name>a"),
        ("on = true", "on=true"),
        ("role = ADMIN", "role=Org admin"),
        ("at >= \"2026-01-31T10:00:00+02:00\"", "at>=2026-01-31 08:00:00"),
        ("at < 2026-01-31", "at<2026-01-31 00:00:00"),
        ("note:*", "!note null"),
        ("-note:*", "!!note null"),
        ("name:\"50%_\"", r"name~%50\%\_%"),
        ("name = \"a*\"", "name~a%"),
        ("name != *b", "!name~%b"),
        (r#"name = "a\*""#, "name=a*"),
        (r#"name = "*\*\\""#, r"name~%*\\"),
    ] {
        assert_eq!(short(text), meaning, "{text}");
    }
}

#[test]
fn or_binds_closer_than_and() {
    for (text, meaning) in [
        ("name=a AND name=b OR name=c", "(name=a & (name=b | name=c))"),
        ("name=a name=b", "(name=a & name=b)"),
        ("(name=a name=b) OR name=c", "((name=a & name=b) | name=c)"),
        ("NOT name=a OR name=b", "(!name=a | name=b)"),
        ("NOT (name=a OR -on=true)", "!(name=a | !on=true)"),
        ("name=a AND NOT on=true", "(name=a & !on=true)"),
    ] {
        assert_eq!(short(text), meaning, "{text}");
    }
}

#[test]
fn what_is_no_filter_is_said_with_its_place() {
    for (text, why) in [
        (
            "name",
            "at 1: a comparator (= != < <= > >= :) is expected after \"name\"",
        ),
        (
            "name =",
            "at 1: a value is expected after \"=\"; put texts in quotes",
        ),
        ("name = \"a", "at 8: the quotation does not end"),
        ("(name = a", "at 1: the parenthesis is not closed"),
        ("name = a)", "at 9: a parenthesis closes that was not opened"),
        ("name = a AND", "ends where a term is expected"),
        ("OR name = a", "at 1: a field, NOT or a parenthesis is expected"),
        ("name ! a", "at 6: \"!\" stands in \"!=\" alone; NOT negates"),
        (
            "name = a, id = b",
            "at 9: ',' is no part of a filter; put texts in quotes",
        ),
    ] {
        assert_eq!(read(text).unwrap_err(), [why], "{text}");
    }
}

#[test]
fn every_wrong_term_is_named() {
    let wrong = read("nmae = a AND id = 7 AND (at = now OR on = 1) role = BOSS AND role > USER").unwrap_err();
    assert_eq!(
        wrong,
        [
            "at 1: there is no field \"nmae\"; those that there are: id, name, note, at, on, role",
            "at 14: id takes a UUID",
            "at 26: at takes a time as in \"2026-01-31T10:00:00Z\"",
            "at 38: on takes true or false",
            "at 46: role takes one of ADMIN, USER",
            "at 62: role has no order; compare it with = or !=",
        ]
    );
}

#[test]
fn length_depth_and_number_are_bounded() {
    let says = |text: String, part: &str| {
        let wrong = read(&text).unwrap_err();
        assert!(wrong[0].contains(part), "{wrong:?}");
    };
    says(format!("name = {}", "a".repeat(5000)), "characters");
    says(format!("{}on=true{}", "(".repeat(50), ")".repeat(50)), "nested");
    says(format!("{}on=true", "-".repeat(50)), "nested");
    says("on=true ".repeat(101), "comparisons");
    assert!(read(&"on=true ".repeat(100)).is_ok());
    let id = Uuid::nil();
    assert_eq!(short(&format!("id={id}")), format!("id={id}"));
}

proptest! {
    #[test]
    fn any_text_is_a_filter_or_a_violation(text in "(?s).{0,60}") {
        let _ = read(&text);
    }

    #[test]
    fn any_words_are_a_filter_or_a_violation(
        words in prop::collection::vec(
            prop::sample::select(vec!["(", ")", "AND", "OR", "NOT", "-", "name", "at", "=", ":", "<", "*", "\"a\"", "2026-01-01"]),
            0..20,
        )
    ) {
        let _ = read(&words.join(" "));
    }

    #[test]
    fn a_quoted_text_means_itself(text in "[^\0]{0,30}") {
        let quoted: String = text
            .chars()
            .flat_map(|it| matches!(it, '"' | '\\' | '*').then_some('\\').into_iter().chain([it]))
            .collect();
        let filter = read(&format!("name = \"{quoted}\"")).unwrap();
        prop_assert_eq!(filter, Filter::Compare(FIELDS.all[1], Comparison::Equal, Value::Text(text)));
    }
}
