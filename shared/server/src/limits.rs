//! How much a server takes on.

use std::time::Duration;

use datacovey_error::Violations;

use crate::config::{ServerArgs, number};

/// How much a server takes on, and how long it takes to leave.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one message; each service tells it to its generated servers
    /// (`max_decoding_message_size`), some of whose methods take more.
    pub max_message_bytes: usize,
    /// Of calls that are answered at once.
    pub max_concurrent_calls: usize,
    /// Of calls that stream, or wait for something to happen.
    pub max_streams: usize,
    pub tenant: TenantLimits,
    pub max_connections: usize,
    pub max_call: Duration,
    pub drain_delay: Duration,
    pub drain_grace: Duration,
}

/// How much one tenant may take; zeros limit nothing, and nothing is limited by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantLimits {
    pub calls_per_second: u32,
    /// Calls at once after a pause; those of a second if it is zero.
    pub burst: u32,
    /// Calls that are answered at once, and as many of those that stream or wait.
    pub concurrent_calls: usize,
}

impl TenantLimits {
    /// For the one port that people call.
    pub const AT_THE_GATEWAY: Self = Self {
        calls_per_second: 500,
        burst: 1000,
        concurrent_calls: 200,
    };

    pub(crate) const fn limits_any(&self) -> bool {
        self.calls_per_second > 0 || self.concurrent_calls > 0
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 4 * 1024 * 1024,
            max_concurrent_calls: 1000,
            max_streams: 1000,
            tenant: TenantLimits::default(),
            max_connections: 4096,
            max_call: Duration::from_secs(3600),
            drain_delay: Duration::from_secs(5),
            drain_grace: Duration::from_secs(25),
        }
    }
}

impl ServerArgs {
    pub(crate) fn limits(&self, violations: &mut Violations) -> Option<Limits> {
        let default = Limits::default();
        let max_message_bytes = number(
            &self.max_message_bytes,
            "DATACOVEY_MAX_MESSAGE_BYTES",
            1024..=1 << 30,
            default.max_message_bytes,
            violations,
        );
        let max_concurrent_calls = number(
            &self.max_concurrent_calls,
            "DATACOVEY_MAX_CONCURRENT_CALLS",
            1..=1_000_000,
            default.max_concurrent_calls,
            violations,
        );
        let max_streams = number(
            &self.max_streams,
            "DATACOVEY_MAX_STREAMS",
            1..=1_000_000,
            default.max_streams,
            violations,
        );
        let tenant = self.tenant_limits(violations);
        let max_connections = number(
            &self.max_connections,
            "DATACOVEY_MAX_CONNECTIONS",
            1..=1_000_000,
            default.max_connections,
            violations,
        );
        const A_DAY: u64 = 24 * 60 * 60;
        let mut seconds = |text: &Option<String>, name, least, default: Duration| {
            number(text, name, least..=A_DAY, default.as_secs(), violations).map(Duration::from_secs)
        };
        let max_call = seconds(
            &self.max_call_seconds,
            "DATACOVEY_MAX_CALL_SECONDS",
            1,
            default.max_call,
        );
        let drain_delay = seconds(
            &self.drain_delay_seconds,
            "DATACOVEY_DRAIN_DELAY_SECONDS",
            0,
            default.drain_delay,
        );
        let drain_grace = seconds(
            &self.drain_grace_seconds,
            "DATACOVEY_DRAIN_GRACE_SECONDS",
            0,
            default.drain_grace,
        );
        Some(Limits {
            max_message_bytes: max_message_bytes?,
            max_concurrent_calls: max_concurrent_calls?,
            max_streams: max_streams?,
            tenant: tenant?,
            max_connections: max_connections?,
            max_call: max_call?,
            drain_delay: drain_delay?,
            drain_grace: drain_grace?,
        })
    }

    fn tenant_limits(&self, violations: &mut Violations) -> Option<TenantLimits> {
        let mut count = |text, name, default| number(text, name, 0..=1_000_000_u32, default, violations);
        let rate = count(
            &self.tenant_calls_per_second,
            "DATACOVEY_TENANT_CALLS_PER_SECOND",
            0,
        );
        let burst = count(
            &self.tenant_burst,
            "DATACOVEY_TENANT_BURST",
            rate.unwrap_or(0).saturating_mul(2),
        );
        let concurrent = count(
            &self.tenant_concurrent_calls,
            "DATACOVEY_TENANT_CONCURRENT_CALLS",
            0,
        );
        Some(TenantLimits {
            calls_per_second: rate?,
            burst: burst?,
            concurrent_calls: concurrent? as usize,
        })
    }
}
