use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::get;
use http::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::health::Health;

/// The admin port: `/livez` answers while the process runs, `/readyz` says whether it serves,
/// `/metrics` shows its metrics in Prometheus' text format.
pub(crate) fn routes(health: Health, metrics: Option<PrometheusHandle>) -> Router {
    let ready = move || {
        let health = health.clone();
        async move {
            if health.is_ready() {
                (StatusCode::OK, "ready\n")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
            }
        }
    };
    let metrics = move || {
        let metrics = metrics.clone();
        async move {
            match metrics {
                Some(metrics) => {
                    metrics.run_upkeep();
                    let content_type = [("content-type", "text/plain; version=0.0.4")];
                    (content_type, metrics.render()).into_response()
                }
                None => StatusCode::NOT_FOUND.into_response(),
            }
        }
    };
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}
