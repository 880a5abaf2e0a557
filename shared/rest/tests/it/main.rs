//! What the REST API answers, by section of PostgREST's behaviour.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod section_21_openapi;
mod section_25_relations;
