//! Every public method, as the descriptors list them, against callers who may not: a new one without a
//! line here fails. Requests are filled from the descriptors with the ids of somebody else's things.

use datacovey::client::Client;
use datacovey_types::{Role, Scopes};
use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value, json};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::dynamic::{Caller, method, methods};
use crate::room::{import, share};
use crate::suite::{fields, shared, token, user};
use datacovey_proto::identity::v1::{ArchiveUserRequest, WhoAmIRequest};

/// What a method answers a caller of another tenant, an admin there, who asks for things of the first:
/// there is nothing, or (`Ok`) an answer that says nothing of them. `PermissionDenied` is for those who may
/// not call it at all.
const OTHER_TENANT: &str = include_str!("coverage.txt");

/// Ids of one tenant's things, by the field that a request would name them in.
struct Things {
    ids: Map<String, Value>,
}

impl Things {
    fn id(&self, name: &str) -> Option<&Value> {
        self.ids.get(name)
    }

    /// A request with every id of ours in its place, and something in the places that must be filled.
    fn request(&self, method: &MethodDescriptor) -> Value {
        let resource = method
            .parent_service()
            .name()
            .trim_end_matches("Service")
            .to_lowercase();
        self.message(&method.input(), &resource)
    }

    fn message(&self, message: &MessageDescriptor, resource: &str) -> Value {
        let mut filled = Map::new();
        for field in message.fields() {
            if field.is_list()
                || field.is_map()
                || field.containing_oneof().is_some_and(|it| it.fields().len() > 1)
            {
                continue;
            }
            let name = field.name();
            let value = match field.kind() {
                Kind::String if name == "auth0_id" => Some(json!(format!("auth0|{}", Uuid::now_v7()))),
                Kind::String if name == "id" => self.id(&format!("{resource}_id")).cloned(),
                Kind::String if name.ends_with("_id") => self.id(name).cloned(),
                Kind::String => match name {
                    "name" => Some(json!("name")),
                    "query_text" => Some(json!("SELECT 1")),
                    "email" => Some(json!("a@example.com")),
                    _ => None,
                },
                Kind::Enum(_) if name == "role" => Some(json!("USER_ROLE_DATASET_USER")),
                Kind::Enum(_) if name == "format" => Some(json!(1)),
                Kind::Int64 if name == "version" => Some(json!(1)),
                Kind::Message(inner) if inner.full_name() == "google.protobuf.Struct" && name == "schema" => {
                    Some(json!({"type": "object"}))
                }
                Kind::Message(inner) if inner.full_name().ends_with(".v1.Policy") => {
                    Some(json!({"reference": true}))
                }
                Kind::Message(inner) if inner.full_name().ends_with(".v1.FirstAdmin") => {
                    Some(json!({"auth0_id": "auth0|x", "email": "x@example.com", "name": "x"}))
                }
                // The one update whose mask may not be left out.
                Kind::Message(inner)
                    if inner.full_name() == "google.protobuf.FieldMask"
                        && message.name() == "UpdateParticipantRequest" =>
                {
                    Some(json!("canQuery"))
                }
                Kind::Message(inner) if inner.full_name().starts_with("datacovey.") => {
                    Some(self.message(&inner, name))
                }
                _ => None,
            };
            filled.extend(value.map(|value| (name.to_owned(), value)));
        }
        // One of several: what names a thing of ours.
        for oneof in message.oneofs().filter(|it| it.fields().len() > 1) {
            let known = oneof.fields().find(|it| self.id(it.name()).is_some());
            if let Some(field) = known {
                filled.insert(field.name().to_owned(), self.ids[field.name()].clone());
            } else if let Some(Kind::Message(start)) = oneof.fields().next().map(|it| it.kind())
                && start.name() == "UploadStart"
            {
                filled.insert("start".to_owned(), self.message(&start, resource));
            }
        }
        Value::Object(filled)
    }

    /// Whether an answer names anything of ours.
    fn are_named_in(&self, answer: &Value) -> bool {
        let answer = answer.to_string();
        self.ids.values().any(|id| answer.contains(id.as_str().unwrap()))
    }
}

