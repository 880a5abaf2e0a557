use super::*;
use crate::limits::TenantLimits;

const CATALOG: Service = Service {
    name: "catalog",
    port: 50052,
    admin_port: 9052,
    peers: &["identity"],
};

fn validate(args: &ServerArgs) -> Result<ServerConfig, Vec<String>> {
    let mut violations = Violations::new();
    let config = args.validate(CATALOG, &mut violations);
    let wrong: Vec<_> = violations.into_vec().into_iter().map(|it| it.field).collect();
    if wrong.is_empty() {
        Ok(config.unwrap())
    } else {
        Err(wrong)
    }
}

fn good(folder: &Path) -> ServerArgs {
    let key = SigningKey::from_file_or_new(&folder.join("key.pem")).unwrap();
    let trusted = format!(r#"[{{"name": "gateway", "public_key": "{}"}}]"#, key.public_key());
    std::fs::write(folder.join("trusted.json"), trusted).unwrap();
    ServerArgs {
        identity_url: Some("http://identity:50051".to_owned()),
        trusted_services: Some(format!("@{}", folder.join("trusted.json").display())),
        service_key_file: Some(folder.join("key.pem").display().to_string()),
        ..ServerArgs::default()
    }
}

#[test]
fn what_is_not_said_has_a_default() {
    let folder = tempfile::tempdir().unwrap();
    let config = validate(&good(folder.path())).unwrap();
    assert_eq!(config.listen, "0.0.0.0:50052".parse().unwrap());
    assert_eq!(config.admin_listen, "0.0.0.0:9052".parse().unwrap());
    assert_eq!(config.limits.max_message_bytes, 4 * 1024 * 1024);
    assert_eq!(config.telemetry.log_format, LogFormat::Json);
    assert_eq!(config.callers.trusted_services.len(), 1);
    assert!(config.peer("query").is_none());
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let some = |text: &str| Some(text.to_owned());
    let wrong = validate(&ServerArgs {
        listen: some("50051"),
        admin_listen: some("localhost"),
        identity_url: some("https://identity"),
        catalog_url: None,
        query_url: None,
        transfer_url: None,
        issuers: some(
            r#"[{"issuer": "a", "audience": "b", "jwks": "http://evil.example", "organizations": "any"}]"#,
        ),
        trusted_services: some("@/does/not/exist"),
        service_key_file: some("/does/not/exist"),
        max_message_bytes: some("1"),
        max_concurrent_calls: some("0"),
        max_streams: some("0"),
        tenant_calls_per_second: some("-1"),
        tenant_burst: some("x"),
        tenant_concurrent_calls: some("1e9"),
        max_connections: some("many"),
        max_call_seconds: some("-1"),
        drain_delay_seconds: some("soon"),
        drain_grace_seconds: some("1.5"),
        log_format: some("xml"),
        log: some("=,=,="),
        otlp_endpoint: some("collector"),
    });
    assert_eq!(
        wrong.unwrap_err(),
        [
            "DATACOVEY_LISTEN",
            "DATACOVEY_ADMIN_LISTEN",
            "DATACOVEY_MAX_MESSAGE_BYTES",
            "DATACOVEY_MAX_CONCURRENT_CALLS",
            "DATACOVEY_MAX_STREAMS",
            "DATACOVEY_TENANT_CALLS_PER_SECOND",
            "DATACOVEY_TENANT_BURST",
            "DATACOVEY_TENANT_CONCURRENT_CALLS",
            "DATACOVEY_MAX_CONNECTIONS",
            "DATACOVEY_MAX_CALL_SECONDS",
            "DATACOVEY_DRAIN_DELAY_SECONDS",
            "DATACOVEY_DRAIN_GRACE_SECONDS",
            "DATACOVEY_ISSUERS: issuers[0].jwks",
            "DATACOVEY_TRUSTED_SERVICES",
            "DATACOVEY_SERVICE_KEY_FILE",
            "DATACOVEY_LOG_FORMAT",
            "DATACOVEY_LOG",
            "DATACOVEY_OTLP_ENDPOINT",
            "DATACOVEY_IDENTITY_URL",
        ]
    );
}

#[test]
fn what_a_service_needs_may_not_be_missing() {
    assert_eq!(
        validate(&ServerArgs::default()).unwrap_err(),
        [
            "DATACOVEY_ISSUERS",
            "DATACOVEY_SERVICE_KEY_FILE",
            "DATACOVEY_IDENTITY_URL"
        ]
    );
}

#[test]
fn a_tenant_is_limited_where_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let tenant = |args: ServerArgs| validate(&args).unwrap().limits.tenant;
    assert_eq!(tenant(good(folder.path())), TenantLimits::default());
    let args = ServerArgs {
        tenant_calls_per_second: Some("70".to_owned()),
        ..good(folder.path())
    };
    assert_eq!(
        (tenant(args.clone()).calls_per_second, tenant(args).burst),
        (70, 140)
    );
}

/// Beyond these, adding up times and counting places would overflow.
#[test]
fn limits_have_limits() {
    let folder = tempfile::tempdir().unwrap();
    let most = usize::MAX.to_string();
    let args = ServerArgs {
        max_concurrent_calls: Some(most.clone()),
        max_connections: Some(most.clone()),
        max_call_seconds: Some(most.clone()),
        drain_grace_seconds: Some(most),
        ..good(folder.path())
    };
    assert_eq!(
        validate(&args).unwrap_err(),
        [
            "DATACOVEY_MAX_CONCURRENT_CALLS",
            "DATACOVEY_MAX_CONNECTIONS",
            "DATACOVEY_MAX_CALL_SECONDS",
            "DATACOVEY_DRAIN_GRACE_SECONDS",
        ]
    );
}

#[test]
fn lists_that_name_nobody_let_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    let args = ServerArgs {
        issuers: Some("[]".to_owned()),
        trusted_services: Some("[]".to_owned()),
        ..good(folder.path())
    };
    assert_eq!(validate(&args).unwrap_err(), ["DATACOVEY_ISSUERS"]);
}

#[test]
fn an_address_of_a_peer_is_scheme_host_and_port() {
    for right in [
        "http://identity:50051",
        "http://identity:50051/",
        "http://[::1]:1",
    ] {
        assert!(http_uri(right).is_ok(), "{right}");
    }
    for wrong in [
        "https://identity:1",
        "identity:1",
        "/path",
        "http://:1",
        "http://identity:1/path",
        "http://identity:1/?query",
        "http://name:password@identity:1",
    ] {
        assert!(http_uri(wrong).is_err(), "{wrong}");
    }
}

/// The names of the variables in the messages are those that are read.
#[test]
fn every_variable_is_named_as_it_is_read() {
    let command = <ServerArgs as clap::Args>::augment_args(clap::Command::new("test"));
    let names: Vec<_> = command
        .get_arguments()
        .filter_map(|it| it.get_env()?.to_str())
        .collect();
    let source = [include_str!("config.rs"), include_str!("limits.rs")].concat();
    for name in names {
        assert!(name.starts_with("DATACOVEY_"), "{name}");
        assert!(
            source.matches(&format!("\"{name}\"")).count() >= 2,
            "{name} is read and never named"
        );
    }
}
