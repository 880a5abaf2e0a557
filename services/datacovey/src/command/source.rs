//! Files as a command line names them: one by one, by patterns, and standard input.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use tempfile::NamedTempFile;

/// One file to be imported.
#[derive(Debug)]
pub(super) struct Source {
    /// As people know it.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Holds what came from standard input, so that a broken connection can be taken up.
    temporary: Option<NamedTempFile>,
}

impl Source {
    pub(super) fn file(path: impl Into<PathBuf>) -> anyhow::Result<Self> {
        let path = path.into();
        let name = path.display().to_string();
        let found = std::fs::metadata(&path).with_context(|| format!("cannot read {name}"))?;
        ensure!(found.is_file(), "{name} is no file");
        Ok(Self {
            name,
            path,
            temporary: None,
        })
    }

    fn standard_input() -> anyhow::Result<Self> {
        let cannot = "cannot keep standard input";
        let mut file = NamedTempFile::with_prefix("datacovey-").context(cannot)?;
        io::copy(&mut io::stdin().lock(), &mut file).context(cannot)?;
        Ok(Self {
            name: "-".to_owned(),
            path: file.path().to_owned(),
            temporary: Some(file),
        })
    }

    /// Whether it is gone when the command ends.
    pub(super) const fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// The name that may say what the file is.
    pub(super) fn form_name(&self) -> &Path {
        Path::new(&self.name)
    }
}

/// The files that arguments name, all of which can be read.
pub(super) fn sources(arguments: &[String]) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for argument in arguments {
        if argument == "-" {
            ensure!(
                sources.iter().all(|it: &Source| !it.is_temporary()),
                "standard input is one file, and named twice"
            );
            sources.push(Source::standard_input()?);
        } else if argument.contains(['*', '?', '[']) && !Path::new(argument).exists() {
            // They come sorted.
            let paths = glob::glob(argument).with_context(|| format!("{argument} is no pattern of files"))?;
            let before = sources.len();
            for path in paths {
                let path = path.with_context(|| format!("cannot read all that {argument} is for"))?;
                if path.is_file() {
                    sources.push(Source::file(path)?);
                }
            }
            if sources.len() == before {
                bail!("no file is called {argument}");
            }
        } else {
            sources.push(Source::file(argument)?);
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_files_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", "c.txt", "d[1].csv"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let path = |name: &str| folder.path().join(name).display().to_string();
        let found = |argument: &str| {
            sources(&[path(argument)]).map(|found| found.into_iter().map(|it| it.name).collect::<Vec<_>>())
        };
        assert_eq!(found("[ab].csv").unwrap(), [path("a.csv"), path("b.csv")]);
        assert_eq!(found("d[1].csv").unwrap(), [path("d[1].csv")]);
        assert!(found("*.parquet").is_err() && found("missing.csv").is_err() && found("").is_err());
    }
}
