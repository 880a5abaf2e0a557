//! DataCovey on one machine: all services in one process, and a client for people.
//!
//! `suite` runs what elsewhere runs as five deployments; `client` talks to its gateway like any other program.

pub mod cli;
pub mod client;
pub mod command;
pub mod data_dir;
mod database;
pub mod demo;
pub mod interrupted;
pub mod report;
mod screen;
pub mod suite;
pub mod token;
