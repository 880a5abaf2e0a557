use datacovey_error::Error;

use crate::StoreError;
use crate::read::ReadError;
use crate::write::WriteError;

/// An object that is pointed to and is not there, like a location that is none, is a fault of
/// ours; all else of the store passes.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Location { .. }
            | StoreError::NotFound(_)
            | StoreError::AlreadyExists(_)
            | StoreError::Changed(_) => Self::internal(error),
            // Credentials expire and are renewed; until then nothing works, and nothing is wrong.
            StoreError::Denied(_) | StoreError::Unavailable(_) | StoreError::Io(_) => {
                Self::unavailable("the object store").caused_by(error)
            }
        }
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Store(store) => store.into(),
            WriteError::Encode(_) => Self::internal(error),
        }
    }
}

/// Of the table's own files: what is wrong with their content is a fault of ours.
impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Store(store) => store.into(),
            ReadError::Content { .. } => Self::internal(error),
        }
    }
}
