use datacovey_error::{Violation, Violations};
use datacovey_server::{ServerArgs, ServerConfig};

use crate::SERVICE;

/// Reads the configuration of the gateway, or says everything that is wrong with it.
pub fn configure(args: ServerArgs) -> Result<ServerConfig, Vec<Violation>> {
    // No service of the suite has business here, so that without an issuer nobody could call.
    let args = ServerArgs {
        trusted_services: None,
        ..args
    };
    let mut violations = Violations::new();
    match args.validate(SERVICE, &mut violations) {
        Some(config) if violations.is_empty() => Ok(config),
        _ => Err(violations.into_vec()),
    }
}
