//! What every service of the suite is around its handlers: configuration, telemetry, the layers
//! that each call passes, health, drain, and calls to the other services.
//!
//! A service builds an [`App`] (its gRPC services, who may call, what it depends on) and hands it
//! to [`run`], which does the rest of a process's life; or, where several share a process, to
//! [`serve`]. The one rule: nothing here is global but the telemetry, and that is installed by the
//! binary, so that any number of services run side by side.

mod admin;
mod app;
mod balance;
mod config;
mod context;
mod descriptor;
pub mod field;
mod frames;
mod health;
mod layer;
mod limits;
mod metrics;
mod peer;
mod principal;
mod reply;
mod run;
mod serve;
mod stream;
mod telemetry;
mod tls;
mod trace_context;

pub use app::App;
pub use balance::{BadPeerUrls, Balanced, PeerUrls, ReplyBody, Resolve};
pub use config::{CallersConfig, LogFormat, ServerArgs, ServerConfig, Service, TelemetryConfig, read_value};
pub use context::{CallContext, call_context, ctx, internal_caller};
pub use health::HealthCheck;
pub use layer::{Authentication, GRPC_TIMEOUT, REQUEST_ID, read_timeout, write_timeout};
pub use limits::{Limits, TenantLimits};
pub use peer::{Peer, PeerChannel, error_of_peer};
pub use principal::{PrincipalResolver, RemotePrincipals};
pub use reply::{Refusal, http_refusal};
pub use run::{refuse, run, shutdown_signal};
pub use serve::{Listeners, ServeError, serve};
pub use stream::{reply_stream, stream_status};
pub use telemetry::{Telemetry, TelemetryError};
pub use tls::{ClientTls, ServerTls};
pub use trace_context::{current_traceparent, inject_span, set_parent_from_traceparent};
