use datacovey_error::{Violation, Violations};
use datacovey_server::{ServerArgs, ServerConfig, TenantLimits};

use crate::SERVICE;

/// Reads the configuration of the gateway, or says everything that is wrong with it.
pub fn configure(args: ServerArgs) -> Result<ServerConfig, Vec<Violation>> {
    // No service of the suite has business here, so that without an issuer nobody could call.
    // Tenants are kept apart here, at the one port that they call; behind it, calls of one tenant
    // come from the services, too.
    let limits = TenantLimits::AT_THE_GATEWAY;
    let or = |said: Option<String>, default: String| Some(said.unwrap_or(default));
    let args = ServerArgs {
        trusted_services: None,
        tenant_calls_per_second: or(args.tenant_calls_per_second, limits.calls_per_second.to_string()),
        tenant_concurrent_calls: or(args.tenant_concurrent_calls, limits.concurrent_calls.to_string()),
        ..args
    };
    let mut violations = Violations::new();
    match args.validate(SERVICE, &mut violations) {
        Some(config) if violations.is_empty() => Ok(config),
        _ => Err(violations.into_vec()),
    }
}

#[cfg(test)]
mod tests {
    use datacovey_auth::SigningKey;

    use super::*;

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
        configure(args).map(|it| it.limits.tenant)
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
