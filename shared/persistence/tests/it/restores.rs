//! How an earlier version of a table becomes the newest again.

use datacovey_error::{ErrorReason, Kind, Result};
use datacovey_list::{Binding, Paging};
use datacovey_persistence::{DbRole, Replay, SeenVersion};
use datacovey_testing::schema_of;
use datacovey_types::{Ctx, Role};
use serde_json::json;

use crate::refusal::{breaks, forbidden};
use crate::visibility::Imports;

impl Imports {
    pub(crate) async fn restore(&self, version: i64) -> Result<SeenVersion> {
        self.restore_as(&self.world.airline.ctx(), version, None).await
    }

    async fn restore_as(&self, ctx: &Ctx, version: i64, replay: Option<Replay>) -> Result<SeenVersion> {
        let schema = schema_of(&["tailnum", "carrier"]);
        let flights = self.world.flights;
        self.transfer
            .table_version_restore(ctx, flights, version, schema, replay)
            .await
    }

    /// The numbers of the files of a version, and how many rows it says that it has.
    pub(crate) async fn files(&self, version: i64) -> (Vec<String>, i64) {
        let (ctx, flights) = (self.world.airline.ctx(), self.world.flights);
        let found = self
            .transfer
            .versions_resolve(&ctx, &[(flights, Some(version))])
            .await
            .unwrap();
        let files = found[0].files.as_array().unwrap().iter();
        let mut paths: Vec<_> = files
            .map(|it| it["path"].as_str().unwrap().replace("file ", ""))
            .collect();
        paths.sort();
        (paths, found[0].rows)
    }

    pub(crate) async fn versions(&self) -> Vec<SeenVersion> {
        let (ctx, flights) = (self.world.airline.ctx(), self.world.flights);
        let all = Paging::first(Binding::new("x"), 1_000);
        let page = self.transfer.table_version_list(&ctx, flights, &all).await;
        page.unwrap().rows
    }
}

fn numbers(files: &[&str]) -> (Vec<String>, i64) {
    let rows = i64::try_from(files.len()).unwrap() * 1_000;
    (files.iter().map(|it| (*it).to_owned()).collect(), rows)
}

#[tokio::test]
async fn an_earlier_version_comes_back_as_a_new_one_of_its_content() {
    let imports = Imports::new().await;
    for (mode, planes) in [
        ("append", [1].as_slice()),
        ("append", &[2, 2]),
        ("replace", &[3]),
        ("append", &[]),
    ] {
        imports.import(mode, planes).await;
    }
    let restored = imports.restore(2).await.unwrap();
    assert_eq!(
        (restored.version, restored.content_version, restored.mode.as_str()),
        (5, 2, "restore")
    );
    assert_eq!((restored.rows, restored.bytes), (3_000, 3_000));
    assert_eq!(
        (
            restored.restored_from,
            restored.created_by,
            restored.import_job_id
        ),
        (Some(2), Some(imports.world.airline.admin), None)
    );
    assert!(!restored.restorable && restored.released_at.is_none());
    assert_eq!(imports.files(5).await, numbers(&["0", "1", "2"]));

    // What came after it can be restored again, and what is added then stands on what was restored.
    imports.import("append", &[4]).await;
    assert_eq!(imports.files(6).await, numbers(&["0", "1", "2", "4"]));
    assert_eq!(imports.restore(1).await.unwrap().version, 7);
    assert_eq!(imports.files(7).await, numbers(&["0"]));
    assert_eq!(imports.restore(6).await.unwrap().version, 8);
    assert_eq!(imports.restore(3).await.unwrap().version, 9);
    assert_eq!(imports.restore(8).await.unwrap().version, 10);
    assert_eq!(imports.files(10).await, numbers(&["0", "1", "2", "4"]));
    for (version, files) in [
        (1, ["0"].as_slice()),
        (2, &["0", "1", "2"]),
        (3, &["3"]),
        (4, &["3"]),
        (5, &["0", "1", "2"]),
        (6, &["0", "1", "2", "4"]),
        (8, &["0", "1", "2", "4"]),
        (9, &["3"]),
    ] {
        assert_eq!(imports.files(version).await, numbers(files), "version {version}");
    }
    let versions = imports.versions().await;
    let restorable: Vec<_> = versions
        .iter()
        .filter(|it| it.restorable)
        .map(|it| it.version)
        .collect();
    assert_eq!(restorable, [9, 7, 5, 4, 3, 2, 1]);
    // The record of a version is never changed.
    let sql = "UPDATE table_version SET restored_from = 1 WHERE version = 10";
    breaks(imports.world.admin.run(sql).await, "table_version_only_grows");
    let sql = "UPDATE table_version SET superseded_at = NULL WHERE version = 9";
    breaks(imports.world.admin.run(sql).await, "table_version_only_grows");
}

