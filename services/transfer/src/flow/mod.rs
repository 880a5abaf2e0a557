//! What takes more than one store: uploads, the work of the workers, watching, cancelling, restoring,
//! compacting, sweeping.

mod compact;
mod create;
mod discard;
mod download;
mod export;
mod import;
mod input;
mod project_keys;
mod rejections;
mod restore;
mod rows;
mod sweep;
mod turns;
mod upload;
pub(crate) mod watch;

pub(crate) use compact::Compactor;
pub(crate) use create::{WantedExport, WantedImport, create_export, create_import};
pub(crate) use discard::cancel_import;
pub(crate) use download::download;
pub(crate) use export::ExportWork;
pub(crate) use import::ImportWork;
pub(crate) use restore::{WantedRestore, restore};
pub(crate) use rows::Rules;
pub(crate) use sweep::Sweeper;
pub(crate) use upload::upload;
