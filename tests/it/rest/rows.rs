//! Rows that are found, written and read again.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Caller, id, names, send};

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_found_by_filter_in_order_and_by_page() {
    let caller = Caller::new("Reader").await;
    let stranger = Caller::new("Stranger").await;
    let rows = ["a", "b", "c"].map(|it| json!({"name": it, "tenant_id": caller.tenant}));
    let made = caller.write("POST /project", &json!(rows)).await;
    assert_eq!((made.status, names(&made).len()), (StatusCode::CREATED, 3));

    let found = caller
        .get("/project?name=in.(a,c)&select=name&order=name.desc", &[])
        .await;
    assert_eq!(names(&found), ["c", "a"]);
    assert_eq!(found.header("content-range"), "0-1/*");

    let range = [("range", "1-1"), ("prefer", "count=exact")];
    let found = caller.get("/project?select=name&order=name", &range).await;
    assert_eq!(
        (found.status, names(&found)),
        (StatusCode::PARTIAL_CONTENT, vec!["b".to_owned()])
    );
    assert_eq!(found.header("content-range"), "1-1/3");
    let count = [("prefer", "count=exact")];
    let beyond = caller.get("/project?offset=9", &count).await;
    assert_eq!(beyond.refused(), (416, "PGRST103".to_owned()));

    let single = [("accept", "application/vnd.pgrst.object+json")];
    let found = caller.get("/project?select=name&name=eq.b", &single).await;
    assert_eq!(found.json(), json!({"name": "b"}));
    let several = caller.get("/project?select=name", &single).await;
    assert_eq!(several.refused(), (406, "PGRST116".to_owned()));

    let csv = caller
        .get(
            "/project?select=name,description&order=name&limit=2",
            &[("accept", "text/csv")],
        )
        .await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.body, "name,description\na,\nb,");

    // Whoever has nothing to do with them sees nothing and changes nothing.
    assert_eq!(stranger.get("/project", &[]).await.json(), json!([]));
    let changed = stranger
        .write("PATCH /project?name=eq.a", &json!({"name": "mine"}))
        .await;
    assert_eq!((changed.status, changed.json()), (StatusCode::OK, json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_written_merged_and_removed() {
    let caller = Caller::new("Writer").await;
    let project = caller.project("first").await;
    let fresh = Uuid::now_v7().to_string();

    let merge = [("prefer", "resolution=merge-duplicates,return=representation")];
    let rows = json!([
        {"id": project, "tenant_id": caller.tenant, "name": "merged"},
        {"id": fresh, "tenant_id": caller.tenant, "name": "new"},
    ]);
    let merged = send(Some(&caller.token), "POST /project", &merge, Some(&rows)).await;
    assert_eq!(merged.status, StatusCode::CREATED);
    let mut found = names(&merged);
    found.sort();
    assert_eq!(found, ["merged", "new"]);
    let again = send(Some(&caller.token), "POST /project", &merge, Some(&rows)).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");

    let one = json!({"id": fresh, "tenant_id": caller.tenant, "name": "put"});
    let put = caller.write(&format!("PUT /project?id=eq.{fresh}"), &one).await;
    assert_eq!(
        (put.status, names(&put)),
        (StatusCode::OK, vec!["put".to_owned()])
    );

    let changed = caller
        .write("PATCH /project?name=eq.put", &json!({"description": "kept"}))
        .await;
    assert_eq!(changed.json()[0]["description"], "kept");
    let headers = [("prefer", "return=headers-only")];
    let row = json!({"tenant_id": caller.tenant, "name": "located"});
    let made = send(Some(&caller.token), "POST /project", &headers, Some(&row)).await;
    assert_eq!((made.status, made.body.len()), (StatusCode::CREATED, 0));
    let at = made.header("location").to_owned();
    assert_eq!(names(&caller.get(&at, &[]).await), ["located"]);

    let gone = send(Some(&caller.token), &format!("DELETE {at}"), &[], None).await;
    assert_eq!((gone.status, gone.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(caller.get(&at, &[]).await.json(), json!([]));
    let gone = send(
        Some(&caller.token),
        &format!("DELETE /project?id=in.({project},{fresh})&select=name&order=name"),
        &[("prefer", "return=representation,count=exact")],
        None,
    )
    .await;
    assert_eq!(
        (gone.header("content-range"), names(&gone)),
        ("*/2", vec!["merged".to_owned(), "put".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn relations_of_all_services_are_shown_together() {
    let caller = Caller::new("Embedder").await;
    let project = caller.project("fleet").await;
    let dataset = id(&caller
        .insert("dataset", json!({"project_id": project, "name": "air"}))
        .await);
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let table = json!({"dataset_id": dataset, "name": "planes", "schema": schema});
    let table = caller.insert("table", table).await;
    assert_eq!(table["schema"], schema);
    let query = json!({"project_id": project, "query_text": "SELECT 1"});
    let query = id(&caller.insert("query", query).await);

    let path = format!(
        "/project?id=eq.{project}&select=name,dataset(name,table(name,kind:schema-%3E%3Etype)),query(id)"
    );
    let expected = json!([{
        "name": "fleet",
        "dataset": [{"name": "air", "table": [{"name": "planes", "kind": "object"}]}],
        "query": [{"id": query}],
    }]);
    assert_eq!(caller.get(&path, &[]).await.json(), expected);
    let path = "/table?select=name,dataset!inner(...project(of:name))&dataset.name=eq.air";
    let expected = json!([{"name": "planes", "dataset": {"of": "fleet"}}]);
    assert_eq!(caller.get(path, &[]).await.json(), expected);

    // Each service answers for its own.
    for relation in [
        "user",
        "query_job",
        "import_job",
        "export_job",
        "query_history",
        "import_job_history",
    ] {
        let answer = caller.get(&format!("/{relation}?limit=5"), &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{relation}: {answer:?}");
    }
    let history = caller
        .get(&format!("/table_history?select=action&id=eq.{}", id(&table)), &[])
        .await;
    assert_eq!(history.json(), json!([{"action": "INSERT"}]));

    // What has something below stays.
    let below = caller
        .write(&format!("DELETE /project?id=eq.{project}"), &Value::Null)
        .await;
    assert_eq!(below.refused(), (409, "23503".to_owned()));
}
