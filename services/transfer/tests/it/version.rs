use datacovey_proto::internal::transfer::v1::version_resolver_service_client::VersionResolverServiceClient;
use datacovey_proto::internal::transfer::v1::{ResolveVersionsRequest, ResolvedVersion};
use datacovey_proto::transfer::v1 as pb;
use serde_json::json;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::suite::{Caller, Suite, csv, csv_import, planes};

async fn resolve(caller: &mut Caller, tables: &[&str]) -> Result<Vec<ResolvedVersion>, Status> {
    let table_ids = tables.iter().map(|&table| table.to_owned()).collect();
    Ok(caller
        .resolver
        .resolve_versions(ResolveVersionsRequest { table_ids })
        .await?
        .into_inner()
        .versions)
}

#[tokio::test]
async fn the_files_of_the_newest_versions_in_the_order_asked_for() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let [empty, planes] = [suite.table("empty").await, suite.table("planes").await];
    let id = planes.parse().unwrap();
    let policy = json!({ "privacy_unit": "tailnum" });
    suite.sql.table_policy(suite.ours, id, &policy).await;
    editor.import(csv_import(&planes), csv(1, 50).as_bytes()).await;
    editor.import(csv_import(&planes), csv(51, 50).as_bytes()).await;
    // The partner asks: what may be released of them is the compiler's to say.
    let versions = resolve(&mut suite.as_other_tenant(), &[&planes, &empty])
        .await
        .unwrap();
    let [found, nothing] = &versions[..] else {
        panic!("{versions:?}")
    };
    assert_eq!(
        (
            found.table_id.as_str(),
            found.version,
            found.rows,
            found.files.len()
        ),
        (planes.as_str(), 2, 100, 2)
    );
    assert_eq!(found.unique_columns[0].columns, ["tailnum"]);
    assert_eq!(
        found.size_bytes,
        found.files.iter().map(|file| file.size_bytes).sum::<i64>()
    );
    assert!(
        found
            .files
            .iter()
            .all(|file| file.rows == 50 && file.checksum.len() == 64)
    );
    assert_eq!(
        (nothing.table_id.as_str(), nothing.version, nothing.files.len()),
        (empty.as_str(), 0, 0)
    );
}

#[tokio::test]
async fn tables_that_may_not_be_queried_do_not_exist() {
    let suite = Suite::start().await;
    let stranger = suite.sql.tenant("Stranger").await;
    let project = suite.sql.project(stranger.id, "Secret").await;
    let dataset = suite.sql.dataset(stranger.id, project, "own").await;
    let secret = suite
        .sql
        .table(stranger.id, dataset, "table", &planes())
        .await
        .to_string();
    let ours = suite.table("planes").await;
    let mut editor = suite.as_editor();
    let status = resolve(&mut editor, &[&ours, &secret]).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().contains(&secret));
    for wrong in [&[][..], &["x"], &[ours.as_str(), ours.as_str()]] {
        assert_eq!(
            resolve(&mut editor, wrong).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    }
}

