use datacovey_list::{Field, Fields, Kind};
use datacovey_types::TransferJobStatus;

/// What lists of imports and of exports are filtered and ordered by: the two are of one shape.
pub(super) const fn transfer_job_fields(relation: &'static str) -> Fields {
    Fields {
        relation,
        all: ALL,
        sortable: &["id", "created_at"],
        key: ID,
    }
}

const ID: Field = Field::new("id", Kind::Id);
const ALL: &[Field] = &[
    ID,
    Field::new("table_id", Kind::Id),
    Field::new("state", Kind::Word(STATES)).in_column("status"),
    Field::optional("created_at", Kind::Time),
    Field::optional("archived_at", Kind::Time),
];
const STATES: &[(&str, &str)] = &[
    ("JOB_STATE_PENDING", TransferJobStatus::Pending.as_str()),
    ("JOB_STATE_RUNNING", TransferJobStatus::Running.as_str()),
    ("JOB_STATE_COMPLETED", TransferJobStatus::Completed.as_str()),
    ("JOB_STATE_FAILED", TransferJobStatus::Failed.as_str()),
];
