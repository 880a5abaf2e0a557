//! What the metrics of a server mean, for whoever reads them.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Says it to the recorder. Again and again is as good as once.
pub(crate) fn describe() {
    describe_counter!(
        "datacovey_calls_total",
        Unit::Count,
        "Calls that are over, by service, method and code; of what was answered without a call, the method is none"
    );
    describe_histogram!(
        "datacovey_call_seconds",
        Unit::Seconds,
        "How long calls took, from their first byte to their last, by service and method"
    );
    describe_gauge!(
        "datacovey_calls_in_flight",
        Unit::Count,
        "Calls that are not over, streams included, by service"
    );
    describe_gauge!(
        "datacovey_calls_limit",
        Unit::Count,
        "Calls that are taken on at once, streams not counted, by service: fewer than configured while \
         they slow each other down"
    );
    describe_gauge!(
        "datacovey_streams_open",
        Unit::Count,
        "Calls that stream or wait for a job, by service"
    );
    describe_counter!(
        "datacovey_calls_shed_total",
        Unit::Count,
        "Calls refused for want of a place, by service and of what there were too many: calls, streams, \
         public_calls (health and reflection) or public_calls_of_connection"
    );
    describe_counter!(
        "datacovey_calls_limited_total",
        Unit::Count,
        "Calls refused for what their caller may take, by service and reason: tenant_rate, \
         tenant_concurrency, or new_tokens (too many tokens that nobody has used before)"
    );
    describe_counter!(
        "datacovey_connections_refused_total",
        Unit::Count,
        "Connections that were hung up on for being too many, by service"
    );
    describe_gauge!(
        "datacovey_dependency_up",
        Unit::Count,
        "Whether what a service depends on answers (1) or not (0), by service and dependency"
    );
    describe_gauge!(
        "datacovey_upstream_connections",
        "Connections to another service that take calls, by peer"
    );
    describe_counter!(
        "datacovey_upstream_retries_total",
        "Calls that were sent again to another process of a service, by peer and reason"
    );
    describe_counter!(
        "datacovey_tls_handshake_failures_total",
        "Connections that did not come to an encrypted one, by service"
    );
    describe_counter!(
        "datacovey_tls_reload_failures_total",
        "New files of certificates that could not be used, so that the old ones stay, by service and side"
    );
    describe_gauge!(
        "datacovey_tls_certificate_expires_seconds",
        Unit::Seconds,
        "When the certificate in use expires, in seconds since 1970, by service and side"
    );
}
