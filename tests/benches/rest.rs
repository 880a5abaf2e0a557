//! The REST API against PostgreSQL's own clients on the same server, in transactions that do the same: becoming
//! the role, the tenant and the user, and the rows under row-level security.
//!
//! `wrk` and `curl` call, so that the measured process pays for no client.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;

use crate::get_table::{pgbench_rate, program};
use crate::house::House;
use crate::paging::median;
use crate::{round, say};

const PAGE_ROWS: usize = 1000;
const INSERTED_ROWS: usize = 10_000;
const STREAMED_ROWS: usize = 1_000_000;
const ROUNDS: usize = 5;

struct Peers {
    wrk: PathBuf,
    curl: PathBuf,
    pgbench: PathBuf,
    psql: PathBuf,
}

impl Peers {
    fn find() -> Option<Self> {
        let found = |name| {
            let program = program(name);
            if program.is_none() {
                println!("  no {name} is installed (apt install wrk curl postgresql)");
            }
            program
        };
        Some(Self {
            wrk: found("wrk")?,
            curl: found("curl")?,
            pgbench: found("pgbench")?,
            psql: found("psql")?,
        })
    }
}

pub(crate) async fn run(house: &House) {
    let Some(peers) = Peers::find() else {
        return;
    };
    by_id(house, &peers).await;
    pages(house, &peers).await;
    inserts(house, &peers).await;
    streams(house, &peers).await;
}

async fn by_id(house: &House, peers: &Peers) {
    let columns = "id,tenant_id,dataset_id,name,schema,created_at,archived_at";
    let paths = house
        .tables
        .iter()
        .map(|id| format!("/table?id=eq.{id}&select={columns}"));
    let script = script(house, paths);
    for connections in [1, 16] {
        // Everything is warm before anything counts.
        wrk(house, peers, &script, connections, round() / 2).await;
        let peer = pgbench_rate(&peers.pgbench, house, connections, false).await;
        let ours = wrk(house, peers, &script, connections, round()).await;
        let rate = |it: f64| format!("{it:.0}/s");
        let what = format!("a row by id, {connections} connections: pgbench -M prepared");
        say(&what, rate(peer), Some(1.0));
        say("  REST", rate(ours), Some(ours / peer));
    }
}

async fn pages(house: &House, peers: &Peers) {
    let rows = format!("SELECT * FROM \"table\" ORDER BY id LIMIT {PAGE_ROWS}");
    let copy = format!("COPY (SELECT json_agg(t) FROM ({rows}) t) TO STDOUT;\n");
    let peer = psql(house, peers, &copy.repeat(50)).await / 50;
    let script = script(house, [format!("/table?order=id&limit={PAGE_ROWS}")]);
    wrk(house, peers, &script, 1, round() / 2).await;
    let ours = Duration::from_secs_f64(1.0 / wrk(house, peers, &script, 1, round()).await);
    let what = format!("{PAGE_ROWS} rows: psql copies json_agg");
    say(&what, milliseconds(peer), Some(1.0));
    say(
        "  REST",
        milliseconds(ours),
        Some(ours.as_secs_f64() / peer.as_secs_f64()),
    );
}

async fn inserts(house: &House, peers: &Peers) {
    let rows =
        (0..INSERTED_ROWS).map(|it| json!({"tenant_id": house.tenant_id, "name": format!("bench row {it}")}));
    let rows = serde_json::Value::from(rows.collect::<Vec<_>>()).to_string();
    let body = house.folder().join("rows.json");
    std::fs::write(&body, &rows).unwrap();
    let statement = format!(
        "INSERT INTO project (tenant_id, name)
         SELECT tenant_id, name FROM json_to_recordset('{rows}') AS r (tenant_id uuid, name text);\n"
    );
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(psql(house, peers, &statement).await);
        clear(house).await;
        let data = format!("@{}", body.display());
        let more = ["-H", "content-type: application/json", "--data-binary", &data];
        let answer = curl(house, peers, "/project", &more).await;
        assert_eq!(answer.status, 201);
        ours.push(answer.took);
        clear(house).await;
    }
    let (theirs, ours) = (median(theirs), median(ours));
    let what = format!("{INSERTED_ROWS} rows inserted at once: psql");
    say(&what, milliseconds(theirs), Some(1.0));
    say(
        "  REST",
        milliseconds(ours),
        Some(ours.as_secs_f64() / theirs.as_secs_f64()),
    );
}

