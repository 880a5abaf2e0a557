//! The rules of queries and their results: pure functions and types.

pub mod failure;
pub mod figures;
pub mod grid;
pub mod json;
pub mod output;
pub mod result_file;
pub mod text;
pub mod violation;
