//! Media types: what a caller takes, and what a body is.

use http::{HeaderMap, StatusCode};

use crate::error::Error;

/// How an answer with rows is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// An array of objects.
    Json,
    /// The same without members that are null.
    JsonStripped,
    /// One object.
    Object,
    /// The same without members that are null.
    ObjectStripped,
    /// A line for each row, and one with the names of the columns.
    Csv,
}

impl Media {
    /// `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::JsonStripped => "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8",
            Self::Object => "application/vnd.pgrst.object+json; charset=utf-8",
            Self::ObjectStripped => "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    /// Whether it holds exactly one row.
    #[must_use]
    pub const fn is_singular(self) -> bool {
        matches!(self, Self::Object | Self::ObjectStripped)
    }
}

/// `Accept`: the media types in the order in which they are liked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted(Vec<String>);

impl Accepted {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let all = headers.get_all("accept").iter();
        let all: Vec<_> = all.map(|it| String::from_utf8_lossy(it.as_bytes())).collect();
        let mut types: Vec<(u32, u8, String)> = Vec::new();
        for item in all.iter().flat_map(|it| it.split(',')).map(str::trim) {
            if item.is_empty() {
                continue;
            }
            let mut quality = 1000;
            let mut parts = item.split(';').map(str::trim);
            let mut name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let mut is_specific = false;
            for part in parts {
                match part.split_once('=') {
                    Some((key, value)) if key.trim().eq_ignore_ascii_case("q") => {
                        quality = thousandths(value)
                    }
                    _ => {
                        is_specific = true;
                        name.push(';');
                        name.push_str(&part.replace(' ', ""));
                    }
                }
            }
            let specificity = match name.as_str() {
                "*/*" => 0,
                it if it.ends_with("/*") => 1,
                _ if is_specific => 3,
                _ => 2,
            };
            types.push((quality, specificity, name));
        }
        types.sort_by_key(|it| std::cmp::Reverse((it.0, it.1)));
        if types.is_empty() {
            types.push((1000, 0, "*/*".to_owned()));
        }
        Self(types.into_iter().map(|(_, _, name)| name).collect())
    }

    /// What rows are written as.
    pub(crate) fn of_rows(&self) -> Result<Media, Error> {
        for name in &self.0 {
            let (kind, parameters) = name.split_once(';').unwrap_or((name, ""));
            let is_stripped = parameters.split(';').any(|it| it == "nulls=stripped");
            return Ok(match kind {
                "application/json" | "*/*" => Media::Json,
                "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" if is_stripped => {
                    Media::JsonStripped
                }
                "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" => Media::Json,
                "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" if is_stripped => {
                    Media::ObjectStripped
                }
                "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" => Media::Object,
                "text/csv" => Media::Csv,
                "application/geo+json" => return Err(no_geometry()),
                _ => continue,
            });
        }
        Err(self.none())
    }

    /// The document at the root has a type of its own, whichever of these is asked for.
    pub(crate) fn of_root(&self) -> Result<(), Error> {
        let fits = |it: &String| {
            matches!(
                it.as_str(),
                "application/openapi+json" | "application/json" | "*/*"
            )
        };
        if self.0.iter().any(fits) {
            Ok(())
        } else {
            Err(self.none())
        }
    }

    fn none(&self) -> Error {
        let message = format!("None of these media types are available: {}", self.0.join(", "));
        Error::new(StatusCode::NOT_ACCEPTABLE, "PGRST107", message)
    }
}

fn no_geometry() -> Error {
    let hint =
        "No function matches the given name and argument types. You might need to add explicit type casts.";
    let message = "function st_asgeojson(record) does not exist";
    Error::new(StatusCode::NOT_FOUND, "42883", message).hint(Some(hint))
}

/// A quality in thousandths, so that it has an order; 1 where it cannot be read.
fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    match (whole.parse::<u32>(), digits.parse::<u32>()) {
        (Ok(0), Ok(fraction)) => fraction,
        _ => 1000,
    }
}
