//! One module per relation: its rows and the statements over them. SQL lives here, in `door` and in
//! the migrations, and nowhere else.

mod dataset;
mod export_job;
mod export_run;
mod history;
mod idempotency;
mod import_job;
mod import_run;
mod lifecycle;
mod project;
mod project_participant;
mod query;
mod query_job;
mod query_result;
mod query_run;
mod rejected_row;
mod release_audit;
mod table;
mod table_file;
mod table_policy;
mod table_version;
mod tenant;
mod upload_chunk;
mod user;

pub use dataset::*;
pub use export_job::*;
pub use export_run::*;
pub use history::*;
pub use idempotency::Replay;
pub use import_job::*;
pub use import_run::*;
pub use project::*;
pub use project_participant::*;
pub use query::*;
pub use query_job::*;
pub use query_result::*;
pub use query_run::*;
pub use rejected_row::*;
pub use release_audit::*;
pub use table::*;
pub use table_file::*;
pub use table_policy::*;
pub use table_version::*;
pub use tenant::*;
pub use upload_chunk::*;
pub use user::*;
