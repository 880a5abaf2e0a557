//! What takes more than one store: uploads, the work of the workers, watching, sweeping.

mod create;
mod download;
mod export;
mod import;
mod input;
mod rejections;
mod sweep;
mod upload;
pub(crate) mod watch;

pub(crate) use create::{WantedExport, WantedImport, create_export, create_import};
pub(crate) use download::download;
pub(crate) use export::ExportWork;
pub(crate) use import::ImportWork;
pub(crate) use sweep::Sweeper;
pub(crate) use upload::upload;
