//! The services behind the gateway, for what it does more than pass calls on.

use datacovey_auth::InternalSigner;
use datacovey_error::{Error, Result};
use datacovey_rest::Service;
use datacovey_server::{Balanced, Peer};

/// Those that have data, or know its names; called on behalf of whoever calls the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub(crate) identity: Peer,
    pub(crate) catalog: Peer,
    pub(crate) query: Peer,
    pub(crate) transfer: Peer,
}

impl Services {
    pub(crate) fn new(upstreams: &[Balanced], signer: &InternalSigner) -> Result<Self> {
        let peer = |name: &str| {
            let upstream = upstreams.iter().find(|it| it.peer() == name);
            let upstream = upstream.ok_or_else(|| Error::internal(format!("{name} is no upstream")))?;
            Ok::<_, Error>(Peer::over(upstream.clone(), signer.clone()))
        };
        Ok(Self {
            identity: peer("identity")?,
            catalog: peer("catalog")?,
            query: peer("query")?,
            transfer: peer("transfer")?,
        })
    }

    /// The one that owns a relation.
    pub(crate) fn of(&self, service: Service) -> &Peer {
        match service {
            Service::Identity => &self.identity,
            Service::Catalog => &self.catalog,
            Service::Query => &self.query,
            Service::Transfer => &self.transfer,
        }
    }
}
