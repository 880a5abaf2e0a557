//! Compressed files: whole, cut short, damaged, and larger than they look.

use std::io::Write as _;

use datacovey_storage::read::{CsvFormat, ReadError, ReadLimits, detect, read_import};
use datacovey_storage::{Compression, FileForm, Format};
use flate2::write::GzEncoder;

use crate::kit::{read_all, schema, source, store};

fn csv(from: u32, to: u32) -> Vec<u8> {
    let rows = (from..to).map(|id| format!("{id},text {}\n", id.wrapping_mul(2_654_435_761)));
    rows.collect::<String>().into_bytes()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// With a checksum, as the tools of Zstandard write it.
fn zstd(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// CSV without a header.
fn rows(compression: Compression) -> FileForm {
    let csv = CsvFormat {
        columns: Some(vec!["id".to_owned(), "text".to_owned()]),
        ..CsvFormat::default()
    };
    FileForm::from(csv).compressed(compression)
}

async fn read(content: &[u8], form: FileForm) -> Result<usize, String> {
    read_within(ReadLimits::default(), content, form).await
}

async fn read_within(limits: ReadLimits, content: &[u8], form: FileForm) -> Result<usize, String> {
    let (_folder, store) = store();
    let stream = read_import(source(&store, content).await, form, limits, schema());
    match read_all(stream, &schema()).await {
        Ok((batch, rejected)) => {
            assert_eq!(rejected, []);
            Ok(batch.num_rows())
        }
        Err(ReadError::Content { reason, .. }) => Err(reason),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn members_and_frames_are_read_one_after_the_other() {
    let parts = [csv(0, 50_000), Vec::new(), csv(50_000, 60_000)];
    for (compression, pack) in [
        (Compression::Gzip, gzip as fn(&[u8]) -> Vec<u8>),
        (Compression::Zstd, zstd),
    ] {
        let content: Vec<u8> = parts.iter().flat_map(|part| pack(part)).collect();
        let rows = rows(compression);
        assert_eq!(read(&content, rows).await, Ok(60_000));
    }
}

#[tokio::test]
async fn progress_is_of_the_bytes_that_were_sent() {
    let (_folder, store) = store();
    let content = gzip(&csv(0, 60_000));
    let form = rows(Compression::Gzip);
    let mut stream = read_import(
        source(&store, &content).await,
        form,
        ReadLimits::default(),
        schema(),
    );
    let mut bytes = Vec::new();
    while let Some(batch) = stream.next().await {
        bytes.push(batch.unwrap().bytes_read);
    }
    assert!(bytes.is_sorted(), "{bytes:?}");
    assert_eq!(bytes.last(), Some(&(content.len() as u64)));
}

#[tokio::test]
async fn what_is_cut_short_or_damaged_says_so() {
    let (gzip, zstd) = (gzip(&csv(0, 60_000)), zstd(&csv(0, 60_000)));
    for (content, compression) in [(gzip, Compression::Gzip), (zstd, Compression::Zstd)] {
        let file = || rows(compression);
        for length in [1, 5, content.len() / 2, content.len() - 1] {
            let reason = read(&content[..length], file()).await.unwrap_err();
            assert!(
                reason.contains("cut short"),
                "{compression} of {length} bytes: {reason}"
            );
        }
        let mut flipped = content.clone();
        flipped[content.len() / 2] ^= 0xff;
        let reason = read(&flipped, file()).await.unwrap_err();
        assert!(reason.contains("damaged"), "{compression}: {reason}");
        let followed = [&content[..], b"and more"].concat();
        let reason = read(&followed, file()).await.unwrap_err();
        assert!(
            reason.contains(&compression.to_string()),
            "{compression}: {reason}"
        );
    }
}

#[tokio::test]
async fn content_that_unpacks_to_too_much_is_refused() {
    let limits = ReadLimits {
        unpacked_bytes: 1_000_000,
        ..ReadLimits::default()
    };
    let packed = gzip(&csv(0, 60_000));
    let reason = read_within(limits, &packed, rows(Compression::Gzip))
        .await
        .unwrap_err();
    assert_eq!(
        reason,
        "the content unpacks to more than 1000000 bytes; import it in parts"
    );

    // 256 MiB of blank lines in a few kilobytes.
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    for _ in 0..256 {
        encoder.write_all(&[b'\n'; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 100_000);
    let reason = read(&bomb, rows(Compression::Zstd)).await.unwrap_err();
    assert!(reason.contains("more than 1000 times its size"), "{reason}");
}

#[tokio::test]
async fn parquet_is_not_read_from_within_another_compression() {
    let form = FileForm::from(Format::Parquet).compressed(Compression::Gzip);
    let reason = read(&gzip(b"PAR1"), form).await.unwrap_err();
    assert!(reason.starts_with("Parquet is compressed within"), "{reason}");
}

#[tokio::test]
async fn files_tell_what_they_are() {
    let (_folder, store) = store();
    let ndjson = b"\n{\"id\": 1}\n";
    for (content, name, kind, compression) in [
        (b"id\n1\n".to_vec(), None, Format::Csv, Compression::None),
        (ndjson.to_vec(), None, Format::Ndjson, Compression::None),
        (gzip(ndjson), None, Format::Ndjson, Compression::Gzip),
        (
            zstd(ndjson),
            Some("s3://b/x.parquet"),
            Format::Ndjson,
            Compression::Zstd,
        ),
        (
            gzip(b"id\n"),
            Some("s3://b/x.csv.gz"),
            Format::Csv,
            Compression::Gzip,
        ),
        (
            b"{id\n1\n".to_vec(),
            Some("x.csv"),
            Format::Csv,
            Compression::None,
        ),
        (
            b"PAR1".to_vec(),
            Some("x.csv"),
            Format::Parquet,
            Compression::None,
        ),
        (gzip(b"PAR1")[..12].to_vec(), None, Format::Csv, Compression::Gzip),
        (Vec::new(), None, Format::Csv, Compression::None),
        (Vec::new(), Some("x.jsonl"), Format::Ndjson, Compression::None),
    ] {
        let found = detect(source(&store, &content).await, None, None, name)
            .await
            .unwrap();
        assert_eq!(
            (found.format, found.compression),
            (kind, compression),
            "{content:?} {name:?}"
        );
    }
}

#[tokio::test]
async fn what_is_said_and_not_true_is_a_failure() {
    let (_folder, store) = store();
    let refused = async |content: &[u8], kind, compression| {
        let source = source(&store, content).await;
        detect(source, kind, compression, None)
            .await
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(b"PAR1", Some(Format::Csv), None).await,
        "the content was said to be CSV, and its first bytes say that it is Parquet"
    );
    assert_eq!(
        refused(&gzip(b"ARROW1\0\0"), Some(Format::Ndjson), None).await,
        "the content was said to be NDJSON, and its first bytes say that it is Arrow"
    );
    assert_eq!(
        refused(b"id\n", None, Some(Compression::Gzip)).await,
        "the content was said to have gzip, and its first bytes say no compression"
    );
}
