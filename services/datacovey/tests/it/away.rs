//! The database goes away and comes back: callers are told to try again, and nothing needs a restart.
//!
//! `DATACOVEY_AWAY_SECONDS=60 cargo test -p datacovey --test it away -- --nocapture` stays away for longer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use datacovey::client::{Client, ImportOptions};
use datacovey_proto::catalog::v1::GetTableRequest;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::load::write_people;
use crate::process::{Process, database_server, folder};
use crate::world::World;

/// How soon a caller is told, and how soon it is served again, on a machine that does other things, too.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_told_to_retry_while_the_database_is_away() {
    let away = std::env::var("DATACOVEY_AWAY_SECONDS")
        .ok()
        .and_then(|it| it.parse().ok())
        .map_or(Duration::from_secs(2), Duration::from_secs);
    let folder = folder();
    let file = folder.path().join("people.csv");
    write_people(&file);
    let server = database_server(folder.path()).await;
    let direct = server.database("datacovey").await.unwrap();
    let line = Line::new(&direct).await;
    let process = Process::up(&folder.path().join("data"), &["--database-url", &line.url]).await;
    let (left, right) = (process.client("Left").await, process.client("Right").await);
    let world = World::make(&left, &right).await;
    let table = world.tables[0].as_str();

    line.cut();
    let since = Instant::now();
    let mut answers = BTreeMap::<String, u32>::new();
    // At least one call falls into the time without.
    loop {
        let answer = get(&left, table).await;
        if let Err(status) = &answer {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            let hint = status.get_details_retry_info().and_then(|it| it.retry_delay);
            assert!(hint.is_some_and(|it| it > Duration::ZERO), "{status:?}");
        }
        let word = answer.map_or_else(|it| format!("{:?}", it.code()), |()| "Ok".to_owned());
        *answers.entry(word).or_default() += 1;
        if since.elapsed() > away {
            break;
        }
    }
    println!("away for {:.1} s: {answers:?}", since.elapsed().as_secs_f64());
    assert!(answers.keys().eq(["Unavailable"]), "{answers:?}");

    line.mend();
    let back = async {
        while get(&left, table).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Workers are back, too, and those who listen for jobs.
        let options = ImportOptions::default();
        left.import_file(table, &file, &options, &|_, _| {}, &|_, _| {})
            .await
            .unwrap();
        let count = "SELECT COUNT(*) AS n FROM north.people";
        left.run(&world.project_id, count).await.unwrap();
    };
    let since = Instant::now();
    tokio::time::timeout(2 * SOON, back).await.expect("served again");
    println!(
        "served again, import and query included, after {:.1} s",
        since.elapsed().as_secs_f64()
    );
    assert!(process.terminate().await.success());
    server.stop().await;
}

async fn get(client: &Client, table: &str) -> Result<(), Status> {
    let request = GetTableRequest { id: table.to_owned() };
    tokio::time::timeout(SOON, client.tables().get_table(request))
        .await
        .expect("an answer")
        .map(|_| ())
}

/// The way to a database, which can be cut.
struct Line {
    url: String,
    whole: watch::Sender<bool>,
}

impl Line {
    async fn new(direct: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (head, tail) = direct.rsplit_once('@').unwrap();
        let (target, database) = tail.split_once('/').unwrap();
        let url = format!("{head}@{}/{database}", listener.local_addr().unwrap());
        let target = target.to_owned();
        let (whole, is_whole) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (target, mut is_whole) = (target.clone(), is_whole.clone());
                tokio::spawn(async move {
                    if !*is_whole.borrow() {
                        return;
                    }
                    let mut far = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_whole.wait_for(|whole| !whole) => {}
                    }
                });
            }
        });
        Self { url, whole }
    }

    /// What is open is closed, and whoever comes is hung up on.
    fn cut(&self) {
        self.whole.send_replace(false);
    }

    fn mend(&self) {
        self.whole.send_replace(true);
    }
}
