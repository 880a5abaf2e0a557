//! The main job as a story on the screen: two organizations, a year of real flights, answers and refusals.
//!
//! The data are a part of nycflights13 (`demo/README.md`) and travel inside the binary.

mod cast;
mod screen;
mod terms;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use datacovey_proto::catalog::v1::SetTablePolicyRequest;
use datacovey_proto::transfer::v1::{CreateExportJobRequest, FileFormat, ImportMode};

use crate::client::{ImportOptions, Outcome};
use crate::data_dir::DataDir;
use crate::screen::{bar, follow};
use crate::suite::{Settings, Suite};
use cast::Cast;

const FLIGHTS: &[u8] = include_bytes!("../../demo/flights.parquet");
const PLANES: &[u8] = include_bytes!("../../demo/planes.csv");

/// Starts a suite in a temporary directory, tells the story, and stops it again, whatever happens.
pub async fn run(keep: bool) -> anyhow::Result<()> {
    println!("DataCovey: two organizations learn from each other's data, and nobody sees anybody's rows.");
    // Others may pass through, as the account that PostgreSQL runs as must where we are root.
    let open = Permissions::from_mode(0o711);
    let folder = tempfile::Builder::new()
        .prefix("datacovey-demo-")
        .permissions(open)
        .tempdir();
    let folder = folder.context("no temporary directory")?;
    let began = Instant::now();
    screen::heading(
        1,
        "The suite starts: PostgreSQL, identity, catalog, query, transfer, gateway",
    );
    let data = DataDir::open(folder.path())?;
    let suite = Suite::start(
        &data,
        Settings {
            temporary: !keep,
            // What it makes is nobody's to keep, wherever other commands keep theirs.
            database_url: None,
            ..Settings::for_a_while()
        },
        None,
    )
    .await?;
    screen::say(&format!(
        "ready after {:.1} s at {}",
        began.elapsed().as_secs_f64(),
        suite.gateway_url()
    ));

    let told = tokio::select! {
        told = tell(&suite, &data, folder.path()) => told,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    suite.stop().await;
    if keep {
        println!("\nThe data directory stays: {}", folder.keep().display());
    }
    told?;
    println!(
        "\nThat was the main job, in {:.0} s. Now with your own data: datacovey up",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn tell(suite: &Suite, data: &DataDir, folder: &Path) -> anyhow::Result<()> {
    screen::heading(
        2,
        "Two organizations, each with an admin of its own, share a project",
    );
    let cast = Cast::assemble(suite, data).await?;
    screen::say("Skyward Alliance flies planes. The Aviation Registry knows who built them, and when.");
    screen::say("The alliance made the project \"Punctuality\" and invited the registry, which accepted.");

    put_in(&cast, folder).await?;
    agree(&cast).await?;
    ask(&cast).await?;
    attack(&cast).await?;
    export(&cast, folder).await
}

async fn put_in(cast: &Cast, folder: &Path) -> anyhow::Result<()> {
    screen::heading(3, "Each puts in a table; the rows stay its own");
    let files = [
        (&cast.alliance, &cast.flights, "flights.parquet", FLIGHTS),
        (&cast.registry, &cast.planes, "planes.csv", PLANES),
    ];
    for (owner, table, name, content) in files {
        let path = folder.join(name);
        tokio::fs::write(&path, content).await?;
        let options = ImportOptions {
            mode: ImportMode::EmptyOnly,
            null_values: vec!["NA".to_owned()],
            ..ImportOptions::default()
        };
        let began = Instant::now();
        let bar = bar();
        let (upload, import) = (format!("uploading {name}"), format!("importing {name}"));
        let (upload, import) = (follow(&bar, upload), follow(&bar, import));
        let job = owner
            .client
            .import_file(&table.id, &path, &options, &upload, &import)
            .await;
        bar.finish_and_clear();
        let job = job.with_context(|| format!("importing {name}"))?;
        screen::say(&format!(
            "{:<18} {:>7} rows  version {}  {:.1} s",
            table.sql_name,
            job.rows_imported,
            job.version.unwrap_or_default(),
            began.elapsed().as_secs_f64()
        ));
    }
    screen::say("The registry's tail numbers were proven unique while they came in; the alliance's repeat.");
    Ok(())
}

async fn agree(cast: &Cast) -> anyhow::Result<()> {
    screen::heading(4, "Each says what the other may learn; without a policy, nothing");
    let policies = [
        (
            &cast.alliance,
            &cast.flights,
            terms::flights(&cast.registry.tenant_id),
        ),
        (
            &cast.registry,
            &cast.planes,
            terms::planes(&cast.alliance.tenant_id),
        ),
    ];
    for (owner, table, policy) in policies {
        let request = SetTablePolicyRequest {
            table_id: table.id.clone(),
            policy: Some(policy),
            ..Default::default()
        };
        owner.client.tables().set_table_policy(request).await?;
    }
    screen::say("Both: a plane is what is protected, its tail number may join and is never shown,");
    screen::say("and every released figure rests on at least 25 planes.");
    Ok(())
}

async fn ask(cast: &Cast) -> anyhow::Result<()> {
    screen::heading(5, "Questions over both tables, answered from aggregates alone");
    for question in terms::questions(cast) {
        screen::question(question.who.name, question.text, question.sql);
        match question.who.client.ask(&cast.project_id, question.sql).await? {
            Outcome::Answered(rows) => screen::rows(&rows),
            Outcome::Refused(violations) => {
                screen::refused(&violations);
                bail!("a question that the policies allow was refused");
            }
        }
        screen::say(question.moral);
    }
    Ok(())
}

async fn attack(cast: &Cast) -> anyhow::Result<()> {
    screen::heading(
        6,
        "Questions that would single somebody out, refused before a row is read",
    );
    for question in terms::attacks(cast) {
        screen::question(question.who.name, question.text, question.sql);
        match question.who.client.ask(&cast.project_id, question.sql).await? {
            Outcome::Refused(violations) => screen::refused(&violations),
            Outcome::Answered(rows) => bail!("an attack was answered with {} rows", rows.cells.len()),
        }
        screen::say(question.moral);
    }
    Ok(())
}

async fn export(cast: &Cast, folder: &Path) -> anyhow::Result<()> {
    screen::heading(7, "One's own table can be taken out again; another's cannot");
    let path = folder.join("planes-export.csv");
    let bar = bar();
    let progress = follow(&bar, "exporting planes".to_owned());
    let job = cast
        .registry
        .client
        .export_file(&cast.planes.id, &path, &progress)
        .await;
    bar.finish_and_clear();
    let job = job?;
    let written = tokio::fs::read_to_string(&path).await?;
    ensure!(
        written.lines().count() as i64 == job.rows_exported + 1,
        "the export holds another number of rows"
    );
    screen::say(&format!(
        "The registry exports {}: {} rows, {} bytes of CSV",
        cast.planes.sql_name,
        job.rows_exported,
        written.len()
    ));

    let request = CreateExportJobRequest {
        table_id: cast.flights.id.clone(),
        format: FileFormat::Csv.into(),
        ..Default::default()
    };
    match cast.registry.client.exports().create_export_job(request).await {
        Err(status) => screen::say(&format!(
            "The registry exports {}: ✗ {}",
            cast.flights.sql_name,
            status.message()
        )),
        Ok(_) => bail!("a table was exported by another organization than its owner's"),
    }
    Ok(())
}

/// One question of the story.
struct Question<'a> {
    who: &'a cast::Organization,
    text: &'static str,
    sql: &'static str,
    moral: &'static str,
}
