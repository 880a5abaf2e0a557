use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use datacovey_proto::transfer::v1::{ImportJob, ImportMode, JobState, ListRejectedRowsRequest, RejectedRow};
use serde_json::json;

use super::create;
use super::source::{Source, sources};
use crate::cli::files::{Import, Mode, Output};
use crate::client::{Client, ImportOptions, error_text, is_transient};
use crate::interrupted::{Interrupted, ctrl_c};
use crate::screen::{bar, follow, hidden_bar};

/// Rejected rows that are shown.
const SHOWN: i32 = 5;

pub(super) async fn run(arguments: Import) -> anyhow::Result<()> {
    let options = ImportOptions {
        form: arguments.form(),
        mode: mode(arguments.mode),
        null_values: arguments.csv.null_values.clone(),
        max_bad_records: arguments.max_bad_records,
    };
    let client = Client::connect(&arguments.connection.endpoint, &arguments.connection.token).await?;
    let output = arguments.output;
    if let Some(job_id) = &arguments.resume {
        ensure!(
            arguments.files.is_empty(),
            "one import is resumed at a time, with its one file"
        );
        let source = Source::file(arguments.table.as_deref().unwrap_or_default())?;
        let run = Run {
            client: &client,
            output,
            source: &source,
        };
        return run.finish(job_id).await.map(|_| ());
    }
    // All names are checked before the first file goes out.
    let sources = sources(&arguments.files)?;
    let table = arguments.table.as_deref().unwrap_or_default();
    let table_id = match &arguments.create {
        Some(dataset_id) => {
            create::table(&client, dataset_id, table, &sources[0], &options, &arguments).await?
        }
        None => table.to_owned(),
    };
    import_all(&client, output, &table_id, &sources, options).await
}

async fn import_all(
    client: &Client,
    output: Output,
    table_id: &str,
    sources: &[Source],
    mut options: ImportOptions,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let (mut rows, mut rejected) = (0, 0);
    for (at, source) in sources.iter().enumerate() {
        let rest: Vec<_> = sources[at + 1..].iter().map(|it| it.name.as_str()).collect();
        let run = Run {
            client,
            output,
            source,
        };
        let imported = run.import(table_id, &options).await;
        let job = imported.map_err(|error| match rest.as_slice() {
            [] => error,
            rest => error.context(format!("not begun: {}", rest.join(", "))),
        })?;
        rows += job.rows_imported;
        rejected += job.rows_rejected;
        options.mode = ImportMode::Append;
    }
    if sources.len() > 1 && !output.quiet && !output.json {
        let (files, seconds) = (sources.len(), began.elapsed().as_secs_f64());
        println!("{files} files: {rows} rows, {rejected} rejected, in {seconds:.1} s");
    }
    Ok(())
}

/// The import of one file.
struct Run<'a> {
    client: &'a Client,
    output: Output,
    source: &'a Source,
}

