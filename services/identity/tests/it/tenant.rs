use datacovey_proto::identity::v1::{
    CreateTenantRequest, FirstAdmin, GetTenantRequest, ListTenantsRequest, Tenant, UpdateTenantRequest,
    WhoAmIRequest,
};
use tonic::Code;

use crate::suite::{Suite, denied, mask, not_found, refused, why, wrong_fields};

fn create(name: &str, organization: Option<&str>) -> CreateTenantRequest {
    CreateTenantRequest {
        tenant: Some(Tenant {
            name: name.to_owned(),
            auth0_org_id: organization.map(ToOwned::to_owned),
            ..Tenant::default()
        }),
        first_admin: Some(FirstAdmin {
            auth0_id: "auth0|first".to_owned(),
            email: "first@example.com".to_owned(),
            name: "First".to_owned(),
        }),
        request_id: String::new(),
    }
}

fn update(tenant: Tenant, paths: &[&str]) -> UpdateTenantRequest {
    UpdateTenantRequest {
        tenant: Some(tenant),
        update_mask: mask(paths),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_new_tenant_has_an_admin_who_can_sign_in() {
    let suite = Suite::start().await;
    let request = create("  New Org ", Some("org_new"));
    let made = suite
        .as_platform()
        .tenants
        .create_tenant(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((made.name.as_str(), made.auth0_org_id()), ("New Org", "org_new"));
    assert!(made.created_at.is_some() && made.archived_at.is_none());

    let mut admin = suite.signed_in("org_new", "auth0|first", "");
    let me = admin.users.who_am_i(WhoAmIRequest {}).await.unwrap().into_inner();
    assert_eq!(me.tenant, Some(made));
    assert_eq!(me.user.unwrap().email, "first@example.com");
}

#[tokio::test]
async fn all_that_is_wrong_with_a_new_tenant_is_said_at_once() {
    let suite = Suite::start().await;
    let mut platform = suite.as_platform();
    let nothing = CreateTenantRequest {
        request_id: "a b".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        wrong_fields(platform.tenants.create_tenant(nothing).await),
        [
            "request_id",
            "tenant",
            "first_admin",
            "tenant.name",
            "first_admin.auth0_id",
            "first_admin.email",
            "first_admin.name"
        ]
    );
    let wrong = CreateTenantRequest {
        tenant: Some(Tenant {
            name: "x".repeat(201),
            auth0_org_id: Some("a b".to_owned()),
            ..Tenant::default()
        }),
        first_admin: Some(FirstAdmin {
            auth0_id: "x".repeat(201),
            email: "nobody".to_owned(),
            name: "a\u{7}".to_owned(),
        }),
        request_id: "x".repeat(65),
    };
    let wrong = wrong_fields(platform.tenants.create_tenant(wrong).await);
    assert_eq!(
        wrong,
        [
            "request_id",
            "tenant.name",
            "tenant.auth0_org_id",
            "first_admin.auth0_id",
            "first_admin.email",
            "first_admin.name"
        ]
    );
}

#[tokio::test]
async fn an_organization_is_one_tenants() {
    let suite = Suite::start().await;
    let request = create("Second", Some(&suite.theirs.org()));
    let taken = suite.as_platform().tenants.create_tenant(request).await;
    assert_eq!(why(taken), refused(Code::AlreadyExists, "ALREADY_EXISTS"));
    // Two tenants without one are no conflict.
    for name in ["Third", "Fourth"] {
        assert!(
            suite
                .as_platform()
                .tenants
                .create_tenant(create(name, None))
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn a_repeat_answers_with_the_same_tenant() {
    let suite = Suite::start().await;
    let mut platform = suite.as_platform();
    let request = CreateTenantRequest {
        request_id: "once".to_owned(),
        ..create("Once", Some("org_once"))
    };
    let first = platform
        .tenants
        .create_tenant(request.clone())
        .await
        .unwrap()
        .into_inner();
    let second = platform
        .tenants
        .create_tenant(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, second);
    let other = CreateTenantRequest {
        request_id: "once".to_owned(),
        ..create("Other", None)
    };
    let other = platform.tenants.create_tenant(other).await;
    assert_eq!(why(other), refused(Code::FailedPrecondition, "WRONG_STATE"));
}

#[tokio::test]
async fn a_tenant_sees_itself_and_the_platform_all() {
    let suite = Suite::start().await;
    let (ours, theirs) = (suite.ours.id.to_string(), suite.theirs.id.to_string());
    let get = |id: &str| GetTenantRequest { id: id.to_owned() };
    let mut user = suite.as_user();
    assert_eq!(
        user.tenants
            .get_tenant(get(&ours))
            .await
            .unwrap()
            .into_inner()
            .name,
        "Alliance"
    );
    assert_eq!(why(user.tenants.get_tenant(get(&theirs)).await), not_found());
    assert_eq!(wrong_fields(user.tenants.get_tenant(get("7")).await), ["id"]);
    let mut platform = suite.as_platform();
    assert_eq!(
        platform
            .tenants
            .get_tenant(get(&theirs))
            .await
            .unwrap()
            .into_inner()
            .name,
        "Registry"
    );
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let suite = Suite::start().await;
    let mut platform = suite.as_platform();
    let mut user = suite.as_user();
    let own = user
        .tenants
        .list_tenants(ListTenantsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        own.tenants.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(),
        ["Alliance"]
    );
    for number in 0..3 {
        platform
            .tenants
            .create_tenant(create(&format!("Org {number}"), None))
            .await
            .unwrap();
    }
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListTenantsRequest {
            page_size: 2,
            page_token,
            ..Default::default()
        };
        let page = platform.tenants.list_tenants(request).await.unwrap().into_inner();
        assert!(page.tenants.len() <= 2);
        names.extend(page.tenants.into_iter().map(|it| it.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        let other = ListTenantsRequest {
            page_token: page_token.clone(),
            show_archived: true,
            ..ListTenantsRequest::default()
        };
        let other = platform.tenants.list_tenants(other).await;
        assert_eq!(why(other), refused(Code::InvalidArgument, "INVALID_PAGE_TOKEN"));
    }
    assert_eq!(names, ["Alliance", "Registry", "Org 0", "Org 1", "Org 2"]);

    suite.archive("tenant", suite.theirs.id).await;
    let count = async |platform: &mut crate::suite::Caller, show_archived| {
        let request = ListTenantsRequest {
            show_archived,
            ..Default::default()
        };
        platform
            .tenants
            .list_tenants(request)
            .await
            .unwrap()
            .into_inner()
            .tenants
            .len()
    };
    assert_eq!(count(&mut platform, false).await, 4);
    assert_eq!(count(&mut platform, true).await, 5);
}

#[tokio::test]
async fn an_admin_renames_its_tenant_and_no_more() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let id = suite.ours.id.to_string();
    let before = admin
        .tenants
        .get_tenant(GetTenantRequest { id: id.clone() })
        .await
        .unwrap()
        .into_inner();
    let renamed = Tenant {
        name: " Skyward ".to_owned(),
        ..before.clone()
    };
    // What is read is written back: all fields set, one changed.
    let request = UpdateTenantRequest {
        tenant: Some(renamed),
        ..Default::default()
    };
    let after = admin.tenants.update_tenant(request).await.unwrap().into_inner();
    assert_eq!(after.name, "Skyward");
    assert_ne!(after.etag, before.etag);

    let stale = update(
        Tenant {
            name: "Late".to_owned(),
            ..before.clone()
        },
        &["name"],
    );
    assert_eq!(
        why(admin.tenants.update_tenant(stale).await),
        refused(Code::Aborted, "ETAG_MISMATCH")
    );

    let organization = Tenant {
        id: id.clone(),
        auth0_org_id: Some("org_taken_over".to_owned()),
        ..Tenant::default()
    };
    let request = update(organization.clone(), &["auth0_org_id"]);
    assert_eq!(why(admin.tenants.update_tenant(request.clone()).await), denied());
    let mut platform = suite.as_platform();
    let moved = platform
        .tenants
        .update_tenant(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(moved.auth0_org_id(), "org_taken_over");
    let cleared = update(
        Tenant {
            id: id.clone(),
            ..Tenant::default()
        },
        &["auth0_org_id"],
    );
    let cleared = platform
        .tenants
        .update_tenant(cleared)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(cleared.auth0_org_id, None);
}

#[tokio::test]
async fn an_update_that_is_wrong_changes_nothing() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let tenant = || Tenant {
        id: suite.ours.id.to_string(),
        ..Tenant::default()
    };
    let wrong = update(
        Tenant {
            id: "7".to_owned(),
            ..Tenant::default()
        },
        &["id", "nmae"],
    );
    let paths = ["tenant.id", "update_mask.paths[0]", "update_mask.paths[1]"];
    assert_eq!(wrong_fields(admin.tenants.update_tenant(wrong).await), paths);
    let no_name = update(tenant(), &["name"]);
    assert_eq!(
        wrong_fields(admin.tenants.update_tenant(no_name).await),
        ["tenant.name"]
    );
    let nothing = UpdateTenantRequest {
        tenant: Some(tenant()),
        ..Default::default()
    };
    let same = admin.tenants.update_tenant(nothing).await.unwrap().into_inner();
    assert_eq!(same.name, "Alliance");
    let theirs = Tenant {
        id: suite.theirs.id.to_string(),
        name: "Ours now".to_owned(),
        ..Tenant::default()
    };
    assert_eq!(
        why(admin.tenants.update_tenant(update(theirs, &["name"])).await),
        not_found()
    );
    let own = Tenant {
        name: "Mine".to_owned(),
        ..tenant()
    };
    assert_eq!(
        why(suite
            .as_editor()
            .tenants
            .update_tenant(update(own, &["name"]))
            .await),
        denied()
    );
}
