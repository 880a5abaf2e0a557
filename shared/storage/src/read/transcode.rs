//! Text of other encodings as UTF-8.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding};

use super::ReadError;

const BUFFER_BYTES: usize = 64 << 10;

/// Reads text of an encoding as UTF-8. A byte order mark at its beginning is left out, and what is none of
/// the encoding is an error: nothing is replaced.
pub(super) struct Transcoded<R> {
    input: R,
    encoding: &'static Encoding,
    decoder: Decoder,
    raw: Box<[u8]>,
    at: usize,
    filled: usize,
    input_ended: bool,
    text: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Transcoded<R> {
    pub(super) fn new(input: R, encoding: &'static Encoding) -> Self {
        Self {
            input,
            encoding,
            decoder: encoding.new_decoder_with_bom_removal(),
            raw: vec![0; BUFFER_BYTES].into(),
            at: 0,
            filled: 0,
            input_ended: false,
            text: Vec::new(),
            given: 0,
            ended: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.at == self.filled && !self.input_ended {
            (self.at, self.filled) = (0, self.input.read(&mut self.raw)?);
            self.input_ended = self.filled == 0;
        }
        self.text.resize(BUFFER_BYTES, 0);
        self.given = 0;
        let raw = &self.raw[self.at..self.filled];
        let (result, read, written) =
            self.decoder
                .decode_to_utf8_without_replacement(raw, &mut self.text, self.input_ended);
        self.at += read;
        self.text.truncate(written);
        match result {
            DecoderResult::InputEmpty => self.ended = self.input_ended,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(_, _) => {
                let reason = format!("the content is not text in the encoding {}", self.encoding.name());
                return Err(io::Error::other(ReadError::content(reason)));
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Transcoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.ended {
            self.fill()?;
        }
        let count = out.len().min(self.text.len() - self.given);
        out[..count].copy_from_slice(&self.text[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], label: &str) -> io::Result<String> {
        let mut text = String::new();
        let encoding = Encoding::for_label(label.as_bytes()).unwrap();
        Transcoded::new(bytes, encoding).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn other_encodings_are_read_as_utf8() {
        assert_eq!(read(b"caf\xe9 \x80", "latin1").unwrap(), "café €");
        assert_eq!(read(b"\xff\xfea\0\xac\x20", "utf-16le").unwrap(), "a€");
        assert_eq!(read(b"", "latin1").unwrap(), "");
        let long = vec![0xe9; 300_000];
        assert_eq!(read(&long, "windows-1252").unwrap(), "é".repeat(300_000));
        let error = read(b"a\0\x00\xd8", "utf-16le").unwrap_err();
        assert!(error.to_string().contains("UTF-16LE"), "{error}");
    }
}
