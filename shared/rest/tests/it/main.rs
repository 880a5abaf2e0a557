//! What the REST API answers, by section of PostgREST's behaviour: tables of requests beside what they
//! become.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod any_bytes;
mod ask;
mod section_01_order;
mod section_02_paths;
mod section_03_query;
mod section_04_filters;
mod section_05_select;
mod section_06_order;
mod section_07_pages;
mod section_08_embedding;
mod section_09_aggregates;
mod section_10_insert;
mod section_11_upsert;
mod section_12_put;
mod section_13_patch;
mod section_14_delete;
mod section_15_prefer;
mod section_16_media;
mod section_17_headers;
mod section_18_errors;
mod section_19_callers;
mod section_20_cors;
mod section_21_openapi;
mod section_23_values;
mod section_24_mended;
mod section_25_relations;
