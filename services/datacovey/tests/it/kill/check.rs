//! What has come of everything that was begun, against what callers were told.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use datacovey::client::{Begun, Client};
use datacovey_proto::transfer::v1::{
    CreateExportJobRequest, ExportJob, FileFormat, ImportJob, JobError, JobState, ListExportJobsRequest,
    ListImportJobsRequest, create_export_job_request,
};

use super::cluster::files_below;
use super::contents::Held;
use super::ledger::{Exported, Ledger};
use super::traffic::exported;

/// More than one run makes.
const PAGE: i32 = 1000;

/// All but the first ones are to be zero.
#[derive(Debug, Default)]
pub(super) struct Figures {
    imports: Ended,
    exports: Ended,
    /// Lines of completed imports that are not in the table, and completed jobs that are no longer.
    lost: u64,
    /// Lines that are there more than once, or of imports that did not complete, and jobs that nobody asked for.
    doubled: u64,
    /// Jobs that have not ended.
    stuck: u64,
    /// Files that are not what the table was, or are there although their export failed.
    torn: u64,
    /// Objects that stay, or are gone, against what versions point to.
    pub(super) left_behind: Vec<String>,
    /// Each of the above in words.
    pub(super) wrong: Vec<String>,
}

#[derive(Debug, Default)]
struct Ended {
    completed: u64,
    failed: BTreeMap<String, u64>,
    under_fire: u64,
}

impl Ended {
    fn note(&mut self, state: JobState, error: Option<&JobError>, under_fire: bool) {
        self.under_fire += u64::from(under_fire);
        match error {
            None if state == JobState::Completed => self.completed += 1,
            _ => {
                let reason = error.map(|error| error.reason().as_str_name());
                let reason = reason.unwrap_or("ERROR_REASON_NONE").replace("ERROR_REASON_", "");
                if reason != "CANCELLED" {
                    println!("failed: {error:?}");
                }
                *self.failed.entry(reason).or_default() += 1;
            }
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failed.values().sum::<u64>();
        write!(
            f,
            "{} ({} under fire, {} completed, {failed} failed: {:?})",
            self.completed + failed,
            self.under_fire,
            self.completed,
            self.failed
        )
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "imports {}, exports {}; lost {}, doubled {}, stuck {}, torn {}, left behind {}",
            self.imports,
            self.exports,
            self.lost,
            self.doubled,
            self.stuck,
            self.torn,
            self.left_behind.len()
        )
    }
}

/// Compares what is there with what callers were told, who have all been told the end of what they began.
pub(super) async fn figures(client: &Client, table: &str, ledger: &Ledger, lake: &Path) -> Figures {
    let mut figures = Figures::default();
    let imports = figures.check_import_jobs(client, ledger).await;
    figures.check_export_jobs(client, ledger).await;
    let lines: BTreeMap<_, _> = {
        let told = ledger.imports.lock().unwrap();
        told.iter()
            .map(|it| (it.job.id.clone(), (it.number, it.lines)))
            .collect()
    };
    // The imports that each version holds.
    let committed: Vec<(i64, i64, u64)> = imports
        .values()
        .filter(|job| job.state() == JobState::Completed)
        .filter_map(|job| lines.get(&job.id).map(|it| (job.version(), it.0, it.1)))
        .collect();
    let at = |version: i64| -> BTreeMap<i64, u64> {
        committed
            .iter()
            .filter(|(made, ..)| *made <= version)
            .map(|(_, number, lines)| (*number, *lines))
            .collect()
    };
    figures.check_table(&contents(client, table).await, &at(i64::MAX));
    figures.check_files(ledger, lake, at);
    figures
}

impl Figures {
    async fn check_import_jobs(&mut self, client: &Client, ledger: &Ledger) -> BTreeMap<String, ImportJob> {
        let request = ListImportJobsRequest {
            page_size: PAGE,
            ..Default::default()
        };
        let listed = client.imports().list_import_jobs(request).await.unwrap();
        let listed = listed.into_inner();
        assert!(listed.next_page_token.is_empty(), "more than {PAGE} imports");
        let there: BTreeMap<_, _> = listed
            .import_jobs
            .into_iter()
            .map(|job| (job.id.clone(), job))
            .collect();
        let told = ledger.imports.lock().unwrap();
        for it in told.iter() {
            self.imports
                .note(it.job.state(), it.job.error.as_ref(), it.under_fire);
        }
        let told = told
            .iter()
            .map(|it| (it.job.id.as_str(), (it.job.state(), it.job.version)));
        let found = there
            .values()
            .map(|job| (job.id.as_str(), (job.state(), job.version)));
        self.compare("import", &told.collect(), &found.collect());
        there
    }