#[tokio::test]
async fn only_services_may_ask() {
    let suite = Suite::start().await;
    let table_ids = vec![suite.table("planes").await];
    let mut client = VersionResolverServiceClient::new(suite.as_admin().public);
    let status = client
        .resolve_versions(ResolveVersionsRequest { table_ids })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

async fn list(caller: &mut Caller, request: pb::ListTableVersionsRequest) -> Vec<pb::TableVersion> {
    let answer = caller.versions.list_table_versions(request).await.unwrap();
    answer.into_inner().table_versions
}

/// Number, rows, and whether others see it.
fn told(versions: &[pb::TableVersion]) -> Vec<(i64, i64, bool)> {
    let told = versions
        .iter()
        .map(|it| (it.version, it.rows, it.visible_to_others));
    told.collect()
}

#[tokio::test]
async fn others_see_a_version_once_enough_differs_or_its_owner_publishes_it() {
    let suite = Suite::start().await;
    let (mut editor, mut partner) = (suite.as_editor(), suite.as_other_tenant());
    let planes = suite.table("planes").await;
    let of_planes = pb::ListTableVersionsRequest {
        table_id: planes.clone(),
        ..Default::default()
    };
    editor.import(csv_import(&planes), csv(1, 100).as_bytes()).await;
    // Without a policy others see nothing of it.
    assert_eq!(
        told(&list(&mut editor, of_planes.clone()).await),
        [(1, 100, false)]
    );
    assert_eq!(list(&mut partner, of_planes.clone()).await, []);
    assert_eq!(resolve(&mut partner, &[&planes]).await.unwrap()[0].version, 0);
    let policy = json!({ "privacy_unit": "tailnum", "threshold": { "min_units": 10 } });
    suite
        .sql
        .table_policy(suite.ours, planes.parse().unwrap(), &policy)
        .await;

    // Nine planes more are too few to tell apart, and ten are enough.
    editor.import(csv_import(&planes), csv(101, 9).as_bytes()).await;
    assert_eq!(resolve(&mut partner, &[&planes]).await.unwrap()[0].version, 1);
    assert_eq!(resolve(&mut editor, &[&planes]).await.unwrap()[0].version, 2);
    editor.import(csv_import(&planes), csv(110, 10).as_bytes()).await;
    assert_eq!(resolve(&mut partner, &[&planes]).await.unwrap()[0].version, 3);
    let replace = pb::CreateImportJobRequest {
        mode: pb::ImportMode::Replace.into(),
        ..csv_import(&planes)
    };
    editor.import(replace, csv(1, 300).as_bytes()).await;
    let versions = list(&mut editor, of_planes.clone()).await;
    assert_eq!(
        told(&versions),
        [(4, 300, false), (3, 119, true), (2, 109, false), (1, 100, true)]
    );
    assert_eq!(versions[0].origin(), pb::VersionOrigin::Replace);
    assert!(!versions[0].import_job_id.is_empty() && versions[0].created_at.is_some());

    let publish = |version| pb::PublishTableVersionRequest {
        table_id: planes.clone(),
        version,
        request_id: String::new(),
    };
    let published = editor
        .versions
        .publish_table_version(publish(4))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((published.version, published.visible_to_others), (4, true));
    assert_eq!(resolve(&mut partner, &[&planes]).await.unwrap()[0].version, 4);
    editor.versions.publish_table_version(publish(4)).await.unwrap();
    let late = editor
        .versions
        .publish_table_version(publish(2))
        .await
        .unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition);

    // Sizes are rounded for others, and what was never in sight is not there.
    let mut seen = list(&mut partner, of_planes.clone()).await;
    assert_eq!(told(&seen), [(4, 512, true), (3, 128, true), (1, 128, true)]);
    assert!(seen.iter().all(|it| it.import_job_id.is_empty()));
    let mut page = pb::ListTableVersionsRequest {
        page_size: 2,
        ..of_planes.clone()
    };
    let first = partner
        .versions
        .list_table_versions(page.clone())
        .await
        .unwrap()
        .into_inner();
    page.page_token = first.next_page_token;
    let second = partner
        .versions
        .list_table_versions(page)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (second.table_versions.as_slice(), second.next_page_token.as_str()),
        (&seen[2..], "")
    );
    seen.truncate(2);
    assert_eq!(first.table_versions, seen);
}

#[tokio::test]
async fn who_may_not_publish_is_told_so() {
    let suite = Suite::start().await;
    let planes = suite.table("planes").await;
    suite
        .as_editor()
        .import(csv_import(&planes), csv(1, 5).as_bytes())
        .await;
    let publish = |table_id: &str, version| pb::PublishTableVersionRequest {
        table_id: table_id.to_owned(),
        version,
        request_id: String::new(),
    };
    let code = async |mut caller: Caller, request| {
        caller
            .versions
            .publish_table_version(request)
            .await
            .unwrap_err()
            .code()
    };
    assert_eq!(
        code(suite.as_user(), publish(&planes, 1)).await,
        Code::PermissionDenied
    );
    assert_eq!(
        code(suite.as_other_tenant(), publish(&planes, 1)).await,
        Code::NotFound
    );
    assert_eq!(code(suite.as_editor(), publish(&planes, 2)).await, Code::NotFound);
    assert_eq!(
        code(suite.as_editor(), publish("x", 0)).await,
        Code::InvalidArgument
    );
    let mut editor = suite.as_editor();
    for (table_id, page_size, expected) in [
        (Uuid::nil().to_string(), 0, Code::NotFound),
        (planes, -1, Code::InvalidArgument),
        ("x".to_owned(), 0, Code::InvalidArgument),
    ] {
        let request = pb::ListTableVersionsRequest {
            table_id,
            page_size,
            ..Default::default()
        };
        let status = editor.versions.list_table_versions(request).await.unwrap_err();
        assert_eq!(status.code(), expected, "{status:?}");
    }
}
