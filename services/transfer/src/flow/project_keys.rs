use datacovey_error::{Error, Result};
use datacovey_persistence::SealedSecret;
use datacovey_storage::keys::ProjectKeys;
use datacovey_types::Ctx;
use uuid::Uuid;

use crate::{SecretKey, Transfer};

/// The keys of the project that a table is in. Its secret is made where nobody needed it before.
pub(super) async fn project_keys(transfer: &Transfer, ctx: &Ctx, table_id: Uuid) -> Result<ProjectKeys> {
    let Transfer {
        worker_database: database,
        secret_key,
        ..
    } = transfer;
    let (project_id, found) = database.project_secret_of_table(ctx, table_id).await?;
    let kept = match found {
        Some(kept) => kept,
        None => {
            let secret = SecretKey::new_secret().map_err(Error::internal)?;
            let made = SealedSecret {
                sealed: secret_key.seal(project_id, &secret).map_err(Error::internal)?,
                fingerprint: secret.keys().fingerprint().to_owned(),
            };
            database.project_secret_keep(ctx, project_id, &made).await?
        }
    };
    let secret = secret_key
        .open(project_id, &kept.sealed)
        .map_err(Error::internal)?;
    Ok(secret.keys())
}
