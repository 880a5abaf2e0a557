//! The one port of the suite: authentication and transparent streaming proxy, for programs and,
//! by gRPC-Web, for browsers.
//!
//! Owns no data. The one rule: a call goes on only as the principal that its credentials name, and
//! no message of it is decoded. Beside it, the relations of the contract are served over REST, and content of
//! jobs comes and goes over plain HTTP and as Arrow Flight.

mod app;
mod body;
mod config;
mod content;
mod cors;
mod flight;
mod headers;
mod health;
mod proxy;
mod rest;
mod routes;
mod services;
mod web;

pub use app::app;
pub use config::{Args, Config, SERVICE};
pub use cors::Origins;
pub use flight::framing as flight_framing;
