use std::time::Duration;

use datacovey_types::Scopes;

use crate::cli::Token;
use crate::data_dir::DataDir;
use crate::database::Database;
use crate::token::{TokenRequest, issue};

pub(super) async fn run(arguments: Token) -> anyhow::Result<()> {
    let data = DataDir::open(&arguments.data_dir.data_dir)?;
    // A running suite's server is used as it is; otherwise it runs for this moment.
    let mut database = Database::borrow(&data, arguments.data_dir.database_url.as_deref()).await?;
    let request = TokenRequest {
        tenant: arguments.tenant,
        role: arguments.role,
        email: arguments.email,
        scopes: Scopes::from(arguments.scope.join(" ")),
        lifetime: Duration::from_secs(u64::from(arguments.hours) * 3600),
    };
    let issued = async {
        database.migrate().await?;
        issue(&data, database.url(), request).await
    };
    let issued = issued.await;
    database.stop().await;
    // The token alone, so that a shell can take it as it is.
    println!("{}", issued?);
    Ok(())
}
