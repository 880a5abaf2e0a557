//! Why a job failed, as its owner reads it.

use std::collections::BTreeMap;

use datacovey_error::ErrorReason;
use datacovey_jobs::JobFailure;
use datacovey_proto::transfer::v1 as pb;
use datacovey_storage::read::{Fault, ReadError, Rejected};
use datacovey_storage::schema::SchemaViolation;
use datacovey_storage::unique::Repeat;
use serde_json::Value;

/// The error of a run row. The queue's own reasons (an upload that expired, attempts used up) are
/// told as the one for transfers; their message says which.
pub(crate) fn job_error(error: Option<&Value>) -> Option<pb::JobError> {
    let failure = JobFailure::stored(error)?;
    let reason = failure.error_reason().unwrap_or(match failure.reason.as_str() {
        "CREATOR_ARCHIVED" => ErrorReason::Archived,
        _ => ErrorReason::TransferFailed,
    });
    Some(pb::JobError {
        reason: reason.into(),
        message: failure.message,
        line: failure.line.and_then(|line| i64::try_from(line).ok()),
        field: failure.field.unwrap_or_default(),
    })
}

/// What stopped the reading of a staged file.
pub(crate) fn of_content(error: ReadError) -> JobFailure {
    match error {
        ReadError::Content { line, reason } => {
            JobFailure::new(ErrorReason::TransferFailed, reason).at(line, None)
        }
        ReadError::Store(store) => datacovey_error::Error::from(store).into(),
    }
}

/// A record, and the file that it is of, where there are several.
pub(crate) type RejectedOf = (Option<String>, Rejected);

/// Where a record is: the file, where there are several, and the line.
pub(crate) type RecordPlace = (Option<String>, u64);

/// More records were rejected than may be.
pub(crate) fn too_many_rejected(max_bad_records: u64, first: Option<&RejectedOf>) -> JobFailure {
    let found = first.and_then(|(file, it)| Some((file, it.line, it.faults.first()?)));
    let Some((file, line, Fault { field, reason, .. })) = found else {
        return JobFailure::new(ErrorReason::TransferFailed, "records were rejected");
    };
    let of_file = file
        .as_ref()
        .map(|file| format!(" of {file}"))
        .unwrap_or_default();
    let of_field = field
        .as_ref()
        .map(|field| format!(", field {field:?}"))
        .unwrap_or_default();
    let message = format!(
        "more than {max_bad_records} records were rejected, the first of them at line {line}{of_file}{of_field}: \
         {reason}; ListRejectedRows names them all"
    );
    JobFailure::new(ErrorReason::TransferFailed, message).at(Some(line), field.clone())
}

/// The records that repeat values, one fault for each; `places` has the place of each row. Values are not
/// quoted: what is unique names something.
pub(crate) fn repeated(repeats: &[Repeat], places: &BTreeMap<u64, RecordPlace>) -> Vec<RejectedOf> {
    // Rows come in the order of files and lines.
    let mut by_row: BTreeMap<u64, RejectedOf> = BTreeMap::new();
    for repeat in repeats {
        let Some((file, line)) = places.get(&repeat.row) else {
            continue;
        };
        let reason = match repeat.first.and_then(|row| places.get(&row)) {
            Some((of, first)) => {
                let of = of.as_ref().filter(|_| of != file);
                let of_file = of.map(|of| format!(" of {of}")).unwrap_or_default();
                format!("must be unique and repeats the value of line {first}{of_file}")
            }
            None => "must be unique and repeats a value that the table holds".to_owned(),
        };
        let record = || Rejected {
            line: *line,
            faults: Vec::new(),
        };
        let (_, record) = by_row
            .entry(repeat.row)
            .or_insert_with(|| (file.clone(), record()));
        record.faults.push(Fault {
            field: Some(repeat.column.clone()),
            reason,
            value: String::new(),
        });
    }
    by_row.into_values().collect()
}

/// Records repeat values of columns that must be unique.
pub(crate) fn not_unique(rejected: &[RejectedOf]) -> JobFailure {
    let first = rejected.first();
    let first = first.and_then(|(file, it)| Some((file, it.line, it.faults.first()?)));
    let Some((file, line, Fault { field, reason, .. })) = first else {
        return JobFailure::new(
            ErrorReason::TransferFailed,
            "records repeat values that must be unique",
        );
    };
    let of_file = file
        .as_ref()
        .map(|file| format!(" of {file}"))
        .unwrap_or_default();
    let field = field.clone().unwrap_or_default();
    let message = format!(
        "records repeat values that must be unique, the first of them at line {line}{of_file}, field {field:?}: {reason}"
    );
    JobFailure::new(ErrorReason::TransferFailed, message).at(Some(line), Some(field))
}

/// A column must be unique and has too many values for that.
pub(crate) fn too_many_to_be_unique(column: &str, max_rows: u64) -> JobFailure {
    let message = format!("the column {column:?} must be unique and has more than {max_rows} values");
    JobFailure::new(ErrorReason::TooLarge, message)
}

/// The content has more rows than one import may add.
pub(crate) fn too_many_rows(max_rows: u64) -> JobFailure {
    JobFailure::new(
        ErrorReason::TooLarge,
        format!("the content has more than {max_rows} rows"),
    )
}

/// The schema has come to be one that cannot be imported by.
pub(crate) fn of_schema(violations: &[SchemaViolation]) -> JobFailure {
    let all: Vec<String> = violations
        .iter()
        .map(|it| format!("{}: {}", it.path, it.reason))
        .collect();
    let message = format!(
        "the schema of the table cannot be imported by: {}",
        all.join("; ")
    );
    JobFailure::new(ErrorReason::InvalidSchema, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reasons_of_the_queue_are_in_the_words_of_the_api() {
        let reason = |word: &str| {
            job_error(Some(&json!({ "reason": word, "message": "why" }))).map(|error| error.reason())
        };
        assert_eq!(reason("CANCELLED"), Some(ErrorReason::Cancelled));
        assert_eq!(reason("ARCHIVED"), Some(ErrorReason::Archived));
        assert_eq!(reason("CREATOR_ARCHIVED"), Some(ErrorReason::Archived));
        assert_eq!(reason("UPLOAD_EXPIRED"), Some(ErrorReason::TransferFailed));
        assert_eq!(job_error(None), None);
    }

    #[test]
    fn too_many_rejected_name_the_first() {
        let fault = Fault {
            field: Some("year".to_owned()),
            reason: "is odd".to_owned(),
            value: String::new(),
        };
        let first = Rejected {
            line: 7,
            faults: vec![fault],
        };
        let failure = too_many_rejected(2, Some(&(None, first)));
        assert!(
            failure.message.contains("line 7, field \"year\": is odd"),
            "{}",
            failure.message
        );
        assert_eq!(
            (failure.line, failure.field.as_deref(), failure.transient),
            (Some(7), Some("year"), false)
        );
    }
}
