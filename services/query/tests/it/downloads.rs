//! Results as files.

use arrow::array::AsArray as _;
use arrow::ipc::reader::StreamReader;
use datacovey_proto::query::v1 as pb;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use sha2::{Digest as _, Sha256};
use tonic::{Code, Status};

use crate::clients::{Caller, reason};
use crate::fixture::{Bench, PLANES, tail};

const PLANES_TEXT: &str = "SELECT tailnum, maker FROM registry.planes ORDER BY tailnum";

struct File {
    content: Vec<u8>,
    sha256: String,
    total: i64,
}

async fn download(
    caller: &Caller,
    job_id: &str,
    format: pb::ResultFileFormat,
    offset: i64,
) -> Result<File, Status> {
    let request = pb::DownloadResultsRequest {
        query_job_id: job_id.to_owned(),
        format: format.into(),
        offset,
    };
    let mut parts = caller.jobs.clone().download_results(request).await?.into_inner();
    let first = parts.message().await?.unwrap();
    let mut file = File {
        content: first.data.to_vec(),
        sha256: first.sha256,
        total: first.total_bytes,
    };
    assert_eq!(first.offset, offset);
    while let Some(part) = parts.message().await? {
        assert_eq!(part.offset, offset + file.content.len() as i64);
        assert!(!part.data.is_empty() && part.data.len() <= 1 << 20 && part.sha256.is_empty());
        file.content.extend_from_slice(&part.data);
    }
    Ok(file)
}

#[tokio::test]
async fn a_result_is_one_file_from_any_byte_on() {
    use pb::ResultFileFormat::{Arrow, Csv, Json, Ndjson, Parquet};
    let bench = Bench::new().await;
    let caller = bench.as_registry();
    let job = caller.run(PLANES_TEXT).await;
    for format in [Csv, Ndjson, Json, Parquet, Arrow] {
        let whole = download(&caller, &job.id, format, 0).await.unwrap();
        assert_eq!(whole.total, whole.content.len() as i64, "{format:?}");
        let digits = hex::encode(Sha256::digest(&whole.content));
        assert_eq!(whole.sha256, digits, "{format:?}");
        for offset in [1, whole.total / 2, whole.total - 1, whole.total] {
            let rest = download(&caller, &job.id, format, offset).await.unwrap();
            assert!(
                rest.content == whole.content[offset as usize..],
                "{format:?} from {offset}"
            );
            assert_eq!((rest.sha256, rest.total), (whole.sha256.clone(), whole.total));
        }
        let error = download(&caller, &job.id, format, whole.total + 1)
            .await
            .err()
            .unwrap();
        assert_eq!(
            (error.code(), reason(&error).as_str()),
            (Code::OutOfRange, "WRONG_OFFSET")
        );

        let names: Vec<String> = match format {
            Csv => lines(&whole.content)
                .skip(1)
                .map(|it| it.split(',').next().unwrap().to_owned())
                .collect(),
            Ndjson => lines(&whole.content)
                .map(|it| name(&serde_json::from_str(it).unwrap()))
                .collect(),
            Json => {
                let rows: Vec<serde_json::Value> = serde_json::from_slice(&whole.content).unwrap();
                rows.iter().map(name).collect()
            }
            Parquet => {
                let reader =
                    ParquetRecordBatchReader::try_new(bytes::Bytes::from(whole.content), 1000).unwrap();
                reader.flat_map(|batch| first_column(&batch.unwrap())).collect()
            }
            _ => {
                let reader = StreamReader::try_new(whole.content.as_slice(), None).unwrap();
                reader.flat_map(|batch| first_column(&batch.unwrap())).collect()
            }
        };
        assert!(names.into_iter().eq((0..PLANES).map(tail)), "{format:?}");
    }
}

fn lines(content: &[u8]) -> impl Iterator<Item = &str> {
    std::str::from_utf8(content).unwrap().lines()
}

fn name(row: &serde_json::Value) -> String {
    row["tailnum"].as_str().unwrap().to_owned()
}

fn first_column(batch: &arrow::array::RecordBatch) -> Vec<String> {
    let column = batch.column(0).as_string::<i32>();
    column.iter().map(|it| it.unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_file_is_its_tenants_and_there_until_it_expires() {
    let bench = Bench::new().await;
    let (caller, other) = (bench.as_registry(), bench.as_alliance());
    let job = caller.run("SELECT 1 AS one").await;
    let file = download(&caller, &job.id, pb::ResultFileFormat::Unspecified, 0)
        .await
        .unwrap();
    assert_eq!(file.content, b"one\r\n1\r\n");
    let error = download(&other, &job.id, pb::ResultFileFormat::Csv, 0)
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), Code::NotFound);
    // Though it is remembered how long the file is.
    bench
        .sql
        .run("UPDATE query_result SET expires_at = '2000-01-01'")
        .await
        .unwrap();
    let error = download(&caller, &job.id, pb::ResultFileFormat::Csv, 0)
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), Code::FailedPrecondition);
    for (id, offset) in [("x", 0), (job.id.as_str(), -1)] {
        let error = download(&caller, id, pb::ResultFileFormat::Csv, offset)
            .await
            .err()
            .unwrap();
        assert_eq!(error.code(), Code::InvalidArgument);
    }
}
