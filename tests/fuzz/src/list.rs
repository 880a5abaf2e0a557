//! Filters, orders, page tokens and field masks.

use datacovey_error::{ErrorReason, Violation, Violations};
use datacovey_list::{
    Binding, Comparison, Direction, Field, Fields, Filter, Kind, ListRequest, Listing, Order,
    UpdatableFields, Value,
};
use prost_types::FieldMask;
use serde_json::json;

/// A field of each kind, set or not.
pub static FIELDS: Fields = Fields {
    relation: "thing",
    all: &[
        Field::new("id", Kind::Id),
        Field::new("name", Kind::Text),
        Field::optional("note", Kind::Text),
        Field::new("at", Kind::Time),
        Field::optional("on", Kind::Bool).in_column("is_on"),
        Field::new("role", Kind::Word(&[("ADMIN", "Org admin"), ("USER", "User")])),
    ],
    sortable: &["id", "name", "note", "at", "on"],
    key: Field::new("id", Kind::Id),
};

pub const UPDATABLE: UpdatableFields = UpdatableFields {
    mutable: &["name", "description", "schema"],
    immutable: &["id", "create_time"],
};

/// Of a filter, as its grammar bounds it: 33 levels of parentheses or negations, each with a list of AND,
/// one of OR and a negation, and a term.
const MAX_TREE_DEPTH: usize = 33 * 3 + 4;
const MAX_COMPARISONS: usize = 100;

/// What was parsed, or what is wrong with it: never both, never neither.
fn parsed<T>(field: &str, parse: impl FnOnce(&mut Violations) -> Option<T>) -> Result<T, Vec<Violation>> {
    let mut violations = Violations::new();
    let parsed = parse(&mut violations);
    let violations = violations.into_vec();
    assert_eq!(parsed.is_some(), violations.is_empty(), "{violations:?}");
    for violation in &violations {
        assert!(violation.field.starts_with(field), "{violation:?}");
        assert!(!violation.description.is_empty());
        // A violation repeats no more of the request than a person reads.
        assert!(violation.description.len() < 2000, "{violation:?}");
    }
    parsed.ok_or(violations)
}

fn parse_filter(text: &str) -> Result<Filter, Vec<Violation>> {
    parsed("filter", |violations| Filter::parse(text, &FIELDS, violations))
}

/// A filter is of bounded depth and size, means the same when it is printed and read again, and what is
/// wrong with one is said with a place that it has.
pub fn filter(text: &str) {
    match parse_filter(text) {
        Ok(filter) => {
            let (depth, comparisons) = measure(&filter);
            assert!(depth <= MAX_TREE_DEPTH, "{depth}");
            assert!(comparisons <= MAX_COMPARISONS, "{comparisons}");
            let printed = print(&filter);
            // What is printed has more quotes and parentheses, and may therefore be longer or deeper
            // than allowed.
            match parse_filter(&printed) {
                Ok(again) => assert_eq!(again, filter, "{printed}"),
                Err(why) => assert!(is_bound(&why), "{printed}: {why:?}"),
            }
        }
        Err(violations) => {
            let length = text.chars().count();
            for violation in &violations {
                if let Some(at) = place(&violation.description) {
                    assert!((1..=length).contains(&at), "{violation:?}");
                }
            }
        }
    }
}

/// The `7` of "at 7: …".
fn place(description: &str) -> Option<usize> {
    let (at, _) = description.strip_prefix("at ")?.split_once(':')?;
    at.parse().ok()
}

fn is_bound(why: &[Violation]) -> bool {
    why.iter().any(|it| {
        let said = &it.description;
        said.contains("characters") || said.contains("nested deeper")
    })
}

/// How deep a filter is, and how many comparisons it holds.
fn measure(filter: &Filter) -> (usize, usize) {
    let parts = match filter {
        Filter::All(parts) | Filter::Any(parts) => parts.as_slice(),
        Filter::Not(inner) => std::slice::from_ref(&**inner),
        Filter::Compare(..) | Filter::Like(..) | Filter::IsNull(_) => return (1, 1),
    };
    let parts = parts.iter().map(measure);
    let (depth, comparisons) = parts.fold((0, 0), |(deepest, sum), (depth, comparisons)| {
        (deepest.max(depth), sum + comparisons)
    });
    (depth + 1, comparisons)
}