    async fn check_export_jobs(&mut self, client: &Client, ledger: &Ledger) {
        let request = ListExportJobsRequest {
            page_size: PAGE,
            ..Default::default()
        };
        let listed = client.exports().list_export_jobs(request).await.unwrap();
        let listed = listed.into_inner();
        assert!(listed.next_page_token.is_empty(), "more than {PAGE} exports");
        let told = ledger.exports.lock().unwrap();
        for it in told.iter() {
            self.exports
                .note(it.job.state(), it.job.error.as_ref(), it.under_fire);
        }
        let what = |job: &ExportJob| (job.state(), job.size_bytes);
        let told = told.iter().map(|it| (it.job.id.as_str(), what(&it.job)));
        let found = listed.export_jobs.iter().map(|job| (job.id.as_str(), what(job)));
        self.compare("export", &told.collect(), &found.collect());
    }

    /// One job for each request, and each as its caller was told.
    fn compare(
        &mut self,
        kind: &str,
        told: &BTreeMap<&str, (JobState, Option<i64>)>,
        found: &BTreeMap<&str, (JobState, Option<i64>)>,
    ) {
        for (id, (state, made)) in found {
            if !matches!(state, JobState::Completed | JobState::Failed) {
                self.stuck += 1;
                self.wrong.push(format!("{kind} {id} is {state:?}"));
            } else if !told.contains_key(id) {
                self.doubled += 1;
                self.wrong
                    .push(format!("{kind} {id} ({state:?}, {made:?}) is nobody's"));
            }
        }
        for (id, told) in told {
            if found.get(id) != Some(told) {
                self.lost += 1;
                let found = found.get(id);
                self.wrong
                    .push(format!("{kind} {id} was told as {told:?} and is {found:?}"));
            }
        }
    }

    fn check_table(&mut self, held: &Held, committed: &BTreeMap<i64, u64>) {
        if held.again > 0 {
            self.doubled += held.again;
            self.wrong
                .push(format!("{} lines are in the table twice", held.again));
        }
        for (number, lines) in committed {
            let there = held.lines.get(number).copied().unwrap_or_default();
            if there < *lines {
                self.lost += lines - there;
                self.wrong
                    .push(format!("of {lines} lines of import {number}, {there} are there"));
            }
        }
        for (number, lines) in &held.lines {
            if !committed.contains_key(number) {
                self.doubled += lines;
                self.wrong.push(format!(
                    "{lines} lines are of import {number}, which did not complete"
                ));
            }
        }
    }

    /// Each export's file is what the table was in its version, and there is no other.
    fn check_files(&mut self, ledger: &Ledger, lake: &Path, at: impl Fn(i64) -> BTreeMap<i64, u64>) {
        let mut others = files_below(&lake.join("out"));
        for Exported { job, download, .. } in ledger.exports.lock().unwrap().iter() {
            let is_completed = job.state() == JobState::Completed;
            let file = job.uri_path();
            let held = match (file, download) {
                (Some(name), _) if is_completed => {
                    others.remove(name);
                    std::fs::read(lake.join("out").join(name))
                        .map_err(|error| error.to_string())
                        .and_then(|file| Held::read(job.format(), &file))
                }
                (None, Some(downloaded)) => downloaded.clone(),
                _ => continue,
            };
            let expected = at(job.table_version);
            let wrong = match held {
                Err(error) => error,
                Ok(held) if held.again > 0 => format!("{} lines are there twice", held.again),
                Ok(held) if held.lines == expected => continue,
                Ok(held) => format!("it holds {:?} instead of {expected:?}", held.lines),
            };
            self.torn += 1;
            self.wrong.push(format!("the file of {job:?}: {wrong}"));
        }
        for name in others {
            self.torn += 1;
            self.wrong
                .push(format!("{name} is there, of no export that completed"));
        }
    }
}

trait UriPath {
    /// The name of the file that it writes to the bucket, if it writes one.
    fn uri_path(&self) -> Option<&str>;
}

impl UriPath for ExportJob {
    fn uri_path(&self) -> Option<&str> {
        use datacovey_proto::transfer::v1::export_job::Target;
        match self.target.as_ref()? {
            Target::Uri(uri) => uri.strip_prefix("s3://lake/out/"),
            Target::Download(_) => None,
        }
    }
}

/// What the table holds now.
async fn contents(client: &Client, table: &str) -> Held {
    let request = CreateExportJobRequest {
        table_id: table.to_owned(),
        format: FileFormat::Csv.into(),
        target: Some(create_export_job_request::Target::Download(
            datacovey_proto::transfer::v1::DownloadTarget {},
        )),
        ..CreateExportJobRequest::default()
    };
    let created = client.exports().create_export_job(request).await.unwrap();
    let job = exported(client, &created.into_inner().id).await;
    assert_eq!(job.state(), JobState::Completed, "{job:?}");
    let mut file = Vec::new();
    client
        .download(&job, Begun::default(), &mut file, &|_, _| {})
        .await
        .unwrap();
    Held::read(FileFormat::Csv, &file).unwrap()
}
