use datacovey_proto::catalog::v1::{
    ArchiveTableRequest, CreateTableRequest, GetTableRequest, ListTablesRequest, SetTablePolicyRequest,
    Table, UpdateTableRequest,
};
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use serde_json::json;
use tonic::Code;
use uuid::Uuid;

use crate::refusal::{denied, failed, not_found, refusal, why};
use crate::suite::{Suite, mask, planes, strukt};

fn create(dataset: &str, name: &str, schema: &serde_json::Value) -> CreateTableRequest {
    CreateTableRequest {
        table: Some(Table {
            dataset_id: dataset.to_owned(),
            name: name.to_owned(),
            schema: Some(strukt(schema)),
            ..Table::default()
        }),
        ..Default::default()
    }
}

fn with_schema(id: &str, schema: &serde_json::Value) -> UpdateTableRequest {
    UpdateTableRequest {
        table: Some(Table {
            id: id.to_owned(),
            schema: Some(strukt(schema)),
            ..Table::default()
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_table_lives() {
    let suite = Suite::start().await;
    let (mut admin, mut editor) = (suite.as_admin(), suite.as_editor());
    let project = admin.project("Fleet").await;
    let dataset = admin.dataset(&project, "shared").await;
    let request = CreateTableRequest {
        request_id: "key".to_owned(),
        ..create(&dataset, "planes", &planes())
    };
    let made = editor
        .tables
        .create_table(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(made.schema, Some(strukt(&planes())));
    assert_eq!(
        editor.tables.create_table(request).await.unwrap().into_inner(),
        made
    );
    let mut user = suite.as_user();
    let read = user
        .tables
        .get_table(GetTableRequest { id: made.id.clone() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read, made);

    let mut wider = planes();
    wider["properties"]["seats"] = json!({"type": "integer"});
    let rename = UpdateTableRequest {
        table: Some(Table {
            id: made.id.clone(),
            name: "aircraft".to_owned(),
            schema: Some(strukt(&wider)),
            etag: made.etag.clone(),
            ..Table::default()
        }),
        update_mask: Some(mask(&["schema", "name"])),
        request_id: String::new(),
    };
    let changed = editor
        .tables
        .update_table(rename.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (changed.name.as_str(), &changed.schema),
        ("aircraft", &Some(strukt(&wider)))
    );
    let stale = why(editor.tables.update_table(rename).await);
    assert_eq!(stale, (Code::Aborted, "ETAG_MISMATCH".to_owned()));

    let archive = ArchiveTableRequest {
        id: made.id.clone(),
        ..Default::default()
    };
    let archived = editor
        .tables
        .archive_table(archive.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(archived.archived_at.is_some());
    assert_eq!(
        editor.tables.archive_table(archive).await.unwrap().into_inner(),
        archived
    );
    let policy = SetTablePolicyRequest {
        table_id: made.id.clone(),
        policy: Some(crate::policy::reference()),
        ..Default::default()
    };
    assert_eq!(
        why(editor.tables.set_table_policy(policy).await),
        failed("ARCHIVED")
    );
    assert!(
        user.tables
            .list_tables(ListTablesRequest::default())
            .await
            .unwrap()
            .into_inner()
            .tables
            .is_empty()
    );
    for scope in [
        ListTablesRequest {
            dataset_id: Some(dataset),
            ..Default::default()
        },
        ListTablesRequest {
            project_id: Some(project),
            ..Default::default()
        },
    ] {
        let request = ListTablesRequest {
            show_archived: true,
            ..scope
        };
        let listed = user
            .tables
            .list_tables(request)
            .await
            .unwrap()
            .into_inner()
            .tables;
        assert_eq!(listed, std::slice::from_ref(&archived));
    }
    let elsewhere = ListTablesRequest {
        project_id: Some(Uuid::nil().to_string()),
        show_archived: true,
        ..Default::default()
    };
    assert!(
        user.tables
            .list_tables(elsewhere)
            .await
            .unwrap()
            .into_inner()
            .tables
            .is_empty()
    );
}

#[tokio::test]
async fn all_violations_come_at_once() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "objekt",
        "properties": {"a": {"minLength": -1}, "b c": {"maximum": 1e300}, "d": "string"},
    });
    let request = CreateTableRequest {
        request_id: "a b".to_owned(),
        ..create("x", "a.b", &schema)
    };
    let (code, reason, fields) = refusal(editor.tables.create_table(request).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
    assert_eq!(
        fields,
        [
            "request_id",
            "table.dataset_id",
            "table.name",
            "table.schema.properties.a.minLength",
            "table.schema.properties.d",
            "table.schema.properties[\"b c\"].maximum",
            "table.schema.type",
        ]
    );
    let (_, _, fields) = refusal(editor.tables.create_table(CreateTableRequest::default()).await);
    assert_eq!(
        fields,
        ["table", "table.dataset_id", "table.name", "table.schema"]
    );
    let request = ListTablesRequest {
        dataset_id: Some("x".to_owned()),
        project_id: Some("y".to_owned()),
        page_size: -1,
        ..Default::default()
    };
    let (_, _, fields) = refusal(editor.tables.list_tables(request).await);
    assert_eq!(fields, ["dataset_id", "page_size", "project_id"]);
}

#[tokio::test]
async fn what_is_no_schema_is_refused() {
    let suite = Suite::start().await;
    let (mut admin, mut editor) = (suite.as_admin(), suite.as_editor());
    let project = admin.project("Fleet").await;
    let dataset = admin.dataset(&project, "shared").await;
    let deep = (0..30).fold(json!({}), |inner, _| json!({"not": inner}));
    for schema in [
        json!({"properties": {"a": {"$ref": "https://example.com/schema.json"}}}),
        json!({"properties": {"a": {"pattern": "(a)\\1"}}}),
        json!({"properties": {"a": {"description": "\0"}}}),
        json!({"description": "x".repeat(300_000)}),
        deep,
    ] {
        let (code, reason, _) = refusal(editor.tables.create_table(create(&dataset, "t", &schema)).await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(
            ["INVALID_SCHEMA", "INVALID_FIELD"].contains(&reason.as_str()),
            "{reason}"
        );
    }
    let number = |it| Value {
        kind: Some(Kind::NumberValue(it)),
    };
    let fields = [
        ("minimum".to_owned(), number(f64::NAN)),
        ("title".to_owned(), Value { kind: None }),
    ];
    let request = CreateTableRequest {
        table: Some(Table {
            dataset_id: dataset,
            name: "t".to_owned(),
            schema: Some(Struct {
                fields: fields.into(),
            }),
            ..Table::default()
        }),
        ..Default::default()
    };
    let (_, _, fields) = refusal(editor.tables.create_table(request).await);
    assert_eq!(fields, ["table.schema.minimum", "table.schema.title"]);
}

#[tokio::test]
async fn checking_alone_makes_nothing() {
    let suite = Suite::start().await;
    let (mut admin, mut editor) = (suite.as_admin(), suite.as_editor());
    let project = admin.project("Fleet").await;
    let dataset = admin.dataset(&project, "shared").await;
    let check = |name: &str| CreateTableRequest {
        validate_only: true,
        ..create(&dataset, name, &planes())
    };
    let checked = editor
        .tables
        .create_table(check("planes"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((checked.id.as_str(), checked.name.as_str()), ("", "planes"));
    assert!(
        editor
            .tables
            .list_tables(ListTablesRequest::default())
            .await
            .unwrap()
            .into_inner()
            .tables
            .is_empty()
    );
    // It checks what only the database knows, too.
    editor.table(&dataset, "planes").await;
    let taken = why(editor.tables.create_table(check("planes")).await);
    assert_eq!(taken, (Code::AlreadyExists, "ALREADY_EXISTS".to_owned()));
    let nowhere = CreateTableRequest {
        validate_only: true,
        ..create(&Uuid::nil().to_string(), "t", &planes())
    };
    assert_eq!(why(editor.tables.create_table(nowhere).await), not_found());
}

#[tokio::test]
async fn parents_must_be_seen_and_live() {
    let suite = Suite::start().await;
    let (mut admin, mut other) = (suite.as_admin(), suite.as_other_tenant());
    let project = admin.project("Fleet").await;
    let dataset = admin.dataset(&project, "shared").await;
    assert_eq!(why(other.try_table(&dataset, "mine").await), not_found());
    assert_eq!(why(suite.as_user().try_table(&dataset, "mine").await), denied());

    suite.join(&project, &mut admin, &mut other).await;
    let theirs = other.table(&dataset, "planes").await;
    let taken = why(admin.try_table(&dataset, "planes").await);
    assert_eq!(taken, (Code::AlreadyExists, "ALREADY_EXISTS".to_owned()));
    // The owner of the dataset sees the table, and its policy is the table owner's affair.
    assert_eq!(
        why(admin.tables.update_table(with_schema(&theirs, &planes())).await),
        denied()
    );
    let archive = ArchiveTableRequest {
        id: theirs,
        ..Default::default()
    };
    assert_eq!(why(admin.tables.archive_table(archive).await), denied());
}

#[tokio::test]
async fn another_tenants_table_does_not_exist() {
    let suite = Suite::start().await;
    let (mut admin, mut other) = (suite.as_admin(), suite.as_other_tenant());
    let project = admin.project("Fleet").await;
    let dataset = admin.dataset(&project, "shared").await;
    let id = admin.table(&dataset, "planes").await;
    assert_eq!(
        why(other.tables.get_table(GetTableRequest { id: id.clone() }).await),
        not_found()
    );
    assert_eq!(
        why(other.tables.update_table(with_schema(&id, &planes())).await),
        not_found()
    );
    let archive = ArchiveTableRequest {
        id,
        ..Default::default()
    };
    assert_eq!(why(other.tables.archive_table(archive).await), not_found());
    assert!(
        other
            .tables
            .list_tables(ListTablesRequest::default())
            .await
            .unwrap()
            .into_inner()
            .tables
            .is_empty()
    );
}

#[tokio::test]
async fn a_schema_with_data_only_grows() {
    let suite = Suite::start().await;
    let (mut admin, mut editor) = (suite.as_admin(), suite.as_editor());
    let project = admin.project("Fleet").await;
    let dataset = admin.dataset(&project, "shared").await;
    let table = editor.table(&dataset, "planes").await;
    // Nothing depends on the schema yet: any other will do.
    let other = json!({"type": "object", "properties": {"x": {"type": "string"}}});
    editor
        .tables
        .update_table(with_schema(&table, &other))
        .await
        .unwrap();
    editor
        .tables
        .update_table(with_schema(&table, &planes()))
        .await
        .unwrap();

    suite.put_data(&table).await;
    let refused = editor.tables.update_table(with_schema(&table, &other)).await;
    assert_eq!(why(refused), failed("WRONG_STATE"));
    let mut required = planes();
    required["properties"]["seats"] = json!({"type": "integer"});
    required["required"] = json!(["tailnum", "seats"]);
    assert_eq!(
        why(editor.tables.update_table(with_schema(&table, &required)).await),
        failed("WRONG_STATE")
    );
    required["required"] = json!(["tailnum"]);
    editor
        .tables
        .update_table(with_schema(&table, &required))
        .await
        .unwrap();
    let elsewhere = admin.dataset(&project, "elsewhere").await;
    let moved = UpdateTableRequest {
        table: Some(Table {
            id: table,
            dataset_id: elsewhere,
            ..Table::default()
        }),
        ..Default::default()
    };
    assert_eq!(
        why(editor.tables.update_table(moved).await),
        failed("WRONG_STATE")
    );
}

#[tokio::test]
async fn a_schema_keeps_what_its_policy_speaks_of() {
    let suite = Suite::start().await;
    let (mut admin, mut editor) = (suite.as_admin(), suite.as_editor());
    let project = admin.project("Fleet").await;
    let dataset = admin.dataset(&project, "shared").await;
    let table = editor.table(&dataset, "planes").await;
    editor.set_policy(&table).await;
    let without_year = json!({"type": "object", "properties": {"tailnum": {"type": "string"}}});
    let (code, reason, fields) = refusal(
        editor
            .tables
            .update_table(with_schema(&table, &without_year))
            .await,
    );
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID_SCHEMA"));
    assert_eq!(fields, ["table.schema"]);
}

#[tokio::test]
async fn more_violations_than_a_header_holds_are_counted() {
    let suite = Suite::start().await;
    let properties = (0..2000).map(|it| (format!("column_{it}"), json!({"type": "nothing"})));
    let schema = json!({"properties": properties.collect::<serde_json::Map<_, _>>()});
    let request = create(&Uuid::nil().to_string(), "t", &schema);
    let (code, reason, fields) = refusal(suite.as_editor().tables.create_table(request).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID_SCHEMA"));
    assert!(fields.len() > 20 && fields.contains(&String::new()), "{fields:?}");
}
