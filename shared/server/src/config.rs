//! Configuration: flags and environment variables in, everything that is wrong with them out,
//! before anything is bound or opened.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

use datacovey_auth::{InternalSigner, InternalVerifier, Issuer, OidcVerifier, SigningKey, TrustedService};
use datacovey_error::{Violation, Violations};
use tonic::transport::Uri;

use crate::balance::{Balanced, PeerUrls};
use crate::limits::Limits;
use crate::peer::Peer;
use crate::tls::{ClientTls, ServerTls};

/// What a service is called, where it listens by default, and which services it calls.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name in logs, metrics and internal tokens: `catalog`.
    pub name: &'static str,
    pub port: u16,
    /// Metrics and probes.
    pub admin_port: u16,
    /// The services it calls, by name.
    pub peers: &'static [&'static str],
}

/// What all services are configured with. Texts, so that all that is wrong with them can be said
/// at once.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ServerArgs {
    /// Address that gRPC is served on [default: all addresses, the port of the service]
    #[arg(long, env = "DATACOVEY_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Address that metrics and probes are served on [default: all addresses, the admin port of the service]
    #[arg(long, env = "DATACOVEY_ADMIN_LISTEN", value_name = "ADDRESS")]
    pub admin_listen: Option<String>,
    /// Where the identity service is, as http://identity:50051 or with https: all addresses of that name are used. Several URLs have commas between them
    #[arg(long, env = "DATACOVEY_IDENTITY_URL", value_name = "URL")]
    pub identity_url: Option<String>,
    /// Where the catalog service is, in the same way
    #[arg(long, env = "DATACOVEY_CATALOG_URL", value_name = "URL")]
    pub catalog_url: Option<String>,
    /// Where the query service is, in the same way
    #[arg(long, env = "DATACOVEY_QUERY_URL", value_name = "URL")]
    pub query_url: Option<String>,
    /// Where the transfer service is, in the same way
    #[arg(long, env = "DATACOVEY_TRANSFER_URL", value_name = "URL")]
    pub transfer_url: Option<String>,
    /// Issuers of bearer tokens: a JSON array, or @ and the file that holds it
    #[arg(long, env = "DATACOVEY_ISSUERS", value_name = "JSON")]
    pub issuers: Option<String>,
    /// Services whose internal tokens are accepted: a JSON array, or @ and the file that holds it
    #[arg(long, env = "DATACOVEY_TRUSTED_SERVICES", value_name = "JSON")]
    pub trusted_services: Option<String>,
    /// File of this service's Ed25519 private key (PKCS #8 PEM), which signs its calls to others
    #[arg(long, env = "DATACOVEY_SERVICE_KEY_FILE", value_name = "FILE")]
    pub service_key_file: Option<String>,
    /// File of the certificate that this service shows, with those between it and its authority (PEM); then it speaks TLS [default: none, and no TLS]
    #[arg(long, env = "DATACOVEY_TLS_CERT_FILE", value_name = "FILE")]
    pub tls_cert_file: Option<String>,
    /// File of the private key of that certificate (PEM)
    #[arg(long, env = "DATACOVEY_TLS_KEY_FILE", value_name = "FILE")]
    pub tls_key_file: Option<String>,
    /// File of the authorities (PEM) one of which the certificate of whoever connects must come from [default: none, and no certificate is asked for]
    #[arg(long, env = "DATACOVEY_TLS_CLIENT_CA_FILE", value_name = "FILE")]
    pub tls_client_ca_file: Option<String>,
    /// File of the authorities (PEM) that certificates of called services come from; needed where an address of them begins with https
    #[arg(long, env = "DATACOVEY_PEER_CA_FILE", value_name = "FILE")]
    pub peer_ca_file: Option<String>,
    /// File of the certificate that this service shows to those that it calls (PEM) [default: none]
    #[arg(long, env = "DATACOVEY_PEER_CERT_FILE", value_name = "FILE")]
    pub peer_cert_file: Option<String>,
    /// File of the private key of that certificate (PEM)
    #[arg(long, env = "DATACOVEY_PEER_KEY_FILE", value_name = "FILE")]
    pub peer_key_file: Option<String>,
    /// Largest message accepted, in bytes [default: 4194304]
    #[arg(long, env = "DATACOVEY_MAX_MESSAGE_BYTES", value_name = "BYTES")]
    pub max_message_bytes: Option<String>,
    /// Calls served at once, streams not counted; more are refused, and fewer are taken on while these
    /// slow each other down [default: 1000]
    #[arg(long, env = "DATACOVEY_MAX_CONCURRENT_CALLS", value_name = "COUNT")]
    pub max_concurrent_calls: Option<String>,
    /// Streams open at once, calls that wait for a job included; more are refused [default: 1000]
    #[arg(long, env = "DATACOVEY_MAX_STREAMS", value_name = "COUNT")]
    pub max_streams: Option<String>,
    /// Calls that each tenant may make in a second; 0 for no limit [default: 500 at the gateway, none behind it]
    #[arg(long, env = "DATACOVEY_TENANT_CALLS_PER_SECOND", value_name = "COUNT")]
    pub tenant_calls_per_second: Option<String>,
    /// Calls that a tenant may make at once after a pause [default: twice those of a second]
    #[arg(long, env = "DATACOVEY_TENANT_BURST", value_name = "COUNT")]
    pub tenant_burst: Option<String>,
    /// Calls that each tenant may have at once, and as many streams; 0 for no limit [default: 200 at the
    /// gateway, none behind it]
    #[arg(long, env = "DATACOVEY_TENANT_CONCURRENT_CALLS", value_name = "COUNT")]
    pub tenant_concurrent_calls: Option<String>,
    /// Connections held at once; more are hung up on [default: 4096]
    #[arg(long, env = "DATACOVEY_MAX_CONNECTIONS", value_name = "COUNT")]
    pub max_connections: Option<String>,
    /// Longest time a call may take, in seconds [default: 3600]
    #[arg(long, env = "DATACOVEY_MAX_CALL_SECONDS", value_name = "SECONDS")]
    pub max_call_seconds: Option<String>,
    /// Seconds between saying that the service leaves and accepting no more connections [default: 5]
    #[arg(long, env = "DATACOVEY_DRAIN_DELAY_SECONDS", value_name = "SECONDS")]
    pub drain_delay_seconds: Option<String>,
    /// Seconds that running calls are given to end after that [default: 25]
    #[arg(long, env = "DATACOVEY_DRAIN_GRACE_SECONDS", value_name = "SECONDS")]
    pub drain_grace_seconds: Option<String>,
    /// How logs are written: json, or text for people [default: json]
    #[arg(long, env = "DATACOVEY_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// What is logged, as info or datacovey_server=debug,warn [default: info]
    #[arg(long, env = "DATACOVEY_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Collector of traces over gRPC, as http://collector:4317 [default: none]
    #[arg(long, env = "DATACOVEY_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

