use std::collections::BTreeSet;

use datacovey_proto::catalog::v1::{
    ListDatasetsRequest, ListParticipantsRequest, ListProjectsRequest, ListTablesRequest,
};
use tonic::Code;

use crate::refusal::refusal;
use crate::suite::Suite;

#[tokio::test]
async fn pages_hold_every_row_once_while_rows_come_in() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let project = admin.project("Fleet").await;
    let mut made = BTreeSet::new();
    for index in 0..120 {
        made.insert(admin.dataset(&project, &format!("d{index}")).await);
    }
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    let mut request = ListDatasetsRequest {
        project_id: Some(project.clone()),
        ..Default::default()
    };
    loop {
        let page = admin
            .datasets
            .list_datasets(request.clone())
            .await
            .unwrap()
            .into_inner();
        sizes.push(page.datasets.len());
        seen.extend(page.datasets.into_iter().map(|it| it.id));
        if page.next_page_token.is_empty() {
            break;
        }
        // A row that comes in between moves nothing that was there.
        admin.dataset(&project, &format!("late{}", sizes.len())).await;
        request.page_token = page.next_page_token;
        request.page_size = 40;
    }
    assert_eq!(&sizes[..2], [50, 40]);
    let unique: BTreeSet<_> = seen.iter().cloned().collect();
    assert_eq!(unique.len(), seen.len());
    assert!(made.is_subset(&unique));

    let all = ListDatasetsRequest {
        page_size: 5000,
        ..Default::default()
    };
    let page = admin.datasets.list_datasets(all).await.unwrap().into_inner();
    assert_eq!((page.datasets.len(), page.next_page_token.as_str()), (122, ""));
}

#[tokio::test]
async fn a_token_serves_the_list_that_made_it() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let (one, two) = (admin.project("One").await, admin.project("Two").await);
    for name in ["a", "b"] {
        admin.dataset(&one, name).await;
    }
    let request = ListDatasetsRequest {
        project_id: Some(one),
        page_size: 1,
        ..Default::default()
    };
    let token = admin
        .datasets
        .list_datasets(request.clone())
        .await
        .unwrap()
        .into_inner()
        .next_page_token;
    assert_ne!(token, "");
    let refused = (
        Code::InvalidArgument,
        "INVALID_PAGE_TOKEN".to_owned(),
        vec!["page_token".to_owned()],
    );
    let other = ListDatasetsRequest {
        project_id: Some(two),
        page_token: token.clone(),
        ..request.clone()
    };
    assert_eq!(refusal(admin.datasets.list_datasets(other).await), refused);
    let other = ListDatasetsRequest {
        show_archived: true,
        page_token: token.clone(),
        ..request
    };
    assert_eq!(refusal(admin.datasets.list_datasets(other).await), refused);
    for page_token in [token, "x".to_owned(), "=".repeat(100_000)] {
        let projects = ListProjectsRequest {
            page_token: page_token.clone(),
            ..Default::default()
        };
        assert_eq!(refusal(admin.projects.list_projects(projects).await), refused);
        let tables = ListTablesRequest {
            page_token,
            ..Default::default()
        };
        assert_eq!(refusal(admin.tables.list_tables(tables).await), refused);
    }
}

#[tokio::test]
async fn lists_are_filtered_and_ordered_page_by_page() {
    let suite = Suite::start().await;
    let (mut admin, mut other) = (suite.as_admin(), suite.as_other_tenant());
    let project = admin.project("Fleet").await;
    suite.join(&project, &mut admin, &mut other).await;
    // Own and shared ones, whose order is not that of their creation.
    for (index, name) in ["b", "D", "a", "c_1", "c21"].into_iter().enumerate() {
        let caller = if index % 2 == 0 { &mut admin } else { &mut other };
        caller.dataset(&project, name).await;
    }
    let names = async |filter: &str, order_by: &str, page_size: i32, project: Option<&String>| {
        let mut admin = suite.as_admin();
        let mut request = ListDatasetsRequest {
            project_id: project.cloned(),
            filter: filter.to_owned(),
            order_by: order_by.to_owned(),
            page_size,
            ..Default::default()
        };
        let mut names = Vec::new();
        loop {
            let page = admin
                .datasets
                .list_datasets(request.clone())
                .await
                .unwrap()
                .into_inner();
            names.extend(page.datasets.into_iter().map(|it| it.name));
            if page.next_page_token.is_empty() {
                return names;
            }
            request.page_token = page.next_page_token;
        }
    };
    for scope in [None, Some(&project)] {
        for size in [0, 1, 2] {
            assert_eq!(
                names("", "name", size, scope).await,
                ["D", "a", "b", "c21", "c_1"]
            );
            assert_eq!(
                names("", "name desc", size, scope).await,
                ["c_1", "c21", "b", "a", "D"]
            );
            assert_eq!(
                names("", "created_at desc", size, scope).await,
                ["c21", "c_1", "a", "D", "b"]
            );
            assert_eq!(names("name:\"c_\"", "", size, scope).await, ["c_1"]);
            assert_eq!(
                names("name = \"c*\" OR name = a", "name", size, scope).await,
                ["a", "c21", "c_1"]
            );
            let theirs = format!("tenant_id = {}", suite.other_tenant);
            assert_eq!(names(&theirs, "name", size, scope).await, ["D", "c_1"]);
            assert_eq!(
                names(&format!("NOT {theirs}"), "name", size, scope).await,
                ["a", "b", "c21"]
            );
            assert_eq!(
                names("description:* OR name < b", "name", size, scope).await,
                ["D", "a"]
            );
            assert_eq!(
                names("description != x created_at > 2020-01-01", "", size, scope)
                    .await
                    .len(),
                5
            );
            assert_eq!(
                names("archived_at:*", "", size, scope).await,
                Vec::<String>::new()
            );
        }
    }
    let tables = ListTablesRequest {
        filter: "name = \"'; DROP TABLE tenant; --\"".to_owned(),
        order_by: "name".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        admin
            .tables
            .list_tables(tables)
            .await
            .unwrap()
            .into_inner()
            .tables,
        []
    );
    let projects = ListProjectsRequest {
        filter: "name = Fl*".to_owned(),
        order_by: "name desc, id".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        admin
            .projects
            .list_projects(projects)
            .await
            .unwrap()
            .into_inner()
            .projects
            .len(),
        1
    );
    let participants = ListParticipantsRequest {
        project_id: project.clone(),
        filter: "status = PARTICIPANT_STATUS_ACTIVE AND can_query = true".to_owned(),
        order_by: "changed_at desc".to_owned(),
        page_size: 1,
        ..Default::default()
    };
    let page = admin
        .projects
        .list_participants(participants.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.participants[0].tenant_id, suite.other_tenant.to_string());
    let next = ListParticipantsRequest {
        page_token: page.next_page_token,
        ..participants
    };
    let page = admin.projects.list_participants(next).await.unwrap().into_inner();
    assert_eq!(page.participants[0].tenant_id, suite.tenant.to_string());
    assert_eq!(page.next_page_token, "");
}

#[tokio::test]
async fn every_wrong_part_of_a_list_is_named() {
    let suite = Suite::start().await;
    let mut user = suite.as_user();
    let wrong = ListTablesRequest {
        dataset_id: Some("x".to_owned()),
        filter: "schema = a".to_owned(),
        order_by: "archived_at".to_owned(),
        page_size: -1,
        page_token: "x".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        refusal(user.tables.list_tables(wrong).await).2,
        ["dataset_id", "filter", "order_by", "page_size", "page_token"]
    );
}
