use anyhow::Context as _;

use crate::cli::Migrate;
use crate::data_dir::DataDir;
use crate::database::Database;

pub(super) async fn run(arguments: Migrate) -> anyhow::Result<()> {
    let migrated = match arguments.data_dir.database_url {
        // As on a cluster, where there is no folder to write to.
        Some(url) => datacovey_persistence::migrate(&url)
            .await
            .context("migrating the database")?,
        None => {
            let data = DataDir::open(&arguments.data_dir.data_dir)?;
            let mut database = Database::borrow(&data, None).await?;
            let migrated = database.migrate().await;
            database.stop().await;
            migrated?
        }
    };
    match migrated.as_slice() {
        [] => println!("the schema is up to date"),
        versions => println!("migrated: {}", versions.join(", ")),
    }
    Ok(())
}
