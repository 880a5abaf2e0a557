//! Columns of which pseudonyms are stored, from files of each format into files of a table.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, FixedSizeBinaryArray, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use datacovey_storage::keys::{ProjectKeys, ProjectSecret};
use datacovey_storage::merge::{Mergeable, merge_files};
use datacovey_storage::read::{
    CheckedBatch, Piece, ReadError, ReadLimits, Rejected, read_import, read_table_files,
};
use datacovey_storage::schema::TableSchema;
use datacovey_storage::unique::UniqueProof;
use datacovey_storage::write::{ExportWriter, TableWriter, WriteOptions, Written};
use datacovey_storage::{Format, ObjectPath, Store};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use crate::kit::{read_all, source, store};

fn people() -> TableSchema {
    TableSchema::parse(&json!({
        "type": "object",
        "required": ["email"],
        "properties": {
            "email": {
                "type": "string", "x-identity": "email", "x-normalize": "email", "x-pseudonymize": true,
                "maxLength": 20, "pattern": "^[a-z]+@",
            },
            "number": { "type": ["integer", "null"], "x-pseudonymize": true, "minimum": 1 },
            "city": { "type": "string", "x-normalize": ["trim", "lowercase"], "enum": ["ely", "york"] },
            "phone": { "type": "string", "x-normalize": "phone", "x-region": "US" },
        },
    }))
    .unwrap()
}

fn keys(project: u8) -> ProjectKeys {
    ProjectSecret::new([project; 32].into()).keys()
}

async fn read(content: &[u8], format: Format) -> Result<(RecordBatch, Vec<Rejected>), ReadError> {
    let (_folder, store) = store();
    let stream = read_import(
        source(&store, content).await,
        format,
        ReadLimits::default(),
        people(),
        Some(keys(1)),
    );
    read_all(stream, &people()).await
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// Every fault as its line, field, value and reason.
fn told(rejected: &[Rejected]) -> Vec<(u64, &str, &str, &str)> {
    let all = rejected
        .iter()
        .flat_map(|it| it.faults.iter().map(|fault| (it.line, fault)));
    all.map(|(line, it)| {
        let field = it.field.as_deref().unwrap_or_default();
        (line, field, it.value.as_str(), it.reason.as_str())
    })
    .collect()
}

#[tokio::test]
async fn rows_come_as_they_are_stored_whatever_the_format() {
    let sent = "city,email,number,phone\n Ely ,Ann@Example.com ,7,(650) 253-0000\nYORK,bob@example.com,,\n";
    let (by_csv, rejected) = read(sent.as_bytes(), Format::Csv).await.unwrap();
    assert_eq!(rejected, []);
    assert_eq!(by_csv.schema(), people().arrow());
    let pseudonyms = |values: &[&str]| keys(1).pseudonyms(&texts(values)).unwrap();
    let expected = pseudonyms(&["ann@example.com", "bob@example.com"]);
    assert_eq!(by_csv["email"].as_fixed_size_binary(), &expected);
    let numbers = by_csv["number"].as_fixed_size_binary();
    assert_eq!(numbers.value(0), pseudonyms(&["7"]).value(0));
    assert!(numbers.is_null(1));
    assert_eq!(
        by_csv["city"].as_string::<i32>(),
        texts(&["ely", "york"]).as_string()
    );
    assert_eq!(by_csv["phone"].as_string::<i32>().value(0), "+16502530000");

    let file = parquet(vec![
        ("email", texts(&["ANN@example.com", "bob@EXAMPLE.com"])),
        (
            "number",
            Arc::new(arrow::array::Int16Array::from(vec![Some(7), None])),
        ),
        ("city", texts(&["ely", "york"])),
        (
            "phone",
            Arc::new(StringArray::from(vec![Some("6502530000"), None])),
        ),
    ]);
    let (by_parquet, rejected) = read(&file, Format::Parquet).await.unwrap();
    assert_eq!((by_parquet, rejected), (by_csv, vec![]));
}

#[tokio::test]
async fn what_was_sent_is_checked_and_values_that_name_somebody_are_not_told() {
    let sent = "email,number,city,phone\n\
        secret,0,Rome,+999 1\n\
        SECRET-BUT-TOO-LONG@example.com,-5,ely,\n\
        s3cret@example.com,secret,ely,\n\
        ,1,ely,\n\
        ann@example.com,1\n";
    let (good, rejected) = read(sent.as_bytes(), Format::Csv).await.unwrap();
    assert_eq!(good.num_rows(), 0);
    assert_eq!(
        told(&rejected),
        [
            (2, "email", "", "is not an e-mail address as in name@example.com"),
            (2, "number", "", "must be at least 1"),
            (2, "city", "rome", "is not one of the allowed values"),
            (2, "phone", "+999 1", "is not a phone number"),
            (3, "email", "", "has 31 characters, may have at most 20"),
            (3, "number", "", "must be at least 1"),
            (4, "number", "", "is not an integer"),
            (4, "email", "", "does not match the pattern ^[a-z]+@"),
            (5, "email", "", "is required and has no value"),
            (6, "", "", "has 2 fields instead of 4"),
        ]
    );
    // A long value is shortened.
    let long = format!("email,phone\nann@example.com,{}\n", "1".repeat(1_000));
    let (_, rejected) = read(long.as_bytes(), Format::Csv).await.unwrap();
    assert_eq!(rejected[0].faults[0].value.chars().count(), 200);
    // A file without a line of names has values where names should be.
    let error = read(b"secret@example.com,1,ely,\n", Format::Csv)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("none of the 4 names") && !error.contains("secret"),
        "{error}"
    );
    let error = read(b"email,phon\n", Format::Csv).await;
    assert!(error.is_ok(), "a name that is none of the table's is passed over");
}

