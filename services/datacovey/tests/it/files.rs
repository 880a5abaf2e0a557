//! Files in and out by commands: tables made of them, patterns, standard streams, ctrl-c.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;

use datacovey::client::Client;
use datacovey_proto::catalog::v1::GetTableRequest;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::Notify;

use crate::process::{Process, binary, folder, token};
use crate::world::World;

/// A suite, and commands of an admin of its first organization.
struct Desk {
    folder: TempDir,
    process: Process,
    client: Client,
    token: String,
    table: String,
}

impl Desk {
    async fn open() -> Self {
        let folder = folder();
        let data_dir = folder.path().join("data");
        let process = Process::up(&data_dir, &[]).await;
        let (client, other) = (process.client("Left").await, process.client("Right").await);
        let world = World::make(&client, &other).await;
        let token = token(&data_dir, "Left").await;
        let table = world.tables[0].clone();
        Self {
            folder,
            process,
            client,
            token,
            table,
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn command(&self, endpoint: &str, arguments: &[&str]) -> Command {
        let mut command = binary();
        command
            .args(arguments)
            .env("DATACOVEY_ENDPOINT", endpoint)
            .env("DATACOVEY_TOKEN", &self.token)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let endpoint = self.process.endpoint();
        self.command(&endpoint, arguments).output().await.unwrap()
    }

    /// What a command that goes well says.
    async fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", errors(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_made_of_files_that_a_pattern_names() {
    let desk = Desk::open().await;
    let request = GetTableRequest {
        id: desk.table.clone(),
    };
    let table = desk.client.tables().get_table(request).await.unwrap();
    let dataset = table.into_inner().dataset_id;
    for (name, first) in [("part-2.ndjson", 2), ("part-1.ndjson", 0)] {
        let rows = (first..first + 2).map(|n| format!("{{\"n\": {n}, \"day\": \"2013-01-1{n}\"}}\n"));
        desk.write(name, &rows.collect::<String>());
    }
    let pattern = desk.path("part-*.ndjson");
    let create = ["import", "--create", &dataset, "days", &pattern];
    let unasked = desk.run(&create).await;
    assert_eq!(unasked.status.code(), Some(1));
    assert!(errors(&unasked).contains("say --yes"), "{}", errors(&unasked));

    let said = desk.said(&[&create[..], &["--yes", "--json"]].concat()).await;
    let told: Vec<Value> = said.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(told[0]["file"], desk.path("part-1.ndjson"));
    assert_eq!(
        (&told[0]["rows_imported"], &told[0]["format"]),
        (&2.into(), &"ndjson".into())
    );
    let table = told[1]["table_id"].as_str().unwrap();
    let request = GetTableRequest { id: table.to_owned() };
    let made = desk
        .client
        .tables()
        .get_table(request)
        .await
        .unwrap()
        .into_inner();
    let schema = format!("{:?}", made.schema);
    assert!(schema.contains("integer") && schema.contains("date"), "{schema}");
    let csv = desk
        .said(&["export", table, "-", "--format", "csv", "--columns", "n,day"])
        .await;
    let mut lines: Vec<_> = csv.lines().collect();
    lines[1..].sort_unstable();
    let expected = [
        "n,day",
        "0,2013-01-10",
        "1,2013-01-11",
        "2,2013-01-12",
        "3,2013-01-13",
    ];
    assert_eq!(lines, expected);
    assert!(desk.process.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_streams_and_bad_records_have_their_words_and_codes() {
    let desk = Desk::open().await;
    let endpoint = desk.process.endpoint();
    let mut child = desk
        .command(
            &endpoint,
            &[
                "import",
                &desk.table,
                "-",
                "--no-header",
                "email,city",
                "--delimiter",
                ";",
            ],
        )
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(b"a@example.org;Rome\nb@example.org;Oslo\n")
        .await
        .unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "-: 2 rows of csv, 0 rejected, version 1\n");

    let bad = desk.write("bad.csv", "email,city\nc@example.org,\n");
    let failed = desk.run(&["import", &desk.table, &bad]).await;
    assert_eq!(failed.status.code(), Some(1));
    let error = errors(&failed);
    assert!(
        error.contains("line 2, city: is required and has no value"),
        "{error}"
    );
    let quiet = desk
        .said(&["import", &desk.table, &bad, "--max-bad-records", "1", "--quiet"])
        .await;
    assert_eq!(quiet, "");
    let missing = desk.run(&["import", &desk.table, &desk.path("*.missing")]).await;
    assert!(
        errors(&missing).contains("no file is called"),
        "{}",
        errors(&missing)
    );

    let out = desk.path("out.ndjson.gz");
    desk.said(&["export", &desk.table, &out]).await;
    assert!(std::fs::read(&out).unwrap().starts_with(&[0x1f, 0x8b]));
    let again = ["export", &desk.table, &out];
    assert!(errors(&desk.run(&again).await).contains("--force replaces it"));
    desk.said(&[&again[..], &["--force"]].concat()).await;
    let said = desk
        .said(&["import", &desk.table, &out, "--mode", "replace"])
        .await;
    assert!(said.contains("2 rows of ndjson.gz, 0 rejected"), "{said}");
    let unnamed = desk.run(&["export", &desk.table, "-"]).await;
    assert!(
        errors(&unnamed).contains("no format is said"),
        "{}",
        errors(&unnamed)
    );
    assert!(desk.process.terminate().await.success());
}

/// Passes so many bytes of each connection on to the gateway, and then none, which it tells, until the client
/// has gone.
async fn stalling(gateway: SocketAddr, after_bytes: usize) -> (SocketAddr, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stalls = Arc::new(Notify::new());
    let stalled = Arc::clone(&stalls);
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let stalled = Arc::clone(&stalled);
            tokio::spawn(async move {
                let server = TcpStream::connect(gateway).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let up = async {
                    let (mut passed, mut buffer) = (0, vec![0; 64 << 10]);
                    while passed < after_bytes {
                        let read = from_client.read(&mut buffer).await.unwrap_or(0);
                        if read == 0 || to_server.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                        passed += read;
                    }
                    stalled.notify_one();
                    while from_client.read(&mut buffer).await.unwrap_or(0) > 0 {}
                };
                tokio::select! {
                    () = up => {}
                    _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
                }
            });
        }
    });
    (address, stalls)
}