/// A filter in the language that it is read from.
pub fn print(filter: &Filter) -> String {
    match filter {
        Filter::All(parts) if parts.is_empty() => String::new(),
        Filter::All(parts) => {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| match part {
                    // AND is the outermost of its own: one within another was in parentheses.
                    Filter::All(_) => format!("({})", print(part)),
                    _ => print(part),
                })
                .collect();
            parts.join(" AND ")
        }
        Filter::Any(parts) => {
            let parts: Vec<_> = parts.iter().map(print_term).collect();
            parts.join(" OR ")
        }
        _ => print_term(filter),
    }
}

fn print_term(filter: &Filter) -> String {
    match filter {
        Filter::All(_) | Filter::Any(_) => format!("({})", print(filter)),
        Filter::Not(inner) => match &**inner {
            Filter::IsNull(field) => format!("{}:*", field.name),
            inner => format!("NOT {}", print_term(inner)),
        },
        // Nothing but a negation says that a field is not set.
        Filter::IsNull(field) => format!("(NOT {}:*)", field.name),
        Filter::Compare(field, comparison, value) => {
            let sign = match comparison {
                Comparison::Equal => "=",
                Comparison::Less => "<",
                Comparison::LessOrEqual => "<=",
                Comparison::Greater => ">",
                Comparison::GreaterOrEqual => ">=",
            };
            format!("{} {sign} {}", field.name, print_value(field, value))
        }
        Filter::Like(field, pattern) => format!("{} = \"{}\"", field.name, print_pattern(pattern)),
    }
}

fn print_value(field: &Field, value: &Value) -> String {
    match value {
        Value::Id(id) => format!("\"{id}\""),
        Value::Time(at) => format!("\"{}Z\"", at.format("%Y-%m-%dT%H:%M:%S%.f")),
        Value::Bool(is) => is.to_string(),
        Value::Text(text) => match field.kind {
            Kind::Word(words) => {
                let word = words.iter().find(|(_, stored)| stored == text);
                word.map_or_else(String::new, |(word, _)| (*word).to_owned())
            }
            _ => format!("\"{}\"", escaped(text, &['"', '\\', '*'])),
        },
    }
}

/// An SQL pattern as a filter writes it.
fn print_pattern(pattern: &str) -> String {
    let mut printed = String::new();
    let mut chars = pattern.chars();
    while let Some(it) = chars.next() {
        match it {
            '%' => printed.push('*'),
            '\\' => match chars.next() {
                Some('\\') => printed.push_str("\\\\"),
                Some(wild) => printed.push(wild),
                None => unreachable!("a pattern that ends with its escape"),
            },
            '*' => printed.push_str("\\*"),
            '"' => printed.push_str("\\\""),
            _ => printed.push(it),
        }
    }
    printed
}

fn escaped(text: &str, special: &[char]) -> String {
    let escape = |it: char| special.contains(&it).then_some('\\').into_iter().chain([it]);
    text.chars().flat_map(escape).collect()
}

/// An order names each field once and ends somewhere with the key, and reads the same when it is printed.
pub fn order(text: &str) {
    let parse = |text: &str| parsed("order_by", |violations| Order::parse(text, &FIELDS, violations));
    let Ok(order) = parse(text) else { return };
    let terms = order.terms();
    assert!(terms.len() <= FIELDS.all.len());
    assert!(terms.iter().any(|(field, _)| *field == FIELDS.key));
    for (index, (field, _)) in terms.iter().enumerate() {
        assert!(FIELDS.sortable.contains(&field.name));
        assert!(!terms[..index].iter().any(|(other, _)| other == field));
    }
    let printed: Vec<_> = terms
        .iter()
        .map(|(field, direction)| match direction {
            Direction::Ascending => format!("{} asc", field.name),
            Direction::Descending => format!("{} desc", field.name),
        })
        .collect();
    assert_eq!(parse(&printed.join(",")), Ok(order));
}

