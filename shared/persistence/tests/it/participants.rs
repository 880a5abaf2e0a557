//! Invitations and participation: rows, rules and doors.

use crate::refusal::{breaks, forbidden, no_parent, refusal};
use crate::world::{SERVICES, World};

fn invite(world: &World, tenant: uuid::Uuid) -> String {
    format!(
        "INSERT INTO project_participant (project_id, tenant_id, status, invited_by)
         VALUES ('{}', '{tenant}', 'invited', current_user_id())",
        world.project
    )
}

fn status(world: &World, tenant: uuid::Uuid) -> String {
    format!(
        "SELECT status FROM project_participant WHERE project_id = '{}' AND tenant_id = '{tenant}'",
        world.project
    )
}

#[tokio::test]
async fn the_owner_of_a_project_is_always_an_active_participant() {
    let world = World::new().await;
    let (project, airline) = (world.project, world.airline.id);
    assert_eq!(
        world.admin.value(&status(&world, airline)).await.unwrap(),
        "active"
    );
    let catalog = world.airline_as("datacovey_catalog").await;
    let mine = format!("WHERE project_id = '{project}' AND tenant_id = '{airline}'");
    breaks(
        catalog.run(&format!("SELECT leave('{project}')")).await,
        "project_participant_owner",
    );
    breaks(
        catalog
            .run(&format!(
                "UPDATE project_participant SET status = 'removed' {mine}"
            ))
            .await,
        "project_participant_owner",
    );
    breaks(
        catalog
            .run(&format!(
                "UPDATE project_participant SET can_query = false {mine}"
            ))
            .await,
        "project_participant_owner",
    );
}

#[tokio::test]
async fn an_invitation_is_answered_by_the_invited() {
    let world = World::new().await;
    let owner = world.airline_as("datacovey_catalog").await;
    let stranger = world.stranger_as("datacovey_catalog").await;
    let project = world.project;
    owner.run(&invite(&world, world.stranger.id)).await.unwrap();
    // Invited, it sees what an invitation shows, and nothing of the project.
    let shown = stranger
        .rows("SELECT project_id, name, inviter FROM invitations()")
        .await
        .unwrap();
    assert_eq!(
        shown,
        [[project.to_string(), "Fleet".to_owned(), "Airline".to_owned()]]
    );
    assert_eq!(stranger.value("SELECT count(*) FROM project").await.unwrap(), "0");
    assert_eq!(
        stranger.value("SELECT count(*) FROM \"table\"").await.unwrap(),
        "0"
    );
    assert_eq!(
        stranger
            .value("SELECT count(*) FROM project_participant")
            .await
            .unwrap(),
        "1"
    );

    stranger
        .run(&format!("SELECT accept('{project}')"))
        .await
        .unwrap();
    stranger
        .run(&format!("SELECT accept('{project}')"))
        .await
        .unwrap();
    assert_eq!(
        stranger.value("SELECT count(*) FROM \"table\"").await.unwrap(),
        "2"
    );
    assert_eq!(
        stranger.rows("SELECT * FROM invitations()").await.unwrap().len(),
        0
    );
    let names = stranger
        .column(&format!(
            "SELECT name FROM partner_names('{project}') ORDER BY name"
        ))
        .await
        .unwrap();
    assert_eq!(names, ["Airline", "Registry", "Stranger"]);

    stranger.run(&format!("SELECT leave('{project}')")).await.unwrap();
    assert_eq!(
        stranger.value("SELECT count(*) FROM \"table\"").await.unwrap(),
        "0"
    );
    // It cannot come back by itself.
    breaks(
        stranger.run(&format!("SELECT accept('{project}')")).await,
        "project_is_seen",
    );
    breaks(
        stranger
            .run(&format!("SELECT name FROM partner_names('{project}')"))
            .await,
        "project_is_seen",
    );
    let again = format!(
        "UPDATE project_participant SET status = 'invited' WHERE tenant_id = '{}' AND project_id = '{project}'",
        world.stranger.id
    );
    assert_eq!(owner.run(&again).await.unwrap(), 1);
    stranger
        .run(&format!("SELECT decline('{project}')"))
        .await
        .unwrap();
    assert_eq!(
        world
            .admin
            .value(&status(&world, world.stranger.id))
            .await
            .unwrap(),
        "declined"
    );
}

