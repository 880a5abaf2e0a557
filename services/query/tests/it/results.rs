use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::StreamReader;
use datacovey_proto::query::v1 as pb;
use tonic::Code;

use crate::clients::{number, reason, text};
use crate::fixture::{Bench, PLANES, tail};

const PLANES_TEXT: &str =
    "SELECT tailnum, maker, character_length(maker) AS letters FROM registry.planes ORDER BY tailnum";

fn table(arrow: &[u8]) -> RecordBatch {
    let reader = StreamReader::try_new(arrow, None).unwrap();
    let schema = reader.schema();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

#[tokio::test]
async fn a_broken_stream_is_resumed_where_it_broke() {
    let bench = Bench::new().await;
    let caller = bench.as_registry();
    let job = caller.run(PLANES_TEXT).await;
    let read = async |start, max| {
        caller
            .read(&job.id, pb::ResultFormat::Json, start, max)
            .await
            .unwrap()
    };

    let whole = read(0, None).await;
    assert_eq!(whole.header.total_rows, PLANES as i64);
    assert_eq!(whole.rows.len(), PLANES);
    assert!(
        whole
            .rows
            .iter()
            .enumerate()
            .all(|(at, row)| text(row, "tailnum") == tail(at))
    );
    let mut next = 0;
    for (offset, count) in &whole.places {
        assert_eq!(*offset, next, "parts follow each other");
        next += count;
    }

    // Broken after each of some parts, and resumed by what the part said.
    for (offset, count) in whole.places.iter().step_by(3) {
        let rest = read(offset + count, None).await;
        assert_eq!(rest.rows, whole.rows[(offset + count) as usize..]);
        assert_eq!(rest.header, whole.header);
    }
    let some = read(8190, Some(5)).await;
    assert_eq!(some.rows, whole.rows[8190..8195]);
    assert!(
        read(PLANES as i64, None).await.rows.is_empty(),
        "behind the last row there is none"
    );

    let error = caller
        .read(&job.id, pb::ResultFormat::Json, PLANES as i64 + 1, None)
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), reason(&error).as_str()),
        (Code::OutOfRange, "WRONG_OFFSET")
    );
    let error = caller
        .read(&job.id, pb::ResultFormat::Json, -1, Some(0))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn arrow_holds_what_json_holds() {
    let bench = Bench::new().await;
    let caller = bench.as_registry();
    let job = caller.run(PLANES_TEXT).await;
    for (start, max) in [(0, None), (12_345, Some(4321)), (PLANES as i64, None)] {
        let json = caller
            .read(&job.id, pb::ResultFormat::Json, start, max)
            .await
            .unwrap();
        let arrow = caller
            .read(&job.id, pb::ResultFormat::ArrowIpc, start, max)
            .await
            .unwrap();
        assert_eq!(arrow.header, json.header);
        let table = table(&arrow.arrow);
        let names: Vec<_> = table
            .schema()
            .fields()
            .iter()
            .map(|it| it.name().clone())
            .collect();
        assert_eq!(names, ["tailnum", "maker", "letters"]);
        assert_eq!(table.num_rows(), json.rows.len());
        let letters = arrow::compute::cast(table.column(2), &arrow::datatypes::DataType::Int64).unwrap();
        let letters = letters.as_primitive::<Int64Type>();
        for (at, row) in json.rows.iter().enumerate() {
            assert_eq!(table.column(0).as_string::<i32>().value(at), text(row, "tailnum"));
            assert_eq!(table.column(1).as_string::<i32>().value(at), text(row, "maker"));
            assert!(letters.is_valid(at));
            assert_eq!(letters.value(at) as f64, number(row, "letters"));
        }
    }
}

#[tokio::test]
async fn rows_without_order_come_in_the_same_order() {
    let bench = Bench::new().await;
    let caller = bench.as_registry();
    let unordered = "SELECT origin, count(*) AS n FROM alliance.flights GROUP BY origin";
    let rows = caller.rows(unordered).await;
    let origins: Vec<_> = rows.iter().map(|it| text(it, "origin")).collect();
    assert_eq!(origins, ["EWR", "JFK"]);
    assert_eq!(rows, caller.rows(unordered).await);
}

#[tokio::test]
async fn an_empty_result_is_a_result() {
    let bench = Bench::new().await;
    let caller = bench.as_registry();
    let job = caller
        .run("SELECT tailnum FROM registry.planes WHERE maker = 'nobody'")
        .await;
    let json = caller
        .read(&job.id, pb::ResultFormat::Json, 0, None)
        .await
        .unwrap();
    assert_eq!(
        (json.header.total_rows, json.header.columns.len(), json.rows.len()),
        (0, 1, 0)
    );
    let arrow = caller
        .read(&job.id, pb::ResultFormat::ArrowIpc, 0, None)
        .await
        .unwrap();
    assert_eq!(table(&arrow.arrow).num_rows(), 0);
}

#[tokio::test]
async fn an_expired_result_says_so() {
    let bench = Bench::new().await;
    let caller = bench.as_registry();
    let job = caller.run("SELECT 1 AS one").await;
    bench
        .sql
        .run("UPDATE query_result SET expires_at = '2000-01-01'")
        .await
        .unwrap();
    let error = caller
        .read(&job.id, pb::ResultFormat::Json, 0, None)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.message().contains("expired"), "{error}");
}
