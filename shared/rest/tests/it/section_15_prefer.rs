use datacovey_rest::{Error, Outcome};

use crate::ask::{answer, ask_with, delete, details, fault, header, insert, update};

fn applied(line: &str, prefer: &[&str]) -> Option<String> {
    let with: Vec<_> = prefer.iter().map(|it| ("prefer", *it)).collect();
    let found = answer(line, &with, "{}", &Outcome::default());
    header(&found, "preference-applied").map(str::to_owned)
}

#[test]
fn what_applied_is_reported_in_one_order_by_method() {
    let all = "max-affected=3, timezone=Europe/Paris, handling=strict, count=exact, return=minimal, missing=default, \
               resolution=merge-duplicates";
    let end = "return=minimal, count=exact, handling=strict, timezone=Europe/Paris";
    for (line, expected) in [
        (
            "GET /project",
            "count=exact, handling=strict, timezone=Europe/Paris".to_owned(),
        ),
        (
            "HEAD /project",
            "count=exact, handling=strict, timezone=Europe/Paris".to_owned(),
        ),
        (
            "POST /project",
            format!("resolution=merge-duplicates, missing=default, {end}"),
        ),
        (
            "PATCH /project",
            format!("missing=default, {end}, max-affected=3"),
        ),
        ("PUT /project?id=eq.1", end.to_owned()),
        ("DELETE /project", format!("{end}, max-affected=3")),
    ] {
        assert_eq!(
            applied(line, &[all]).as_deref(),
            Some(expected.as_str()),
            "{line}"
        );
    }
}

#[test]
fn preferences_are_joined_and_compared_exactly() {
    for (prefer, expected) in [
        (
            &["return=minimal", "count=exact"][..],
            Some("return=minimal, count=exact"),
        ),
        (
            &["return=minimal,count=exact"],
            Some("return=minimal, count=exact"),
        ),
        (&["return=minimal, return=representation"], Some("return=minimal")),
        (&["count=EXACT, return=none, count=none"], None),
        (&["tx=commit"], None),
        (&["handling=lenient, foo"], Some("handling=lenient")),
        (&["timezone=Nowhere/Nothing"], None),
        (&["max-affected=3"], None),
        (&["max-affected=x, handling=lenient"], Some("handling=lenient")),
        (&[""], None),
    ] {
        assert_eq!(
            applied("PATCH /project", prefer).as_deref(),
            expected,
            "{prefer:?}"
        );
    }
}

#[test]
fn strict_handling_refuses_what_is_unknown() {
    for (prefer, invalid) in [
        ("handling=strict, foo, bar", Some("foo, bar")),
        ("handling=strict, count=none", Some("count=none")),
        ("return=none, handling=strict", Some("return=none")),
        ("handling=strict, timezone=Nowhere", Some("timezone=Nowhere")),
        ("handling=lenient, handling=strict, foo", None),
        ("handling=strict, tx=rollback, return=minimal", None),
        ("handling=strict, max-affected=1, timezone=UTC", None),
        ("foo", None),
    ] {
        for line in ["GET /project", "POST /project", "DELETE /project"] {
            let found = ask_with(line, &[("prefer", prefer)], "{}");
            match invalid {
                None => assert!(found.is_ok(), "{line} {prefer}"),
                Some(invalid) => {
                    let error = found.map(|it| it.call).expect_err(prefer);
                    assert_eq!(fault(&error), (400, "PGRST122"), "{prefer}");
                    assert_eq!(details(&error), format!("Invalid preferences: {invalid}"));
                }
            }
        }
    }
}

#[test]
fn most_affected_counts_for_strict_updates_and_deletes() {
    let strict = [("prefer", "handling=strict, max-affected=2")];
    assert_eq!(update("PATCH /project", &strict, "{}").max_affected, Some(2));
    assert_eq!(delete("DELETE /project", &strict).max_affected, Some(2));
    assert_eq!(insert("POST /project", &strict, "{}").max_affected, None);
    assert_eq!(
        update("PATCH /project", &[("prefer", "max-affected=2")], "{}").max_affected,
        None
    );
    let error = Error::too_many_affected(2);
    assert_eq!(fault(&error), (400, "PGRST124"));
    assert_eq!(
        error.message,
        "Query result exceeds max-affected preference constraint"
    );
    assert_eq!(details(&error), "The query affects 2 rows");
}