async fn things() -> Things {
    let token = token(&format!("Owner {}", Uuid::now_v7()), Role::OrgAdmin, Scopes::NONE).await;
    let client = Client::connect(&shared().gateway, &token).await.unwrap();
    let admin = Caller::new(token).await;
    let call = async |service: &str, name: &str, request: Value| {
        admin
            .call(&method(&format!("datacovey.{service}"), name), request)
            .await
            .unwrap_or_else(|status| panic!("{name}: {status:?}"))
    };
    let me = call("identity.v1.UserService", "WhoAmI", json!({})).await;
    let project = json!({"project": {"name": "Hidden"}});
    let project = call("catalog.v1.ProjectService", "CreateProject", project).await;
    let project_id = project["id"].as_str().unwrap();
    let table_id = share(
        &client,
        project_id,
        "shop",
        "customers",
        &["city"],
        &["spend"],
        &Uuid::now_v7().to_string(),
    )
    .await;
    import(&client, &table_id, "email,city,spend\na@example.org,Town,1\n").await;
    let table = call("catalog.v1.TableService", "GetTable", json!({"id": table_id})).await;
    let query = json!({"query": {"project_id": project_id, "query_text": "SELECT 1 AS one"}});
    let query = call("query.v1.QueryService", "CreateQuery", query).await;
    let job = call(
        "query.v1.QueryJobService",
        "CreateQueryJob",
        json!({"query_id": query["id"]}),
    )
    .await;
    call(
        "query.v1.QueryJobService",
        "WaitQueryJob",
        json!({"id": job["id"]}),
    )
    .await;
    let export = json!({"table_id": table_id, "format": "FILE_FORMAT_CSV"});
    let export = call("transfer.v1.ExportService", "CreateExportJob", export).await;
    let imports = call("transfer.v1.ImportService", "ListImportJobs", json!({})).await;
    let import_id = &imports["import_jobs"][0]["id"];
    let ids = json!({
        "tenant_id": me["tenant"]["id"], "user_id": me["user"]["id"], "project_id": project_id,
        "dataset_id": table["dataset_id"], "table_id": table_id, "query_id": query["id"],
        "query_job_id": job["id"], "queryjob_id": job["id"], "export_job_id": export["id"], "export_id": export["id"],
        "import_job_id": import_id, "import_id": import_id,
    });
    Things {
        ids: ids.as_object().unwrap().clone(),
    }
}

fn word(result: &Result<Value, Status>) -> String {
    let code = result.as_ref().err().map_or(Code::Ok, Status::code);
    format!("{code:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_learns_nothing_by_any_method() {
    let things = things().await;
    let stranger = token(
        &format!("Stranger {}", Uuid::now_v7()),
        Role::OrgAdmin,
        Scopes::NONE,
    )
    .await;
    let stranger = Caller::new(stranger).await;
    let mut found = String::new();
    for method in methods() {
        let request = things.request(&method);
        let answer = stranger.call(&method, request.clone()).await;
        if let Err(status) = &answer {
            let wrong = fields(status);
            assert!(wrong.is_empty(), "{}: {request}: {wrong:?}", method.full_name());
        }
        if let Ok(answer) = &answer {
            assert!(
                !things.are_named_in(answer),
                "{}: {request}: {answer}",
                method.full_name()
            );
        }
        found += &format!("{} {}\n", method.full_name(), word(&answer));
    }
    assert_eq!(found, OTHER_TENANT);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_user_is_nobody() {
    let tenant = format!("Archive {}", Uuid::now_v7());
    let admin = user(&tenant, Role::OrgAdmin, Scopes::NONE).await;
    let token = token(&tenant, Role::DatasetEditor, Scopes::NONE).await;
    let gone = Caller::new(token.clone()).await;
    let me = method("datacovey.identity.v1.UserService", "WhoAmI");
    let id = gone.call(&me, json!({})).await.unwrap()["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let request = ArchiveUserRequest {
        id,
        ..Default::default()
    };
    admin.users().archive_user(request).await.unwrap();
    admin.users().who_am_i(WhoAmIRequest {}).await.unwrap();
    // Who a token names is remembered for seconds.
    while gone.call(&me, json!({})).await.is_ok() {
        tokio::task::yield_now().await;
    }
    for method in methods() {
        let status = gone.call(&method, json!({})).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{}", method.full_name());
    }
}

/// The weakest role reads and queries, and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_weakest_role_may_call_what_is_read_or_asked() {
    let tenant = format!("Weak {}", Uuid::now_v7());
    user(&tenant, Role::OrgAdmin, Scopes::NONE).await;
    let weak = Caller::new(token(&tenant, Role::DatasetUser, Scopes::NONE).await).await;
    let mut allowed = Vec::new();
    for method in methods() {
        let answer = weak.call(&method, json!({})).await;
        match answer.as_ref().err().map(Status::code) {
            Some(Code::PermissionDenied) => {}
            _ => allowed.push(method.name().to_owned()),
        }
    }
    let reads = [
        "Get", "List", "Read", "Watch", "Wait", "Check", "Download", "WhoAmI",
    ];
    // Queries and their jobs are everybody's to write.
    let writes: Vec<_> = allowed
        .iter()
        .filter(|name| !reads.iter().any(|read| name.starts_with(read)))
        .map(String::as_str)
        .collect();
    assert_eq!(
        writes,
        [
            "CancelQueryJob",
            "CreateQueryJob",
            "ArchiveQuery",
            "CreateQuery",
            "DeleteQuery",
            "RequestApproval",
            "RestoreQuery",
            "UpdateQuery",
        ]
    );
}
