//! Store functions that every other one is written like.

use datacovey_error::{Kind, Violations};
use datacovey_list::{Binding, ListRequest, Listing, etag};
use datacovey_persistence::{
    Database, DbRole, NewProject, PROJECT_FIELDS, ProjectChanges, ProjectRow, Replay,
};
use datacovey_testing::{Tenant, TestDatabase};

struct Shop {
    catalog: Database,
    airline: Tenant,
    registry: Tenant,
    database: TestDatabase,
}

impl Shop {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let sql = database.sql().await;
        let (airline, registry) = (sql.tenant("Airline").await, sql.tenant("Registry").await);
        Self {
            catalog: database.open(DbRole::Catalog).await,
            airline,
            registry,
            database,
        }
    }

    async fn create(&self, name: &str, replay: Option<Replay>) -> datacovey_error::Result<ProjectRow> {
        let new = NewProject {
            name: name.to_owned(),
            description: None,
        };
        self.catalog
            .project_create(&self.airline.ctx(), new, replay)
            .await
    }
}

fn page(page_size: i32, page_token: &str) -> Listing {
    let request = ListRequest {
        page_size,
        page_token,
        ..ListRequest::default()
    };
    let binding = Binding::new("ListProjects");
    Listing::parse(&PROJECT_FIELDS, binding, request, &mut Violations::new()).unwrap()
}

#[tokio::test]
async fn a_project_is_created_read_changed_and_archived() {
    let shop = Shop::new().await;
    let ctx = shop.airline.ctx();
    let row = shop.create("Fleet", None).await.unwrap();
    assert_eq!(
        (row.tenant_id, row.name.as_str(), row.archived_at),
        (shop.airline.id, "Fleet", None)
    );
    assert_eq!(shop.catalog.project_get(&ctx, row.id).await.unwrap(), row);

    let tag = etag(&row).unwrap();
    let changes = ProjectChanges {
        description: Some(Some("d".to_owned())),
        ..ProjectChanges::default()
    };
    let changed = shop
        .catalog
        .project_update(&ctx, row.id, &tag, changes.clone(), None)
        .await
        .unwrap();
    assert_eq!(
        (changed.name.as_str(), changed.description.as_deref()),
        ("Fleet", Some("d"))
    );
    let stale = shop
        .catalog
        .project_update(&ctx, row.id, &tag, changes, None)
        .await
        .unwrap_err();
    assert_eq!(stale.kind(), Kind::Aborted);
    let cleared = ProjectChanges {
        description: Some(None),
        ..ProjectChanges::default()
    };
    assert_eq!(
        shop.catalog
            .project_update(&ctx, row.id, "", cleared, None)
            .await
            .unwrap()
            .description,
        None
    );
    let same = shop
        .catalog
        .project_update(&ctx, row.id, "", ProjectChanges::default(), None)
        .await
        .unwrap();
    assert_eq!(same, row);

    let archived = shop
        .catalog
        .project_archive(&ctx, row.id, "", None)
        .await
        .unwrap();
    assert!(archived.archived_at.is_some());
    assert_eq!(
        shop.catalog
            .project_archive(&ctx, row.id, "", None)
            .await
            .unwrap(),
        archived
    );
    assert_eq!(
        shop.catalog
            .project_list(&ctx, false, &page(10, ""))
            .await
            .unwrap()
            .rows,
        []
    );
    assert_eq!(
        shop.catalog
            .project_list(&ctx, true, &page(10, ""))
            .await
            .unwrap()
            .rows,
        [archived]
    );
}

#[tokio::test]
async fn another_tenants_project_is_not_there_or_not_ones_own() {
    let shop = Shop::new().await;
    let row = shop.create("Fleet", None).await.unwrap();
    let guest = shop.registry.ctx();
    let get = shop.catalog.project_get(&guest, row.id).await.unwrap_err();
    assert_eq!(
        (get.kind(), get.message()),
        (
            Kind::NotFound,
            format!("there is no project \"{}\"", row.id).as_str()
        )
    );
    assert_eq!(
        shop.catalog
            .project_archive(&guest, row.id, "", None)
            .await
            .unwrap_err()
            .kind(),
        Kind::NotFound
    );
    // Once it takes part it sees the project, and that it may not change it.
    shop.database
        .sql()
        .await
        .participant(row.id, shop.registry.id)
        .await;
    assert_eq!(shop.catalog.project_get(&guest, row.id).await.unwrap(), row);
    let refused = shop
        .catalog
        .project_archive(&guest, row.id, "", None)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.kind(), refused.message()),
        (Kind::PermissionDenied, "the project belongs to another tenant")
    );
}

#[tokio::test]
async fn a_list_goes_on_where_its_page_ended() {
    let shop = Shop::new().await;
    let ctx = shop.airline.ctx();
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(shop.create(&format!("P{n}"), None).await.unwrap().id);
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let rows = shop
            .catalog
            .project_list(&ctx, false, &page(2, &token))
            .await
            .unwrap();
        seen.extend(rows.rows.iter().map(|it| it.id));
        if rows.next_page_token.is_empty() {
            break;
        }
        token = rows.next_page_token;
    }
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn a_repeated_request_makes_one_project() {
    let shop = Shop::new().await;
    let replay = |request: &[u8]| Some(Replay::new("CreateProject", "r-1", request));
    let first = shop.create("Fleet", replay(b"one")).await.unwrap();
    assert_eq!(shop.create("Fleet", replay(b"one")).await.unwrap(), first);
    assert_eq!(
        shop.create("Other", replay(b"two")).await.unwrap_err().kind(),
        Kind::FailedPrecondition
    );
    // Several at once, too: the others wait for the one that came first.
    let again = (0..8).map(|_| shop.create("Twice", Some(Replay::new("CreateProject", "r-2", b"x"))));
    let rows = futures::future::try_join_all(again).await.unwrap();
    assert!(rows.iter().all(|it| it.id == rows[0].id));
    // A request that failed has made nothing, and may be repeated.
    let long = "x".repeat(201);
    assert_eq!(
        shop.create(&long, Some(Replay::new("CreateProject", "r-3", b"y")))
            .await
            .unwrap_err()
            .kind(),
        Kind::InvalidArgument
    );
    shop.create("Short", Some(Replay::new("CreateProject", "r-3", b"z")))
        .await
        .unwrap();
    // The keys of another tenant are its own.
    let new = NewProject {
        name: "Theirs".to_owned(),
        description: None,
    };
    let theirs = shop
        .catalog
        .project_create(&shop.registry.ctx(), new, replay(b"one"))
        .await
        .unwrap();
    assert_eq!(theirs.tenant_id, shop.registry.id);
}
