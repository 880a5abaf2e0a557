use std::fmt;

use object_store::path::Path;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Longer than any path that a store takes.
const MAX_URI_BYTES: usize = 4096;
/// What a path in a URI must not hold as it stands, because it would mean something else there.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'*').add(b'?').add(b'#');

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scheme {
    File,
    S3,
    Gs,
    Az,
}

impl Scheme {
    const ALL: [Self; 4] = [Self::File, Self::S3, Self::Gs, Self::Az];

    const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
        }
    }
}

/// What a URI names: a kind of store, a bucket in it, and a path whose parts may be patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    scheme: Scheme,
    /// Empty of files.
    bucket: String,
    pattern: Pattern,
    /// Whether it ends with a slash.
    is_folder: bool,
}

/// The parts of a path, some of which may stand for many names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Part>);

/// A part of a path, between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// What is around each `*`, which stands for any characters; one piece where there is none.
    pieces: Vec<String>,
}

impl Location {
    /// Reads a URI as `s3://bucket/path/part-*.csv` or `file:///folder/file`. What is percent-encoded
    /// in a path is decoded, once.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn parse(uri: &str) -> Result<Self, String> {
        if uri.len() > MAX_URI_BYTES {
            return Err(format!("is longer than {MAX_URI_BYTES} bytes"));
        }
        let known = uri.split_once("://").and_then(|(name, rest)| {
            let scheme = Scheme::ALL.into_iter().find(|it| it.as_str() == name)?;
            Some((scheme, rest))
        });
        let Some((scheme, rest)) = known else {
            let name = uri.split_once(':').map_or("", |(name, _)| name);
            let known = "file://, s3://, gs:// or az://";
            return Err(match name {
                "" => format!("does not begin with {known}"),
                _ => format!("begins with {}: and not with {known}", shown(name)),
            });
        };
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        match scheme {
            Scheme::File if !bucket.is_empty() || !rest.starts_with('/') => {
                return Err("names a host; a file is file:/// and its path".to_owned());
            }
            Scheme::File => {}
            _ if !is_bucket(bucket) => {
                return Err(
                    "has no name of a bucket after the slashes: letters, digits, dots, hyphens and underscores"
                        .to_owned(),
                );
            }
            _ => {}
        }
        if path.contains(['?', '#']) {
            return Err("has a query or a fragment; in a path, ? is %3F and # is %23".to_owned());
        }
        let (path, is_folder) = match path.strip_suffix('/') {
            Some(path) => (path, true),
            None => (path, path.is_empty()),
        };
        let parts = match path {
            "" => Vec::new(),
            _ => path.split('/').map(Part::parse).collect::<Result<_, _>>()?,
        };
        Ok(Self {
            scheme,
            bucket: bucket.to_owned(),
            pattern: Pattern(parts),
            is_folder,
        })
    }

    pub(crate) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Whether it names a folder, or all of a bucket.
    pub(crate) const fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// The path; none of a pattern.
    pub(crate) fn path(&self) -> Option<Path> {
        self.pattern.path()
    }

    /// What `other` names, as seen from here; none if that is not below this.
    pub(crate) fn within(&self, other: &Self) -> Option<Pattern> {
        let (own, all) = (&self.pattern.0, &other.pattern.0);
        let below = self.scheme == other.scheme && self.bucket == other.bucket && all.starts_with(own);
        below.then(|| Pattern(all[own.len()..].to_vec()))
    }

    /// The URI of a path that is seen from here.
    pub(crate) fn uri_of(&self, path: &Path) -> String {
        let mut uri = format!("{}://{}", self.scheme.as_str(), self.bucket);
        for part in &self.pattern.0 {
            uri.push_str(&format!("/{part}"));
        }
        format!("{uri}/{}", utf8_percent_encode(path.as_ref(), ENCODED))
    }
}

impl Pattern {
    pub(crate) fn parts(&self) -> &[Part] {
        &self.0
    }

    /// The path; none if it stands for many.
    pub(crate) fn path(&self) -> Option<Path> {
        path_of(&self.0)
    }

