//! The text of a statement together with its parameters.

use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use super::error::RowsError;

/// The protocol counts parameters in 16 bits.
const MAX_PARAMETERS: usize = 65_000;

/// A statement that is being written.
#[derive(Debug, Default)]
pub(super) struct Sql {
    pub(super) text: String,
    parameters: Vec<Untyped>,
}

impl Sql {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            parameters: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// A name that the database knows, or that names a part of an answer.
    pub(super) fn name(&mut self, name: &str) -> &mut Self {
        self.text.push('"');
        self.text.push_str(&name.replace('"', "\"\""));
        self.text.push('"');
        self
    }

    /// A value, as the caller wrote it.
    pub(super) fn value(&mut self, text: impl Into<String>) -> &mut Self {
        self.parameters.push(Untyped(text.into()));
        let number = self.parameters.len();
        self.text.push_str(&format!("${number}"));
        self
    }

    /// Values as one array.
    pub(super) fn values(&mut self, values: &[String]) -> &mut Self {
        let bytes: usize = values.iter().map(|it| it.len() + 3).sum();
        let mut array = String::with_capacity(bytes + 2);
        array.push('{');
        for (place, value) in values.iter().enumerate() {
            array.push_str(if place == 0 { "\"" } else { ",\"" });
            for it in value.chars() {
                if matches!(it, '"' | '\\') {
                    array.push('\\');
                }
                array.push(it);
            }
            array.push('"');
        }
        array.push('}');
        self.value(array)
    }

    /// The parameters as the driver takes them. Fails where a text has the NUL character, which no text of the
    /// database can have, or where there are too many.
    pub(super) fn parameters(&self) -> Result<Vec<(&(dyn ToSql + Sync), Type)>, RowsError> {
        if self.parameters.len() > MAX_PARAMETERS {
            let message = format!("the request has more than {MAX_PARAMETERS} values; send fewer");
            return Err(RowsError::new("54000", message).refused());
        }
        if self.text.contains('\0') || self.parameters.iter().any(|it| it.0.contains('\0')) {
            let message = "invalid byte sequence for encoding \"UTF8\": 0x00";
            return Err(RowsError::new("22021", message));
        }
        let typed = |it| (it as &(dyn ToSql + Sync), Type::UNKNOWN);
        Ok(self.parameters.iter().map(typed).collect())
    }
}

/// A text whose type the database finds by where it stands.
#[derive(Debug)]
struct Untyped(String);

impl ToSql for Untyped {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}
