//! What is killed, and how.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, RngExt as _};

use super::cluster::{Cluster, TRANSFERS};

#[derive(Clone, Copy, Debug)]
pub(super) enum Victim {
    /// A transfer process, or both: they answer calls about imports and exports, and work on them.
    Worker,
    /// One of those that a caller's call goes through on its way there.
    Service,
    Store,
    Database,
}

impl Victim {
    pub(super) const ALL: [Self; 4] = [Self::Worker, Self::Service, Self::Store, Self::Database];

    pub(super) fn in_turn(turn: u64) -> Self {
        Self::ALL[usize::try_from(turn).unwrap() % Self::ALL.len()]
    }

    /// Takes it away, and brings it back after a while. Says what was done.
    pub(super) async fn strike(
        self,
        cluster: &mut Cluster,
        random: &mut StdRng,
        note: impl FnOnce(),
    ) -> String {
        let away = Duration::from_millis(random.random_range(0..3000));
        match self {
            Self::Worker => {
                let names = *pick(random, &[&TRANSFERS[..1], &TRANSFERS[1..], &TRANSFERS[..]]);
                kill(cluster, names, away, note).await
            }
            Self::Service => {
                let name = *pick(random, &["gateway", "gateway", "catalog", "identity"]);
                kill(cluster, &[name], away, note).await
            }
            Self::Store => match random.random_range(0..3) {
                0 => kill(cluster, &["store"], away, note).await,
                1 => {
                    cluster.signal("store", "STOP").await;
                    note();
                    tokio::time::sleep(away).await;
                    cluster.signal("store", "CONT").await;
                    format!("silent for {} ms", away.as_millis())
                }
                _ => {
                    cluster.refuse(true);
                    note();
                    tokio::time::sleep(away).await;
                    cluster.refuse(false);
                    format!("answered 500 for {} ms", away.as_millis())
                }
            },
            Self::Database => {
                let server = random.random_bool(0.5);
                let pid = if server {
                    cluster.database_pid()
                } else {
                    // With one of its processes gone a server ends all the others, for they share memory.
                    cluster.backend_pid(random.next_u64()).await
                };
                super::cluster::send("KILL", pid).await;
                note();
                cluster.database_answers().await;
                let what = if server { "server" } else { "session" };
                format!("the {what} {pid}")
            }
        }
    }
}

async fn kill(cluster: &mut Cluster, names: &[&'static str], away: Duration, note: impl FnOnce()) -> String {
    for name in names {
        cluster.kill(name).await;
    }
    note();
    tokio::time::sleep(away).await;
    for name in names {
        cluster.launch(name).await;
    }
    format!("{} away for {} ms", names.join(" and "), away.as_millis())
}

fn pick<'a, T>(random: &mut StdRng, of: &'a [T]) -> &'a T {
    &of[random.random_range(0..of.len())]
}
