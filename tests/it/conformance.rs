//! The small rules of the API, each held by every resource.

use serde_json::{Value, json};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::dynamic::{Caller, method};
use crate::suite::{fields, reason, token};
use datacovey_types::{Role, Scopes};

/// A resource as its service knows it.
struct Resource {
    service: &'static str,
    /// As methods are named: `GetTable`, `ListTables`.
    name: &'static str,
    plural: &'static str,
    /// As fields are named.
    field: &'static str,
    list_field: &'static str,
    /// A field that an update may change, and its new value.
    change: (&'static str, &'static str),
    /// Beside the resource itself, what creating it takes.
    beside: fn() -> Value,
    new: fn(&Room, &str) -> Value,
    /// The name of the method's field where the list is narrowed to this test's own rows.
    scope: Option<&'static str>,
}

/// What the resources of a test lie in, and who asks.
struct Room {
    admin: Caller,
    stranger: Caller,
    tenant: String,
    project: String,
    dataset: String,
}

const RESOURCES: [Resource; 6] = [
    Resource {
        service: "datacovey.identity.v1.TenantService",
        name: "Tenant",
        plural: "Tenants",
        field: "tenant",
        list_field: "tenants",
        change: ("name", "Changed"),
        beside: || {
            let unique = Uuid::now_v7();
            json!({"first_admin": {"auth0_id": format!("auth0|{unique}"), "email": format!("{unique}@example.com"), "name": "A"}})
        },
        new: |_, name| json!({"name": name}),
        scope: None,
    },
    Resource {
        service: "datacovey.identity.v1.UserService",
        name: "User",
        plural: "Users",
        field: "user",
        list_field: "users",
        change: ("name", "Changed"),
        beside: || json!({}),
        new: |_, name| json!({"name": name, "auth0_id": format!("auth0|{name}"), "email": format!("{name}@example.com"), "role": "USER_ROLE_DATASET_USER"}),
        scope: None,
    },
    Resource {
        service: "datacovey.catalog.v1.ProjectService",
        name: "Project",
        plural: "Projects",
        field: "project",
        list_field: "projects",
        change: ("name", "Changed"),
        beside: || json!({}),
        new: |_, name| json!({"name": name, "description": "words"}),
        scope: None,
    },
    Resource {
        service: "datacovey.catalog.v1.DatasetService",
        name: "Dataset",
        plural: "Datasets",
        field: "dataset",
        list_field: "datasets",
        change: ("name", "changed"),
        beside: || json!({}),
        new: |room, name| json!({"name": name, "project_id": room.project}),
        scope: Some("project_id"),
    },
    Resource {
        service: "datacovey.catalog.v1.TableService",
        name: "Table",
        plural: "Tables",
        field: "table",
        list_field: "tables",
        change: ("name", "changed"),
        beside: || json!({}),
        new: |room, name| json!({"name": name, "dataset_id": room.dataset, "schema": {"type": "object"}}),
        scope: Some("dataset_id"),
    },
    Resource {
        service: "datacovey.query.v1.QueryService",
        name: "Query",
        plural: "Queries",
        field: "query",
        list_field: "queries",
        change: ("query_text", "SELECT 'changed'"),
        beside: || json!({}),
        new: |room, name| json!({"query_text": format!("SELECT '{name}'"), "project_id": room.project}),
        scope: Some("project_id"),
    },
];

impl Room {
    async fn new() -> Self {
        let name = |who: &str| format!("{who} {}", Uuid::now_v7());
        let admin = token(&name("Rules"), Role::OrgAdmin, Scopes::from("platform")).await;
        let stranger = token(&name("Stranger"), Role::OrgAdmin, Scopes::NONE).await;
        let mut room = Self {
            admin: Caller::new(admin).await,
            stranger: Caller::new(stranger).await,
            tenant: String::new(),
            project: String::new(),
            dataset: String::new(),
        };
        let me = method("datacovey.identity.v1.UserService", "WhoAmI");
        let me = room.admin.call(&me, json!({})).await.unwrap();
        room.tenant = text(&me["tenant"]["id"]);
        room.project = text(&RESOURCES[2].make(&room, "project").await["id"]);
        room.dataset = text(&RESOURCES[3].make(&room, "dataset").await["id"]);
        room
    }
}

