//! The database of a data directory: the configured server, or a private one.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
use datacovey_persistence::{LocalServer, LocalServerOptions};

use crate::data_dir::{DataDir, Lock};

const NAME: &str = "datacovey";

#[derive(Debug)]
pub(crate) struct Database {
    /// May change the schema.
    admin_url: String,
    /// What services use; the same where somebody else's server is configured.
    url: String,
    server: Option<Private>,
}

/// A private server, and where its address is told to commands that run beside the suite.
#[derive(Debug)]
struct Private {
    server: LocalServer,
    told: PathBuf,
    _lock: Option<Lock>,
}

impl Database {
    /// Starts the private server, unless another is configured. The caller holds the directory's lock.
    /// A temporary one is gone when it stops.
    pub(crate) async fn start(
        data: &DataDir,
        configured: Option<&str>,
        temporary: bool,
    ) -> anyhow::Result<Self> {
        if let Some(url) = configured {
            return Ok(Self {
                admin_url: url.to_owned(),
                url: url.to_owned(),
                server: None,
            });
        }
        let options = LocalServerOptions {
            temporary,
            ..LocalServerOptions::new(data.database())
        };
        let server = LocalServer::start(options).await?;
        let admin_url = server.database(NAME).await?;
        Ok(Self {
            url: admin_url.clone(),
            admin_url,
            server: Some(Private {
                server,
                told: told(data),
                _lock: None,
            }),
        })
    }

    /// Brings the schema to where services can use it; answers the migrations that ran.
    pub(crate) async fn migrate(&mut self) -> anyhow::Result<Vec<String>> {
        let ran = datacovey_persistence::migrate(&self.admin_url)
            .await
            .context("migrating the database")?;
        if let Some(Private { server, told, .. }) = &self.server {
            self.url = server.service_login().await?.url(NAME);
            // It holds passwords.
            let mut file = fs::OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(told)?;
            file.write_all(format!("{}\n{}\n", self.admin_url, self.url).as_bytes())?;
        }
        Ok(ran)
    }

    /// The database for one command: the running suite's, or started for this moment.
    pub(crate) async fn borrow(data: &DataDir, configured: Option<&str>) -> anyhow::Result<Self> {
        if configured.is_some() {
            return Self::start(data, configured, false).await;
        }
        match data.try_lock()? {
            Some(lock) => {
                let mut database = Self::start(data, None, false).await?;
                if let Some(private) = &mut database.server {
                    private._lock = Some(lock);
                }
                Ok(database)
            }
            None => {
                let starting = "the suite in this data directory is still starting";
                let urls = fs::read_to_string(told(data)).context(starting)?;
                let (admin_url, url) = urls.trim_end().split_once('\n').context(starting)?;
                Ok(Self {
                    admin_url: admin_url.to_owned(),
                    url: url.to_owned(),
                    server: None,
                })
            }
        }
    }

    /// What services open; of use once the schema is there.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server if it is ours.
    pub(crate) async fn stop(self) {
        if let Some(private) = self.server {
            // Already gone is as good.
            let _ = fs::remove_file(&private.told);
            private.server.stop().await;
        }
    }
}

fn told(data: &DataDir) -> PathBuf {
    data.path().join("database-url")
}
