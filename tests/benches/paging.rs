//! The thousandth page of a list against its first.

use std::time::{Duration, Instant};

use datacovey::client::Client;
use datacovey_proto::catalog::v1::ListTablesRequest;

use crate::house::{House, TABLES};
use crate::say;

const PAGE: i32 = 50;
const FAR: usize = 1000;
const ROUNDS: usize = 300;

pub(crate) async fn run(house: &House) {
    let client = Client::connect(&house.catalog, &house.token).await.unwrap();
    let mut token = String::new();
    for _ in 1..FAR {
        (token, _) = page(&client, house, &token).await;
    }
    let (mut first, mut far) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        first.push(page(&client, house, "").await.1);
        far.push(page(&client, house, &token).await.1);
    }
    let (first, far) = (median(first), median(far));
    let milliseconds = |it: Duration| format!("{:.2} ms", it.as_secs_f64() * 1000.0);
    say(
        &format!("page 1 of {PAGE} of {TABLES} tables, median"),
        milliseconds(first),
        Some(1.0),
    );
    let ratio = far.as_secs_f64() / first.as_secs_f64();
    say(&format!("page {FAR}, median"), milliseconds(far), Some(ratio));
}

/// The next page's token, and how long it took.
async fn page(client: &Client, house: &House, token: &str) -> (String, Duration) {
    let request = ListTablesRequest {
        dataset_id: Some(house.dataset_id.clone()),
        page_size: PAGE,
        page_token: token.to_owned(),
        ..Default::default()
    };
    let since = Instant::now();
    let page = client.tables().list_tables(request).await.unwrap().into_inner();
    assert_eq!(page.tables.len(), PAGE as usize);
    (page.next_page_token, since.elapsed())
}

pub(crate) fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}
