use anyhow::Context as _;

use crate::cli::Migrate;
use crate::data_dir::DataDir;
use crate::database::Database;

pub(super) async fn run(arguments: Migrate) -> anyhow::Result<()> {
    let migrated = match arguments.data_dir.database_url {
        // As on a cluster, where there is no folder to write to.
        Some(url) => datacovey_persistence::migrate(&url).await,
        None => {
            let data = DataDir::open(&arguments.data_dir.data_dir)?;
            let database = Database::borrow(&data, None).await?;
            let migrated = datacovey_persistence::migrate(database.url()).await;
            database.stop().await;
            migrated
        }
    };
    match migrated.context("migrating the database")?.as_slice() {
        [] => println!("the schema is up to date"),
        versions => println!("migrated: {}", versions.join(", ")),
    }
    Ok(())
}
