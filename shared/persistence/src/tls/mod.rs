//! How connections to the database are encrypted, and how its server is known: by what libpq calls
//! `sslmode`, `sslrootcert`, `sslcert` and `sslkey` in the query of the URL.
//!
//! | `sslmode` | TLS | the server is known by |
//! |---|---|---|
//! | `disable` | never | nothing |
//! | `prefer`, the default | if the server offers it | nothing |
//! | `require` | always | nothing |
//! | `verify-ca` | always | a certificate of an authority in `sslrootcert` |
//! | `verify-full` | always | such a certificate for the host of the URL |
//!
//! With `sslrootcert`, `prefer` and `require` verify as `verify-ca` does, as in libpq. `system`
//! stands for the authorities of the machine, and for `verify-full`.
//!
//! Files are read anew for each connection, so that they can be replaced while a service runs; as
//! long as new ones cannot be used, the last that could be are.

mod files;
mod refusal;
mod url;
mod verify;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use diesel_async::AsyncPgConnection;
use rustls::ClientConfig;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::files::Files;
use crate::StartError;
use crate::failure::Failure;

pub(crate) use self::refusal::Refusal;

/// Where the database is, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) config: Config,
    files: Files,
    /// Of the last files that could be used.
    tls: Arc<Mutex<MakeRustlsConnect>>,
}

type Stream = <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<Socket>>::Stream;

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Address {
    /// Of a URL of the database. Its files have to be there.
    pub(crate) fn parse(text: &str) -> Result<Self, StartError> {
        let (config, files) = url::parse(text)?;
        let tls = files.config().map_err(StartError::Tls)?;
        Ok(Self {
            config,
            files,
            tls: Arc::new(Mutex::new(MakeRustlsConnect::new(tls))),
        })
    }

    /// Opens a connection; the second has to be polled for anything to happen on the first.
    pub(crate) async fn connect(&self) -> Result<(Client, Connection<Socket, Stream>), Refusal> {
        let this = self.clone();
        // Reading files blocks.
        let tls = tokio::task::spawn_blocking(move || this.newest());
        let tls = match tls.await {
            Ok(tls) => tls,
            Err(_) => self.last(),
        };
        // Boxed, for whoever opens a pool holds it: what a handshake keeps is large.
        let connected = Box::pin(self.config.connect(tls)).await;
        connected.map_err(|cause| Refusal::new(cause, &self.files))
    }

    pub(crate) async fn connect_diesel(&self) -> Result<AsyncPgConnection, Failure> {
        let (client, connection) = self.connect().await.map_err(Failure::unreachable)?;
        AsyncPgConnection::try_from_client_and_connection(client, connection)
            .await
            .map_err(Failure::unreachable)
    }

    fn last(&self) -> MakeRustlsConnect {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn newest(&self) -> MakeRustlsConnect {
        if !self.files.can_change() {
            return self.last();
        }
        match self.files.config() {
            Ok(config) => self.keep(config),
            Err(wrong) => {
                tracing::error!(
                    wrong,
                    "new files of the database's TLS cannot be used; the old ones stay"
                );
                self.last()
            }
        }
    }

    fn keep(&self, config: ClientConfig) -> MakeRustlsConnect {
        let made = MakeRustlsConnect::new(config);
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = made.clone();
        made
    }
}

/// Whether a URL of the database is one, and the files that it names can be used: for whoever checks
/// a configuration as a whole.
pub fn check_url(text: &str) -> Result<(), StartError> {
    Address::parse(text).map(drop)
}
