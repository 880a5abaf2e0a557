//! Rules of imports and exports as plain types and functions.

pub(crate) mod compaction;
pub(crate) mod external;
pub(crate) mod failure;
pub(crate) mod file;
pub(crate) mod options;
pub(crate) mod progress;
pub(crate) mod secret_key;
pub(crate) mod settings;
pub(crate) mod upload;
