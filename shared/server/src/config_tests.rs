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
        identity_url: some("ftp://identity"),
        catalog_url: None,
        query_url: None,
        transfer_url: None,
        issuers: some(
            r#"[{"issuer": "a", "audience": "b", "jwks": "http://evil.example", "organizations": "any"}]"#,
        ),
        trusted_services: some("@/does/not/exist"),
        service_key_file: some("/does/not/exist"),
        tls_cert_file: some("/does/not/exist"),
        tls_key_file: some("/does/not/exist"),
        tls_client_ca_file: some("/does/not/exist"),
        peer_ca_file: None,
        peer_cert_file: some("/does/not/exist"),
        peer_key_file: None,
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
            "DATACOVEY_TLS_CERT_FILE",
            "DATACOVEY_TLS_KEY_FILE",
            "DATACOVEY_TLS_CLIENT_CA_FILE",
            "DATACOVEY_PEER_KEY_FILE",
            "DATACOVEY_PEER_CA_FILE",
            "DATACOVEY_PEER_CERT_FILE",
        ]
    );
}

/// The files of a test's certificate: of whom, and its key.
fn certificate(folder: &Path) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate.display().to_string(), key.display().to_string())
}

#[test]
fn files_of_tls_are_held_against_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let (certificate_file, key) = certificate(folder.path());
    let (_, other_key) = certificate(other.path());
    let empty = folder.path().join("empty.crt").display().to_string();
    std::fs::write(&empty, "").unwrap();
    let tls = |certificate: Option<&String>, key: Option<&String>, ca: Option<&String>| {
        let args = ServerArgs {
            tls_cert_file: certificate.cloned(),
            tls_key_file: key.cloned(),
            tls_client_ca_file: ca.cloned(),
            ..good(folder.path())
        };
        validate(&args).map(|it| it.tls.is_some())
    };
    let (of, key, other_key) = (Some(&certificate_file), Some(&key), Some(&other_key));
    assert_eq!(tls(None, None, None), Ok(false));
    assert_eq!(tls(of, key, None), Ok(true));
    assert_eq!(tls(of, key, of), Ok(true));
    const CERTIFICATE: &str = "DATACOVEY_TLS_CERT_FILE";
    const KEY: &str = "DATACOVEY_TLS_KEY_FILE";
    const CA: &str = "DATACOVEY_TLS_CLIENT_CA_FILE";
    assert_eq!(tls(of, other_key, None), Err(vec![KEY.to_owned()]));
    assert_eq!(
        tls(key, of, None),
        Err(vec![CERTIFICATE.to_owned(), KEY.to_owned()])
    );
    assert_eq!(
        tls(of, None, Some(&empty)),
        Err(vec![KEY.to_owned(), CA.to_owned()])
    );
    assert_eq!(tls(None, key, None), Err(vec![CERTIFICATE.to_owned()]));
    assert_eq!(tls(None, None, of), Err(vec![CERTIFICATE.to_owned()]));
    assert_eq!(tls(of, key, Some(&empty)), Err(vec![CA.to_owned()]));
    assert_eq!(tls(of, key, key), Err(vec![CA.to_owned()]));
}

#[test]
fn peers_over_https_need_an_authority() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let peer = |ca: Option<&String>, own: Option<(&String, &String)>| {
        let args = ServerArgs {
            identity_url: Some("https://identity:50051".to_owned()),
            peer_ca_file: ca.cloned(),
            peer_cert_file: own.map(|it| it.0.clone()),
            peer_key_file: own.map(|it| it.1.clone()),
            ..good(folder.path())
        };
        validate(&args).map(|it| it.peer_tls.is_some())
    };
    let missing = Err(vec!["DATACOVEY_PEER_CA_FILE".to_owned()]);
    assert_eq!(peer(None, None), missing);
    assert_eq!(peer(None, Some((&certificate, &key))), missing);
    assert_eq!(peer(Some(&certificate), None), Ok(true));
    assert_eq!(peer(Some(&certificate), Some((&certificate, &key))), Ok(true));
    // Whoever has files of TLS need not use them yet.
    assert!(validate(&good(folder.path())).unwrap().peer_tls.is_none());
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
fn a_peer_may_be_at_several_urls_and_all_that_is_wrong_with_them_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let with = |urls: &str| ServerArgs {
        identity_url: Some(urls.to_owned()),
        ..good(folder.path())
    };
    let config = validate(&with("http://one:50051,http://two:50051")).unwrap();
    assert_eq!(
        config.peers["identity"].to_string(),
        "http://one:50051,http://two:50051"
    );
    let wrong = validate(&with("http://one:50051,two:50051,http://three:1/path"));
    assert_eq!(wrong.unwrap_err(), ["DATACOVEY_IDENTITY_URL"; 2]);
    assert_eq!(
        validate(&with("http://one:50051,https://two:50051")).unwrap_err(),
        ["DATACOVEY_PEER_CA_FILE"],
        "one of them is enough"
    );
}

#[test]
fn where_traces_go_is_scheme_host_and_port() {
    assert!(http_uri("http://collector:4317").is_ok());
    for wrong in [
        "https://collector:4317",
        "collector:4317",
        "http://:1",
        "http://collector:1/path",
        "http://name:password@collector:1",
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
    let source = [
        include_str!("config.rs"),
        include_str!("limits.rs"),
        include_str!("tls/args.rs"),
    ]
    .concat();
    for name in names {
        assert!(name.starts_with("DATACOVEY_"), "{name}");
        assert!(
            source.matches(&format!("\"{name}\"")).count() >= 2,
            "{name} is read and never named"
        );
    }
}
