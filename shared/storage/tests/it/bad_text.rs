//! CSV and NDJSON that nobody should send.

use datacovey_storage::read::{CsvFormat, ReadError, ReadLimits, Rejected, read_import};
use datacovey_storage::schema::TableSchema;
use datacovey_storage::{FileForm, Format};
use serde_json::{Map, Value, json};

use crate::kit::{read_all, schema, source, store};

async fn read_into(
    table: &TableSchema,
    content: &[u8],
    form: impl Into<FileForm>,
) -> Result<(usize, Vec<Rejected>), String> {
    let (_folder, store) = store();
    let stream = read_import(
        source(&store, content).await,
        form,
        ReadLimits::default(),
        table.clone(),
    );
    match read_all(stream, table).await {
        Ok((batch, rejected)) => Ok((batch.num_rows(), rejected)),
        Err(ReadError::Content { reason, .. }) => Err(reason),
        Err(other) => panic!("{other}"),
    }
}

async fn read(content: &[u8], form: impl Into<FileForm>) -> Result<(usize, Vec<Rejected>), String> {
    read_into(&schema(), content, form).await
}

#[tokio::test]
async fn files_without_rows_are_none_or_say_so() {
    assert_eq!(read(b"", Format::Ndjson).await, Ok((0, vec![])));
    assert_eq!(read(b"\n\r\n \n", Format::Ndjson).await, Ok((0, vec![])));
    assert!(read(b"", Format::Csv).await.unwrap_err().contains("empty"));
    assert_eq!(read(b"id,text\n", Format::Csv).await, Ok((0, vec![])));
    assert!(
        read(b"id,id\n1,2\n", Format::Csv)
            .await
            .unwrap_err()
            .contains("occurs twice")
    );
}

#[tokio::test]
async fn values_out_of_range_are_bad_records() {
    let text = "id,number,day,at\n99999999999999999999,1,,\n1,1e999,,\n2,,99999-01-01,\n3,,,99999-01-01T00:00:00Z\n4,5,2013-01-01,2013-01-01T00:00:00Z\n";
    let (rows, rejected) = read(text.as_bytes(), Format::Csv).await.unwrap();
    let fields: Vec<_> = rejected
        .iter()
        .map(|it| (it.line, it.faults[0].field.as_deref().unwrap()))
        .collect();
    assert_eq!(
        (rows, fields),
        (1, vec![(2, "id"), (3, "number"), (4, "day"), (5, "at")])
    );
}

#[tokio::test]
async fn text_in_other_encodings_is_read_and_what_is_not_utf8_is_rejected() {
    let text = b"id,text\n1,caf\xe9\n";
    let (rows, rejected) = read(text, Format::Csv).await.unwrap();
    assert_eq!((rows, rejected[0].faults[0].reason.as_str()), (0, "is not UTF-8"));
    let latin = CsvFormat {
        encoding: Some("latin1".to_owned()),
        ..CsvFormat::default()
    };
    assert_eq!(read(text, latin).await, Ok((1, vec![])));
}

#[tokio::test]
async fn ten_thousand_columns_are_read_where_the_table_is_open() {
    let names: Vec<String> = (0..10_000).map(|at| format!("c{at}")).collect();
    let table = |closed: bool| {
        let properties: Map<String, Value> = names[9_000..]
            .iter()
            .map(|name| (name.clone(), json!({ "type": "integer" })))
            .collect();
        TableSchema::parse(&json!({
            "type": "object", "properties": properties, "additionalProperties": !closed,
        }))
        .unwrap()
    };
    let row = vec!["7"; 10_000].join(",");
    let text = format!("{}\n{}\n{row}\n{row},8\n", names.join(","), row);
    let (rows, rejected) = read_into(&table(false), text.as_bytes(), Format::Csv)
        .await
        .unwrap();
    assert_eq!((rows, rejected.len()), (2, 1));
    assert_eq!(rejected[0].faults[0].reason, "has 10001 fields instead of 10000");
    let reason = read_into(&table(true), text.as_bytes(), Format::Csv)
        .await
        .unwrap_err();
    assert!(
        reason.contains("no column \"c0\"") && reason.ends_with("and 8980 more"),
        "{reason}"
    );
    let too_many = format!("{}\n", names.join(",").repeat(2));
    let reason = read_into(&table(false), too_many.as_bytes(), Format::Csv)
        .await
        .unwrap_err();
    assert!(reason.contains("16384 fields"), "{reason}");
}