#[tokio::test]
async fn every_format_gives_the_same_pseudonyms() {
    let (in_csv, _) = read(b"email,number,city\n Ann@Example.com ,7, York\n", Format::Csv)
        .await
        .unwrap();
    let object = json!({"city": " York", "number": 7, "email": " Ann@Example.com "}).to_string();
    let (in_ndjson, rejected) = read(object.as_bytes(), Format::Ndjson).await.unwrap();
    assert_eq!(rejected, []);
    assert_eq!(in_ndjson, in_csv);
}

#[tokio::test]
async fn pseudonyms_are_no_values_and_without_keys_nothing_is_read() {
    let pseudonyms = keys(1).pseudonyms(&texts(&["ann@example.com"])).unwrap();
    let file = parquet(vec![("email", Arc::new(pseudonyms))]);
    let error = read(&file, Format::Parquet).await.unwrap_err().to_string();
    assert!(
        error.contains("FixedSizeBinary(32), which does not become string"),
        "{error}"
    );
    let (_folder, store) = store();
    let sent = source(&store, b"email\nann@example.com\n").await;
    let mut stream = read_import(sent, Format::Csv, ReadLimits::default(), people(), None);
    assert!(matches!(stream.next().await, Some(Err(ReadError::Store(_)))));
    assert!(stream.next().await.is_none());
}

async fn write(store: &Store, folder: &str, content: &str) -> (RecordBatch, Written) {
    let mut writer = TableWriter::start(
        store.clone(),
        ObjectPath::from(folder),
        people(),
        Some(keys(1)),
        WriteOptions::default(),
    );
    let mut batches = Vec::new();
    let mut stream = read_import(
        source(store, content.as_bytes()).await,
        Format::Csv,
        ReadLimits::default(),
        people(),
        Some(keys(1)),
    );
    while let Some(checked) = stream.next().await {
        let CheckedBatch { batch, rejected, .. } = checked.unwrap();
        assert_eq!(rejected, []);
        batches.push(batch.clone());
        writer.write(batch).await.unwrap();
    }
    let all = concat_batches(&people().arrow(), &batches).unwrap();
    (all, writer.finish().await.unwrap())
}

fn pieces(written: &Written) -> Vec<Piece> {
    let piece = |file: &datacovey_storage::write::WrittenFile| Piece {
        path: file.path.clone(),
        size_bytes: file.size_bytes,
    };
    written.files.iter().map(piece).collect()
}

fn mergeable(written: &Written) -> Vec<Mergeable> {
    let of = written.files.iter().zip(pieces(written));
    of.map(|(file, piece)| Mergeable {
        piece,
        rows: file.rows,
        sha256: file.sha256.clone(),
        statistics: file.statistics.clone(),
    })
    .collect()
}

