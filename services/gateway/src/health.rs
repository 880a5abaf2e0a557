use std::sync::Arc;

use datacovey_server::{Balanced, HealthCheck};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// Asks an upstream whether it serves; the server asks on, and tells it of the upstream's services.
pub(crate) fn check(upstream: Balanced) -> HealthCheck {
    Arc::new(move || {
        let mut client = HealthClient::new(upstream.clone());
        Box::pin(async move {
            let asked = client
                .check(HealthCheckRequest {
                    service: String::new(),
                })
                .await;
            match asked.map(|answer| answer.into_inner().status()) {
                Ok(ServingStatus::Serving) => Ok(()),
                Ok(status) => Err(format!("it says {}", status.as_str_name())),
                Err(status) => Err(status.message().to_owned()),
            }
        })
    })
}
