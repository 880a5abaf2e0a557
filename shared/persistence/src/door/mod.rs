//! The doors: definer functions of the database, each a typed call.
//!
//! A door past row-level security checks its own preconditions; what it refuses is a rule by name
//! (see `failure`). There are no others: a test compares them with the database.

mod budget;
mod compaction;
mod job;
mod job_queue;
mod lease;
pub(crate) mod participant;
mod principal;
pub(crate) mod purge;
mod release;
mod resolve;

use std::fmt;
use std::str::FromStr;

pub use budget::ShortBudget;
pub use compaction::{Compaction, SmallFile, SweptVersions};
pub use job::{Claim, ClaimedJob, ImportCommit, NewFile, Sweep, Swept};
pub use job_queue::JobQueue;
pub use lease::{Lease, LeaseState};
pub use participant::{InvitationRow, PartnerName};
pub use release::{CheckedTable, Release, ReleasedGroups, Unreleased};
pub use resolve::{ResolvedTable, ResolvedVersion};

/// The doors by name and the roles that may use them.
pub const DOORS: [(&str, &[crate::DbRole]); 24] = {
    use crate::DbRole::{Catalog, Identity, Query, QueryWorker, Transfer, TransferWorker};
    [
        ("accept", &[Catalog]),
        ("charge_access", &[QueryWorker]),
        ("claim_compaction", &[TransferWorker]),
        ("claim_job", &[QueryWorker, TransferWorker]),
        ("commit_compaction", &[TransferWorker]),
        ("commit_import", &[TransferWorker]),
        ("decline", &[Catalog]),
        ("invitations", &[Catalog]),
        ("job_queue", &[QueryWorker, TransferWorker]),
        ("leave", &[Catalog]),
        ("partner_names", &[Catalog]),
        ("purge", &[Catalog, Identity, Query]),
        ("note_reads", &[QueryWorker]),
        ("record_end", &[QueryWorker]),
        ("record_failure", &[QueryWorker]),
        ("release", &[QueryWorker]),
        ("release_compaction", &[TransferWorker]),
        ("resolve_principal", &[Identity]),
        ("resolve_project", &[Catalog, Query]),
        ("resolve_versions", &[Transfer]),
        ("restore_version", &[Transfer]),
        ("sweep", &[QueryWorker, TransferWorker]),
        ("sweep_versions", &[TransferWorker]),
        ("table_versions_in_sight", &[Transfer]),
    ]
};

/// Which queue a job is in; the word is the first of its relations' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    Query,
    Import,
    Export,
}

impl JobKind {
    pub const ALL: [Self; 3] = [Self::Query, Self::Import, Self::Export];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Import => "import",
            Self::Export => "export",
        }
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is no kind of job.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownKind;

impl FromStr for JobKind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or(UnknownKind)
    }
}

/// A call of a door as a statement of diesel's: prepared once per connection, its arguments bound.
macro_rules! door {
    (
        $(#[$doc:meta])*
        $name:ident { $($arg:ident: $rust:ty => $sql:ty),* $(,)? }
        $before:literal .. $after:literal -> $row:ty
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, diesel::query_builder::QueryId)]
        pub(crate) struct $name { $(pub(crate) $arg: $rust),* }

        impl diesel::query_builder::QueryFragment<diesel::pg::Pg> for $name {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
            ) -> diesel::QueryResult<()> {
                out.push_sql($before);
                let mut _separator = "";
                $(
                    out.push_sql(_separator);
                    out.push_bind_param::<$sql, $rust>(&self.$arg)?;
                    _separator = ", ";
                )*
                out.push_sql($after);
                Ok(())
            }
        }

        impl diesel::query_builder::Query for $name {
            type SqlType = $row;
        }
    };
}

pub(crate) use door;
