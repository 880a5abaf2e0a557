//! The doors of who signs in and of queries, and to whom every door opens.

use datacovey_error::{ErrorReason, Kind};
use datacovey_persistence::DbRole;
use serde_json::json;
use uuid::Uuid;

use crate::refusal::refusal;
use crate::world::World;

#[tokio::test]
async fn a_principal_is_found_by_organization_and_subject() {
    let world = World::new().await;
    let identity = world.database.open(DbRole::Identity).await;
    let (org, sub) = (world.airline.org(), world.airline.admin_sub());
    let principal = identity
        .principal_resolve("https://issuer", &org, &sub)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (principal.tenant_id, principal.user_id),
        (world.airline.id, world.airline.admin)
    );
    for (issuer, org, sub) in [
        (
            "https://issuer",
            org.as_str(),
            world.registry.admin_sub().as_str(),
        ),
        ("https://issuer", "org_none", sub.as_str()),
        ("https://issuer", org.as_str(), ""),
        ("", org.as_str(), sub.as_str()),
    ] {
        assert_eq!(
            identity.principal_resolve(issuer, org, sub).await.unwrap(),
            None,
            "{issuer} {org} {sub}"
        );
    }
    world
        .admin
        .user(world.airline.id, datacovey_types::Role::OrgAdmin)
        .await;
    let archive = format!(
        "UPDATE \"user\" SET archived_at = now() WHERE id = '{}'",
        world.airline.admin
    );
    world.admin.run(&archive).await.unwrap();
    assert_eq!(
        identity
            .principal_resolve("https://issuer", &org, &sub)
            .await
            .unwrap(),
        None
    );
    let archive = format!(
        "UPDATE tenant SET archived_at = now() WHERE id = '{}'",
        world.registry.id
    );
    world.admin.run(&archive).await.unwrap();
    let (org, sub) = (world.registry.org(), world.registry.admin_sub());
    assert_eq!(
        identity
            .principal_resolve("https://issuer", &org, &sub)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn doors_open_to_their_role_only() {
    let world = World::new().await;
    let calls = [
        (
            "resolve_principal",
            "SELECT * FROM resolve_principal('i', 'o', 's')".to_owned(),
        ),
        (
            "partner_names",
            format!("SELECT * FROM partner_names('{}')", world.project),
        ),
        ("invitations", "SELECT * FROM invitations()".to_owned()),
        ("accept", format!("SELECT accept('{}')", world.project)),
        ("decline", format!("SELECT decline('{}')", world.project)),
        ("leave", format!("SELECT leave('{}')", world.project)),
        (
            "resolve_project",
            format!("SELECT * FROM resolve_project('{}')", world.project),
        ),
        (
            "resolve_versions",
            "SELECT * FROM resolve_versions('{}', '{}')".to_owned(),
        ),
        (
            "claim_job",
            "SELECT * FROM claim_job('query', 'w', 1, 1)".to_owned(),
        ),
        ("job_queue", "SELECT * FROM job_queue('query')".to_owned()),
        (
            "commit_import",
            "SELECT commit_import(gen_random_uuid(), 'w', 1, '{}', 0, 'append', '{}', '[]', NULL)".to_owned(),
        ),
        (
            "purge",
            "SELECT purge('table', gen_random_uuid(), true)".to_owned(),
        ),
        (
            "release",
            "SELECT release(gen_random_uuid(), 'w', 1, '[]', '{}', '{}', '{}')".to_owned(),
        ),
        (
            "charge_access",
            "SELECT * FROM charge_access(gen_random_uuid(), 'w', 1, '[]')".to_owned(),
        ),
        (
            "record_failure",
            "SELECT record_failure(gen_random_uuid(), 'w', 1, '[]', '')".to_owned(),
        ),
        (
            "record_end",
            "SELECT record_end(gen_random_uuid(), 'w', 1, '[]', '', 'failed')".to_owned(),
        ),
        (
            "note_reads",
            "SELECT note_reads(gen_random_uuid(), 'w', 1, '[]', '')".to_owned(),
        ),
        (
            "table_versions_in_sight",
            "SELECT * FROM table_versions_in_sight(gen_random_uuid(), 1, 1)".to_owned(),
        ),
        (
            "restore_version",
            "SELECT restore_version(gen_random_uuid(), 1, '{}', gen_random_uuid())".to_owned(),
        ),
        ("sweep_versions", "SELECT * FROM sweep_versions(1)".to_owned()),
        (
            "claim_compaction",
            "SELECT * FROM claim_compaction('w', 1, 2)".to_owned(),
        ),
        (
            "commit_compaction",
            "SELECT commit_compaction(gen_random_uuid(), 'w', 1, '{}', '[]')".to_owned(),
        ),
        (
            "release_compaction",
            "SELECT release_compaction(gen_random_uuid(), 'w', 1, 1)".to_owned(),
        ),
        (
            "sweep",
            "SELECT * FROM sweep('query', '{}', '{}', 1, 1)".to_owned(),
        ),
    ];
    assert_eq!(calls.len(), datacovey_persistence::DOORS.len());
    for (door, call) in calls {
        let (_, allowed) = datacovey_persistence::DOORS
            .iter()
            .find(|(name, _)| *name == door)
            .unwrap();
        for role in DbRole::ALL.into_iter().filter(|it| !allowed.contains(it)) {
            let sql = world.airline_as(role.as_str()).await;
            let refused = refusal(sql.rows(&call).await);
            assert_eq!(refused.code, "42501", "{door} as {role}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn a_project_is_resolved_for_who_may_query_it() {
    let world = World::new().await;
    let query = world.database.open(DbRole::Query).await;
    let tables = query
        .project_resolve(&world.registry.ctx(), world.project)
        .await
        .unwrap();
    let named = tables
        .iter()
        .map(|it| (it.dataset_name.as_str(), it.table_name.as_str(), it.tenant_id));
    assert_eq!(
        named.collect::<Vec<_>>(),
        [
            ("air", "flights", world.airline.id),
            ("reg", "planes", world.registry.id)
        ]
    );
    assert_eq!(tables[0].policy, Some(json!({"privacy_unit": "tailnum"})));
    assert_eq!((tables[0].policy_version, tables[0].version), (Some(1), 0));
    assert_eq!((tables[1].policy_version, &tables[1].policy), (None, &None));

    let refused = query
        .project_resolve(&world.stranger.ctx(), world.project)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), Kind::NotFound);
    assert_eq!(
        query
            .project_resolve(&world.registry.ctx(), Uuid::nil())
            .await
            .unwrap_err()
            .kind(),
        Kind::NotFound
    );

    let archive =
        |relation: &str, id: Uuid| format!("UPDATE \"{relation}\" SET archived_at = now() WHERE id = '{id}'");
    world.admin.run(&archive("table", world.flights)).await.unwrap();
    let tables = query
        .project_resolve(&world.registry.ctx(), world.project)
        .await
        .unwrap();
    assert_eq!(
        tables.iter().map(|it| it.table_id).collect::<Vec<_>>(),
        [world.planes]
    );
    world
        .admin
        .run(&archive("dataset", world.planes_dataset))
        .await
        .unwrap();
    assert_eq!(
        query
            .project_resolve(&world.registry.ctx(), world.project)
            .await
            .unwrap(),
        []
    );
    world.admin.run(&archive("project", world.project)).await.unwrap();
    let refused = query
        .project_resolve(&world.registry.ctx(), world.project)
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::Archived);
}

#[tokio::test]
async fn what_an_owner_no_longer_contributes_is_not_resolved() {
    let world = World::new().await;
    let query = world.database.open(DbRole::Query).await;
    let of = async || {
        let tables = query
            .project_resolve(&world.airline.ctx(), world.project)
            .await
            .unwrap();
        tables.into_iter().map(|it| it.table_name).collect::<Vec<_>>()
    };
    assert_eq!(of().await, ["flights", "planes"]);
    let owner = world.airline_as("datacovey_catalog").await;
    let rights = "UPDATE project_participant SET can_contribute";
    let guest = format!("WHERE tenant_id = '{}'", world.registry.id);
    owner.run(&format!("{rights} = false {guest}")).await.unwrap();
    assert_eq!(of().await, ["flights"]);
    owner.run(&format!("{rights} = true {guest}")).await.unwrap();
    let leave = format!("SELECT leave('{}')", world.project);
    world
        .registry_as("datacovey_catalog")
        .await
        .run(&leave)
        .await
        .unwrap();
    assert_eq!(of().await, ["flights"]);
}
