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
