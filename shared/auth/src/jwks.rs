use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use moka::sync::Cache;
use reqwest::Url;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::KeySource;
use crate::keys::{Key, Keys};

/// Key sets have a few kilobytes; whatever is longer is none.
const MAX_SET_BYTES: usize = 256 * 1024;

/// How often keys are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// Known keys older than this are asked for again, beside the calls that use them.
    pub(crate) fresh_for: Duration,
    /// Between two requests for keys, whatever tokens ask for.
    pub(crate) at_most_every: Duration,
    /// Between two requests while there are no keys at all.
    pub(crate) retry_every: Duration,
    /// How long a key id that is not in the set is not looked for again.
    pub(crate) unknown_for: Duration,
    /// For one request, from the connection to the last byte.
    pub(crate) timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            fresh_for: Duration::from_secs(600),
            at_most_every: Duration::from_secs(10),
            retry_every: Duration::from_secs(1),
            unknown_for: Duration::from_secs(60),
            timeout: Duration::from_secs(5),
        }
    }
}

/// Why there is no key for a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// The issuer was asked and has no such key.
    Unknown,
    /// The issuer's keys cannot be had now, so nobody can say.
    Away,
}

/// The keys of one issuer, kept, and asked for again when a token names one that is not there.
///
/// While the issuer is away the keys that are known go on verifying.
#[derive(Debug)]
pub(crate) struct KeySet {
    source: Source,
    timing: Timing,
    known: RwLock<Known>,
    /// Held by the one task that asks; the others wait for what it learns.
    asking: Mutex<()>,
    unknown: Cache<String, ()>,
}

#[derive(Debug)]
enum Source {
    Url { url: Url, client: reqwest::Client },
    File(std::path::PathBuf),
    Inline,
}

#[derive(Clone, Debug, Default)]
struct Known {
    keys: Arc<Keys>,
    learned_at: Option<Instant>,
    asked_at: Option<Instant>,
    /// When the last request ended, however it did.
    answered_at: Option<Instant>,
    /// Whether the last request failed.
    away: bool,
}

impl KeySet {
    pub(crate) fn new(source: &KeySource, timing: Timing) -> Result<Self, String> {
        let mut known = Known::default();
        let source = match source {
            KeySource::Url(url) => Source::Url {
                url: url.clone(),
                client: client(url, timing)?,
            },
            KeySource::File(path) => Source::File(path.clone()),
            KeySource::Inline(set) => {
                known.keys = Arc::new(Keys::parse(set)?);
                Source::Inline
            }
        };
        Ok(Self {
            source,
            timing,
            known: RwLock::new(known),
            asking: Mutex::new(()),
            unknown: Cache::builder()
                .max_capacity(1_000)
                .time_to_live(timing.unknown_for)
                .build(),
        })
    }

    /// The key that a token's header names.
    pub(crate) async fn key(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<Key>, NoKey> {
        let known = self.known();
        if let Some(key) = known.keys.find(id, algorithm) {
            self.renew_beside(&known);
            return Ok(key);
        }
        let name = format!("{algorithm:?} {}", id.unwrap_or_default());
        if matches!(self.source, Source::Inline) || self.unknown.contains_key(&name) {
            return Err(NoKey::Unknown);
        }
        let came_at = Instant::now();
        self.ask_unless_recent().await;
        let known = self.known();
        if let Some(key) = known.keys.find(id, algorithm) {
            return Ok(key);
        }
        if known.away || known.learned_at.is_none() {
            return Err(NoKey::Away);
        }
        // Only an answer later than the question tells that the key does not exist.
        if known.asked_at.is_some_and(|asked_at| asked_at >= came_at) {
            self.unknown.insert(name, ());
        }
        Err(NoKey::Unknown)
    }

    /// Asks for the keys now, unless they were asked for a moment ago. Whoever waited for another's
    /// request takes its answer: an issuer that hangs is waited for once, and not once by each in turn.
    pub(crate) async fn ask_unless_recent(&self) {
        if matches!(self.source, Source::Inline) {
            return;
        }
        let came_at = Instant::now();
        let _asking = self.asking.lock().await;
        let known = self.known();
        if known
            .answered_at
            .is_some_and(|answered_at| answered_at >= came_at)
        {
            return;
        }
        let pause = if known.keys.is_empty() {
            self.timing.retry_every
        } else {
            self.timing.at_most_every
        };
        if known.asked_at.is_some_and(|asked_at| asked_at.elapsed() < pause) {
            return;
        }
        let asked_at = Instant::now();
        let answer = self.ask().await;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.asked_at = Some(asked_at);
        known.answered_at = Some(Instant::now());
        known.away = answer.is_err();
        match answer {
            Ok(keys) => {
                known.keys = Arc::new(keys);
                known.learned_at = Some(asked_at);
            }
            Err(cause) => tracing::warn!(source = %self.source, cause, "the issuer's keys cannot be had"),
        }
    }

    /// Keys that have become old are asked for again without making the call wait.
    fn renew_beside(self: &Arc<Self>, known: &Known) {
        let old = known
            .learned_at
            .is_some_and(|at| at.elapsed() > self.timing.fresh_for);
        let asked = known
            .asked_at
            .is_some_and(|at| at.elapsed() < self.timing.at_most_every);
        if old && !asked && self.asking.try_lock().is_ok() {
            let keys = Arc::clone(self);
            tokio::spawn(async move { keys.ask_unless_recent().await });
        }
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask(&self) -> Result<Keys, String> {
        let set = match &self.source {
            Source::Inline => return Err("the keys are in the configuration".to_owned()),
            Source::File(path) => tokio::fs::read(path).await.map_err(|error| error.to_string())?,
            Source::Url { url, client } => fetch(client, url.clone())
                .await
                .map_err(|error| chain(error.as_ref()))?,
        };
        let set: Value = serde_json::from_slice(&set).map_err(|error| format!("is no JSON: {error}"))?;
        let keys = Keys::parse(&set)?;
        if keys.is_empty() {
            return Err("holds no key that can verify RS256, ES256 or EdDSA".to_owned());
        }
        Ok(keys)
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url { url, .. } => url.fmt(f),
            Self::File(path) => path.display().fmt(f),
            Self::Inline => f.write_str("inline"),
        }
    }
}

fn client(url: &Url, timing: Timing) -> Result<reqwest::Client, String> {
    // The first to come decides for the process; all of ours come with ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .timeout(timing.timeout)
        // Where the keys are is for the configuration to say, and not for who answers.
        .redirect(reqwest::redirect::Policy::none());
    let builder = if url.scheme() == "http" {
        builder.no_proxy()
    } else {
        builder.https_only(true)
    };
    builder.build().map_err(|error| chain(&error))
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

async fn fetch(client: &reqwest::Client, url: Url) -> Result<Vec<u8>, Cause> {
    let mut response = client.get(url).send().await?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("answered {}", response.status()).into());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_SET_BYTES {
            return Err(format!("answered more than {MAX_SET_BYTES} bytes").into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error with all that caused it: reqwest's own text says only that something did not work.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
