use std::fmt;

/// The role in the database that a pool works as. It decides what may be written; which rows are
/// seen is decided by tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DbRole {
    Identity,
    Catalog,
    Query,
    Transfer,
    QueryWorker,
    TransferWorker,
    /// Writes job and history relations as plain data, for callers with the scope `backfill` alone.
    Backfill,
}

impl DbRole {
    pub const ALL: [Self; 7] = [
        Self::Identity,
        Self::Catalog,
        Self::Query,
        Self::Transfer,
        Self::QueryWorker,
        Self::TransferWorker,
        Self::Backfill,
    ];

    /// The name of the role, which needs no quoting.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "datacovey_identity",
            Self::Catalog => "datacovey_catalog",
            Self::Query => "datacovey_query",
            Self::Transfer => "datacovey_transfer",
            Self::QueryWorker => "datacovey_query_worker",
            Self::TransferWorker => "datacovey_transfer_worker",
            Self::Backfill => "datacovey_backfill",
        }
    }
}

impl fmt::Display for DbRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