/// A service, configured.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    pub service: Service,
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    pub limits: Limits,
    pub callers: CallersConfig,
    pub telemetry: TelemetryConfig,
    /// Where the services are that it calls.
    pub peers: BTreeMap<&'static str, PeerUrls>,
    /// How it speaks TLS to those who connect; None: it does not.
    pub tls: Option<ServerTls>,
    /// How it speaks TLS to the services it calls; there if an address begins with https.
    pub peer_tls: Option<ClientTls>,
}

/// Who may call, and with what key this service calls others.
#[derive(Clone, Debug, Default)]
pub struct CallersConfig {
    pub issuers: Vec<Issuer>,
    pub trusted_services: Vec<TrustedService>,
    pub key: Option<SigningKey>,
}

#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    pub log_format: LogFormat,
    /// Directives as `tracing` reads them.
    pub log: String,
    pub otlp_endpoint: Option<Uri>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object a line.
    Json,
    Text,
}

impl ServerArgs {
    /// Reads the configuration of `service`, and notes everything that is wrong with it by the
    /// names of the environment variables.
    pub fn validate(&self, service: Service, violations: &mut Violations) -> Option<ServerConfig> {
        let listen = address(&self.listen, "DATACOVEY_LISTEN", service.port, violations);
        let admin_listen = address(
            &self.admin_listen,
            "DATACOVEY_ADMIN_LISTEN",
            service.admin_port,
            violations,
        );
        let limits = self.limits(violations);
        let callers = self.callers(service, violations);
        let telemetry = self.telemetry(violations);
        let peers = self.peers(service, violations);
        let tls = self.tls(violations);
        let secure = peers.iter().find(|(_, urls)| urls.need_tls());
        let peer_tls = self.peer_tls(secure.map(|(peer, _)| *peer), violations);
        Some(ServerConfig {
            service,
            listen: listen?,
            admin_listen: admin_listen?,
            limits: limits?,
            callers: callers?,
            telemetry: telemetry?,
            peers,
            tls: tls?,
            peer_tls: peer_tls?,
        })
    }

