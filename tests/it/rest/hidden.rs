//! What others have stays theirs, by whatever way a request comes to it.

use datacovey::client::Client;
use datacovey_proto::catalog::v1::{AcceptInvitationRequest, InviteParticipantRequest};
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Caller, id, names, send};
use crate::suite::shared;

/// A project of one tenant in which another takes part; each has a dataset, a table and a query there.
struct Room {
    owner: Caller,
    guest: Caller,
    project: String,
    /// The dataset of the owner.
    theirs: String,
}

impl Room {
    async fn open() -> Self {
        let (owner, guest) = (Caller::new("Owner").await, Caller::new("Guest").await);
        let project = owner.project("shared").await;
        let request = InviteParticipantRequest {
            project_id: project.clone(),
            tenant_id: guest.tenant.clone(),
            ..Default::default()
        };
        let client = client(&owner).await;
        client.projects().invite_participant(request).await.unwrap();
        let request = AcceptInvitationRequest {
            project_id: project.clone(),
            ..Default::default()
        };
        let guests = self::client(&guest).await;
        guests.projects().accept_invitation(request).await.unwrap();
        let theirs = fill(&owner, &project, "theirs").await;
        fill(&guest, &project, "ours").await;
        Self {
            owner,
            guest,
            project,
            theirs,
        }
    }

    /// What the owner has, as it stands.
    async fn of_owner(&self) -> Value {
        let path = format!("/dataset?id=eq.{}&select=*,table(*),project(*)", self.theirs);
        self.owner.get(&path, &[]).await.json()
    }
}

async fn client(caller: &Caller) -> Client {
    Client::connect(&shared().gateway, &caller.token).await.unwrap()
}

async fn fill(caller: &Caller, project: &str, name: &str) -> String {
    let dataset = json!({"project_id": project, "name": name});
    let dataset = id(&caller.insert("dataset", dataset).await);
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let table = json!({"dataset_id": dataset, "name": format!("table_of_{name}"), "schema": schema});
    caller.insert("table", table).await;
    let query = json!({"project_id": project, "query_text": format!("SELECT '{name}'")});
    caller.insert("query", query).await;
    dataset
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedding_shows_no_more_than_its_relation() {
    let room = Room::open().await;
    let (guest, project) = (&room.guest, &room.project);
    let own = guest.get("/tenant?select=name", &[]).await.json()[0].clone();

    // Datasets and tables are shared; tenants, users and queries are not.
    let path = format!(
        "/project?id=eq.{project}&select=name,tenant(name,user(email)),query(query_text),\
         dataset(name,tenant(name),table(name))&dataset.order=name"
    );
    let expected = json!([{
        "name": "shared",
        "tenant": null,
        "query": [{"query_text": "SELECT 'ours'"}],
        "dataset": [
            {"name": "ours", "tenant": own, "table": [{"name": "table_of_ours"}]},
            {"name": "theirs", "tenant": null, "table": [{"name": "table_of_theirs"}]},
        ],
    }]);
    assert_eq!(guest.get(&path, &[]).await.json(), expected);

    for (path, expected) in [
        (
            "select=name,...tenant(of:name)",
            json!([{"name": "shared", "of": null}]),
        ),
        ("select=name,tenant!inner(name)", json!([])),
        ("select=name,tenant()&tenant=not.is.null", json!([])),
        (
            "select=name,query()&query.query_text=like.*theirs*&query=not.is.null",
            json!([]),
        ),
        (
            "select=name,tenant(name),dataset(project(tenant(user(id))))&dataset.name=eq.theirs&order=tenant(name)",
            json!([{"name": "shared", "tenant": null, "dataset": [{"project": {"tenant": null}}]}]),
        ),
    ] {
        let path = format!("/project?id=eq.{project}&{path}");
        assert_eq!(guest.get(&path, &[]).await.json(), expected, "{path}");
    }
    let path = format!("/query?project_id=eq.{project}&query_text=like.*theirs*");
    let counted = guest.get(&path, &[("prefer", "count=exact")]).await;
    assert_eq!(
        (counted.header("content-range"), counted.json()),
        ("*/0", json!([]))
    );

    // A project of which nobody has told them is none.
    let stranger = Caller::new("Passer-by").await;
    let path = format!("/project?id=eq.{project}&select=*,dataset(*)");
    assert_eq!(stranger.get(&path, &[]).await.json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_reach_what_is_the_callers_own() {
    let room = Room::open().await;
    let (guest, project, theirs) = (&room.guest, &room.project, &room.theirs);
    let before = room.of_owner().await;

    // What is in sight and not theirs is passed over.
    let path = format!("/dataset?project_id=eq.{project}&select=name,project(tenant(name))");
    let changed = guest
        .write(&format!("PATCH {path}"), &json!({"description": "changed"}))
        .await;
    let expected = json!([{"name": "ours", "project": {"tenant": null}}]);
    assert_eq!((changed.status, changed.json()), (StatusCode::OK, expected));
    let gone = guest
        .write(&format!("DELETE /table?dataset_id=eq.{theirs}"), &Value::Null)
        .await;
    assert_eq!((gone.status, gone.json()), (StatusCode::OK, json!([])));

    // Nor is it taken by who knows its key.
    let taken = json!({"id": theirs, "tenant_id": guest.tenant, "project_id": project, "name": "taken"});
    let put = guest.write(&format!("PUT /dataset?id=eq.{theirs}"), &taken).await;
    assert_eq!(put.refused(), (403, "42501".to_owned()), "{put:?}");
    let merge = [("prefer", "resolution=merge-duplicates,return=representation")];
    let merged = send(Some(&guest.token), "POST /dataset", &merge, Some(&taken)).await;
    assert_eq!(merged.refused(), (403, "42501".to_owned()), "{merged:?}");
    let ignore = [("prefer", "resolution=ignore-duplicates,return=representation")];
    let ignored = send(Some(&guest.token), "POST /dataset", &ignore, Some(&taken)).await;
    assert_eq!((ignored.status, ignored.json()), (StatusCode::CREATED, json!([])));
    let duplicate = guest.write("POST /dataset", &taken).await;
    assert_eq!(duplicate.refused(), (409, "23505".to_owned()));
    assert!(
        !String::from_utf8_lossy(&duplicate.body).contains("theirs"),
        "{duplicate:?}"
    );

    // One that is refused takes the others along.
    let fresh =
        json!({"id": Uuid::now_v7(), "tenant_id": guest.tenant, "project_id": project, "name": "fresh"});
    let merged = send(
        Some(&guest.token),
        "POST /dataset",
        &merge,
        Some(&json!([fresh, taken])),
    )
    .await;
    assert_eq!(merged.refused(), (403, "42501".to_owned()));
    let path = format!("/dataset?project_id=eq.{project}&select=name&order=name");
    assert_eq!(names(&guest.get(&path, &[]).await), ["ours", "theirs"]);

    assert_eq!(room.of_owner().await, before);
}
