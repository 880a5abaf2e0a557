//! What nobody should send, by whole import jobs, and what each is answered with.
//!
//! `cargo test -p datacovey-transfer --test it bad_inputs -- --nocapture` prints the table.

mod world;

use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use datacovey_proto::transfer::v1 as pb;
use http::Method;
use parquet::arrow::ArrowWriter;

use crate::s3::Fault;

use self::world::{Expected, FAILED, World, planes};

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn parquet() -> Vec<u8> {
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..5_000).map(|n| format!("N{n}"))));
    let batch = RecordBatch::try_from_iter([("tailnum", names)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn rows(count: usize) -> Vec<u8> {
    let rows = (0..count).map(|n| format!("N{n},{},2013-01-31\n", 1950 + n % 70));
    format!("tailnum,year,built\n{}", rows.collect::<String>()).into_bytes()
}

#[tokio::test]
async fn bad_inputs() {
    let mut world = World::start().await;
    let csv = world.of(pb::FileFormat::Csv);
    let first = world.whole(csv.clone(), rows(2)).await;
    assert_eq!(
        (first.state.as_str(), world.holds().await.as_str()),
        ("completed", "1 1 2")
    );
    println!("| input | job | code | message |\n|---|---|---|---|");
    damaged_and_too_large(&mut world).await;
    odd_values(&mut world).await;
    odd_columns(&mut world).await;
    addresses(&mut world).await;
    stores(&mut world).await;
    together(&mut world).await;
    assert!(world.faults.is_empty(), "\n{}", world.faults.join("\n"));
}

async fn damaged_and_too_large(world: &mut World) {
    let packed = gzip(&rows(20_000));
    let answer = world
        .whole(world.request(), packed[..packed.len() / 2].to_vec())
        .await;
    let expected = Expected("failed", FAILED, &["gzip", "cut short"]);
    world.check("truncated gzip", answer, expected).await;

    let whole = parquet();
    for (name, cut) in [
        ("half of a Parquet file", whole.len() / 2),
        ("Parquet without its last byte", whole.len() - 1),
    ] {
        let answer = world
            .whole(world.of(pb::FileFormat::Parquet), whole[..cut].to_vec())
            .await;
        world
            .check(
                name,
                answer,
                Expected("failed", FAILED, &["Parquet", "cut short"]),
            )
            .await;
    }

    // Made while it is sent; the worker reads no more of it than the limit.
    let line = [b"tailnum\nN1\n\"".to_vec()]
        .into_iter()
        .chain((0..40).map(|_| vec![b'x'; 1 << 20]));
    let answer = world.send(world.of(pb::FileFormat::Csv), line).await;
    let expected = Expected(
        "failed",
        FAILED,
        &["line 3", "more than 16777216 bytes", "is a quote not closed"],
    );
    world.check("CSV with one line of 40 MiB", answer, expected).await;
    let line = [b"{\"tailnum\": \"".to_vec()]
        .into_iter()
        .chain((0..40).map(|_| vec![b'x'; 1 << 20]));
    let answer = world.send(world.of(pb::FileFormat::Ndjson), line).await;
    let expected = Expected(
        "failed",
        FAILED,
        &["line 1", "more than 16777216 bytes", "missing line end"],
    );
    world
        .check("NDJSON with one line of 40 MiB", answer, expected)
        .await;

    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    for _ in 0..256 {
        encoder.write_all(&[b'\n'; 1 << 20]).unwrap();
    }
    let answer = world
        .whole(world.of(pb::FileFormat::Ndjson), encoder.finish().unwrap())
        .await;
    let expected = Expected(
        "failed",
        FAILED,
        &[
            "unpacks to more than 1000 times its size",
            "send it without compression",
        ],
    );
    world
        .check("zip bomb (256 MiB of nothing)", answer, expected)
        .await;
}

async fn odd_values(world: &mut World) {
    for (name, content, words) in [
        (
            "number out of range",
            &b"tailnum,year\nN1,99999999999999999999\n"[..],
            &[
                "line 2",
                "\"year\"",
                "out of the range of a 64-bit integer",
                "ListRejectedRows",
            ][..],
        ),
        (
            "date of year 99999",
            b"tailnum,built\nN1,99999-01-01\n",
            &["line 2", "\"built\"", "is not a date as in 2013-01-31"],
        ),
        (
            "invalid UTF-8",
            b"tailnum\nN\xff1\n",
            &["line 2", "\"tailnum\"", "is not UTF-8"],
        ),
    ] {
        let answer = world.whole(world.of(pb::FileFormat::Csv), content.to_vec()).await;
        world.check(name, answer, Expected("failed", FAILED, words)).await;
    }
    let text = b"{\"tailnum\": \"N1\", \"year\": 1e99}\n".to_vec();
    let answer = world.whole(world.of(pb::FileFormat::Ndjson), text).await;
    let expected = Expected("failed", FAILED, &["line 1", "\"year\"", "out of the range"]);
    world
        .check("number out of range in NDJSON", answer, expected)
        .await;
}

async fn odd_columns(world: &mut World) {
    let csv = world.of(pb::FileFormat::Csv);
    let answer = world
        .whole(csv.clone(), b"tailnum,year,tailnum\nN1,1,N2\n".to_vec())
        .await;
    let expected = Expected(
        "failed",
        FAILED,
        &["columns of the file", "\"tailnum\" occurs twice"],
    );
    world.check("duplicate columns", answer, expected).await;

    let names = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",");
    let answer = world
        .whole(csv.clone(), format!("{}\n", names(10_000)).into_bytes())
        .await;
    let expected = Expected(
        "failed",
        FAILED,
        &["\"tailnum\" is missing", "\"c0\"", "and 9981 more"],
    );
    world
        .check("10,000 columns, none the table's", answer, expected)
        .await;
    let answer = world
        .whole(csv.clone(), format!("tailnum,{}\n", names(20_000)).into_bytes())
        .await;
    let expected = Expected("failed", FAILED, &["line 1", "16384 fields"]);
    world.check("20,000 columns", answer, expected).await;

    let answer = world.whole(csv.clone(), Vec::new()).await;
    let expected = Expected("failed", FAILED, &["empty", "line of column names"]);
    world.check("empty file", answer, expected).await;

    // What is good, too, goes into a table of its own.
    let before = world.table.clone();
    for (name, content, state, words) in [
        (
            "header alone",
            "tailnum,year\n".to_owned(),
            "completed",
            &["0 rows imported"][..],
        ),
        (
            "10,000 columns, one of them the table's",
            format!("tailnum,{0}\nN1,{0}\n", names(9_999)),
            "completed",
            &["1 rows imported", "passed over: c0", "and 9979 more"],
        ),
    ] {
        world.table = world
            .suite
            .table_of(world.suite.ours, &format!("of {name}"), &planes())
            .await;
        let answer = world
            .whole(world.of(pb::FileFormat::Csv), content.into_bytes())
            .await;
        world.told(name, &answer, &Expected(state, "-", words));
    }
    world.table = before;
}

async fn addresses(world: &mut World) {
    let folder = world.folder.path().display().to_string();
    for (name, uri, words) in [
        (
            "path leaving the prefix",
            format!("file://{folder}/in/../secret.csv"),
            &["uri", ".."][..],
        ),
        (
            "the same, encoded",
            format!("file://{folder}/in/%2e%2e/secret.csv"),
            &["uri", ".."],
        ),
        (
            "path beside the prefix",
            format!("file://{folder}/secret.csv"),
            &["uri", "is not allowed; what is below"],
        ),
        (
            "URI at an internal address",
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            &[
                "uri",
                "begins with http: and not with file://, s3://, gs:// or az://",
            ],
        ),
        (
            "bucket at an internal address",
            "s3://169.254.169.254/planes/a.csv".to_owned(),
            &["uri", "is not allowed; what is below"],
        ),
        (
            "the suite's own store",
            "s3://suite/data/x.csv".to_owned(),
            &["uri", "is not allowed; what is below"],
        ),
    ] {
        let answer = world.named(uri).await;
        world
            .check(name, answer, Expected("no job", "INVALID_FIELD", words))
            .await;
    }
}

async fn stores(world: &mut World) {
    world.s3.put("lake/planes/a.csv", "tailnum\nN7\n");
    for (name, fault) in [
        ("store that answers 500", Fault::Answer(500)),
        ("store that hangs", Fault::Hang),
    ] {
        let reads = move |method: &Method, path: &str| method == Method::GET && path.starts_with("/lake/");
        world
            .s3
            .fail(move |method, path| if reads(method, path) { fault } else { Fault::None });
        let answer = world.named("s3://lake/planes/a.csv").await;
        let expected = Expected("failed", "UNAVAILABLE", &["s3://lake/planes/a.csv", "retry"]);
        world.check(name, answer, expected).await;
    }
    // What a full disk is to a service whose objects are on it: nothing of a table can be written.
    let writes = |method: &Method, path: &str| method == Method::PUT && path.contains("/tenant/");
    world.s3.fail(move |method, path| {
        if writes(method, path) {
            Fault::Answer(507)
        } else {
            Fault::None
        }
    });
    let answer = world.whole(world.of(pb::FileFormat::Csv), rows(50)).await;
    world.s3.fail(|_, _| Fault::None);
    let expected = Expected("failed", "UNAVAILABLE", &["object store", "retry"]);
    world
        .check("full disk (the store answers 507)", answer, expected)
        .await;
}

async fn together(world: &mut World) {
    let import = async |world: &World, mode: pb::ImportMode, count: usize| {
        let request = pb::CreateImportJobRequest {
            mode: mode.into(),
            ..world.of(pb::FileFormat::Csv)
        };
        world.whole(request, rows(count)).await
    };
    for (name, mode, expected) in [
        (
            "two imports at once, append",
            pb::ImportMode::Append,
            &["3 3 32"][..],
        ),
        // The last one's rows, whichever that was.
        (
            "two imports at once, replace",
            pb::ImportMode::Replace,
            &["5 1 10", "5 1 20"],
        ),
    ] {
        let (one, other) = tokio::join!(import(world, mode, 10), import(world, mode, 20));
        for answer in [one, other] {
            world.told(name, &answer, &Expected("completed", "-", &["rows imported"]));
        }
        let holds = world.holds().await;
        if !expected.contains(&holds.as_str()) {
            world.faults.push(format!("{name}: the table holds {holds}"));
        }
    }
}