#[tokio::test]
async fn doors_of_participants_refuse_who_has_no_part() {
    let world = World::new().await;
    let stranger = world.stranger_as("datacovey_catalog").await;
    let nowhere = uuid::Uuid::nil();
    for project in [world.project, nowhere] {
        for door in ["accept", "decline", "leave", "partner_names"] {
            breaks(
                stranger.run(&format!("SELECT {door}('{project}')")).await,
                "project_is_seen",
            );
        }
    }
    // Without a tenant there is nobody to answer.
    let nobody = world.database.sql_as("datacovey_catalog").await;
    breaks(
        nobody.run(&format!("SELECT accept('{}')", world.project)).await,
        "project_is_seen",
    );
    assert_eq!(nobody.rows("SELECT * FROM invitations()").await.unwrap().len(), 0);
}

#[tokio::test]
async fn only_the_projects_owner_invites_and_removes() {
    let world = World::new().await;
    let (project, registry, stranger) = (world.project, world.registry.id, world.stranger.id);
    let guest = world.registry_as("datacovey_catalog").await;
    forbidden(guest.run(&invite(&world, stranger)).await);
    let outsider = world.stranger_as("datacovey_catalog").await;
    forbidden(outsider.run(&invite(&world, stranger)).await);
    // A guest cannot give itself rights, nor act on the others.
    let change = "UPDATE project_participant SET can_contribute = true";
    assert_eq!(guest.run(change).await.unwrap(), 0);
    assert_eq!(
        guest
            .run("UPDATE project_participant SET status = 'removed'")
            .await
            .unwrap(),
        0
    );

    let owner = world.airline_as("datacovey_catalog").await;
    // Nobody takes part without having agreed.
    let active = format!(
        "INSERT INTO project_participant (project_id, tenant_id, status, invited_by)
         VALUES ('{project}', '{stranger}', 'active', current_user_id())"
    );
    breaks(owner.run(&active).await, "project_participant_status_moves");
    owner.run(&invite(&world, stranger)).await.unwrap();
    let accept = format!("UPDATE project_participant SET status = 'active' WHERE tenant_id = '{stranger}'");
    breaks(owner.run(&accept).await, "project_participant_status_moves");
    // Nor in somebody else's name.
    let forged = format!(
        "INSERT INTO project_participant (project_id, tenant_id, status, invited_by)
         VALUES ('{project}', '{registry}', 'invited', '{}')",
        world.registry.admin
    );
    forbidden(owner.run(&forged).await);

    let remove = format!("UPDATE project_participant SET status = 'removed' WHERE tenant_id = '{registry}'");
    assert_eq!(owner.run(&remove).await.unwrap(), 1);
    assert_eq!(guest.value("SELECT count(*) FROM project").await.unwrap(), "0");
    breaks(
        guest.run(&format!("SELECT accept('{project}')")).await,
        "project_is_seen",
    );
}

#[tokio::test]
async fn whom_one_cannot_invite_does_not_exist() {
    let world = World::new().await;
    let owner = world.airline_as("datacovey_catalog").await;
    no_parent(
        owner.run(&invite(&world, uuid::Uuid::nil())).await,
        "project_participant",
        "tenant_id",
    );
    world
        .admin
        .run(&format!(
            "UPDATE tenant SET archived_at = now() WHERE id = '{}'",
            world.stranger.id
        ))
        .await
        .unwrap();
    no_parent(
        owner.run(&invite(&world, world.stranger.id)).await,
        "project_participant",
        "tenant_id",
    );
    world
        .admin
        .run(&format!(
            "UPDATE tenant SET archived_at = NULL WHERE id = '{}'",
            world.stranger.id
        ))
        .await
        .unwrap();
    owner.run("UPDATE project SET archived_at = now()").await.unwrap();
    breaks(
        owner.run(&invite(&world, world.stranger.id)).await,
        "project_archived",
    );
}

