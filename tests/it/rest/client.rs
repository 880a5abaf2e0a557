//! The API by clients of the original, as they are published; each is skipped where it is not installed and no
//! variable names it.

use std::path::{Path, PathBuf};
use std::process::Command;

use datacovey_types::{Role, Scopes};
use uuid::Uuid;

use crate::suite::{shared, token};

/// `DATACOVEY_POSTGREST_PYTHON` names an interpreter that has the package `postgrest`.
#[tokio::test(flavor = "multi_thread")]
async fn the_client_for_python_finds_what_it_counts_on() {
    let named = std::env::var("DATACOVEY_POSTGREST_PYTHON");
    let python = named.clone().unwrap_or_else(|_| "python3".to_owned());
    let has_client = Command::new(&python).args(["-c", "import postgrest"]).output();
    if !has_client.is_ok_and(|it| it.status.success()) {
        assert!(named.is_err(), "{python} has no package postgrest");
        println!("skipped: {python} has no package postgrest (pip install 'postgrest>=2')");
        return;
    }
    run(Command::new(python).arg(peer("rest.py"))).await;
}

/// `DATACOVEY_POSTGREST_NODE` names a folder into which `@supabase/postgrest-js` is installed.
#[tokio::test(flavor = "multi_thread")]
async fn the_client_for_node_finds_what_it_counts_on() {
    let Some(folder) = std::env::var_os("DATACOVEY_POSTGREST_NODE") else {
        println!("skipped: DATACOVEY_POSTGREST_NODE is not set (npm install @supabase/postgrest-js@2)");
        return;
    };
    // A script finds packages beside itself.
    let beside = tempfile::tempdir().unwrap();
    let script = beside.path().join("rest.mjs");
    std::fs::copy(peer("rest.mjs"), &script).unwrap();
    let packages = Path::new(&folder).join("node_modules");
    std::os::unix::fs::symlink(packages, beside.path().join("node_modules")).unwrap();
    run(Command::new("node").arg(script)).await;
}

fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

/// Runs a client as the admin of a new tenant; it ends with 0 if all is as it counts on.
async fn run(client: &mut Command) {
    let token = token(&format!("Peer {}", Uuid::now_v7()), Role::OrgAdmin, Scopes::NONE).await;
    client.args(["--endpoint", &shared().gateway, "--token", &token]);
    let run = tokio::task::block_in_place(|| client.output()).unwrap();
    let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
}
