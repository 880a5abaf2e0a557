//! As many streams as a server takes on, and more: those that are too many are told so at once, the others
//! cost what they cost, calls are answered meanwhile, and all is as before when they have ended.
//!
//! `DATACOVEY_STREAMS=100000 cargo test -p datacovey-server --test it crowd -- --nocapture` opens more than
//! the usual run. The server is a process of its own, this very binary told to run [`server`] alone, so that
//! its memory is told apart from that of those who call.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use datacovey_auth::{InternalSigner, SigningKey};
use datacovey_proto::internal::rows::v1::row_service_client::RowServiceClient;
use datacovey_proto::internal::rows::v1::{SelectRequest, SelectResponse};
use datacovey_proto::query::v1::audit_service_client::AuditServiceClient;
use datacovey_server::Limits;
use datacovey_types::{Principal, Role, Scopes};
use futures::stream::{self, StreamExt as _};
use metrics_exporter_prometheus::PrometheusBuilder;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::oneshot;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::fixture::{TENANT, USER, call, get, limits, reason, soon, start_for, with_token};

/// To the server: how many streams it has places for, and the file of the key of those who call.
const PLACES: &str = "DATACOVEY_TEST_PLACES";
const KEY: &str = "DATACOVEY_TEST_KEY";
/// Streams of one connection; few enough that a client need not wait for the server to allow more.
const A_CONNECTION: usize = 1000;
/// Of these, those that are being opened at once.
const AT_ONCE: usize = 32;
/// A stream that waits for something to happen costs no more than this, in an unoptimized build, too.
const MOST_BYTES_A_STREAM: u64 = 24 * 1024;
/// What a server takes that has had its first calls.
const MOST_BYTES_BESIDE: u64 = 64 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process of the test below"]
async fn server() {
    let Ok(places) = std::env::var(PLACES) else { return };
    let limits = Limits {
        max_streams: places.parse().unwrap(),
        ..limits()
    };
    let metrics = PrometheusBuilder::new().install_recorder().unwrap();
    let gateway = gateway(std::env::var_os(KEY).unwrap().as_ref());
    let running = start_for(gateway, None, limits, Some(metrics), |app| app).await;
    println!("\nserves {} {}", running.address, running.admin);
    // Until whoever started it is gone.
    let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
}

fn gateway(key: &Path) -> InternalSigner {
    InternalSigner::new("gateway", SigningKey::from_file_or_new(key).unwrap())
}

struct Server {
    child: Child,
    /// It writes there to its end.
    _lines: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
    admin: SocketAddr,
    gateway: InternalSigner,
    _folder: TempDir,
}

