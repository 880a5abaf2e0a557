//! What the metrics of a server mean, for whoever reads them.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Says it to the recorder. Again and again is as good as once.
pub(crate) fn describe() {
    describe_counter!(
        "datacovey_calls_total",
        Unit::Count,
        "Calls that are over, by service, method and code"
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
}
