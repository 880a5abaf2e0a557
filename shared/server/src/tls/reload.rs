use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use datacovey_error::{Violation, Violations};
use metrics::{counter, gauge};
use tokio::sync::watch;

use super::files::{Contents, Files, Material};

/// How often files are looked at. They are small, and a cluster takes longer to bring new ones.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A configuration that is made of files, and made again when they change.
pub(super) struct Reloaded<T> {
    files: Files,
    make: fn(&Files, Material) -> Result<T, Violation>,
    current: watch::Sender<Made<T>>,
}

struct Made<T> {
    config: Arc<T>,
    /// What it was made of.
    contents: Contents,
    expires: Option<Duration>,
}

impl<T> fmt::Debug for Reloaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloaded")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Reloaded<T> {
    pub(super) fn open(
        files: Files,
        make: fn(&Files, Material) -> Result<T, Violation>,
        violations: &mut Violations,
    ) -> Option<Self> {
        let made = try_make(&files, make, files.read(), violations)?;
        Some(Self {
            files,
            make,
            current: watch::Sender::new(made),
        })
    }

    pub(super) fn current(&self) -> Arc<T> {
        Arc::clone(&self.current.borrow().config)
    }

    /// Looks at the files for ever. `side` tells a process's own two configurations apart.
    pub(super) async fn watch(&self, service: &'static str, side: &'static str) {
        let failures = counter!("datacovey_tls_reload_failures_total", "service" => service, "side" => side);
        // There from the start, so that its first increase is one.
        failures.increment(0);
        self.tell(service, side);
        let mut tried = self.current.borrow().contents.clone();
        let mut before = tried.clone();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let files = self.files.clone();
            let Ok(now) = tokio::task::spawn_blocking(move || files.read()).await else {
                return;
            };
            // They change one after the other: what was read in between may be a new certificate
            // with an old key. What is the same a while later is whole.
            let settled = now == before;
            before = now;
            if !settled || before == tried {
                continue;
            }
            tried = before.clone();
            let mut violations = Violations::new();
            match try_make(&self.files, self.make, before.clone(), &mut violations) {
                Some(made) => {
                    self.current.send_replace(made);
                    self.tell(service, side);
                    tracing::info!(service, side, "TLS: new files are used from now on");
                }
                None => {
                    failures.increment(1);
                    let wrong = violations.into_vec().into_iter();
                    let wrong: Vec<_> = wrong
                        .map(|it| format!("{} {}", it.field, it.description))
                        .collect();
                    let cause = wrong.join("; ");
                    tracing::error!(
                        service,
                        side,
                        cause,
                        "TLS: new files cannot be used; the old ones stay"
                    );
                }
            }
        }
    }

    /// Tells until when the certificate in use is good.
    fn tell(&self, service: &'static str, side: &'static str) {
        if let Some(expires) = self.current.borrow().expires {
            gauge!("datacovey_tls_certificate_expires_seconds", "service" => service, "side" => side)
                .set(expires.as_secs_f64());
        }
    }
}

fn try_make<T>(
    files: &Files,
    make: fn(&Files, Material) -> Result<T, Violation>,
    contents: Contents,
    violations: &mut Violations,
) -> Option<Made<T>> {
    let material = files.parse(&contents, violations)?;
    let expires = material.expires();
    let config = make(files, material).map_err(|it| violations.push(it)).ok()?;
    Some(Made {
        config: Arc::new(config),
        contents,
        expires,
    })
}
