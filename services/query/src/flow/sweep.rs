//! Deletes what expired results and dead attempts left in the object store.

use std::time::Duration;

use datacovey_error::Result;
use datacovey_persistence::{Database, JobKind, Sweep, Swept};
use datacovey_storage::{ObjectPath, Store, StoreError, layout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::result_file;

const EVERY: Duration = Duration::from_secs(60);
/// A worker whose lease ran out may still be writing for this long.
const GRACE: Duration = Duration::from_secs(600);

/// Sweeps from time to time until `stop`.
pub(crate) async fn sweep_for_ever(database: Database, store: Store, stop: CancellationToken) {
    let mut swept = (Vec::new(), Vec::new());
    while stop
        .run_until_cancelled(tokio::time::sleep(EVERY))
        .await
        .is_some()
    {
        if let Err(error) = sweep_once(&database, &store, &mut swept).await {
            tracing::warn!(cause = ?error, "the sweep of results will go on later");
        }
    }
}

/// Deletes what the database names, and tells it with the next call what is gone.
async fn sweep_once(database: &Database, store: &Store, swept: &mut (Vec<Uuid>, Vec<String>)) -> Result<()> {
    loop {
        let next = database
            .job_sweep(Sweep {
                kind: JobKind::Query,
                swept_jobs: swept.0.clone(),
                swept_paths: swept.1.clone(),
                grace: GRACE,
                completed_grace: GRACE,
                upload_lifetime: Duration::MAX,
            })
            .await?;
        *swept = (Vec::new(), Vec::new());
        for item in next {
            match item {
                // One that cannot be deleted now is named again next time, and holds up no other.
                Swept::Object(path) => match delete(store, &path).await {
                    Ok(()) => swept.1.push(path),
                    Err(error) => not_deleted(&error),
                },
                Swept::Job {
                    tenant_id,
                    job_id,
                    last_attempt,
                    completed,
                } => {
                    let kept = completed.then(|| {
                        layout::result_file(tenant_id, job_id, last_attempt, result_file::EXTENSION)
                    });
                    match delete_others(store, &layout::result(tenant_id, job_id), kept.as_ref()).await {
                        Ok(()) => swept.0.push(job_id),
                        Err(error) => not_deleted(&error),
                    }
                }
            }
        }
        if swept.0.is_empty() && swept.1.is_empty() {
            return Ok(());
        }
    }
}

async fn delete(store: &Store, path: &str) -> Result<(), StoreError> {
    match path.strip_suffix('/') {
        Some(folder) => store.delete_below(&ObjectPath::from(folder)).await.map(|_| ()),
        None => store.delete(&ObjectPath::from(path)).await,
    }
}

async fn delete_others(
    store: &Store,
    folder: &ObjectPath,
    kept: Option<&ObjectPath>,
) -> Result<(), StoreError> {
    match kept {
        Some(kept) => store.delete_others(folder, kept).await,
        None => store.delete_below(folder).await.map(|_| ()),
    }
}

fn not_deleted(error: &StoreError) {
    tracing::warn!(cause = ?error, "a result or what is left of one cannot be deleted now");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_attempt_that_counts_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let [tenant, job] = [1, 2].map(Uuid::from_u128);
        let attempt = |number| layout::result_file(tenant, job, number, result_file::EXTENSION);
        for number in 1..=3 {
            store.put(&attempt(number), "x".into()).await.unwrap();
        }
        // As a killed writer leaves its file.
        let begun = folder.path().join(format!("{}#1", attempt(1)));
        std::fs::write(&begun, "x").unwrap();
        delete_others(&store, &layout::result(tenant, job), Some(&attempt(3)))
            .await
            .unwrap();
        assert!(store.size_bytes(&attempt(2)).await.is_err());
        assert!(!begun.exists());
        assert_eq!(store.size_bytes(&attempt(3)).await.unwrap(), 1);
        delete(&store, &format!("{}/", layout::result(tenant, job)))
            .await
            .unwrap();
        assert!(store.size_bytes(&attempt(3)).await.is_err());
    }
}
