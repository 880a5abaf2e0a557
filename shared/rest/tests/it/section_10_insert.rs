use datacovey_proto::internal::rows::v1::MissingColumns;
use datacovey_rest::{Body, Media, Outcome};

use crate::ask::{answer, ask_with, fault, header, insert, show_selections};

fn rows(kind: &str, body: &str) -> (Vec<String>, Vec<String>) {
    let with: &[_] = if kind.is_empty() {
        &[]
    } else {
        &[("content-type", kind)]
    };
    let request = insert("POST /project", with, body);
    let rows = request
        .rows
        .iter()
        .map(|it| String::from_utf8(it.to_vec()).unwrap());
    (rows.collect(), request.columns)
}

#[test]
fn json_is_split_into_rows_that_stay_as_they_are() {
    for (body, expected, columns) in [
        ("{\"name\":\"a\"}", &["{\"name\":\"a\"}"][..], &["name"][..]),
        (
            "[{\"name\": 1 } , {\"name\":9007199254740993.10}]",
            &["{\"name\": 1 }", "{\"name\":9007199254740993.10}"],
            &["name"],
        ),
        (
            "[{\"id\":1,\"name\":2},{\"name\":3,\"id\":4}]",
            &["{\"id\":1,\"name\":2}", "{\"name\":3,\"id\":4}"],
            &["id", "name"],
        ),
        (" \n[ ]", &[], &[]),
        ("{}", &["{}"], &[]),
        ("\"text\"", &[], &[]),
        ("12", &[], &[]),
        ("null", &[], &[]),
        ("true", &[], &[]),
        ("{\"name\":1,\"name\":2}", &["{\"name\":1,\"name\":2}"], &["name"]),
    ] {
        let (found, keys) = rows("", body);
        assert_eq!(found, expected, "{body}");
        assert_eq!(keys, columns, "{body}");
        assert_eq!(
            rows("application/json; charset=utf-8", body).0,
            expected,
            "{body}"
        );
        assert_eq!(rows("APPLICATION/JSON", body).0, expected, "{body}");
    }
}

#[test]
fn bodies_that_cannot_be_read_are_refused() {
    let json = "Empty or invalid json";
    let keys = "All object keys must match";
    let lines = "All lines must have same number of fields";
    for (kind, body, message) in [
        ("", "", json),
        ("", "{", json),
        ("", "{\"name\":1}x", json),
        ("", "[{\"name\":1},]", json),
        ("", "{name:1}", json),
        ("", "{\"name\":\"\u{1}\"}", json),
        ("", "[1]", keys),
        ("", "[{\"name\":1},2]", keys),
        ("", "[{\"name\":1},{}]", keys),
        ("", "[{\"name\":1},{\"id\":1}]", keys),
        ("", "[[]]", keys),
        ("text/csv", "", "Empty or invalid csv"),
        ("text/csv", "\r\n", "Empty or invalid csv"),
        ("text/csv", "name,id\na", lines),
        ("text/csv", "name\na,b", lines),
        ("text/plain", "a", "Content-Type not acceptable: text/plain"),
        (
            "application/xml; x=y",
            "a",
            "Content-Type not acceptable: application/xml",
        ),
    ] {
        let with: &[_] = if kind.is_empty() {
            &[]
        } else {
            &[("content-type", kind)]
        };
        let error = ask_with("POST /project", with, body)
            .map(|it| it.call)
            .expect_err(body);
        assert_eq!(fault(&error), (400, "PGRST102"), "{body}");
        assert_eq!(error.message, message, "{body}");
    }
}

