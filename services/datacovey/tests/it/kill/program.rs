//! This test binary as the program of one process: a service that leases, retries and sweeps within seconds,
//! or the store.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use datacovey_server::{refuse, run};

/// What the process is to be.
pub(super) const ROLE: &str = "DATACOVEY_TEST_ROLE";
/// Set where what nobody needs any more is swept at once.
pub(super) const SWEEP: &str = "DATACOVEY_TEST_SWEEP";
/// The name by which it is started.
pub(super) const ENTRY: &str = "kill::program::a_process";

#[test]
#[ignore = "is what another test starts processes with"]
fn a_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    // Its standard input is closed when whoever started it is gone, however that went.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ended = runtime.block_on(async move {
        /// As the `main` of each service does.
        macro_rules! service {
            ($service:ident) => {
                match $service::Args::parse_from(["service"]).validate() {
                    Ok(config) => run(config.server.clone(), $service::open(&config)).await,
                    Err(violations) => refuse(&violations),
                }
            };
        }
        match role.as_str() {
            "identity" => service!(datacovey_identity),
            "catalog" => service!(datacovey_catalog),
            "transfer" => transfer().await,
            "gateway" => match datacovey_gateway::Args::parse_from(["service"]).validate() {
                Ok(config) => {
                    let app = async { datacovey_gateway::app(&config) };
                    run(config.server.clone(), app).await
                }
                Err(violations) => refuse(&violations),
            },
            "store" => super::store::serve().await,
            other => panic!("no process is called {other}"),
        }
    });
    assert_eq!(ended, ExitCode::SUCCESS);
}

/// The proportions are those of a real one; the times are not.
async fn transfer() -> ExitCode {
    let mut config = match datacovey_transfer::Args::parse_from(["service"]).validate() {
        Ok(config) => config,
        Err(violations) => return refuse(&violations),
    };
    let limits = &mut config.limits;
    limits.worker.lease = Duration::from_secs(5);
    limits.worker.poll = Duration::from_secs(1);
    limits.sweep_every = Duration::from_secs(1);
    limits.sweep_grace = Duration::from_secs(20);
    limits.compact_every = Duration::from_secs(1);
    limits.compact_lease = Duration::from_secs(20);
    if std::env::var_os(SWEEP).is_some() {
        limits.sweep_every = Duration::from_millis(200);
        limits.sweep_grace = Duration::ZERO;
        limits.export_lifetime = Duration::ZERO;
    }
    run(config.server.clone(), datacovey_transfer::open(&config)).await
}
