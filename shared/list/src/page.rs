use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datacovey_error::{Error, ErrorReason, Result, Violation, Violations};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

/// Rows of a page where the request names no size.
pub const DEFAULT_PAGE_SIZE: u32 = 50;
/// Rows of a page at most; a request for more gets this many.
pub const MAX_PAGE_SIZE: u32 = 1000;

/// Bytes of a page's rows at most, for clients take messages of 4 MiB unless told otherwise.
pub const MAX_PAGE_BYTES: usize = 3 * 1024 * 1024;

const VERSION: u8 = 1;
const SEAL_BYTES: usize = 16;
/// Longer than any token made here; what is longer is not decoded at all.
const MAX_TOKEN_LENGTH: usize = 8192;

/// What a page token is bound to: the method and every field that decides which rows a list has
/// and in which order. A token answers only the request that made it.
///
/// `page_size` stays out: a caller may change it from page to page.
#[derive(Clone)]
pub struct Binding(Sha256);

impl Binding {
    /// `method` as the API calls it: `ListTables`.
    #[must_use]
    pub fn new(method: &str) -> Self {
        let mut hash = Sha256::new();
        absorb(&mut hash, method.as_bytes());
        Self(hash)
    }

    /// Adds a field of the request; the order of the calls counts.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl fmt::Display) -> Self {
        absorb(&mut self.0, field.as_bytes());
        absorb(&mut self.0, value.to_string().as_bytes());
        self
    }

    /// Binds a cursor to the request and shows a changed token. It is no secret: a forged cursor
    /// only moves the start of a list whose rows are decided elsewhere.
    fn seal(&self, cursor: &[u8]) -> [u8; SEAL_BYTES] {
        let mut hash = self.0.clone();
        absorb(&mut hash, cursor);
        let mut seal = [0; SEAL_BYTES];
        seal.copy_from_slice(&hash.finalize()[..SEAL_BYTES]);
        seal
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Binding").finish_non_exhaustive()
    }
}

/// With its length before it, so that no two lists of fields hash alike.
fn absorb(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// Which rows of a list are asked for: how many, after which one.
///
/// `C` is the cursor: the columns by which the list is ordered, of the last row of a page.
#[derive(Clone, Debug)]
pub struct Paging<C> {
    /// Rows of this page at most; 1 to [`MAX_PAGE_SIZE`].
    pub size: u32,
    /// The last row of the page before; none for the first page.
    pub after: Option<C>,
    binding: Binding,
}

impl<C: Serialize + DeserializeOwned> Paging<C> {
    /// Reads `page_size` and `page_token`; notes what is wrong with them and goes on without.
    ///
    /// `page_size`: 0 is [`DEFAULT_PAGE_SIZE`], more than [`MAX_PAGE_SIZE`] is that, negative is a
    /// violation. `page_token`: empty is the first page; anything not made by the same request is
    /// a violation with the reason INVALID_PAGE_TOKEN.
    pub fn parse(
        binding: Binding,
        page_size: i32,
        page_token: &str,
        violations: &mut Violations,
    ) -> Option<Self> {
        let size = u32::try_from(page_size)
            .map_err(|_| violations.add("page_size", "must not be negative"))
            .ok()
            .map(|size| {
                if size == 0 {
                    DEFAULT_PAGE_SIZE
                } else {
                    size.min(MAX_PAGE_SIZE)
                }
            });
        let after = match page_token {
            "" => Some(None),
            token => {
                let cursor = open(&binding, token);
                if cursor.is_none() {
                    violations.push(
                        Violation::new(
                            "page_token",
                            "is not a token of this list; send the next_page_token of the page before, \
                             with all other fields but page_size unchanged",
                        )
                        .of(ErrorReason::InvalidPageToken),
                    );
                }
                cursor.map(Some)
            }
        };
        Some(Self {
            size: size?,
            after: after?,
            binding,
        })
    }

    /// The first page of `size` rows of a list that no request asked for.
    #[must_use]
    pub fn first(binding: Binding, size: u32) -> Self {
        Self {
            size: size.clamp(1, MAX_PAGE_SIZE),
            after: None,
            binding,
        }
    }

    /// How many rows a statement must fetch: one more than the page holds tells whether there are more.
    #[must_use]
    pub fn limit(&self) -> i64 {
        i64::from(self.size) + 1
    }

    /// Makes the page of the rows that a statement with [`Self::limit`] gave, in the list's order.
    pub fn page<T>(&self, rows: Vec<T>, cursor: impl FnOnce(&T) -> C) -> Result<Page<T>> {
        self.page_within(rows, |_| 0, |row| Ok(cursor(row)))
    }

    /// The same for rows of any size: the page ends before it has more than [`MAX_PAGE_BYTES`], and
    /// holds one row at least.
    pub fn page_within<T>(
        &self,
        mut rows: Vec<T>,
        bytes: impl Fn(&T) -> usize,
        cursor: impl FnOnce(&T) -> Result<C>,
    ) -> Result<Page<T>> {
        let mut total = 0;
        let fits = |row: &&T| {
            total += bytes(row);
            total <= MAX_PAGE_BYTES
        };
        let size = rows.iter().take_while(fits).count().clamp(1, self.size as usize);
        let more = rows.len() > size;
        rows.truncate(size);
        let next_page_token = match rows.last() {
            Some(last) if more => seal(&self.binding, &cursor(last)?)?,
            _ => String::new(),
        };
        Ok(Page {
            rows,
            next_page_token,
        })
    }
}

/// Rows of a list, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// Empty on the last page.
    pub next_page_token: String,
}

