//! What a query needs of the other services: tables and policies of the catalog, files of the
//! transfer service.

mod catalog;
mod json;
mod policy;
mod transfer;

use datacovey_server::Peer;

pub(crate) use catalog::{Project, ProjectTable};
pub(crate) use transfer::PinnedVersion;

/// The peers of the service; clones share connections.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    pub catalog: Peer,
    pub transfer: Peer,
}
