//! Rows by relation: what comes of a typed request, by the database itself.

use bytes::Bytes;
use datacovey_persistence::{DbRole, RowsError, Unruled};
use datacovey_proto::internal::rows::v1::condition::Operand;
use datacovey_proto::internal::rows::v1::filter::Node;
use datacovey_proto::internal::rows::v1::selection::Item;
use datacovey_proto::internal::rows::v1::{
    Cardinality, ColumnPath, Condition, CountMode, DeleteRequest, Embedding, Filter, InsertRequest, Operator,
    OrderTerm, SelectRequest, SelectedColumn, Selection, UpdateRequest,
};
use futures::TryStreamExt as _;
use serde_json::{Value, json};

use crate::world::World;

fn path(column: &str) -> Option<ColumnPath> {
    Some(ColumnPath {
        column: column.to_owned(),
        ..ColumnPath::default()
    })
}

fn column(name: &str) -> Selection {
    let column = SelectedColumn {
        path: path(name),
        alias: name.to_owned(),
        cast: String::new(),
    };
    Selection {
        item: Some(Item::Column(column)),
    }
}

fn eq(name: &str, value: &str) -> Option<Filter> {
    let condition = Condition {
        column: path(name),
        operator: Operator::Eq.into(),
        operand: Some(Operand::Value(value.to_owned())),
        ..Condition::default()
    };
    Some(Filter {
        node: Some(Node::Condition(condition)),
        negated: false,
    })
}

fn objects(rows: &[Bytes]) -> Vec<Value> {
    rows.iter()
        .map(|it| serde_json::from_slice(it).unwrap())
        .collect()
}

