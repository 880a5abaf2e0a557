use datacovey_proto::query::v1 as pb;
use datacovey_proto::query::v1::{QueryJobState, ReleaseOutcome};
use uuid::Uuid;

use crate::clients::fields;
use crate::fixture::Bench;

const BY_ORIGIN: &str = "SELECT origin, count(*) AS n FROM alliance.flights GROUP BY origin";

#[tokio::test]
async fn owners_see_who_learned_what() {
    let bench = Bench::new().await;
    let (analyst, owner) = (bench.as_registry(), bench.as_alliance());
    let first = analyst.run(BY_ORIGIN).await;
    let second = analyst.run(BY_ORIGIN).await;
    // The owner's own runs are none of others.
    owner.rows(BY_ORIGIN).await;

    let releases = owner.releases().await;
    let told: Vec<_> = releases
        .iter()
        .map(|it| {
            (
                it.query_job_id.as_str(),
                it.outcome(),
                it.released_groups,
                it.suppressed_groups,
            )
        })
        .collect();
    // EWR and JFK left, LGA was held back; the newest comes first.
    assert_eq!(
        told,
        [
            (second.id.as_str(), ReleaseOutcome::Cached, Some(2), Some(1)),
            (first.id.as_str(), ReleaseOutcome::Released, Some(2), Some(1)),
        ]
    );
    let release = &releases[1];
    assert_eq!(release.table_id, bench.flights().id.to_string());
    assert_eq!(release.owner_tenant_id, bench.alliance.id.to_string());
    assert_eq!(release.analyst_tenant_id, bench.registry.id.to_string());
    assert_eq!(release.analyst_user_id, bench.registry.admin.to_string());
    assert!(release.normalized_query.contains("alliance.flights"));
    assert!(release.released_at.is_some());

    // Who asked is told nothing of what was held back, and others nothing at all.
    assert_eq!(analyst.releases().await, []);
    assert_eq!(bench.as_stranger().releases().await, []);
    assert!(!format!("{first:?}").to_lowercase().contains("suppressed"));
}

#[tokio::test]
async fn what_rests_on_rows_of_others_is_not_told() {
    let bench = Bench::new().await;
    // The analyst's own table decides here which groups are small.
    let by_maker = "SELECT p.maker, count(*) AS n FROM alliance.flights f
                    JOIN registry.planes p ON f.tailnum = p.tailnum GROUP BY p.maker";
    bench.as_registry().rows(by_maker).await;
    let [release] = bench.as_alliance().releases().await.try_into().unwrap();
    assert_eq!(
        (release.released_groups, release.suppressed_groups),
        (Some(2), None)
    );

    // Own rows above the release are nothing to it.
    let above = "SELECT r.origin, r.n, p.planes FROM
                 (SELECT origin, count(*) AS n FROM alliance.flights GROUP BY origin) r,
                 (SELECT count(*) AS planes FROM registry.planes) p";
    bench.as_registry().rows(above).await;
    let releases = bench.as_alliance().releases().await;
    assert_eq!(
        (releases[0].released_groups, releases[0].suppressed_groups),
        (Some(2), Some(1))
    );
}

#[tokio::test]
async fn a_failure_is_told_where_it_rests_on_own_rows_alone() {
    let bench = Bench::new().await;
    // An airport is no number.
    let fails = format!("SELECT CAST(origin AS BIGINT) AS n FROM ({BY_ORIGIN}) released");
    let job = bench.as_registry().run(&fails).await;
    assert_eq!(job.state(), QueryJobState::Error);
    let [release] = bench.as_alliance().releases().await.try_into().unwrap();
    assert_eq!(
        (release.outcome(), release.query_job_id),
        (ReleaseOutcome::Failed, job.id)
    );
    assert_eq!((release.released_groups, release.suppressed_groups), (None, None));

    let with_own = "SELECT CAST(p.maker AS BIGINT) AS n FROM (
                        SELECT p.maker, count(*) AS n FROM alliance.flights f
                        JOIN registry.planes p ON f.tailnum = p.tailnum GROUP BY p.maker) p";
    assert_eq!(
        bench.as_registry().run(with_own).await.state(),
        QueryJobState::Error
    );
    assert_eq!(bench.as_alliance().releases().await.len(), 1);
}

#[tokio::test]
async fn releases_are_listed_page_by_page_and_filtered() {
    let bench = Bench::new().await;
    for n in 0..3 {
        bench
            .as_registry()
            .rows(&format!("SELECT count(*) + {n} AS n FROM alliance.flights"))
            .await;
    }
    let mut audit = bench.as_alliance().audit;
    let mut list = pb::ListReleasesRequest {
        table_id: Some(bench.flights().id.to_string()),
        page_size: 2,
        filter: "outcome = RELEASE_OUTCOME_RELEASED".to_owned(),
        ..Default::default()
    };
    let first = audit.list_releases(list.clone()).await.unwrap().into_inner();
    list.page_token = first.next_page_token;
    let second = audit.list_releases(list.clone()).await.unwrap().into_inner();
    assert_eq!(
        (
            first.releases.len(),
            second.releases.len(),
            second.next_page_token.as_str()
        ),
        (2, 1, "")
    );
    let all = bench.as_alliance().releases().await;
    assert_eq!([first.releases, second.releases].concat(), all);

    list = pb::ListReleasesRequest {
        table_id: Some(Uuid::nil().to_string()),
        ..Default::default()
    };
    assert_eq!(audit.list_releases(list).await.unwrap().into_inner().releases, []);
    let wrong = pb::ListReleasesRequest {
        table_id: Some("x".to_owned()),
        page_size: -1,
        page_token: String::new(),
        filter: "suppressed_groups > 1".to_owned(),
    };
    let wrong = audit.list_releases(wrong).await.unwrap_err();
    assert_eq!(fields(&wrong), ["table_id", "filter", "page_size"]);
}
