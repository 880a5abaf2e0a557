//! What operators see of the pools.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::DbRole;

/// Says what the metrics of this crate mean.
pub(crate) fn describe() {
    describe_gauge!(
        "datacovey_database_connections_in_use",
        Unit::Count,
        "Connections to the database that work for somebody, by role"
    );
    describe_gauge!(
        "datacovey_database_connections_max",
        Unit::Count,
        "Connections to the database that there may be, by role"
    );
    describe_gauge!(
        "datacovey_database_waiting",
        Unit::Count,
        "Callers that wait for a connection to the database, by role"
    );
    describe_histogram!(
        "datacovey_database_acquire_seconds",
        Unit::Seconds,
        "How long callers waited for a connection that they got, by role"
    );
    describe_counter!(
        "datacovey_database_acquire_failures_total",
        Unit::Count,
        "Callers that got no connection, by role and reason: busy, deadline or unreachable"
    );
    describe_counter!(
        "datacovey_database_retries_total",
        Unit::Count,
        "Transactions that ran again, by role and reason: race (with others) or connection (lost)"
    );
}

pub(crate) fn may_open(role: DbRole, connections: usize) {
    gauge!("datacovey_database_connections_max", "role" => role.as_str()).set(connections as f64);
}

pub(crate) fn acquired(role: DbRole, after: Duration) {
    histogram!("datacovey_database_acquire_seconds", "role" => role.as_str()).record(after.as_secs_f64());
}

pub(crate) fn not_acquired(role: DbRole, reason: &'static str) {
    counter!("datacovey_database_acquire_failures_total", "role" => role.as_str(), "reason" => reason)
        .increment(1);
}

pub(crate) fn runs_again(role: DbRole, reason: &'static str) {
    counter!("datacovey_database_retries_total", "role" => role.as_str(), "reason" => reason).increment(1);
}

/// A connection, counted while it is lent.
#[derive(Debug)]
pub(crate) struct InUse(DbRole);

impl InUse {
    pub(crate) fn new(role: DbRole) -> Self {
        gauge!("datacovey_database_connections_in_use", "role" => role.as_str()).increment(1.0);
        Self(role)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        gauge!("datacovey_database_connections_in_use", "role" => self.0.as_str()).decrement(1.0);
    }
}

/// A caller, counted while it waits.
#[derive(Debug)]
pub(crate) struct Waits(DbRole);

impl Waits {
    pub(crate) fn new(role: DbRole) -> Self {
        gauge!("datacovey_database_waiting", "role" => role.as_str()).increment(1.0);
        Self(role)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        gauge!("datacovey_database_waiting", "role" => self.0.as_str()).decrement(1.0);
    }
}