    fn callers(&self, service: Service, violations: &mut Violations) -> Option<CallersConfig> {
        let issuers = json(&self.issuers, "DATACOVEY_ISSUERS", Issuer::parse_all, violations);
        let trusted_services = json(
            &self.trusted_services,
            "DATACOVEY_TRUSTED_SERVICES",
            TrustedService::parse_all,
            violations,
        );
        let are_none = |list: Option<usize>| list == Some(0);
        if are_none(issuers.as_ref().map(Vec::len)) && are_none(trusted_services.as_ref().map(Vec::len)) {
            violations.add(
                "DATACOVEY_ISSUERS",
                "names nobody, and no service is trusted; nobody could call",
            );
        }
        const KEY: &str = "DATACOVEY_SERVICE_KEY_FILE";
        let key = match &self.service_key_file {
            Some(path) => violations
                .take(KEY, SigningKey::from_file(Path::new(path)))
                .map(Some),
            None if service.peers.is_empty() => Some(None),
            None => {
                violations.add(KEY, format!("is missing; {} calls other services", service.name));
                None
            }
        };
        Some(CallersConfig {
            issuers: issuers?,
            trusted_services: trusted_services?,
            key: key?,
        })
    }

    fn telemetry(&self, violations: &mut Violations) -> Option<TelemetryConfig> {
        let log_format = match self.log_format.as_deref() {
            None | Some("json") => Some(LogFormat::Json),
            Some("text") => Some(LogFormat::Text),
            Some(_) => {
                violations.add("DATACOVEY_LOG_FORMAT", "is neither \"json\" nor \"text\"");
                None
            }
        };
        let log = self.log.clone().unwrap_or_else(|| "info".to_owned());
        let checked = tracing_subscriber::EnvFilter::builder().parse(&log);
        let log = violations.take("DATACOVEY_LOG", checked).map(|_| log);
        let otlp_endpoint = match &self.otlp_endpoint {
            Some(text) => violations
                .take("DATACOVEY_OTLP_ENDPOINT", http_uri(text))
                .map(Some),
            None => Some(None),
        };
        Some(TelemetryConfig {
            log_format: log_format?,
            log: log?,
            otlp_endpoint: otlp_endpoint?,
        })
    }