impl Server {
    async fn start(places: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("gateway.pem");
        let gateway = gateway(&key);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crowd::server", "--ignored", "--nocapture"])
            .env(PLACES, places.to_string())
            .env(KEY, key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = loop {
            let line = soon(lines.next_line())
                .await
                .unwrap()
                .expect("it says where it serves");
            if let Some(said) = line.strip_prefix("serves ") {
                break said.to_owned();
            }
        };
        let (address, admin) = said.split_once(' ').unwrap();
        Self {
            child,
            _lines: lines,
            address: address.parse().unwrap(),
            admin: admin.parse().unwrap(),
            gateway,
            _folder: folder,
        }
    }

    fn channel(&self) -> Channel {
        let address = Channel::from_shared(format!("http://{}", self.address));
        address.unwrap().connect_lazy()
    }

    /// The memory that it holds, where the system tells.
    fn bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kilobytes * 1024)
    }

    async fn until_no_stream_is_open(&self) {
        let none = "datacovey_streams_open{service=\"query\"} 0\n";
        while !get(self.admin, "/metrics").await.contains(none) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Opens so many streams that never say more than one thing; those that are open, and what the others were told.
async fn open(server: &Server, count: usize) -> (Vec<Streaming<SelectResponse>>, Vec<Status>) {
    let connections = (0..count.div_ceil(A_CONNECTION)).map(|connection| {
        let client = RowServiceClient::new(server.channel());
        let of_it = A_CONNECTION.min(count - connection * A_CONNECTION);
        let opened = stream::iter(0..of_it).map(move |_| {
            let mut client = client.clone();
            async move {
                // Minted anew when it is old: it lives for minutes.
                let token = server.gateway.token("query", None, None);
                let endless = SelectRequest {
                    relation: "endless".to_owned(),
                    ..SelectRequest::default()
                };
                let mut stream = client.select(with_token(endless, &token)).await?.into_inner();
                stream.message().await?.expect("the first message");
                Ok(stream)
            }
        });
        opened.buffer_unordered(AT_ONCE)
    });
    let (mut open, mut refused) = (Vec::new(), Vec::new());
    let mut all = std::pin::pin!(stream::select_all(connections.map(Box::pin)));
    while let Some(answer) = all.next().await {
        match answer {
            Ok(stream) => open.push(stream),
            Err(status) => refused.push(status),
        }
    }
    (open, refused)
}

/// Calls one after the other until told to stop; how long each took.
async fn calls(server: &Server, mut stop: oneshot::Receiver<()>) -> Vec<Duration> {
    let mut client = AuditServiceClient::new(server.channel());
    let user = Principal {
        tenant_id: TENANT,
        user_id: USER,
        role: Role::DatasetUser,
        scopes: Scopes::default(),
    };
    let mut took = Vec::new();
    while took.is_empty() || stop.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
        let begun = Instant::now();
        let token = server.gateway.token("query", Some(&user), None);
        client.list_releases(call("", &token)).await.unwrap();
        took.push(begun.elapsed());
    }
    took.sort();
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn more_streams_than_places_harm_nobody() {
    let places = std::env::var("DATACOVEY_STREAMS").ok();
    let places: usize = places.and_then(|it| it.parse().ok()).unwrap_or(500);
    let too_many = places.div_ceil(4);
    // A machine that does other things opens hundreds in a second.
    let in_time = Duration::from_secs(30 + (places / 200) as u64);
    let server = Server::start(places).await;
    let (_, stopped) = oneshot::channel();
    let first = calls(&server, stopped).await;
    println!("a first call {:?}; memory {} MB", first[0], mb(server.bytes()));

    for round in 1..=2 {
        let (stop, stopped) = oneshot::channel();
        let begun = Instant::now();
        let opening = async {
            let opened = tokio::time::timeout(in_time, open(&server, places + too_many)).await;
            let _ = stop.send(());
            opened.expect("every stream is opened or refused, and none waits")
        };
        let ((open, refused), took) = tokio::join!(opening, calls(&server, stopped));
        let seconds = begun.elapsed().as_secs_f64();
        let (held, median, slowest) = (server.bytes(), took[took.len() / 2], took[took.len() - 1]);
        println!(
            "round {round}: {} open and {} refused in {seconds:.1} s; memory {} MB; {} calls meanwhile, \
             median {median:?}, 99 % within {:?}, slowest {slowest:?}",
            open.len(),
            refused.len(),
            mb(held),
            took.len(),
            took[took.len() * 99 / 100],
        );
        assert_eq!((open.len(), refused.len()), (places, too_many));
        for status in &refused {
            assert_eq!(
                (status.code(), reason(status).as_str()),
                (Code::ResourceExhausted, "OVERLOADED")
            );
            let delay = status.get_details_retry_info().and_then(|it| it.retry_delay);
            assert!(delay.is_some_and(|it| it > Duration::ZERO), "{status:?}");
        }
        if let Some(held) = held {
            let most = MOST_BYTES_BESIDE + MOST_BYTES_A_STREAM * (places + too_many) as u64;
            assert!(held < most, "{held} bytes for {places} streams");
        }

        // While all of them are open, and when they have ended.
        let (stop, stopped) = oneshot::channel();
        let pause = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let _ = stop.send(());
        };
        let ((), took) = tokio::join!(pause, calls(&server, stopped));
        println!(
            "  with all open, median of {} calls {:?}",
            took.len(),
            took[took.len() / 2]
        );
        drop(open);
        let ended = tokio::time::timeout(in_time, server.until_no_stream_is_open()).await;
        ended.expect("places come back");
        println!("  after their end, memory {} MB", mb(server.bytes()));
    }
}

fn mb(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "unknown".to_owned(), |it| (it >> 20).to_string())
}