#[tokio::test]
async fn an_archived_projects_invitation_is_not_open() {
    let world = World::new().await;
    let owner = world.airline_as("datacovey_catalog").await;
    let stranger = world.stranger_as("datacovey_catalog").await;
    owner.run(&invite(&world, world.stranger.id)).await.unwrap();
    owner.run("UPDATE project SET archived_at = now()").await.unwrap();
    assert_eq!(
        stranger.rows("SELECT * FROM invitations()").await.unwrap().len(),
        0
    );
    breaks(
        stranger.run(&format!("SELECT accept('{}')", world.project)).await,
        "project_archived",
    );
    stranger
        .run(&format!("SELECT decline('{}')", world.project))
        .await
        .unwrap();
}

#[tokio::test]
async fn rights_within_a_project_are_kept() {
    let world = World::new().await;
    let (project, registry) = (world.project, world.registry.id);
    let owner = world.airline_as("datacovey_catalog").await;
    let rights = format!(
        "UPDATE project_participant SET can_contribute = false, can_query = false WHERE tenant_id = '{registry}'"
    );
    assert_eq!(owner.run(&rights).await.unwrap(), 1);
    let guest = world.registry_as("datacovey_catalog").await;
    let dataset = format!(
        "INSERT INTO dataset (tenant_id, project_id, name) VALUES ('{registry}', '{project}', 'more')"
    );
    breaks(guest.run(&dataset).await, "project_participant_can_contribute");
    let table = format!(
        "INSERT INTO \"table\" (tenant_id, dataset_id, name, schema) VALUES ('{registry}', '{}', 'more', '{{}}')",
        world.dataset
    );
    breaks(guest.run(&table).await, "project_participant_can_contribute");
    let query = world.registry_as("datacovey_query").await;
    let text = format!(
        "INSERT INTO \"query\" (tenant_id, project_id, query_text) VALUES ('{registry}', '{project}', 'SELECT 1')"
    );
    breaks(query.run(&text).await, "project_participant_can_query");
    let job = format!(
        "INSERT INTO query_job (tenant_id, query_id, bigquery_job_id, status) VALUES ('{registry}', '{}', 'x', 'PENDING')",
        world.query
    );
    breaks(query.run(&job).await, "project_participant_can_query");
    let resolve = query
        .rows(&format!("SELECT * FROM resolve_project('{project}')"))
        .await;
    assert_eq!(refusal(resolve).rule, "project_participant_can_query");
}

