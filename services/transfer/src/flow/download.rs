use bytes::Bytes;
use datacovey_error::{Error, Result};
use datacovey_persistence::ExportJob;
use datacovey_proto::transfer::v1 as pb;
use datacovey_storage::ObjectPath;
use datacovey_types::{Ctx, TransferJobStatus};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use crate::Transfer;
use crate::domain::file::{file_compression, file_format};
use crate::domain::options::{ExportOptions, stored};
use crate::domain::progress::{ExportResult, Progress};

/// The exported file from `offset` on.
pub(crate) async fn download(
    transfer: &Transfer,
    ctx: &Ctx,
    job_id: Uuid,
    offset: u64,
) -> Result<impl Stream<Item = Result<pb::DownloadResponse>> + Send + 'static> {
    let job = transfer.database.export_job_get(ctx, job_id).await?;
    let (result, path) = result(transfer, &job)?;
    let options = job
        .run
        .as_ref()
        .and_then(|run| stored::<ExportOptions>(&run.options));
    let (format, compression) = options
        .map(|it| (file_format(it.format), file_compression(it.compression)))
        .unwrap_or_default();
    let total = result.size_bytes;
    if offset > total {
        return Err(Error::wrong_offset(offset, total));
    }
    // Nothing left to send is told by one empty part: a stream without any would say nothing.
    let parts = if offset == total {
        stream::once(async { Ok(Bytes::new()) }).boxed()
    } else {
        transfer
            .store
            .stream(&path, offset..total)
            .map_err(Error::from)
            .boxed()
    };
    let mut at = offset;
    let mut first = Some((result.sha256, format, compression));
    Ok(parts.map_ok(move |data| {
        let (sha256, format, compression) = first.take().unwrap_or_default();
        let part = pb::DownloadResponse {
            offset: signed(at),
            total_bytes: signed(total),
            data: data.clone(),
            sha256,
            format: format.into(),
            compression: compression.into(),
        };
        at += data.len() as u64;
        part
    }))
}

/// Where the file is, if it is to be had.
fn result(transfer: &Transfer, job: &ExportJob) -> Result<(ExportResult, ObjectPath)> {
    let state = |message: &str| Error::wrong_state(message).on("export_job", job.job.id);
    if job.job.status != TransferJobStatus::Completed.as_str() {
        return Err(state("the export is not completed"));
    }
    let run = job.run.as_ref().ok_or_else(|| state("the export has no file"))?;
    let expires_at = run
        .ended_at
        .map(|ended_at| ended_at + transfer.limits.export_lifetime);
    if expires_at.is_none_or(|expires_at| expires_at <= datacovey_persistence::utc_now()) {
        return Err(state("the file of the export has expired; export again"));
    }
    let result = Progress::stored(run.progress.as_ref()).result;
    let result = result.ok_or_else(|| state("the export has no file"))?;
    let path = result.path.as_deref().map(ObjectPath::from);
    let path = path.ok_or_else(|| state("the file of the export went to its URI"))?;
    Ok((result, path))
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
