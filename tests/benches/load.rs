//! Load: callers that wait for each answer, and callers that come when they come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datacovey::client::Client;
use datacovey_proto::catalog::v1::GetTableRequest;
use tokio::task::JoinSet;
use tonic::Code;

use crate::house::House;

/// What came of a load.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Of the calls that were answered, sorted.
    pub(crate) latencies: Vec<Duration>,
    /// Calls that were refused, by code.
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) took: Duration,
}

impl Outcome {
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    pub(crate) fn quantile(&self, quantile: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies
            .get((last as f64 * quantile) as usize)
            .copied()
            .unwrap_or_default()
    }

    fn add(&mut self, answer: Result<Duration, Code>) {
        match answer {
            Ok(latency) => self.latencies.push(latency),
            Err(code) => *self.refused.entry(format!("{code:?}")).or_default() += 1,
        }
    }
}

/// Connections of their own, so that one is not the limit.
pub(crate) async fn connections(endpoint: &str, token: &str, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(Client::connect(endpoint, token).await.unwrap());
    }
    clients
}

/// GetTable of one of the tables.
pub(crate) async fn get(client: &Client, id: &str) -> Result<Duration, Code> {
    let request = GetTableRequest { id: id.to_owned() };
    let since = Instant::now();
    match client.tables().get_table(request).await {
        Ok(_) => Ok(since.elapsed()),
        Err(status) => Err(status.code()),
    }
}

/// Each connection asks again as soon as it is answered, for so long.
pub(crate) async fn closed(
    house: &House,
    endpoint: &str,
    connections_count: usize,
    long: Duration,
) -> Outcome {
    let clients = connections(endpoint, &house.token, connections_count).await;
    let since = Instant::now();
    let mut callers = JoinSet::new();
    for (turn, client) in clients.into_iter().enumerate() {
        let tables = house.tables.clone();
        callers.spawn(async move {
            let mut mine = Outcome::default();
            for id in tables.iter().cycle().skip(turn * 37) {
                if since.elapsed() > long {
                    break;
                }
                mine.add(get(&client, id).await);
            }
            mine
        });
    }
    let mut all = Outcome::default();
    while let Some(mine) = callers.join_next().await {
        let mine = mine.unwrap();
        all.latencies.extend(mine.latencies);
        for (code, count) in mine.refused {
            *all.refused.entry(code).or_default() += count;
        }
    }
    all.took = since.elapsed();
    all.latencies.sort_unstable();
    all
}

/// So many calls a second, whether the ones before are answered or not. A latency counts from when the call
/// was due, so that a generator that falls behind hides nothing.
pub(crate) async fn open(house: &House, endpoint: &str, rate: f64, long: Duration) -> Outcome {
    let clients = Arc::new(connections(endpoint, &house.token, 16).await);
    let tables = Arc::new(house.tables.clone());
    let since = Instant::now();
    let mut calls = JoinSet::new();
    let mut sent = 0_usize;
    while since.elapsed() < long {
        let due = (since.elapsed().as_secs_f64() * rate) as usize;
        for turn in sent..due {
            let at = since + Duration::from_secs_f64(turn as f64 / rate);
            let (clients, tables) = (Arc::clone(&clients), Arc::clone(&tables));
            calls.spawn(async move {
                let answer = get(&clients[turn % clients.len()], &tables[turn % tables.len()]).await;
                answer.map(|_| at.elapsed())
            });
        }
        sent = due;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = since.elapsed();
    let mut all = Outcome::default();
    while let Some(answer) = calls.join_next().await {
        all.add(answer.unwrap());
    }
    all.took = took;
    all.latencies.sort_unstable();
    all
}
