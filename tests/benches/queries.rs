//! Queries over two owners' tables with policies, through the gateway, results read, against DuckDB's same
//! query over the same Parquet files. Thresholds, where ours has them, are DuckDB's `HAVING`.
//!
//! ```sh
//! pip install duckdb
//! DATACOVEY_BENCH_ROWS=5000000 DATACOVEY_BENCH_PYTHON=python3 cargo bench --bench suite -- queries
//! ```

use std::collections::HashMap;
use std::time::{Duration, Instant};

use datacovey::client::{Client, ImportOptions};
use datacovey_proto::catalog::v1::{
    AcceptInvitationRequest, ColumnPolicy, ColumnUse, InviteParticipantRequest, Policy, PrivacyUnit,
    SetTablePolicyRequest, Threshold, privacy_unit,
};
use datacovey_proto::identity::v1::WhoAmIRequest;
use serde_json::{Value, json};

use crate::house::House;
use crate::paging::median;
use crate::peer::DuckDb;
use crate::place::{Place, project};
use crate::say;

const ROUNDS: usize = 5;
const MIN_UNITS: i64 = 25;

struct Question {
    what: &'static str,
    /// `{round}` makes each run another question, so that no cache answers it.
    ours: &'static str,
    /// Over the files.
    duckdb: &'static str,
}

const QUESTIONS: [Question; 4] = [
    Question {
        what: "people of both owners, counted",
        ours: "SELECT COUNT(*) AS people, {round} AS round FROM
               (SELECT email FROM shop.customers INTERSECT SELECT email FROM media.impressions) AS both_have",
        duckdb: "SELECT count(*) FROM (SELECT email FROM 'customers.parquet' INTERSECT SELECT email FROM 'impressions.parquet')",
    },
    Question {
        what: "the same by pseudonyms, beside DuckDB's by plain e-mails",
        ours: "SELECT COUNT(*) AS people, {round} AS round FROM
               (SELECT email FROM hidden_shop.customers INTERSECT SELECT email FROM hidden_media.impressions) AS both_have",
        duckdb: "SELECT count(*) FROM (SELECT email FROM 'customers.parquet' INTERSECT SELECT email FROM 'impressions.parquet')",
    },
    Question {
        what: "joined, by 50 campaigns: people, spend",
        ours: "SELECT i.campaign, COUNT(DISTINCT c.email) AS people, SUM(c.spend) AS spend, {round} AS round
               FROM media.impressions i JOIN shop.customers c ON i.email = c.email GROUP BY i.campaign",
        duckdb: "SELECT i.campaign, count(DISTINCT c.email) AS people, sum(c.spend) AS spend
                 FROM 'impressions.parquet' i JOIN 'customers.parquet' c ON i.email = c.email
                 GROUP BY i.campaign HAVING count(DISTINCT c.email) >= 25",
    },
    Question {
        what: "one table, by city and age (31,500 groups)",
        ours: "SELECT city, age, COUNT(*) AS people, SUM(spend) AS spend, {round} AS round
               FROM shop.customers GROUP BY city, age",
        duckdb: "SELECT city, age, count(*) AS people, sum(spend) AS spend FROM 'customers.parquet'
                 GROUP BY city, age HAVING count(DISTINCT email) >= 25",
    },
];

pub(crate) async fn run(house: &House) {
    let Some(duckdb) = DuckDb::find(house.folder()).await else {
        return;
    };
    let customers = std::env::var("DATACOVEY_BENCH_ROWS").ok();
    let customers: usize = customers.and_then(|it| it.parse().ok()).unwrap_or(5_000_000);
    duckdb
        .make("reach", &[customers.to_string(), (2 * customers).to_string()])
        .await;
    let cast = Cast::assemble(house).await;

    for question in &QUESTIONS {
        let theirs = duckdb.time(question.duckdb, ROUNDS).await;
        house.forget_peak();
        let (took, rows) = time(&cast.analyst, &cast.project_id, question.ours).await;
        let peak_kib = house.peak_bytes() / 1024;
        assert_eq!(rows, theirs.rows, "{}: as many rows as DuckDB", question.what);
        say(question.what, format!("{rows} rows"), None);
        say("  DuckDB, median", milliseconds(theirs.took), Some(1.0));
        let ratio = took.as_secs_f64() / theirs.took.as_secs_f64();
        say(
            "  through the gateway, with policies",
            milliseconds(took),
            Some(ratio),
        );
        say(
            "  DuckDB's peak memory",
            format!("{} MiB", theirs.peak_kib >> 10),
            Some(1.0),
        );
        let ratio = peak_kib as f64 / theirs.peak_kib as f64;
        say(
            "  the suite's peak memory",
            format!("{} MiB", peak_kib >> 10),
            Some(ratio),
        );
    }
    let [.., by_city] = &QUESTIONS;
    let (open, _) = time(&cast.shop, &cast.project_id, by_city.ours).await;
    let (restricted, _) = time(&cast.analyst, &cast.project_id, by_city.ours).await;
    say(
        "the same by its owner, without thresholds",
        milliseconds(open),
        Some(1.0),
    );
    let ratio = restricted.as_secs_f64() / open.as_secs_f64();
    say("by an analyst, with them", milliseconds(restricted), Some(ratio));

    let mut checks = Vec::new();
    for turn in 0..200 {
        let sql = QUESTIONS[turn % QUESTIONS.len()]
            .ours
            .replace("{round}", &turn.to_string());
        let since = Instant::now();
        assert!(
            cast.analyst
                .check(&cast.project_id, sql.as_str())
                .await
                .unwrap()
                .allowed
        );
        checks.push(since.elapsed());
    }
    say(
        "CheckQuery through the gateway, median",
        milliseconds(median(checks)),
        None,
    );
}

