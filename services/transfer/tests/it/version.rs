use datacovey_proto::internal::transfer::v1::version_resolver_service_client::VersionResolverServiceClient;
use datacovey_proto::internal::transfer::v1::{ResolveVersionsRequest, ResolvedVersion};
use tonic::{Code, Status};

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
