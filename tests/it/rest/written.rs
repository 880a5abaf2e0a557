//! The ways in which rows are written: CSV, forms, rows that may be there, and one that shall be.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Caller, id, names, send, send_text};

const CSV: (&str, &str) = ("content-type", "text/csv");
const RETURNED: (&str, &str) = ("prefer", "return=representation");
const MERGED: (&str, &str) = ("prefer", "resolution=merge-duplicates,return=representation");

#[tokio::test(flavor = "multi_thread")]
async fn csv_goes_in_and_comes_out() {
    let caller = Caller::new("Csv").await;
    let (token, own) = (Some(caller.token.as_str()), &caller.tenant);
    let rows = format!(
        "tenant_id,name,description\r\n{own},\"a, \"\"b\"\"\",NULL\r\n{own},c,\r\n{own},\"d\",\"two\nlines \\ ü\"\r\n"
    );
    let path = "POST /project?select=name,description&order=name";
    let csv = [CSV, RETURNED, ("accept", "text/csv")];
    let made = send_text(token, path, &csv, rows.clone()).await;
    let expected = "name,description\n\"a, \"\"b\"\"\",\nc,\"\"\nd,\"two\nlines \\\\ ü\"";
    assert_eq!(
        (made.status, made.header("content-type"), &*made.body),
        (
            StatusCode::CREATED,
            "text/csv; charset=utf-8",
            expected.as_bytes()
        )
    );
    let found = caller
        .get("/project?select=name,description&order=name", &[])
        .await;
    assert_eq!(
        found.json(),
        json!([
            {"name": "a, \"b\"", "description": null},
            {"name": "c", "description": ""},
            {"name": "d", "description": "two\nlines \\ ü"},
        ])
    );
    let none = caller
        .get("/project?select=name&name=eq.z", &[("accept", "text/csv")])
        .await;
    assert_eq!((none.status, &*none.body), (StatusCode::OK, &b"\n"[..]));

    // One row that is wrong, and none is written.
    for (rows, status, code) in [
        (format!("tenant_id,name\n{own},e\n{own}\n"), 400, "PGRST102"),
        (format!("tenant_id,nope\n{own},e\n"), 400, "PGRST204"),
        (format!("tenant_id,name\n{own},e\nx,f\n"), 400, "22P02"),
        (format!("tenant_id,name\n{own},e\n{own}, \n"), 400, "23514"),
        (format!("tenant_id,name\n{own},e\n{own},NULL\n"), 400, "23502"),
        (String::new(), 400, "PGRST102"),
    ] {
        let answer = send_text(token, "POST /project", &[CSV], rows.clone()).await;
        assert_eq!(
            answer.refused(),
            (status, code.to_owned()),
            "{rows:?}: {answer:?}"
        );
    }
    let answer = send_text(token, "POST /project", &[("content-type", "text/plain")], rows).await;
    assert_eq!(answer.refused(), (400, "PGRST102".to_owned()));
    let found = caller.get("/project?select=name&order=name", &[]).await;
    assert_eq!(names(&found), ["a, \"b\"", "c", "d"]);

    // A form is one row.
    let form = [("content-type", "application/x-www-form-urlencoded"), RETURNED];
    let made = send_text(
        token,
        "POST /project",
        &form,
        format!("tenant_id={own}&name=of+a%20form"),
    )
    .await;
    assert_eq!(
        (made.status, names(&made)),
        (StatusCode::CREATED, vec!["of a form".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_may_be_there_are_merged_or_left() {
    let caller = Caller::new("Merger").await;
    let (token, own) = (Some(caller.token.as_str()), &caller.tenant);
    let there = json!({"name": "there", "description": "first"});
    let there = caller.insert("project", there).await;
    let row = |id: &str, name: &str| json!({"id": id, "tenant_id": own, "name": name});
    let (key, fresh) = (id(&there), Uuid::now_v7().to_string());

    // What is not given is kept.
    let merged = send(token, "POST /project", &[MERGED], Some(&row(&key, "renamed"))).await;
    assert_eq!(merged.status, StatusCode::OK, "{merged:?}");
    assert_eq!(
        merged.header("preference-applied"),
        "resolution=merge-duplicates, return=representation"
    );
    let mut expected = there.clone();
    expected["name"] = json!("renamed");
    assert_eq!(merged.json(), json!([expected]));

    let left = [("prefer", "resolution=ignore-duplicates,return=representation")];
    let rows = json!([row(&key, "again"), row(&fresh, "fresh")]);
    let left = send(token, "POST /project", &left, Some(&rows)).await;
    assert_eq!(
        (left.status, names(&left)),
        (StatusCode::CREATED, vec!["fresh".to_owned()])
    );

    // Neither changes what never does, nor goes around the rules.
    let stranger = Caller::new("Not asked").await;
    let moved = json!({"id": key, "tenant_id": stranger.tenant, "name": "moved"});
    let later = json!({"id": key, "tenant_id": own, "name": "later", "created_at": "2030-01-01"});
    for (line, rows, status, code) in [
        ("POST /project", moved, 400, "23514"),
        ("POST /project", later, 400, "23514"),
        ("POST /project", row(&key, " "), 400, "23514"),
        (
            "POST /project",
            json!([row(&fresh, "x"), row(&key, " ")]),
            400,
            "23514",
        ),
        (
            "POST /project",
            json!([row(&fresh, "x"), row(&fresh, "y")]),
            500,
            "21000",
        ),
        ("POST /project?on_conflict=name", row(&key, "x"), 400, "42P10"),
        ("POST /project?on_conflict=nope", row(&key, "x"), 400, "42703"),
    ] {
        let answer = send(token, line, &[MERGED], Some(&rows)).await;
        assert_eq!(
            answer.refused(),
            (status, code.to_owned()),
            "{line} {rows}: {answer:?}"
        );
    }
    let answer = caller
        .write("POST /project?on_conflict=id", &row(&key, "x"))
        .await;
    assert_eq!(answer.refused(), (409, "23505".to_owned()));
    let found = caller.get("/project?select=name&order=name", &[]).await;
    assert_eq!(names(&found), ["fresh", "renamed"]);
    assert_eq!(stranger.get("/project", &[]).await.json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_makes_a_row_what_it_is_to_be() {
    let caller = Caller::new("Putter").await;
    let key = Uuid::now_v7().to_string();
    let row = |name: &str| json!({"id": key, "tenant_id": caller.tenant, "name": name});
    let line = format!("PUT /project?id=eq.{key}");

    let made = caller.write(&line, &row("made")).await;
    assert_eq!(
        (made.status, names(&made)),
        (StatusCode::CREATED, vec!["made".to_owned()])
    );
    let again = caller.write(&line, &json!([row("again")])).await;
    assert_eq!(
        (again.status, names(&again)),
        (StatusCode::OK, vec!["again".to_owned()])
    );
    assert_eq!(
        (again.header("content-range"), again.header("location")),
        ("", "")
    );
    let silent = send(Some(&caller.token), &line, &[], Some(&row("silent"))).await;
    assert_eq!((silent.status, silent.body.len()), (StatusCode::NO_CONTENT, 0));

    let other = Uuid::now_v7();
    let without_key = json!({"tenant_id": caller.tenant, "name": "x"});
    for (line, row, status, code) in [
        ("PUT /project".to_owned(), row("x"), 405, "PGRST105"),
        (format!("PUT /project?id=gt.{key}"), row("x"), 405, "PGRST105"),
        (format!("{line}&name=eq.x"), row("x"), 405, "PGRST105"),
        (format!("{line}&limit=1"), row("x"), 400, "PGRST114"),
        (format!("PUT /project?id=eq.{other}"), row("x"), 400, "PGRST115"),
        (line.clone(), json!([row("x"), row("y")]), 500, "21000"),
        (line.clone(), without_key, 400, "42703"),
        (line.clone(), row(" "), 400, "23514"),
        (
            "PUT /dataset_history?id=eq.x".to_owned(),
            Value::Null,
            405,
            "PGRST105",
        ),
    ] {
        let answer = caller.write(&line, &row).await;
        assert_eq!(
            answer.refused(),
            (status, code.to_owned()),
            "{line} {row}: {answer:?}"
        );
    }
    let found = caller.get("/project?select=id,name", &[]).await;
    assert_eq!(found.json(), json!([{"id": key, "name": "silent"}]));
}
