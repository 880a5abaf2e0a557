//! Objects and table files: where they lie, what a table's JSON Schema means in Arrow, and the
//! readers and writers of CSV, NDJSON, Parquet and Arrow.
//!
//! The one rule that keeps it right: nothing points to an object before it is durable, and an
//! object that is pointed to is never written again. Files are decoded and encoded on threads of
//! their own, in memory that does not grow with the file.

mod error;
pub mod external;
mod format;
pub mod keys;
pub mod known;
pub mod layout;
pub mod merge;
pub mod read;
pub mod schema;
mod store;
pub mod unique;
pub mod write;

pub use format::{Compression, FileForm, Format};
pub use object_store::path::Path as ObjectPath;
pub use store::{ObjectWriter, Store, StoreError, StoreOptions};
