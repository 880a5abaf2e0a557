use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::seq::IteratorRandom as _;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::link::{Link, Place, Site};
use super::urls::{PeerUrls, Target};
use crate::tls::ClientTls;

/// Connections to each address: one that is made anew is not all there are.
const LINKS: usize = 2;
/// More addresses than any service has processes.
const MAX_SITES: usize = 256;
/// A call that finds no connection waits for one at most so long.
const WAIT: Duration = Duration::from_secs(5);

/// The links to all processes of a service, as its names resolve.
pub(super) struct Pool {
    peer: &'static str,
    tls: Option<ClientTls>,
    state: Mutex<Known>,
    /// Something has become known: a connection, an address, or that there is none.
    changes: watch::Sender<()>,
    /// When a call last began to wait for a connection; whoever could make one tries then.
    wanted: watch::Sender<Instant>,
}

struct Known {
    names: Vec<Name>,
    links: Vec<Link>,
}

/// What is known of one URL.
struct Name {
    target: Target,
    addresses: Vec<SocketAddr>,
    tried: Tried,
}

/// The last lookup that has ended.
enum Tried {
    Not,
    /// When it began, and what was wrong with it.
    At(Instant, Option<String>),
    /// It needs none.
    Always,
}

impl Pool {
    pub(super) fn new(peer: &'static str, urls: &PeerUrls, tls: Option<ClientTls>) -> Self {
        let names = urls.targets().iter().map(|target| Name {
            target: target.clone(),
            addresses: Vec::new(),
            tried: Tried::Not,
        });
        Self {
            peer,
            tls,
            state: Mutex::new(Known {
                names: names.collect(),
                links: Vec::new(),
            }),
            changes: watch::Sender::new(()),
            wanted: watch::Sender::new(Instant::now()),
        }
    }

    pub(super) fn wanted(&self) -> watch::Receiver<Instant> {
        self.wanted.subscribe()
    }

    /// The name stands for these addresses now. Without `begun` it always does.
    pub(super) fn found(&self, index: usize, begun: Option<Instant>, addresses: Vec<SocketAddr>) {
        let mut known = self.lock();
        if let Some(name) = known.names.get_mut(index) {
            name.addresses = addresses;
            name.tried = begun.map_or(Tried::Always, |begun| Tried::At(begun, None));
        }
        self.link_up(&mut known);
        drop(known);
        self.changes.send_replace(());
    }

    /// The lookup that began then has failed; what was found before holds on.
    pub(super) fn not_found(&self, index: usize, begun: Instant, why: String) {
        if let Some(name) = self.lock().names.get_mut(index) {
            name.tried = Tried::At(begun, Some(why));
        }
        self.changes.send_replace(());
    }

    /// Makes links to new addresses, and drops those to old ones.
    fn link_up(&self, known: &mut Known) {
        let mut sites = Vec::new();
        for name in &known.names {
            for address in &name.addresses {
                let is_new = sites.iter().all(|it: &Site| it.address != *address);
                if is_new && sites.len() < MAX_SITES {
                    sites.push(Site {
                        address: *address,
                        target: name.target.clone(),
                    });
                }
            }
        }
        known.links.retain(|link| sites.contains(link.site()));
        for site in sites {
            if known.links.iter().any(|link| *link.site() == site) {
                continue;
            }
            tracing::debug!(peer = self.peer, address = %site.address, "a process of a peer is known");
            let link = || {
                Link::new(
                    self.peer,
                    site.clone(),
                    self.tls.clone(),
                    self.wanted(),
                    self.changes.clone(),
                )
            };
            known.links.extend(std::iter::repeat_with(link).take(LINKS));
        }
    }

    /// A place on one of the connections, best not to an address that was `tried`. Waits for one
    /// to be made; the error says why none can be.
    pub(super) async fn place(&self, tried: &[SocketAddr]) -> Result<Place, String> {
        if let Some(place) = self.pick(tried) {
            return Ok(place);
        }
        let since = Instant::now();
        let mut changes = self.changes.subscribe();
        self.wanted.send_if_modified(|at| {
            let later = *at < since;
            *at = since.max(*at);
            later
        });
        let connected = async {
            loop {
                changes.borrow_and_update();
                if let Some(place) = self.pick(tried) {
                    return Ok(place);
                }
                if let Some(why) = self.hopeless(since) {
                    return Err(why);
                }
                if changes.changed().await.is_err() {
                    return Err("the client has ended".to_owned());
                }
            }
        };
        let late = |_| Err("no connection was made in time".to_owned());
        timeout_at(since + WAIT, connected).await.unwrap_or_else(late)
    }

    /// The less loaded of two at random. Choosing the least loaded of all would send every caller
    /// to the same one: the newest.
    fn pick(&self, tried: &[SocketAddr]) -> Option<Place> {
        let known = self.lock();
        let connected = || known.links.iter().filter(|link| link.is_connected());
        let two_of = |links: &mut dyn Iterator<Item = &Link>| {
            let two = links.sample(&mut rand::rng(), 2).into_iter();
            two.min_by_key(|link| (link.running(), rand::random::<u32>()))
                .and_then(Link::take)
        };
        let untried = &mut connected().filter(|link| !tried.contains(&link.site().address));
        two_of(untried).or_else(|| two_of(&mut connected()))
    }

    /// Why there will be no connection, once all has been tried since then: each name looked up,
    /// and each address connected to.
    fn hopeless(&self, since: Instant) -> Option<String> {
        let known = self.lock();
        let mut last = None;
        for name in &known.names {
            match &name.tried {
                Tried::Always => {}
                Tried::At(begun, why) if *begun >= since => last = why.clone().or(last),
                Tried::Not | Tried::At(..) => return None,
            }
        }
        for link in &known.links {
            last = Some(link.failed_since(since)?);
        }
        Some(last.unwrap_or_else(|| "there is no address".to_owned()))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing that is done under it panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
