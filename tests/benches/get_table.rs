//! GetTable against pgbench running the same transaction on the same server: becoming the role, the tenant
//! and the user, the row under row-level security, commit.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::house::{House, TABLES};
use crate::{load, round, say};

const CONNECTIONS: usize = 16;

pub(crate) async fn run(house: &House) {
    let Some(pgbench) = program("pgbench") else {
        println!("  no pgbench is installed; it comes with PostgreSQL (apt install postgresql)");
        return;
    };
    // Everything is warm before anything counts.
    load::closed(house, &house.catalog, CONNECTIONS, round() / 2).await;
    let one_by_one = pgbench_rate(&pgbench, house, CONNECTIONS, false).await;
    let direct = load::closed(house, &house.catalog, CONNECTIONS, round()).await;
    let pipelined = pgbench_rate(&pgbench, house, CONNECTIONS, true).await;
    let gateway = load::closed(house, &house.gateway, CONNECTIONS, round()).await;

    let rate = |it: f64| format!("{it:.0}/s");
    say(
        "pgbench -M prepared, one statement after the other",
        rate(one_by_one),
        Some(1.0),
    );
    say(
        "pgbench -M prepared, pipelined",
        rate(pipelined),
        Some(pipelined / one_by_one),
    );
    say(
        "catalog directly",
        rate(direct.rate()),
        Some(direct.rate() / one_by_one),
    );
    say(
        "through the gateway",
        rate(gateway.rate()),
        Some(gateway.rate() / one_by_one),
    );
    say(
        "through the gateway, of catalog directly",
        "",
        Some(gateway.rate() / direct.rate()),
    );
    for outcome in [&direct, &gateway] {
        assert!(outcome.refused.is_empty(), "{:?}", outcome.refused);
    }
}

/// Transactions a second.
pub(crate) async fn pgbench_rate(pgbench: &Path, house: &House, connections: usize, pipelined: bool) -> f64 {
    let statements = [
        "BEGIN;".to_owned(),
        "SET LOCAL ROLE datacovey_catalog;".to_owned(),
        format!(
            "SELECT set_config('datacovey.tenant', '{}', true), set_config('datacovey.user', '{}', true);",
            house.tenant_id, house.user_id
        ),
        "SELECT id, tenant_id, dataset_id, name, schema, created_at, archived_at FROM \"table\"
             WHERE id = md5(:n::text)::uuid;"
            .replace('\n', " "),
        "COMMIT;".to_owned(),
    ];
    let (start, end) = if pipelined {
        ("\\startpipeline\n", "\n\\endpipeline")
    } else {
        ("", "")
    };
    let script = format!(
        "\\set n random(1, {TABLES})\n{start}{}{end}\n",
        statements.join("\n")
    );
    let file = house.folder().join("get_table.sql");
    std::fs::write(&file, script).unwrap();
    let output = Command::new(pgbench)
        .args(["-M", "prepared", "-n", "-c", &connections.to_string()])
        .args(["-j", if connections > 1 { "2" } else { "1" }])
        .args(["-T", &round().as_secs().to_string()])
        .arg("-f")
        .arg(&file)
        .arg(&house.database)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let tps = said.lines().find_map(|it| it.strip_prefix("tps = "));
    let tps = tps.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    tps.split(' ').next().unwrap().parse().unwrap()
}

/// A program on the PATH, or where Debian keeps those of PostgreSQL and of administrators.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|it| it.path().join("bin")));
    }
    folders
        .into_iter()
        .map(|it| it.join(name))
        .find(|it| it.is_file())
}
