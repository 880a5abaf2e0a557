use std::collections::BTreeSet;

use datacovey_proto::catalog::v1::{ListDatasetsRequest, ListProjectsRequest, ListTablesRequest};
use tonic::Code;

use crate::refusal::{refusal, why};
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
async fn filter_and_order_are_not_built_yet() {
    let suite = Suite::start().await;
    let mut user = suite.as_user();
    let filtered = ListProjectsRequest {
        filter: "name = \"a\"".to_owned(),
        ..Default::default()
    };
    let unimplemented = (Code::Unimplemented, "NOT_IMPLEMENTED".to_owned());
    assert_eq!(why(user.projects.list_projects(filtered).await), unimplemented);
    let ordered = ListTablesRequest {
        order_by: "name".to_owned(),
        ..Default::default()
    };
    assert_eq!(why(user.tables.list_tables(ordered).await), unimplemented);
}
