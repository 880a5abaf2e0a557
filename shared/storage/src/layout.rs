//! Where objects lie. Every path ends in ids that are never used twice, so what a dead attempt
//! left behind is never mistaken for the work of the attempt that counts.

use object_store::path::Path;
use uuid::Uuid;

/// The folder of all that a tenant's table ever held.
#[must_use]
pub fn table(tenant_id: Uuid, table_id: Uuid) -> Path {
    Path::from(format!("tenant/{tenant_id}/table/{table_id}"))
}

/// The folder into which one attempt of an import writes its files.
#[must_use]
pub fn table_attempt(tenant_id: Uuid, table_id: Uuid, import_job_id: Uuid, attempt: i32) -> Path {
    table(tenant_id, table_id).join(format!("{import_job_id}-{attempt}"))
}

/// The `number`th file of an attempt's folder.
#[must_use]
pub fn table_file(attempt_folder: &Path, number: usize) -> Path {
    attempt_folder.clone().join(format!("{number:05}.parquet"))
}

/// The folder of the bytes uploaded for an import.
#[must_use]
pub fn staging(import_job_id: Uuid) -> Path {
    Path::from(format!("staging/{import_job_id}"))
}

/// One uploaded chunk. `nonce` tells apart two writers that both believe to be at `offset`; the
/// committed row says whose chunk counts.
#[must_use]
pub fn staging_chunk(import_job_id: Uuid, offset: u64, nonce: Uuid) -> Path {
    staging(import_job_id).join(format!("{offset:016}-{nonce}"))
}

/// The folder of what a query or export of the tenant produced.
#[must_use]
pub fn result(tenant_id: Uuid, job_id: Uuid) -> Path {
    Path::from(format!("result/{tenant_id}/{job_id}"))
}

/// The result of one attempt; `extension` is that of its format.
#[must_use]
pub fn result_file(tenant_id: Uuid, job_id: Uuid, attempt: i32, extension: &str) -> Path {
    result(tenant_id, job_id).join(format!("{attempt}.{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_and_jobs_never_share_a_path() {
        let [tenant, id, job] = [1, 2, 3].map(Uuid::from_u128);
        let first = table_file(&table_attempt(tenant, id, job, 1), 0);
        assert_eq!(
            first.as_ref(),
            format!("tenant/{tenant}/table/{id}/{job}-1/00000.parquet")
        );
        assert_ne!(first, table_file(&table_attempt(tenant, id, job, 2), 0));
        assert_ne!(
            result_file(tenant, job, 1, "csv"),
            result_file(tenant, job, 2, "csv")
        );
        assert_ne!(staging_chunk(job, 0, tenant), staging_chunk(job, 0, id));
    }
}