    /// The longest path that all that it names is at or below.
    pub(crate) fn fixed(&self) -> Path {
        let fixed = self.0.iter().take_while(|part| part.text().is_some()).count();
        path_of(&self.0[..fixed]).unwrap_or_default()
    }

    /// Whether a path is one of those that it names.
    pub(crate) fn names(&self, path: &Path) -> bool {
        let parts: Vec<&str> = path.as_ref().split('/').collect();
        parts.len() == self.0.len() && self.0.iter().zip(parts).all(|(part, text)| part.matches(text))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.bucket)?;
        for part in &self.pattern.0 {
            write!(f, "/{part}")?;
        }
        f.write_str(if self.is_folder { "/" } else { "" })
    }
}

impl Part {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("has two slashes on end in its path".to_owned());
        }
        let pieces = text.split('*').map(decode).collect::<Result<Vec<_>, _>>()?;
        let part = Self { pieces };
        match part.text() {
            Some("." | "..") => Err("has a . or .. in its path".to_owned()),
            _ => Ok(part),
        }
    }

    /// The text; none of a pattern.
    pub(crate) fn text(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [text] => Some(text),
            _ => None,
        }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let [first, between @ .., last] = self.pieces.as_slice() else {
            return self.text() == Some(text);
        };
        // What begins with a dot is hidden, or half written, as in a shell.
        if first.is_empty() && text.starts_with('.') {
            return false;
        }
        let rest = text.strip_prefix(first.as_str());
        let Some(mut rest) = rest.and_then(|rest| rest.strip_suffix(last.as_str())) else {
            return false;
        };
        // The leftmost place of each is as good as any other.
        between.iter().all(|piece| match rest.find(piece.as_str()) {
            Some(at) => {
                rest = &rest[at + piece.len()..];
                true
            }
            None => false,
        })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, piece) in self.pieces.iter().enumerate() {
            let star = if index > 0 { "*" } else { "" };
            write!(f, "{star}{}", utf8_percent_encode(piece, ENCODED))?;
        }
        Ok(())
    }
}

fn path_of(parts: &[Part]) -> Option<Path> {
    let texts = parts.iter().map(Part::text).collect::<Option<Vec<_>>>()?;
    // Each part was looked over; what is no path all the same names nothing.
    Path::parse(texts.join("/")).ok()
}

fn is_bucket(name: &str) -> bool {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-_.".contains(&it);
    (1..=255).contains(&name.len()) && name.bytes().all(plain) && name.bytes().any(|it| it != b'.')
}

/// Decodes what is percent-encoded, once: what it gives is a name, whatever it looks like.
fn decode(text: &str) -> Result<String, String> {
    let is_escape = |at: usize| {
        let digits = text.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit))
    };
    if text.match_indices('%').any(|(at, _)| !is_escape(at)) {
        return Err("has a % that no two hexadecimal digits follow; a % is %25".to_owned());
    }
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| "is not UTF-8 where it is percent-encoded")?;
    if decoded.contains(|it: char| it == '/' || it == '\\' || it.is_control()) {
        return Err("has a slash, a backslash or a control character that is encoded".to_owned());
    }
    Ok(decoded.into_owned())
}

