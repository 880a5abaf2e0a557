//! `kill -9` at any moment: what was acknowledged is there once, whole, and every job ends.
//!
//! `DATACOVEY_KILLS=60 cargo test -p datacovey --test it kill::imports -- --nocapture` kills more often than the usual
//! run;
//! `DATACOVEY_SEED` chooses the same victims, pauses and files again, though not the same moments of the work.

mod check;
mod cluster;
mod contents;
mod ledger;
mod machine;
mod program;
mod store;
mod traffic;
mod victims;

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use cluster::Cluster;
use ledger::Ledger;
use traffic::Caller;
use victims::Victim;

/// Callers that import, and as many that export.
const CALLERS: u64 = 4;
/// By when everything has ended that was begun under kills: leases run out, attempts are made again.
const END: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn imports_and_exports_outlive_everything_they_need() {
    let kills = number("DATACOVEY_KILLS").unwrap_or(Victim::ALL.len() as u64);
    let seed = number("DATACOVEY_SEED").unwrap_or_else(|| rand::rng().random());
    println!("DATACOVEY_SEED={seed}");
    let folder = crate::process::folder();
    let mut cluster = Cluster::start(folder.path()).await;
    let client = cluster.client().await;
    let table = cluster.table(&client).await;

    let ledger = Arc::new(Ledger::default());
    let stop = CancellationToken::new();
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        for exports in [false, true] {
            let caller = Caller {
                // A connection each, as processes of their own would have.
                client: cluster.client().await,
                table: table.clone(),
                lake: cluster.lake(),
                folder: folder.path().to_owned(),
                random: StdRng::seed_from_u64(seed ^ (2 * number + u64::from(exports) + 1)),
                ledger: Arc::clone(&ledger),
            };
            let stop = stop.clone();
            callers.spawn(async move {
                if exports {
                    caller.export_until(stop).await;
                } else {
                    caller.import_until(stop).await;
                }
            });
        }
    }
    let mut random = StdRng::seed_from_u64(seed);
    for turn in 0..kills {
        // The point of the wait is that it ends anywhere.
        let moment = Duration::from_millis(random.random_range(300..2500));
        tokio::select! {
            () = tokio::time::sleep(moment) => {}
            // None ends before it is told to.
            Some(ended) = callers.join_next() => ended.unwrap(),
        }
        let victim = Victim::in_turn(turn);
        let how = victim
            .strike(&mut cluster, &mut random, || ledger.note_kill())
            .await;
        println!("{turn}: {victim:?} after {} ms, {how}", moment.as_millis());
    }
    stop.cancel();
    let ended = tokio::time::timeout(END, async {
        while let Some(ended) = callers.join_next().await {
            ended.unwrap();
        }
    });
    let callers_stuck = if ended.await.is_ok() { 0 } else { callers.len() };

    let mut figures = check::figures(&client, &table, &ledger, &cluster.lake()).await;
    figures.left_behind = cluster.swept().await;
    println!("{kills} kills of workers, services, store and database in turn: {figures}");
    assert!(figures.wrong.is_empty(), "{:#?}", figures.wrong);
    assert!(
        figures.left_behind.is_empty(),
        "objects that nothing points to, or that are gone: {:#?}",
        figures.left_behind
    );
    assert_eq!(callers_stuck, 0, "callers wait for answers");
    cluster.stop().await;
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
