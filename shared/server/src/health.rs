use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use metrics::gauge;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// How often what a service depends on is looked at.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// A dependency that does not answer within this is away.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether something that a service depends on is there; the error is for the log.
pub type HealthCheck = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A check, and the gRPC services that cannot serve while it fails.
#[derive(Clone)]
pub(crate) struct Dependency {
    pub(crate) what: &'static str,
    /// None: all of the server's.
    pub(crate) of: Option<Vec<&'static str>>,
    pub(crate) check: HealthCheck,
}

/// What probes are told: serving, while every dependency answers and nobody has asked to leave.
///
/// Named entries tell of each gRPC service, of the process by its own name (`gateway`), and of each
/// thing that it depends on; the entry without a name is the worst of all.
#[derive(Clone)]
pub(crate) struct Health {
    reporter: HealthReporter,
    process: &'static str,
    names: Arc<[&'static str]>,
    dependencies: Arc<[&'static str]>,
    ready: Arc<AtomicBool>,
}

impl Health {
    /// Nothing serves until the first checks have passed.
    pub(crate) async fn new(
        process: &'static str,
        names: &[&'static str],
        dependencies: impl Iterator<Item = &'static str>,
    ) -> Self {
        let health = Self {
            reporter: HealthReporter::new(),
            process,
            names: names.into(),
            dependencies: dependencies.collect(),
            ready: Arc::new(AtomicBool::new(false)),
        };
        health.say(ServingStatus::NotServing).await;
        health
    }

    pub(crate) fn reporter(&self) -> HealthReporter {
        self.reporter.clone()
    }

    /// Whether the whole server serves.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::SeqCst)
    }

    /// From now on and whatever is checked, nothing serves.
    async fn leave(&self) {
        self.say(ServingStatus::NotServing).await;
    }

    async fn say(&self, status: ServingStatus) {
        self.ready
            .store(status == ServingStatus::Serving, Ordering::SeqCst);
        let all = self.names.iter().chain(self.dependencies.iter()).copied();
        for name in all.chain([self.process, ""]) {
            self.reporter.set_service_status(name, status).await;
        }
    }

    /// Checks the dependencies again and again until `leaving`, and says what follows from them.
    pub(crate) async fn watch(self, dependencies: Vec<Dependency>, leaving: CancellationToken) {
        let mut failing = Vec::new();
        let mut told = false;
        let mut every = tokio::time::interval(CHECK_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let checking = async {
            loop {
                every.tick().await;
                let failed = check_all(&dependencies).await;
                report_changes(&dependencies, &failing, &failed);
                // Whoever watches is told of changes only.
                if !told || !same(&failing, &failed) {
                    self.tell(&dependencies, &failed).await;
                }
                told = true;
                failing = failed;
            }
        };
        leaving.run_until_cancelled(checking).await;
        self.leave().await;
    }

    async fn tell(&self, dependencies: &[Dependency], failed: &[(usize, String)]) {
        let concerns = |name: &str| {
            failed.iter().any(|(index, _)| match &dependencies[*index].of {
                None => true,
                Some(of) => of.contains(&name),
            })
        };
        let say = async |name, serving| {
            let status = if serving {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            self.reporter.set_service_status(name, status).await;
        };
        for name in self.names.iter() {
            say(*name, !concerns(name)).await;
        }
        for (index, dependency) in dependencies.iter().enumerate() {
            let up = failed.iter().all(|(it, _)| *it != index);
            say(dependency.what, up).await;
            gauge!("datacovey_dependency_up", "service" => self.process, "dependency" => dependency.what)
                .set(if up { 1.0 } else { 0.0 });
        }
        // Probes take a process out of service for what is its own, and not for what is wrong
        // with one of those that it calls: the others are called through it, too.
        let own = failed.iter().all(|(index, _)| dependencies[*index].of.is_some());
        say(self.process, own).await;
        say("", failed.is_empty()).await;
        self.ready.store(own, Ordering::SeqCst);
    }
}

/// The dependencies that fail, by index, and why.
async fn check_all(dependencies: &[Dependency]) -> Vec<(usize, String)> {
    let mut checks = JoinSet::new();
    for (index, dependency) in dependencies.iter().enumerate() {
        let check = (dependency.check)();
        checks.spawn(async move {
            match tokio::time::timeout(CHECK_TIMEOUT, check).await {
                Ok(Ok(())) => None,
                Ok(Err(why)) => Some((index, why)),
                Err(_) => Some((index, "it does not answer".to_owned())),
            }
        });
    }
    let mut failed: Vec<_> = checks.join_all().await.into_iter().flatten().collect();
    failed.sort();
    failed
}

/// Whether the same ones fail, for whatever reason.
fn same(before: &[(usize, String)], now: &[(usize, String)]) -> bool {
    before
        .iter()
        .map(|(index, _)| index)
        .eq(now.iter().map(|(index, _)| index))
}

fn report_changes(dependencies: &[Dependency], before: &[(usize, String)], now: &[(usize, String)]) {
    let is_in = |list: &[(usize, String)], index| list.iter().any(|(it, _)| *it == index);
    for (index, why) in now.iter().filter(|(index, _)| !is_in(before, *index)) {
        tracing::warn!(
            dependency = dependencies[*index].what,
            why,
            "a dependency is away"
        );
    }
    for (index, _) in before.iter().filter(|(index, _)| !is_in(now, *index)) {
        tracing::info!(dependency = dependencies[*index].what, "a dependency is back");
    }
}