#[test]
fn deep_json_is_an_answer() {
    let deep = format!("{{\"name\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(rows("", &deep).0.len(), 1);
}

#[test]
fn csv_and_forms_become_rows_of_texts() {
    for (kind, body, expected) in [
        (
            "text/csv",
            "name,description\na,b\n",
            &["{\"name\":\"a\",\"description\":\"b\"}"][..],
        ),
        (
            "text/csv",
            "name\r\na\r\nb",
            &["{\"name\":\"a\"}", "{\"name\":\"b\"}"],
        ),
        (
            "text/csv",
            "name,description\nNULL,\n",
            &["{\"name\":null,\"description\":\"\"}"],
        ),
        (
            "text/csv; charset=utf-8",
            "name\n\"a,\"\"b\"\"\"\n",
            &["{\"name\":\"a,\\\"b\\\"\"}"],
        ),
        ("text/csv", "name\n", &[]),
        (
            "application/x-www-form-urlencoded",
            "name=a+b%26&description=",
            &["{\"name\":\"a b&\",\"description\":\"\"}"],
        ),
    ] {
        assert_eq!(rows(kind, body).0, expected, "{body}");
    }
    assert_eq!(rows("text/csv", "name,description\n").1, ["description", "name"]);
}

#[test]
fn keys_must_be_columns() {
    for (line, body) in [
        ("POST /project", "{\"nope\":1}"),
        ("POST /project?columns=nope", "{\"name\":1}"),
        ("PATCH /project", "{\"nope\":1}"),
        ("PUT /project?id=eq.1", "{\"nope\":1}"),
    ] {
        let error = ask_with(line, &[], body).map(|it| it.call).expect_err(line);
        assert_eq!(fault(&error), (400, "PGRST204"), "{line}");
        assert_eq!(
            error.message,
            "Could not find the 'nope' column of 'project' in the schema cache"
        );
    }
}

#[test]
fn named_columns_are_the_ones_used() {
    let body = "[{\"name\":1,\"x\":2},{}]";
    let request = insert("POST /project?columns=name,%22description%22", &[], body);
    assert_eq!(request.columns, ["description", "name"]);
    assert_eq!(request.rows.len(), 2);
    assert_eq!(request.missing(), MissingColumns::Unspecified);
    let request = insert(
        "POST /project?columns=name",
        &[("prefer", "missing=default")],
        body,
    );
    assert_eq!(request.missing(), MissingColumns::Default);
    for (body, code) in [("1", "22023"), ("[1]", "22023"), ("{", "22P02"), ("", "22P02")] {
        let error = ask_with("POST /project?columns=name", &[], body)
            .map(|it| it.call)
            .expect_err(body);
        assert_eq!(fault(&error), (400, code), "{body}");
    }
}

#[test]
fn filters_of_an_insert_are_read_and_not_used() {
    assert!(insert("POST /project?id=eq.1", &[], "{}").only.is_none());
    assert!(ask_with("POST /project?id=1", &[], "{}").is_err());
}

#[test]
fn answers() {
    let one = Outcome {
        rows: 1,
        inserted: 1,
        key: Some("5b0c".to_owned()),
        ..Outcome::default()
    };
    for (prefer, location, has_body) in [
        ("", None, false),
        ("return=minimal", None, false),
        ("return=none", None, false),
        ("return=headers-only", Some("/project?id=eq.5b0c"), false),
        ("return=representation", None, true),
    ] {
        let found = answer("POST /project", &[("prefer", prefer)], "{}", &one);
        assert_eq!(found.status.as_u16(), 201, "{prefer}");
        assert_eq!(header(&found, "location"), location, "{prefer}");
        assert_eq!(header(&found, "content-range"), Some("*/*"));
        assert_eq!(found.body == Body::Rows(Media::Json), has_body, "{prefer}");
        assert_eq!(header(&found, "content-type").is_some(), has_body, "{prefer}");
    }
    let two = Outcome {
        rows: 2,
        ..one.clone()
    };
    let headers_only = [("prefer", "return=headers-only, count=exact")];
    let found = answer("POST /project", &headers_only, "[]", &two);
    assert_eq!(header(&found, "location"), None);
    assert_eq!(header(&found, "content-range"), Some("*/2"));
    let found = answer("POST /dataset_history", &headers_only, "{}", &one);
    assert_eq!(header(&found, "location"), None);
}

#[test]
fn what_is_returned_is_selected() {
    let request = insert(
        "POST /project?select=id",
        &[("prefer", "return=representation")],
        "{}",
    );
    assert_eq!(show_selections(&request.returning), "id");
    assert!(insert("POST /project?select=id", &[], "{}").returning.is_empty());
}

#[test]
fn bodies_are_bounded() {
    let many = format!("[{}]", vec!["{}"; 100_001].join(","));
    let error = ask_with("POST /project", &[], &many).unwrap_err();
    assert_eq!(fault(&error), (400, "PGRST102"));
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(16 << 20));
    let error = ask_with("POST /project", &[], &large).unwrap_err();
    assert_eq!(error.status.as_u16(), 413);
}
