use anyhow::Context as _;

use crate::cli::Migrate;
use crate::data_dir::DataDir;
use crate::database::Database;

pub(super) async fn run(arguments: Migrate) -> anyhow::Result<()> {
    let data = DataDir::open(&arguments.data_dir.data_dir)?;
    let database = Database::borrow(&data, arguments.data_dir.database_url.as_deref()).await?;
    let migrated = datacovey_persistence::migrate(database.url())
        .await
        .context("migrating the database");
    database.stop().await;
    match migrated?.as_slice() {
        [] => println!("the schema is up to date"),
        versions => println!("migrated: {}", versions.join(", ")),
    }
    Ok(())
}