#[tokio::test]
async fn partners_see_who_is_active_and_the_owner_whom_it_invited() {
    let world = World::new().await;
    let project = world.project;
    let owner = world.airline_as("datacovey_catalog").await;
    let partner = world.registry_as("datacovey_catalog").await;
    let other = world.stranger_as("datacovey_catalog").await;
    let names = format!("SELECT name FROM partner_names('{project}') ORDER BY name");
    let rows = "SELECT status FROM project_participant ORDER BY created_at, tenant_id";
    let count = "SELECT count(*) FROM project_participant";

    let reinvite = format!(
        "UPDATE project_participant SET status = 'invited' WHERE tenant_id = '{}'",
        world.stranger.id
    );
    let remove = format!(
        "UPDATE project_participant SET status = 'removed' WHERE tenant_id = '{}'",
        world.stranger.id
    );
    let (accept, decline, leave) = (
        format!("SELECT accept('{project}')"),
        format!("SELECT decline('{project}')"),
        format!("SELECT leave('{project}')"),
    );
    owner.run(&invite(&world, world.stranger.id)).await.unwrap();
    for (by, act, status) in [
        (None, "", "invited"),
        (Some(&other), decline.as_str(), "declined"),
        (Some(&owner), &reinvite, "invited"),
        (Some(&other), &accept, "active"),
        (Some(&other), &leave, "left"),
        (Some(&owner), &reinvite, "invited"),
        (Some(&owner), &remove, "removed"),
    ] {
        if let Some(by) = by {
            by.run(act).await.unwrap();
        }
        let is_active = status == "active";
        assert_eq!(owner.value(count).await.unwrap(), "3", "{status}");
        assert_eq!(
            owner.column(&names).await.unwrap(),
            ["Airline", "Registry", "Stranger"]
        );
        let of_partner: &[&str] = if is_active {
            &["Airline", "Registry", "Stranger"]
        } else {
            &["Airline", "Registry"]
        };
        assert_eq!(
            partner.value(count).await.unwrap(),
            of_partner.len().to_string(),
            "{status}"
        );
        assert_eq!(partner.column(&names).await.unwrap(), of_partner, "{status}");
        // Its own row it sees always, and those of others while it takes part.
        let own = other.column(rows).await.unwrap();
        assert_eq!(own.len(), if is_active { 3 } else { 1 }, "{status}");
        assert!(own.iter().any(|it| it == status), "{status}: {own:?}");
    }

    // A tenant that is archived takes no part, whatever its row says.
    let archive = format!(
        "UPDATE tenant SET archived_at = now() WHERE id = '{}'",
        world.registry.id
    );
    owner.run(&reinvite).await.unwrap();
    other.run(&accept).await.unwrap();
    world.admin.run(&archive).await.unwrap();
    assert_eq!(other.column(&names).await.unwrap(), ["Airline", "Stranger"]);
    assert_eq!(other.value(count).await.unwrap(), "2");
    assert_eq!(owner.value(count).await.unwrap(), "3");
}

#[tokio::test]
async fn who_invited_whom_is_for_the_catalog_to_read() {
    let world = World::new().await;
    for role in SERVICES {
        let sql = world.airline_as(role).await;
        let path = "SELECT project_id, tenant_id, is_active FROM project_participant";
        assert_eq!(sql.rows(path).await.unwrap().len(), 2, "{role}");
        let rest = sql
            .rows("SELECT status, invited_by FROM project_participant")
            .await;
        if role == "datacovey_catalog" {
            rest.unwrap();
        } else {
            forbidden(rest);
        }
    }
}

#[tokio::test]
async fn names_are_kept_for_who_comes_back() {
    let world = World::new().await;
    let owner = world.airline_as("datacovey_catalog").await;
    let partner = world.registry_as("datacovey_catalog").await;
    partner
        .run(&format!("SELECT leave('{}')", world.project))
        .await
        .unwrap();
    let same = format!(
        "INSERT INTO dataset (tenant_id, project_id, name) VALUES ('{}', '{}', 'reg')",
        world.airline.id, world.project
    );
    breaks(owner.run(&same).await, "dataset_name_key");
    // Two of one name would make every query that names it mean another table than it did.
    let reinvite = format!(
        "UPDATE project_participant SET status = 'invited' WHERE tenant_id = '{}'",
        world.registry.id
    );
    owner.run(&reinvite).await.unwrap();
    partner
        .run(&format!("SELECT accept('{}')", world.project))
        .await
        .unwrap();
    assert_eq!(
        owner
            .value("SELECT count(*) FROM dataset WHERE name = 'reg'")
            .await
            .unwrap(),
        "1"
    );
    // Archiving lets a name go.
    partner
        .run("UPDATE dataset SET archived_at = now() WHERE name = 'reg'")
        .await
        .unwrap();
    owner.run(&same).await.unwrap();
}
