//! A service as a process: what it writes and shows, and how it ends.
//!
//! The process is this very binary, told to run [`service`] alone.

use std::collections::BTreeMap;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::Arc;

use datacovey_auth::{InternalVerifier, OidcVerifier};
use datacovey_server::{
    App, Authentication, CallersConfig, HealthCheck, LogFormat, ServerConfig, TelemetryConfig, run,
};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::fixture::{SERVICE, Users, get, limits, soon};

const OPENS: &str = "DATACOVEY_TEST_OPENS";

#[tokio::test]
#[ignore = "a process of the tests below"]
async fn service() {
    let Ok(opens) = std::env::var(OPENS) else { return };
    let free = "127.0.0.1:0".parse().unwrap();
    let config = ServerConfig {
        service: SERVICE,
        listen: free,
        admin_listen: free,
        limits: limits(),
        callers: CallersConfig::default(),
        telemetry: TelemetryConfig {
            log_format: LogFormat::Json,
            log: "info".to_owned(),
            otlp_endpoint: None,
        },
        peers: BTreeMap::new(),
        tls: None,
        peer_tls: None,
    };
    let open = async {
        tracing::info!("opening");
        if opens == "never" {
            std::future::pending::<()>().await;
        }
        let authentication = Authentication::new(
            InternalVerifier::new(SERVICE.name, Vec::new()),
            OidcVerifier::new(Vec::new()).unwrap(),
            Arc::new(Users),
        );
        let there: HealthCheck = Arc::new(|| Box::pin(async { Ok(()) }));
        Ok(App::new(authentication).depends_on("the database", there))
    };
    assert_eq!(run(config, open).await, ExitCode::SUCCESS);
}

struct Process {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Process {
    fn start(opens: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::service", "--ignored", "--nocapture"])
            .env(OPENS, opens)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, log }
    }

    /// Reads on to the line with this message; whatever is written is an object a line.
    async fn says(&mut self, message: &str) -> Value {
        loop {
            let line = soon(self.log.next_line()).await.unwrap();
            let line = line.unwrap_or_else(|| panic!("it never said {message:?}"));
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            assert!(
                line["timestamp"].is_string() && line["level"].is_string(),
                "{line}"
            );
            if line["message"] == message {
                return line;
            }
        }
    }

    async fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await;
        assert!(sent.unwrap().success());
        soon(self.child.wait()).await.unwrap()
    }
}

#[tokio::test]
async fn it_logs_lines_of_json_and_shows_its_metrics() {
    let mut process = Process::start("at once");
    let serving = process.says("serving").await;
    assert_eq!(serving["service"], "query");
    let address = |name: &str| serving[name].as_str().unwrap().to_owned();
    let channel = Channel::from_shared(format!("http://{}", address("listen"))).unwrap();
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let mut client = HealthClient::new(channel.connect_lazy());
    client.check(request).await.unwrap();
    let admin = address("admin").parse().unwrap();
    while !get(admin, "/readyz").await.starts_with("HTTP/1.1 200") {}

    let shown = get(admin, "/metrics").await;
    assert!(shown.starts_with("HTTP/1.1 200"), "{shown}");
    assert!(
        shown.contains("content-type: text/plain; version=0.0.4"),
        "{shown}"
    );
    let call = "service=\"query\",method=\"/grpc.health.v1.Health/Check\"";
    for line in [
        format!("datacovey_calls_total{{{call},code=\"OK\"}} 1"),
        format!("datacovey_call_seconds_bucket{{{call},le=\"600\"}} 1"),
        "datacovey_dependency_up{service=\"query\",dependency=\"the database\"} 1".to_owned(),
    ] {
        assert!(shown.contains(&line), "{line} is not in {shown}");
    }

    assert!(process.terminate().await.success());
    process.says("leaving").await;
}

#[tokio::test]
async fn it_ends_when_told_to_while_it_waits_for_what_it_needs() {
    let mut process = Process::start("never");
    process.says("opening").await;
    assert!(process.terminate().await.success());
}
