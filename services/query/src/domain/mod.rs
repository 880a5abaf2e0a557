//! The rules of queries and their results: pure functions and types.

pub(crate) mod effective;
pub(crate) mod failure;
pub(crate) mod figures;
pub(crate) mod grid;
pub(crate) mod json;
pub(crate) mod order;
pub(crate) mod output;
pub(crate) mod question;
pub(crate) mod request;
pub(crate) mod result_encoder;
pub(crate) mod result_file;
pub(crate) mod text;
pub(crate) mod violation;
