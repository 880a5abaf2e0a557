//! A real server with all layers on a free port, around services that misbehave on request.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod authentication;
mod balance;
mod balance_tls;
mod connections;
mod crowd;
mod drain;
mod fixture;
mod issuers;
mod keys;
mod layers;
mod node;
mod observed;
mod overload;
mod parsers;
mod peers;
mod process;
mod tls;
mod wire;
