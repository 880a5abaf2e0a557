//! The binary, told what it cannot do.

use std::process::Command;

/// Starts the gateway with these variables alone; gives its exit code and what it said.
fn start(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_datacovey-gateway"))
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn all_that_is_wrong_is_said_at_once_and_nothing_starts() {
    let (code, said) = start(&[
        ("DATACOVEY_LISTEN", "nowhere"),
        ("DATACOVEY_MAX_CALL_SECONDS", "99999999999999999999"),
        ("DATACOVEY_IDENTITY_URL", "http://identity:50051/path"),
        ("DATACOVEY_CATALOG_URL", "http://name:password@catalog:50052"),
        ("DATACOVEY_QUERY_URL", "https://query:50053"),
        // Enough for any other service, and for this one nobody.
        (
            "DATACOVEY_TRUSTED_SERVICES",
            r#"[{"name": "query", "public_key": "x"}]"#,
        ),
    ]);
    assert_eq!(code, Some(2), "{said}");
    for expected in [
        "DATACOVEY_LISTEN: is no address",
        "DATACOVEY_MAX_CALL_SECONDS: is no whole number from 1 to 86400",
        "DATACOVEY_ISSUERS: ",
        "DATACOVEY_SERVICE_KEY_FILE: is missing",
        "DATACOVEY_IDENTITY_URL: has a path",
        "DATACOVEY_CATALOG_URL: holds credentials",
        "DATACOVEY_PEER_CA_FILE: is missing; the address of query begins with https",
        "DATACOVEY_TRANSFER_URL: is missing",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in:\n{said}");
    }
    assert!(!said.contains("password"), "{said}");
}
