//! The REST API of the contract as PostgREST 13 answers it: what needs no database.
//!
//! Pure: bytes of a request become a typed request of `datacovey.internal.rows.v1` or an error, and what
//! became of it becomes an answer. The one rule: text that a caller sent is data; names of relations come
//! from [`Relations`] alone, and whoever writes SQL takes names of columns from there, too.
//!
//! A request goes this way, and the first that fails is the answer:
//! 1. [`preflight`] answers browsers; then the caller says who it is ([`Error::anonymous`] and others);
//! 2. [`Head::read`] checks path, schema, method, query string and range;
//! 3. if [`Head::takes_body`], its body is read, up to [`Head::max_body_bytes`];
//! 4. [`Head::plan`] reads the body, looks names up, and settles preferences and media type;
//! 5. the service that owns the relation is asked, or [`openapi`] is written;
//! 6. [`Answering`] or [`Error::answer`] make the answer, [`RowWriter`] its rows; [`add_cors`] ends it.

mod answer;
mod body;
mod embed;
mod error;
mod fuzzy;
mod media;
mod openapi;
mod plan;
mod prefer;
mod query;
mod relations;
mod request;

pub use answer::{Answer, Answering, Body, Origins, Outcome, RowWriter, SERVER_NAME, add_cors, preflight};
pub use body::MAX_ROWS;
pub use error::Error;
pub use media::Media;
pub use openapi::{Address, openapi};
pub use plan::{Call, Plan, Rows};
pub use prefer::Return;
pub use query::MAX_PARAMETERS;
pub use query::field::MAX_STEPS;
pub use query::filter::MAX_VALUES;
pub use query::logic::{MAX_DEPTH, MAX_NODES};
pub use query::order::MAX_TERMS;
pub use query::select::{MAX_EMBEDDINGS, MAX_ITEMS};
pub use relations::{Column, ColumnType, ForeignKey, Relation, Relations, Service};
pub use request::{Head, Request, Settings};
