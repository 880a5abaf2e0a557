//! DuckDB, the peer for whatever reads and writes data: the same files, as many threads.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

/// Threads of either side.
const THREADS: usize = 2;

pub(crate) struct DuckDb {
    python: String,
    folder: PathBuf,
}

/// What a statement took.
pub(crate) struct Measured {
    /// The median of its rounds.
    pub(crate) took: Duration,
    pub(crate) peak_kib: u64,
    pub(crate) rows: usize,
}

impl DuckDb {
    /// Over the files of `folder`; nothing, and a word why, where it is not installed.
    pub(crate) async fn find(folder: PathBuf) -> Option<Self> {
        let python = std::env::var("DATACOVEY_BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let output = Command::new(&python).args(["-c", "import duckdb"]).output().await;
        if output.is_ok_and(|it| it.status.success()) {
            return Some(Self { python, folder });
        }
        println!("  no duckdb is installed for Python (pip install duckdb, or DATACOVEY_BENCH_PYTHON)");
        None
    }

    /// Makes the files of a benchmark.
    pub(crate) async fn make(&self, what: &str, sizes: &[String]) {
        self.call(what, sizes).await;
    }

    /// Runs a statement so many times, in a process of its own.
    pub(crate) async fn time(&self, sql: &str, rounds: usize) -> Measured {
        let said = self
            .call("time", &[THREADS.to_string(), rounds.to_string(), sql.to_owned()])
            .await;
        let said: Value = serde_json::from_str(&said).unwrap();
        Measured {
            took: Duration::from_secs_f64(said["seconds"].as_f64().unwrap()),
            peak_kib: said["peak_kib"].as_u64().unwrap(),
            rows: said["rows"].as_u64().unwrap() as usize,
        }
    }

    async fn call(&self, what: &str, args: &[String]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/duckdb_peer.py");
        let output = Command::new(&self.python)
            .arg(script)
            .arg(what)
            .arg(&self.folder)
            .args(args)
            .output()
            .await
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}