async fn streams(house: &House, peers: &Peers) {
    let fill = format!(
        "INSERT INTO dataset_history (id, tenant_id, project_id, name, action)
         SELECT gen_random_uuid(), '{}', gen_random_uuid(), 'dataset ' || n, 'UPDATE'
         FROM generate_series(1, {STREAMED_ROWS}) AS n",
        house.tenant_id
    );
    as_superuser(house, &fill).await;
    let copy = "COPY (SELECT row_to_json(t) FROM (SELECT * FROM dataset_history) t) TO STDOUT;\n";
    let peer = psql(house, peers, copy).await;
    let what = format!("{STREAMED_ROWS} rows: psql copies row_to_json");
    say(&what, milliseconds(peer), Some(1.0));
    for (how, more) in [
        ("as fast as it goes", &[][..]),
        ("at 40 MB/s", &["--limit-rate", "40M"]),
    ] {
        let before = house.resident_bytes();
        house.forget_peak();
        let answer = curl(house, peers, "/dataset_history", more).await;
        assert_eq!(answer.status, 200);
        assert!(answer.bytes as usize > STREAMED_ROWS * 100);
        let grown = house.peak_bytes().saturating_sub(before);
        let ratio = answer.took.as_secs_f64() / peer.as_secs_f64();
        say(
            &format!("  REST, read {how}"),
            milliseconds(answer.took),
            Some(ratio),
        );
        say(
            "  memory that it took of the suite",
            format!("{} MiB", grown >> 20),
            None,
        );
    }
    as_superuser(house, "DELETE FROM dataset_history WHERE name LIKE 'dataset %'").await;
}

/// What `wrk` asks for, in turns.
fn script(house: &House, paths: impl IntoIterator<Item = String>) -> PathBuf {
    let paths: Vec<_> = paths.into_iter().map(|it| format!("  \"{it}\",\n")).collect();
    let script = format!(
        "local paths = {{\n{}}}\nlocal turn = 0\n\
         wrk.headers[\"Authorization\"] = \"Bearer {}\"\n\
         function request()\n  turn = turn % #paths + 1\n  return wrk.format(\"GET\", paths[turn])\nend\n",
        paths.concat(),
        house.token
    );
    let file = house.folder().join(format!("rest-{}.lua", paths.len()));
    std::fs::write(&file, script).unwrap();
    file
}

/// Requests a second, of one thread.
async fn wrk(house: &House, peers: &Peers, script: &Path, connections: usize, long: Duration) -> f64 {
    let output = Command::new(&peers.wrk)
        .args(["-t", "1", "-c", &connections.to_string()])
        .args(["-d", &format!("{}s", long.as_secs().max(1))])
        .arg("-s")
        .arg(script)
        .arg(&house.gateway)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let number = |line: &str| {
        said.lines()
            .find_map(|it| it.trim().strip_prefix(line)?.trim().parse::<f64>().ok())
    };
    assert_eq!(number("Non-2xx or 3xx responses:"), None, "{said}");
    number("Requests/sec:").unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

struct Answer {
    status: u16,
    bytes: u64,
    took: Duration,
}

async fn curl(house: &House, peers: &Peers, path: &str, more: &[&str]) -> Answer {
    let output = Command::new(&peers.curl)
        .args([
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{size_download} %{time_total}",
        ])
        .args(["-H", &format!("authorization: Bearer {}", house.token)])
        .args(more)
        .arg(format!("{}{path}", house.gateway))
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let [status, bytes, seconds] = said.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{said}")
    };
    Answer {
        status: status.parse().unwrap(),
        bytes: bytes.parse().unwrap(),
        took: Duration::from_secs_f64(seconds.parse().unwrap()),
    }
}

/// What statements take within the transaction of a caller, as `psql` tells it.
async fn psql(house: &House, peers: &Peers, statements: &str) -> Duration {
    let script = format!(
        "\\set ON_ERROR_STOP on\n\\o /dev/null\n\\timing on\nBEGIN;\nSET LOCAL ROLE datacovey_catalog;\n\
         SELECT set_config('datacovey.tenant', '{}', true), set_config('datacovey.user', '{}', true);\n\
         {statements}COMMIT;\n",
        house.tenant_id, house.user_id
    );
    let file = house.folder().join("rest.sql");
    std::fs::write(&file, script).unwrap();
    let output = Command::new(&peers.psql)
        .args(["-X", "-f"])
        .arg(&file)
        .arg(&house.database)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // As in "Time: 1234.567 ms (00:01.235)".
    let times = said
        .lines()
        .filter_map(|it| it.strip_prefix("Time: ")?.split(' ').next()?.parse::<f64>().ok());
    Duration::from_secs_f64(times.sum::<f64>() / 1000.0)
}

async fn clear(house: &House) {
    let rows = "project WHERE name LIKE 'bench row %'";
    let participants = format!("DELETE FROM project_participant WHERE project_id IN (SELECT id FROM {rows})");
    as_superuser(house, &format!("{participants}; DELETE FROM {rows}")).await;
}

async fn as_superuser(house: &House, statement: &str) {
    let (client, connection) = tokio_postgres::connect(&house.database, tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(statement).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}

fn milliseconds(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}
