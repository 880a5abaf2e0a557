use encoding_rs::Encoding;

const MAX_NULL_CHARACTERS: usize = 64;

/// How a CSV file is written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CsvFormat {
    /// Between fields: one ASCII character.
    pub delimiter: u8,
    /// Around fields: one ASCII character.
    pub quote: u8,
    /// The names of the columns, where the first line does not hold them: then a file that is written
    /// does without that line.
    pub columns: Option<Vec<String>>,
    /// Unquoted fields that mean no value.
    pub null_values: Vec<String>,
    /// Within quotes, takes the next character as it is: one ASCII character. None if only quotes are
    /// escaped, by doubling them.
    #[serde(default)]
    pub escape: Option<u8>,
    /// Lines that begin with it are passed over: one ASCII character.
    #[serde(default)]
    pub comment: Option<u8>,
    /// A label of the WHATWG Encoding Standard; none for UTF-8.
    #[serde(default)]
    pub encoding: Option<String>,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: b'"',
            columns: None,
            null_values: vec![String::new()],
            escape: None,
            comment: None,
            encoding: None,
        }
    }
}

/// What is wrong with a [`CsvFormat`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvFormatError {
    /// The field of the format.
    pub field: &'static str,
    pub reason: String,
}

impl CsvFormat {
    /// The encoding that content has to be brought from; none if it is UTF-8.
    pub(super) fn other_encoding(&self) -> Option<&'static Encoding> {
        let label = self.encoding.as_ref()?;
        Encoding::for_label(label.as_bytes()).filter(|it| *it != encoding_rs::UTF_8)
    }

    /// Checks that the parts can be told from each other.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub fn check(&self) -> Result<(), Vec<CsvFormatError>> {
        let mut errors = Vec::new();
        let mut refuse = |field, reason: &str| {
            errors.push(CsvFormatError {
                field,
                reason: reason.to_owned(),
            })
        };
        let stands_alone = |byte: u8| byte.is_ascii() && !matches!(byte, b'\r' | b'\n' | 0);
        for (field, byte) in [
            ("delimiter", Some(self.delimiter)),
            ("quote", Some(self.quote)),
            ("escape", self.escape),
            ("comment", self.comment),
        ] {
            if byte.is_some_and(|byte| !stands_alone(byte)) {
                refuse(field, "must be one ASCII character that ends no line");
            }
        }
        if self.delimiter == self.quote {
            refuse("quote", "must differ from the delimiter");
        }
        if self.escape == Some(self.delimiter) {
            refuse("escape", "must differ from the delimiter");
        }
        if self
            .comment
            .is_some_and(|it| it == self.delimiter || it == self.quote)
        {
            refuse("comment", "must differ from the delimiter and the quote");
        }
        if let Some(label) = &self.encoding
            && Encoding::for_label(label.as_bytes()).is_none_or(|it| it == encoding_rs::REPLACEMENT)
        {
            refuse(
                "encoding",
                "is not known; use a name as utf-8, windows-1252 or utf-16le",
            );
        }
        for text in &self.null_values {
            if text.chars().count() > MAX_NULL_CHARACTERS {
                refuse("null_values", "may have at most 64 characters each");
            } else if text.bytes().any(|byte| {
                byte == self.delimiter || byte == self.quote || !stands_alone(byte) && byte.is_ascii()
            }) {
                refuse("null_values", "may hold neither delimiter, quote nor line end");
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_whose_parts_cannot_be_told_apart_is_refused() {
        let format = CsvFormat {
            delimiter: b'"',
            quote: b'"',
            columns: None,
            null_values: vec!["\n".to_owned(), "é".to_owned(), "x".repeat(65)],
            escape: Some(b'"'),
            comment: Some(b'\n'),
            encoding: Some("klingon".to_owned()),
        };
        let fields: Vec<&str> = format
            .check()
            .unwrap_err()
            .into_iter()
            .map(|error| error.field)
            .collect();
        assert_eq!(
            fields,
            [
                "comment",
                "quote",
                "escape",
                "encoding",
                "null_values",
                "null_values"
            ]
        );
        assert!(CsvFormat::default().check().is_ok());
    }
}