fn code(error: &RowsError) -> (&str, &str) {
    match error {
        RowsError::Told(told) => (&told.code, &told.message),
        RowsError::Suite(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn rows_are_read_with_what_relates_to_them() {
    let world = World::new().await;
    let database = world.database.open(DbRole::Catalog).await;
    let datasets = Embedding {
        relation: "dataset".to_owned(),
        name: "sets".to_owned(),
        foreign_key: "dataset_project_id_fkey".to_owned(),
        cardinality: Cardinality::ToMany.into(),
        selections: vec![column("name")],
        order: vec![OrderTerm {
            column: path("name"),
            ..OrderTerm::default()
        }],
        ..Embedding::default()
    };
    let request = SelectRequest {
        relation: "project".to_owned(),
        selections: vec![
            column("name"),
            Selection {
                item: Some(Item::Embedding(datasets)),
            },
        ],
        filter: eq("id", &world.project.to_string()),
        count: CountMode::Exact.into(),
        ..SelectRequest::default()
    };
    for (tenant, expected) in [
        (
            world.registry,
            vec![json!({"name": "Fleet", "sets": [{"name": "air"}, {"name": "reg"}]})],
        ),
        (world.stranger, Vec::new()),
    ] {
        let (header, batches) = database.rows_select(&tenant.ctx(), &request).await.unwrap();
        assert_eq!(header.columns, ["name", "sets"]);
        assert_eq!(header.total_rows, Some(expected.len() as i64));
        let rows: Vec<Vec<Bytes>> = batches.try_collect().await.unwrap();
        assert_eq!(objects(&rows.concat()), expected);
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_as_the_database_says_it() {
    let world = World::new().await;
    let database = world.database.open(DbRole::Catalog).await;
    for (filter, expected) in [
        (eq("nope", "x"), ("42703", "column project.nope does not exist")),
        (
            eq("id", "abc"),
            ("22P02", "invalid input syntax for type uuid: \"abc\""),
        ),
        (
            eq("name", "a\0"),
            ("22021", "invalid byte sequence for encoding \"UTF8\": 0x00"),
        ),
    ] {
        let request = SelectRequest {
            relation: "project".to_owned(),
            selections: vec![column("id")],
            filter,
            ..SelectRequest::default()
        };
        let error = database
            .rows_select(&world.airline.ctx(), &request)
            .await
            .err()
            .unwrap();
        assert_eq!(code(&error), expected);
    }
}

#[tokio::test]
async fn rows_are_inserted_changed_and_removed() {
    let world = World::new().await;
    let database = world.database.open(DbRole::Catalog).await;
    let ctx = world.airline.ctx();
    let given =
        json!({"tenant_id": world.airline.id, "project_id": world.project, "name": "'; DROP TABLE x"});
    let insert = InsertRequest {
        relation: "dataset".to_owned(),
        rows: vec![given.to_string().into()],
        columns: ["tenant_id", "project_id", "name"].map(str::to_owned).to_vec(),
        returning: vec![column("name")],
        ..InsertRequest::default()
    };
    let written = database.rows_insert(&ctx, &insert, &Unruled).await.unwrap();
    assert_eq!((written.affected, written.inserted), (1, 1));
    assert_eq!(objects(&written.rows), [json!({"name": "'; DROP TABLE x"})]);
    let filter = eq("id", &written.key.unwrap());

    let update = UpdateRequest {
        relation: "dataset".to_owned(),
        filter: filter.clone(),
        values: json!({"name": "renamed"}).to_string().into(),
        columns: vec!["name".to_owned()],
        returning: vec![column("name")],
        ..UpdateRequest::default()
    };
    let written = database.rows_update(&ctx, &update, &Unruled).await.unwrap();
    assert_eq!(objects(&written.rows), [json!({"name": "renamed"})]);
    let written = database
        .rows_update(&world.stranger.ctx(), &update, &Unruled)
        .await
        .unwrap();
    assert_eq!(written.affected, 0);

    let delete = DeleteRequest {
        relation: "dataset".to_owned(),
        filter,
        returning: vec![column("name")],
        ..DeleteRequest::default()
    };
    let written = database.rows_delete(&ctx, &delete, &Unruled).await.unwrap();
    assert_eq!(
        (written.affected, objects(&written.rows)),
        (1, vec![json!({"name": "renamed"})])
    );
    let written = database.rows_delete(&ctx, &delete, &Unruled).await.unwrap();
    assert_eq!(written.affected, 0);
}

#[tokio::test]
async fn json_that_nobody_reads_again_is_not_written() {
    let world = World::new().await;
    let database = world.database.open(DbRole::Catalog).await;
    let deep = "[".repeat(200) + &"]".repeat(200);
    let row = format!(
        r#"{{"tenant_id": "{}", "dataset_id": "{}", "name": "deep", "schema": {deep}}}"#,
        world.airline.id, world.dataset
    );
    let insert = InsertRequest {
        relation: "table".to_owned(),
        rows: vec![row.into()],
        columns: ["tenant_id", "dataset_id", "name", "schema"]
            .map(str::to_owned)
            .to_vec(),
        ..InsertRequest::default()
    };
    let error = database
        .rows_insert(&world.airline.ctx(), &insert, &Unruled)
        .await
        .unwrap_err();
    assert_eq!(code(&error).0, "22023");
}

#[tokio::test]
async fn many_rows_are_the_same_rows_however_they_are_read() {
    const ROWS: i64 = 2500;
    let world = World::new().await;
    let tenant = world.airline.id;
    let sql = world.database.sql().await;
    sql.run(&format!(
        "INSERT INTO dataset_history (id, tenant_id, project_id, name, action, description)
         SELECT gen_random_uuid(), '{tenant}', gen_random_uuid(), 'row ' || n, 'UPDATE',
                CASE WHEN n = {ROWS} THEN repeat('x', 5000000) END
         FROM generate_series(1, {ROWS}) AS n"
    ))
    .await
    .unwrap();
    let database = world.database.open(DbRole::Catalog).await;
    let ctx = world.airline.ctx();
    let read = async |limit: Option<i64>, offset: i64, count: CountMode| {
        let request = SelectRequest {
            relation: "dataset_history".to_owned(),
            selections: vec![column("name"), column("description")],
            order: vec![OrderTerm {
                column: path("changed_at"),
                ..OrderTerm::default()
            }],
            filter: eq("action", "UPDATE"),
            limit,
            offset,
            count: count.into(),
            ..SelectRequest::default()
        };
        let (header, batches) = database.rows_select(&ctx, &request).await.unwrap();
        let rows: Vec<Vec<Bytes>> = batches.try_collect().await.unwrap();
        assert!(rows.iter().all(|it| !it.is_empty()));
        let rows = objects(&rows.concat());
        assert_eq!(header.rows, rows.len() as i64);
        (header.total_rows, rows.len() as i64)
    };
    // Few and many, from the third time on by what is prepared; the last has a row that is long.
    for _ in 0..3 {
        for (limit, offset, rows) in [
            (Some(0), 0, 0),
            (Some(999), 3, 999),
            (Some(1000), 0, 1000),
            (Some(1001), 0, 1001),
            (Some(1001), ROWS - 1001, 1001),
            (Some(10), ROWS - 10, 10),
            (None, 0, ROWS),
            (None, ROWS - 1000, 1000),
            (None, ROWS + 1, 0),
        ] {
            assert_eq!(read(limit, offset, CountMode::Unspecified).await, (None, rows));
            assert_eq!(read(limit, offset, CountMode::Exact).await, (Some(ROWS), rows));
        }
    }
}

#[tokio::test]
async fn a_request_that_fails_leaves_its_connection_to_others() {
    let world = World::new().await;
    let database = world.database.open(DbRole::Catalog).await;
    let ctx = world.airline.ctx();
    let asked = |id: &str| SelectRequest {
        relation: "project".to_owned(),
        selections: vec![column("name")],
        filter: eq("id", id),
        ..SelectRequest::default()
    };
    let name_as_number = Selection {
        item: Some(Item::Column(SelectedColumn {
            path: path("name"),
            alias: "name".to_owned(),
            cast: "integer".to_owned(),
        })),
    };
    let project = world.project.to_string();
    let sessions = "SELECT string_agg(pid::text, ',' ORDER BY pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'datacovey_catalog'";
    let sql = world.database.sql().await;
    drop(database.rows_select(&ctx, &asked(&project)).await.unwrap());
    let before = sql.value(sessions).await.unwrap();
    for _ in 0..4 {
        let mut unknown = asked(&project);
        unknown.selections = vec![column("nope")];
        let error = database.rows_select(&ctx, &unknown).await.map(drop).unwrap_err();
        assert_eq!(code(&error).0, "42703");
        let error = database
            .rows_select(&ctx, &asked("x"))
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(code(&error).0, "22P02");
        let mut as_number = asked(&project);
        as_number.selections = vec![name_as_number.clone()];
        let error = database
            .rows_select(&ctx, &as_number)
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(code(&error).0, "22P02");
        let mut one = asked(&project);
        one.singular = true;
        let (header, _) = database.rows_select(&ctx, &one).await.unwrap();
        assert_eq!(header.rows, 1);
        one.filter = eq("id", &uuid::Uuid::nil().to_string());
        let error = database.rows_select(&ctx, &one).await.map(drop).unwrap_err();
        assert_eq!(code(&error).0, "PGRST116");
    }
    assert_eq!(sql.value(sessions).await.unwrap(), before);
}