impl<T> Page<T> {
    /// The same page of what the rows become.
    pub fn try_map<U>(self, convert: impl FnMut(T) -> Result<U>) -> Result<Page<U>> {
        Ok(Page {
            rows: self.rows.into_iter().map(convert).collect::<Result<_>>()?,
            next_page_token: self.next_page_token,
        })
    }
}

/// `version, seal, cursor as JSON`, in base64url.
fn seal(binding: &Binding, cursor: &impl Serialize) -> Result<String> {
    let cursor = serde_json::to_vec(cursor).map_err(Error::internal)?;
    let mut bytes = Vec::with_capacity(1 + SEAL_BYTES + cursor.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&binding.seal(&cursor));
    bytes.extend_from_slice(&cursor);
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn open<C: DeserializeOwned>(binding: &Binding, token: &str) -> Option<C> {
    if token.len() > MAX_TOKEN_LENGTH {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (&version, rest) = bytes.split_first()?;
    let (seal, cursor) = rest.split_at_checked(SEAL_BYTES)?;
    if version != VERSION || seal != binding.seal(cursor) {
        return None;
    }
    serde_json::from_slice(cursor).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn binding() -> Binding {
        Binding::new("ListTables")
            .with("dataset_id", Uuid::nil())
            .with("show_archived", false)
    }

    fn parse(binding: Binding, size: i32, token: &str) -> Result<Paging<(String, Uuid)>> {
        let mut violations = Violations::new();
        let paging = Paging::parse(binding, size, token, &mut violations);
        violations.check()?;
        Ok(paging.unwrap())
    }

    fn token_after(binding: Binding, cursor: (String, Uuid)) -> String {
        let paging = Paging::<(String, Uuid)>::first(binding, 1);
        paging.page(vec![1, 2], |_| cursor).unwrap().next_page_token
    }

    #[test]
    fn sizes_are_defaulted_capped_and_checked() {
        for (asked, given) in [(0, 50), (1, 1), (1000, 1000), (1001, 1000), (i32::MAX, 1000)] {
            assert_eq!(parse(binding(), asked, "").unwrap().size, given);
        }
        let error = parse(binding(), -1, "x").unwrap_err();
        let fields: Vec<_> = error.violations().iter().map(|it| it.field.as_str()).collect();
        assert_eq!(fields, ["page_size", "page_token"]);
        assert_eq!(error.reason(), ErrorReason::InvalidField);
    }

    #[test]
    fn a_page_ends_before_it_is_too_large() {
        let paging = Paging::<usize>::first(binding(), 10);
        let half = MAX_PAGE_BYTES / 2;
        let page = |rows: Vec<usize>| paging.page_within(rows, |row| *row, |row| Ok(*row)).unwrap();
        let cut = page(vec![half, half, 1, 1]);
        assert_eq!(cut.rows, [half, half]);
        assert_ne!(cut.next_page_token, "");
        let one = page(vec![MAX_PAGE_BYTES + 1, 1]);
        assert_eq!(one.rows.len(), 1);
        assert_ne!(one.next_page_token, "");
        assert_eq!(page(vec![half, half]).next_page_token, "");
        assert_eq!(page(Vec::new()).next_page_token, "");
    }

    #[test]
    fn a_last_page_has_no_token() {
        let paging = Paging::<u32>::first(binding(), 2);
        assert_eq!(paging.limit(), 3);
        assert_eq!(paging.page(vec![1, 2], |row| *row).unwrap().next_page_token, "");
        assert_eq!(
            paging
                .page(Vec::<u32>::new(), |row| *row)
                .unwrap()
                .next_page_token,
            ""
        );
        let page = paging.page(vec![1, 2, 3], |row| *row).unwrap();
        assert_eq!(page.rows, [1, 2]);
        assert_ne!(page.next_page_token, "");
    }

    #[test]
    fn a_foreign_token_says_so() {
        let token = token_after(binding(), ("a".to_owned(), Uuid::nil()));
        let other = Binding::new("ListTables")
            .with("dataset_id", Uuid::nil())
            .with("show_archived", true);
        let error = parse(other, 0, &token).unwrap_err();
        assert_eq!(error.reason(), ErrorReason::InvalidPageToken);
    }

    #[test]
    fn a_cursor_of_another_shape_is_refused() {
        let token = Paging::<u32>::first(binding(), 1)
            .page(vec![1, 2], |row| *row)
            .unwrap()
            .next_page_token;
        assert_eq!(
            parse(binding(), 0, &token).unwrap_err().reason(),
            ErrorReason::InvalidPageToken
        );
    }

    proptest! {
        #[test]
        fn tokens_come_back(name in any::<String>(), id in any::<u128>()) {
            let cursor = (name, Uuid::from_u128(id));
            let token = token_after(binding(), cursor.clone());
            prop_assert_eq!(parse(binding(), 0, &token).unwrap().after, Some(cursor));
        }

        #[test]
        fn no_text_is_a_token(text in ".{1,200}") {
            prop_assert!(parse(binding(), 0, &text).is_err());
        }

        #[test]
        fn no_bytes_are_a_token(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let text = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert!(text.is_empty() || parse(binding(), 0, &text).is_err());
        }

        #[test]
        fn a_changed_token_is_refused(id in any::<u128>(), at in any::<prop::sample::Index>(), by in 1u8..) {
            let token = token_after(binding(), ("name".to_owned(), Uuid::from_u128(id)));
            let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= by;
            prop_assert!(parse(binding(), 0, &URL_SAFE_NO_PAD.encode(bytes)).is_err());
        }

        #[test]
        fn fields_do_not_run_into_each_other(a in "[a-c]{0,3}", b in "[a-c]{0,3}", c in "[a-c]{0,3}", d in "[a-c]{0,3}") {
            let token = token_after(Binding::new("L").with(&a, &b), ("n".to_owned(), Uuid::nil()));
            let same = (&a, &b) == (&c, &d);
            prop_assert_eq!(parse(Binding::new("L").with(&c, &d), 0, &token).is_ok(), same);
        }
    }
}
