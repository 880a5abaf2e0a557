//! The API by a client of the original.

use std::process::Command;

use datacovey_types::{Role, Scopes};
use uuid::Uuid;

use crate::suite::{shared, token};

/// The client of the original for Python, where there is one: `DATACOVEY_POSTGREST_PYTHON` names an interpreter
/// that has the package `postgrest`.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_original_finds_what_it_counts_on() {
    let python = std::env::var("DATACOVEY_POSTGREST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_client = Command::new(&python).args(["-c", "import postgrest"]).output();
    if !has_client.is_ok_and(|it| it.status.success()) {
        println!("skipped: {python} has no package postgrest (pip install 'postgrest>=2')");
        return;
    }
    let token = token(&format!("Peer {}", Uuid::now_v7()), Role::OrgAdmin, Scopes::NONE).await;
    let mut client = Command::new(python);
    client.args([
        "peers/rest.py",
        "--endpoint",
        &shared().gateway,
        "--token",
        &token,
    ]);
    client.current_dir(env!("CARGO_MANIFEST_DIR"));
    let run = tokio::task::spawn_blocking(move || client.output())
        .await
        .unwrap()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
}
