use bytes::BytesMut;
use datacovey_proto::internal::rows::v1::RowFormat;
use datacovey_rest::{Body, Error, Media, Outcome, RowWriter, Rows};

use crate::ask::{answer, ask_with, details, fault, header, rows};

#[test]
fn the_first_type_that_there_is_is_used() {
    let json = "application/json; charset=utf-8";
    let object = "application/vnd.pgrst.object+json; charset=utf-8";
    for (accept, expected) in [
        ("", json),
        ("*/*", json),
        ("application/json", json),
        ("Application/JSON", json),
        ("application/json; charset=utf-8", json),
        ("application/vnd.pgrst.array+json", json),
        ("application/vnd.pgrst.array", json),
        ("application/vnd.pgrst.object+json", object),
        ("application/vnd.pgrst.object", object),
        (
            "application/vnd.pgrst.array+json;nulls=stripped",
            "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8",
        ),
        (
            "application/vnd.pgrst.object+json; nulls=stripped",
            "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8",
        ),
        ("text/csv", "text/csv; charset=utf-8"),
        ("text/csv;q=0.5, application/json", json),
        ("application/json;q=0.5, text/csv", "text/csv; charset=utf-8"),
        ("*/*, text/csv", "text/csv; charset=utf-8"),
        ("text/html, text/csv", "text/csv; charset=utf-8"),
        (
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            json,
        ),
    ] {
        let found = answer("GET /project", &[("accept", accept)], "", &Outcome::default());
        assert_eq!(header(&found, "content-type"), Some(expected), "{accept}");
    }
    let found = answer("GET /project", &[], "", &Outcome::default());
    assert_eq!(found.body, Body::Rows(Media::Json));
}

#[test]
fn other_types_are_406() {
    for accept in [
        "text/*",
        "application/*",
        "text/html",
        "application/vnd.pgrst.plan",
        "application/vnd.pgrst.plan+json; for=\"application/json\"",
        "application/openapi+json",
    ] {
        for line in ["GET /project", "POST /project"] {
            let error = ask_with(line, &[("accept", accept)], "{}")
                .map(|it| it.call)
                .expect_err(accept);
            assert_eq!(fault(&error), (406, "PGRST107"), "{accept}");
        }
    }
    let error = ask_with("GET /project", &[("accept", "a/b, c/d")], "").unwrap_err();
    assert_eq!(error.message, "None of these media types are available: a/b, c/d");
    let error = ask_with("GET /project", &[("accept", "application/geo+json")], "").unwrap_err();
    assert_eq!(fault(&error), (404, "42883"));
}

#[test]
fn the_root_has_a_type_of_its_own() {
    for accept in [
        "application/openapi+json",
        "application/json",
        "*/*",
        "",
        "text/html, */*;q=0.1",
    ] {
        let plan = ask_with("GET /", &[("accept", accept)], "").unwrap();
        let found = plan.answering.answer_document(&serde_json::json!({"a": 1}));
        assert_eq!(
            header(&found, "content-type"),
            Some("application/openapi+json; charset=utf-8")
        );
        assert_eq!(found.body, Body::Whole("{\"a\":1}".into()));
    }
    let error = ask_with("GET /", &[("accept", "text/csv")], "").unwrap_err();
    assert_eq!(fault(&error), (406, "PGRST107"));
}

#[test]
fn formats_are_asked_of_the_service() {
    for (accept, format, singular) in [
        ("*/*", RowFormat::Json, false),
        ("application/vnd.pgrst.object", RowFormat::Json, true),
        (
            "application/vnd.pgrst.array;nulls=stripped",
            RowFormat::JsonStripped,
            false,
        ),
        (
            "application/vnd.pgrst.object;nulls=stripped",
            RowFormat::JsonStripped,
            true,
        ),
        ("text/csv", RowFormat::Csv, false),
    ] {
        match rows("GET /project", &[("accept", accept)], "") {
            Rows::Select(it) => assert_eq!((it.format(), it.singular), (format, singular), "{accept}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_object_is_one_row() {
    let error = Error::not_singular(0);
    assert_eq!(fault(&error), (406, "PGRST116"));
    assert_eq!(error.message, "Cannot coerce the result to a single JSON object");
    assert_eq!(details(&error), "The result contains 0 rows");
}

#[test]
fn rows_are_written_one_after_another() {
    let columns = ["id".to_owned(), "name".to_owned()];
    for (media, all, expected) in [
        (
            Media::Json,
            &["{\"a\":1}", "{\"a\":2}"][..],
            "[{\"a\":1}, \n {\"a\":2}]",
        ),
        (Media::JsonStripped, &["{}"], "[{}]"),
        (Media::Json, &[], "[]"),
        (Media::Object, &["{\"a\":1}"], "{\"a\":1}"),
        (Media::ObjectStripped, &["{}"], "{}"),
        (Media::Csv, &["1,a", "2,\"b c\""], "id,name\n1,a\n2,\"b c\""),
        (Media::Csv, &[], "\n"),
    ] {
        let mut writer = RowWriter::new(media, &columns);
        let mut body = BytesMut::new();
        for row in all {
            writer.row(row.as_bytes(), &mut body);
        }
        writer.end(&mut body);
        assert_eq!(body, expected, "{media:?}");
    }
}
