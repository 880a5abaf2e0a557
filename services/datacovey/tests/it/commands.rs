//! The commands of the README, as commands.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datacovey::client::{Client, ImportOptions};
use datacovey_proto::transfer::v1::{JobState, ListImportJobsRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::process::{Process, binary, folder, token};
use crate::world::World;

/// Runs a command to its end: whether it went well, and what it said on either stream.
async fn run(command: &mut Command) -> (bool, String, String) {
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_in_is_asked_about_and_comes_out() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    let process = Process::up(&data_dir, &[]).await;
    let (left, right) = (process.client("Left").await, process.client("Right").await);
    let world = World::make(&left, &right).await;
    let (of_left, of_right) = (token(&data_dir, "Left").await, token(&data_dir, "Right").await);
    let as_user = |token: &str, arguments: &[&str]| {
        let mut command = binary();
        command
            .args(arguments)
            .env("DATACOVEY_ENDPOINT", process.endpoint())
            .env("DATACOVEY_TOKEN", token);
        command
    };
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();

    // Cities that are not known are an error in a required column, written either way.
    let people = path("people.csv");
    let rows = (0..60).map(|n| format!("p{n}@example.org,{}\n", ["Rome", "Oslo", "NA", ""][n % 4]));
    std::fs::write(&people, format!("email,city\n{}", rows.collect::<String>())).unwrap();
    let import = [
        "import",
        &world.tables[0],
        &people,
        "--null",
        "NA",
        "--max-bad-records",
        "30",
    ];
    let (good, said, error) = run(&mut as_user(&of_left, &import)).await;
    assert!(good, "{error}");
    assert_eq!(
        said,
        format!("{people}: 30 rows of csv, 30 rejected, version 1\n")
    );

    let sql = "SELECT city, COUNT(*) AS n FROM north.people GROUP BY city ORDER BY city";
    let query = ["query", &world.project_id, sql];
    let (good, said, error) = run(&mut as_user(&of_right, &query)).await;
    assert!(good, "{error}");
    assert!(said.contains("Oslo") && said.ends_with("2 rows\n"), "{said}");
    let (good, said, error) = run(as_user(&of_right, &query).args(["--format", "ndjson"])).await;
    assert!(good, "{error}");
    let expected = "{\"city\":\"Oslo\",\"n\":15}\n{\"city\":\"Rome\",\"n\":15}\n";
    assert_eq!(said, expected);
    let (good, said, _) = run(as_user(&of_right, &query).arg("--check")).await;
    assert!(
        good && said.starts_with("may run; it touches north.people\n"),
        "{said}"
    );
    // A reader that has gone.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = as_user(&of_right, &query)
        .stdout(Stdio::from(writer))
        .status()
        .await;
    assert!(status.unwrap().success());

    let raw = ["query", &world.project_id, "SELECT email FROM north.people"];
    let (good, said, error) = run(&mut as_user(&of_right, &raw)).await;
    assert!(!good && said.is_empty(), "{said}");
    assert!(error.starts_with("error: the query is refused\n"), "{error}");

    let exported = path("exported.csv");
    let export = ["export", &world.tables[0], &exported];
    let (good, said, error) = run(&mut as_user(&of_left, &export)).await;
    assert!(good, "{error}");
    assert_eq!(said, format!("{exported}: 30 rows of version 1\n"));
    assert_eq!(std::fs::read_to_string(&exported).unwrap().lines().count(), 31);
    let (good, _, error) = run(&mut as_user(&of_right, &export)).await;
    assert!(!good && error.starts_with("error: "), "{error}");
    let left_over = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().path().extension() == Some("part".as_ref())
    };
    assert!(!std::fs::read_dir(folder.path()).unwrap().any(left_over));
    assert!(process.terminate().await.success());
}

/// Passes bytes on to the gateway; cuts the first `cuts` connections after so many bytes from the client.
async fn proxy(gateway: SocketAddr, cuts: usize, after_bytes: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cut = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&cut);
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let limit = (count.load(Ordering::SeqCst) < cuts).then_some(after_bytes);
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let Ok(server) = TcpStream::connect(gateway).await else {
                    return;
                };
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let up = async {
                    let (mut passed, mut buffer) = (0, vec![0; 64 << 10]);
                    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                        passed += read;
                        if limit.is_some_and(|limit| passed > limit) {
                            count.fetch_add(1, Ordering::SeqCst);
                            break;
                        }
                        if to_server.write_all(&buffer[..read]).await.is_err() {
                            break;
                        }
                    }
                };
                tokio::select! {
                    () = up => {}
                    _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
                }
            });
        }
    });
    (address, cut)
}

fn write_people(path: &Path, count: usize) {
    let rows = (0..count).map(|n| format!("{}{n}@example.org,Rome\n", "x".repeat(90)));
    std::fs::write(path, format!("email,city\n{}", rows.collect::<String>())).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_upload_goes_on_and_one_given_up_leaves_no_job_open() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    let process = Process::up(&data_dir, &[]).await;
    let (left, right) = (process.client("Left").await, process.client("Right").await);
    let world = World::make(&left, &right).await;
    let file = folder.path().join("people.csv");
    write_people(&file, 50_000);

    let gateway = process.endpoint().trim_start_matches("http://").parse().unwrap();
    let (address, cut) = proxy(gateway, 3, 1 << 20).await;
    let token = token(&data_dir, "Left").await;
    let client = Client::connect(&format!("http://{address}"), &token)
        .await
        .unwrap();
    let job = client
        .import_file(
            &world.tables[0],
            &file,
            &ImportOptions::default(),
            &|_, _| {},
            &|_, _| {},
        )
        .await
        .unwrap();
    assert_eq!((job.rows_imported, cut.load(Ordering::SeqCst)), (50_000, 3));

    // What cannot be read to its end is given up.
    let gone = folder.path().join("gone.csv");
    let options = ImportOptions::default();
    let error = client
        .import_file(&world.tables[0], &gone, &options, &|_, _| {}, &|_, _| {})
        .await
        .unwrap_err();
    assert!(error.to_string().contains("cannot read"), "{error}");
    let jobs = left
        .imports()
        .list_import_jobs(ListImportJobsRequest::default())
        .await
        .unwrap();
    let states: Vec<_> = jobs
        .into_inner()
        .import_jobs
        .iter()
        .map(|job| job.state())
        .collect();
    assert!(
        states
            .iter()
            .all(|state| matches!(state, JobState::Completed | JobState::Failed)),
        "{states:?}"
    );
    assert!(process.terminate().await.success());
}

#[tokio::test]
async fn a_data_directory_is_made_passable_whatever_the_mask() {
    let folder = folder();
    let data_dir = folder.path().join("new/data");
    let script = "umask 077; exec \"$0\" token --tenant Left --data-dir \"$1\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_datacovey")])
        .arg(&data_dir)
        .env_remove("DATACOVEY_DATABASE_URL");
    let (good, said, error) = run(&mut command).await;
    assert!(good && !said.is_empty(), "{error}");
    for path in [&data_dir, &folder.path().join("new"), &data_dir.join("database")] {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o711, "{}", path.display());
    }
    let keys = std::fs::metadata(data_dir.join("keys"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(keys & 0o777, 0o700);
}
