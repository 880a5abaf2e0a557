//! The REST API over all services: rows that are written and read again, and what is refused.

use std::process::Command;

use bytes::Bytes;
use datacovey_types::{Role, Scopes};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::suite::{shared, token};

/// Somebody who asks by HTTP.
struct Caller {
    token: String,
    tenant: String,
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    /// The status, and the code of the error.
    fn refused(&self) -> (u16, String) {
        (
            self.status.as_u16(),
            self.json()["code"].as_str().unwrap().to_owned(),
        )
    }
}

async fn send(token: Option<&str>, line: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", shared().gateway));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = body.map_or_else(Bytes::new, |it| it.to_string().into());
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client
        .request(request.body(Full::new(body)).unwrap())
        .await
        .unwrap();
    let (head, body) = answer.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

impl Caller {
    async fn new(name: &str) -> Self {
        Self::with(
            &format!("{name} {}", Uuid::now_v7()),
            Role::OrgAdmin,
            Scopes::NONE,
        )
        .await
    }

    async fn with(tenant: &str, role: Role, scopes: Scopes) -> Self {
        let token = token(tenant, role, scopes).await;
        let tenant = send(
            Some(&token),
            &format!("GET /tenant?name=eq.{}", tenant.replace(' ', "%20")),
            &[],
            None,
        )
        .await;
        let tenant = tenant.json()[0]["id"].as_str().unwrap().to_owned();
        Self { token, tenant }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        send(Some(&self.token), &format!("GET {path}"), headers, None).await
    }

    /// Writes, and asks for what was written.
    async fn write(&self, line: &str, body: &Value) -> Answer {
        let headers = [("prefer", "return=representation")];
        send(Some(&self.token), line, &headers, Some(body)).await
    }

    /// The one row that was written.
    async fn insert(&self, relation: &str, mut row: Value) -> Value {
        row["tenant_id"] = json!(self.tenant);
        let answer = self.write(&format!("POST /{relation}"), &row).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.json()[0].clone()
    }

    async fn project(&self, name: &str) -> String {
        id(&self.insert("project", json!({"name": name})).await)
    }
}

fn id(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

fn names(answer: &Answer) -> Vec<String> {
    let rows = answer.json();
    let names = rows.as_array().unwrap().iter();
    names.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_in_the_words_of_the_api() {
    let caller = Caller::new("Wrong").await;
    let own = json!(caller.tenant);
    let project = caller.project("mine").await;
    let stranger = Caller::new("Other").await;

    for (path, status, code) in [
        ("/project?nope=eq.1", 400, "42703"),
        ("/project?select=nope", 400, "42703"),
        ("/project?id=eq.x", 400, "22P02"),
        ("/project?name=cs.x", 404, "42883"),
        ("/project?name=nope.x", 400, "PGRST100"),
        ("/projects", 404, "PGRST205"),
        ("/project?select=table(*)", 400, "PGRST200"),
    ] {
        assert_eq!(
            caller.get(path, &[]).await.refused(),
            (status, code.to_owned()),
            "{path}"
        );
    }
    // A value of any length is repeated by the database, and told as far as headers go.
    let long = format!("/project?id=eq.{}", "x".repeat(30_000));
    assert_eq!(caller.get(&long, &[]).await.refused(), (400, "22P02".to_owned()));

    for (line, body, status, code) in [
        (
            "POST /project",
            json!({"tenant_id": own, "nope": 1}),
            400,
            "PGRST204",
        ),
        ("POST /project", json!({"tenant_id": own}), 400, "23502"),
        (
            "POST /project",
            json!({"tenant_id": own, "name": " "}),
            400,
            "23514",
        ),
        (
            "POST /project",
            json!({"tenant_id": own, "name": "a\nb"}),
            400,
            "23514",
        ),
        (
            "POST /project",
            json!({"tenant_id": stranger.tenant, "name": "x"}),
            403,
            "42501",
        ),
        (
            "POST /project",
            json!({"tenant_id": own, "id": project, "name": "x"}),
            409,
            "23505",
        ),
        (
            "POST /dataset",
            json!({"tenant_id": own, "project_id": Uuid::now_v7(), "name": "x"}),
            409,
            "23503",
        ),
        (
            "POST /dataset",
            json!({"tenant_id": own, "project_id": project, "name": "no name"}),
            400,
            "23514",
        ),
        ("PATCH /user", json!({"role": "King"}), 400, "23514"),
        ("PATCH /user", json!({"role": "Dataset user"}), 400, "23514"),
        (
            "PATCH /tenant",
            json!({"archived_at": "2024-01-01"}),
            403,
            "42501",
        ),
        ("POST /tenant", json!({"name": "x"}), 403, "42501"),
        ("POST /query_job", json!({"tenant_id": own}), 405, "25006"),
        ("PATCH /import_job", json!({"status": "failed"}), 405, "25006"),
        ("POST /dataset_history", json!({"tenant_id": own}), 403, "42501"),
    ] {
        let answer = caller.write(line, &body).await;
        assert_eq!(
            answer.refused(),
            (status, code.to_owned()),
            "{line} {body}: {answer:?}"
        );
    }
    let dataset = id(&caller
        .insert("dataset", json!({"project_id": project, "name": "d"}))
        .await);
    let table = json!({"tenant_id": own, "dataset_id": dataset, "name": "2", "schema": {"type": "nothing"}});
    let answer = caller.write("POST /table", &table).await;
    assert_eq!(answer.refused(), (400, "23514".to_owned()));
    // All that is wrong at once.
    let details = answer.json()["details"].as_str().unwrap().to_owned();
    assert!(
        details.contains("name: ") && details.contains("schema.type: "),
        "{details}"
    );

    let nobody = send(None, "GET /project", &[], None).await;
    assert_eq!(nobody.refused(), (401, "PGRST302".to_owned()));
    assert_eq!(nobody.header("www-authenticate"), "Bearer");
    let forged = send(Some("a.b"), "GET /project", &[], None).await;
    assert_eq!(forged.refused(), (401, "PGRST301".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_write_what_they_write_by_grpc() {
    let name = format!("Roles {}", Uuid::now_v7());
    let admin = Caller::with(&name, Role::OrgAdmin, Scopes::NONE).await;
    let editor = Caller::with(&name, Role::DatasetEditor, Scopes::NONE).await;
    let user = Caller::with(&name, Role::DatasetUser, Scopes::NONE).await;
    let project = admin.project("roles").await;
    let dataset = |name: &str| json!({"tenant_id": admin.tenant, "project_id": project, "name": name});
    let row = json!({"tenant_id": admin.tenant, "name": "x"});
    for caller in [&editor, &user] {
        let answer = caller.write("POST /project", &row).await;
        assert_eq!(answer.refused(), (403, "42501".to_owned()));
    }
    let made = editor.write("POST /dataset", &dataset("theirs")).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let refused = user.write("POST /dataset", &dataset("no")).await;
    assert_eq!(refused.refused(), (403, "42501".to_owned()));
    assert_eq!(names(&user.get("/dataset?select=name", &[]).await), ["theirs"]);
}

/// The client of the original for Python, where there is one: `DATACOVEY_POSTGREST_PYTHON` names an interpreter
/// that has the package `postgrest`.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_original_finds_what_it_counts_on() {
    let python = std::env::var("DATACOVEY_POSTGREST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_client = Command::new(&python).args(["-c", "import postgrest"]).output();
    if !has_client.is_ok_and(|it| it.status.success()) {
        println!("skipped: {python} has no package postgrest (pip install 'postgrest>=2')");
        return;
    }
    let token = token(&format!("Peer {}", Uuid::now_v7()), Role::OrgAdmin, Scopes::NONE).await;
    let mut client = Command::new(python);
    client.args([
        "peers/rest.py",
        "--endpoint",
        &shared().gateway,
        "--token",
        &token,
    ]);
    client.current_dir(env!("CARGO_MANIFEST_DIR"));
    let run = tokio::task::spawn_blocking(move || client.output())
        .await
        .unwrap()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
}
