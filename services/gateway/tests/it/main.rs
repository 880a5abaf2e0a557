//! The gateway, over real connections and with all its layers, before fake services.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod balance;
mod browser;
mod callers;
mod content;
mod cors;
mod ending;
mod fake;
mod flight;
mod flight_get;
mod flight_put;
mod health;
mod logged;
mod parsers;
mod passing;
mod process;
mod rest;
mod streaming;
mod suite;
mod web;
mod web_faults;
