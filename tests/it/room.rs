//! Two organizations with a table each in one project.

use datacovey::client::{Client, ImportOptions, Outcome, to_struct};
use datacovey_proto::catalog::v1::{
    AcceptInvitationRequest, ColumnPolicy, ColumnUse, CreateDatasetRequest, CreateProjectRequest,
    CreateTableRequest, Dataset, InviteParticipantRequest, Policy, PrivacyUnit, Project,
    SetTablePolicyRequest, Table, Threshold, privacy_unit,
};
use datacovey_proto::identity::v1::WhoAmIRequest;

use crate::suite::someone;

/// Rows of each table, and how many of them the two share.
pub(crate) const ROWS: usize = 1000;
const SHARED: usize = 400;
const MIN_UNITS: i64 = 20;

pub(crate) struct Room {
    pub(crate) shop: Client,
    pub(crate) bank: Client,
    pub(crate) project_id: String,
    pub(crate) customers: String,
    pub(crate) clients: String,
}

/// `shop.customers(email, city, spend)` and `bank.clients(email, segment)`. Cities of 1, 10 and the rest.
pub(crate) async fn room() -> Room {
    let (shop, bank) = (someone("Shop").await, someone("Bank").await);
    let project = Project {
        name: "Overlap".to_owned(),
        ..Project::default()
    };
    let request = CreateProjectRequest {
        project: Some(project),
        ..Default::default()
    };
    let project_id = shop
        .projects()
        .create_project(request)
        .await
        .unwrap()
        .into_inner()
        .id;
    let (shop_id, bank_id) = (tenant(&shop).await, tenant(&bank).await);
    let request = InviteParticipantRequest {
        project_id: project_id.clone(),
        tenant_id: bank_id.clone(),
        ..Default::default()
    };
    shop.projects().invite_participant(request).await.unwrap();
    let request = AcceptInvitationRequest {
        project_id: project_id.clone(),
        ..Default::default()
    };
    bank.projects().accept_invitation(request).await.unwrap();

    let customers = share(
        &shop,
        &project_id,
        "shop",
        "customers",
        &["city"],
        &["spend"],
        &bank_id,
    )
    .await;
    let clients = share(&bank, &project_id, "bank", "clients", &["segment"], &[], &shop_id).await;
    let customer = |it: usize| {
        let city = match it {
            0 => "Lonely",
            1..=10 => "Hamlet",
            _ => "Town",
        };
        format!("person{it}@example.org,{city},{}\n", it % 100)
    };
    let client = |it: usize| format!("person{}@example.org,s{}\n", it + ROWS - SHARED, it % 3);
    import(
        &shop,
        &customers,
        &format!(
            "email,city,spend\n{}",
            (0..ROWS).map(customer).collect::<String>()
        ),
    )
    .await;
    import(
        &bank,
        &clients,
        &format!("email,segment\n{}", (0..ROWS).map(client).collect::<String>()),
    )
    .await;
    Room {
        shop,
        bank,
        project_id,
        customers,
        clients,
    }
}

impl Room {
    pub(crate) async fn answer(&self, who: &Client, sql: &str) -> Vec<Vec<String>> {
        match who.ask(&self.project_id, sql).await.unwrap() {
            Outcome::Answered(rows) => rows
                .cells
                .iter()
                .map(|row| row.iter().map(ToString::to_string).collect())
                .collect(),
            Outcome::Refused(violations) => panic!("refused: {sql}: {violations:#?}"),
        }
    }
}

async fn tenant(client: &Client) -> String {
    client
        .users()
        .who_am_i(WhoAmIRequest {})
        .await
        .unwrap()
        .into_inner()
        .tenant
        .unwrap()
        .id
}

/// A dataset with a table: e-mails join, the rest is text to group by or numbers to sum.
pub(crate) async fn share(
    client: &Client,
    project_id: &str,
    dataset: &str,
    table: &str,
    dimensions: &[&str],
    measures: &[&str],
    analyst: &str,
) -> String {
    let dataset = Dataset {
        project_id: project_id.to_owned(),
        name: dataset.to_owned(),
        ..Dataset::default()
    };
    let request = CreateDatasetRequest {
        dataset: Some(dataset),
        ..Default::default()
    };
    let dataset_id = client
        .datasets()
        .create_dataset(request)
        .await
        .unwrap()
        .into_inner()
        .id;
    let schema = match table {
        "customers" => {
            r#"{"type": "object", "properties": {"email": {"type": "string", "x-identity": "email"},
            "city": {"type": "string"}, "spend": {"type": "integer"}}, "required": ["email", "city", "spend"]}"#
        }
        _ => {
            r#"{"type": "object", "properties": {"email": {"type": "string", "x-identity": "email"},
            "segment": {"type": "string"}}, "required": ["email", "segment"]}"#
        }
    };
    let table = Table {
        dataset_id,
        name: table.to_owned(),
        schema: Some(to_struct(serde_json::from_str(schema).unwrap())),
        ..Table::default()
    };
    let request = CreateTableRequest {
        table: Some(table),
        ..Default::default()
    };
    let table_id = client
        .tables()
        .create_table(request)
        .await
        .unwrap()
        .into_inner()
        .id;
    if analyst.is_empty() {
        return table_id;
    }
    let column = |used: ColumnUse| ColumnPolicy {
        uses: vec![used.into()],
        ..ColumnPolicy::default()
    };
    let email = ColumnPolicy {
        identity: Some("email".to_owned()),
        ..column(ColumnUse::Join)
    };
    let mut columns = vec![("email".to_owned(), email)];
    columns.extend(
        dimensions
            .iter()
            .map(|it| ((*it).to_owned(), column(ColumnUse::Dimension))),
    );
    columns.extend(
        measures
            .iter()
            .map(|it| ((*it).to_owned(), column(ColumnUse::Measure))),
    );
    let policy = Policy {
        privacy_unit: Some(PrivacyUnit {
            unit: Some(privacy_unit::Unit::Column("email".to_owned())),
        }),
        columns: columns.into_iter().collect(),
        threshold: Some(Threshold {
            min_units: Some(MIN_UNITS),
            ..Threshold::default()
        }),
        analysts: vec![analyst.to_owned()],
        ..Policy::default()
    };
    let request = SetTablePolicyRequest {
        table_id: table_id.clone(),
        policy: Some(policy),
        ..Default::default()
    };
    client.tables().set_table_policy(request).await.unwrap();
    table_id
}

pub(crate) async fn import(client: &Client, table_id: &str, csv: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    std::fs::write(&file, csv).unwrap();
    client
        .import_file(table_id, &file, &ImportOptions::default(), &|_, _| {}, &|_, _| {})
        .await
        .unwrap();
}
