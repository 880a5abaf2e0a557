use datacovey_rest::{Body, Media, Outcome};

use crate::ask::{answer, header, show, update};

#[test]
fn values_are_those_of_one_object() {
    for (line, body, values, columns) in [
        (
            "PATCH /project?id=eq.1",
            "{\"name\":\"a\"}",
            "{\"name\":\"a\"}",
            &["name"][..],
        ),
        (
            "PATCH /project",
            "[{\"name\":\"a\"},{\"name\":\"b\"}]",
            "{\"name\":\"a\"}",
            &["name"],
        ),
        ("PATCH /project", "{}", "{}", &[]),
        ("PATCH /project", "[]", "", &[]),
        (
            "PATCH /project?columns=name",
            "{\"name\":1,\"x\":2}",
            "{\"name\":1,\"x\":2}",
            &["name"],
        ),
    ] {
        let request = update(line, &[], body);
        assert_eq!(request.values, values, "{line} {body}");
        assert_eq!(request.columns, columns, "{line} {body}");
    }
}

#[test]
fn filters_say_which_rows() {
    assert!(update("PATCH /project", &[], "{}").filter.is_none());
    let request = update(
        "PATCH /project?id=eq.1&or=(name.eq.a)&limit=1&offset=2",
        &[("range", "0-1")],
        "{}",
    );
    assert_eq!(show(&request.filter.unwrap()), "and(id eq <1>, or(name eq <a>))");
}

#[test]
fn answers() {
    for (prefer, rows, status, range) in [
        ("", 2, 204, "0-1/*"),
        ("", 0, 204, "*/*"),
        ("return=minimal", 1, 204, "0-0/*"),
        ("return=headers-only", 1, 204, "0-0/*"),
        ("count=exact", 2, 204, "0-1/2"),
        ("count=exact", 0, 204, "*/0"),
        ("return=representation", 2, 200, "0-1/*"),
        ("return=representation", 0, 200, "*/*"),
    ] {
        let outcome = Outcome {
            rows,
            ..Outcome::default()
        };
        let found = answer("PATCH /project", &[("prefer", prefer)], "{}", &outcome);
        assert_eq!(found.status.as_u16(), status, "{prefer} {rows}");
        assert_eq!(header(&found, "content-range"), Some(range), "{prefer} {rows}");
        assert_eq!(found.body == Body::Rows(Media::Json), status == 200);
    }
}

#[test]
fn one_object_is_one_row_whatever_is_returned() {
    let accept = ("accept", "application/vnd.pgrst.object+json");
    assert!(update("PATCH /project", &[accept, ("prefer", "return=minimal")], "{}").singular);
    assert!(!update("PATCH /project", &[], "{}").singular);
}