#[tokio::test]
async fn files_hold_pseudonyms_with_ids_beside_them_and_no_value() {
    let (folder, store) = store();
    let (first, one) = write(
        &store,
        "t/1",
        "email,number,city\nann@example.com,7,ely\nbob@example.com,8,\n",
    )
    .await;
    let (_, two) = write(&store, "t/2", "email,number,city\nann@example.com,7,york\n").await;
    let fingerprint = keys(1).fingerprint().to_owned();
    let statistics = &one.files[0].statistics;
    let known = json!({ "nulls": 0, "distinct": 2, "id": fingerprint, "pseudonym": fingerprint });
    assert_eq!(statistics["email"], known);
    let known = json!({ "nulls": 0, "distinct": 2, "pseudonym": fingerprint });
    assert_eq!(statistics["number"], known);
    assert_eq!(one.unique.candidates(), ["email"]);

    // Files of other keys are never merged into these.
    let [mut all, others] = [mergeable(&one), mergeable(&two)];
    all.extend(others);
    let merged = merge_files(
        store.clone(),
        ObjectPath::from("t/3"),
        all.clone(),
        people(),
        u64::MAX,
    )
    .await
    .unwrap();
    assert_eq!((merged.merged.len(), merged.files.len()), (2, 1));
    assert_eq!(
        merged.files[0].statistics["email"]["pseudonym"],
        json!(fingerprint)
    );
    all[1].statistics["email"]["pseudonym"] = json!("another");
    let apart = merge_files(store.clone(), ObjectPath::from("t/4"), all, people(), u64::MAX)
        .await
        .unwrap();
    assert!(apart.files.is_empty());

    // Whoever reads them finds what was written, and no value on the disk.
    let file = &merged.files[0];
    let piece = Piece {
        path: file.path.clone(),
        size_bytes: file.size_bytes,
    };
    let (read, _) = read_all(read_table_files(store.clone(), vec![piece], people()), &people())
        .await
        .unwrap();
    assert_eq!(read.slice(0, 2), first);
    let tables = folder.path().join("t");
    let mut seen = 0;
    for entry in walk(&tables) {
        let bytes = std::fs::read(&entry).unwrap();
        seen += 1;
        for value in ["example.com", "ann@", "bob@"] {
            let holds = bytes.windows(value.len()).any(|part| part == value.as_bytes());
            assert!(!holds, "{value} in {}", entry.display());
        }
    }
    assert_eq!(seen, 3);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

#[tokio::test]
async fn repeated_values_are_found_by_their_pseudonyms() {
    let (_folder, store) = store();
    let (_, one) = write(&store, "t/1", "email\nann@example.com\nbob@example.com\n").await;
    let (_, two) = write(&store, "t/2", "email\nBOB@example.com\n").await;
    let kept = pieces(&one);
    let proof = |written: Written| async {
        let proof = written
            .unique
            .add_kept_files(&store, kept.clone(), &people())
            .await;
        proof.unwrap().finish().await.unwrap().unique().to_vec()
    };
    assert!(proof(two).await.is_empty());
    let (_, three) = write(&store, "t/3", "email\ncid@example.com\n").await;
    assert_eq!(proof(three).await, ["email"]);
    let none = UniqueProof::new(&people(), &WriteOptions::default().unique);
    assert_eq!(none.candidates(), ["email"]);
}

#[tokio::test]
async fn an_export_has_hexadecimal_digits_in_text_and_bytes_in_parquet() {
    let (_folder, store) = store();
    let (batch, _) = write(&store, "t", "email\nann@example.com\n").await;
    let narrow = people()
        .select(&["email".to_owned(), "number".to_owned()])
        .unwrap();
    let batch = batch.project(&[0, 1]).unwrap();
    let export = |format: Format, name: &str| {
        let path = ObjectPath::from(name);
        let writer = ExportWriter::start(&store, path.clone(), format, narrow.clone());
        let (store, batch) = (store.clone(), batch.clone());
        async move {
            let mut writer = writer.unwrap();
            writer.write(batch).await.unwrap();
            let size_bytes = writer.finish().await.unwrap().size_bytes;
            store.get_range(&path, 0..size_bytes).await.unwrap()
        }
    };
    let text = async |format, name| String::from_utf8(export(format, name).await.to_vec()).unwrap();
    let pseudonym = batch["email"].as_fixed_size_binary().value(0);
    let hex = hex::encode(pseudonym);
    assert_eq!(
        text(Format::Csv, "csv").await,
        format!("email,number\r\n{hex},\r\n")
    );
    let object: Value = serde_json::from_str(&text(Format::Ndjson, "ndjson").await).unwrap();
    assert_eq!(object["email"], json!(hex));

    let bytes = export(Format::Parquet, "parquet").await;
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes);
    let read = reader.unwrap().build().unwrap().next().unwrap().unwrap();
    let values: &FixedSizeBinaryArray = read["email"].as_fixed_size_binary();
    assert_eq!(values.value(0), pseudonym);
}
