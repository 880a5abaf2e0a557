//! What the metrics of the engine mean, for whoever reads them.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Says it to the recorder. Again and again is as good as once.
pub(super) fn describe_metrics() {
    describe_gauge!(
        "datacovey_engine_memory_limit_bytes",
        Unit::Bytes,
        "Memory that the runs of this process may reserve together"
    );
    describe_gauge!(
        "datacovey_engine_memory_reserved_bytes",
        Unit::Bytes,
        "Memory that the runs of this process have reserved"
    );
    describe_counter!(
        "datacovey_engine_spilled_bytes_total",
        Unit::Bytes,
        "What runs that ended well wrote to disk for want of memory"
    );
    describe_gauge!(
        "datacovey_engine_jobs_running",
        Unit::Count,
        "Plans that this process runs"
    );
    describe_histogram!(
        "datacovey_engine_run_seconds",
        Unit::Seconds,
        "How long plans ran"
    );
}