fn shown(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(uri: &str) -> Location {
        Location::parse(uri).unwrap_or_else(|why| panic!("{uri} {why}"))
    }

    #[test]
    fn a_path_is_decoded_once() {
        for (uri, path) in [
            ("s3://b/a/b.csv", "a/b.csv"),
            ("file:///a%20b/%C3%A4%25", "a b/ä%"),
            ("gs://b.c_d/%252e%252e/x", "%2e%2e/x"),
            ("az://b/%2A", "*"),
            ("s3://b", ""),
            ("s3://b/", ""),
            ("s3://b/a/", "a"),
        ] {
            let location = parsed(uri);
            assert_eq!(location.path().unwrap().as_ref(), path, "{uri}");
            let again = parsed(&location.to_string());
            assert_eq!(again.path(), location.path(), "{location}");
        }
        assert_eq!(
            parsed("s3://b/x").uri_of(&Path::parse("a b/*").unwrap()),
            "s3://b/x/a%20b/%2A"
        );
    }

    #[test]
    fn what_would_lead_elsewhere_is_refused() {
        for (uri, word) in [
            ("http://169.254.169.254/latest", "begins with http:"),
            ("https://b.s3.amazonaws.com/x", "begins with https:"),
            ("S3://b/x", "begins with S3:"),
            ("/etc/passwd", "does not begin"),
            ("", "does not begin"),
            ("file://host/etc/passwd", "host"),
            ("file:etc", "begins with file:"),
            ("s3:///x", "bucket"),
            ("s3://user:password@b/x", "bucket"),
            ("s3://169.254.169.254:80/x", "bucket"),
            ("s3://b%2Fc/x", "bucket"),
            ("s3://../x", "bucket"),
            ("s3://b/x?endpoint=http://169.254.169.254", "query"),
            ("s3://b/x#y", "fragment"),
            ("s3://b/a/../x", ".."),
            ("s3://b/a/%2e%2E/x", ".."),
            ("s3://b/a/.%2e/x", ".."),
            ("s3://b/./x", ".."),
            ("s3://b//x", "two slashes"),
            ("s3://b/a%2f..%2fx", "slash"),
            ("file:///a/..%5cx", "backslash"),
            ("file:///a%00", "control"),
            ("s3://b/%zz", "%25"),
            ("s3://b/%e", "%25"),
            ("s3://b/%ff", "UTF-8"),
        ] {
            let why = Location::parse(uri).unwrap_err();
            assert!(why.contains(word), "{uri}: {why}");
        }
        let long = format!("s3://b/{}", "x".repeat(MAX_URI_BYTES));
        assert!(Location::parse(&long).is_err());
    }

    #[test]
    fn stars_stand_for_names_and_not_for_folders() {
        let named = |uri: &str, path: &str| parsed(uri).pattern.names(&Path::parse(path).unwrap());
        for (uri, path, expected) in [
            ("s3://b/in/*.csv", "in/a.csv", true),
            ("s3://b/in/*.csv", "in/.a.csv", false),
            ("s3://b/in/*.csv", "in/a.csv.gz", false),
            ("s3://b/in/*.csv", "in/b/a.csv", false),
            ("s3://b/*/*.csv", "in/a.csv", true),
            ("s3://b/part-*-of-*", "part-1-of-2", true),
            ("s3://b/part-*-of-*", "part-1", false),
            ("s3://b/a*a", "a", false),
            ("s3://b/a*a", "aa", true),
            ("s3://b/*b*c*", "abcbc", true),
            ("s3://b/%2A", "x", false),
            ("s3://b/%2A", "*", true),
            ("s3://b/a%25b", "a%b", true),
        ] {
            assert_eq!(named(uri, path), expected, "{uri} {path}");
        }
        assert_eq!(parsed("s3://b/in/2013-*/x/*.csv").pattern.fixed().as_ref(), "in");
        assert_eq!(parsed("s3://b/*").pattern.fixed().as_ref(), "");
    }

    #[test]
    fn a_prefix_ends_with_a_name() {
        let holds = |prefix: &str, uri: &str| parsed(prefix).within(&parsed(uri)).is_some();
        for (prefix, uri, expected) in [
            ("s3://b/data", "s3://b/data/x", true),
            ("s3://b/data/", "s3://b/data/x*/y", true),
            ("s3://b/data", "s3://b/database/x", false),
            ("s3://b/data", "s3://b/data", true),
            ("s3://b/data", "s3://b/d*/x", false),
            ("s3://b", "s3://b/x", true),
            ("s3://b", "s3://bb/x", false),
            ("s3://b", "gs://b/x", false),
            ("file:///a", "file:///a/b", true),
        ] {
            assert_eq!(holds(prefix, uri), expected, "{prefix} {uri}");
        }
    }
}