impl Resource {
    async fn call(&self, who: &Caller, verb: &str, request: Value) -> Result<Value, Status> {
        let name = match verb {
            "List" => format!("List{}", self.plural),
            verb => format!("{verb}{}", self.name),
        };
        who.call(&method(self.service, &name), request).await
    }

    fn create(&self, room: &Room, name: &str) -> Value {
        let mut request = (self.beside)();
        request[self.field] = (self.new)(room, name);
        request
    }

    async fn make(&self, room: &Room, name: &str) -> Value {
        let made = self.call(&room.admin, "Create", self.create(room, name)).await;
        made.unwrap_or_else(|status| panic!("{}: {status:?}", self.name))
    }

    fn update(&self, id: &str, etag: &str, mask: &str) -> Value {
        let (field, value) = self.change;
        json!({ self.field: {"id": id, "etag": etag, field: value}, "update_mask": camel(mask) })
    }

    /// The ids of all rows that the list has, page by page.
    async fn list(&self, room: &Room, more: Value) -> Vec<String> {
        let mut request = self.list_request(room, more);
        let mut ids = Vec::new();
        loop {
            let page = self.call(&room.admin, "List", request.clone()).await.unwrap();
            ids.extend(
                page[self.list_field]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|it| text(&it["id"])),
            );
            let next = text(&page["next_page_token"]);
            if next.is_empty() {
                return ids;
            }
            request["page_token"] = json!(next);
        }
    }

    fn list_request(&self, room: &Room, more: Value) -> Value {
        let mut request = more;
        match self.scope {
            Some("project_id") => request["project_id"] = json!(room.project),
            Some(scope) => request[scope] = json!(room.dataset),
            None => {}
        }
        request
    }
}

