//! Rows as messages.

use std::collections::BTreeMap;

use datacovey_error::{Error, Result};
use datacovey_persistence::{ExportJob, ImportJob, RejectedRowRow, ResolvedVersion, SeenVersion};
use datacovey_proto::internal::transfer::v1 as internal;
use datacovey_proto::transfer::v1 as pb;
use datacovey_storage::read::Detected;
use datacovey_types::TransferJobStatus;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

use super::field::{signed, timestamp};
use crate::Limits;
use crate::domain::failure::job_error;
use crate::domain::file::{file_compression, file_format};
use crate::domain::options::{Csv, ExportOptions, ImportOptions, Mode, stored};
use crate::domain::progress::Progress;

pub(super) fn import_job(import: ImportJob, limits: &Limits) -> Result<pb::ImportJob> {
    let ImportJob { job, run, version } = import;
    let mut message = pb::ImportJob {
        id: job.id.to_string(),
        tenant_id: job.tenant_id.to_string(),
        table_id: job.table_id.to_string(),
        state: state(&job.status)?.into(),
        created_at: job.created_at.map(timestamp),
        archived_at: job.archived_at.map(timestamp),
        version,
        ..Default::default()
    };
    // Of rows that were written as plain data there is no more.
    let Some(run) = run else { return Ok(message) };
    let progress = Progress::stored(run.progress.as_ref());
    message.created_by = run.created_by.to_string();
    message.rows_imported = if version.is_some() {
        signed(progress.rows_done)
    } else {
        0
    };
    message.rows_rejected = signed(progress.rows_rejected);
    message.ignored_columns = progress.ignored_columns.clone();
    message.error = job_error(run.error.as_ref());
    message.ended_at = run.ended_at.map(timestamp);
    let waits_for_content = run.ready_at.is_none() && run.ended_at.is_none();
    message.upload_expires_at = waits_for_content.then(|| timestamp(run.created_at + limits.upload_lifetime));
    if let Some(options) = stored::<ImportOptions>(&run.options) {
        describe_import(&mut message, options, progress.found);
    }
    message.progress = Some(progress_message(&progress));
    Ok(message)
}

/// An import that was checked and not created.
pub(super) fn checked_import(table_id: String, tenant_id: String, options: ImportOptions) -> pb::ImportJob {
    let mut message = pb::ImportJob {
        tenant_id,
        table_id,
        state: pb::JobState::Pending.into(),
        ..Default::default()
    };
    describe_import(&mut message, options, None);
    message
}

/// `found` is what the content turned out to be, once that is known.
fn describe_import(message: &mut pb::ImportJob, options: ImportOptions, found: Option<Detected>) {
    let format = found.map(|it| it.format).or(options.format);
    let compression = found.map(|it| it.compression).or(options.compression);
    message.format = format.map_or(pb::FileFormat::Unspecified, file_format).into();
    message.compression = compression
        .map_or(pb::Compression::Unspecified, file_compression)
        .into();
    message.mode = match options.mode {
        Mode::Append => pb::ImportMode::Append,
        Mode::Replace => pb::ImportMode::Replace,
        Mode::EmptyOnly => pb::ImportMode::EmptyOnly,
    }
    .into();
    message.source = Some(match options.uri {
        Some(uri) => pb::import_job::Source::Uri(uri),
        None => pb::import_job::Source::Upload(pb::UploadSource {}),
    });
    message.max_bad_records = signed(options.max_bad_records);
    message.csv = options.csv.map(csv_options);
    message.sha256 = options
        .upload
        .and_then(|upload| upload.sha256)
        .unwrap_or_default();
}

pub(super) fn export_job(export: ExportJob, limits: &Limits) -> Result<pb::ExportJob> {
    let ExportJob { job, run } = export;
    let state = state(&job.status)?;
    let mut message = pb::ExportJob {
        id: job.id.to_string(),
        tenant_id: job.tenant_id.to_string(),
        table_id: job.table_id.to_string(),
        state: state.into(),
        created_at: job.created_at.map(timestamp),
        archived_at: job.archived_at.map(timestamp),
        ..Default::default()
    };
    let Some(run) = run else { return Ok(message) };
    let progress = Progress::stored(run.progress.as_ref());
    message.created_by = run.created_by.to_string();
    message.error = job_error(run.error.as_ref());
    message.ended_at = run.ended_at.map(timestamp);
    if let (pb::JobState::Completed, Some(result)) = (state, &progress.result) {
        message.rows_exported = signed(progress.rows_done);
        message.size_bytes = Some(signed(result.size_bytes));
        message.sha256.clone_from(&result.sha256);
        message.expires_at = run
            .ended_at
            .filter(|_| result.path.is_some())
            .map(|ended_at| timestamp(ended_at + limits.export_lifetime));
    }
    if let Some(options) = stored::<ExportOptions>(&run.options) {
        message.format = file_format(options.format).into();
        message.compression = file_compression(options.compression).into();
        message.columns = options.columns;
        message.table_version = options.table_version;
        message.target = Some(match options.uri {
            Some(uri) => pb::export_job::Target::Uri(uri),
            None => pb::export_job::Target::Download(pb::DownloadTarget {}),
        });
        message.csv = options.csv.map(csv_options);
    }
    message.progress = Some(progress_message(&progress));
    Ok(message)
}

pub(super) fn rejected_row(row: RejectedRowRow) -> pb::RejectedRow {
    pb::RejectedRow {
        line: row.line,
        field: row.field.unwrap_or_default(),
        reason: row.reason,
        value: row.value.unwrap_or_default(),
        file: row.file.unwrap_or_default(),
    }
}

