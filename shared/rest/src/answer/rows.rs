//! The text between rows.

use bytes::{BufMut as _, BytesMut};

use crate::media::Media;

/// Writes rows, each already in its format, as one body.
#[derive(Clone, Debug)]
pub struct RowWriter {
    media: Media,
    /// The line of names, of CSV.
    header: String,
    count: u64,
}

impl RowWriter {
    /// `columns` are the names of the members of each row.
    #[must_use]
    pub fn new(media: Media, columns: &[String]) -> Self {
        Self {
            media,
            header: columns.join(","),
            count: 0,
        }
    }

    /// Appends a row, and what goes before it.
    pub fn row(&mut self, row: &[u8], body: &mut BytesMut) {
        let before = match (self.media, self.count) {
            (Media::Object | Media::ObjectStripped, _) => "",
            (Media::Csv, 0) => {
                body.put_slice(self.header.as_bytes());
                "\n"
            }
            (Media::Csv, _) => "\n",
            (_, 0) => "[",
            _ => ", \n ",
        };
        body.put_slice(before.as_bytes());
        body.put_slice(row);
        self.count += 1;
    }

    /// Appends what goes after the last row.
    pub fn end(&self, body: &mut BytesMut) {
        let after: &[u8] = match (self.media, self.count) {
            (Media::Object | Media::ObjectStripped, _) => b"",
            (Media::Csv, 0) => b"\n",
            (Media::Csv, _) => b"",
            (_, 0) => b"[]",
            _ => b"]",
        };
        body.put_slice(after);
    }
}
