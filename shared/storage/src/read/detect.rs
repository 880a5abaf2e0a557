//! What a file is, by its first bytes.

use std::fmt;
use std::io::Read as _;

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::arrow_ipc::MARK;
use super::{ByteSource, Compression, ReadError};
use crate::StoreError;

/// Looked at, and unpacked, at most.
const HEAD_BYTES: u64 = 64 << 10;

/// The formats that files may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Csv,
    Ndjson,
    Parquet,
    Arrow,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "CSV",
            Self::Ndjson => "NDJSON",
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow",
        })
    }
}

/// What a file is found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detected {
    pub kind: FileKind,
    pub compression: Compression,
}

/// Finds out what a file is where it was not said, by its bytes and, where they leave it open, its name; and
/// whether what was said is true.
///
/// # Errors
///
/// [`ReadError::Content`] if the content is not what was said.
pub async fn detect(
    source: ByteSource,
    said: Option<FileKind>,
    compression: Option<Compression>,
    name: Option<&str>,
) -> Result<Detected, ReadError> {
    let by_name = name.and_then(kind_of_name);
    let packed = source.get_range(0..HEAD_BYTES).await?;
    let found = Compression::of(&packed);
    let binary = kind_of(&packed);
    if let Some(said) = compression
        && said != found
    {
        return Err(ReadError::content(format!(
            "the content was said to have {said}, and its first bytes say {found}"
        )));
    }
    let kind = match found {
        Compression::None => binary,
        packed => {
            let source = source.blocking(Handle::current());
            let head = spawn_blocking(move || {
                let mut head = Vec::new();
                // What is damaged is told by whoever reads it all.
                if let Ok(unpacked) = packed.unpack(source.whole()) {
                    let _ = unpacked.take(HEAD_BYTES).read_to_end(&mut head);
                }
                head
            });
            kind_of(
                &head
                    .await
                    .map_err(|lost| StoreError::Io(std::io::Error::other(lost)))?,
            )
        }
    };
    let kind = match (said, kind) {
        (None, Evidence::Of(kind)) => kind,
        // It may well be a CSV file whose first name begins with a brace, but hardly is.
        (None, Evidence::Like(kind)) => by_name.unwrap_or(kind),
        (None, Evidence::Text) => match by_name {
            Some(FileKind::Ndjson) => FileKind::Ndjson,
            _ => FileKind::Csv,
        },
        (Some(said), Evidence::Of(kind)) if said != kind => {
            return Err(ReadError::content(format!(
                "the content was said to be {said}, and its first bytes say that it is {kind}"
            )));
        }
        (Some(said), _) => said,
    };
    Ok(Detected {
        kind,
        compression: found,
    })
}

/// What bytes say.
#[derive(Debug, PartialEq, Eq)]
enum Evidence {
    /// Nothing else begins so.
    Of(FileKind),
    /// Most that begins so is it.
    Like(FileKind),
    /// Nothing.
    Text,
}

fn kind_of(head: &[u8]) -> Evidence {
    if head.starts_with(b"PAR1") {
        return Evidence::Of(FileKind::Parquet);
    }
    if head.starts_with(MARK) || head.starts_with(&[0xff; 4]) {
        return Evidence::Of(FileKind::Arrow);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if text.trim_ascii_start().starts_with(b"{") {
        return Evidence::Like(FileKind::Ndjson);
    }
    Evidence::Text
}

/// By what a file is named, perhaps as `flights.csv.gz`.
fn kind_of_name(name: &str) -> Option<FileKind> {
    let name = name.to_ascii_lowercase();
    let name = [".gz", ".zst", ".zstd"]
        .into_iter()
        .find_map(|it| name.strip_suffix(it))
        .unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "csv" | "tsv" | "txt" => Some(FileKind::Csv),
        "ndjson" | "jsonl" | "json" => Some(FileKind::Ndjson),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_what_a_file_is() {
        for (head, expected) in [
            (b"PAR1\x15".as_slice(), Evidence::Of(FileKind::Parquet)),
            (b"ARROW1\0\0\xff\xff\xff\xff", Evidence::Of(FileKind::Arrow)),
            (b"\xff\xff\xff\xff\x10\0\0\0", Evidence::Of(FileKind::Arrow)),
            (b"\xef\xbb\xbf\n {\"a\": 1}", Evidence::Like(FileKind::Ndjson)),
            (b"a,b\n{1,2", Evidence::Text),
            (b"", Evidence::Text),
        ] {
            assert_eq!(kind_of(head), expected, "{head:?}");
        }
        assert_eq!(Compression::of(b"\x1f\x8b\x08"), Compression::Gzip);
        assert_eq!(Compression::of(b"\x28\xb5\x2f\xfd"), Compression::Zstd);
        assert_eq!(Compression::of(b"\x1f"), Compression::None);
    }

    #[test]
    fn names_are_a_hint_with_or_without_compression() {
        assert_eq!(kind_of_name("s3://b/x.d/flights.CSV.gz"), Some(FileKind::Csv));
        assert_eq!(kind_of_name("events.jsonl"), Some(FileKind::Ndjson));
        assert_eq!(kind_of_name("events.gz"), None);
        assert_eq!(kind_of_name("x.parquet"), None);
    }
}
