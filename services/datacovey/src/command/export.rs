use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use datacovey_proto::transfer::v1::ExportJob;
use serde_json::json;

use super::import::shell_word;
use crate::cli::files::{Export, Output};
use crate::client::{Begun, Client, ExportOptions, Partial};
use crate::interrupted::{Interrupted, ctrl_c};
use crate::screen::{bar, follow, hidden_bar, print};

pub(super) async fn run(arguments: Export) -> anyhow::Result<()> {
    let form = arguments.form();
    let Export {
        connection,
        table_id,
        file,
        resume,
        force,
        columns,
        table_version,
        output,
        ..
    } = arguments;
    let table_id = table_id.unwrap_or_default();
    // Whoever resumes names the file alone.
    let file = match (&resume, file) {
        (Some(_), None) => Path::new(&table_id).to_owned(),
        (None, Some(file)) => file,
        _ => bail!("one download is resumed at a time, with its one file"),
    };
    let to_stdout = file == Path::new("-");
    ensure!(
        force || to_stdout || !file.exists(),
        "{} is there already; --force replaces it",
        file.display()
    );
    let client = Client::connect(&connection.endpoint, &connection.token).await?;
    let job_id = match resume {
        Some(job_id) => job_id,
        None => {
            let options = ExportOptions {
                form: form.or_by_name(&file),
                columns,
                table_version,
            };
            client.create_export(&table_id, options).await?.id
        }
    };
    let bar = if output.quiet || output.json {
        hidden_bar()
    } else {
        bar()
    };
    let (exporting, downloading) = (
        format!("exporting {}", file.display()),
        format!("downloading {}", file.display()),
    );
    let (exporting, downloading) = (follow(&bar, exporting), follow(&bar, downloading));
    let work = async {
        let job = client.follow_export(&job_id, &exporting).await?;
        if to_stdout {
            let mut out = tokio::io::stdout();
            client
                .download(&job, Begun::default(), &mut out, &downloading)
                .await?;
            tokio::io::AsyncWriteExt::flush(&mut out).await?;
        } else {
            let partial = Partial::of(&file, &job.id);
            client.download_to(&job, &partial, &downloading).await?;
            partial.keep(force)?;
        }
        anyhow::Ok(job)
    };
    let ended = tokio::select! {
        ended = work => ended,
        () = ctrl_c() => Err(Interrupted(how_to_go_on(&job_id, &file)).into()),
    };
    bar.finish_and_clear();
    let job = ended.with_context(|| file.display().to_string())?;
    tell(&job, &file, output)
}

fn how_to_go_on(job_id: &str, file: &Path) -> String {
    let word = shell_word(file);
    if file == Path::new("-") {
        return format!("begin again with: datacovey export --resume {job_id} {word}");
    }
    format!("what has arrived is kept beside {word}; go on with: datacovey export --resume {job_id} {word}")
}

fn tell(job: &ExportJob, file: &Path, output: Output) -> anyhow::Result<()> {
    let (name, rows, version) = (file.display(), job.rows_exported, job.table_version);
    // What goes to standard output is the file alone.
    let is_apart = file != Path::new("-");
    if output.json {
        let told = json!({
            "file": name.to_string(), "export_job_id": job.id, "table_id": job.table_id, "rows_exported": rows,
            "table_version": version, "size_bytes": job.size_bytes, "sha256": job.sha256,
        });
        if is_apart {
            return print(|out| writeln!(out, "{told}"));
        }
        eprintln!("{told}");
    } else if !output.quiet && is_apart {
        println!("{name}: {rows} rows of version {version}");
    }
    Ok(())
}
