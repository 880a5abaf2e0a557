//! What operators see of this service beside its jobs.

use metrics::{Unit, counter, describe_counter};

/// Says what the metrics mean.
pub(crate) fn describe() {
    describe_counter!(
        "datacovey_swept_total",
        Unit::Count,
        "What sweeps removed, by what: version (its files), object, job (what it left behind)"
    );
    describe_counter!(
        "datacovey_sweep_errors_total",
        Unit::Count,
        "What sweeps could not remove and will try again, by what: database, object, job"
    );
    describe_counter!(
        "datacovey_compactions_total",
        Unit::Count,
        "Compactions of tables, by how they ended: committed, nothing_to_do, overtaken (by an import, tried \
         again), failed, out_of_time"
    );
    describe_counter!(
        "datacovey_compacted_files_total",
        Unit::Count,
        "Files whose rows are in fewer files now"
    );
}

/// How a compaction ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Compacted {
    Committed,
    NothingToDo,
    Overtaken,
    Failed,
    OutOfTime,
}

impl Compacted {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::NothingToDo => "nothing_to_do",
            Self::Overtaken => "overtaken",
            Self::Failed => "failed",
            Self::OutOfTime => "out_of_time",
        }
    }
}

pub(crate) fn compacted(how: Compacted, files: usize) {
    counter!("datacovey_compactions_total", "ended" => how.as_str()).increment(1);
    counter!("datacovey_compacted_files_total").increment(files as u64);
}

/// What a sweep deals with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    Version,
    Object,
    Job,
    Database,
}

impl Of {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Object => "object",
            Self::Job => "job",
            Self::Database => "database",
        }
    }
}

pub(crate) fn swept(what: Of, count: u64) {
    counter!("datacovey_swept_total", "what" => what.as_str()).increment(count);
}

pub(crate) fn not_swept(what: Of) {
    counter!("datacovey_sweep_errors_total", "what" => what.as_str()).increment(1);
}
