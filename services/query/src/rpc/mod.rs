//! The gRPC services: parse, call, convert.

mod parse;

pub use parse::{JobFilter, NewQuery, NewQueryJob, QueryFilter, Question, ReadRequest, Source};
