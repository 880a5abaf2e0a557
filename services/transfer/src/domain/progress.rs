//! How far a job is, and what came of it, as its run row keeps it.

use std::time::{Duration, Instant};

use datacovey_error::{Error, Result};
use datacovey_storage::read::Detected;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What takes less says nothing of how fast more would be.
const LEAST_MEASURED: Duration = Duration::from_millis(10);

/// Progress of an import or export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Progress {
    pub(crate) rows_done: u64,
    pub(crate) bytes_done: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_total: Option<u64>,
    /// On the average of this attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rows_per_second: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_per_second: Option<u64>,
    /// Records that an import rejected.
    pub(crate) rows_rejected: u64,
    /// Columns of an imported file that the table does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ignored_columns: Vec<String>,
    /// What the content of an import was found to be; of several files the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) found: Option<Detected>,
    #[serde(skip)]
    began: Option<Instant>,
    /// The file that an export made, or, until it is completed, is about to make appear at its URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<ExportResult>,
}

/// A complete exported file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExportResult {
    /// In the suite's own store; none of one that went to a URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    pub(crate) size_bytes: u64,
    /// 64 hexadecimal digits.
    pub(crate) sha256: String,
}

impl Progress {
    /// Notes columns that the table does not have, each once.
    pub(crate) fn ignore(&mut self, columns: Vec<String>) {
        let new = columns
            .into_iter()
            .filter(|it| !self.ignored_columns.contains(it));
        let new: Vec<_> = new.collect();
        self.ignored_columns.extend(new);
    }

    /// Of an attempt that begins now, on content of so many bytes.
    pub(crate) fn begin(bytes_total: u64) -> Self {
        Self {
            bytes_total: Some(bytes_total),
            began: Some(Instant::now()),
            ..Self::default()
        }
    }

    /// As the run row keeps it, with how fast the attempt is.
    pub(crate) fn report(&self) -> Result<Value> {
        let mut report = self.clone();
        if let Some(began) = self.began {
            report.measure(began.elapsed());
        }
        serde_json::to_value(&report).map_err(Error::internal)
    }

    fn measure(&mut self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        let rate = |done: u64| (elapsed >= LEAST_MEASURED).then(|| (done as f64 / seconds).round() as u64);
        self.rows_per_second = rate(self.rows_done);
        self.bytes_per_second = rate(self.bytes_done);
    }

    pub(crate) fn stored(progress: Option<&Value>) -> Self {
        progress
            .and_then(|it| Self::deserialize(it).ok())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datacovey_storage::{Compression, Format};
    use serde_json::json;

    #[test]
    fn a_rate_is_an_average_of_what_took_long_enough_to_be_one() {
        let mut progress = Progress {
            rows_done: 3,
            bytes_done: 1_000,
            ..Progress::default()
        };
        progress.measure(Duration::ZERO);
        assert_eq!(
            (progress.rows_per_second, progress.bytes_per_second),
            (None, None)
        );
        progress.measure(Duration::from_millis(1_500));
        assert_eq!(
            (progress.rows_per_second, progress.bytes_per_second),
            (Some(2), Some(667))
        );
    }

    #[test]
    fn progress_reads_back_and_none_is_nothing_done() {
        let progress = Progress {
            rows_done: 3,
            bytes_done: 10,
            bytes_total: Some(20),
            rows_per_second: Some(6),
            bytes_per_second: Some(20),
            rows_rejected: 1,
            ignored_columns: vec!["notes".to_owned()],
            found: Some(Detected {
                format: Format::Ndjson,
                compression: Compression::Zstd,
            }),
            result: Some(ExportResult {
                path: Some("a/b".to_owned()),
                size_bytes: 20,
                sha256: "00".to_owned(),
            }),
            began: None,
        };
        assert_eq!(
            Progress::stored(Some(&serde_json::to_value(&progress).unwrap())),
            progress
        );
        assert_eq!(Progress::stored(None), Progress::default());
        assert_eq!(Progress::stored(Some(&json!([]))), Progress::default());
    }
}
