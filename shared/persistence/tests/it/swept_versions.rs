//! Which versions are kept, and which objects go.

use std::time::Duration;

use datacovey_error::ErrorReason;
use datacovey_persistence::SweptVersions;

use crate::visibility::Imports;

impl Imports {
    pub(crate) async fn sweep(&self, retention: Duration) -> SweptVersions {
        let mut all = SweptVersions::default();
        loop {
            let swept = self.worker.versions_sweep(retention).await.unwrap();
            all.versions += swept.versions;
            all.objects += swept.objects;
            if swept.versions == 0 {
                return all;
            }
        }
    }

    async fn kept(&self) -> Vec<i64> {
        let versions = self.versions().await;
        let kept = versions.iter().filter(|it| it.swept_at.is_none());
        kept.map(|it| it.version).collect()
    }

    pub(crate) async fn garbage(&self) -> Vec<String> {
        let sql = "SELECT path FROM object_garbage ORDER BY path";
        self.world.admin.column(sql).await.unwrap()
    }
}

#[tokio::test]
async fn the_newest_and_the_one_in_sight_are_kept_for_ever_and_the_rest_for_a_time() {
    let imports = Imports::new().await;
    imports.import("append", &[100]).await;
    imports.import("append", &[100]).await;
    imports.import("replace", &[1]).await;
    imports.import("append", &[1]).await;
    assert_eq!(imports.seen().await, 2);
    let hour = Duration::from_secs(3600);
    assert_eq!(imports.sweep(hour).await, SweptVersions::default());
    let versions = imports.versions().await;
    let released: Vec<_> = versions.iter().map(|it| it.released_at.is_some()).collect();
    assert_eq!(released, [false, true, false, true]);

    // No object goes: those of the first are those of the second, too.
    let swept = imports.sweep(Duration::ZERO).await;
    assert_eq!((swept.versions, swept.objects), (2, 0));
    assert_eq!(imports.kept().await, [4, 2]);
    assert_eq!(imports.files(2).await.0, ["0", "1"]);
    assert_eq!(imports.files(4).await.0, ["2", "3"]);
    let gone = imports.restore(1).await.unwrap_err();
    assert_eq!(gone.reason(), ErrorReason::WrongState);
    assert!(gone.message().contains("are gone"), "{gone:?}");

    // Once others read the newest, the one before is needed by nobody; from then on the time counts.
    let (ctx, flights) = (imports.world.airline.ctx(), imports.world.flights);
    imports
        .transfer
        .table_version_publish(&ctx, flights, 4, None)
        .await
        .unwrap();
    assert_eq!(imports.sweep(hour).await.versions, 0);
    let swept = imports.sweep(Duration::ZERO).await;
    assert_eq!((swept.versions, swept.objects), (1, 2));
    assert_eq!(imports.garbage().await, ["file 0", "file 1"]);
    assert_eq!(imports.kept().await, [4]);
    // A version without files is not there to be read by its number.
    let asked = [(flights, Some(2)), (flights, None)];
    for (reader, expected) in [(imports.world.registry.ctx(), 4), (ctx, 4)] {
        let found = imports.transfer.versions_resolve(&reader, &asked).await.unwrap();
        assert_eq!(found.iter().map(|it| it.version).collect::<Vec<_>>(), [expected]);
    }
}

#[tokio::test]
async fn an_export_keeps_its_version_until_it_has_ended() {
    let imports = Imports::new().await;
    let world = &imports.world;
    imports.import("append", &[1]).await;
    imports.import("replace", &[1]).await;
    imports.import("replace", &[100]).await;
    imports.import("replace", &[100]).await;
    let job = world.admin.export_job(world.airline, world.flights).await;
    let pin = format!("UPDATE export_run SET options = '{{\"table_version\": 2}}' WHERE job_id = '{job}'");
    world.admin.run(&pin).await.unwrap();
    imports.sweep(Duration::ZERO).await;
    assert_eq!(imports.kept().await, [4, 2, 1], "the first is in sight of others");
    let end = format!("UPDATE export_job SET status = 'failed' WHERE id = '{job}'");
    world.admin.run(&end).await.unwrap();
    imports.sweep(Duration::ZERO).await;
    assert_eq!(imports.kept().await, [4, 1]);
}

#[tokio::test]
async fn restored_objects_stay_when_the_version_they_came_from_goes() {
    let imports = Imports::new().await;
    imports.import("append", &[100]).await;
    imports.import("replace", &[1]).await;
    imports.restore(1).await.unwrap();
    assert_eq!(imports.seen().await, 3);
    let swept = imports.sweep(Duration::ZERO).await;
    assert_eq!((swept.versions, swept.objects), (2, 1));
    assert_eq!(imports.garbage().await, ["file 1"]);
    assert_eq!(imports.files(3).await.0, ["0"]);
    imports.import("replace", &[100]).await;
    let (ctx, flights) = (imports.world.airline.ctx(), imports.world.flights);
    imports
        .transfer
        .table_version_publish(&ctx, flights, 4, None)
        .await
        .unwrap();
    imports.sweep(Duration::ZERO).await;
    assert_eq!(imports.garbage().await, ["file 0", "file 1"]);
}

#[tokio::test]
async fn sweeps_at_once_sweep_each_version_once() {
    let imports = Imports::new().await;
    for _ in 0..12 {
        imports.import("replace", &[1]).await;
    }
    let sweeps = (0..4).map(|_| imports.sweep(Duration::ZERO));
    let swept: Vec<_> = futures::future::join_all(sweeps).await;
    // One that finds the table held leaves it to the next.
    let again = imports.sweep(Duration::ZERO).await;
    let versions: u64 = swept.iter().chain([&again]).map(|it| it.versions).sum();
    let objects: u64 = swept.iter().chain([&again]).map(|it| it.objects).sum();
    assert_eq!((versions, objects), (10, 10));
    assert_eq!(imports.kept().await, [12, 1]);
    assert_eq!(imports.garbage().await.len(), 10);
}