/// A page token of one request opens for that one, whatever its page size, and for no other; a text that
/// nobody made opens for none.
///
/// Lines: filter, order, another field of the request, and the same three of another request; then the
/// text of the last row, and what may be a token.
pub fn page_token(text: &str) {
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let one = [next(), next(), next()];
    let other = [next(), next(), next()];
    let (row, token) = (next(), next());

    if !token.is_empty() {
        assert_refused(listing(one, 0, token));
    }
    let Ok(first) = listing(one, 1, "") else { return };
    let row = json!({
        "id": "00000000-0000-0000-0000-000000000001", "name": row, "note": null,
        "at": "2026-01-31T10:00:00", "is_on": row.len().is_multiple_of(2), "role": "User",
    });
    let page = first.page(vec![row.clone(), row]).expect("rows are JSON");
    let minted = page.next_page_token;
    assert!(!minted.is_empty() && minted.is_ascii());

    for page_size in [0, 1, 1000] {
        let again = listing(one, page_size, &minted);
        // Longer than any name is, and so than any token that is read.
        if minted.len() > 8192 {
            assert_refused(again);
            continue;
        }
        // The database holds no NUL, and so no row does.
        if text.contains('\0') {
            continue;
        }
        let again = again.expect("a token of the same request");
        assert_ne!(again.filter(), first.filter());
        assert_eq!(again.order(), first.order());
    }
    if other != one && listing(other, 0, "").is_ok() {
        assert_refused(listing(other, 0, &minted));
    }
    let at = text.len() % minted.len();
    let mut changed = minted.into_bytes();
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).expect("ASCII");
    assert_refused(listing(one, 0, &changed));
}

fn listing(
    [filter, order_by, field]: [&str; 3],
    page_size: i32,
    page_token: &str,
) -> Result<Listing, Vec<Violation>> {
    let request = ListRequest {
        filter,
        order_by,
        page_size,
        page_token,
    };
    let binding = Binding::new("ListThings").with("parent", field);
    parsed("", |violations| {
        Listing::parse(&FIELDS, binding, request, violations)
    })
}

fn assert_refused(listing: Result<Listing, Vec<Violation>>) {
    let violations = listing.expect_err("a token of another request");
    assert!(
        violations.iter().any(|it| it.field == "page_token"),
        "{violations:?}"
    );
}

/// A mask is of fields that may change, in whatever order and however often they are named; each path
/// that is none is named by its index.
///
/// A line a path.
pub fn field_mask(text: &str) {
    let paths: Vec<_> = text.split('\n').map(ToOwned::to_owned).collect();
    let parse = |paths: &[String], is_set: bool| {
        let mask = FieldMask {
            paths: paths.to_vec(),
        };
        parsed("update_mask.paths", |violations| {
            UPDATABLE.parse(Some(&mask), |_| is_set, violations)
        })
    };
    let all = text == "*";
    let is_good = |path: &String| UPDATABLE.mutable.contains(&path.as_str());
    match parse(&paths, false) {
        Ok(mask) => {
            for field in UPDATABLE.mutable {
                assert_eq!(
                    mask.contains(field),
                    all || paths.iter().any(|path| path == field)
                );
            }
            for field in UPDATABLE.immutable {
                assert!(!mask.contains(field));
            }
            let reversed: Vec<_> = paths.iter().chain(&paths).rev().cloned().collect();
            if !all {
                assert_eq!(parse(&reversed, true).as_ref(), Ok(&mask));
            }
        }
        Err(violations) => {
            let wrong = paths.iter().enumerate().filter(|(_, path)| !is_good(path));
            let wrong: Vec<_> = wrong
                .map(|(index, _)| format!("update_mask.paths[{index}]"))
                .take(Violations::MAX)
                .collect();
            let named: Vec<_> = violations.iter().map(|it| it.field.clone()).collect();
            assert_eq!(named, wrong);
            let reason = ErrorReason::InvalidMask.as_str_name();
            assert!(
                violations
                    .iter()
                    .all(|it| reason.ends_with(&it.reason) && !it.reason.is_empty())
            );
        }
    }
}
