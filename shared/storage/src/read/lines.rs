//! Lines, as records of NDJSON.

use memchr::{memchr_iter, memrchr};

use super::ReadError;
use super::chunks::{Cut, too_long};

/// Each line is a record.
pub(super) struct Lines {
    pub(super) max_line_bytes: usize,
}

impl Cut for Lines {
    fn cut(&self, bytes: &[u8], line: u64) -> Result<Option<(usize, u64)>, ReadError> {
        match memrchr(b'\n', bytes) {
            Some(at) => {
                let lines = memchr_iter(b'\n', &bytes[..=at]).count();
                Ok(Some((at + 1, line + lines as u64)))
            }
            None if bytes.len() > self.max_line_bytes => Err(too_long(line, self.max_line_bytes)),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunks::{Chunk, Chunks};
    use super::*;

    fn split(content: &[u8], max_line_bytes: usize) -> Result<Vec<Chunk>, ReadError> {
        let mut chunks = Chunks::new(content, Lines { max_line_bytes });
        std::iter::from_fn(|| chunks.next().transpose()).collect()
    }

    #[test]
    fn chunks_end_with_lines_and_are_the_content_together() {
        let content: Vec<u8> = (0..1_500_000)
            .flat_map(|n| format!("{n}\n").into_bytes())
            .collect();
        for content in [&content[..], &content[..content.len() - 1], b"x", b"\n\n", b""] {
            let chunks = split(content, 100).unwrap();
            let mut line = 1;
            for chunk in &chunks {
                assert_eq!(chunk.first_line, line);
                line += chunk.bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            }
            let mut but_last = chunks.iter().rev().skip(1);
            assert!(but_last.all(|chunk| chunk.bytes.ends_with(b"\n")));
            assert!(
                chunks
                    .last()
                    .is_none_or(|chunk| chunk.end == content.len() as u64)
            );
            assert_eq!(
                chunks.into_iter().flat_map(|it| it.bytes).collect::<Vec<_>>(),
                content
            );
        }
        assert_eq!(split(b"\xef\xbb\xbf{}\n", 100).unwrap()[0].bytes, b"{}\n");
    }

    #[test]
    fn a_line_without_end_is_refused_in_bounded_memory() {
        let endless = std::io::repeat(b'x');
        let error = Chunks::new(
            endless,
            Lines {
                max_line_bytes: 16 << 20,
            },
        )
        .next()
        .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("line 1 has more than 16777216 bytes, the most")
        );
        let long = [b"{}\n".as_slice(), &vec![b'x'; 6 << 20]].concat();
        assert!(split(&long, 1 << 20).is_err());
        assert!(split(&long, 6 << 20).is_ok());
    }
}
