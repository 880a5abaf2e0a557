//! What is refused, and to whom.

use datacovey_types::{Role, Scopes};
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::{Caller, id, names, send};

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
