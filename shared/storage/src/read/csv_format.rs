const MAX_NULL_CHARACTERS: usize = 64;

/// How a CSV file is written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CsvFormat {
    /// Between fields: one ASCII character.
    pub delimiter: u8,
    /// Around fields: one ASCII character.
    pub quote: u8,
    /// The names of the columns, where the first line does not hold them.
    pub columns: Option<Vec<String>>,
    /// Unquoted fields that mean no value.
    pub null_values: Vec<String>,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: b'"',
            columns: None,
            null_values: vec![String::new()],
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
        for (field, byte) in [("delimiter", self.delimiter), ("quote", self.quote)] {
            if !stands_alone(byte) {
                refuse(field, "must be one ASCII character that ends no line");
            }
        }
        if self.delimiter == self.quote {
            refuse("quote", "must differ from the delimiter");
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
        };
        let fields: Vec<&str> = format
            .check()
            .unwrap_err()
            .into_iter()
            .map(|error| error.field)
            .collect();
        assert_eq!(fields, ["quote", "null_values", "null_values"]);
        assert!(CsvFormat::default().check().is_ok());
    }
}
