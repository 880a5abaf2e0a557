//! A table, a bucket and a folder to import from, and what came of it.

use datacovey_proto::transfer::v1 as pb;
use datacovey_proto::transfer::v1::upload_request::Part;
use datacovey_storage::Store;
use datacovey_storage::external::Allowed;
use futures::stream;
use serde_json::json;
use tonic_types::StatusExt as _;

use crate::s3::S3;
use crate::suite::{Suite, data_message, finish, message, start};

/// How an import ended, or why there is none.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) state: String,
    pub(super) code: String,
    pub(super) message: String,
}

impl Answer {
    pub(super) fn of(job: &pb::ImportJob) -> Self {
        let word = |name: &str, prefix: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
        let (code, message) = match &job.error {
            Some(error) => (
                word(error.reason().as_str_name(), "ERROR_REASON_"),
                error.message.clone(),
            ),
            None => {
                let mut message = format!("{} rows imported", job.rows_imported);
                if let Some(last) = job.ignored_columns.last() {
                    message += &format!(", columns passed over: {} … {last}", job.ignored_columns[0]);
                }
                ("-".to_owned(), message)
            }
        };
        let state = word(job.state().as_str_name(), "JOB_STATE_").to_lowercase();
        Self { state, code, message }
    }

    pub(super) fn refused(status: &tonic::Status) -> Self {
        Self {
            state: "no job".to_owned(),
            code: status.get_details_error_info().unwrap().reason,
            message: status.message().to_owned(),
        }
    }
}

/// What is expected: a state, a code, and what the message has to say of what, where and what to do.
pub(super) struct Expected(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) &'static [&'static str],
);

pub(super) const FAILED: &str = "TRANSFER_FAILED";

pub(super) struct World {
    pub(super) suite: Suite,
    pub(super) s3: S3,
    pub(super) table: String,
    pub(super) folder: tempfile::TempDir,
    pub(super) faults: Vec<String>,
}

impl World {
    pub(super) async fn start() -> Self {
        let s3 = S3::start(&["lake", "suite"]).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        std::fs::write(folder.path().join("secret.csv"), "tailnum\nN1\n").unwrap();
        let prefixes = json!({ "*": [format!("file://{}/in", folder.path().display()), "s3://lake/planes"] });
        let allowed = Allowed::parse(&prefixes.to_string(), "s3://suite/data", &s3.options()).unwrap();
        let store = Store::open_with("s3://suite/data", &s3.options()).unwrap();
        let suite = Suite::over(store, allowed, |limits| {
            limits.chunk_bytes = 1 << 20;
            limits.worker.concurrency = 4;
            limits.worker.max_running_per_tenant = 4;
        })
        .await;
        let table = suite.table_of(suite.ours, "planes", &planes()).await;
        Self {
            suite,
            s3,
            table,
            folder,
            faults: Vec::new(),
        }
    }

    pub(super) fn request(&self) -> pb::CreateImportJobRequest {
        pb::CreateImportJobRequest {
            table_id: self.table.clone(),
            ..Default::default()
        }
    }

    pub(super) fn of(&self, format: pb::FileFormat) -> pb::CreateImportJobRequest {
        pb::CreateImportJobRequest {
            format: format.into(),
            ..self.request()
        }
    }

    pub(super) fn at(&self, uri: impl Into<String>) -> pb::CreateImportJobRequest {
        pb::CreateImportJobRequest {
            source: Some(pb::create_import_job_request::Source::Uri(uri.into())),
            ..self.of(pb::FileFormat::Csv)
        }
    }

    /// Sends content, which may be made while it is sent.
    pub(super) async fn send(
        &self,
        request: pb::CreateImportJobRequest,
        content: impl Iterator<Item = Vec<u8>> + Send + 'static,
    ) -> Answer {
        let mut editor = self.suite.as_editor();
        let job = editor.create(request).await;
        let mut sent = 0;
        let mut content = content.filter(|it| !it.is_empty());
        let mut begin = Some(start(&job.id, 0));
        let mut end = false;
        let messages = std::iter::from_fn(move || {
            if let Some(begin) = begin.take() {
                return Some(begin);
            }
            if let Some(data) = content.next() {
                sent += data.len();
                return Some(data_message(&data));
            }
            (!std::mem::replace(&mut end, true)).then(|| message(Part::Finish(finish(sent))))
        });
        let uploaded = editor.imports.upload(stream::iter(messages)).await.unwrap();
        assert!(uploaded.into_inner().finished);
        Answer::of(&editor.ended(&job.id).await)
    }

    pub(super) async fn whole(&self, request: pb::CreateImportJobRequest, content: Vec<u8>) -> Answer {
        let pieces: Vec<Vec<u8>> = content.chunks(1 << 20).map(<[u8]>::to_vec).collect();
        self.send(request, pieces.into_iter()).await
    }

    pub(super) async fn named(&self, uri: impl Into<String>) -> Answer {
        let mut editor = self.suite.as_editor();
        match editor.imports.create_import_job(self.at(uri)).await {
            Ok(job) => Answer::of(&editor.ended(&job.into_inner().id).await),
            Err(status) => Answer::refused(&status),
        }
    }

    /// Versions, files and rows of the table.
    pub(super) async fn holds(&self) -> String {
        let files = format!(
            "SELECT (SELECT max(version) FROM table_version WHERE table_id = '{0}'), count(*), sum(rows)
             FROM table_file WHERE table_id = '{0}' AND removed_in IS NULL",
            self.table
        );
        self.suite.sql.rows(&files).await.unwrap()[0].join(" ")
    }

    /// Prints a line of the table, and notes what is not as it should be.
    pub(super) fn told(&mut self, input: &str, answer: &Answer, expected: &Expected) {
        let Answer { state, code, message } = answer;
        let shown: String = message.chars().take(300).collect();
        println!("| {input} | {state} | {code} | {shown} |");
        let Expected(of_state, of_code, words) = expected;
        let missing: Vec<_> = words.iter().filter(|word| !message.contains(**word)).collect();
        if (state.as_str(), code.as_str()) != (*of_state, *of_code) || !missing.is_empty() {
            self.faults.push(format!(
                "{input}: {answer:?}, expected {of_state} {of_code} with {missing:?}"
            ));
        }
    }

    /// The same, of something that must leave the table as it was.
    pub(super) async fn check(&mut self, input: &str, answer: Answer, expected: Expected) {
        self.told(input, &answer, &expected);
        let holds = self.holds().await;
        if holds != "1 1 2" {
            self.faults.push(format!("{input}: the table changed: {holds}"));
        }
    }
}

pub(super) fn planes() -> serde_json::Value {
    json!({
        "type": "object",
        "required": ["tailnum"],
        "properties": {
            "tailnum": { "type": "string" },
            "year": { "type": "integer" },
            "built": { "type": "string", "format": "date" },
        },
    })
}