impl Run<'_> {
    async fn import(&self, table_id: &str, options: &ImportOptions) -> anyhow::Result<ImportJob> {
        let job = self
            .client
            .create_import(table_id, self.source.form_name(), options)
            .await;
        self.finish(&job.with_context(|| self.source.name.clone())?.id)
            .await
    }

    /// Goes on with an import, and says what came of it.
    async fn finish(&self, job_id: &str) -> anyhow::Result<ImportJob> {
        let Self {
            client,
            output,
            source,
        } = self;
        let name = &source.name;
        let bar = if output.quiet || output.json {
            hidden_bar()
        } else {
            bar()
        };
        let (upload, import) = (format!("uploading {name}"), format!("importing {name}"));
        let (upload, import) = (follow(&bar, upload), follow(&bar, import));
        let ended = tokio::select! {
            ended = client.finish_import(job_id, &source.path, &upload, &import) => Some(ended),
            () = ctrl_c() => None,
        };
        bar.finish_and_clear();
        let Some(ended) = ended else {
            return Err(self.interrupted(job_id).await.into());
        };
        let job = match ended {
            Ok(job) => job,
            Err(error) => return Err(self.broken(job_id, error).await),
        };
        let rejected = if job.rows_rejected > 0 || job.state() == JobState::Failed {
            self.rejected(job_id).await?
        } else {
            Vec::new()
        };
        self.tell(&job, &rejected)?;
        if job.state() == JobState::Failed {
            bail!("{name}: the import failed: {}", error_text(job.error.as_ref()));
        }
        Ok(job)
    }

    async fn interrupted(&self, job_id: &str) -> Interrupted {
        let name = &self.source.name;
        if self.source.is_temporary() {
            self.client.cancel_import(job_id.to_owned()).await;
            return Interrupted(format!("{name}: the import is cancelled"));
        }
        Interrupted(format!("{name}: {}", self.how_to_go_on(job_id)))
    }

    /// What broke for good is given up: it would count among the tenant's open imports.
    async fn broken(&self, job_id: &str, error: anyhow::Error) -> anyhow::Error {
        let error = if is_transient(&error) && !self.source.is_temporary() {
            error.context(self.how_to_go_on(job_id))
        } else {
            self.client.cancel_import(job_id.to_owned()).await;
            error
        };
        error.context(self.source.name.clone())
    }

    fn how_to_go_on(&self, job_id: &str) -> String {
        let word = shell_word(&self.source.path);
        format!("what has arrived is kept for a day; go on with: datacovey import --resume {job_id} {word}")
    }

    async fn rejected(&self, job_id: &str) -> anyhow::Result<Vec<RejectedRow>> {
        let request = ListRejectedRowsRequest {
            import_job_id: job_id.to_owned(),
            page_size: SHOWN,
            ..ListRejectedRowsRequest::default()
        };
        let page = self.client.imports().list_rejected_rows(request).await?;
        Ok(page.into_inner().rejected_rows)
    }

    fn tell(&self, job: &ImportJob, rejected: &[RejectedRow]) -> anyhow::Result<()> {
        let name = &self.source.name;
        let form = form(job);
        if self.output.json {
            let rejected: Vec<_> = rejected
                .iter()
                .map(|it| json!({ "line": it.line, "field": it.field, "reason": it.reason, "value": it.value }))
                .collect();
            let error = job
                .error
                .as_ref()
                .map(|it| json!({ "message": it.message, "line": it.line, "field": it.field }));
            let told = json!({
                "file": name, "import_job_id": job.id, "table_id": job.table_id, "completed": error.is_none(),
                "format": form, "rows_imported": job.rows_imported, "rows_rejected": job.rows_rejected,
                "version": job.version, "ignored_columns": job.ignored_columns, "first_rejected": rejected,
                "error": error,
            });
            return crate::screen::print(|out| writeln!(out, "{told}"));
        }
        if self.output.quiet {
            return Ok(());
        }
        if let Some(version) = job.version {
            let (rows, rejected) = (job.rows_imported, job.rows_rejected);
            println!("{name}: {rows} rows of {form}, {rejected} rejected, version {version}");
        }
        for row in rejected {
            let field = if row.field.is_empty() {
                String::new()
            } else {
                format!(", {}", row.field)
            };
            let value = if row.value.is_empty() {
                String::new()
            } else {
                format!(": {}", row.value)
            };
            eprintln!("  line {}{field}: {}{value}", row.line, row.reason);
        }
        if job.rows_rejected > rejected.len() as i64 {
            eprintln!("  … all of them: GET /import_job/{}/rejected_rows", job.id);
        }
        if !job.ignored_columns.is_empty() {
            let columns = job.ignored_columns.join(", ");
            eprintln!("{name}: columns that the table does not have were passed over: {columns}");
        }
        Ok(())
    }
}

/// What the content was found to be, as `csv.gz`.
fn form(job: &ImportJob) -> String {
    let word = |name: &str, prefix: &str| name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase();
    let format = word(job.format().as_str_name(), "FILE_FORMAT_");
    match word(job.compression().as_str_name(), "COMPRESSION_").as_str() {
        "gzip" => format + ".gz",
        "zstd" => format + ".zst",
        _ => format,
    }
}

/// A path as a shell takes it for one word.
pub(super) fn shell_word(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |it: char| it.is_alphanumeric() || "/._-+=:@%".contains(it);
    if path.chars().all(is_plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

const fn mode(mode: Mode) -> ImportMode {
    match mode {
        Mode::Append => ImportMode::Append,
        Mode::Replace => ImportMode::Replace,
        Mode::EmptyOnly => ImportMode::EmptyOnly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_a_shell() {
        assert_eq!(shell_word(Path::new("a/b-1.csv")), "a/b-1.csv");
        assert_eq!(shell_word(Path::new("it's here")), r"'it'\''s here'");
    }
}