    fn peers(&self, service: Service, violations: &mut Violations) -> BTreeMap<&'static str, PeerUrls> {
        let known = [
            ("identity", "DATACOVEY_IDENTITY_URL", &self.identity_url),
            ("catalog", "DATACOVEY_CATALOG_URL", &self.catalog_url),
            ("query", "DATACOVEY_QUERY_URL", &self.query_url),
            ("transfer", "DATACOVEY_TRANSFER_URL", &self.transfer_url),
        ];
        let mut peers = BTreeMap::new();
        for (peer, name, url) in known
            .into_iter()
            .filter(|(peer, ..)| service.peers.contains(peer))
        {
            match url.as_deref().map(PeerUrls::from_str) {
                Some(Ok(urls)) => {
                    peers.insert(peer, urls);
                }
                Some(Err(wrong)) => wrong.descriptions().for_each(|it| violations.add(name, it)),
                None => violations.add(name, format!("is missing; {} calls {peer}", service.name)),
            }
        }
        peers
    }
}

impl ServerConfig {
    /// Connections to a service that this one calls; None if it is not configured to.
    #[must_use]
    pub fn balanced(&self, name: &'static str) -> Option<Balanced> {
        let urls = self.peers.get(name)?;
        Some(Balanced::new(name, urls, self.peer_tls.clone()))
    }

    /// The same with the key to call it with.
    #[must_use]
    pub fn peer(&self, name: &'static str) -> Option<Peer> {
        let signer = InternalSigner::new(self.service.name, self.callers.key.clone()?);
        Some(Peer::over(self.balanced(name)?, signer))
    }

    /// Verifies internal tokens that are for this service.
    #[must_use]
    pub fn internal_verifier(&self) -> InternalVerifier {
        InternalVerifier::new(self.service.name, self.callers.trusted_services.clone())
    }

    /// Verifies bearer tokens of the configured issuers.
    pub fn oidc_verifier(&self) -> Result<OidcVerifier, Violation> {
        OidcVerifier::new(self.callers.issuers.clone())
    }
}

/// A value as it stands, or, if it begins with `@`, what is in the file that it names.
pub fn read_value(value: &str) -> Result<String, String> {
    match value.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}")),
        None => Ok(value.to_owned()),
    }
}

fn json<T>(
    value: &Option<String>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<Vec<T>, Vec<Violation>>,
    violations: &mut Violations,
) -> Option<Vec<T>> {
    let Some(value) = value else {
        return Some(Vec::new());
    };
    let text = violations.take(name, read_value(value))?;
    match parse(&text) {
        Ok(parsed) => Some(parsed),
        Err(wrong) => {
            let named = wrong
                .into_iter()
                .map(|it| Violation::new(format!("{name}: {}", it.field), it.description));
            violations.extend(named);
            None
        }
    }
}

fn address(value: &Option<String>, name: &str, port: u16, violations: &mut Violations) -> Option<SocketAddr> {
    let Some(value) = value else {
        return Some(SocketAddr::from(([0, 0, 0, 0], port)));
    };
    let parsed = SocketAddr::from_str(value).map_err(|_| "is no address and port, as 127.0.0.1:50051");
    violations.take(name, parsed)
}

pub(crate) fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    value: &Option<String>,
    name: &str,
    allowed: RangeInclusive<T>,
    default: T,
    violations: &mut Violations,
) -> Option<T> {
    let Some(value) = value else { return Some(default) };
    match value.parse() {
        Ok(number) if allowed.contains(&number) => Some(number),
        _ => {
            let (least, most) = allowed.into_inner();
            violations.add(name, format!("is no whole number from {least} to {most}"));
            None
        }
    }
}

fn http_uri(text: &str) -> Result<Uri, &'static str> {
    let uri = Uri::from_str(text).map_err(|_| "is no URL")?;
    let authority = uri.authority().filter(|it| !it.host().is_empty());
    let (Some("http"), Some(authority)) = (uri.scheme_str(), authority) else {
        return Err("is no URL with http and a host, as http://collector:4317");
    };
    if authority.as_str().contains('@') {
        return Err("holds credentials; http://host:port is all");
    }
    if uri.path() != "/" || uri.query().is_some() {
        return Err("has a path; http://host:port is all");
    }
    Ok(uri)
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
