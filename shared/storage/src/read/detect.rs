//! What a file is, by its first bytes.

use std::io::Read as _;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::arrow_ipc::MARK;
use super::{ByteSource, ReadError};
use crate::{Compression, Format, StoreError};

/// Looked at, and unpacked, at most.
pub(super) const HEAD_BYTES: u64 = 64 << 10;

/// What a file is found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detected {
    pub format: Format,
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
    said: Option<Format>,
    compression: Option<Compression>,
    name: Option<&str>,
) -> Result<Detected, ReadError> {
    let packed = source.get_range(0..HEAD_BYTES).await?;
    let found = Compression::of(&packed);
    if found == Compression::None {
        return judge(said, compression, found, &packed, name);
    }
    let source = source.blocking(Handle::current());
    let head = spawn_blocking(move || {
        let mut head = Vec::new();
        // What is damaged is told by whoever reads it all.
        if let Ok(unpacked) = found.unpack(source.whole()) {
            let _ = unpacked.take(HEAD_BYTES).read_to_end(&mut head);
        }
        head
    });
    let head = head
        .await
        .map_err(|lost| StoreError::Io(std::io::Error::other(lost)))?;
    judge(said, compression, found, &head, name)
}

/// The same, of the first bytes as they are without their compression, which was found already.
pub(super) fn judge(
    said: Option<Format>,
    compression: Option<Compression>,
    found: Compression,
    head: &[u8],
    name: Option<&str>,
) -> Result<Detected, ReadError> {
    if let Some(said) = compression
        && said != found
    {
        return Err(ReadError::content(format!(
            "the content was said to have {said}, and its first bytes say {found}"
        )));
    }
    let by_name = name.and_then(format_of_name);
    let format = match (said, evidence_of(head)) {
        (None, Evidence::Of(format)) => format,
        // It may well be a CSV file whose first name begins with a brace, but hardly is.
        (None, Evidence::Like(format)) => by_name.unwrap_or(format),
        (None, Evidence::Text) => match by_name {
            Some(Format::Ndjson) => Format::Ndjson,
            _ => Format::Csv,
        },
        (Some(said), Evidence::Of(format)) if said != format => {
            return Err(ReadError::content(format!(
                "the content was said to be {said}, and its first bytes say that it is {format}"
            )));
        }
        (Some(said), _) => said,
    };
    Ok(Detected {
        format,
        compression: found,
    })
}

/// What bytes say.
#[derive(Debug, PartialEq, Eq)]
enum Evidence {
    /// Nothing else begins so.
    Of(Format),
    /// Most that begins so is it.
    Like(Format),
    /// Nothing.
    Text,
}

fn evidence_of(head: &[u8]) -> Evidence {
    if head.starts_with(b"PAR1") {
        return Evidence::Of(Format::Parquet);
    }
    if head.starts_with(MARK) || head.starts_with(&[0xff; 4]) {
        return Evidence::Of(Format::Arrow);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if text.trim_ascii_start().starts_with(b"{") {
        return Evidence::Like(Format::Ndjson);
    }
    Evidence::Text
}

/// By what a file is named, perhaps as `flights.csv.gz`.
fn format_of_name(name: &str) -> Option<Format> {
    let name = name.to_ascii_lowercase();
    let name = [".gz", ".zst", ".zstd"]
        .into_iter()
        .find_map(|it| name.strip_suffix(it))
        .unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "csv" | "tsv" | "txt" => Some(Format::Csv),
        "ndjson" | "jsonl" | "json" => Some(Format::Ndjson),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_what_a_file_is() {
        for (head, expected) in [
            (b"PAR1\x15".as_slice(), Evidence::Of(Format::Parquet)),
            (b"ARROW1\0\0\xff\xff\xff\xff", Evidence::Of(Format::Arrow)),
            (b"\xff\xff\xff\xff\x10\0\0\0", Evidence::Of(Format::Arrow)),
            (b"\xef\xbb\xbf\n {\"a\": 1}", Evidence::Like(Format::Ndjson)),
            (b"a,b\n{1,2", Evidence::Text),
            (b"", Evidence::Text),
        ] {
            assert_eq!(evidence_of(head), expected, "{head:?}");
        }
        assert_eq!(Compression::of(b"\x1f\x8b\x08"), Compression::Gzip);
        assert_eq!(Compression::of(b"\x28\xb5\x2f\xfd"), Compression::Zstd);
        assert_eq!(Compression::of(b"\x1f"), Compression::None);
    }

    #[test]
    fn names_are_a_hint_with_or_without_compression() {
        assert_eq!(format_of_name("s3://b/x.d/flights.CSV.gz"), Some(Format::Csv));
        assert_eq!(format_of_name("events.jsonl"), Some(Format::Ndjson));
        assert_eq!(format_of_name("events.gz"), None);
        assert_eq!(format_of_name("x.parquet"), None);
    }
}
