use datacovey_error::{Violation, Violations};
use datacovey_rest::Address;
use datacovey_server::{ServerArgs, ServerConfig, Service, TenantLimits};

use crate::cors::Origins;
use crate::rest::address;
use crate::routes::UPSTREAMS;

/// The gateway among the services of the suite.
pub const SERVICE: Service = Service {
    name: "gateway",
    port: 8080,
    admin_port: 8081,
    peers: &UPSTREAMS,
};

const CORS_ORIGINS: &str = "DATACOVEY_CORS_ORIGINS";
const PUBLIC_URL: &str = "DATACOVEY_PUBLIC_URL";

/// Flags and environment variables of the gateway.
#[derive(clap::Parser, Clone, Debug, Default)]
#[command(
    name = "datacovey-gateway",
    version,
    about = "The one port of DataCovey: verifies who calls, and passes calls on to the services"
)]
pub struct Args {
    #[command(flatten)]
    pub server: ServerArgs,
    /// Origins whose pages may call from a browser, separated by commas, as http://localhost:5173; * for all, none for none [default: all for the REST API, none for gRPC-Web]
    #[arg(long, env = CORS_ORIGINS, value_name = "ORIGINS")]
    pub cors_origins: Option<String>,
    /// Where clients reach the gateway, as https://localhost:8443; told by the document of the REST API [default: as each request names it]
    #[arg(long, env = PUBLIC_URL, value_name = "URL")]
    pub public_url: Option<String>,
}

/// The gateway, configured.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: ServerConfig,
    /// Whose pages may call from a browser.
    pub cors_origins: Origins,
    /// Where clients reach the gateway, if that is not as each request names it.
    pub public_url: Option<Address>,
}

impl Args {
    /// The configuration, or everything that is wrong with it.
    pub fn validate(self) -> Result<Config, Vec<Violation>> {
        // No service of the suite has business here, so that without an issuer nobody could call.
        // Tenants are kept apart here, at the one port that they call; behind it, calls of one tenant
        // come from the services, too.
        let limits = TenantLimits::AT_THE_GATEWAY;
        let or = |said: Option<String>, default: String| Some(said.unwrap_or(default));
        let given = self.server;
        let args = ServerArgs {
            trusted_services: None,
            tenant_calls_per_second: or(given.tenant_calls_per_second, limits.calls_per_second.to_string()),
            tenant_concurrent_calls: or(given.tenant_concurrent_calls, limits.concurrent_calls.to_string()),
            ..given
        };
        let mut violations = Violations::new();
        let server = args.validate(SERVICE, &mut violations);
        let text = self.cors_origins.unwrap_or_default();
        let cors_origins = Origins::parse(&text).unwrap_or_else(|wrong| {
            for description in wrong {
                violations.add(CORS_ORIGINS, description);
            }
            Origins::default()
        });
        let public_url = self.public_url.filter(|it| !it.trim().is_empty());
        let public_url = public_url.and_then(|it| violations.take(PUBLIC_URL, address::of_url(&it)));
        match server {
            Some(server) if violations.is_empty() => Ok(Config {
                server,
                cors_origins,
                public_url,
            }),
            _ => Err(violations.into_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use datacovey_auth::SigningKey;

    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let args = Args {
            server: ServerArgs {
                listen: Some("nowhere".to_owned()),
                ..ServerArgs::default()
            },
            cors_origins: Some("https://app.example.com/path, null".to_owned()),
            public_url: Some("api.example.com".to_owned()),
        };
        let wrong = args.validate().unwrap_err();
        let fields: Vec<_> = wrong.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "DATACOVEY_LISTEN",
                "DATACOVEY_ISSUERS",
                "DATACOVEY_SERVICE_KEY_FILE",
                "DATACOVEY_IDENTITY_URL",
                "DATACOVEY_CATALOG_URL",
                "DATACOVEY_QUERY_URL",
                "DATACOVEY_TRANSFER_URL",
                CORS_ORIGINS,
                CORS_ORIGINS,
                PUBLIC_URL,
            ]
        );
    }

    /// The limits as the service reads them, of whatever else is not configured.
    fn tenant(args: ServerArgs) -> Result<TenantLimits, Vec<Violation>> {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem");
        SigningKey::from_file_or_new(&key).unwrap();
        let url = || Some("http://127.0.0.1:1".to_owned());
        let args = ServerArgs {
            identity_url: url(),
            catalog_url: url(),
            query_url: url(),
            transfer_url: url(),
            issuers: Some(
                r#"[{"issuer": "a", "audience": "b", "jwks": "https://a.example/jwks", "organizations": "any"}]"#
                    .to_owned(),
            ),
            service_key_file: Some(key.display().to_string()),
            ..args
        };
        Args {
            server: args,
            cors_origins: None,
            public_url: None,
        }
        .validate()
        .map(|it| it.server.limits.tenant)
    }

    #[test]
    fn tenants_are_limited_unless_it_is_said_otherwise() {
        assert_eq!(
            tenant(ServerArgs::default()).unwrap(),
            TenantLimits::AT_THE_GATEWAY
        );
        let zero = || Some("0".to_owned());
        let none = ServerArgs {
            tenant_calls_per_second: zero(),
            tenant_concurrent_calls: zero(),
            ..ServerArgs::default()
        };
        assert_eq!(tenant(none).unwrap(), TenantLimits::default());
    }
}
