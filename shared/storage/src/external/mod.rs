//! Files that are not the suite's: what people import from and export to by URI.
//!
//! The one rule: a URI reaches nothing that the operator has not allowed its tenant by a prefix. A URI
//! names a kind of store, a bucket and a path, and never a host: endpoints and credentials are the
//! environment's. Below a folder, links are followed by the kernel and never out of it; and the suite's
//! own store is out of bounds for everybody.

mod allowed;
mod folder;
mod location;
mod pinned;
mod place;
mod source;
mod target;
#[cfg(test)]
mod tests;

pub use allowed::{Allowed, BadPrefix};
pub(crate) use location::{Location, Scheme};
pub use source::{MAX_FILES, Source, SourceFile};
pub use target::Target;

use crate::StoreError;

/// Why a URI is not read from or written to.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// The URI is none, or is not allowed, or names nothing: its author has to change it.
    #[error("{0}")]
    Refused(String),
    /// The target is there already.
    #[error("{0} is there already")]
    Exists(String),
    /// A file is not the one that it was when the reading began.
    #[error("{0} has changed while it was read")]
    Changed(String),
    /// The store of a URI does not answer as it should.
    #[error("{uri}: {cause}")]
    Store {
        uri: String,
        #[source]
        cause: StoreError,
    },
}

impl ExternalError {
    /// What the store said of the file that `uri` names.
    #[must_use]
    pub fn of(uri: &str, error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::Refused(format!("there is no file {uri}")),
            StoreError::AlreadyExists(_) => Self::Exists(uri.to_owned()),
            StoreError::Changed(_) => Self::Changed(uri.to_owned()),
            StoreError::Denied(_) => {
                Self::Refused(format!("the store of {uri} refuses access to the service"))
            }
            cause => Self::Store {
                uri: uri.to_owned(),
                cause,
            },
        }
    }
}