#[tokio::test]
async fn a_version_that_cannot_come_back_says_why() {
    let imports = Imports::new().await;
    let world = &imports.world;
    imports.import("append", &[1]).await;
    imports.import("append", &[]).await;
    let refused = async |version| imports.restore(version).await.unwrap_err();
    let same = refused(1).await;
    assert_eq!(same.reason(), ErrorReason::WrongState);
    assert!(
        same.message().contains("holds the rows of version 1 already"),
        "{same:?}"
    );
    assert_eq!(refused(3).await.kind(), Kind::NotFound);
    imports.import("replace", &[1]).await;
    for ctx in [world.registry.ctx(), world.stranger.ctx()] {
        let others = imports.restore_as(&ctx, 1, None).await;
        assert_eq!(others.unwrap_err().kind(), Kind::NotFound);
    }
    let other_schema = imports
        .transfer
        .table_version_restore(&world.airline.ctx(), world.flights, 1, json!({}), None)
        .await;
    assert_eq!(other_schema.unwrap_err().kind(), Kind::Aborted);
    let user = world.admin.user(world.airline.id, Role::DatasetUser).await;
    let as_user = world
        .database
        .sql_for("datacovey_transfer", world.airline.id, user)
        .await;
    let call = format!(
        "SELECT restore_version('{}', 1, '{}', gen_random_uuid())",
        world.flights,
        schema_of(&["tailnum", "carrier"])
    );
    forbidden(as_user.rows(&call).await);
    for (relation, id) in [
        ("table", world.flights),
        ("dataset", world.dataset),
        ("project", world.project),
    ] {
        let set = |value: &str| format!("UPDATE \"{relation}\" SET archived_at = {value} WHERE id = '{id}'");
        world.admin.run(&set("now()")).await.unwrap();
        assert_eq!(refused(1).await.reason(), ErrorReason::Archived, "{relation}");
        world.admin.act_for(world.airline.id, world.airline.admin).await;
        world.admin.run(&set("NULL")).await.unwrap();
    }
    // Nothing of it was left.
    assert_eq!(imports.versions().await.len(), 3);
    assert_eq!(imports.restore(1).await.unwrap().version, 4);
}

#[tokio::test]
async fn a_repeated_request_restores_once() {
    let imports = Imports::new().await;
    imports.import("append", &[1]).await;
    imports.import("replace", &[1]).await;
    let ctx = imports.world.airline.ctx();
    let key = |request: &[u8]| Some(Replay::new("RestoreTableVersion", "k", request));
    let restore = async |version, replay| imports.restore_as(&ctx, version, replay).await;
    assert_eq!(restore(1, key(b"1")).await.unwrap().version, 3);
    imports.import("append", &[1]).await;
    assert_eq!(restore(1, key(b"1")).await.unwrap().version, 3);
    let other = restore(2, key(b"2")).await.unwrap_err();
    assert_eq!(other.reason(), ErrorReason::WrongState);
    assert_eq!(imports.versions().await.len(), 4);
}

#[tokio::test]
async fn restores_and_imports_at_once_follow_each_other() {
    let imports = Imports::new().await;
    imports.import("append", &[1]).await;
    imports.import("replace", &[1]).await;
    let (one, other, import) = tokio::join!(
        imports.restore(1),
        imports.restore(1),
        imports.import("append", &[1])
    );
    // The second finds either the rows there already, or the import between.
    let won = i64::from(one.is_ok()) + i64::from(other.is_ok());
    assert!(won >= 1);
    for lost in [one, other].into_iter().filter_map(Result::err) {
        assert_eq!(lost.reason(), ErrorReason::WrongState);
    }
    let versions = imports.versions().await;
    assert_eq!(versions.len() as i64, 3 + won);
    let found = imports.files(import).await;
    assert_eq!(found.1, i64::try_from(found.0.len()).unwrap() * 1_000);
}

#[tokio::test]
async fn others_see_restored_rows_that_they_have_seen_and_no_others() {
    let imports = Imports::new().await;
    imports.import("append", &[100]).await;
    imports.import("append", &[100]).await;
    imports.import("append", &[1]).await;
    assert_eq!(imports.seen().await, 2);
    // They read both contents before: which one they read now tells them nothing.
    assert!(imports.restore(1).await.unwrap().visible);
    assert_eq!(imports.seen().await, 4);
    // The third has one plane more than the second, and was never in sight.
    assert!(!imports.restore(3).await.unwrap().visible);
    assert_eq!(imports.seen().await, 4);
    // Of rows that were put back, how many are new to others is not known.
    imports.import("append", &[1_000]).await;
    assert_eq!(imports.seen().await, 4);
    let published = imports
        .transfer
        .table_version_publish(&imports.world.airline.ctx(), imports.world.flights, 6, None)
        .await
        .unwrap();
    assert!(published.visible);
    assert_eq!(imports.seen().await, 6);
    imports.import("append", &[1_000]).await;
    assert_eq!(imports.seen().await, 7);

    // What became of versions is for their owner.
    let all = Paging::first(Binding::new("x"), 10);
    let (ctx, flights) = (imports.world.registry.ctx(), imports.world.flights);
    let transfer = imports.world.database.open(DbRole::Transfer).await;
    let seen = transfer.table_version_list(&ctx, flights, &all).await.unwrap();
    let restored = seen.rows.iter().find(|it| it.version == 4).unwrap();
    assert_eq!(
        (
            restored.restored_from,
            restored.created_by,
            restored.released_at,
            restored.restorable
        ),
        (None, None, None, false)
    );
}
