use std::io::{self, IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};
use datacovey_proto::catalog::v1::{CreateTableRequest, Table};
use datacovey_proto::transfer::v1::{Compression, CsvOptions, FileFormat};
use datacovey_storage::read::{CsvFormat, SampledSchema, sample_schema};
use datacovey_storage::{Compression as Packing, Format};

use super::source::Source;
use crate::cli::files::Import;
use crate::client::{Client, FileForm, ImportOptions, to_struct};

/// Makes a table by the schema of a file, if whoever is there agrees to it, and gives its id.
pub(super) async fn table(
    client: &Client,
    dataset_id: &str,
    name: &str,
    source: &Source,
    options: &ImportOptions,
    arguments: &Import,
) -> anyhow::Result<String> {
    let form = options.form_of(source.form_name());
    let path = source.path.clone();
    let sampled = tokio::task::spawn_blocking(move || sample(&path, &form)).await?;
    let SampledSchema { schema, is_whole, .. } = sampled.with_context(|| source.name.clone())?;
    let holds = if is_whole {
        ""
    } else {
        " begin like that, as far as was looked"
    };
    if !arguments.output.quiet {
        eprintln!("the rows of {}{holds}: {schema:#}", source.name);
    }
    if !arguments.yes && !agreed(name)? {
        bail!("the table {name} was not made, and nothing imported");
    }
    let request = CreateTableRequest {
        table: Some(Table {
            dataset_id: dataset_id.to_owned(),
            name: name.to_owned(),
            schema: Some(to_struct(schema)),
            ..Table::default()
        }),
        request_id: uuid::Uuid::now_v7().to_string(),
        ..CreateTableRequest::default()
    };
    let table = client.tables().create_table(request).await?.into_inner();
    if !arguments.output.quiet {
        eprintln!("made the table {name}: {}", table.id);
    }
    Ok(table.id)
}

fn sample(path: &std::path::Path, form: &FileForm) -> anyhow::Result<SampledSchema> {
    let format = match form.format {
        FileFormat::Unspecified => None,
        FileFormat::Csv => Some(Format::Csv),
        FileFormat::Ndjson => Some(Format::Ndjson),
        FileFormat::Parquet => Some(Format::Parquet),
        FileFormat::Arrow => Some(Format::Arrow),
    };
    let compression = match form.compression {
        Compression::Unspecified => None,
        Compression::None => Some(Packing::None),
        Compression::Gzip => Some(Packing::Gzip),
        Compression::Zstd => Some(Packing::Zstd),
    };
    let csv = csv(form.csv.clone().unwrap_or_default())?;
    Ok(sample_schema(path, format, compression, &csv)?)
}

/// The options as the import takes them, all of whose faults it tells.
fn csv(given: CsvOptions) -> anyhow::Result<CsvFormat> {
    let usual = CsvFormat::default();
    let byte = |given: Option<String>| given.and_then(|it| it.bytes().next());
    let format = CsvFormat {
        delimiter: byte(given.delimiter).unwrap_or(usual.delimiter),
        quote: byte(given.quote).unwrap_or(usual.quote),
        columns: (given.header == Some(false)).then_some(given.columns),
        null_values: if given.null_values.is_empty() {
            usual.null_values
        } else {
            given.null_values
        },
        escape: byte(given.escape),
        comment: byte(given.comment),
        encoding: given.encoding,
    };
    if let Err(faults) = format.check() {
        let faults: Vec<_> = faults
            .iter()
            .map(|it| format!("--{} {}", it.field, it.reason))
            .collect();
        bail!("the CSV cannot be read like that: {}", faults.join("; "));
    }
    Ok(format)
}

fn agreed(name: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("nobody can be asked whether the table {name} is to be made like that; say --yes");
    }
    eprint!("make the table {name} like that? [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
