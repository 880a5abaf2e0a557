use datacovey_storage::read::{CsvFormat, ReadLimits, read_import};
use datacovey_storage::write::ExportWriter;
use datacovey_storage::{Compression, FileForm, Format, ObjectPath};
use proptest::prelude::*;

use crate::kit::{Row, batch, read_all, schema, source, store};

fn row() -> impl Strategy<Value = Row> {
    let text = prop_oneof![
        "[a-z\",;\r\n ]{0,8}",
        "\\PC{0,8}",
        Just("NA".to_owned()),
        Just(String::new())
    ];
    (
        any::<i64>(),
        proptest::option::of(text),
        proptest::option::of(
            proptest::num::f64::NORMAL | proptest::num::f64::ZERO | proptest::num::f64::SUBNORMAL,
        ),
        any::<Option<bool>>(),
        proptest::option::of(-719_162..=2_932_896_i32),
        proptest::option::of(-62_135_596_800_000_000..=253_402_300_799_999_999_i64),
    )
}

fn csv_format() -> impl Strategy<Value = CsvFormat> {
    let null_values = prop_oneof![
        Just(vec![String::new()]),
        Just(vec!["NA".to_owned(), "-".to_owned()])
    ];
    (prop_oneof![Just(b','), Just(b';'), Just(b'\t')], null_values).prop_map(|(delimiter, null_values)| {
        CsvFormat {
            delimiter,
            null_values,
            ..CsvFormat::default()
        }
    })
}

fn compression() -> impl Strategy<Value = Compression> {
    prop_oneof![
        Just(Compression::None),
        Just(Compression::Gzip),
        Just(Compression::Zstd)
    ]
}

fn form() -> impl Strategy<Value = FileForm> {
    prop_oneof![
        compression().prop_map(|it| FileForm::from(Format::Ndjson).compressed(it)),
        Just(FileForm::from(Format::Parquet)),
        Just(FileForm::from(Format::Arrow)),
    ]
}

/// What is exported and imported again is the same table, bit by bit.
async fn round_trip(rows: &[Row], form: impl Into<FileForm>) {
    let form = form.into();
    let (_folder, store) = store();
    let path = ObjectPath::from("exported");
    let mut writer = ExportWriter::start(&store, path.clone(), form.clone(), schema()).unwrap();
    for part in rows.chunks(3) {
        writer.write(batch(part)).await.unwrap();
    }
    let exported = writer.finish().await.unwrap();
    assert_eq!(exported.rows, rows.len() as u64);
    let content = store.get_range(&path, 0..exported.size_bytes).await.unwrap();
    let stream = read_import(
        source(&store, &content).await,
        form,
        ReadLimits::default(),
        schema(),
    );
    let (read, rejected) = read_all(stream, &schema()).await.unwrap();
    assert_eq!(rejected, []);
    assert_eq!(read, batch(rows));
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn csv_reads_back_identically(rows in proptest::collection::vec(row(), 0..20), format in csv_format(), header: bool, compression in compression()) {
        let names = schema().columns().iter().map(|column| column.name.clone()).collect();
        let csv = CsvFormat { columns: (!header).then_some(names), ..format };
        block_on(round_trip(&rows, FileForm::from(csv).compressed(compression)));
    }

    #[test]
    fn other_formats_read_back_identically(rows in proptest::collection::vec(row(), 0..20), form in form()) {
        block_on(round_trip(&rows, form));
    }

    #[test]
    fn no_bytes_make_the_csv_reader_fail_otherwise_than_by_an_error(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        block_on(async {
            let (_folder, store) = store();
            let content = [b"id,text\n", content.as_slice()].concat();
            let read = read_all(read_import(source(&store, &content).await, Format::Csv, ReadLimits::default(), schema()), &schema()).await;
            if let Err(error) = read {
                assert!(error.to_string().contains("never closed"), "{error}");
            }
        });
    }
}