/// Imports files, of which the first is interrupted half-way; gives what is said of that, and the import's id.
async fn interrupted(desk: &Desk, files: &[&str]) -> (String, String) {
    let endpoint = desk.process.endpoint();
    let gateway = endpoint.trim_start_matches("http://").parse().unwrap();
    let (address, stalls) = stalling(gateway, 2 << 20).await;
    let arguments = [&["import", &desk.table], files].concat();
    let child = desk
        .command(&format!("http://{address}"), &arguments)
        .spawn()
        .unwrap();
    let pid = child.id().unwrap().to_string();
    stalls.notified().await;
    let interrupt = Command::new("kill").args(["-INT", &pid]).status().await;
    assert!(interrupt.unwrap().success());
    let output = child.wait_with_output().await.unwrap();
    let error = errors(&output);
    assert_eq!(output.status.code(), Some(130), "{error}");
    let job_id = error
        .split("--resume ")
        .nth(1)
        .and_then(|it| it.split(' ').next());
    let job_id = job_id.unwrap().to_owned();
    (error, job_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ctrl_c_interrupts_goes_on_as_it_says() {
    let desk = Desk::open().await;
    let rows = (0..50_000).map(|n| format!("{}{n}@example.org,Rome\n", "x".repeat(90)));
    let content = format!("email,city\n{}", rows.collect::<String>());
    let file = desk.write("people.csv", &content);
    let later = desk.write("later.csv", "email,city\n");

    // What has arrived is compared with what the file holds by then.
    let (_, job_id) = interrupted(&desk, &[&file]).await;
    desk.write(
        "people.csv",
        &content.replacen("x0@example.org", "y0@example.org", 1),
    );
    let changed = desk.run(&["import", "--resume", &job_id, &file]).await;
    assert_eq!(changed.status.code(), Some(1));
    let error = errors(&changed);
    assert!(
        error.contains(&format!("what has arrived is not what {file} holds")),
        "{error}"
    );
    assert!(error.contains("begin again without --resume"), "{error}");
    desk.write("people.csv", &content);
    let gone = desk.run(&["import", "--resume", &job_id, &file]).await;
    assert!(
        errors(&gone).contains("the import has ended"),
        "{}",
        errors(&gone)
    );

    let (error, job_id) = interrupted(&desk, &[&file, &later]).await;
    assert!(error.contains(&format!("not begun: {later}")), "{error}");
    let said = desk.said(&["import", "--resume", &job_id, &file]).await;
    assert_eq!(
        said,
        format!("{file}: 50000 rows of csv, 0 rejected, version 1\n")
    );

    // A download goes on behind what has arrived, and only of the same file.
    let whole = desk.said(&["export", &desk.table, "-", "--format", "csv"]).await;
    let out = desk.path("out.csv");
    let said = desk.said(&["export", &desk.table, &out, "--json"]).await;
    let told: Value = serde_json::from_str(&said).unwrap();
    let job_id = told["export_job_id"].as_str().unwrap();
    let part = desk.path(&format!(".again.csv.{job_id}.part"));
    let again = desk.path("again.csv");
    std::fs::write(&part, &whole.as_bytes()[..1_000_000]).unwrap();
    desk.said(&["export", "--resume", job_id, &again]).await;
    assert_eq!(std::fs::read_to_string(&again).unwrap(), whole);
    std::fs::write(&part, "of another file").unwrap();
    let other = desk.run(&["export", "--resume", job_id, &again, "--force"]).await;
    assert!(errors(&other).contains("SHA-256"), "{}", errors(&other));
    assert_eq!(std::fs::read_to_string(&again).unwrap(), whole);
    assert!(!Path::new(&part).exists());
    assert!(desk.process.terminate().await.success());
}