/// `retention`: how long the files of a version are kept that nobody reads any more.
pub(super) fn seen_version(
    table_id: Uuid,
    row: SeenVersion,
    retention: Duration,
) -> Result<pb::TableVersion> {
    let kept_until = row.released_at.filter(|_| row.swept_at.is_none());
    Ok(pb::TableVersion {
        table_id: table_id.to_string(),
        version: row.version,
        content_version: row.content_version,
        import_job_id: id_or_none(row.import_job_id),
        origin: origin(&row.mode)?.into(),
        rows: row.rows,
        size_bytes: row.bytes,
        created_at: Some(timestamp(row.created_at)),
        visible_to_others: row.visible,
        restored_from: row.restored_from,
        created_by: id_or_none(row.created_by),
        restorable: row.restorable,
        kept_until: kept_until.map(|released_at| timestamp(released_at + retention)),
        swept_at: row.swept_at.map(timestamp),
    })
}

fn id_or_none(id: Option<Uuid>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

fn origin(mode: &str) -> Result<pb::VersionOrigin> {
    match mode {
        "append" | "empty_only" => Ok(pb::VersionOrigin::Append),
        "replace" => Ok(pb::VersionOrigin::Replace),
        "compaction" => Ok(pb::VersionOrigin::Compaction),
        "restore" => Ok(pb::VersionOrigin::Restore),
        other => Err(Error::internal(format!("a version by an unknown mode: {other}"))),
    }
}

pub(super) fn resolved_version(version: ResolvedVersion) -> Result<internal::ResolvedVersion> {
    #[derive(Deserialize)]
    struct File {
        path: String,
        rows: i64,
        bytes: i64,
        checksum: String,
        #[serde(default)]
        statistics: Value,
    }
    let files = Vec::<File>::deserialize(&version.files).map_err(Error::internal)?;
    let identity_columns = identity_columns(files.iter().map(|file| &file.statistics));
    let files = files.into_iter().map(|file| internal::TableFile {
        path: file.path,
        rows: file.rows,
        size_bytes: file.bytes,
        checksum: file.checksum,
    });
    // Uniqueness is proven column by column.
    let alone = |column| internal::ColumnSet {
        columns: vec![column],
    };
    Ok(internal::ResolvedVersion {
        table_id: version.table_id.to_string(),
        version: version.version,
        content_version: version.content_version,
        rows: version.rows,
        size_bytes: version.bytes,
        files: files.collect(),
        unique_columns: version.unique_columns.into_iter().map(alone).collect(),
        identity_columns,
    })
}

/// The columns that have ids of one key in every file.
fn identity_columns<'a>(mut files: impl Iterator<Item = &'a Value>) -> Vec<internal::IdentityColumn> {
    let id = |statistics: &Value, column: &str| Some(statistics.get(column)?.get("id")?.as_str()?.to_owned());
    let Some(first) = files.next() else {
        return Vec::new();
    };
    let mut common: BTreeMap<&str, String> = first
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys)
        .filter_map(|column| Some((column.as_str(), id(first, column)?)))
        .collect();
    for statistics in files {
        common.retain(|column, fingerprint| id(statistics, column).as_ref() == Some(&*fingerprint));
    }
    let told = common
        .into_iter()
        .map(|(column, key_fingerprint)| internal::IdentityColumn {
            column: column.to_owned(),
            key_fingerprint,
        });
    told.collect()
}

pub(super) fn state(status: &str) -> Result<pb::JobState> {
    Ok(
        match status
            .parse()
            .map_err(|_| Error::internal("a job with a status of its own"))?
        {
            TransferJobStatus::Pending => pb::JobState::Pending,
            TransferJobStatus::Running => pb::JobState::Running,
            TransferJobStatus::Completed => pb::JobState::Completed,
            TransferJobStatus::Failed => pb::JobState::Failed,
        },
    )
}

fn progress_message(progress: &Progress) -> pb::Progress {
    pb::Progress {
        rows_done: signed(progress.rows_done),
        bytes_done: signed(progress.bytes_done),
        bytes_total: progress.bytes_total.map(signed),
        rows_per_second: progress.rows_per_second.map(signed),
        bytes_per_second: progress.bytes_per_second.map(signed),
    }
}

fn csv_options(csv: Csv) -> pb::CsvOptions {
    pb::CsvOptions {
        delimiter: Some(csv.delimiter.to_string()),
        quote: Some(csv.quote.to_string()),
        header: Some(csv.header),
        columns: csv.columns,
        null_values: csv.null_values,
        escape: csv.escape.map(String::from),
        comment: csv.comment.map(String::from),
        encoding: csv.encoding,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_count_where_every_file_has_them_of_one_key() {
        let told = |files: &[Value]| {
            let columns = identity_columns(files.iter()).into_iter();
            columns
                .map(|it| (it.column, it.key_fingerprint))
                .collect::<Vec<_>>()
        };
        let file = json!({ "b": { "nulls": 0, "id": "1" }, "a": { "id": "1" }, "c": { "nulls": 3 } });
        let both = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "1".to_owned())];
        assert_eq!(told(&[file.clone(), file.clone()]), both);
        let other = json!({ "a": { "id": "1" }, "b": { "id": "2" } });
        assert_eq!(told(&[file.clone(), other]), both[..1]);
        for nothing in [
            json!({}),
            json!({ "a": { "nulls": 1 } }),
            json!(null),
            json!({ "a": 1 }),
        ] {
            assert_eq!(told(&[file.clone(), nothing.clone()]), []);
            assert_eq!(told(&[nothing, file.clone()]), []);
        }
        assert_eq!(told(&[]), []);
    }
}
