//! Two organizations and what passes between them.

use datacovey::client::{ImportOptions, Outcome};
use datacovey_proto::catalog::v1::{GetTableRequest, LeaveProjectRequest};
use datacovey_proto::query::v1::{ReadResultsRequest, ViolationCode};
use datacovey_proto::transfer::v1::{CreateExportJobRequest, FileFormat};
use tonic::Code;

use crate::room::{ROWS, room, share};
use crate::suite::{reason, someone};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_equals_plain_sql_less_the_small_groups() {
    let room = room().await;
    let overlap = "SELECT COUNT(*) AS n FROM (SELECT email FROM shop.customers INTERSECT SELECT email FROM bank.clients) o";
    assert_eq!(room.answer(&room.bank, overlap).await, [["400"]]);
    let by_city =
        "SELECT city, COUNT(*) AS n, SUM(spend) AS total FROM shop.customers GROUP BY city ORDER BY city";
    // Lonely has 1 customer, Hamlet 10: absent.
    let total: usize = (11..ROWS).map(|it| it % 100).sum();
    assert_eq!(
        room.answer(&room.bank, by_city).await,
        [["Town".to_owned(), "989".to_owned(), total.to_string()]]
    );
    // The owner sees its own table whole.
    assert_eq!(room.answer(&room.shop, by_city).await.len(), 3);
    let joined = "SELECT c.segment, COUNT(*) AS n FROM shop.customers s JOIN bank.clients c ON s.email = c.email \
                  GROUP BY c.segment ORDER BY c.segment";
    let counts = [["s0", "134"], ["s1", "133"], ["s2", "133"]];
    assert_eq!(room.answer(&room.bank, joined).await, counts);
    assert_eq!(room.answer(&room.shop, joined).await, counts);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_single_out_is_refused_with_its_reason() {
    let room = room().await;
    for (sql, code) in [
        (
            "SELECT email, city FROM shop.customers",
            ViolationCode::NotAggregated,
        ),
        (
            "SELECT COUNT(*) AS n FROM shop.customers WHERE email = 'person0@example.org'",
            ViolationCode::ColumnUse,
        ),
        (
            "SELECT city, MAX(spend) AS m FROM shop.customers GROUP BY city",
            ViolationCode::AggregateNotAllowed,
        ),
        (
            "SELECT COUNT(*) AS n FROM shop.nothing",
            ViolationCode::UnknownTable,
        ),
        (
            "SELECT COUNT(*) AS n FROM shop.customers TABLESAMPLE BERNOULLI (10)",
            ViolationCode::UnsupportedClause,
        ),
        ("DROP TABLE shop.customers", ViolationCode::UnsupportedStatement),
        ("SELECT COUNT(* FROM shop.customers", ViolationCode::Syntax),
    ] {
        let Outcome::Refused(violations) = room.bank.ask(&room.project_id, sql).await.unwrap() else {
            panic!("answered: {sql}")
        };
        assert!(
            violations.iter().any(|it| it.code() == code),
            "{sql}: {violations:?}"
        );
        assert!(
            violations.iter().all(|it| !it.message.is_empty()),
            "{sql}: {violations:?}"
        );
        let status = room
            .bank
            .run(&room.project_id, sql)
            .await
            .unwrap_err()
            .downcast::<tonic::Status>()
            .unwrap();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::InvalidArgument, "QUERY_REFUSED"),
            "{sql}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_policy_or_an_owner_there_is_no_table() {
    let room = room().await;
    let count = "SELECT COUNT(*) AS n FROM bank.clients";
    assert_eq!(room.answer(&room.shop, count).await, [["1000"]]);

    let open = room
        .shop
        .clone()
        .tables()
        .get_table(GetTableRequest {
            id: room.clients.clone(),
        })
        .await;
    assert!(open.is_ok());
    let leave = LeaveProjectRequest {
        project_id: room.project_id.clone(),
        ..Default::default()
    };
    room.bank.projects().leave_project(leave).await.unwrap();
    let gone = room
        .shop
        .tables()
        .get_table(GetTableRequest {
            id: room.clients.clone(),
        })
        .await
        .unwrap_err();
    assert_eq!(
        (gone.code(), reason(&gone).as_str()),
        (Code::NotFound, "NOT_FOUND")
    );
    let Outcome::Refused(violations) = room.shop.ask(&room.project_id, count).await.unwrap() else {
        panic!("answered")
    };
    assert!(
        violations
            .iter()
            .any(|it| it.code() == ViolationCode::UnknownTable),
        "{violations:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_find_nothing() {
    let room = room().await;
    let stranger = someone("Stranger").await;
    let table = stranger
        .tables()
        .get_table(GetTableRequest {
            id: room.customers.clone(),
        })
        .await
        .unwrap_err();
    assert_eq!(table.code(), Code::NotFound);
    let query = stranger
        .check(&room.project_id, "SELECT COUNT(*) AS n FROM shop.customers")
        .await
        .unwrap_err();
    assert_eq!(query.code(), Code::NotFound);
    // Neither does a participant who is not the owner, where only the owner may.
    let export = CreateExportJobRequest {
        table_id: room.customers.clone(),
        format: FileFormat::Csv.into(),
        ..Default::default()
    };
    for client in [&stranger, &room.bank] {
        let status = client
            .exports()
            .create_export_job(export.clone())
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_for_who_asked() {
    let room = room().await;
    let sql = "SELECT COUNT(*) AS n FROM shop.customers";
    let request = datacovey_proto::query::v1::CreateQueryJobRequest {
        project_id: room.project_id.clone(),
        query: Some(datacovey_proto::query::v1::create_query_job_request::Query::QueryText(sql.to_owned())),
        ..Default::default()
    };
    let job = room
        .bank
        .query_jobs()
        .create_query_job(request)
        .await
        .unwrap()
        .into_inner();
    let read = ReadResultsRequest {
        query_job_id: job.id,
        format: 1,
        ..Default::default()
    };
    let status = room.shop.query_jobs().read_results(read).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_reads_back_as_it_was_imported() {
    let room = room().await;
    let folder = tempfile::tempdir().unwrap();
    for name in ["customers.csv", "customers.parquet"] {
        let file = folder.path().join(name);
        let job = room
            .shop
            .export_file(&room.customers, &file, &|_, _| {})
            .await
            .unwrap();
        assert_eq!(job.rows_exported, ROWS as i64);
        let copy = share(
            &room.shop,
            &room.project_id,
            &format!("copy_{}", &name[10..]),
            "customers",
            &[],
            &[],
            "",
        )
        .await;
        let imported = room
            .shop
            .import_file(&copy, &file, &ImportOptions::default(), &|_, _| {}, &|_, _| {})
            .await;
        assert_eq!(imported.unwrap().rows_imported, ROWS as i64);
        let sums = |table: &str| {
            format!("SELECT COUNT(*) AS n, SUM(spend) AS total, COUNT(DISTINCT email) AS people FROM {table}")
        };
        assert_eq!(
            room.answer(&room.shop, &sums(&format!("copy_{}.customers", &name[10..])))
                .await,
            room.answer(&room.shop, &sums("shop.customers")).await,
        );
    }
}