/// The median of the runs, and the rows of each.
async fn time(client: &Client, project_id: &str, sql: &str) -> (Duration, usize) {
    let (mut all, mut rows) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let round = uuid::Uuid::now_v7().as_u128() as u32;
        let since = Instant::now();
        let answer = client
            .run(project_id, sql.replace("{round}", &round.to_string()).as_str())
            .await
            .unwrap();
        all.push(since.elapsed());
        rows = answer.cells.len();
    }
    (median(all), rows)
}

fn milliseconds(it: Duration) -> String {
    format!("{:.1} ms", it.as_secs_f64() * 1000.0)
}

/// A shop and a publisher, whose tables an agency may query.
struct Cast {
    shop: Client,
    analyst: Client,
    project_id: String,
}

impl Cast {
    async fn assemble(house: &House) -> Self {
        let shop = Client::connect(&house.gateway, &house.token_of("Shop").await)
            .await
            .unwrap();
        let media = Client::connect(&house.gateway, &house.token_of("Media").await)
            .await
            .unwrap();
        let analyst = Client::connect(&house.gateway, &house.token_of("Agency").await)
            .await
            .unwrap();
        let project_id = project(&shop, "Reach").await;
        let analyst_id = tenant_id(&analyst).await;
        for guest in [&media, &analyst] {
            let request = InviteParticipantRequest {
                project_id: project_id.clone(),
                tenant_id: tenant_id(guest).await,
                ..Default::default()
            };
            shop.projects().invite_participant(request).await.unwrap();
            let request = AcceptInvitationRequest {
                project_id: project_id.clone(),
                ..Default::default()
            };
            guest.projects().accept_invitation(request).await.unwrap();
        }
        for keys in ["shop", "hidden_shop"] {
            let columns = json!({
                "email": email(keys), "city": {"type": "string"},
                "age": {"type": "integer"}, "spend": {"type": "number"}
            });
            let uses = [
                ("city", ColumnUse::Dimension),
                ("age", ColumnUse::Dimension),
                ("spend", ColumnUse::Measure),
            ];
            let place = Place::within(shop.clone(), project_id.clone(), keys).await;
            put_in(house, &place, "customers", columns, policy(&analyst_id, &uses)).await;
        }
        for keys in ["media", "hidden_media"] {
            let columns = json!({"email": email(keys), "campaign": {"type": "string"}});
            let uses = [("campaign", ColumnUse::Dimension)];
            let place = Place::within(media.clone(), project_id.clone(), keys).await;
            put_in(house, &place, "impressions", columns, policy(&analyst_id, &uses)).await;
        }
        Self {
            shop,
            analyst,
            project_id,
        }
    }
}

/// As it is sent, or stored as a pseudonym.
fn email(dataset: &str) -> Value {
    let mut email = json!({"type": "string", "x-identity": "email"});
    if dataset.starts_with("hidden") {
        email["x-pseudonymize"] = json!(true);
    }
    email
}

async fn tenant_id(client: &Client) -> String {
    let me = client
        .users()
        .who_am_i(WhoAmIRequest {})
        .await
        .unwrap()
        .into_inner();
    me.tenant.unwrap().id
}

async fn put_in(house: &House, place: &Place, table: &str, columns: Value, policy: Policy) {
    let schema = json!({"type": "object", "properties": columns});
    let table_id = place.table(table, schema).await;
    let file = house.folder().join(format!("{table}.parquet"));
    let since = Instant::now();
    let options = ImportOptions::default();
    let job = place
        .owner
        .import_file(&table_id, &file, &options, &|_, _| (), &|_, _| ())
        .await
        .unwrap();
    say(
        &format!("{table}: {} rows imported", job.rows_imported),
        milliseconds(since.elapsed()),
        None,
    );
    let request = SetTablePolicyRequest {
        table_id,
        policy: Some(policy),
        ..Default::default()
    };
    place.owner.tables().set_table_policy(request).await.unwrap();
}

fn policy(analyst: &str, uses: &[(&str, ColumnUse)]) -> Policy {
    let column = |used: ColumnUse| ColumnPolicy {
        uses: vec![used.into()],
        ..ColumnPolicy::default()
    };
    let email = ColumnPolicy {
        identity: Some("email".to_owned()),
        ..column(ColumnUse::Join)
    };
    let mut columns = HashMap::from([("email".to_owned(), email)]);
    columns.extend(
        uses.iter()
            .map(|(name, used)| ((*name).to_owned(), column(*used))),
    );
    Policy {
        privacy_unit: Some(PrivacyUnit {
            unit: Some(privacy_unit::Unit::Column("email".to_owned())),
        }),
        columns,
        threshold: Some(Threshold {
            min_units: Some(MIN_UNITS),
            ..Threshold::default()
        }),
        analysts: vec![analyst.to_owned()],
        ..Policy::default()
    }
}
