//! `limit` and `offset`, and the header `Range`.

use super::Path;
use super::field::tree_path;
use crate::error::Error;

/// Which part of the rows is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) offset: i64,
    pub(crate) limit: Option<i64>,
}

/// Pages by the path that they belong to, as their keys are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pages(Vec<(String, Page)>);

impl Pages {
    pub(crate) fn read<'a>(
        limits: impl Iterator<Item = (&'a str, &'a str)>,
        offsets: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut pages = Self::default();
        // The last of a kind wins.
        for (key, value) in limits {
            pages.at(key).limit = number(value);
        }
        for (key, value) in offsets {
            pages.at(key).offset = number(value).unwrap_or(0).max(0);
        }
        pages
    }

    fn at(&mut self, key: &str) -> &mut Page {
        let path = key.rsplit_once('.').map_or("", |(path, _)| path);
        let place = self.0.iter().position(|(other, _)| other == path);
        let place = place.unwrap_or_else(|| {
            self.0.push((path.to_owned(), Page::default()));
            self.0.len() - 1
        });
        &mut self.0[place].1
    }

    /// That of the request's own rows.
    pub(crate) fn root(&self) -> Option<Page> {
        self.0
            .iter()
            .find(|(path, _)| path.is_empty())
            .map(|(_, page)| *page)
    }

    /// Those of embeddings.
    pub(crate) fn embedded(&self) -> Result<Vec<(Path, Page)>, Error> {
        let embedded = self.0.iter().filter(|(path, _)| !path.is_empty());
        embedded
            .map(|(path, page)| {
                // The key stands in errors.
                let key = format!("{path}.limit");
                Ok((tree_path(&key)?.0, *page))
            })
            .collect()
    }
}

/// An integer of any length, held to 64 bits.
fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let least = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    Some(text.parse().unwrap_or(least))
}

impl Page {
    /// Both at once: the rows of the header's range that the parameters ask for, too.
    pub(crate) fn with_range(self, header: Option<&str>) -> Result<Self, Error> {
        if self.limit.is_some_and(|it| it < 0) {
            return Err(Error::range("Limit should be greater than or equal to zero."));
        }
        let Some((first, last)) = header.and_then(range) else {
            return Ok(self);
        };
        if last.is_some_and(|last| first > last) {
            return Err(Error::range(
                "The lower boundary must be lower than or equal to the upper boundary in the Range header.",
            ));
        }
        if self.limit == Some(0) {
            return Ok(self);
        }
        let offset = self.offset.max(first);
        let own_last = self.limit.map(|it| self.offset.saturating_add(it) - 1);
        let last = match (own_last, last) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        match last {
            Some(last) if last < offset => {
                Err(Error::range("Limit should be greater than or equal to zero."))
            }
            _ => Ok(Self {
                offset,
                limit: last.map(|it| (it - offset).saturating_add(1)),
            }),
        }
    }
}

/// `a-b` or `a-`; anything else is no range.
fn range(header: &str) -> Option<(i64, Option<i64>)> {
    let (first, last) = header.split_once('-')?;
    if !last.bytes().all(|it| it.is_ascii_digit()) || !first.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let last = if last.is_empty() {
        None
    } else {
        Some(number(last)?)
    };
    Some((number(first)?, last))
}
