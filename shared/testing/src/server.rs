use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use datacovey_persistence::{
    BOOTSTRAP, DATABASE_URL_VARIABLE, LocalServer, LocalServerOptions, ServiceLogin, migrate,
};
use tokio::sync::{Mutex, OnceCell};
use tokio_postgres::NoTls;

/// The server of this process, started by the first test that wants a database.
static SERVER: OnceCell<Server> = OnceCell::const_new();

pub(crate) struct Server {
    place: Place,
    template: String,
    /// A template cannot be copied twice at a time.
    copying: Mutex<()>,
    dropped: mpsc::Sender<String>,
    count: AtomicU32,
}

/// A database and its URLs: for who owns it, and for services.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) name: String,
    pub(crate) admin_url: String,
    pub(crate) url: String,
}

enum Place {
    Own {
        server: Box<LocalServer>,
        services: ServiceLogin,
        _janitor: Child,
    },
    Given {
        url: String,
    },
}

/// Removes a folder once this process is gone, however it goes: what a static holds is never dropped.
fn remove_at_the_end(folder: &Path) -> Child {
    Command::new("/bin/sh")
        .args(["-c", "while read -r _; do :; done; rm -rf -- \"$1\"", "janitor"])
        .arg(folder)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a shell")
}

impl Place {
    fn url(&self, database: &str) -> String {
        match self {
            Self::Own { server, .. } => server.url(database),
            Self::Given { url } => with_database(url, database),
        }
    }

    /// As services log in; whoever gives us a server gives one login for everything.
    fn service_url(&self, database: &str) -> String {
        match self {
            Self::Own { services, .. } => services.url(database),
            Self::Given { url } => with_database(url, database),
        }
    }
}

/// Replaces the last part of the path of a URL.
fn with_database(url: &str, database: &str) -> String {
    let (base, query) = url
        .split_once('?')
        .map_or((url, None), |(base, query)| (base, Some(query)));
    let authority = base.find("://").map_or(0, |it| it + 3);
    let end = base[authority..]
        .find('/')
        .map_or(base.len(), |it| authority + it);
    let query = query.map(|it| format!("?{it}")).unwrap_or_default();
    format!("{}/{database}{query}", &base[..end])
}

impl Server {
    pub(crate) async fn get() -> &'static Self {
        SERVER.get_or_init(Self::start).await
    }

    pub(crate) fn started() -> Option<&'static Self> {
        SERVER.get()
    }

    async fn start() -> Self {
        let place = match std::env::var(DATABASE_URL_VARIABLE) {
            Ok(url) => Place::Given { url },
            Err(_) => {
                let data_dir = tempfile::tempdir().expect("a temporary folder").keep();
                let janitor = remove_at_the_end(&data_dir);
                let options = LocalServerOptions {
                    durable: false,
                    temporary: true,
                    ..LocalServerOptions::new(&data_dir)
                };
                let server = LocalServer::start(options).await.expect("a PostgreSQL server");
                execute(&server.url("postgres"), BOOTSTRAP).await;
                Place::Own {
                    services: server.service_login().await.expect("a login of services"),
                    server: Box::new(server),
                    _janitor: janitor,
                }
            }
        };
        let template = format!("datacovey_test_{}", std::process::id());
        let admin = place.url("postgres");
        execute(&admin, &format!("DROP DATABASE IF EXISTS {template}")).await;
        execute(&admin, &format!("CREATE DATABASE {template}")).await;
        migrate(&place.url(&template))
            .await
            .expect("migrations of the template");
        let dropped = dropper(admin);
        Self {
            place,
            template,
            copying: Mutex::new(()),
            dropped,
            count: AtomicU32::new(0),
        }
    }

    /// A database of its own.
    pub(crate) async fn create(&self, migrated: bool) -> Created {
        let name = format!("{}_{}", self.template, self.count.fetch_add(1, Ordering::Relaxed));
        let template = if migrated {
            self.template.as_str()
        } else {
            "template0"
        };
        let _copying = self.copying.lock().await;
        execute(
            &self.place.url("postgres"),
            &format!("CREATE DATABASE {name} TEMPLATE {template}"),
        )
        .await;
        Created {
            admin_url: self.place.url(&name),
            url: self.place.service_url(&name),
            name,
        }
    }

    pub(crate) fn drop_later(&self, name: String) {
        // Without a receiver the process is about to end, and the server with it.
        let _ = self.dropped.send(name);
    }
}

/// Drops databases on a thread of its own: a value that goes out of scope cannot wait.
fn dropper(admin: String) -> mpsc::Sender<String> {
    let (sender, names) = mpsc::channel::<String>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        for name in names {
            runtime.block_on(execute(
                &admin,
                &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            ));
        }
    });
    sender
}

async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    let work = async {
        client.batch_execute(sql).await.expect(sql);
        drop(client);
    };
    let (_, ended) = tokio::join!(work, connection);
    ended.expect("a connection that ends well");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_url_is_replaced() {
        assert_eq!(with_database("postgres://u:p@h:1/a", "b"), "postgres://u:p@h:1/b");
        assert_eq!(with_database("postgres://h", "b"), "postgres://h/b");
        assert_eq!(
            with_database("postgres://h/a?sslmode=disable", "b"),
            "postgres://h/b?sslmode=disable"
        );
    }
}
