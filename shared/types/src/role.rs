use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a user is within its tenant; the words are those of `user.role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    #[serde(rename = "Org admin")]
    OrgAdmin,
    #[serde(rename = "Dataset editor")]
    DatasetEditor,
    #[serde(rename = "Dataset user")]
    DatasetUser,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::OrgAdmin, Self::DatasetEditor, Self::DatasetUser];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrgAdmin => "Org admin",
            Self::DatasetEditor => "Dataset editor",
            Self::DatasetUser => "Dataset user",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is none of the three roles.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownRole)
    }
}

/// What a caller may do; which role holds which is the table in the `auth` crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Read what the tenant may see.
    Read,
    /// Write and run queries, read their results.
    Query,
    /// Create and change datasets, tables and policies; import.
    EditDatasets,
    /// Export the tenant's own tables.
    Export,
    /// Create and change projects; invite, accept, leave; approve.
    ManageProjects,
    /// Create and change users of the own tenant; rename the tenant.
    ManageUsers,
    /// Create, archive and delete tenants, manage users of any tenant: the scope `platform`.
    ManageTenants,
    /// Write job and history relations as plain data: the scope `backfill`.
    Backfill,
}

impl Permission {
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Query,
        Self::EditDatasets,
        Self::Export,
        Self::ManageProjects,
        Self::ManageUsers,
        Self::ManageTenants,
        Self::Backfill,
    ];
}