/// Paths of a mask as its JSON form has them.
fn camel(mask: &str) -> String {
    let mut words = mask.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |camel, word| {
        let (head, tail) = word.split_at(1);
        camel + &head.to_uppercase() + tail
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn is(result: Result<Value, Status>, code: Code, why: &str) {
    let status = result.expect_err("a refusal");
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (code, why),
        "{status:?}"
    );
}

#[track_caller]
fn names(result: Result<Value, Status>, wrong: &[&str]) {
    let status = result.expect_err("a refusal");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(fields(&status), wrong, "{status:?}");
}

const VERBS: [&str; 4] = ["Get", "Archive", "Restore", "Delete"];

async fn what_is_made_is_got(it: &Resource, room: &Room) {
    let made = it.make(room, "made").await;
    assert!(Uuid::try_parse(&text(&made["id"])).is_ok());
    assert!(!text(&made["etag"]).is_empty());
    assert!(
        made["created_at"].is_string() && made["archived_at"].is_null(),
        "{made}"
    );
    let got = it
        .call(&room.admin, "Get", json!({"id": made["id"]}))
        .await
        .unwrap();
    assert_eq!(got, made);
}

async fn a_repeat_by_its_key_makes_one(it: &Resource, room: &Room) {
    let key = Uuid::now_v7().to_string();
    let mut request = it.create(room, "once");
    request["request_id"] = json!(key);
    let first = it.call(&room.admin, "Create", request.clone()).await.unwrap();
    assert_eq!(
        it.call(&room.admin, "Create", request.clone()).await.unwrap(),
        first
    );
    request[it.field] = (it.new)(room, "another");
    is(
        it.call(&room.admin, "Create", request.clone()).await,
        Code::FailedPrecondition,
        "WRONG_STATE",
    );
    request["request_id"] = json!("ä".repeat(100));
    names(it.call(&room.admin, "Create", request).await, &["request_id"]);
}

async fn an_update_changes_what_its_mask_names(it: &Resource, room: &Room) {
    let made = it.make(room, "masked").await;
    let (id, etag) = (text(&made["id"]), text(&made["etag"]));
    let update = async |mask: &str| it.call(&room.admin, "Update", it.update(&id, &etag, mask)).await;
    names(update("no_such_field").await, &["update_mask.paths[0]"]);
    names(
        update("id,created_at").await,
        &["update_mask.paths[0]", "update_mask.paths[1]"],
    );
    let (field, value) = it.change;
    let changed = update(field).await.unwrap();
    assert_eq!(changed[field], json!(value));
    assert_ne!(changed["etag"], made["etag"]);
    let mut rest = (changed.clone(), made.clone());
    for part in [field, "etag"] {
        rest.0[part] = Value::Null;
        rest.1[part] = Value::Null;
    }
    assert_eq!(rest.0, rest.1);
}

async fn a_stale_etag_stops_every_change(it: &Resource, room: &Room) {
    let made = it.make(room, "etag").await;
    let id = text(&made["id"]);
    let aborted = |result| is(result, Code::Aborted, "ETAG_MISMATCH");
    aborted(
        it.call(&room.admin, "Update", it.update(&id, "stale", it.change.0))
            .await,
    );
    for verb in ["Archive", "Restore", "Delete"] {
        aborted(
            it.call(&room.admin, verb, json!({"id": id, "etag": "stale"}))
                .await,
        );
    }
    let got = it.call(&room.admin, "Get", json!({"id": id})).await.unwrap();
    assert_eq!(got, made);
}

async fn the_archived_are_listed_on_request(it: &Resource, room: &Room) {
    let made = it.make(room, "archived").await;
    let id = text(&made["id"]);
    let filter = json!({"filter": format!("id = {id}")});
    let all = json!({"filter": format!("id = {id}"), "show_archived": true});
    assert_eq!(it.list(room, filter.clone()).await, [id.as_str()]);
    let archived = it.call(&room.admin, "Archive", json!({"id": id})).await.unwrap();
    assert!(archived["archived_at"].is_string());
    // What is done already changes nothing.
    assert_eq!(
        it.call(&room.admin, "Archive", json!({"id": id})).await.unwrap(),
        archived
    );
    assert_eq!(
        it.call(&room.admin, "Get", json!({"id": id})).await.unwrap(),
        archived
    );
    assert!(it.list(room, filter.clone()).await.is_empty());
    assert_eq!(it.list(room, all).await, [id.as_str()]);
    let restored = it.call(&room.admin, "Restore", json!({"id": id})).await.unwrap();
    assert!(restored["archived_at"].is_null());
    assert_eq!(it.list(room, filter).await, [id.as_str()]);
}

async fn pages_hold_every_row_once(it: &Resource, room: &Room) {
    let mut made = Vec::new();
    for index in 0..3 {
        made.push(text(&it.make(room, &format!("page{index}")).await["id"]));
    }
    let ours = made
        .iter()
        .map(|id| format!("id = {id}"))
        .collect::<Vec<_>>()
        .join(" OR ");
    let listed = it.list(room, json!({"page_size": 1, "filter": ours})).await;
    assert_eq!(listed, made);
    made.reverse();
    let listed = it
        .list(
            room,
            json!({"page_size": 2, "filter": ours, "order_by": "id desc"}),
        )
        .await;
    assert_eq!(listed, made);
    assert_eq!(
        it.list(room, json!({"page_size": 100_000, "filter": ours}))
            .await
            .len(),
        3
    );
}

async fn a_list_names_all_that_is_wrong_with_it(it: &Resource, room: &Room) {
    let wrong = json!({"page_size": -1, "page_token": "x", "filter": "no_such = 1", "order_by": "no_such"});
    let status = it
        .call(&room.admin, "List", it.list_request(room, wrong))
        .await
        .unwrap_err();
    let mut found = fields(&status);
    found.sort();
    assert_eq!(found, ["filter", "order_by", "page_size", "page_token"]);
    // A token answers the list that made it, and no other.
    for index in 0..2 {
        it.make(room, &format!("token{index}")).await;
    }
    let first = it.list_request(room, json!({"page_size": 1}));
    let page = it.call(&room.admin, "List", first).await.unwrap();
    let other = json!({"page_size": 1, "page_token": page["next_page_token"], "show_archived": true});
    is(
        it.call(&room.admin, "List", it.list_request(room, other)).await,
        Code::InvalidArgument,
        "INVALID_PAGE_TOKEN",
    );
}

async fn an_id_is_checked_and_what_is_missing_is_not_found(it: &Resource, room: &Room) {
    for verb in VERBS {
        names(it.call(&room.admin, verb, json!({"id": "seven"})).await, &["id"]);
        names(it.call(&room.admin, verb, json!({})).await, &["id"]);
        is(
            it.call(&room.admin, verb, json!({"id": Uuid::nil().to_string()}))
                .await,
            Code::NotFound,
            "NOT_FOUND",
        );
    }
    let nobody = Uuid::nil().to_string();
    is(
        it.call(&room.admin, "Update", it.update(&nobody, "", it.change.0))
            .await,
        Code::NotFound,
        "NOT_FOUND",
    );
}

async fn of_another_tenant_it_does_not_exist(it: &Resource, room: &Room) {
    let made = it.make(room, "hidden").await;
    let id = text(&made["id"]);
    for verb in VERBS {
        let result = it.call(&room.stranger, verb, json!({"id": id})).await;
        // Who may not call a method at all is told that, before anything is looked up.
        if it.name == "Tenant" && verb != "Get" {
            is(result, Code::PermissionDenied, "PERMISSION_DENIED");
        } else {
            is(result, Code::NotFound, "NOT_FOUND");
        }
    }
    is(
        it.call(&room.stranger, "Update", it.update(&id, "", it.change.0))
            .await,
        Code::NotFound,
        "NOT_FOUND",
    );
    let listed = it
        .call(&room.stranger, "List", json!({"filter": format!("id = {id}")}))
        .await;
    assert_eq!(listed.unwrap()[it.list_field], json!([]));
}

async fn what_is_removed_is_gone(it: &Resource, room: &Room) {
    let made = it.make(room, "removed").await;
    let mut delete = json!({"id": made["id"], "request_id": Uuid::now_v7().to_string()});
    // A tenant always has a user below it.
    if it.name == "Tenant" {
        is(
            it.call(&room.admin, "Delete", delete.clone()).await,
            Code::FailedPrecondition,
            "HAS_CHILDREN",
        );
        delete["force"] = json!(true);
    }
    it.call(&room.admin, "Delete", delete.clone()).await.unwrap();
    it.call(&room.admin, "Delete", delete).await.unwrap();
    for verb in VERBS {
        is(
            it.call(&room.admin, verb, json!({"id": made["id"]})).await,
            Code::NotFound,
            "NOT_FOUND",
        );
    }
}

async fn no_text_makes_a_fault(it: &Resource, room: &Room) {
    for odd in ["\0", "\u{202e}", "'; DROP TABLE tenant; --", &"x".repeat(100_000)] {
        let mut request = it.create(room, "odd");
        for (field, value) in request[it.field].as_object_mut().unwrap() {
            // A word of an enum has no other spelling.
            if value.is_string() && field != "role" {
                *value = json!(odd);
            }
        }
        if let Err(status) = it.call(&room.admin, "Create", request).await {
            assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        }
    }
}

/// Runs a rule for every resource, in a room of its own.
macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        mod of_every_resource {
            use super::{RESOURCES, Room};
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $rule() {
                    let room = Room::new().await;
                    for resource in &RESOURCES {
                        println!("{}: {}", stringify!($rule), resource.name);
                        super::$rule(resource, &room).await;
                    }
                }
            )*
        }
    };
}

rules!(
    what_is_made_is_got,
    a_repeat_by_its_key_makes_one,
    an_update_changes_what_its_mask_names,
    a_stale_etag_stops_every_change,
    the_archived_are_listed_on_request,
    pages_hold_every_row_once,
    a_list_names_all_that_is_wrong_with_it,
    an_id_is_checked_and_what_is_missing_is_not_found,
    of_another_tenant_it_does_not_exist,
    what_is_removed_is_gone,
    no_text_makes_a_fault,
);
